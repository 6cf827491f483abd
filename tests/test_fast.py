"""Seeds as a dimension: each of the stacked runs is the run that it replaces."""

import dataclasses
import os
import subprocess
import sys

import pytest
import torch

from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import runs
from replaylib.lab.experiments import experiment
from replaylib.lab.fast import (
    LONG,
    Stack,
    Together,
    check_compilable,
    compiler,
    pays_to_compile,
    train_seeds,
    why_not_compiled,
)
from replaylib.loop import follow, train
from replaylib.steps import Diverged
from tests.helpers import assembled

SETTINGS = {"iterations": 12, "batch": 16, "lr": 1e-3}


def train_stacked(streams, parts, generators, **settings):
    """Stacked, also where there is one seed."""
    return follow(Together(streams, parts, generators), **settings)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.mark.parametrize(
    ("method", "scenario"),
    [
        ("none", "class"), ("joint", "domain"), ("exact", "class"), ("nearest-mean", "class"), ("lwf", "task"),
        ("ewc", "class"), ("online-ewc", "domain"), ("si", "task"), ("xdg", "task"), ("gr", "class"),
        ("gr-distill", "task"), ("rtf", "class"), ("bi-r", "class"), ("bi-r", "domain"), ("bi-r-si", "task"),
        ("bi-r-no-feedback", "class"), ("bi-r-no-distill", "class"), ("der++", "domain"), ("slda-replay", "class"),
        ("diffusion-replay", "task"), ("real-replay", "class"), ("translated-replay", "class"),
        ("bi-r-changed", "class"), ("replay-share", "class"),
    ],
)  # fmt: skip
def test_every_seed_ends_as_it_would_by_itself(digits, method, scenario):
    options = {"strength": 10.0} if method in ("ewc", "online-ewc") else {}
    streams, parts, generators = assembled(digits, method, scenario, 3, **options)
    together = train_stacked(streams, parts, generators, **SETTINGS)
    alone = []
    for stream, part, generator, result in zip(
        *assembled(digits, method, scenario, 3, **options), together, strict=True
    ):
        alone.append(train(stream, part.net, part.replay, generator, penalty=part.penalty, **SETTINGS))
        # One test image in some 70 may fall on the other side of a boundary by rounding.
        assert torch.allclose(result.matrix, alone[-1].matrix, atol=1.5, equal_nan=True)
        assert torch.allclose(result.untrained, alone[-1].untrained, rtol=0, atol=0, equal_nan=True)
    for one, other in zip(parts, assembled(digits, method, scenario, 3, **options)[1], strict=True):
        moved = [(a - b).abs().max() for a, b in zip(one.net.parameters(), other.net.parameters(), strict=True)]
        assert max(moved) > 1e-3  # it has learned


def test_parameters_are_the_same_up_to_rounding(digits):
    streams, parts, generators = assembled(digits, "bi-r-si", "class", 2)
    train_stacked(streams, parts, generators, **SETTINGS)
    for part, stream, alone, generator in zip(parts, *assembled(digits, "bi-r-si", "class", 2), strict=True):
        train(stream, alone.net, alone.replay, generator, penalty=alone.penalty, **SETTINGS)
        for (name, stacked), single in zip(part.net.named_parameters(), alone.net.parameters(), strict=True):
            assert torch.allclose(stacked, single, atol=2e-4), name
        assert part.net.gates.open.equal(alone.net.gates.open)
        for omega, own in zip(part.penalty.quadratic.importance, alone.penalty.quadratic.importance, strict=True):
            assert torch.allclose(omega, own, atol=1e-5)


def test_fewer_samples_are_replayed_alone_and_together(digits, monkeypatch):
    from replaylib.replay import Generated

    asked = []
    real = Generated.draw
    monkeypatch.setattr(Generated, "draw", lambda replay, n: asked.append(n) or real(replay, n))
    small = {"hidden": (20, 16), "iterations": 6, "replayed": 3}
    described = [experiment("split-digits", "class", "gr", seed, **small) for seed in range(2)]
    nets = [run.net for run in runs.run_seeds(described, digits)]
    assert set(asked) == {3}
    for net, one in zip(nets, described, strict=True):
        alone, _ = runs.run(one, digits)
        as_many, _ = runs.run(dataclasses.replace(one, replayed=None), digits)
        same, other = (
            [(a - b).abs().max() for a, b in zip(net.parameters(), of.parameters(), strict=True)]
            for of in (alone, as_many)
        )
        assert max(same) < 2e-4 < max(other)


def test_seeds_do_not_touch_one_another(digits):
    both = assembled(digits, "gr", "class", 2)
    train_stacked(*both, **SETTINGS)
    first = assembled(digits, "gr", "class", 1)
    train_stacked(*first, **SETTINGS)
    pairs = zip(both[1][0].net.parameters(), first[1][0].net.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=2e-4) for a, b in pairs)


def test_a_stack_and_its_networks_are_the_same_numbers(digits):
    nets = [part.net for part in assembled(digits, "bi-r", "class", 3)[1]]
    before = [{name: value.clone() for name, value in net.state_dict().items()} for net in nets]
    stack = Stack(nets)
    for net, state in zip(nets, before, strict=True):
        assert all(value.equal(state[name]) for name, value in net.state_dict().items())
    x, y = torch.rand(3, 4, 64), torch.arange(4).expand(3, 4)
    logits = stack(lambda net, x: net(x), x)
    assert all(torch.allclose(one, net(rows), atol=1e-6) for one, net, rows in zip(logits, nets, x, strict=True))
    nets[1].load_state_dict(before[2])
    assert stack.parameters["prior.mean"][1].equal(before[2]["prior.mean"])
    assert stack.buffers["gates.open"][1].equal(before[2]["gates.open"])
    stack(lambda net, x, y: net.generate(y, y, x[:, :1].expand(-1, net.noise_dim)), x, y)  # gates and modes as well
    logits.sum().backward()
    assert nets[0].classifier.readout.bias.grad.equal(stack.parameters["classifier.readout.bias"].grad[0])
    assert nets[0].classifier.readout.bias.grad.abs().sum() > 0


