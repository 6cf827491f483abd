"""Grading: what the sandbox keeps out, what a judge makes of a submission, and what crosses the border."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from grading import sandbox as sandboxes
from grading.assignment import Assignment, Result, clean
from grading.cells import declared as declared_in
from grading.cells import sources as cells_of
from grading.cells import statements
from grading.flags import flags
from grading.judge import grade
from grading.points import grouped
from grading.remote import Clock, Names, NotGraded, Session
from grading.sandbox import Limits, Sandbox
from grading.wire import BrokenBorder, decoded, encoded, value_of
from replaylib.course.assignments import Missing
from replaylib.course.digits import new_stream
from replaylib.errors import InputError
from replaylib.scenarios import Batch
from tests import hostile
from tests import small_assignment as small

pytestmark = pytest.mark.xdist_group("grading")
# So short that a hang costs a test little; long enough for a statement on a busy machine.
# The memory differs from run to run of the tests: by it a test knows the processes that it started itself. It is enough
# for four processes that have PyTorch, each of which counts whole.
MEMORY, DISK = 768 + os.getpid() % 97, 101
QUICK = Limits(statement=3, call=3, check=6, total=60, project=8, memory=MEMORY, disk=DISK)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """Bubblewrap or a container; a test that runs submissions is skipped where there is neither.

    `GRADING_SANDBOX=podman pytest tests/test_grading.py` tries that one.
    """
    try:
        return sandboxes.available(os.environ.get("GRADING_SANDBOX", ""))
    except InputError as error:
        pytest.skip(f"no sandbox here, so nothing that runs a submission is tested: {error}")


@pytest.fixture(scope="session")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return Assignment.read(small.build(tmp_path_factory.mktemp("built")))


def graded(text: str, assignment: Assignment, sandbox: Sandbox) -> Result:
    return grade(text.encode(), assignment, sandbox, QUICK)


# Harm


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder with a hidden test and another student's file; nothing of it may be changed."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "hidden.py").write_text("the hidden tests")
    (folder / "anna.ipynb").write_text("the work of anna")
    before = standing()
    with socket.socket(socket.AF_UNIX) as listening:  # a name that is no file; each network namespace has its own
        listening.bind(f"\0{folder}")
        listening.listen()
        yield folder
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "hidden.py": "the hidden tests",
        "anna.ipynb": "the work of anna",
    }
    assert standing() == before
    assert not running(), f"something runs on: {running()}"


def running() -> list[dict[str, object]]:
    """The processes of submissions that this process started, or that they started."""
    student = f"grading.student {MEMORY} {DISK}"
    processes = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if student in " ".join(command(one)):
                processes.append(one.as_dict(["pid", "ppid", "status", "create_time", "cmdline"]))
    return processes


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


def standing() -> dict[str, tuple[int, int]]:
    """Every file of the course's code and of the shared memory, with its size and time."""
    places = [
        sandboxes.ROOT / "replaylib",
        sandboxes.ROOT / "grading",
        sandboxes.ROOT / "tests",
        Path(torch.__file__).parent,
    ]
    files = [path for place in places for path in place.glob("*") if path.is_file()]
    shared = Path("/dev/shm").glob("*message*")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [*files, *shared]}


