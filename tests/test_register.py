"""What a user adds from a file or a notebook of their own."""

import hashlib
import itertools
import os
import subprocess
import sys

import pytest
import torch

from replaylib.errors import InputError
from replaylib.lab import frames, register, runs
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.methods import METHODS, method
from replaylib.lab.rows import PENALTIES

NUMBERS = itertools.count()

MINE = """
from typing import Annotated

import torch

from replaylib import Option, Parts, Plan, register
from replaylib.replay import Buffer


@register.penalty("{name}", "a spring to where the last task ended")
def spring(plan: Plan, net, pull: Annotated[float, Option("how strong", within="[0, 10]")] = 0.5):
    return Spring(net, pull)


@register.replay("{name}-buffer", "a buffer")
def buffer(plan, net, per_class: int = 3):
    return Buffer(plan.stream, per_class, "balanced", plan.drawing)


class Spring:
    def __init__(self, net, pull):
        self.parameters, self.pull = list(net.parameters()), pull
        self.anchor = None

    def begin(self, task):
        pass

    def __call__(self):
        if self.anchor is None:
            return torch.zeros(())
        pairs = zip(self.parameters, self.anchor, strict=True)
        return self.pull * torch.stack([((p - a) ** 2).sum() for p, a in pairs]).sum()

    def step(self):
        pass

    def end(self, task):
        self.anchor = [p.detach().clone() for p in self.parameters]
"""


@pytest.fixture
def own_method(tmp_path, monkeypatch):
    """The name of a penalty that a file of one's own registers; forgotten again after the test."""
    monkeypatch.setenv(register.FILES, "")
    before = [(table, dict(table), dict(table.origins)) for table in (METHODS, PENALTIES)]
    name = f"spring{next(NUMBERS)}"
    path = tmp_path / f"{name}.py"
    path.write_text(MINE.replace("{name}", name))
    register.file(path)
    yield name, path
    for table, rows, origins in before:
        table.clear()
        table.update(rows)
        table.origins = origins


SHORT = {"iterations": 4, "hidden": (8, 8)}


def test_a_penalty_of_ones_own_is_a_method_and_goes_with_any_other(own_method):
    name, path = own_method
    alone = experiment("split-digits", "class", name, pull=1, **SHORT)
    assert alone.options["pull"] == 1.0
    with_exact = experiment("split-digits", "class", f"exact+{name}", **SHORT)
    assert (with_exact.options["pull"], with_exact.per_class) == (0.5, 100)
    _, record = runs.run(with_exact)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert record.versions[f"method {name}"] == f"{path.name} {digest}"
    row = frames.frame([record]).iloc[0]
    assert (row["pull"], row["method"]) == (0.5, f"exact+{name}")
    assert Experiment.from_stored(with_exact.as_stored()) == with_exact
    assert len({with_exact.id, experiment("split-digits", "class", f"exact+{name}", pull=2, **SHORT).id}) == 2


def test_a_source_of_replay_of_ones_own_goes_with_the_librarys_penalties(own_method):
    name, _ = own_method
    described = experiment("split-digits", "class", f"{name}-buffer+si", **SHORT)
    assert (described.per_class, described.strength) == (3, 0.1)
    net, record = runs.run(described)
    assert record.memory_bytes > 0
    assert all(p.isfinite().all() for p in net.parameters())


def test_its_options_are_checked_as_the_librarys_are(own_method):
    name, _ = own_method
    for value, says in ((11, "pull is 11: expected a number from 0 to 10"), ("x", "pull is 'x': expected a number")):
        with pytest.raises(InputError, match=says):
            experiment("split-digits", "class", name, pull=value)
    with pytest.raises(InputError, match=r"unknown option 'pul'\. Did you mean pull"):
        experiment("split-digits", "class", name, pul=1)
    with pytest.raises(InputError, match=f"method si has no pull: leave it out, or use {name}"):
        experiment("split-digits", "class", "si", pull=1)


def test_a_name_is_given_once(own_method):
    name, path = own_method
    with pytest.raises(InputError, match="there is a method exact already, from the library"):
        register.method("exact", "")(lambda plan: None)
    with pytest.raises(InputError, match=f"there is a method {name} already, from {path.name}"):
        register.replay(name, "")(lambda plan, net: None)
    with pytest.raises(InputError, match="'a b' names no method"):
        register.method("a b", "")(lambda plan: None)


def test_a_combination_has_one_name(own_method):
    name, _ = own_method
    assert method("bi-r+si") is METHODS["bi-r-si"]
    assert experiment("split-digits", "class", "bi-r+si") == experiment("split-digits", "class", "bi-r-si")
    with pytest.raises(InputError, match=f"as {name}: one name"):
        method(f"none+{name}")
    with pytest.raises(InputError, match="ewc has a penalty already"):
        method("ewc+si")
    with pytest.raises(InputError, match=r"unknown penalty 'sii'\. Did you mean si"):
        method("exact+sii")


def test_the_same_parts_give_the_same_networks_whatever_the_name():
    nets = [
        runs.run(experiment("split-digits", "class", name, gate_prop=0.5, strength=1.0, **SHORT)).net
        for name in ("bi-r-si", "bi-r+si")
    ]
    assert all(torch.equal(a, b) for a, b in zip(*(net.state_dict().values() for net in nets), strict=True))


def test_a_file_that_fails_is_named(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("\nraise RuntimeError('no')")
    with pytest.raises(InputError, match=r"broken.py cannot be used \(RuntimeError: no, line 2\): mend it"):
        register.file(path)
    with pytest.raises(InputError, match="is no Python file"):
        register.file(tmp_path / "none.py")


def test_worker_processes_know_what_their_parent_knows(own_method):
    name, _ = own_method
    code = f"from replaylib.lab.methods import method; print(method('exact+{name}').name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == f"exact+{name}"
