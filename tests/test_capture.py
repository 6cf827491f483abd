"""A captured step, where there is no GPU: a tape of what the step computed takes the place of a CUDA graph.

As a graph does, it repeats the same operations on the same memory, and nothing of the Python around them.
"""

import contextlib
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils._pytree import tree_leaves

from replaylib import steps
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import fast, runs
from replaylib.lab.capture import WARM_UP, Captured, check_capturable
from replaylib.lab.experiments import experiment
from replaylib.lab.fast import train_seeds
from replaylib.lab.methods import METHODS
from replaylib.steps import Diverged
from tests.helpers import ON_IMAGES, Waits, assembled

SETTINGS = {"iterations": WARM_UP + 4, "batch": 16, "lr": 1e-3}
PURE = sorted(set(ON_IMAGES) - {"generative-classifier"})
#: What a GPU cannot do while a graph is captured: the host would have to wait, or copies a number of its own.
FORBIDDEN = (*Waits.OPERATIONS, "lift_fresh")


class Tape(TorchDispatchMode):
    """A CUDA graph's double. What is taped is computed as well, so that the first replay has been done already."""

    tapes: ClassVar[list] = []

    def __init__(self):
        super().__init__()
        self.operations, self.generators, self.replays = [], [], 0
        Tape.tapes.append(self)

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert function.overloadpacket.__name__ not in FORBIDDEN, function
        generator = kwargs.get("generator")
        assert generator is None or any(generator is one for one in self.generators)
        result = function(*args, **kwargs)
        self.operations.append((function, args, kwargs, result))
        return result

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        if self.replays == 1:
            return
        for function, args, kwargs, result in self.operations:
            there = {one.untyped_storage().data_ptr() for one in tree_leaves((args, kwargs)) if torch.is_tensor(one)}
            again = tree_leaves(function(*args, **kwargs))
            for old, new in zip(tree_leaves(result), again, strict=True):
                # A view, and what is computed in place, is at its place already.
                if torch.is_tensor(old) and old.untyped_storage().data_ptr() not in there:
                    old.copy_(new)


class Side:
    def wait_stream(self, other):
        pass


@pytest.fixture
def tapes(monkeypatch):
    monkeypatch.setattr(Tape, "tapes", [])
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Tape)
    monkeypatch.setattr(torch.cuda, "graph", lambda tape: tape)
    monkeypatch.setattr(torch.cuda, "Stream", Side)
    monkeypatch.setattr(torch.cuda, "current_stream", Side)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(fast, "check_capturable", lambda nets, device: None)
    # As on a GPU: what looks at the numbers, looks seldom, and one_hot does not.
    monkeypatch.setitem(steps.LOOK_EVERY, "cpu", 100)
    monkeypatch.setattr(F, "one_hot", lambda y, classes: (y[..., None] == torch.arange(classes)).long())
    return Tape.tapes


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def both(digits, method, scenario, seeds, **settings):
    """Results and parameters, with steps as they are and with captured ones."""
    for captured in (False, True):
        streams, parts, generators = assembled(digits, method, scenario, seeds)
        results = train_seeds(streams, parts, generators, captured=captured, **(SETTINGS | settings))
        yield results, [value for part in parts for value in part.net.state_dict().values()]


@pytest.mark.parametrize("method", PURE)
def test_a_captured_step_trains_the_same_network(digits, tapes, method):
    scenario = METHODS[method].scenarios[0]
    (plain, state), (captured, other) = both(digits, method, scenario, 1)
    assert torch.allclose(captured[0].matrix, plain[0].matrix, rtol=0, atol=0, equal_nan=True)
    assert all(a.equal(b) for a, b in zip(state, other, strict=True))
    assert [tape.replays for tape in tapes] == [SETTINGS["iterations"] - WARM_UP] * 5


@pytest.mark.parametrize(("method", "backbone"), [("none", "tuned"), ("gr", "tuned"), ("bi-r-no-internal", "frozen")])
def test_so_does_one_with_batch_normalisation(tapes, method, backbone):
    few = {"backbone": backbone, "tasks": 2, "hidden": (20, 16)}
    state = []
    for captured in (False, True):
        description = experiment("split-glyphs", "class", method, **few)
        stream, parts, generator = runs.assemble(description, runs.data_of(description))
        train_seeds([stream], [parts], [generator], captured=captured, **SETTINGS)
        state.append(parts.net.state_dict())
    assert all(value.equal(state[1][name]) for name, value in state[0].items())
    assert [tape.replays for tape in tapes] == [SETTINGS["iterations"] - WARM_UP] * 2


