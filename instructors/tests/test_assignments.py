"""The graded assignments: what is made from a master, and what its checks say of right and wrong answers."""

import contextlib
import functools
import importlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import assignments
import course
import nbformat
import pytest
from book_index import index
from cohort import QUESTION, worded, wordings
from nbclient import NotebookClient

from grading import cells, sandbox
from grading.assignment import Assignment, Result
from grading.judge import grade, judge
from grading.remote import Clock, Session
from grading.sandbox import Limits, Sandbox
from instructors.alternatives import more_1_to_3, more_4_and_5, more_styles
from replaylib.course.assignments import read
from replaylib.errors import InputError
from replaylib.lab.protocols import PROTOCOLS
from tests.colab import colab, environment, runtime, wheel

__all__ = ["colab", "environment", "runtime", "wheel"]  # fixtures

# What is made of the masters takes a while: in one process, where it is made once.
pytestmark = pytest.mark.xdist_group("assignments")
ROOT = course.ROOT
MASTERS = assignments.masters(ROOT)
NAMES = [path.stem for path in MASTERS]
SEED = assignments.cohort(ROOT)


@functools.cache
def texts(name: str, seed: int) -> dict[Path, str]:
    """Every file of an assignment for a cohort, relative to the project, with its text."""
    files = assignments.make(ROOT / assignments.MASTERS / f"{name}.md", ROOT, index(ROOT), seed)
    return {path.relative_to(ROOT): text for path, text in files.items()}


def lay(root: Path, name: str, seed: int) -> None:
    for relative, text in texts(name, seed).items():
        target = root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `make assignments` makes, in a folder that stands for the project's."""
    root = tmp_path_factory.mktemp("made")
    for name in NAMES:
        lay(root, name, SEED)
    return root


def built(root: Path, name: str) -> Assignment:
    return Assignment.read(root / assignments.BUILT / name)


def answers(name: str) -> Iterator[tuple[str, str, str, str]]:
    """Other answers to an assignment: question, which one, a part of the hint (nothing if it is right), and code."""
    module = importlib.import_module(f"instructors.alternatives.a{name[0]}")
    for question, sources in module.RIGHT.items():
        yield from ((question, f"right {place}", "", source) for place, source in enumerate(sources))
    for question, sources in module.WRONG.items():
        yield from ((question, f"wrong {place}", *pair) for place, pair in enumerate(sources.items()))
    yield from (one[1:] for one in [*more_1_to_3.MORE, *more_4_and_5.MORE, *more_styles.MORE] if one[0] == name)


def code(notebook: Path) -> list[str]:
    """The statements of a notebook, without its experiments."""
    return [s.source for s in cells.statements(cells.sources(cells.parsed(notebook.read_bytes()))) if not s.experiment]


def names_after(sources: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), names)
    return names


def hints(root: Path, name: str, names: dict[str, Any]) -> dict[str, str]:
    """For each question that fails its visible checks or hidden tests, the hints."""
    assignment = built(root, name)
    outcomes = {q: [case.run(names) for case in read(assignment.tests / f"{q}.py")] for q in assignment.points}
    return {question: " / ".join(filter(None, said)) for question, said in outcomes.items() if any(said)}


# What is made


@pytest.mark.parametrize("name", NAMES)
def test_students_files_agree_with_their_master(name: str, built_root: Path) -> None:
    folder = assignments.FOLDER
    pairs = {path.relative_to(built_root): path for path in (built_root / folder).rglob(f"{name}*/*.py")}
    pairs[folder / f"{name}.ipynb"] = built_root / folder / f"{name}.ipynb"
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
def test_nothing_leaks_to_students(master: Path, built_root: Path) -> None:
    """Neither a solution nor a hidden test is in the notebook, its metadata, or the visible checks."""
    notebook = built_root / assignments.FOLDER / f"{master.stem}.ipynb"
    published = [notebook, *sorted((built_root / assignments.FOLDER / "checks" / master.stem).glob("*.py"))]
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
def test_instructors_files_hold_solutions_and_hidden_tests(name: str, built_root: Path) -> None:
    assignment = built(built_root, name)
    assert all("hidden=True" in (assignment.tests / f"{q}.py").read_text() for q in assignment.points)
    assert "# BEGIN SOLUTION" in (built_root / assignments.BUILT / name / f"{name}.ipynb").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_students_notebook_is_valid_and_begins_and_ends_as_it_should(name: str, built_root: Path) -> None:
    notebook = nbformat.read(built_root / assignments.FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert "pip" in sources[0]
    assert f'Assignment("{name}", globals())' in sources[1]
    assert sources[-1].endswith("grader.export()")
    assert sum("grader.check(" in source for source in sources) == len(built(built_root, name).points)


def test_first_cell_installs_what_the_cohort_pins_and_stays_pinned_in_the_public_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignments, "pinned", lambda _: "autumn-2026")
    path = ROOT / assignments.MASTERS / "7_reproduce.md"
    files = assignments.make(path, ROOT, index(ROOT), 0)
    notebook = files[ROOT / assignments.FOLDER / "7_reproduce.ipynb"]
    url = course.settings()["repository"]["url"]
    assert f'library = \\"{url}/archive/autumn-2026.zip\\"' in notebook
    (tmp_path / assignments.FOLDER).mkdir(parents=True)
    (tmp_path / assignments.FOLDER / "7_reproduce.ipynb").write_text(notebook, encoding="utf-8")
    settings = (ROOT / "_config.yml").read_text(encoding="utf-8").replace(url, "https://github.com/some/fork")
    (tmp_path / "_config.yml").write_text(settings, encoding="utf-8")
    [moved] = assignments.readdressed(tmp_path).values()
    assert 'library = \\"https://github.com/some/fork/archive/autumn-2026.zip\\"' in moved


