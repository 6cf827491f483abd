"""A run that is killed, however often, ends with the bits of one that never was.

``python -m tests.test_resume 20`` kills runs of each method, alone and together, at twenty random moments each; the
test here does so twice.
"""

import contextlib
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import contents, machine, methods, records, resume, runs, state
from replaylib.lab.experiments import experiment
from replaylib.loop import Keeper, Training, follow
from replaylib.replay import Buffer, Everything, Nothing
from replaylib.steps import adam
from tests.helpers import ON_IMAGES, StopsAt, bits, same

METHODS = ("gr", "bi-r", "bi-r-si", "exact", "ewc", "lwf")
STEPS = 12


def described(method, seeds, scenario="class"):
    return [experiment("split-digits", scenario, method, seed, hidden=(20, 16), iterations=STEPS) for seed in seeds]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def in_a_process(group, data, folder, out):
    """Train in a process of its own, writing the state after every step; its id."""
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(BaseException):
        resume.EVERY, resume.SHARE = 0.0, 1e9
        lines = []
        results = runs.run_seeds(group, data, "cpu", unfinished=folder, say=lines.append)
        for _, record in results:
            records.write(record, folder)
        resume.discard(folder, group)
        torch.save((bits(results), lines), out)
        os._exit(0)
    os._exit(1)


def killed_at_random(group, data, folder, kills, draw):
    """The bits of a run that was killed so often, and how often it went on from a state."""
    out, kept = folder / "bits", resume.path_of(folder, group)
    resumed = done = 0
    while True:
        child = in_a_process(group, data, folder, out)
        if done < kills:
            while not kept.exists() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.25))
            os.kill(child, signal.SIGKILL)
            done += 1
        _, status = os.waitpid(child, 0)
        if out.exists():
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        resumed += kept.exists()
    outcome, lines = torch.load(out, weights_only=False)
    assert all("going on from where it was stopped" in line for line in lines)
    return outcome, resumed


def check(method, seeds, data, folder, kills, draw):
    folder.mkdir()
    group = described(method, seeds)
    outcome, resumed = killed_at_random(group, data, folder, kills, draw)
    assert same(outcome, bits(runs.run_seeds(group, data, "cpu")))
    # The record is there, and of the unfinished run nothing.
    assert set(records.done(folder)) == {one.id for one in group}
    assert not (folder / resume.FOLDER).exists()
    return resumed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(
    ("method", "seeds"),
    [("gr", [0]), ("bi-r", [0, 1]), ("bi-r-si", [0]), ("exact", [0, 1]), ("ewc", [0]), ("lwf", [0, 1])],
)
def test_a_run_that_is_killed_ends_with_the_same_bits(digits, tmp_path, method, seeds):
    assert check(method, seeds, digits, tmp_path / "runs", 2, random.Random(0)) > 0


@pytest.mark.parametrize(
    ("method", "scenario", "seeds"),
    [("joint", "domain", 1), ("nearest-mean", "class", 1), ("online-ewc", "task", 1), ("si", "task", 2),
     ("xdg", "task", 1), ("bi-r", "domain", 1), ("bi-r-si", "class", 2), ("generative-classifier", "class", 1),
     ("ewc", "class", 2), ("lwf", "task", 1)],
)  # fmt: skip
@pytest.mark.parametrize("at", [(0, 5), (2, STEPS)])
def test_a_signal_stops_a_run_within_a_step_and_it_goes_on(digits, tmp_path, method, scenario, seeds, at):
    group = described(method, range(seeds), scenario)
    before, lines = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(resume.Stopped) as stopped:
        runs.run_seeds(group, digits, "cpu", StopsAt(*at), unfinished=tmp_path, say=lines.append)
    assert stopped.value.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    seen = []
    results = runs.run_seeds(
        group, digits, "cpu", lambda now: seen.append((now.task, now.step)), unfinished=tmp_path, say=lines.append
    )
    assert seen[0] == ((at[0], at[1] + 1) if at[1] < STEPS else (at[0] + 1, 1))
    assert same(bits(results), bits(runs.run_seeds(group, digits, "cpu")))
    [line] = lines
    assert f"going on from where it was stopped (task {at[0] + 1}, step {at[1]}, after" in line


