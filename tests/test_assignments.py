"""The graded assignments: what is made from a master, and what its checks say of right and wrong answers."""

import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import assignments
import course
import nbformat
import pytest
from book_index import index
from nbclient import NotebookClient

from grading.judge import NOT_GRADED, Assignment
from grading.points import grouped
from replaylib.course.assignments import read
from tests.test_notebooks import colab, runtime, wheel

__all__ = ["colab", "runtime", "wheel"]  # fixtures

# What is made of the masters takes a while: in one process, where it is made once.
pytestmark = pytest.mark.xdist_group("assignments")
ROOT = course.ROOT
MASTERS = assignments.masters(ROOT)
NAMES = [path.stem for path in MASTERS]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `make assignments` makes, in a folder that stands for the project's."""
    root, book = tmp_path_factory.mktemp("made"), index(ROOT)
    for master in MASTERS:
        for path, text in assignments.make(master, ROOT, book).items():
            target = root / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return root


def built(made: Path, name: str) -> Assignment:
    return Assignment.read(made / assignments.BUILT / name)


def answers(name: str) -> ModuleType:
    return importlib.import_module(f"tests.alternatives.a{name[0]}")


def code(notebook: Path) -> list[str]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [c.source for c in cells if c.cell_type == "code" and not c.source.lstrip().startswith(NOT_GRADED)]


def names_after(sources: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), names)
    return names


def hints(made: Path, name: str, names: dict[str, Any]) -> dict[str, str]:
    """For each question that fails its visible checks or hidden tests, the hints."""
    assignment = built(made, name)
    found = {q: [case.run(names) for case in read(assignment.tests / f"{q}.py")] for q in assignment.points}
    return {question: " / ".join(filter(None, said)) for question, said in found.items() if any(said)}


# What is made


@pytest.mark.parametrize("name", NAMES)
def test_students_files_agree_with_their_master(name: str, made: Path) -> None:
    folder = assignments.FOLDER
    pairs = {path.relative_to(made): path for path in (made / folder).rglob(f"{name}*/*.py")}
    pairs[folder / f"{name}.ipynb"] = made / folder / f"{name}.ipynb"
    for relative, path in pairs.items():
        assert (ROOT / relative).read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), (
            "run `make assignments`"
        )
    published = {path.relative_to(ROOT) for path in (ROOT / folder / "checks" / name).glob("*")}
    assert {path for path in published if path.suffix == ".py"} == set(pairs) - {folder / f"{name}.ipynb"}


