"""Make each graded assignment from its one master, instructors/assignments/N_name.md; --check says what is out of date.

A master is MyST Markdown, read as a chapter is, with `{question}` ... `{question-end}` around each question and a tag
on its code cells: `solution` (otter-grader's marks cut the solution out of it), `check` (visible), `hidden-check`. Made
are

- for students: chapters/assignments/N_name.ipynb, and its visible checks, which are installed with the library;
- for instructors, in _build/assignments/N_name: the notebook with solutions, all tests, and what the grader asks.

The cohort's seed, in instructors/cohort.yml, decides which variant of a question is asked where there are several, and
on which numbers hidden tests try an answer. The public tree has no masters: there only the address in a notebook's
first cell is kept up to date.
"""

import argparse
import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course  # noqa: E402
from book_index import BookIndex, index  # noqa: E402
from cohort import asked, chosen, cohort, pinned, seeded  # noqa: E402
from myst_blocks import Block, ChapterError, Place, read  # noqa: E402
from notebooks import INSTALL, Notebook, converter, sections  # noqa: E402

from grading.points import grouped, sums  # noqa: E402

MASTERS = Path("instructors/assignments")
FOLDER = Path("chapters/assignments")
BUILT = Path("_build/assignments")
TAGS = ("solution", "check", "hidden-check")

START = """\
import replaylib.course.assignments

grader = replaylib.course.assignments.Assignment("{name}", globals())"""

CHECK_ALL = """\
# All visible checks at once. Hidden tests, which you do not see, try your answers on other data.
grader.check_all()"""

EXPORT = """\
# Save first (Ctrl-S). This cell writes the one file to hand in; in Colab your browser then downloads it.
grader.export()"""

WELCOME = """\
Fill in the cells that hold `...`, and keep the names of functions as they are. Below each question a cell checks your
answer at once, and gives a hint if it is not right yet. A check tries *what your code does*, not how it is written; any
correct solution passes. Write it yourself, not by calling the library's own version of what is asked, unless the
question says so. A function leaves its arguments as they were, draws from the `generator` that it is given and from
nothing else, and lets gradients through unless the question says otherwise. A question gives all of its points or
none, and hidden tests, which try the same on other data, decide. Cells that begin with `# Experiment` are for you to
learn from, and have no points; predictions and readings beside them have some where they say so. {time}; there are
{points} points."""


def masters(root: Path = ROOT) -> list[Path]:
    """The masters' files, in order."""
    return sorted((root / MASTERS).glob("[0-9]_*.md"))


def archive(url: str, branch: str, pin: str) -> str:
    """What an assignment's first cell installs: a tag or a commit of the public repository, or its newest state."""
    newest = course.archive(url, branch)
    return newest if not pin else f"{newest.partition('/archive/')[0]}/archive/{pin}.zip"