def test_what_would_do_harm_is_refused_and_costs_nothing(
    assignment: Assignment, sandbox: Sandbox, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    attacks = [hostile.called_first(body, n) for n, (body, _) in enumerate(hostile.REFUSED.values())]
    text = small.notebook(*(one.replace("{outside}", str(outside)) for one in attacks))
    result = grade(text.encode(), assignment, sandbox, replace(QUICK, statement=30))  # none of them hangs
    assert sum(result.scores.values()) == 4, result
    assert len(result.notes) == len(attacks), result.notes
    for (name, (_, said)), note in zip(hostile.REFUSED.items(), result.notes, strict=True):
        assert said in note, name
    for secret in ("the hidden tests", "hush", "SECRET_TOKEN"):
        assert secret not in str(result)
    again = small.notebook(
        hostile.called_first("raise OSError([os.path.exists(f'{p}/message') for p in ('/dev/shm', '/tmp')])")
    )
    assert "[False, False]" in graded(again, assignment, sandbox).notes[0], "one submission left word for the next"


def test_what_ends_the_process_costs_the_statement_alone(
    assignment: Assignment, sandbox: Sandbox, outside: Path
) -> None:
    attacks = [hostile.called_first(body, n) for n, (body, _) in enumerate(hostile.DEADLY.values())]
    daemon = "if os.fork() == 0:\n    os.setsid()\n    import time\n    while True:\n        time.sleep(1)"
    started = time.monotonic()
    result = graded(small.notebook(*attacks, hostile.called_first(daemon, 99)), assignment, sandbox)
    assert time.monotonic() - started < 300
    assert sum(result.scores.values()) == 4, result
    assert len(result.notes) == len(attacks), result.notes
    for (name, (_, said)), note in zip(hostile.DEADLY.items(), result.notes, strict=True):
        assert said in note, name
        assert note.endswith("graded without that statement")


def test_kernel_bounds_what_one_submission_starts(assignment: Assignment, sandbox: Sandbox) -> None:
    if sandbox.kind != "bubblewrap":
        pytest.skip("a container's engine counts")
    few, many = (replace(QUICK, processes=processes, memory=4096) for processes in (8, 64))
    text, started = small.notebook(hostile.called_first(hostile.THREADS)).encode(), []
    for limits in (few, many):
        result = grade(text, assignment, sandbox, limits)
        assert sum(result.scores.values()) == 4, result
        started.append(int(re.findall(r"(\d+) threads", result.notes[0])[0]))
    assert started[0] < few.tasks < started[1] < many.tasks, "memory alone bounds the second"


def test_limit_of_the_computer_that_is_lower_stays() -> None:
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (100, 100))\nfrom grading.student import limit\n"
        "limit(4096, 100, 512)\nprint(*resource.getrlimit(resource.RLIMIT_NPROC))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=sandboxes.ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["100", "100"], done.stderr


def test_memory_that_is_held_costs_no_other_submission(assignment: Assignment, sandbox: Sandbox, outside: Path) -> None:
    started = time.monotonic()
    result = graded(small.notebook(hostile.called_first(hostile.HELD, 0)), assignment, sandbox)
    assert time.monotonic() - started < 300
    assert result.notes or result.hints, "it is said what became of it"
    assert sum(graded(small.notebook(), assignment, sandbox).scores.values()) == 4


@pytest.mark.parametrize("answers", hostile.CALLED)
def test_answer_that_does_harm_costs_its_question_alone(
    answers: dict[str, tuple[str, str]], assignment: Assignment, sandbox: Sandbox
) -> None:
    result = graded(small.notebook(after=tuple(source for source, _ in answers.values())), assignment, sandbox)
    assert result.scores == {q: 0 if q in answers else points for q, points in small.POINTS.items()}, result
    for question, (_, said) in answers.items():
        assert said in result.hints[question]


def test_submission_that_breaks_its_own_tools_is_judged_all_the_same(assignment: Assignment, sandbox: Sandbox) -> None:
    broken = [hostile.called_first(hostile.ALSO[name][0]) for name in ("patches PyTorch", "lowers its own limits")]
    result = graded(small.notebook(*broken), assignment, sandbox)
    assert (sum(result.scores.values()), result.notes) == (4, []), result


@pytest.mark.parametrize("cell", hostile.CHEATS)
def test_untouched_notebook_gets_nothing_whatever_it_does_for_points(
    cell: str, assignment: Assignment, sandbox: Sandbox
) -> None:
    result = graded(small.notebook(after=(cell,), right=False), assignment, sandbox)
    assert set(result.scores.values()) == {0}


def test_what_one_check_is_asked_is_not_told_by_another(assignment: Assignment, sandbox: Sandbox) -> None:
    """An answer that remembers what a hidden test gave it, and another that tells when its visible check comes."""
    remembers = "asked = []\ndef double(x):\n    asked.append(x.tolist())\n    return 2 * x"
    tells = "def draw(n, generator):\n    raise OSError(asked)\ndef teacher(net):\n    raise OSError(asked)"
    result = graded(small.notebook(after=(remembers, tells)), assignment, sandbox)
    assert result.scores == {"q1": 2, "q2": 0, "q3": 0}
    assert "[[1.0, 2.0]]" in result.hints["q2"]
    assert "3.5" not in str(result.hints) + str(result.notes)
    assert "3.5" in result.hidden["q3"], "it does remember"