@pytest.fixture
def stopped(digits, tmp_path):
    """A run of exact replay that was stopped in its second task; its description, its folder, its file."""
    [one] = described("exact", [0])
    with pytest.raises(resume.Stopped):
        runs.run_seeds([one], digits, "cpu", StopsAt(1, 3), unfinished=tmp_path)
    return one, tmp_path, resume.path_of(tmp_path, [one])


def test_a_state_of_something_else_is_refused_by_name(digits, stopped, monkeypatch):
    one, folder, path = stopped
    content = path.read_bytes()
    for change, says in (
        (lambda: monkeypatch.setattr(machine, "__version__", "9.9"), r"with replaylib .*, and this run has 9\.9"),
        (
            lambda: monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS"),
            "with device .*ABACUS",
        ),
        (lambda: monkeypatch.setattr(machine, "commit", lambda: "abc"), "with commit .*, and this run has abc"),
        (lambda: monkeypatch.setattr(resume, "digest_of", lambda _: "other"), "with data .*, and this run has other"),
        (
            lambda: monkeypatch.setattr(contents, "encoder_version", lambda _: {"encoder x": "1"}),
            "with encoder x None, and",
        ),
    ):
        with monkeypatch.context():
            change()
            with pytest.raises(InputError, match=says + ".*remove it, or give --no-resume"):
                runs.run_seeds([one], digits, "cpu", unfinished=folder)
            monkeypatch.undo()
    other = replace(one, lr=0.5)
    elsewhere = resume.path_of(folder, [other])
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(content)  # put in another's place
    with pytest.raises(InputError, match=r"with lr 0\.002, and this run has 0\.5"):
        runs.run_seeds([other], digits, "cpu", unfinished=folder)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [lambda content: content[:-200], lambda content: b"", lambda content: b"{}"])
def test_a_damaged_state_is_said_to_be_one(digits, stopped, damage):
    one, folder, path = stopped
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="is damaged or no state of a run: remove it, or give --no-resume"):
        runs.run_seeds([one], digits, "cpu", unfinished=folder)


def test_a_state_runs_no_code(digits, stopped):
    one, folder, path = stopped
    torch.save({"about": Path("x"), "training": {}}, path)  # a class that is no tensor, number or text
    with pytest.raises(InputError, match="is damaged or no state of a run"):
        runs.run_seeds([one], digits, "cpu", unfinished=folder)


def test_a_state_that_cannot_be_written_does_not_stop_the_run(digits, tmp_path):
    [one] = described("none", [0])
    (tmp_path / resume.FOLDER).write_text("in the way")
    lines = []
    results = runs.run_seeds([one], digits, "cpu", unfinished=tmp_path, say=lines.append)
    assert lines
    assert same(bits(results), bits(runs.run_seeds([one], digits, "cpu")))


class Counted(Everything):
    """A user's own, which counts."""

    count = 0


class Declared(Everything):
    state = (*Everything.state, "count")
    count = 0

    def sample(self, n):
        self.count += 1
        return super().sample(n)


def test_ones_own_source_takes_part_where_it_says_what_of_it_changes(digits, tmp_path):
    class KeepsIt(resume.Keeper):
        def after_step(self, training, check=None):
            if (training.task, training.step) == (1, 2):
                self.keep(training)
                raise resume.Stopped(signal.SIGTERM)

    def trained(kind, keeper):
        stream, parts, generator = runs.assemble(described("none", [0])[0], digits)
        replay = kind(stream, stream.generator(1))
        learner = runs.learner([stream], [parts._replace(replay=replay)], [generator])
        follow(learner, iterations=4, batch=8, lr=1e-3, keeper=keeper)
        return replay.count, parts.net.readout.weight

    with pytest.raises(InputError, match=r"a Counted does not say .* \(Everything\.state and what it adds\)"):
        trained(Counted, KeepsIt(tmp_path / "x", {}))
    with pytest.raises(resume.Stopped):
        trained(Declared, KeepsIt(tmp_path / "x", {}))
    count, weight = trained(Declared, resume.Keeper(tmp_path / "x", {}, lambda line: None))
    assert count == 5 * 4
    assert weight.equal(trained(Declared, None)[1])


