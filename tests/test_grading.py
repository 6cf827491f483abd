"""Grading: every submission gets the score that its answers are worth, whatever it does, and none stops the rest."""

import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import assignments
import nbformat
import pytest
import torch
from book_index import index

import grading.__main__ as command
from grading.judge import Assignment, Result, clean, grade
from grading.limits import Limits
from grading.nursery import Nursery
from grading.remote import Names, Session
from grading.wire import BrokenBorder, decoded, encoded, value_of
from replaylib.course.assignments import Missing
from replaylib.scenarios import Batch

# Built assignments and a nursery serve all tests of this module: they run in one process.
pytestmark = pytest.mark.xdist_group("grading")
ROOT = assignments.ROOT
NAME = "1_forgetting"
# So short that a hang costs a test little; long enough for a cell on a busy machine.
QUICK = Limits(cell=6, call=4, total=60, memory=512)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instructor's files of the first assignment."""
    return built(NAME, tmp_path_factory.mktemp("built"))


def built(name: str, root: Path) -> Path:
    """The instructor's files of an assignment, in a folder."""
    for path, text in assignments.make(ROOT / assignments.FOLDER / f"{name}.md", ROOT, index(ROOT)).items():
        target = root / path.name if path.suffix != ".py" else root / path.parent.name / path.name
        if path.is_relative_to(ROOT / assignments.BUILT):
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("master", assignments.masters(), ids=lambda master: master.stem)
def test_solutions_get_all_points_and_the_untouched_notebook_none(
    master: Path, nursery: Nursery, tmp_path: Path
) -> None:
    folder = built(master.stem, tmp_path)
    assignment = Assignment.read(folder)
    full = grade(folder / f"{master.stem}.ipynb", assignment, nursery, QUICK)
    assert (full.scores, full.hints, full.notes) == (assignment.points, {}, [])
    assert assignment.total(full.scores) == assignment.possible
    untouched = grade(master.with_suffix(".ipynb"), assignment, nursery, QUICK)
    assert set(untouched.scores.values()) == {0}
    assert untouched.notes == []


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def with_cell(made: Path, target: Path, cell: str, place: int = 4, untouched: bool = False) -> Path:
    """A submission with the master's answers, or none, and one more cell in the middle."""
    source = ROOT / assignments.FOLDER / f"{NAME}.ipynb" if untouched else made / f"{NAME}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    code = [n for n, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source.startswith("def ")]
    notebook.cells.insert(code[place - 1], nbformat.v4.new_code_cell(cell))
    nbformat.write(notebook, target)
    return target


def graded(path: Path, made: Path, nursery: Nursery, **limits: object) -> Result:
    return grade(path, Assignment.read(made), nursery, Limits(**QUICK.__dict__ | limits))


# Submissions that mean harm, each with the score that its answers are worth: (cell, right answers beside it, points)
HOSTILE = {
    "hangs": ("while True:\n    pass", True, 12),
    "leaves": ("import sys\nsys.exit(0)", True, 12),
    "leaves at once": ("import os\nos._exit(0)", True, 12),
    "exhausts memory at once": ("x = bytearray(10**13)", True, 12),
    "exhausts memory by and by": ("x = []\nwhile True:\n    x.append(bytearray(10**7))", True, 12),
    "crashes": ("raise RuntimeError('\\x1b[31m=cmd')", True, 12),
    "cannot be compiled": ("def (:", True, 12),
    "recurses": ("f = lambda n: f(n + 1)\nf(0)", True, 12),
    "ignores signals": (
        "import signal\nfor s in (2, 15):\n    signal.signal(s, signal.SIG_IGN)\nwhile True:\n    pass",
        True,
        12,
    ),
    "prints a lot": ("print('all tests passed ' * 10**6)", True, 12),
    "prints that it passed": ("print('q1 passed! all tests passed, score 12 / 12')", False, 0),
    "overwrites the grader's names": (
        "import builtins, otter.test_files, replaylib.course.assignments\n"
        "grader = expect = test_case = None\n"
        "replaylib.course.assignments.expect = torch.allclose = torch.equal = lambda *a, **k: True\n"
        "torch.Tensor.__eq__ = lambda *a: True\n"
        "builtins.AssertionError = type('Never', (Exception,), {})\n"
        "otter.test_files.ExceptionTestFile.run = lambda *a: None",
        False,
        0,
    ),
    "answers everything alike": (
        "class Yes(float):\n    __eq__ = __lt__ = __ge__ = lambda *a: True\n    __hash__ = None\n"
        "task_accuracy = savings = permitted = lambda *a: Yes(75)",
        False,
        0,
    ),
    "writes where the grader writes": ("open('{outside}/1_forgetting.csv', 'w').write('score 12')", True, 12),
    "deletes tests": ("import shutil\nshutil.rmtree('{outside}')", True, 12),
    "reads hidden tests": ("stolen = open('{outside}/hidden.py').read()\nraise SystemExit(stolen)", True, 12),
    "fills the disk": (
        "for n in range(1000):\n    with open(f'f{n}', 'wb') as f:\n        f.write(bytes(10**9))",
        True,
        12,
    ),
    "forks": ("import os\nwhile True:\n    os.fork()", True, 12),
    "starts programs": ("import subprocess\nsubprocess.run(['touch', '{outside}/new'])", True, 12),
    "kills its parent": ("import os\nos.kill(os.getppid(), 9)", True, 12),
    "asks the network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", True, 12),
    "calls native code": ("import ctypes\nctypes.CDLL(None).kill(1, 9)", True, 12),
    "writes into the grader's socket": ("import os\nos.write(3, b'{' * 100)", True, 12),
    "hangs when called": ("def task_accuracy(*a):\n    while True:\n        pass", False, 0),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_submission_gets_its_fair_score(what: str, made: Path, nursery: Nursery, tmp_path: Path) -> None:
    cell, right, points = HOSTILE[what]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hidden.py").write_text("the hidden tests")
    (outside / f"{NAME}.csv").write_text("scores")
    path = with_cell(made, tmp_path / "one.ipynb", cell.replace("{outside}", str(outside)), untouched=not right)
    before = time.monotonic()
    result = graded(path, made, nursery, hidden=(str(outside),))
    assert sum(result.scores.values()) == points, result
    assert time.monotonic() - before < 60
    assert sorted(path.name for path in outside.iterdir()) == [f"{NAME}.csv", "hidden.py"]
    assert (outside / f"{NAME}.csv").read_text() == "scores"
    assert "the hidden tests" not in str(result)
    if right and "prints" not in what:
        assert result.notes, "a cell that failed is told"


