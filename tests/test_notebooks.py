"""The notebooks: as Colab's users meet them, and the converter that makes them."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import course
import nbformat
import notebooks
import pytest
from book_index import index
from myst_blocks import ChapterError, Place, read
from nbclient import NotebookClient
from plain_markdown import Converter

from tests.colab import colab, distributions, environment, runtime, wheel

__all__ = ["colab", "environment", "runtime", "wheel"]  # fixtures

ROOT = course.ROOT
CHAPTERS = course.chapters(ROOT)
FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n"


def named(path: Path) -> str:
    return path.stem


# The published notebooks


@pytest.mark.parametrize("chapter", CHAPTERS, ids=named)
def test_notebook_agrees_with_its_chapter(chapter: Path) -> None:
    text = notebooks.convert(chapter, ROOT, index(ROOT))
    assert chapter.with_suffix(".ipynb").read_text(encoding="utf-8") == text, "run `make notebooks`"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=named)
def test_notebook_is_valid_and_holds_no_output(chapter: Path) -> None:
    notebook = nbformat.read(chapter.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=named)
def test_all_cells_of_a_chapter_together_use_what_they_import(chapter: Path) -> None:
    blocks = read(chapter.read_text(encoding="utf-8"), Place(chapter, 1))
    code = "\n\n".join(block.body for block in blocks if block.name == "code-cell")
    ruff = [sys.executable, "-m", "ruff", "check", "--quiet", "--isolated", "--select", "F", "--ignore", "F811"]
    command = [*ruff, "--stdin-filename", "chapter.py", "-"]
    checked = subprocess.run(
        command, input="display = ...  # which notebooks have\n" + code, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("chapter", CHAPTERS, ids=named)
def test_notebook_runs_in_colab(chapter: Path, runtime: Path, colab: Path, wheel: Path) -> None:
    before = distributions(runtime)
    text = chapter.with_suffix(".ipynb").read_text(encoding="utf-8")
    settings = course.settings()["repository"]
    address = course.archive(settings["url"], settings["branch"])
    assert text.count(address) == 1
    notebook = nbformat.reads(text.replace(address, str(wheel)), as_version=4)
    NotebookClient(notebook, kernel_name="colab", timeout=600, resources={"metadata": {"path": str(colab)}}).execute()
    now = distributions(runtime)
    assert now.pop("replaylib")
    assert now == before, "Colab's own packages stay as they are"
    where = subprocess.run(
        [str(runtime), "-c", "import replaylib; print(replaylib.__file__)"], cwd=colab, capture_output=True, text=True
    )
    assert str(runtime.parents[1]) in where.stdout, "the notebook used the project's folder, not what was installed"


def test_library_is_installed_without_the_trained_networks(wheel: Path) -> None:
    """But with what tells one from another file; those who ask for a network fetch it."""
    with zipfile.ZipFile(wheel) as held:
        names = held.namelist()
    assert "replaylib/published/networks.json" in names
    assert [name for name in names if re.search(r"(gr|bi-r|joint)-\d", name)] == []
    assert wheel.stat().st_size < 8e6


HOSTED = ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")


def install_cell() -> str:
    return notebooks.INSTALL.format(archive="https://example.org/course.zip")


def test_install_cell_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HOSTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPLAYLIB_PROFILE", "paper")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the cell ran a command"))
    exec(install_cell(), {})
    assert os.environ["REPLAYLIB_PROFILE"] == "paper"


def test_install_cell_chooses_the_quick_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HOSTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPLAYLIB_PROFILE", "to be removed")
    del os.environ["REPLAYLIB_PROFILE"]
    exec(install_cell(), {})
    assert os.environ["REPLAYLIB_PROFILE"] == "quick"


def test_install_cell_says_how_to_where_there_is_no_library_and_needs_nothing_itself(tmp_path: Path) -> None:
    bare = [sys.executable, "-I", "-S", "-c", install_cell()]  # neither pandas nor any other package
    environment = {name: value for name, value in os.environ.items() if name not in HOSTED}
    said = subprocess.run(bare, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert said.returncode == 1
    assert said.stderr == (
        "This Python has no replaylib. Install it, then restart the kernel: "
        f"{sys.executable} -m pip install https://example.org/course.zip\n"
    )


@pytest.mark.parametrize("host", HOSTED)
def test_failed_installation_is_one_line(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    commands = []

    def failing(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no such address\n")

    monkeypatch.setenv(host, "any")
    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(
        SystemExit, match=r"could not be installed from https://example.org/course.zip.*no such address"
    ) as e:
        exec(install_cell(), {})
    assert "\n" not in str(e.value)
    assert ("switch on Internet" in str(e.value)) == (host == "KAGGLE_KERNEL_RUN_TYPE")
    assert "--no-deps" in commands[0]


# The converter


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A small book of two chapters and a glossary."""
    files = {
        "_config.yml": "repository: {url: https://github.com/Someone/my-fork, branch: main}\n"
        "bibtex_bibfiles: [book/references.bib]\n",
        "book/references.bib": "@article{Three, author={Ann {van den Berg} and Bo Roe and Cy Poe}, title={On replay},"
        " journal={Sleep}, year={1995}, doi={10.1/x(1)y}}\n"
        "@book{Two, author={Dee Doe and Eve Fox}, title={Memory}, publisher={P}, year={2001}}\n",
        "book/glossary.md": "# Glossary\n\n:::{glossary}\nReplay\n  Again.\n\nexact replay\n  Stored.\n:::\n",
        "book/replay.svg": "<svg/>",
        "replaylib/lib.py": "A = 1\n\n\ndef double(x):\n    return 2 * x\n\n\nB = 2\n",
        "chapters/01_one.md": FRONT + "(first-label)=\n# One\n\n```{exercise}\n:label: ex-one\nDo.\n```\n",
        "chapters/04_four.md": FRONT
        + "# Four\n\n```{math}\n:label: eq-a\na\n```\n\n$$\nb\n$$ (eq-b)\n\n"
        + "```{figure} ../book/replay.svg\n:name: fig-a\n:alt: A.\n```\n\n"
        + "```{code-cell} python\n:caption: Accuracy by *method*.\n:label: tab-a\n\n1\n```\n\n"
        + "```{exercise} Count\n:label: ex-a\nHow *many*?\n```\n\n````{exercise}\n:label: ex-b\nAnd?\n````\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def converter(book: Path) -> Converter:
    return notebooks.converter(book / "chapters" / "04_four.md", book, index(book))


def plain(converter: Converter, source: str) -> str:
    return converter.convert(source, Place(Path("chapters/04_four.md"), 1))


SITE = "https://someone.github.io/my-fork/"
BLOB = "https://github.com/Someone/my-fork/blob/main/"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{cite:p}`Three,Two`", "([van den Berg et al., 1995](https://doi.org/10.1/x%281%29y); Doe and Fox, 2001)"),
        ("{cite}`Two`", "(Doe and Fox, 2001)"),
        ("{cite:t}`Three` says", "[van den Berg et al. (1995)](https://doi.org/10.1/x%281%29y) says"),
        ("{term}`replay`", f"[*replay*]({SITE}book/glossary.html#term-Replay)"),
        ("{term}`replays <exact replay>`", f"[*replays*]({SITE}book/glossary.html#term-exact-replay)"),
        ("{doc}`01_one`", f"[One]({SITE}chapters/01_one.html)"),
        ("{doc}`the words </book/glossary>`", f"[the words]({SITE}book/glossary.html)"),
        ("{ref}`first-label`", f"[One]({SITE}chapters/01_one.html#first-label)"),
        ("{ref}`there <first-label>`", f"[there]({SITE}chapters/01_one.html#first-label)"),
        ("{ref}`ex-b`", "Exercise 4.2"),
        ("{ref}`ex-one`", f"[Exercise 1.1]({SITE}chapters/01_one.html#ex-one)"),
        ("{numref}`fig-a`, {numref}`picture %s <fig-a>`", "Fig. 4.1, picture 4.1"),
        ("{eq}`eq-b`", "(4.2)"),
        ("{math}`a^2` and $b_{1}$", "$a^2$ and $b_{1}$"),
        ("{func}`~replaylib.loop.fit` {py:class}`Buffer`", "`fit` `Buffer`"),
        ("`{ref}` and ``{eq}`x` `` stay", "`{ref}` and ``{eq}`x` `` stay"),
        ("[one](01_one.md)", f"[one]({SITE}chapters/01_one.html)"),
        ("[one](01_one.md#first-label)", f"[one]({SITE}chapters/01_one.html#first-label)"),
        ("[code](../replaylib/lib.py)", f"[code]({BLOB}replaylib/lib.py)"),
        (
            "[out](https://example.org/a_b) <https://example.org>",
            "[out](https://example.org/a_b) <https://example.org>",
        ),
        ("% a comment\n\n(a-label)=\n## Title\n\ntext", "## Title\n\ntext"),
        ("one\n\n+++\n\ntwo", "one\n\ntwo"),
        ("```{chapter-times}\n```", "Reading takes about 5 minutes."),
        ("```python\n# {ref}`x` and [y](z)\n```", "```python\n# {ref}`x` and [y](z)\n```"),
        ("```{note}\nOne\n\n- two\n```", "> **Note**\n>\n> One\n>\n> - two"),
        (":::{seealso} One\ntwo\n:::", "> **See also**\n>\n> One\n>\n> two"),
        ("```{admonition} *You* learn\n:class: tip\nOne\n```", "> **\\*You\\* learn**\n>\n> One".replace("\\", "")),
        (
            "````{important}\n```{math}\nx\n```\n````",
            "> **Important**\n>\n> $$\n> x\n> $$",
        ),
        (
            "```{admonition} More\n:class: note dropdown\nOne\n```",
            "<details>\n<summary><b>More</b></summary>\n\nOne\n\n</details>",
        ),
        (
            ":::{dropdown} Why `x`?\n---\nopen: true\n---\nOne\n:::",
            "<details>\n<summary><b>Why <code>x</code>?</b></summary>\n\nOne\n\n</details>",
        ),
        (
            ":::{self-check} Is {term}`replay` *it*?\n- [ ] No, `x`.\n  It is.\n"
            "- [X] Yes.\n\n  See {eq}`eq-a`.\n\n  So.\n:::",
            f"**Check yourself.** Is [*replay*]({SITE}book/glossary.html#term-Replay) *it*?\n\n"
            "<details>\n<summary>No, <code>x</code>.</summary>\n\n"
            '<span role="img" aria-label="Wrong:">✗</span> It is.\n\n</details>\n\n'
            "<details>\n<summary>Yes.</summary>\n\n"
            '<span role="img" aria-label="Right:">✓</span> See (4.1).\n\nSo.\n\n</details>',
        ),
        (
            "```{live} forget\n```",
            f"**Forget it yourself**: a network that learns on [this chapter's page]({SITE}chapters/04_four.html"
            "#live-forget).",
        ),
        ("```{math}\n:label: eq-a\na\n```", "$$\na\n\\tag{4.1}\n$$"),
        ("```{math}\na &= b \\\\\nc &= d\n```", "$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n$$"),
        ("$$\nb\n$$ (eq-b)", "$$\nb\n\\tag{4.2}\n$$"),
        ("\\begin{align*}\na &= b\n\\end{align*}\n\nafter", "$$\n\\begin{align*}\na &= b\n\\end{align*}\n$$\n\nafter"),
        (
            "```{figure} ../book/replay.svg\n:name: fig-a\n:alt: A box.\n\nA {term}`replay`.\n```",
            f"![A box.]({SITE}_images/replay.svg)\n\n**Fig. 4.1.** A [*replay*]({SITE}book/glossary.html#term-Replay).",
        ),
        ("{numref}`tab-a`", f"[Accuracy by *method*]({SITE}chapters/04_four.html#tab-a)"),
        ("```{table} What *holds*\n| a |\n|---|\n| {math}`x` |\n```", "**What *holds***\n\n| a |\n|---|\n| $x$ |"),
        ("```{image} ../book/replay.svg\n:alt: A box.\n```", f"![A box.]({SITE}_images/replay.svg)"),
        ("```{exercise} Count\n:label: ex-a\nHow *many*?\n```", "**Exercise 4.1: Count**\n\nHow *many*?"),
        (
            "```{solution} ex-b\n:class: dropdown\nSo.\n```",
            "<details>\n<summary><b>Solution to Exercise 4.2</b></summary>\n\nSo.\n\n</details>",
        ),
        (
            "```{literalinclude} ../replaylib/lib.py\n:pyobject: double\n:language: python\n```",
            f"From [`replaylib/lib.py`]({BLOB}replaylib/lib.py):\n\n```python\ndef double(x):\n    return 2 * x\n```",
        ),
        (
            "```{literalinclude} ../replaylib/lib.py\n:lines: 1,8\n```",
            f"From [`replaylib/lib.py`]({BLOB}replaylib/lib.py):\n\n```python\nA = 1\nB = 2\n```",
        ),
    ],
)
def test_becomes_plain_markdown(converter: Converter, source: str, expected: str) -> None:
    assert plain(converter, source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("one\n\n```{glue} x\n```", r"04_four.md:3: \{glue\}"),
        ("```{note}\n:class: tip\n\n{glue}`x`\n```", r"04_four.md:4: the role \{glue\}"),
        ("- item\n\n  ```{note}\n  text\n  ```", r"04_four.md:3: \{note\} inside a list"),
        ("{cite:p}`Nobody2000`", r"no entry 'Nobody2000'"),
        ("{term}`recall`", r"the glossary has no term 'recall'"),
        ("{ref}`nowhere`", r"no page has a label 'nowhere'"),
        ("[x](99_none.md)", r"no page chapters/99_none"),
        ("[x](none.txt)", r"no file none.txt"),
        ("text[^1]\n\n[^1]: note", r"04_four.md:3: a footnote"),
        ("Term\n: meaning", r"04_four.md:1: a definition list"),
        ("\\begin{align}\na\n\\end{align}", r"04_four.md:1: an environment that numbers itself"),
        ("```{figure} ../book/replay.svg\ncaption\n```", r"needs :alt:"),
        ("```{figure} ../book/none.svg\n:alt: A.\n```", r"no file ../book/none.svg"),
        ("```{exercise}\n:label: ex-a\n:nonumber:\nDo.\n```", r":nonumber:"),
        ("```{literalinclude} ../replaylib/lib.py\n:pyobject: gone\n```", r"gone"),
        ("```{literalinclude} ../replaylib/none.py\n```", r"none.py"),
        ("```{code-cell} python\n1\n```", r"\{code-cell\}"),
        ("```{dropdown} Why `x`?\nOne\n```", r"04_four.md:1: .*fence it with :::"),
        ("```{live} forgotten\n```", r"04_four.md:1: there is no live part 'forgotten'"),
        (":::{self-check}\n- [x] Yes.\n  So.\n:::", r"04_four.md:2: \{self-check\} needs its question"),
        (":::{self-check} It?\n- [ ] No.\n  So.\n:::", r"04_four.md:2: this \{self-check\} has no right answer"),
        (":::{self-check} It?\n- [x] Yes.\n  So.\n:::", r"04_four.md:2: .* has no wrong answer"),
        (":::{self-check} It?\n:::", r"has no right answer"),
        (":::{self-check} It?\n\n- [ ] No.\n  So.\n- [x] Yes.\n\n:::", r"04_four.md:5: the answer 'Yes.' does not say"),
        (":::{self-check} It?\n- [ ] No.\n  So.\nand\n:::", r"04_four.md:4: indent 'and' by two"),
        (":::{self-check} It?\n- No.\n  So.\n:::", r"04_four.md:2: '- No.' is no answer"),
        (":::{self-check} It?\nor\n- [ ] No.\n  So.\n:::", r"04_four.md:2: 'or' belongs to no answer"),
        (":::{self-check} It?\n- [ ] No.\n  See {ref}`nowhere`.\n- [x] Yes.\n  So.\n:::", r"04_four.md:3: no page has"),
        ("[a {term}`replay` link](01_one.md)", r"the role \{term\} stands where"),
    ],
)
def test_refuses_what_a_notebook_cannot_show(converter: Converter, source: str, message: str) -> None:
    with pytest.raises(ChapterError, match=message):
        plain(converter, source)


