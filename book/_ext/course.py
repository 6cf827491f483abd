"""What the book and the notebooks made from it must agree on: addresses and numbers."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pace
import yaml

ROOT = Path(__file__).resolve().parents[2]


def settings(root: Path = ROOT) -> dict[str, Any]:
    """The book's `_config.yml`."""
    config: dict[str, Any] = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config


def listed(root: Path = ROOT) -> list[str]:
    """The pages in the book's `_toc.yml`, in reading order."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [page for part in contents["parts"] for page in part["chapters"]]
    return [contents["root"], *(one["file"] for page in chapters for one in (page, *page.get("sections", ())))]


def is_placeholder(repository: str) -> bool:
    """Whether an address is the one that the project has before it is published anywhere."""
    return urlsplit(repository).path.startswith("/example/")


def git(root: Path, *command: str) -> str:
    """What git says in a folder; nothing where it fails or is not installed."""
    try:
        asked = subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return asked.stdout.strip()


def git_remote(root: Path) -> str | None:
    """The web address of the repository that this folder was cloned from, if it is on GitHub."""
    said = git(root, "remote", "get-url", "origin")
    said = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", said).removesuffix(".git")
    # Elsewhere Colab cannot open notebooks, and archives and sites have other addresses.
    known = re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", said)
    return known[0] if known else None


def git_branch(root: Path) -> str | None:
    """The branch that the repository this folder was cloned from shows first, if git knows of one."""
    said = git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    return said.removeprefix("origin/") or None


def address(root: Path, repository: str) -> str:
    """The repository's address: the one that is set, or while none is, the one it was cloned from."""
    return (git_remote(root) or repository) if is_placeholder(repository) else repository


def site(repository: str) -> str:
    """The address GitHub Pages gives to a repository's site, with a slash at its end."""
    owner, name = urlsplit(repository).path.strip("/").removesuffix(".git").split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def archive(repository: str, branch: str) -> str:
    """The address of the repository as a zip file, which pip can install."""
    return f"{repository.removesuffix('.git').rstrip('/')}/archive/refs/heads/{branch}.zip"


def colab(repository: str, branch: str, notebook: str) -> str:
    """The address that opens a notebook of the repository in Colab; ``notebook`` is its path there."""
    path = urlsplit(repository).path.strip("/").removesuffix(".git")
    return f"https://colab.research.google.com/github/{path}/blob/{branch}/{notebook}"


def kaggle(repository: str, branch: str, notebook: str) -> str:
    """The address that imports a notebook of the repository into Kaggle; ``notebook`` is its path there."""
    source = f"{repository.removesuffix('.git').rstrip('/')}/blob/{branch}/{notebook}"
    return f"https://kaggle.com/kernels/welcome?src={quote(source, safe='')}"


def binder(repository: str, branch: str, notebook: str) -> str:
    """The address that opens a notebook of the repository in Binder, which first installs what `.binder` says."""
    path = urlsplit(repository).path.strip("/").removesuffix(".git")
    return f"https://mybinder.org/v2/gh/{path}/{branch}?urlpath=lab/tree/{notebook}"


def chapter_number(page: str) -> int | None:
    """4 for `chapters/04_exact_replay`; None for a page that is no chapter.

    Chapters keep the number in their file's name: "Exercise 4.2" stays that when a chapter is added or left out.
    """
    match = re.fullmatch(r"(?:.*/)?chapters/(\d+)_\w+", page)
    return int(match[1]) if match else None


def reading_minutes(source: str) -> int:
    """How long a chapter takes to read, in steps of five minutes: see `pace`."""
    return 5 * max(1, round(pace.minutes(source) / 5))


def chapters(root: Path = ROOT) -> list[Path]:
    """The chapters' files, in order."""
    return sorted(path for path in root.glob("chapters/*.md") if chapter_number(f"chapters/{path.stem}") is not None)
