"""Make chapters/NN_name.ipynb, for Colab and Jupyter, from chapters/NN_name.md; --check says which are out of date."""

import argparse
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))  # course.py, which the book's own extension uses too

import course  # noqa: E402
import yaml  # noqa: E402
from book_index import BookIndex, index  # noqa: E402
from citations import Citations  # noqa: E402
from myst_blocks import Block, ChapterError, Place, read  # noqa: E402
from plain_markdown import Converter, folded  # noqa: E402

INSTALL = """\
# In Colab and on Kaggle (with Internet on) this cell installs the course's library and leaves torch and numpy as they
# are. Elsewhere it installs nothing, and says how to where the library is missing.
import importlib.util
import os
import subprocess
import sys

os.environ.setdefault("REPLAYLIB_PROFILE", "quick")  # or "paper": the published protocols, for a runtime with a GPU
library = "{archive}"
if {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}} & set(os.environ):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", library]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        offline = "KAGGLE_KERNEL_RUN_TYPE" in os.environ
        advice = "switch on Internet in the notebook's settings, then" if offline else "in a minute"
        sys.exit(f"replaylib could not be installed from {{library}}: {{advice}} run this cell again. ({{reason}})")
elif importlib.util.find_spec("replaylib") is None:
    command = f"{{sys.executable}} -m pip install {{library}}"
    sys.exit(f"This Python has no replaylib. Install it, then restart the kernel: {{command}}")"""

EXERCISES = """\
# The cell of a solution waits until you ask for it.
%load_ext replaylib.course.exercises
from replaylib.course import exercises"""

# What a tag of a code cell means where there is no book: the cell's code is folded, under a title.
FOLDED = {
    "hide-input": "Show the code",
    "remove-input": "Show the code",
    "remove-cell": "Preparation",
    "hide-cell": "Show the code",
}


FORM = {"cellView": "form", "jupyter": {"source_hidden": True}}


