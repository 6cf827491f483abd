"""Make the public tree: everything but instructors/, which holds masters, hidden tests and other answers.

The branch `public` gets a commit of the current one's tree without that folder, whose history never had it. Push it to
the repository that `_config.yml` names, from which notebooks are opened and install the library:

    git push https://github.com/OWNER/REPOSITORY public:main

Before that, the tree is searched for anything that is secret.
"""

import argparse
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from cohort import worded, wordings  # noqa: E402
from myst_blocks import Place, read  # noqa: E402

PRIVATE = "instructors"
BRANCH = "public"
# Two lines in a row that are this long together tell a solution or a hidden test.
TELLING = 45


def git(root: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, env=os.environ | environment, check=True
    )
    return done.stdout.strip()


def publish(root: Path, branch: str = BRANCH) -> tuple[str, bool]:
    """Commit the tree without what is private to the public branch; gives the commit, and whether it is new."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git(root, "read-tree", "HEAD", **index)
        git(root, "rm", "-r", "-q", "--cached", "--ignore-unmatch", PRIVATE, **index)
        tree = git(root, "write-tree", **index)
    try:
        before = git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    except subprocess.CalledProcessError:
        before = ""
    if before and git(root, "rev-parse", f"{before}^{{tree}}") == tree:
        return before, False
    parent = ["-p", before] if before else []
    commit = git(root, "commit-tree", tree, *parent, "-m", git(root, "log", "-1", "--format=%s"))
    git(root, "update-ref", f"refs/heads/{branch}", commit)
    return commit, True


def pairs(text: str) -> set[tuple[str, str]]:
    """Lines and those that follow them, without indentation and empty lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return {pair for pair in itertools.pairwise(lines) if len("".join(pair)) >= TELLING}


def secrets(root: Path) -> set[tuple[str, str]]:
    """What must not be public: pairs of lines of solutions, hidden tests and other answers that no student is given."""
    hidden: set[tuple[str, str]] = set()
    given: set[tuple[str, str]] = set()
    for path in sorted((root / PRIVATE / "assignments").glob("*.md")):
        for block in read(path.read_text(encoding="utf-8"), Place(path.relative_to(root), 1)):
            tags = block.options.get("tags", "") if block.name == "code-cell" else ""
            for body in (worded(block.body, place) for place in range(wordings(block.body))):
                starter = re.sub(r"# BEGIN SOLUTION.*?# END SOLUTION", "", body, flags=re.DOTALL)
                if "hidden-check" in tags or starter != body:
                    hidden |= pairs(body)
                if "hidden-check" not in tags:
                    given |= pairs(starter)
    for path in (root / PRIVATE / "alternatives").glob("*.py"):
        hidden |= {pair for pair in pairs(path.read_text(encoding="utf-8")) if not pair[0].startswith(('"', "(", "["))}
    return hidden - given


def texts(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """The texts in a file: its own, a notebook's cells, or those of an archive's members."""
    if zipfile.is_zipfile(io.BytesIO(data)) and not name.endswith((".npz", ".pt")):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from texts(f"{name}/{member}", archive.read(member))
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for one in tar.getmembers():
                if held := tar.extractfile(one):
                    yield from texts(f"{name}/{one.name}", held.read())
    elif name.endswith(".ipynb"):
        yield name, "\n".join("".join(cell["source"]) for cell in json.loads(data)["cells"])
    else:
        yield name, data.decode("utf-8", errors="replace")


def leaks(files: dict[str, bytes], secret: set[tuple[str, str]]) -> list[str]:
    """A line for each file, archive or page that holds something secret, or that lies where only secrets do."""
    problems = []
    for name, data in sorted(files.items()):
        for place, text in texts(name, data):
            if PRIVATE in Path(place).parts[:-1]:
                problems.append(f"{place}: lies in {PRIVATE}/")
            held = pairs(text) & secret
            # The library solves some questions itself, in its own words; a test or an answer is more than one pair.
            if len(held) > 1 or (held and not place.startswith(("replaylib/", "chapters/"))):
                problems.append(f"{place}: {min(held)[0]!r}, ...")
    return problems


def tracked(root: Path, commit: str) -> dict[str, bytes]:
    """Every file of a commit."""
    data = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {one.name: held.read() for one in tar.getmembers() if one.isfile() and (held := tar.extractfile(one))}


def built(root: Path) -> dict[str, bytes]:
    """What was built besides, wheels and pages, if it was."""
    places = [*(root / "dist").glob("*"), *(root / "_build" / "html").rglob("*.html")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in places if path.is_file()}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not (ROOT / PRIVATE).is_dir():
        sys.exit(f"error: there is no {PRIVATE}/ here: this is the public tree already")
    if git(ROOT, "status", "--porcelain", "--untracked-files=no"):
        sys.exit("error: there are changes that are not committed: commit them first, only commits are published")
    commit, new = publish(ROOT)
    if problems := leaks(tracked(ROOT, commit) | built(ROOT), secrets(ROOT)):
        sys.exit("\n".join(["error: do not push, these hold something secret:", *problems]))
    print(f"branch {BRANCH}: {commit[:10]}{'' if new else ', as before'}; nothing secret found in it")
    print(f"to publish: git push THE-PUBLIC-REPOSITORY {BRANCH}:main")


if __name__ == "__main__":
    main()