@pytest.mark.parametrize(
    ("method", "scenario", "precision"),
    [("bi-r", "class", "float32"), ("bi-r-si", "task", "float32"), ("joint", "domain", "float32"),
     ("lwf", "class", "float32"), ("ewc", "task", "float32"), ("gr", "class", "bfloat16")],
)  # fmt: skip
def test_so_do_the_steps_of_many_seeds(digits, tapes, method, scenario, precision):
    (_, state), (_, other) = both(digits, method, scenario, 3, precision=precision)
    assert all(a.equal(b) for a, b in zip(state, other, strict=True))
    assert [tape.replays for tape in tapes] == [SETTINGS["iterations"] - WARM_UP] * 5


def test_a_task_shorter_than_the_warm_up_is_never_captured(digits, tapes):
    (_, state), (_, other) = both(digits, "rtf", "class", 1, iterations=WARM_UP)
    assert all(a.equal(b) for a, b in zip(state, other, strict=True))
    assert not tapes


def test_the_generators_are_found_where_pytorch_finds_them_itself(digits, tapes, monkeypatch):
    monkeypatch.delattr(Tape, "register_generator_state")
    streams, parts, generators = assembled(digits, "none", "class", 1)
    with pytest.raises(AssertionError):  # the tape, which does not find them: they were not registered
        train_seeds(streams, parts, generators, captured=True, **SETTINGS)


def test_the_watch_sees_every_step_and_divergence_names_the_same_one(digits, tapes):
    def stopped(captured):
        streams, parts, generators = assembled(digits, "bi-r", "class", 1)
        seen = []

        def watch(now):
            seen.append((now.task, now.step))
            if (now.task, now.step) == (1, WARM_UP + 2):
                with torch.no_grad():
                    now.net.classifier.readout.bias[0] = torch.inf

        with pytest.raises(Diverged) as error:
            train_seeds(streams, parts, generators, captured=captured, watch=watch, **SETTINGS)
        return str(error.value), seen, [p.detach() for p in error.value.net.parameters()]

    (says, seen, state), (_, plainly_seen, plain) = stopped(True), stopped(False)
    assert f"task 2, step {WARM_UP + 3}" in says
    assert seen == plainly_seen
    assert all(a.equal(b) for a, b in zip(state, plain, strict=True))


def test_the_double_can_fail(digits, tapes):
    counter = torch.zeros(())
    seen = []

    def depends_on_python():
        seen.append(1)
        counter.add_(len(seen))

    step = Captured(depends_on_python)
    for _ in range(WARM_UP + 3):
        step()
    assert counter == sum(range(1, WARM_UP + 2)) + 2 * (WARM_UP + 1)
    for unfit, operation in (
        (lambda: counter.add_(counter.item()), "_local_scalar_dense"),
        (lambda: counter.add_(torch.tensor(1.0)), "lift_fresh"),
    ):
        step = Captured(unfit)
        for _ in range(WARM_UP):
            step()
        with pytest.raises(AssertionError, match=operation):
            step()


def test_a_step_that_compiles_can_do_so_before_it_is_captured(tapes):
    watched = []
    step = Captured(lambda: watched.append(_get_current_dispatch_mode() is not None))
    for _ in range(WARM_UP):
        step()
    assert watched == [True, False, False]


def test_a_step_that_fails_to_be_captured_is_said_in_one_line(tapes, monkeypatch):
    @contextlib.contextmanager
    def refuses(graph):
        yield
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand much more")

    monkeypatch.setattr(torch.cuda, "graph", refuses)
    step = Captured(lambda: None)
    for _ in range(WARM_UP):
        step()
    with pytest.raises(InputError, match=r"\(CUDA error: operation not permitted .* capturing\): train without that$"):
        step()


def test_what_cannot_be_captured_is_refused(digits):
    net = assembled(digits, "bi-r", "class", 1)[1][0].net
    unfit = assembled(digits, "generative-classifier", "class", 1)[1][0].net
    with pytest.raises(InputError, match="steps on a cpu cannot be captured as a CUDA graph"):
        check_capturable([net], torch.device("cpu"))
    with pytest.raises(InputError, match="GenerativeClassifier waits for the labels"):
        check_capturable([unfit], torch.device("cuda"))
    check_capturable([net], torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("seeds", [1, 3])
def test_on_a_gpu_a_captured_step_trains_the_same_network(digits, seeds):
    data = type(digits)(*(part.to("cuda") for part in digits))
    (_, state), (_, other) = both(data, "bi-r", "class", seeds)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(state, other, strict=True))