def test_masters_are_not_part_of_the_book() -> None:
    assert {"chapters/assignments", "instructors"} <= set(course.settings()["exclude_patterns"])


def test_link_to_colab_names_owner_branch_and_path() -> None:
    link = course.colab("https://github.com/Some/fork.git", "main", "chapters/assignments/1_forgetting.ipynb")
    start = "https://colab.research.google.com/github/Some/fork/blob/main/"
    assert link == f"{start}chapters/assignments/1_forgetting.ipynb"


@pytest.mark.parametrize("solved", [False, True])
def test_notebook_checks_and_exports_where_only_colabs_packages_are(
    solved: bool, built_root: Path, runtime: Path, colab: Path, wheel: Path
) -> None:
    """As in Colab: the library from its wheel, no otter-grader; experiments left out."""
    name = "1_forgetting"
    source = built_root / (assignments.BUILT / name if solved else assignments.FOLDER) / f"{name}.ipynb"
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
def test_masters_solutions_pass_and_the_untouched_notebook_does_not(name: str, built_root: Path) -> None:
    solved = names_after(code(built_root / assignments.BUILT / name / f"{name}.ipynb"))
    assert hints(built_root, name, solved) == {}
    untouched = names_after(code(built_root / assignments.FOLDER / f"{name}.ipynb"))
    assert set(hints(built_root, name, untouched)) == set(built(built_root, name).points)


@pytest.fixture(scope="session")
def solved(built_root: Path) -> dict[str, dict[str, Any]]:
    """The names that each master's solutions define."""
    return {name: names_after(code(built_root / assignments.BUILT / name / f"{name}.ipynb")) for name in NAMES}


def experiments(notebook: Path) -> list[str]:
    sources = cells.sources(cells.parsed(notebook.read_bytes()))
    return [source for source in sources if source.startswith("# Experiment")]