def test_hidden_test_stays_hidden(assignment: Assignment, sandbox: Sandbox) -> None:
    """Neither what it says nor what it asks for is in what a student is told, whatever the submission does."""
    told = (
        "asked = []\ndef double(x):\n    asked.append(x)\n    if x[0] == 3.5:\n"
        "        raise OSError(f'it was {x.tolist()}')\n    return 2 * x"
    )
    result = graded(small.notebook(after=(told, "if asked:\n    raise OSError(asked)\nx = 1")), assignment, sandbox)
    assert result.scores["q1"] == 0
    assert "3.5" in result.hidden["q1"]
    for shown in (result.hints, result.notes):
        assert "3.5" not in str(shown)
        assert small.SECRET not in str(shown)


def test_nothing_secret_is_mounted(tmp_path: Path) -> None:
    mounted = [*sandboxes.mounts()]
    for secret in (
        "_build",
        "instructors",
        "tests",
        ".git",
        "grading/judge.py",
        "chapters/assignments/1_forgetting.md",
    ):
        assert not any((sandboxes.ROOT / secret).is_relative_to(there) for there in mounted), secret
    sandboxes.check_nothing_secret_is_mounted(tmp_path)
    with pytest.raises(InputError, match="move it elsewhere"):
        sandboxes.check_nothing_secret_is_mounted(Path(sys.prefix) / "handed_in")


def test_container_gets_the_same_walls() -> None:
    line = " ".join(Sandbox("podman").command(QUICK, name="one"))
    assert "--name=one" in line
    for wall in (
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "no-new-privileges",
        "--pids-limit=64",
        "--memory=",
    ):
        assert wall in line
    assert all(f"--volume={here}:{there}:ro" in line for here, there in sandboxes.mounts().items())
    assert "SECRET" not in line
    assert line.count("--volume") == len(sandboxes.mounts())


def test_without_a_sandbox_grading_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"apt install bubblewrap.*--without-sandbox"):
        sandboxes.available()
    assert sandboxes.available("none").kind == "none"


def test_sandbox_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, assignment: Assignment) -> None:
    monkeypatch.setattr(Sandbox, "command", lambda *_, **__: ["sh", "-c", "echo no namespaces here >&2; exit 1"])
    with pytest.raises(NotGraded, match="no namespaces here"):
        graded(small.notebook(), assignment, Sandbox("bubblewrap"))


# Nothing stays


class Started(Sandbox):
    """Counts what it started."""

    count = 0

    def start(self, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        type(self).count += 1
        return super().start(*arguments, **options)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError("none left"), OSError("x")])
