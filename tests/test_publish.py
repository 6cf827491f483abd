"""Where the book is published: its address, what leads there, and what a site has beside its pages."""

import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import address
import course
import publish
import pytest
import yaml

ROOT = course.ROOT
PLACEHOLDER = "https://github.com/example/replay-course"
THEIRS = "https://github.com/someone/their-course"


@pytest.fixture
def cloned(tmp_path: Path):
    """A folder with a git remote to be set."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def remote(url: str) -> Path:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", url], check=True)
        return tmp_path

    return remote


@pytest.mark.parametrize("url", [f"{THEIRS}.git", THEIRS, "git@github.com:someone/their-course.git",
                                 "ssh://git@github.com/someone/their-course.git"])  # fmt: skip
def test_address_is_taken_from_the_clone_while_none_is_set(cloned, url):
    folder = cloned(url)
    assert course.address(folder, PLACEHOLDER) == THEIRS
    assert course.address(folder, "https://github.com/a/b") == "https://github.com/a/b"


def test_links_lead_to_the_branch_that_the_clone_has_first(cloned):
    folder = cloned(THEIRS)
    assert course.git_branch(folder) is None
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/master"], check=True)
    assert course.git_branch(folder) == "master"


@pytest.mark.parametrize("url", ["/home/me/course", "https://git.internal.example/a/b", "https://gitlab.com/a/b",
                                 "https://github.com/a"])  # fmt: skip
def test_a_remote_that_is_no_public_repository_is_no_address(cloned, url):
    assert course.address(cloned(url), PLACEHOLDER) == PLACEHOLDER


def test_a_folder_without_git_keeps_the_placeholder(tmp_path):
    assert course.address(tmp_path, PLACEHOLDER) == PLACEHOLDER
    assert course.is_placeholder(PLACEHOLDER)
    assert not course.is_placeholder(THEIRS)


@pytest.mark.parametrize("given", [f"{THEIRS}/", f" {THEIRS}.git"])
def test_an_address_is_read_as_people_write_it(given):
    assert address.checked(given) == THEIRS


@pytest.mark.parametrize(
    "given",
    [
        "someone/their-course",
        "http://github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "https://gitlab.com/a/b",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(given):
    with pytest.raises(ValueError, match="is no address of a repository on GitHub: give one such as https://"):
        address.checked(given)


def test_one_command_sets_the_address_everywhere_and_twice_is_once(tmp_path):
    for name in ("_config.yml", "CITATION.cff", "README.md"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "01_first.md").touch()
    assert address.set_address(tmp_path, THEIRS) == ["_config.yml", "CITATION.cff", "README.md"]
    assert course.settings(tmp_path)["repository"]["url"] == THEIRS
    citation = yaml.safe_load((tmp_path / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == THEIRS
    assert citation["url"] == "https://someone.github.io/their-course/"
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        f"{THEIRS.replace('github.com', 'colab.research.google.com/github')}/blob/main/chapters/01_first.ipynb"
        in readme
    )
    assert "https://mybinder.org/v2/gh/someone/their-course/main?urlpath=lab/tree/chapters/01_first.ipynb" in readme
    assert "https://kaggle.com/kernels/welcome?src=https%3A%2F%2Fgithub.com%2Fsomeone%2Ftheir-course%2Fblob" in readme
    assert address.set_address(tmp_path, THEIRS) == []
    assert address.set_address(tmp_path, THEIRS, "master") == ["_config.yml", "README.md"]
    assert course.settings(tmp_path)["repository"]["branch"] == "master"
    assert "/main/" not in (tmp_path / "README.md").read_text(encoding="utf-8").split("<!-- end of badges -->")[0]
    address.set_address(tmp_path, "https://github.com/x/y")
    assert "their-course" not in "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.*"))


def buttons(monkeypatch: pytest.MonkeyPatch, page: str, url: str) -> list[dict]:
    monkeypatch.setattr(course, "settings", lambda root: {"repository": {"url": url, "branch": "main"}})
    context = {"header_buttons": [{"label": "launch-buttons", "buttons": [{"text": "Colab"}]}, {"label": "download"}]}
    publish.launch_chapters_only(SimpleNamespace(srcdir="."), page, "", context, None)
    return context["header_buttons"]


def test_chapters_launch_in_colab_and_on_kaggle(monkeypatch):
    launch, _ = buttons(monkeypatch, "chapters/04_exact", THEIRS)
    assert [button["text"] for button in launch["buttons"]] == ["Colab", "Kaggle"]
    assert launch["buttons"][1]["url"].endswith(
        "src=https%3A%2F%2Fgithub.com%2Fsomeone%2Ftheir-course%2Fblob%2Fmain%2Fchapters%2F04_exact.ipynb"
    )


def test_binder_installs_the_library_at_the_books_versions():
    lines = [line for line in (ROOT / ".binder" / "requirements.txt").read_text().splitlines() if line[:1] != "#"]
    assert lines == ["-c ../requirements.txt", "."]  # pip finds the first from that file, the second from its folder
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    python = (ROOT / ".binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert tuple(map(int, python.split("."))) >= tuple(map(int, oldest.split(".")))


@pytest.mark.parametrize(("page", "url"), [("chapters/04_exact", PLACEHOLDER), ("book/results", THEIRS)])
def test_nothing_is_launched_without_an_address_or_a_notebook(monkeypatch, page, url):
    assert [button["label"] for button in buttons(monkeypatch, page, url)] == ["download"]


def test_first_page_is_a_page_of_its_own_whose_addresses_hold():
    page = (
        '<html data-content_root="../"><link rel="canonical" href="https://a.org/book/intro.html" />'
        '<a href="setup.html#x">s</a><a href="../chapters/01.html">c</a><a href="#here">h</a>'
        '<img src="../_images/a.svg"><a href="https://b.org/">b</a><form action="../search.html">'
    )
    assert publish.at_root(page, "book/intro") == (
        '<html data-content_root="./"><link rel="canonical" href="https://a.org/" />'
        '<a href="book/setup.html#x">s</a><a href="chapters/01.html">c</a><a href="#here">h</a>'
        '<img src="_images/a.svg"><a href="https://b.org/">b</a><form action="search.html">'
    )


def test_descriptions_are_of_pages_that_exist_and_no_longer_than_what_is_shown():
    descriptions = publish.descriptions(ROOT)
    assert [page for page in descriptions if page not in course.listed()] == []
    assert {page for page in course.listed() if course.chapter_number(page) in range(1, 14)} <= set(descriptions)
    assert [page for page, text in descriptions.items() if not 50 <= len(text) <= 160] == []
    assert len(set(descriptions.values())) == len(descriptions)