def solution_lines(master: Path) -> set[str]:
    """Lines of a master's solutions that are long enough to tell."""
    marked = re.findall(r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", master.read_text(encoding="utf-8"), re.DOTALL)
    assert marked
    return {line.strip() for part in marked for line in part.splitlines() if len(line.strip()) > 12}


@pytest.mark.parametrize("master", MASTERS, ids=NAMES)
def test_nothing_leaks_to_students(master: Path, made: Path) -> None:
    """Neither a solution nor a hidden test is in the notebook, its metadata, or the visible checks."""
    notebook = made / assignments.FOLDER / f"{master.stem}.ipynb"
    published = [notebook, *sorted((made / assignments.FOLDER / "checks" / master.stem).glob("*.py"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in published)
    source = "\n".join(cell.source for cell in nbformat.read(notebook, as_version=4).cells)
    for leak in ("hidden=True", "# HIDDEN", "SOLUTION", "END TESTS", "hidden-check"):
        assert leak not in text
    hidden = re.findall(r":tags: \[hidden-check\]\n(.*?)\n```", master.read_text(encoding="utf-8"), re.DOTALL)
    assert hidden
    for test in hidden:
        assert re.findall(r"def (\w+)", test)[0] not in text
    shown = {line.strip() for line in source.splitlines()}
    given = {
        line.strip()
        for line in re.sub(r"# BEGIN SOLUTION.*?# END SOLUTION", "", master.read_text(), flags=re.S).splitlines()
    }
    assert not (solution_lines(master) - given) & shown


@pytest.mark.parametrize("name", NAMES)
def test_instructors_files_hold_solutions_and_hidden_tests(name: str, made: Path) -> None:
    assignment = built(made, name)
    assert all("hidden=True" in (assignment.tests / f"{q}.py").read_text() for q in assignment.points)
    assert "# BEGIN SOLUTION" in (made / assignments.BUILT / name / f"{name}.ipynb").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_students_notebook_is_valid_and_begins_and_ends_as_it_should(name: str, made: Path) -> None:
    notebook = nbformat.read(made / assignments.FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert "pip" in sources[0]
    assert f'Assignment("{name}", globals())' in sources[1]
    assert sources[-1].endswith("grader.export()")
    assert sum("grader.check(" in source for source in sources) == len(built(made, name).points)


@pytest.mark.parametrize("master", MASTERS, ids=NAMES)
def test_masters_are_not_part_of_the_book(master: Path) -> None:
    assert "chapters/assignments" in course.settings()["exclude_patterns"]


def test_link_to_colab_names_owner_branch_and_path() -> None:
    found = course.colab("https://github.com/Some/fork.git", "main", "chapters/assignments/1_forgetting.ipynb")
    start = "https://colab.research.google.com/github/Some/fork/blob/main/"
    assert found == f"{start}chapters/assignments/1_forgetting.ipynb"


@pytest.mark.parametrize("solved", [False, True])
def test_notebook_checks_and_exports_where_only_colabs_packages_are(
    solved: bool, made: Path, runtime: Path, colab: Path, wheel: Path
) -> None:
    """As in Colab: the library from its wheel, no otter-grader; experiments left out."""
    name = "1_forgetting"
    source = made / (assignments.BUILT / name if solved else assignments.FOLDER) / f"{name}.ipynb"
    settings = course.settings()["repository"]
    text = source.read_text(encoding="utf-8").replace(course.archive(settings["url"], settings["branch"]), str(wheel))
    notebook = nbformat.reads(text, as_version=4)
    notebook.cells = [c for c in notebook.cells if not c.source.startswith("# Experiment")]
    nbformat.write(notebook, colab / f"{name}.ipynb")
    NotebookClient(notebook, kernel_name="colab", timeout=300, resources={"metadata": {"path": str(colab)}}).execute()
    said = [str(cell.outputs) for cell in notebook.cells if cell.source.startswith("grader.check(")]
    assert len(said) == 6
    assert all(("all visible checks passed" if solved else "not yet") in output for output in said)
    assert len(nbformat.read(colab / f"{name}_submission.ipynb", as_version=4).cells) == len(notebook.cells)
    without = [str(runtime), "-c", "import otter"]
    assert subprocess.run(without, capture_output=True).returncode, "otter-grader is there, so this shows nothing"


# What the checks say


@pytest.mark.parametrize("name", NAMES)
def test_masters_solutions_pass_and_the_untouched_notebook_does_not(name: str, made: Path) -> None:
    solved = names_after(code(made / assignments.BUILT / name / f"{name}.ipynb"))
    assert hints(made, name, solved) == {}
    untouched = names_after(code(made / assignments.FOLDER / f"{name}.ipynb"))
    assert set(hints(made, name, untouched)) == set(built(made, name).points)


def alternatives(kind: str) -> Iterator[Any]:
    for name in NAMES:
        for question, others in getattr(answers(name), kind).items():
            for place, other in enumerate(others):
                said, source = (other, others[other]) if kind == "WRONG" else ("", other)
                yield pytest.param(name, question, source, said, id=f"{name[0]}-{question}-{place}")


@pytest.fixture(scope="session")
def solved(made: Path) -> dict[str, dict[str, Any]]:
    """The names that each master's solutions define."""
    return {name: names_after(code(made / assignments.BUILT / name / f"{name}.ipynb")) for name in NAMES}


@pytest.mark.parametrize(("name", "question", "source", "said"), alternatives("RIGHT"))
def test_other_right_answers_pass(
    name: str, question: str, source: str, said: str, made: Path, solved: dict[str, dict[str, Any]]
) -> None:
    names = dict(solved[name])
    exec(compile(source, "<answer>", "exec"), names)
    assert hints(made, name, names) == {}


@pytest.mark.parametrize(("name", "question", "source", "said"), alternatives("WRONG"))
def test_wrong_answer_loses_its_question_alone_and_hears_why(
    name: str, question: str, source: str, said: str, made: Path, solved: dict[str, dict[str, Any]]
) -> None:
    names = dict(solved[name])
    exec(compile(source, "<answer>", "exec"), names)
    found = hints(made, name, names)
    assert list(found) == [question]
    assert said in found[question]


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_two_other_right_answers_and_three_wrong_ones(name: str, made: Path) -> None:
    questions, others = set(built(made, name).points), answers(name)
    assert set(others.RIGHT) == set(others.WRONG) == questions
    assert min(len(right) for right in others.RIGHT.values()) >= 2
    assert min(len(wrong) for wrong in others.WRONG.values()) >= 3


def test_of_groups_the_best_counts() -> None:
    points = {"q1": 2.0, "a_1": 3.0, "a_2": 4.0, "b_1": 5.0}
    assert grouped(points, ["a", "b"]) == 9
    about = Assignment("x", points, ("a", "b"), 9, 0, Path())
    assert about.total({"q1": 1, "a_1": 0, "a_2": 4, "b_1": 5}) == 6
