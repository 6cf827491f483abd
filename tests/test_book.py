"""The book's parts fit together, and what the project's own Sphinx extension and build command promise holds."""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import assets
import course
import dark
import folds
import publish
import pytest
import tinycss2
import typeset
from execute import execute
from myst_blocks import Place, read
from pybtex.database import parse_file

# The small book takes a while to build: all that look at it run in one process.
pytestmark = pytest.mark.xdist_group("book")
ROOT = course.ROOT
ADDRESS = "https://github.com/someone/their-course"
COLUMNS = 88  # of code that a page shows without a scroll bar, see custom.css
PAGES = [*course.chapters(ROOT), *sorted(ROOT.glob("book/*.md")), *sorted(ROOT.glob("book/api/*.md"))]


def test_contents_list_every_chapter_in_order() -> None:
    chapters = [page for page in course.listed() if page.startswith("chapters/")]
    assert chapters == [f"chapters/{path.stem}" for path in course.chapters(ROOT)]


def test_contents_list_only_what_exists_and_nothing_twice() -> None:
    assert [page for page in course.listed() if not (ROOT / f"{page}.md").is_file()] == []
    assert len(set(course.listed())) == len(course.listed())


def test_contents_leave_no_page_out() -> None:
    assert {path.relative_to(ROOT).with_suffix("").as_posix() for path in PAGES} == set(course.listed())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_cited_key_is_in_the_bibliography(page: Path) -> None:
    known = set(parse_file(str(ROOT / "book" / "references.bib"), bib_format="bibtex").entries)
    roles = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text(encoding="utf-8"))
    assert {key.strip() for keys in roles for key in keys.split(",")} - known == set()


def test_sources_of_the_argument_are_cited() -> None:
    """What is not cited does not show in the bibliography."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    cited = {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in keys.split(",")}
    assert {
        "wilson1994", "rasch2007", "mccloskey1989", "ratcliff1990", "mcclelland1995", "rolnick2019", "liu2018",
        "liu2019", "vandeven2020",
    } <= cited  # fmt: skip


@pytest.mark.parametrize("chapter", course.chapters(ROOT), ids=lambda path: path.stem)
def test_code_that_is_shown_fits_the_page(chapter: Path) -> None:
    """The notebook holds all code that the page shows, the library's included."""
    shown = []
    for cell in json.loads(chapter.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"][2:]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            shown += re.findall(r"^```python\n(.*?)^```$", source, re.MULTILINE | re.DOTALL)
        elif not cell["metadata"].get("tags"):
            shown.append(source)
    assert shown
    assert [line for source in shown for line in source.splitlines() if len(line) > COLUMNS] == []


def code() -> Iterator[tuple[Path, int, str]]:
    """Every Python file, and every code cell of a page with the line before its first."""
    for folder in ("replaylib", "tools", "grading", "tests", "instructors", "book", "chapters"):
        yield from ((path, 0, path.read_text()) for path in (ROOT / folder).rglob("*.py"))
    for path in (*(ROOT / "chapters").glob("*.md"), *(ROOT / "book").rglob("*.md")):
        for block in read(path.read_text(), Place(path, 1)):
            if block.name == "code-cell":
                yield path, block.place.line, block.body


def test_no_variable_is_a_pronoun():
    pronouns = {"found", "some", "made", "it", "its", "them", "those", "what", "which", "mine", "theirs"}
    places = [
        f"{path.relative_to(ROOT)}:{before + node.lineno}: {pronoun}"
        for path, before, text in code()
        for node in ast.walk(ast.parse(text))
        for pronoun in pronouns & {getattr(node, field, None) for field in ("id", "arg", "name", "asname", "attr")}
        if not isinstance(node, ast.keyword)
        if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store)  # others name what they offer
    ]
    assert places == []