@pytest.mark.parametrize("name", NAMES)
def test_experiments_run_with_right_answers(
    name: str, built_root: Path, solved: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two steps each: what they show takes longer, that they run does not."""
    for protocol in list(PROTOCOLS.values()):
        monkeypatch.setitem(PROTOCOLS, protocol.name, replace(protocol, iterations=2))
    sources = experiments(built_root / assignments.FOLDER / f"{name}.ipynb")
    assert sources
    names = dict(solved[name])
    for source in sources:
        exec(compile(re.sub(r"(steps|iterations)=\d+", r"\1=2", source), "<experiment>", "exec"), names)


EVERY = [
    pytest.param(name, question, said, source, id=f"{name[0]}-{question}-{answer}")
    for name in NAMES
    for question, answer, said, source in answers(name)
]


@pytest.mark.parametrize(("name", "question", "said", "source"), EVERY)
def test_right_answers_pass_and_wrong_ones_lose_their_question_alone_and_hear_why(
    name: str, question: str, said: str, source: str, built_root: Path, solved: dict[str, dict[str, Any]]
) -> None:
    names = dict(solved[name])
    exec(compile(source, "<answer>", "exec"), names)
    heard = hints(built_root, name, names)
    assert list(heard) == ([question] if said else [])
    assert said in heard.get(question, "")


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_two_other_right_answers_and_three_wrong_ones(name: str, built_root: Path) -> None:
    tried = [(question, bool(said)) for question, _, said, _ in answers(name)]
    for question in built(built_root, name).points:
        assert tried.count((question, False)) >= 2
        assert tried.count((question, True)) >= 3


# The same through the grader


LIMITS = Limits()


@pytest.fixture(scope="session")
def walls() -> Sandbox:
    try:
        return sandbox.available()
    except InputError as error:
        pytest.skip(f"no sandbox here, so nothing that runs a submission is tested: {error}")


@pytest.mark.parametrize("name", NAMES)
def test_solved_and_untouched_notebook_are_graded(name: str, built_root: Path, walls: Sandbox) -> None:
    assignment = built(built_root, name)
    full = grade((built_root / assignments.BUILT / name / f"{name}.ipynb").read_bytes(), assignment, walls, LIMITS)
    assert (full.scores, full.hints, full.hidden, full.flags) == (assignment.points, {}, {}, [])
    assert assignment.total(full.scores) == assignment.possible
    untouched = grade((built_root / assignments.FOLDER / f"{name}.ipynb").read_bytes(), assignment, walls, LIMITS)
    assert set(untouched.scores.values()) == {0}
    assert untouched.notes == []


class Living:
    """A submission in the sandbox whose answers are exchanged one by one."""

    def __init__(self, sources: list[str], walls: Sandbox) -> None:
        self.sources, self.walls, self.session = sources, walls, self.anew(sources, walls)

    @staticmethod
    def anew(sources: list[str], walls: Sandbox) -> Session:
        session = Session(walls, LIMITS, Clock(1000))
        for source in sources:
            session.run("<cell>", source, 60)
        return session

    def begin(self) -> Session:
        if not self.session.alive:
            self.session = self.anew(self.sources, self.walls)
        return self.session

    def close(self) -> None:
        self.session.close()

    def died(self, _: str) -> None:
        pass

    def passes(self, source: str, question: str, assignment: Assignment) -> tuple[bool, str]:
        self.begin().run("<answer>", source, 30)
        result = Result()
        passed = judge(question, assignment.checks(question), self, result)  # type: ignore[arg-type]
        for one in self.sources:
            self.begin().run("<cell>", one, 30)
        return passed, result.hints.get(question, "") + result.hidden.get(question, "")


@pytest.mark.parametrize("name", NAMES)
def test_grader_says_of_other_answers_what_the_notebook_says(name: str, built_root: Path, walls: Sandbox) -> None:
    assignment = built(built_root, name)
    with contextlib.closing(Living(code(built_root / assignments.BUILT / name / f"{name}.ipynb"), walls)) as living:
        for question, answer, said, source in answers(name):
            passed, told = living.passes(source, question, assignment)
            assert passed == (not said), (question, answer, told)
            assert said in told, (question, answer, told)


# Cohorts


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_solutions_of_every_cohort_pass_its_own_checks(name: str, seed: int, tmp_path: Path) -> None:
    lay(tmp_path, name, seed)
    solved = names_after(code(tmp_path / assignments.BUILT / name / f"{name}.ipynb"))
    assert hints(tmp_path, name, solved) == {}


def variants(name: str) -> dict[str, int]:
    """How many variants each question has that has several, written once or as often as there are."""
    by_question: dict[str, int] = {}
    for question in QUESTION.finditer((ROOT / assignments.MASTERS / f"{name}.md").read_text(encoding="utf-8")):
        by_question[question[1]] = by_question.get(question[1], 0) + wordings(question[0])
    return {question: number for question, number in by_question.items() if number > 1}


def test_places_of_a_question_have_as_many_variants_each() -> None:
    assert worded("a <<b||c||>> d <<1||2||3>>", 1) == "a c d 2"
    assert wordings("x << 2 || y") == 1
    with pytest.raises(ValueError, match="expected as many everywhere"):
        wordings("<<a||b>> <<a||b||c>>")


@pytest.mark.parametrize("name", [name for name in NAMES if variants(name)])
def test_solution_of_another_variant_fails_and_is_told_why(name: str, tmp_path: Path) -> None:
    kinds: dict[str, dict[str, int]] = {}  # the seed that asks for each variant of a question
    for seed in range(12):
        for path, text in texts(name, seed).items():
            if path.suffix == ".py" and path.is_relative_to(assignments.BUILT) and path.stem in variants(name):
                numbers = re.sub(r"manual_seed\(\d+\)", "", text)
                kinds.setdefault(path.stem, {}).setdefault(numbers, seed)
        if {question: len(seeds) for question, seeds in kinds.items()} == variants(name):
            break  # every variant has a seed now
    for question, seeds in kinds.items():
        assert len(seeds) == variants(name)[question]
        for seed in seeds.values():
            lay(tmp_path / str(seed), name, seed)
            root = tmp_path / str(seed)
            solved = names_after(code(root / assignments.BUILT / name / f"{name}.ipynb"))
            for other in set(seeds.values()) - {seed}:
                lay(tmp_path / str(other), name, other)
                assert question in hints(tmp_path / str(other), name, solved)
