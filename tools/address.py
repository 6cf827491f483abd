"""Set the repository's address everywhere: in the settings, the citation and the README. The notebooks follow from it.

Without an address: take the one that this folder was cloned from.
"""

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course  # noqa: E402

BADGES = re.compile(r"<!-- badges -->\n.*?<!-- end of badges -->\n", re.DOTALL)


def checked(address: str) -> str:
    """The address of a repository, without what follows its name.

    Raises
    ------
    ValueError : it is no address of a repository on GitHub, whose archives and pages the notebooks rely on.
    """
    parts = urlsplit(address.strip().removesuffix("/").removesuffix(".git"))
    owner_and_name = parts.path.strip("/").split("/")
    if parts.scheme != "https" or parts.netloc != "github.com" or len(owner_and_name) != 2 or not all(owner_and_name):
        raise ValueError(
            f"{address!r} is no address of a repository on GitHub: give one such as https://github.com/you/course"
        )
    return f"https://github.com/{'/'.join(owner_and_name)}"


def badges(address: str, branch: str, first_chapter: str) -> str:
    """The lines of the README that lead to the site and to the first notebook."""
    return (
        "<!-- badges -->\n"
        f"[Read the book]({course.site(address)}) · "
        f"Chapter 1 in [Colab]({course.colab(address, branch, first_chapter)}), "
        f"[Kaggle]({course.kaggle(address, branch, first_chapter)}) or "
        f"[Binder]({course.binder(address, branch, first_chapter)}) · "
        f"[Tests]({address}/actions)\n"
        "<!-- end of badges -->\n"
    )


def with_badges(readme: str, lines: str) -> str:
    """A README with these badges, below its title if it had none."""
    if BADGES.search(readme):
        return BADGES.sub(lambda _: lines, readme)
    title, _, rest = readme.partition("\n")
    return f"{title}\n\n{lines}{rest}"


def with_citation(citation: str, address: str) -> str:
    """A CITATION.cff that says where the course and its site are."""
    kept = re.sub(r"^(?:repository-code|url): .*\n", "", citation, flags=re.MULTILINE)
    lines = f'repository-code: "{address}"\nurl: "{course.site(address)}"\n'
    return re.sub(r"^(?=license:)", lambda _: lines, kept, count=1, flags=re.MULTILINE)


def set_address(root: Path, address: str, branch: str = "") -> list[str]:
    """Write the address into the files that say it, and the branch if one is given; returns those that changed."""
    settings = course.settings(root)
    old, before = settings["repository"]["url"], settings["repository"]["branch"]
    branch = branch or before
    first = f"chapters/{course.chapters(root)[0].stem}.ipynb"
    changes = {
        "_config.yml": lambda text: text.replace(f"  url: {old}\n", f"  url: {address}\n").replace(
            f"  branch: {before}\n", f"  branch: {branch}\n"
        ),
        "CITATION.cff": lambda text: with_citation(text, address),
        "README.md": lambda text: with_badges(text, badges(address, branch, first)),
    }
    changed = []
    for name, change in changes.items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        if (new := change(text)) != text:
            path.write_text(new, encoding="utf-8")
            changed.append(name)
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", default="", help="such as https://github.com/you/course")
    parser.add_argument("--branch", default="", help="that links lead to (default: the clone's first one, or as set)")
    choice = parser.parse_args()
    address = choice.address or course.git_remote(ROOT) or ""
    try:
        address = checked(address) if address else ""
    except ValueError as error:
        sys.exit(f"error: {error}")
    if not address:
        sys.exit(
            "error: this folder was cloned from no repository on the web: make address URL=https://github.com/you/it"
        )
    branch = choice.branch or (course.git_branch(ROOT) if address == course.git_remote(ROOT) else "") or ""
    changed = set_address(ROOT, address, branch)
    print(f"{address}: {', '.join(changed) if changed else 'nothing to change'}")


if __name__ == "__main__":
    main()