def test_no_file_names_a_package_registry() -> None:
    registries = [
        ".".join(parts) for parts in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"), ("docker", "io")]
    ]
    registries += [".".join(parts) for parts in [("ghcr", "io"), ("download", "pytorch"), ("anaconda", "org")]]
    outputs = ("_build", "dist", ".git", "__pycache__")
    files = [
        path
        for path in ROOT.rglob("*")
        if path.suffix
        in {".cfg", ".cff", ".css", ".in", ".ipynb", ".js", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
        or path.name in {"Makefile", "run"}
        if not any(part in outputs or part.startswith(".venv") or part.endswith("_cache") for part in path.parts)
    ]
    assert ROOT / "pyproject.toml" in files
    mentions = [
        f"{path.relative_to(ROOT)} names {name}"
        for path in files
        if path.is_file()
        for name in registries
        if name in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert mentions == []


@pytest.mark.parametrize(
    ("repository", "site"),
    [
        ("https://github.com/example/replay-course", "https://example.github.io/replay-course/"),
        ("https://github.com/Example/course.git", "https://example.github.io/course/"),
        ("https://github.com/Example/example.github.io/", "https://example.github.io/"),
    ],
)
def test_site_address_comes_from_the_repository(repository: str, site: str) -> None:
    assert course.site(repository) == site


def test_archive_address_is_what_pip_installs() -> None:
    address = "https://github.com/a/b/archive/refs/heads/main.zip"
    assert (
        course.archive("https://github.com/a/b.git", "main")
        == course.archive("https://github.com/a/b/", "main")
        == address
    )


def test_chapters_are_numbered_by_their_file() -> None:
    assert [course.chapter_number(page) for page in ("chapters/04_exact_replay", "book/04_x", "chapters/index")] == [
        4,
        None,
        None,
    ]


# A small book, built by the project's own command

FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOW = (
    f"from base64 import b64decode\nfrom IPython.display import Image, display\npixel = Image(b64decode('{PIXEL}'))\n"
)
CHAPTER = (
    FRONT
    + """\
(exact)=
# Exact replay

```{chapter-times}
```

It was found early {cite:p}`Doe2001`, and shown by {cite:t}`Doe2001`. It is 90 ± 1 % of 2 %, in code `90 ± 1 %`.

```{math}
:label: eq-a
a
```

```{code-cell} python
print("the library says", open("../replaylib/lib.py").read())
"""
    + SHOW
    + """\
display(pixel, metadata={"image/png": {"alt": "One red pixel."}})
```

```{code-cell} python
:tags: [hide-input]
:caption: What one row shows.
:label: tab-row

from IPython.display import HTML

HTML("<table class='dataframe'><thead><tr><th></th><th>accuracy</th></tr></thead></table>")
```

```{code-cell} python
:tags: [remove-input]
:caption: What two columns show.

from IPython.display import Markdown

Markdown("| method | accuracy (%) |\\n|---|---|\\n| none | 20 |\\n\\nOne seed.")
```

```{code-cell} python
from replaylib.course import figures, widgets

def draw(steps):
    with figures.figure(height=1, alt=f"A line after {steps} steps.") as ax:
        ax.plot([0, steps])

widgets.slider("steps <b>", [1, 2, 3], draw)
```

:::{self-check} Is $x$ *forgotten*?
- [ ] No, see {eq}`eq-a`.
  It is gone.
- [x] Yes.

  See {cite:t}`Doe2001`.
:::

```{exercise}
:label: ex-a
Do.
```

```{solution} ex-a
:class: dropdown
Done.
```
"""
)


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(folder / "tools" / "book.py")], capture_output=True, text=True)