def test_a_seed_that_diverges_is_named_and_no_seed_takes_the_step(digits):
    streams, parts, generators = assembled(digits, "none", "class", 3)
    with torch.no_grad():
        parts[1].net.readout.bias[0] = torch.inf
    before = [p.clone() for p in parts[2].net.parameters()]
    with pytest.raises(Diverged, match="task 1, step 1") as stopped:
        train_stacked(streams, parts, generators, **SETTINGS)
    assert stopped.value.place == 1
    assert stopped.value.net is parts[1].net
    assert all(a.equal(b) for a, b in zip(before, parts[2].net.parameters(), strict=True))


def test_runs_that_differ_in_more_than_their_seed_are_refused(digits):
    none, joint = assembled(digits, "none", "class", 2), assembled(digits, "joint", "class", 2)
    mixed = [[a[0], b[1]] for a, b in zip(none, joint, strict=True)]
    with pytest.raises(InputError, match="differ in more than their seed"):
        train_stacked(*mixed, **SETTINGS)
    with pytest.raises(InputError, match="0 streams, 0 parts, 0 generators: give as many"):
        train_stacked([], [], [], **SETTINGS)
    with pytest.raises(InputError, match=r"GenerativeClassifier cannot be stacked, .* waits for the labels"):
        train_stacked(*assembled(digits, "generative-classifier", "class", 2), **SETTINGS)
    described = experiment("split-digits", "class", "none")
    with pytest.raises(InputError, match="differ in more than their seed"):
        list(runs.run_seeds([described, dataclasses.replace(described, lr=0.1)], digits))


def test_records_of_seeds_together_are_those_of_each(digits):
    described = [experiment("split-digits", "class", "rtf", seed, hidden=(20, 16), iterations=12) for seed in range(3)]
    together = runs.run_seeds(described, digits)
    assert [run.record.experiment for run in together] == described
    assert all(run.record.together == 3 for run in together)
    for (net, record), one in zip(together, described, strict=True):
        alone, own = runs.run(one, digits)
        assert torch.allclose(record.tensor(), own.tensor(), atol=1.5, equal_nan=True)
        assert all(torch.allclose(a, b, atol=2e-4) for a, b in zip(net.parameters(), alone.parameters(), strict=True))


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize(("method", "scenario"), [("bi-r", "class"), ("si", "task")])
def test_a_compiled_loss_trains_the_same_network_up_to_rounding(digits, method, scenario):
    plain, compiled = (
        train_seeds(*assembly, compiled=compiled, **SETTINGS) and list(assembly[1][0].net.parameters())
        for compiled in (False, True)
        for assembly in [assembled(digits, method, scenario, 1)]
    )
    for one, other in zip(plain, compiled, strict=True):
        assert torch.allclose(one, other, atol=2e-4)


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
@pytest.mark.skipif(torch.__version__ < (2, 7), reason="PyTorch 2.6 compiles in parts, around what `with` enters")
def test_one_compilation_with_replay_and_one_without_serve_all_tasks_and_seeds(digits):
    from torch._dynamo.utils import counters

    assert why_not_compiled() == ""  # its small function is a graph as well
    torch.compiler.reset()
    counters.clear()
    for seed in range(2):
        streams, parts, generators = assembled(digits, "rtf", "class", seed + 1)
        train_seeds(streams[-1:], parts[-1:], generators[-1:], compiled=True, iterations=2, batch=16, lr=1e-3)
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]


def test_what_cannot_be_compiled_is_refused(digits, monkeypatch):
    cpu = torch.device("cpu")
    net = assembled(digits, "bi-r", "class", 1)[1][0].net
    unfit = assembled(digits, "generative-classifier", "class", 1)[1][0].net
    with pytest.raises(InputError, match="2 seeds as one program"):
        check_compilable([net, net], cpu)
    with pytest.raises(InputError, match="waits for the labels"):
        check_compilable([unfit], cpu)
    assert not pays_to_compile(unfit, LONG, cpu)
    assert not pays_to_compile(net, LONG - 1, cpu)
    assert pays_to_compile(net, LONG, cpu)
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", "")
    why_not_compiled.cache_clear()
    with pytest.raises(InputError, match=r"no C\+\+ compiler.*: install g"):
        check_compilable([net], cpu)
    why_not_compiled.cache_clear()


def test_a_compiler_that_fails_is_found_out_beforehand(tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'main.cpp:1: fatal error: Python.h: No such file or directory' >&2\nexit 1\n")
    broken.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", "from replaylib.lab.fast import why_not_compiled; print(why_not_compiled())"],
        capture_output=True, text=True,
        env=os.environ | {"CXX": str(broken), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
    )  # fmt: skip
    assert run.returncode == 0
    assert len(run.stdout.strip()) > 10
    assert run.stdout.count("\n") == 1


def test_seeds_whose_tasks_have_their_missing_classes_elsewhere_are_not_stacked(digits):
    streams, parts, generators = assembled(digits, "none", "class", 2)
    orders = ((0, 1, 2), (3, 4, -1)), ((0, 1, -1), (2, 3, 4))
    streams = [dataclasses.replace(s, classes=torch.tensor(order)) for s, order in zip(streams, orders, strict=True)]
    with pytest.raises(InputError, match="differ in more than their seed"):
        Together(streams, parts, generators)