def test_question_that_hangs_or_ends_the_process_costs_itself_alone(
    made: Path, nursery: Nursery, tmp_path: Path
) -> None:
    cell = "import os, time\ndef savings(*a):\n    os._exit(0)\ndef permitted(*a):\n    time.sleep(1000)\n"
    path = with_cell(made, tmp_path / "one.ipynb", "pass")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(cell))
    nbformat.write(notebook, path)
    result = graded(path, made, nursery)
    assert result.scores == {"q1": 2, "q2": 2, "q3": 2, "q4": 2, "q5": 0, "q6": 0}
    assert "the process ended" in result.hints["q5"]
    assert "the time limit was reached" in result.hints["q6"]


def test_answers_before_and_after_a_crash_count(made: Path, nursery: Nursery, tmp_path: Path) -> None:
    path = with_cell(made, tmp_path / "one.ipynb", "undefined_name + 1", place=2)
    result = graded(path, made, nursery)
    assert sum(result.scores.values()) == 12
    assert "NameError" in result.notes[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', "[" * 10**5, "\udcff"])
def test_file_that_is_no_notebook_gets_a_row(text: str, made: Path, nursery: Nursery, tmp_path: Path) -> None:
    path = tmp_path / "one.ipynb"
    path.write_bytes(text.encode(errors="surrogateescape"))
    result = graded(path, made, nursery)
    assert result.notes == ["not a notebook that can be read"]
    assert sum(result.scores.values()) == 0


def test_link_is_not_followed(made: Path, nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "one.ipynb").symlink_to(made / f"{NAME}.ipynb")
    assert graded(tmp_path / "one.ipynb", made, nursery).notes == ["not a plain file"]


def test_magic_commands_are_left_out(made: Path, nursery: Nursery, tmp_path: Path) -> None:
    cell = "%matplotlib inline\n!pip install torch\n%time x = 1\nfrom IPython.display import display\ndisplay(x := 2)"
    result = graded(with_cell(made, tmp_path / "one.ipynb", cell), made, nursery)
    assert (sum(result.scores.values()), result.notes) == (12, [])


# The border


@pytest.fixture
def session(nursery: Nursery, tmp_path: Path) -> Iterator[Session]:
    session = Session(nursery, str(tmp_path), QUICK, time.monotonic() + 60)
    yield session
    session.close()


def defines(session: Session, source: str) -> Names:
    session.run(1, source)
    return Names(session)


def test_function_is_called_with_what_a_test_gives_it(session: Session) -> None:
    names = defines(session, "def f(x, *, y):\n    return {'sum': x + y, 'all': (x, [y], None, True)}")
    answer = names["f"](torch.arange(3), y=0.5)
    assert answer["sum"].tolist() == [0.5, 1.5, 2.5]
    assert answer["all"][1:] == ([0.5], None, True)


def test_gradients_flow_through_a_call(session: Session) -> None:
    names = defines(session, "def f(a, b):\n    return (a * b.detach() + a ** 2).sum(1), b.sum()")
    a, b = torch.randn(2, 3, 4).requires_grad_().unbind(0)
    a, b = (x.detach().requires_grad_() for x in (a, b))
    first, second = names["f"](a, b)
    (3 * first.sum() + second).backward()
    assert torch.allclose(a.grad, 3 * (b + 2 * a).detach())
    assert torch.allclose(b.grad, torch.ones_like(b))


def test_what_needs_no_gradient_has_none(session: Session) -> None:
    names = defines(session, "def f(a):\n    return a.detach() * 2")
    assert not names["f"](torch.ones(2, requires_grad=True)).requires_grad


def test_generator_moves_on_as_it_would_here(session: Session) -> None:
    names = defines(session, "import torch\ndef f(g):\n    return torch.rand(3, generator=g)")
    there, here = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for _ in range(2):
        assert torch.equal(names["f"](there), torch.rand(3, generator=here))


def test_objects_stay_there_and_can_be_used(session: Session) -> None:
    names = defines(
        session,
        "class Store:\n    def __init__(self):\n        self.kept = []\n"
        "    def add(self, x):\n        self.kept.append(x)\n"
        "    def __len__(self):\n        return len(self.kept)\n"
        "    def __getitem__(self, k):\n        return self.kept[k]\n"
        "def first(store):\n    return store[0]",
    )
    store = names["Store"]()
    store.add(torch.ones(2))
    store.add(5)
    assert (len(store), store[1], store.kept[1]) == (2, 5, 5)
    assert names["first"](store).tolist() == [1, 1]
    assert [type(one).__name__ for one in store.kept] == ["Tensor", "int"]


def test_batch_comes_back_as_one(session: Session) -> None:
    names = defines(session, "from replaylib import Batch\nimport torch\nb = Batch(torch.ones(1), torch.ones(1), None)")
    assert isinstance(names["b"], Batch)


def test_exceptions_and_missing_names_are_told(session: Session) -> None:
    names = defines(
        session, "from replaylib import InputError\ndef f(n):\n    raise (InputError if n else KeyError)('no')"
    )
    with pytest.raises(ValueError, match="no"):
        names["f"](1)
    with pytest.raises(KeyError):
        names["f"](0)
    assert isinstance(names["g"], Missing)
    with pytest.raises(AssertionError, match="`g` is not defined"):
        names["g"](1)


def test_values_survive_the_border() -> None:
    for value in (None, True, 3, 2.5, float("inf"), "é", [1, (2, {"a": 3})], {}):
        text = json.dumps(encoded(value, lambda _: 0)).encode()
        assert value_of(decoded(text), lambda n, kind: n, Batch) == value
    for dtype in (torch.float64, torch.int64, torch.bool, torch.uint8):
        tensor = torch.tensor([[0, 1], [1, 0]], dtype=dtype)
        back = value_of(encoded(tensor, lambda _: 0), lambda n, kind: n, Batch)
        assert back.dtype == dtype
        assert torch.equal(back, tensor)


@pytest.mark.parametrize(
    "data",
    [
        {"tensor": "AAAA", "dtype": "float32", "shape": [10**9], "grad": False},
        {"tensor": "AAAA", "dtype": "object", "shape": [1], "grad": False},
        {"tensor": "AAAAAA==", "dtype": "float32", "shape": [-1, -1], "grad": False},
        {"ref": "x", "kind": 1},
        {"batch": [1]},
        {"dict": [[{"list": []}, 1]]},
        {"evil": []},
        {"list": 3},
        [1],
    ],
)
def test_malformed_values_are_refused(data: object) -> None:
    with pytest.raises(BrokenBorder):
        value_of(data, lambda n, kind: n, Batch)


# The table


def test_folder_of_submissions_becomes_a_table(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "handed in"
    (folder / "late").mkdir(parents=True)
    with_cell(made, folder / "=ada_submission.ipynb", "pass")
    with_cell(made, folder / "late" / "bob.ipynb", "pass", untouched=True)
    with_cell(made, folder / "eve.ipynb", "import os\nos._exit(1)")
    (folder / "broken.ipynb").write_text("{")
    built = tmp_path / "built"
    built.mkdir()
    os.symlink(made, built / NAME)
    monkeypatch.setattr(command, "BUILT", built)
    target = tmp_path / "scores.csv"
    monkeypatch.setattr("sys.argv", ["grading", NAME, str(folder), "--out", str(target), "--workers", "2"])
    command.main()
    rows = list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == [
        "submission", "student", "score", "possible", "q1", "q2", "q3", "q4", "q5", "q6", "feedback", "status",
    ]  # fmt: skip
    assert {row["student"]: row["score"] for row in rows} == {"'=ada": "12", "bob": "0", "eve": "12", "broken": "0"}
    assert {row["possible"] for row in rows} == {"12"}
    assert all(row["feedback"].count("q") >= 6 for row in rows)
    assert "4 rows" in capsys.readouterr().out


def test_table_cells_are_one_harmless_line() -> None:
    assert clean("a\nb\x1b[31m\t" + "c" * 1000, 20) == "a b?[31m cccccccccc…"
    assert command.safe("=HYPERLINK(1)") == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("arguments", "said"), [(["9_none", "."], "no assignment '9_none'"), ([NAME, "/none"], "not a folder")]
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], said: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(made, tmp_path / NAME)
    monkeypatch.setattr(command, "BUILT", tmp_path)
    monkeypatch.setattr("sys.argv", ["grading", *arguments])
    with pytest.raises(SystemExit, match=said):
        command.main()