def test_what_could_not_be_read_again_is_refused_before_it_begins():
    class Odd:
        state = ("held",)
        held: object = Path("x")

    with pytest.raises(InputError, match=r"a \w+Path does not say"):
        state.packed(Odd())
    with pytest.raises(InputError, match="the state, nets, a holds a set: only tensors, numbers and text"):
        state.check_plain({"nets": [{"a": {1}}]})
    assert state.packed(Nothing()) == {}
    assert "state" in vars(Buffer)
    assert Keeper


def test_the_command_line_goes_on_and_says_so(tmp_path, capsys, monkeypatch):
    command = ["run", "split-digits", "--method", "exact", "--iterations", "8", "--device", "cpu", "--seeds", "2"]
    kept = [*command, "--save", str(tmp_path / "kept")]
    real, count = resume.Keeper.after_step, []

    def stopping(keeper, training, check=None):
        count.append(1)
        if len(count) == 56:  # of the second seed, its second task
            keeper.signal = signal.SIGTERM
        real(keeper, training, check)

    monkeypatch.setattr(resume.Keeper, "after_step", stopping)
    assert main(kept) == 128 + signal.SIGTERM
    assert (
        "runs that had finished are kept, and the same command goes on with the one under way"
        in capsys.readouterr().err
    )
    assert len(list((tmp_path / "kept").glob("*.json"))) == 1
    assert main(kept) == 0
    said = capsys.readouterr()
    assert "going on from where it was stopped (task 2, step" in said.err
    assert not (tmp_path / "kept" / resume.FOLDER).exists()
    assert main([*command, "--no-resume", "--save", str(tmp_path / "other")]) == 0
    assert not (tmp_path / "other" / resume.FOLDER).exists()
    one, other = (records.done(tmp_path / name) for name in ("kept", "other"))
    assert {key: repr(record.matrix) for key, record in one.items()} == {k: repr(r.matrix) for k, r in other.items()}


@pytest.mark.parametrize("name", [*ON_IMAGES, "exact+ewc", "gr+conditional"])
def test_every_method_says_what_of_it_changes(name, digits):
    m = methods.method(name)
    described = experiment("split-digits", m.scenarios[0], name, iterations=2)
    _, parts, generator = runs.assemble(described, digits)
    for part in (parts.net, parts.replay, parts.penalty, generator):
        state.check_plain(state.packed(part))


if __name__ == "__main__":
    torch.set_num_threads(1)
    kills, draw, data = int(sys.argv[1]), random.Random(1), load_dataset("digits")
    import tempfile

    for method in METHODS:
        for seeds in ([0], [0, 1]):
            with tempfile.TemporaryDirectory() as folder:
                resumed = check(method, seeds, data, Path(folder) / "runs", kills, draw)
            print(
                f"{method} x {len(seeds)}: killed up to {kills} times, resumed {resumed} times, the same bits",
                flush=True,
            )


def test_no_state_is_written_of_steps_that_were_left_out(digits, tmp_path):
    """On a GPU a bad step is looked for now and then, and a state must not be written in between."""

    class Spoilt(InputError):
        pass

    def check():
        raise Spoilt

    stream, parts, generator = runs.assemble(described("none", [0])[0], digits)
    training = Training(runs.learner([stream], [parts], [generator]), adam(parts.net.parameters(), 0.1), torch.zeros(1))
    keeper = resume.Keeper(tmp_path / "state", {})
    keeper.after_step(training, check)  # it is not time to write yet
    keeper.written -= resume.EVERY
    with pytest.raises(Spoilt):
        keeper.after_step(training, check)
    keeper.signal = signal.SIGTERM
    with pytest.raises(resume.Stopped):
        keeper.after_step(training, check)
    assert not (tmp_path / "state").exists()