@dataclass
class Notebook:
    """The cells of a notebook. A cell's id comes from its content, so that a change elsewhere leaves it alone."""

    cells: list[dict[str, Any]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, source: str, metadata: dict[str, Any] | None = None) -> None:
        digest = hashlib.sha256(f"{kind}\0{source}".encode()).hexdigest()[:12]
        self.seen[digest] += 1
        cell: dict[str, Any] = {"cell_type": kind, "id": f"{digest}-{self.seen[digest]}", "metadata": metadata or {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        self.cells.append(cell | {"source": source.splitlines(keepends=True)})

    def add_markdown(self, parts: list[str]) -> None:
        text = "\n\n".join(filter(None, parts))
        if text:
            self.add("markdown", text)

    def json(self) -> str:
        content = {
            "cells": self.cells,
            "metadata": {
                "colab": {"toc_visible": True},
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def add_code(notebook: Notebook, block: Block, solution: str) -> None:
    """A code cell; folded under a title where the chapter hides it or it belongs to a solution, which waits."""
    tags = block.options.get("tags", "").strip("[] ")
    names = [tag.strip(" \"'") for tag in tags.split(",") if tag.strip()]
    title = solution or next((FOLDED[name] for name in names if name in FOLDED), "")
    source = block.body.strip("\n")
    metadata: dict[str, Any] = {"tags": names} if names else {}
    if title:
        source = f"# @title {title}\n{source}"
        metadata |= FORM
    if solution:
        source = f"%%solution {solution}\n{source}"
    notebook.add("code", source, metadata)


def add_workplace(notebook: Notebook, title: str, checks: Block | None) -> None:
    """Where a reader answers an exercise: a cell, and with a `{check}` another one that says whether it is right."""
    if checks is None:
        notebook.add("code", f"# Your work on {title}\n")
        return
    try:
        asked = check_of(checks)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise checks.place.error(f"a {{check}} has asks, answer and, for numbers, within: {error}") from error
    notebook.add("code", f"# {title}: {asked['asks']}\nanswer = ...")
    within = f", within={asked['within']!r}" if asked["within"] else ""
    source = f"# @title Check\nexercises.check(answer, {asked['answer']!r}{within})"
    notebook.add("code", source, dict(FORM))


def check_of(block: Block) -> dict[str, Any]:
    """What a `{check}` says: what it asks, the right answer, and how far a number may be from it."""
    said = yaml.safe_load(block.body)
    if not isinstance(said, dict) or not {"asks", "answer"} <= set(said) <= {"asks", "answer", "within"}:
        raise ValueError(f"found {sorted(said) if isinstance(said, dict) else said!r}")
    return {"asks": str(said["asks"]), "answer": said["answer"], "within": float(said.get("within", 0))}


def converter(path: Path, root: Path, book: BookIndex) -> Converter:
    """What converts the text of a chapter."""
    settings = course.settings(root)
    repository = settings["repository"]
    return Converter(
        page=path.relative_to(root).with_suffix("").as_posix(),
        root=root,
        site=course.site(repository["url"]),
        blob=f"{repository['url'].rstrip('/')}/blob/{repository['branch']}",
        index=book,
        citations=Citations(root / settings["bibtex_bibfiles"][0]),
    )


def convert(path: Path, root: Path, book: BookIndex) -> str:
    """The notebook of a chapter, as the text of its file.

    Raises
    ------
    ChapterError : the chapter holds what a notebook cannot show, or refers to what does not exist.
    """
    text = converter(path, root, book)
    repository = course.settings(root)["repository"]
    notebook, place = Notebook(), Place(path.relative_to(root), 1)
    notebook.add_markdown(
        [
            f"# {course.chapter_number(text.page)}. {book.titles[text.page]}",
            f"[This chapter in the book]({text.site}{text.page}.html), with its results, a search and a glossary.",
        ]
    )
    notebook.add("code", INSTALL.format(archive=course.archive(repository["url"], repository["branch"])))
    notebook.add("code", EXERCISES)
    waiting: list[str] = []
    solution: Block | None = None
    inside: list[str] = []
    checks: dict[str, Block] = {}

    def flush() -> None:
        if solution and inside:
            waiting.append(folded(text.solution_title(solution), "\n\n".join(inside)))
        notebook.add_markdown(waiting)
        waiting.clear()
        inside.clear()

    for block in sections(read(path.read_text(encoding="utf-8"), place)):
        if block.name == "code-cell":
            flush()
            add_code(notebook, block, text.solution_title(solution) if solution else "")
        elif block.name == "check":
            checks[block.argument] = block
        elif block.name == "solution-start":
            if solution:
                raise block.place.error("a {solution-start} inside a solution: close the first with {solution-end}")
            flush()
            add_workplace(notebook, text.exercise_title(block), checks.pop(block.argument, None))
            solution = block
        elif block.name == "solution-end":
            flush()
            solution = None
        elif block.name == "exercise-end":
            continue
        elif solution:
            inside.append(text.block(block))
        else:
            if block.kind == "text" and block.body.startswith("## "):
                flush()
            if block.name == "solution":
                flush()
                add_workplace(notebook, text.exercise_title(block), checks.pop(block.argument, None))
            waiting.append(text.block(block))
    if solution:
        raise solution.place.error("this {solution-start} has no {solution-end}")
    for label, block in checks.items():
        raise block.place.error(f"this {{check}} of {label!r} stands before no solution of that name")
    flush()
    if text.citations.cited:
        notebook.add_markdown(["## References", text.citations.references()])
    return notebook.json()


def sections(blocks: list[Block]) -> list[Block]:
    """The blocks, with text cut before each heading of the first two levels, and without the title, cut off first."""
    cut: list[Block] = []
    for block in blocks:
        if block.kind != "text":
            cut.append(block)
            continue
        lines, start, fence = block.body.splitlines(), 0, False
        for number, line in enumerate([*lines, "## "]):
            fence ^= line.startswith("```")
            if (line.startswith(("# ", "## ")) and not fence) or number == len(lines):
                text = "\n".join(lines[start:number]).strip("\n")
                if text:
                    cut.append(Block("text", block.place.later(start), text))
                start = number
    titles = [block for block in cut if block.kind == "text" and block.body.startswith("# ")]
    if len(titles) != 1:
        raise blocks[0].place.error("a chapter has one first-level heading, its title, at its beginning")
    place, (_, _, rest) = titles[0].place, titles[0].body.partition("\n")
    at = cut.index(titles[0])
    return [*cut[:at], *([Block("text", place.later(1), rest.strip("\n"))] if rest.strip() else []), *cut[at + 1 :]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 if a notebook is out of date"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the book (default: this one)")
    choice = parser.parse_args()
    root = choice.root.resolve()
    try:
        book = index(root)
        notebooks = {path.with_suffix(".ipynb"): convert(path, root, book) for path in course.chapters(root)}
    except ChapterError as error:
        sys.exit(f"error: {error}")
    stale = [path for path, text in notebooks.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    orphans = sorted(set(root.glob("chapters/*.ipynb")) - set(notebooks))
    if choice.check:
        for path in stale:
            print(f"{path.relative_to(root)} does not match its chapter: run `make notebooks`")
        for path in orphans:
            print(f"{path.relative_to(root)} has no chapter: remove it")
        sys.exit(1 if stale or orphans else 0)
    for path in stale:
        path.write_text(notebooks[path], encoding="utf-8")
        print(f"wrote {path.relative_to(root)}")
    print(f"{len(notebooks)} notebooks, {len(stale)} written")


if __name__ == "__main__":
    main()