class Master:
    """A master, turned into the notebook that `otter assign` reads."""

    def __init__(self, path: Path, root: Path, book: BookIndex, seed: int) -> None:
        self.name, self.path, self.seed = path.stem, path, seed
        source = chosen(self.name, path.read_text(encoding="utf-8"), seed)
        self.settings: dict[str, Any] = yaml.safe_load(source.split("---")[1])
        self.text = converter(root / FOLDER / path.name, root, book)  # links are those of the notebook that is made
        self.place = Place(path.relative_to(root), 1)
        self.points: dict[str, float] = {}
        self.library: dict[str, list[str]] = {}
        self.notebook = Notebook()
        self.waiting: list[str] = []
        self.tests: list[str] = []
        self.question = ""
        self.raw("# ASSIGNMENT CONFIG", init_cell=False, export_cell=False, tests={"files": True, "ok_format": False})
        repository = course.settings(root)["repository"]
        blocks = asked(self.name, sections(read(source, self.place)), seed)
        self.body(blocks, archive(repository["url"], repository["branch"], pinned(root)))

    @property
    def possible(self) -> float:
        """Points to be had automatically: of the groups of which one is chosen, one counts."""
        return grouped(self.points, self.settings.get("one_of", []))

    def range_of_points(self) -> str:
        """What a student can have, marks by hand included; it depends on the group of questions that is chosen."""
        manual = self.settings.get("manual", 0)
        ends = [f"{points + manual:g}" for points in sums(self.points, self.settings.get("one_of", []))]
        return " to ".join(dict.fromkeys([ends[0], ends[-1]]))

    def raw(self, first: str, **settings: Any) -> None:
        self.notebook.add("raw", f"{first}\n{yaml.safe_dump(settings)}" if settings else first)

    def flush(self) -> None:
        self.notebook.add_markdown(self.waiting)
        self.waiting.clear()

    def body(self, blocks: list[Block], archive: str) -> None:
        source = self.path.read_text(encoding="utf-8")
        title = next(line for line in source.splitlines() if line.startswith("# "))
        self.points = {b.argument: float(b.options["points"]) for b in blocks if b.name == "question"}
        self.library = {
            b.argument: re.findall(r"\w+", b.options.get("library", "")) for b in blocks if b.name == "question"
        }
        about = {"time": self.settings["time"], "points": self.range_of_points()}
        self.notebook.add_markdown([f"# Assignment {self.name[0]}. {title[2:]}", WELCOME.format(**about)])
        self.notebook.add("code", INSTALL.format(archive=archive))
        self.notebook.add("code", START.format(name=self.name))
        for block in blocks:
            self.add(block)
        if self.question:
            raise self.place.error(f"question {self.question} has no {{question-end}}")
        self.flush()
        if self.text.citations.cited:
            self.notebook.add_markdown(["## References", self.text.citations.references()])
        self.notebook.add_markdown(["## Hand in"])
        self.notebook.add("code", CHECK_ALL)
        self.notebook.add("code", EXPORT)

    def add(self, block: Block) -> None:
        if block.name == "question":
            self.flush()
            self.question = block.argument
            self.raw("# BEGIN QUESTION", name=self.question, points=self.points[self.question], all_or_nothing=True)
        elif block.name == "question-end":
            self.flush()
            self.end_question(block)
        elif block.name == "code-cell":
            self.flush()
            self.add_code(block)
        else:
            if block.kind == "text" and block.body.startswith("## "):
                self.flush()
            if block.kind == "text" and self.question:  # its heading says what it gives
                points = self.points[self.question]
                given = f"{points:g} point{'' if points == 1 else 's'}"
                block = replace(block, body=re.sub(r"(?m)^(### .*)$", rf"\1 ({given})", block.body, count=1))
            self.waiting.append(self.text.block(block))

    def add_code(self, block: Block) -> None:
        tags = [tag.strip() for tag in block.options.get("tags", "").strip("[] ").split(",") if tag.strip()]
        source = block.body.strip("\n")
        if not tags:
            self.notebook.add("code", source)
            return
        [tag] = tags
        if tag not in TAGS or not self.question:
            raise block.place.error(f"a cell tagged {tag}: expected {', '.join(TAGS)}, inside a question")
        if tag == "solution":
            self.raw("# BEGIN SOLUTION")
            self.notebook.add("code", source)
            self.raw("# END SOLUTION")
        else:
            # On the first line, or otter-grader gives the hidden test to students without a word.
            self.tests.append(f"# HIDDEN\n{seeded(source, self.seed)}" if tag == "hidden-check" else source)

    def end_question(self, block: Block) -> None:
        hidden = sum(test.startswith("# HIDDEN") for test in self.tests)
        if not 0 < hidden < len(self.tests):
            raise block.place.error(f"question {self.question} needs a visible check and a hidden one")
        self.raw("# BEGIN TESTS")
        for test in self.tests:
            self.notebook.add("code", test)
        self.raw("# END TESTS")
        self.raw("# END QUESTION")
        self.question = ""
        self.tests = []


def assign(master: Master, folder: Path) -> None:
    """Run `otter assign`: folder/student and folder/autograder."""
    from otter.assign import main as otter_assign

    path = folder / f"{master.name}.ipynb"
    notebook = json.loads(master.notebook.json())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        otter_assign(str(path), str(folder), no_pdfs=True, no_run_tests=True)