@pytest.mark.parametrize("place", ["grading.remote.Watch.start", "grading.remote.receive"])
def test_submission_whose_start_fails_is_not_graded_and_leaves_no_process(
    place: str, error: Exception, sandbox: Sandbox, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(place, fails)
    before = Started.count
    with pytest.raises(NotGraded, match=f"the sandbox did not start: {error}"):
        graded(small.notebook(), assignment, Started(sandbox.kind))
    assert Started.count == before + 1
    assert running() == []


def test_start_that_is_interrupted_leaves_no_process(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        assert running(), "there is something to end"
        raise KeyboardInterrupt

    monkeypatch.setattr("grading.remote.receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Session(sandbox, QUICK, Clock(300))
    assert running() == []


FORKS = "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(600)"


@pytest.mark.parametrize("dead", [False, True], ids=["alive", "its first process was killed"])
def test_closed_submission_is_gone_with_all_its_processes(
    dead: bool, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, also where the group of processes cannot be killed, or what started them is gone already."""
    session = Session(sandbox, QUICK, Clock(300))
    session.run("<cell>", FORKS, 30)
    until = time.monotonic() + 30
    while len(session.watch.family) < 5 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(running()) >= 6, "two of bubblewrap's, and four of the submission's"

    def forbidden(*_: object) -> None:
        raise PermissionError

    if dead:
        session.watch.process.kill()
        session.watch.process.wait()
    else:
        monkeypatch.setattr(os, "killpg", forbidden)
    session.close()
    assert running() == []


@pytest.mark.parametrize("seconds", [0, 0.02, 1])
def test_submission_ends_with_a_judge_that_is_killed(seconds: float, sandbox: Sandbox) -> None:
    """Also while it is being started, when nothing binds it to the judge yet but the pipe between them."""
    judge = (
        "import socket, sys, time\nfrom grading.sandbox import Limits, Sandbox\nhere, there = socket.socketpair()\n"
        f"Sandbox({sandbox.kind!r}).start(Limits(memory={MEMORY}, disk={DISK}), stdin=there, stdout=there)\n"
        "there.close()\nprint('started', flush=True)\ntime.sleep(600)"
    )
    started = subprocess.Popen([sys.executable, "-c", judge], cwd=sandboxes.ROOT, stdout=subprocess.PIPE)
    assert started.stdout is not None
    with started.stdout:
        started.stdout.readline()
        assert running()
        time.sleep(seconds)
        started.kill()
        started.wait()
    until = time.monotonic() + 60
    while running() and time.monotonic() < until:
        time.sleep(0.1)
    assert running() == []


# What students do


HONEST = {
    "magic commands": "%matplotlib inline\n!pip install torch\n%time x = 1\nimport copy",
    "only shown": "import copy\ndisplay(copy)\ncopy",
    "Colab": "from google.colab import drive, files\ndrive.mount('/content/drive')\nimport copy",
    "torchvision first": "import torchvision\nimport torch, copy",
    "a failed import": "import no_such_module\nimport copy, torch",
    "waits": "import asyncio\nawait asyncio.sleep(0)\nimport copy",
    "cannot be compiled": "def (:",
    "a check": "grader.check('q1')\nimport copy",
}


def test_honest_notebooks_lose_nothing(assignment: Assignment, sandbox: Sandbox) -> None:
    patient = Limits(memory=MEMORY, disk=DISK)  # torchvision takes its time to be imported
    result = grade(small.notebook(*HONEST.values()).encode(), assignment, sandbox, patient)
    assert sum(result.scores.values()) == 4, result
    assert len(result.notes) == 2, result.notes
    assert "cannot be compiled" in result.notes[0]
    assert "No module named 'no_such_module'" in result.notes[1]


def test_answer_below_its_check_in_the_same_cell_and_in_an_experiment_counts(
    assignment: Assignment, sandbox: Sandbox
) -> None:
    below = "grader.check('q1')\n\ndef double(x):\n    return x + x\n\ngrader.check('q1')"
    beside = (
        "# Experiment: my own\ndef draw(n, generator):\n    return torch.rand(n, generator=generator)\nraise SystemExit"
    )
    text = small.notebook(below, beside, "def teacher(net): return copy.deepcopy(net).eval()", right=False)
    cells = json.loads(text)
    cells["cells"] = cells["cells"][:4]
    assert sum(graded(json.dumps(cells), assignment, sandbox).scores.values()) == 4


def test_slow_project_costs_nothing_that_stands_before_it(assignment: Assignment, sandbox: Sandbox) -> None:
    project = "import time\ndouble_of = double(torch.ones(1))\nfor n in range(100):\n    time.sleep(1)"
    result = graded(small.notebook(after=(project, project, "raise ValueError('later')")), assignment, sandbox)
    assert sum(result.scores.values()) == 4, result
    assert sum("time limit" in note for note in result.notes) == 2
    assert "later" in result.notes[-1]


def test_question_that_rests_on_what_only_running_shows_is_asked_again(
    assignment: Assignment, sandbox: Sandbox
) -> None:
    source = "exec('def doubled(x): return 2 * x')\nglobals()['double'] = doubled"
    result = graded(small.notebook(after=("del double", source)), assignment, sandbox)
    assert sum(result.scores.values()) == 4, result


def nbformat_3(text: str) -> str:
    cells = [c | {"input": "".join(c["source"])} for c in json.loads(text)["cells"]]
    for cell in cells:
        del cell["source"]
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": [*cells, {"cell_type": "code"}]}]})


def test_notebooks_of_every_encoding_and_format_are_read() -> None:
    from grading.cells import parsed, sources

    text = small.notebook()
    big = json.loads(text)
    big["cells"][0]["outputs"] = [{"text": "x" * 21 * 2**20}]
    expected = sources(json.loads(text))
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16"), json.dumps(big).encode()):
        assert sources(parsed(data)) == expected
    assert sources(parsed(nbformat_3(text).encode())) == [*expected, ""]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', "[" * 10**5, "\udcff"])
def test_file_that_is_no_notebook_is_not_graded(text: str, assignment: Assignment) -> None:
    with pytest.raises(NotGraded, match="not a notebook that can be read"):
        grade(text.encode(errors="surrogateescape"), assignment, Sandbox("none"), QUICK)


def test_notebook_of_another_assignment_is_not_graded(assignment: Assignment) -> None:
    """Handed in to the wrong place, it would get 0 points for questions that it does not have."""
    declared = 'grader = replaylib.course.assignments.Assignment("{}", globals())'
    other = small.notebook(declared.format("2_other"))
    with pytest.raises(NotGraded, match="a notebook of another assignment, 2_other"):
        grade(other.encode(), assignment, Sandbox("none"), QUICK)
    for own in ((declared.format(small.NAME),), ("# " + declared.format("2_other"),), ()):
        sources = cells_of(json.loads(small.notebook(*own)))
        assert declared_in(sources) == ({small.NAME} if own and not own[0].startswith("#") else set())


# The border


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A process as it serves a submission; what is tested here is the border, not the wall, so there is none."""
    session = Session(Sandbox("none"), QUICK, Clock(300))
    yield session
    session.close()


def defines(session: Session, source: str) -> Names:
    session.run("<cell 1>", source, 30)
    session.begin_check()
    return Names(session)


def test_function_is_called_with_what_a_check_gives_it(session: Session) -> None:
    names = defines(session, "def f(x, *, y):\n    return {'sum': x + y, 'all': (x, [y], None, True)}")
    answer = names["f"](torch.arange(3), y=0.5)
    assert answer["sum"].tolist() == [0.5, 1.5, 2.5]
    assert answer["all"][1:] == ([0.5], None, True)


def test_what_numpy_can_read_comes_back_as_numbers(session: Session) -> None:
    names = defines(
        session,
        "import numpy as np, pandas as pd\nfrom fractions import Fraction\nfrom decimal import Decimal\n"
        "from collections import deque\n"
        "def f(n):\n    return [Fraction(1, 2), Decimal('0.5'), np.float32(0.5), pd.DataFrame([[0.5]]),"
        " pd.Series([0.5]),"
        " np.array([Fraction(1, 2)], dtype=object), deque([0.5]), {0.5}, np.arange(3)[::-1]][n]",
    )
    for n in range(8):
        assert torch.as_tensor(names["f"](n)).flatten().tolist() == [0.5]
    assert names["f"](8).tolist() == [2, 1, 0]


def test_argument_that_was_changed_is_seen(session: Session) -> None:
    names = defines(session, "def f(x):\n    x[0] = 9\n    return x\ndef g(net):\n    net.bias.data += 1")
    for given in (torch.zeros(2), [1, 2]):
        with pytest.raises(AssertionError, match="leaves its arguments as they were"):
            names["f"](given)
    with pytest.raises(AssertionError, match="leaves its arguments as they were"):
        names["g"](torch.nn.Linear(1, 1))


def test_gradients_flow_through_a_call(session: Session) -> None:
    names = defines(session, "def f(a, b):\n    return (a * b.detach() + a ** 2).sum(1), b.sum()")
    a, b = (x.detach().requires_grad_() for x in torch.randn(2, 3, 4))
    first, second = names["f"](a, b)
    (3 * first.sum() + second).backward()
    assert torch.allclose(a.grad, 3 * (b + 2 * a).detach())
    assert torch.allclose(b.grad, torch.ones_like(b))


def test_what_needs_no_gradient_has_none(session: Session) -> None:
    names = defines(session, "def f(a):\n    return a.detach() * 2")
    assert not names["f"](torch.ones(2, requires_grad=True)).requires_grad


def test_generator_moves_on_as_it_would_here(session: Session) -> None:
    names = defines(
        session,
        "import torch\nclass Draws:\n    def __init__(self, g):\n        self.g = g\n"
        "    def draw(self):\n        return torch.rand(3, generator=self.g)",
    )
    there, here = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    draws = names["Draws"](there)
    for _ in range(2):
        assert torch.equal(draws.draw(), torch.rand(3, generator=here))
    there.manual_seed(1)
    assert torch.equal(draws.draw(), torch.rand(3, generator=here.manual_seed(1)))
    assert torch.equal(there.get_state(), here.get_state())


def test_network_that_a_check_made_is_the_same_from_call_to_call(session: Session) -> None:
    names = defines(
        session,
        "class Holder:\n    def __init__(self, net):\n        self.net = net\n"
        "    def ask(self):\n        return self.net.bias\n"
        "    def freeze(self):\n        self.net.eval().requires_grad_(False)",
    )
    net = torch.nn.Linear(1, 1)
    holder = names["Holder"](net)
    net.load_state_dict({name: value * 0 + 7 for name, value in net.state_dict().items()})
    assert holder.ask().tolist() == [7]
    holder.freeze()
    assert not net.training
    assert not net.weight.requires_grad


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


def test_batch_keeps_its_parts_and_a_stream_stays_whole(session: Session) -> None:
    names = defines(session, "def f(batch, stream):\n    return batch, stream.classes.shape[1]")
    batch = Batch(torch.ones(1), torch.ones(1), torch.zeros(1), current=1)
    back, per_task = names["f"](batch, new_stream())
    assert (back.current, back.soft, per_task) == (1, None, 2)


def test_exceptions_and_missing_names_are_told(session: Session) -> None:
    names = defines(
        session, "from replaylib import InputError\ndef f(n):\n    raise (InputError if n else KeyError)('no')"
    )
    with pytest.raises(ValueError, match="no"):
        names["f"](1)
    with pytest.raises(KeyError):
        names["f"](0)
    assert isinstance(names["nothing"], Missing)
    with pytest.raises(AssertionError, match="`nothing` is not defined"):
        names["nothing"](1)


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


def test_of_groups_the_best_counts() -> None:
    points = {"q1": 2.0, "a_1": 3.0, "a_2": 4.0, "b_1": 5.0}
    assert grouped(points, ["a", "b"]) == 9
    about = Assignment("x", points, ("a", "b"), 9, 0, Path())
    assert about.total({"q1": 1, "a_1": 0, "a_2": 4, "b_1": 5}) == 6


def test_text_of_a_submission_is_one_printable_line() -> None:
    assert clean("a\nb\x1b[31m\t" + "c" * 1000, 20) == "a b?[31m cccccccccc…"


FLAGGED = {
    "by another name": ["from replaylib.vae import reparameterise as r", "def double(x): return r(x, x, x)"],
    "through a helper": ["from replaylib.vae import reparameterise as r", "h = r", "def double(x): return h(x, x, x)"],
    "of a module": ["from replaylib import vae as v", "def double(x): return v.reparameterise(x, x, x)"],
    "of the package": ["import replaylib.vae", "double = lambda x: replaylib.vae.reparameterise(x, x, x)"],
    "inside": ["def double(x):\n    from replaylib.vae import reparameterise as r\n    return r(x, x, x)"],
    "of all": ["from replaylib.vae import *", "def double(x): return reparameterise(x, x, x)"],
    "getattr": ["import replaylib.vae as v", "def double(x): return getattr(v, 'reparameterise')(x, x, x)"],
    "vars": ["import replaylib.vae as v", "f = vars(v)['reparameterise']", "double = lambda x: f(x, x, x)"],
    "importlib": ["import importlib", "m = importlib.import_module('replaylib.vae')",
                  "def double(x): return m.reparameterise(x, x, x)"],
    "modules": ["import sys", "def double(x): return sys.modules['replaylib.vae'].reparameterise(x, x, x)"],
    "exec": ["exec('from replaylib.vae import reparameterise as double')", "double"],
    "a class of it": ["import replaylib", "class double(replaylib.reparameterise): pass"],
}  # fmt: skip


@pytest.mark.parametrize("cells", FLAGGED.values(), ids=FLAGGED)
def test_calls_of_the_librarys_own_solution_are_flagged(cells: list[str]) -> None:
    about = {"q1": ["reparameterise", "evaluate"], "q2": ["kl_to_standard_normal"]}
    remarks = flags(list(statements(cells)), {"q1": {"double"}, "q2": {"draw"}}, about)
    assert remarks == ["q1 calls the library's reparameterise"]


def test_solution_that_is_called_by_a_name_made_up_is_to_be_looked_at() -> None:
    cells = ["import replaylib.vae as v", "def double(x): return getattr(v, 'repara' + 'meterise')(x, x, x)"]
    remarks = flags(list(statements(cells)), {"q1": {"double"}}, {"q1": ["reparameterise"]})
    assert remarks == ["q1 may call the library's solution by a name that is made up: look at it"]


def test_what_is_not_used_or_is_somebody_elses_is_not_flagged() -> None:
    cells = ["from replaylib.vae import reparameterise, kl_to_standard_normal", "from torch import nn",
             "def double(x):\n    'as reparameterise does, in my own words'\n    return nn.Buffer(x)"]  # fmt: skip
    assert flags(list(statements(cells)), {"q1": {"double"}}, {"q1": ["reparameterise", "Buffer"]}) == []