def cells(book: Path, body: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The cells that a chapter's body becomes, without those that begin every notebook."""
    chapter = book / "chapters" / "05_five.md"
    chapter.write_text(FRONT + "# Five\n\n" + body)
    entries = json.loads(notebooks.convert(chapter, book, index(book)))["cells"]
    assert [cell["cell_type"] for cell in entries[:3]] == ["markdown", "code", "code"]
    return [(cell["cell_type"], "".join(cell["source"]), cell["metadata"]) for cell in entries[3:]]


def test_notebook_begins_with_its_title_and_the_install_cell(book: Path) -> None:
    entries = json.loads(notebooks.convert(book / "chapters" / "04_four.md", book, index(book)))["cells"]
    assert "".join(entries[0]["source"]).startswith(
        f"# 4. Four\n\n[This chapter in the book]({SITE}chapters/04_four.html)"
    )
    assert "https://github.com/Someone/my-fork/archive/refs/heads/main.zip" in "".join(entries[1]["source"])


def test_text_is_cut_at_cells_and_second_level_headings(book: Path) -> None:
    body = "a\n\n```{code-cell} python\n1 + 1\n```\n\nb\n\n## C\n\nc\n\n```python\n## no heading\n```\n\n### D\n"
    assert cells(book, body) == [
        ("markdown", "a", {}),
        ("code", "1 + 1", {}),
        ("markdown", "b", {}),
        ("markdown", "## C\n\nc\n\n```python\n## no heading\n```\n\n### D", {}),
    ]


def test_hidden_code_is_folded(book: Path) -> None:
    body = "```{code-cell} python\n:tags: [hide-input, keep]\n\n1\n```\n"
    [(_, source, metadata)] = cells(book, body)
    assert source == "# @title Show the code\n1"
    assert metadata == {"tags": ["hide-input", "keep"], "cellView": "form", "jupyter": {"source_hidden": True}}


def test_solution_with_cells_runs_and_is_folded(book: Path) -> None:
    body = (
        "```{exercise-start}\n:label: ex-five\n```\nDo.\n```{exercise-end}\n```\n\n"
        "```{solution-start} ex-five\n:class: dropdown\n```\n\nSo:\n\n```{code-cell} python\n1\n```\n\n"
        "```{solution-end}\n```\n\nAfter.\n"
    )
    text, work, folded, code, after = cells(book, body)
    assert text[1] == "**Exercise 5.1**\n\nDo."
    assert work == ("code", "# Your work on Exercise 5.1\n", {})
    assert folded[1] == "<details>\n<summary><b>Solution to Exercise 5.1</b></summary>\n\nSo:\n\n</details>"
    assert code[1:] == ("%%solution Solution to Exercise 5.1\n# @title Solution to Exercise 5.1\n1", notebooks.FORM)
    assert after[1] == "After."


EXERCISE = "```{exercise}\n:label: ex-five\nDo.\n```\n\n"
SOLUTION = "```{solution} ex-five\nSo.\n```\n"


def test_an_answer_that_can_be_checked_has_a_cell_that_checks_it(book: Path) -> None:
    check = "```{check} ex-five\nasks: how many\nanswer: 130\nwithin: 5\n```\n\n"
    _, work, checked, _ = cells(book, EXERCISE + check + SOLUTION)
    assert work == ("code", "# Exercise 5.1: how many\nanswer = ...", {})
    assert checked == ("code", "# @title Check\nexercises.check(answer, 130, within=5.0)", notebooks.FORM)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("```{check} ex-five\nanswer: 130\n```\n\n" + SOLUTION, r"a \{check\} has asks, answer"),
        ("```{check} ex-other\nasks: a\nanswer: 1\n```\n\n" + SOLUTION, "of 'ex-other' stands before no solution"),
    ],
)
def test_a_check_of_nothing_is_refused(book: Path, body: str, message: str) -> None:
    with pytest.raises(ChapterError, match=message):
        cells(book, EXERCISE + body)


def test_references_are_listed_once_and_only_if_cited(book: Path) -> None:
    entries = cells(book, "{cite:p}`Two` {cite:t}`Three` {cite:p}`Two`")
    assert entries[-1][1].startswith("## References\n\n- Dee Doe and Eve Fox. *Memory*. P, 2001.\n- Ann van den Berg,")
    assert entries[-1][1].count("Eve Fox") == 1
    assert len(cells(book, "nothing")) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("```{solution-start} ex-a\n```\n\nSo.\n", r"05_five.md:9: this \{solution-start\} has no"),
        ("# Another title\n", r"one first-level heading"),
    ],
)
def test_refuses_a_malformed_chapter(book: Path, body: str, message: str) -> None:
    with pytest.raises(ChapterError, match=message):
        cells(book, body)


def test_command_writes_then_agrees_then_finds_a_difference(book: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "notebooks.py"), "--root", str(book)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert subprocess.run([*command, "--check"], capture_output=True).returncode == 0
    with (book / "chapters" / "01_one.md").open("a") as chapter:
        chapter.write("\nmore\n")
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert checked.returncode == 1
    assert checked.stdout == "chapters/01_one.ipynb does not match its chapter: run `make notebooks`\n"