@pytest.fixture(scope="module")
def small_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this project's tools and settings and one chapter, built once."""
    folder = tmp_path_factory.mktemp("book")
    for name in ("tools", "book/_ext", "book/_static", "book/_templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "book/descriptions.yml"):
        shutil.copyfile(ROOT / name, folder / name)
    settings = (ROOT / "_config.yml").read_text(encoding="utf-8")
    (folder / "_config.yml").write_text(settings.replace(course.settings(ROOT)["repository"]["url"], ADDRESS))
    files = {
        "_toc.yml": "format: jb-book\nroot: book/intro\nparts:\n- caption: Chapters\n  numbered: 1\n  chapters:\n"
        "  - file: chapters/04_exact\n- caption: More\n  chapters:\n"
        "  - file: book/results\n  - file: book/bibliography\n",
        "book/intro.md": "# Welcome\n\nSee {ref}`ex-a` and {eq}`eq-a`, {term}`Stream`, {numref}`tab-row`.\n\n"
        "{ref}`Go on <exact>`.\n\n```{glossary}\nStream\n  A sequence of tasks. One after another.\n```\n",
        "book/results.md": FRONT + "# Results\n\n```{code-cell} python\nprint(1 + 1, '= 2')\n```\n",
        "book/bibliography.md": "# Bibliography\n\n```{bibliography}\n```\n",
        "book/references.bib": "@misc{Doe2001, author={Doe, Dee and Fox, Eve}, title={Memory}, year=2001}\n",
        "book/results/README.md": "none\n",
        "chapters/04_exact.md": CHAPTER,
        "chapters/04_exact.ipynb": json.dumps({"made": "for Colab"}),
        "replaylib/lib.py": "one",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    built = build(folder)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    assert f"The book is built: {folder}/_build/html/index.html" in built.stdout
    assert {"chapters/04_exact", "book/results"} == set(
        re.findall(r"^executed (\S+) in \d+ s, \d+ s of computing$", built.stdout, re.M)
    )
    assert "Executing notebook" not in built.stdout + built.stderr, "Sphinx executed again what was in the cache"
    assert "took" not in built.stderr
    assert "WARNING" not in built.stdout + built.stderr
    return folder


def page(folder: Path, name: str) -> str:
    return (folder / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


def test_output_images_carry_their_alternative_text(small_book: Path) -> None:
    assert re.search(r'<img [^>]*alt="One red pixel\."', page(small_book, "chapters/04_exact"))


def test_chapter_is_numbered_by_its_file_in_the_page(small_book: Path) -> None:
    chapter, intro = page(small_book, "chapters/04_exact"), page(small_book, "book/intro")
    assert re.search(r"<h1>.*4\. .*Exact replay", chapter)
    assert "Exercise 4.1" in chapter
    assert "Exercise 4.1" in intro
    assert "(4.1)" in intro


def test_chapter_says_how_long_it_takes(small_book: Path) -> None:
    text = page(small_book, "chapters/04_exact")
    assert re.search(
        r"Reading takes about 5 minutes; running all of it took \d+ seconds when this page was built\.", text
    )


def test_launch_button_leads_to_the_notebook(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    assert "https://colab.research.google.com/github/someone/their-course/blob/main/chapters/04_exact.ipynb" in chapter
    assert "https://mybinder.org/v2/gh/someone/their-course/main?urlpath=lab/tree/chapters/04_exact.ipynb" in chapter
    assert "https://kaggle.com/kernels/welcome?src=" in chapter


def test_executed_pages_without_a_notebook_have_no_launch_button(small_book: Path) -> None:
    assert "2 = 2" in page(small_book, "book/results")
    assert "colab.research.google.com" not in page(small_book, "book/results")


def test_download_is_the_notebook_made_for_jupyter(small_book: Path) -> None:
    offered = small_book / "_build" / "html" / "_sources" / "chapters" / "04_exact.ipynb"
    assert json.loads(offered.read_text()) == {"made": "for Colab"}


def test_citations_have_round_brackets(small_book: Path) -> None:
    text = re.sub(r"<[^>]+>", "", page(small_book, "chapters/04_exact"))
    assert "found early (Doe and Fox, 2001), and shown by Doe and Fox (2001)." in text


@pytest.mark.parametrize("name", ["book/intro", "book/bibliography", "chapters/04_exact"])
def test_page_loads_nothing_from_elsewhere(small_book: Path, name: str) -> None:
    html = page(small_book, name)
    loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"([^\"]+)\"", html)
    loaded += re.findall(r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"([^\"]+)\"", html)
    assert loaded
    loaded = [address for address in loaded if not address.startswith("data:")]
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    assert "thebe" not in html.lower()
    missing = [
        a for a in loaded if not (small_book / "_build" / "html" / name).parent.joinpath(a.split("?")[0]).exists()
    ]
    assert missing == []


def test_formulas_are_set_while_the_book_is_built(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    displayed = re.findall(r'<div class="math"[^>]*id="equation-eq-a"[^>]*>(.*?)</div>', chapter, re.S)
    assert len(displayed) == 1
    assert 'class="katex-display"' in displayed[0]
    assert "<mi>a</mi>" in displayed[0], "what is read aloud"
    assert re.search(r'</math>.*<span class="eqno">\(4\.1\)', displayed[0], re.S), "the number follows its formula"
    assert "<mi>x</mi>" in chapter
    assert not re.search(r"<script[^>]*mathjax", chapter, re.I)
    style = "_static/vendor/katex/katex-swap.min.css"
    assert style in chapter
    assert style not in page(small_book, "book/results")
    fonts = re.findall(r"url\(([^)]+\.woff2)\)", (small_book / "_build" / "html" / style).read_text())
    assert fonts
    assert [
        name for name in fonts if not (small_book / "_build" / "html" / style).parent.joinpath(name).is_file()
    ] == []
    assert not list((small_book / "_build" / "html").rglob("katex*.js"))


def test_formula_that_cannot_be_set_says_why() -> None:
    with pytest.raises(ValueError, match=r"Undefined control sequence: \\nothing at position 3"):
        typeset.formula(r"a \nothing", display=True)


def test_lines_of_a_formula_stand_below_one_another() -> None:
    assert typeset.split("a") == "a"
    assert typeset.split("a\n\nb") == r"\begin{gathered}a\\ b\end{gathered}"
    assert "<mtable" in typeset.formula(typeset.split(r"a &= b \\ &= c"), display=True)


def test_formulas_are_set_by_what_its_note_names() -> None:
    digest = hashlib.sha256((typeset.KATEX / "katex.min.js").read_bytes()).hexdigest()
    assert digest in (typeset.KATEX / "README.md").read_text(encoding="utf-8")


def test_markup_suits_screen_readers(small_book: Path) -> None:
    assert 'role="listitem"' in page(small_book, "book/bibliography")
    chapter = page(small_book, "chapters/04_exact")
    assert '<th scope="col">accuracy</th>' in chapter
    assert "<th></th>" not in chapter
    assert 'aria-label="Toggle hidden content"' not in chapter
    assert re.search(
        r'<details class="solution[^>]*>\s*<summary class="admonition-title">Solution to Exercise 4.1</summary>',
        chapter,
    )


def test_numbers_stay_on_one_line_with_their_units_but_not_in_code(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    assert "It is 90\u00a0±\u00a01\u00a0% of 2\u00a0%, in code" in chapter
    [code] = re.findall(r"<code.*?</code>", chapter[chapter.index("in code") :], re.DOTALL)[:1]
    assert "\u00a0" not in code


def test_what_moves_needs_no_kernel_and_no_widget_manager(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    [moved] = re.findall(r'<div class="moved">.*?</script></div>', chapter, re.S)
    assert '<label for="moved-1">steps &lt;b&gt;</label> <output for="moved-1">1</output>' in moved
    assert '<input type="range" id="moved-1" min="0" max="2" value="0" aria-valuetext="1">' in moved
    states = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', moved, re.S)[0])
    assert [state["name"] for state in states] == ["1", "2", "3"]
    assert [state["alt"] for state in states] == [f"A line after {steps} steps." for steps in (1, 2, 3)]
    shown = [small_book / "_build" / "html" / "chapters" / file[0] for state in states for file in state["files"]]
    assert len(set(shown)) >= 3
    assert all(path.is_file() for path in shown)
    assert "ipywidgets" not in chapter
    assert "widget-state" not in chapter


def test_what_moves_shows_its_first_picture_without_javascript(small_book: Path) -> None:
    [moved] = re.findall(r'<div class="moved">.*?</script></div>', page(small_book, "chapters/04_exact"), re.S)
    assert re.search(r'<div class="moved-shown"[^>]*><picture>.*<img [^>]*alt="A line after 1 steps\."', moved)
    assert "This picture shows steps &lt;b&gt;: 1." in moved


def test_figures_follow_the_theme_and_keep_letters_on_heat_maps() -> None:
    parts = [
        '<?xml version="1.0"?>\n<svg width="72pt"><metadata>made</metadata>',
        '<g id="patch_1"><path style="fill: #ffffff"/></g>',
        '<g id="text_1"><g style="fill: #262626"/><g style="fill: #0173b2"/><g style="fill: #000000"/></g></svg>',
    ]
    svg = "".join(parts)
    picture = dark.themed(svg)
    assert "metadata" not in picture
    assert "@media (prefers-color-scheme:dark)" in picture
    assert f"fill:{dark.GROUND}!important" in picture
    lightened = dict(re.findall(r'fill: (#[0-9a-f]{6})"\][^{]*\{fill:(#[0-9a-f]{6})', picture))
    assert set(lightened) == {"#ffffff", "#262626", "#0173b2"}
    assert all(dark.contrast(lightened[colour], dark.GROUND) >= 4.5 for colour in ("#262626", "#0173b2"))
    assert dark.contrast("#000000", "#ffffff") == pytest.approx(21)


def test_page_loads_one_style_sheet_and_one_script(small_book: Path) -> None:
    results = page(small_book, "book/results")
    assert re.findall(r'<link [^>]*rel="stylesheet"[^>]*href="\.\./_static/([\w./-]+)', results) == ["book.css"]
    assert re.findall(r'<script[^>]* src="\.\./_static/([\w./-]+)', results) == ["book.js"]
    static = small_book / "_build" / "html" / "_static"
    css = (static / "book.css").read_text()
    assert ".self-check" in css
    assert ".fa-magnifying-glass{--icon" in css
    assert "Font Awesome" not in re.findall(r"@font-face[^}]*", css)
    assert ".navbar-expand-xxl" not in css, "what no page can match is left out"
    assert len(css) < 0.5 * (static / "styles" / "pydata-sphinx-theme.css").stat().st_size
    assert (static / "book.js").read_text().count("moved-control") == (
        ROOT / "book/_static/moved.js"
    ).read_text().count("moved-control")


def test_style_sheet_keeps_what_a_page_can_match() -> None:
    css = ".a,.gone .b{x:1} .gone{x:2} p:not(.gone){x:3} @media print{.gone{x:4} .b{x:5}} @media screen{.gone{x:6}}"
    kept = assets.slim(tinycss2.parse_stylesheet(css, skip_whitespace=True), {"a", "b"})
    assert kept.split("\n") == [".a{x:1}", "p:not(.gone){x:3}", "@media print{.b{x:5}}"]


@pytest.mark.parametrize("letter", ["\\f0f3", "\uf0f3"])
def test_letters_of_the_icon_font_become_shapes(letter: str) -> None:
    css = f'html{{--bell:"{letter}";--note:var(--bell)}} a{{content:var(--note)}} b{{content:"{letter}"}}'
    drawn = assets.draw_letters(css + 'i{content:"x"}', [assets.Icon("bell", "f0f3", "url(bell)")])
    assert drawn.count("mask:url(bell)") == 4  # with a prefix and without, twice
    assert 'i{content:"x"}' in drawn


def test_imports_are_folded_only_where_they_are_many() -> None:
    assert folds.lines_of_imports("import a\nfrom b import (\n  c,\n)\n\nx = 1\nimport d") == 4
    assert folds.lines_of_imports("%time x") == 0


def test_self_check_opens_without_javascript_and_says_more_than_a_colour(small_book: Path) -> None:
    [shown] = re.findall(
        r'<div class="self-check docutils container">.*?</ul>\s*</div>', page(small_book, "chapters/04_exact"), re.S
    )
    assert re.search(r'<p class="question">Is <span class="math[^>]*>.*?</span> <em>forgotten</em>\?</p>', shown)
    wrong, right = re.findall(r'<details class="(?:wrong|right)">.*?</details>', shown, re.S)
    assert re.search(r'wrong">\s*<summary>No, see <a [^>]*>\(4\.1\)</a>\.</summary>', wrong)
    assert re.search(r'role="img" aria-label="Wrong:">✗</span> It is gone\.', wrong)
    assert "<summary>Yes.</summary>" in right
    assert re.search(r'role="img" aria-label="Right:">✓</span> See .*Doe and Fox', right, re.S)


def test_pages_know_their_published_address(small_book: Path) -> None:
    site = "https://someone.github.io/their-course/"
    assert f'<link rel="canonical" href="{site}chapters/04_exact.html"' in page(small_book, "chapters/04_exact")
    built = small_book / "_build" / "html"
    addresses = re.findall(r"<loc>(.*?)</loc>", (built / "sitemap.xml").read_text())
    pages = ("chapters/04_exact", "book/results", "book/bibliography")
    assert addresses == [site, *(f"{site}{name}.html" for name in pages)]
    assert f'href="{site}index.html"' in (built / "404.html").read_text()


def test_first_page_is_there_under_the_sites_own_address(small_book: Path) -> None:
    first = page(small_book, "index")
    assert "Welcome" in first
    assert "http-equiv" not in first, "it sends nobody on"
    linked = re.findall(r'(?:href|src)="(?!https?:|#|data:)([^"#?]+)', first)
    assert "chapters/04_exact.html" in linked
    assert [name for name in linked if not (small_book / "_build" / "html" / name).exists()] == []
    assert '<link rel="canonical" href="https://someone.github.io/their-course/"' in first


def test_pages_say_what_they_are_about(small_book: Path) -> None:
    about = publish.descriptions(ROOT)["book/results"]
    results = page(small_book, "book/results")
    assert results.count('name="description"') == 1
    assert f'<meta name="description" content="{about}"' in results
    assert f'<meta property="og:description" content="{about}"' in results
    assert '<meta property="og:image" content="https://someone.github.io/their-course/_static/social.png"' in results
    assert re.search(r'<link rel="icon" href="[^"]*favicon.svg"', results)


def test_figures_have_numbers_and_captions(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    [figure] = re.findall(r"<figure.*?</figure>", chapter, re.S)
    assert re.search(r'id="figure-1"', figure)
    assert '<span class="caption-number">Fig. 4.1 </span><span class="caption-text">A line after 1 steps.' in figure
    assert "<picture><source media=" in figure, "drawn for narrow screens too"


def test_tables_have_numbers_and_captions_and_are_referred_to(small_book: Path) -> None:
    chapter = page(small_book, "chapters/04_exact")
    [shown] = re.findall(r'<div class="captioned-table[^>]*>.*?</div>\s*</div>', chapter, re.S)
    assert 'id="table-1"' in shown
    caption = '<span class="caption-number">Table 4.1 </span><span class="caption-text">What one row shows.</span>'
    assert caption in shown
    assert "<table" in shown
    [written] = re.findall(r'<table[^>]*id="table-2".*?</table>', chapter, re.S)
    assert (
        '<span class="caption-number">Table 4.2 </span><span class="caption-text">What two columns show.</span>'
        in written
    )
    assert re.search(r'href="\.\./chapters/04_exact.html#table-1"><span class="std std-numref">Table 4.1</span>',
                     page(small_book, "book/intro"))  # fmt: skip


def test_terms_say_what_they_mean(small_book: Path) -> None:
    assert 'data-meaning="A sequence of tasks."' in page(small_book, "book/intro")


def test_unchanged_book_executes_nothing(small_book: Path) -> None:
    built = build(small_book)
    assert built.returncode == 0
    assert not re.search(r"^executed|Executing notebook", built.stdout + built.stderr, re.M)


def test_changed_library_executes_chapters_again(small_book: Path) -> None:
    (small_book / "replaylib" / "lib.py").write_text("two")
    assert build(small_book).returncode == 0
    assert "the library says two" in page(small_book, "chapters/04_exact")


def build_with(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "chapters" / "04_exact.md").write_text(CHAPTER + more)
    return build(folder)


def test_warnings_fail_the_build_every_time(small_book: Path) -> None:
    more = f"\n{{ref}}`nowhere`\n\n```{{code-cell}} python\n{SHOW}display(pixel)\n```\n"
    more += "\n:::{self-check} Is it?\n- [ ] No.\n  No.\n- [x] Yes.\n:::\n"
    silent = len((CHAPTER + more).splitlines()) - 1
    for built in (build_with(small_book, more), build_with(small_book, more)):
        assert built.returncode == 1
        assert "undefined label: 'nowhere'" in built.stderr
        assert re.search(r"04_exact\.md:\d+: WARNING: this cell shows an image without alternative text", built.stderr)
        assert f"04_exact.md:{silent}: WARNING: the answer 'Yes.' does not say why" in built.stderr
        assert "The book is built" not in built.stdout


def test_failing_cell_fails_the_build_and_shows_the_cell(small_book: Path) -> None:
    built = build_with(small_book, "\n```{code-cell} python\nweight = 1\nweight / 0\n```\n")
    assert built.returncode == 1
    shown = built.stderr.partition("--- chapters/04_exact: the cell that failed")[2]
    assert "weight / 0" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "nbclient" not in shown


def test_unknown_profile_is_refused(small_book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAYLIB_PROFILE", "fast")
    built = build(small_book)
    assert built.returncode == 1
    assert built.stderr == "error: PROFILE=fast is not a profile: choose quick or paper\n"


def test_pages_are_executed_at_once(tmp_path: Path) -> None:
    """Each of two pages waits for the other to have begun, which only pages executed together can do."""
    wait = "import pathlib, time\npathlib.Path('{me}').touch()\nfor _ in range(600):\n    time.sleep(0.1)\n"
    wait += "    if pathlib.Path('{other}').exists():\n        break\nelse:\n    1 / 0"
    paths = []
    for me, other in (("a", "b"), ("b", "a")):
        code = wait.format(me=me, other=other)
        (tmp_path / f"{me}.md").write_text(f"{FRONT}# {me}\n\n```{{code-cell}} python\n{code}\n```\n")
        paths.append(tmp_path / f"{me}.md")
    (tmp_path / "c.md").write_text("# No code\n")
    options = (tmp_path / "cache", ["colon_fence"], 100, 2)
    first = list(execute([*paths, tmp_path / "c.md"], *options))
    assert {(page.path.stem, page.now) for page in first} == {("a", True), ("b", True)}
    assert all(page.computing > 0 for page in first)
    again = list(execute(paths, *options))
    assert {(page.path.stem, page.now) for page in again} == {("a", False), ("b", False)}
    took = [{(page.path, page.seconds, page.computing) for page in pages} for pages in (first, again)]
    assert took[0] == took[1]


def test_chapter_that_computes_long_is_named_and_fails_nothing(small_book: Path) -> None:
    (small_book / "chapters" / "04_exact.md").write_text(CHAPTER)
    tool = small_book / "tools" / "book.py"
    tool.write_text(tool.read_text().replace("LONG = 60", "LONG = 0"))
    built = build(small_book)
    assert built.returncode == 0
    assert re.search(r"^warning: chapters/04_exact took \d+ s of computing", built.stderr, re.M)