def plain(path: Path) -> str:
    """A notebook made by otter-grader as the course writes its own: ids from the content, no outputs, no marks."""
    notebook = Notebook()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        metadata = {}
        if source.startswith(("# In Colab and on Kaggle", "import replaylib.course.assignments")):
            metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
            source = f"# @title {'Install the library' if 'pip' in source else 'Get ready to check'}\n{source}"
        notebook.add(cell["cell_type"], source, metadata)
    return notebook.json()


def make(path: Path, root: Path, book: BookIndex, seed: int) -> dict[Path, str]:
    """Every file made from a master, with its text."""
    master = Master(path, root, book, seed)
    students, instructors = root / FOLDER, root / BUILT / master.name
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        assign(master, folder)
        files = {students / f"{master.name}.ipynb": plain(folder / "student" / f"{master.name}.ipynb")}
        for test in sorted((folder / "student" / "tests").glob("*.py")):
            files[students / "checks" / master.name / test.name] = test.read_text(encoding="utf-8")
        files[instructors / f"{master.name}.ipynb"] = plain(folder / "autograder" / f"{master.name}.ipynb")
        for test in sorted((folder / "autograder" / "tests").glob("*.py")):
            files[instructors / "tests" / test.name] = test.read_text(encoding="utf-8")
    about = {
        "name": master.name,
        "points": master.points,
        "one_of": master.settings.get("one_of", []),
        "possible": master.possible,
        "manual": master.settings.get("manual", 0),
        "rubric": master.settings.get("rubric", []),
        "library": {question: names for question, names in master.library.items() if names},
    }
    files[instructors / "assignment.json"] = json.dumps(about, indent=1) + "\n"
    return files


def readdressed(root: Path) -> dict[Path, str]:
    """The notebooks of a tree without masters, with the address that `_config.yml` has now in cells and links."""
    repository = course.settings(root)["repository"]
    new = repository["url"].removesuffix(".git").rstrip("/")
    files = {}
    for path in sorted((root / FOLDER).glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        match, notebook, pin = re.search(r'library = \\"(\S+?)/archive/(\S+?)\.zip', text), Notebook(), ""
        if match:
            text = text.replace(match[1], new).replace(course.site(match[1]), course.site(new))
            pin = "" if match[2].startswith("refs/heads/") else match[2]
        install = INSTALL.format(archive=archive(new, repository["branch"], pin))
        for cell in json.loads(text)["cells"]:
            source = "".join(cell["source"])
            if source.startswith("# @title Install the library"):
                source = f"# @title Install the library\n{install}"
            notebook.add(cell["cell_type"], source, cell["metadata"])
        files[path] = notebook.json()
    return files


def everything(root: Path) -> dict[Path, str]:
    """Every file that is made, with its text."""
    if not masters(root):
        return readdressed(root) | {
            path: path.read_text(encoding="utf-8") for path in (root / FOLDER / "checks").glob("*/*.py")
        }
    book, seed = index(root), cohort(root)
    return {p: text for path in masters(root) for p, text in make(path, root, book, seed).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 if students' files are stale"
    )
    root, choice = ROOT, parser.parse_args()
    try:
        files = everything(root)
    except ChapterError as error:
        sys.exit(f"error: {error}")
    published = {path: text for path, text in files.items() if path.is_relative_to(root / FOLDER)}
    stale = [p for p, text in published.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    there = {*(root / FOLDER).glob("*.ipynb"), *(root / FOLDER / "checks").glob("*/*")}
    orphans = sorted(path for path in there - set(published) if path.is_file())
    if choice.check:
        for path in stale:
            print(f"{path.relative_to(root)} does not match its master: run `make assignments`")
        for path in orphans:
            print(f"{path.relative_to(root)} has no master: remove it")
        sys.exit(1 if stale or orphans else 0)
    if masters(root):
        shutil.rmtree(root / BUILT, ignore_errors=True)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in orphans:
        path.unlink()
    if masters(root):
        print(f"{len(masters(root))} assignments of the cohort with seed {cohort(root)}; for instructors: {BUILT}")
    else:
        print(f"no masters here ({MASTERS}): the notebooks install from the address in _config.yml")


if __name__ == "__main__":
    main()
