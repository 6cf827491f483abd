"""The list of runs for a GPU that is there for some minutes, on a processor and on a GPU's double."""

import time

import lent_gpu
import pytest

from replaylib.errors import InputError
from replaylib.lab import records
from replaylib.lab.sweeps import loader
from replaylib.steps import Diverged
from tests.gpu_double import gpu

FEW = {"hidden": (12, 8), "batch": 8}


def run(folder, item, seconds=1000.0, device="cpu"):
    said = []
    lent_gpu.run(item, folder, time.perf_counter() + seconds, device, loader(device), said.append)
    return said


def item(methods=("none", "generative-classifier"), iterations=4, **options):
    return lent_gpu.Item("few", "split-digits", "class", methods, (0, 1), {**FEW, "iterations": iterations}, **options)


def test_each_group_is_saved_as_it_ends_and_not_run_again(tmp_path):
    assert [line.split(":")[1] for line in run(tmp_path, item())] == [" none x 2", *[" generative-classifier x 1"] * 2]
    assert len(records.done(tmp_path)) == 4
    assert run(tmp_path, item()) == ["few: none: stored", "few: generative-classifier: stored"]


def test_what_is_imagined_is_measured_where_that_is_asked_for(tmp_path):
    run(tmp_path, item(("gr",), measured=True))
    assert all(record.measures for record in records.done(tmp_path).values())


def test_a_measurement_that_fails_is_named_and_stops_no_other_and_its_run_is_kept(tmp_path, monkeypatch):
    whole = lent_gpu.replay_quality.measure

    def measure(net, record, data):
        if record.experiment.seed == 0:
            raise ZeroDivisionError("nothing varies")
        return whole(net, record, data)

    monkeypatch.setattr(lent_gpu.replay_quality, "measure", measure)
    said = run(tmp_path, item(("gr",), measured=True))
    assert "few: gr x 1: ZeroDivisionError: nothing varies" in said
    assert [e.experiment.seed for e in records.stored([tmp_path], measured=True).values()] == [1]
    assert len(records.stored([tmp_path])) == 2


def test_what_would_take_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(lent_gpu, "SETTLED", 2)
    monkeypatch.setattr(lent_gpu, "TIMED", 2)
    (line,) = run(tmp_path, item(("none",), 1_000_000), 60)
    assert "given up" in line and "s more" in line  # noqa: PT018
    assert run(tmp_path, item(("none",)), 0) == ["few: none: no time left"]
    assert not records.done(tmp_path)


def test_a_seed_that_diverges_stops_no_other(tmp_path, monkeypatch):
    whole = lent_gpu.runs.run_seeds

    def spoilt(group, *given, **how):
        for place, described in enumerate(group):
            if described.seed == 1:
                raise Diverged(None, 1, 2, described.method, place)
        return whole(group, *given, **how)

    monkeypatch.setattr(lent_gpu.runs, "run_seeds", spoilt)
    ran, failed = run(tmp_path, item(("none",)))
    assert ran.startswith("few: none x 1:")
    assert failed.startswith("few: none x 1: Diverged")
    assert [record.experiment.seed for record in records.done(tmp_path).values()] == [0]


@pytest.mark.parametrize("name", [one.name for one in lent_gpu.items()])
def test_every_item_of_the_list_can_be_described(name):
    (entry,) = (one for one in lent_gpu.items(encoder="cifar10-jpeg-e100") if one.name == name)
    for group in entry.groups():
        assert {description.seed for description in group} == set(entry.seeds)
        if entry.protocol == "split-cifar100":
            assert {description.encoder for description in group} == {"cifar10-jpeg-e100"}


def test_on_a_gpu_steps_would_be_captured(tmp_path, monkeypatch):
    asked = []
    whole = lent_gpu.runs.run_seeds

    def train(group, data, device, watch, captured, start):
        asked.append(captured)
        return whole(group, data, device, watch, start=start)  # a double has no graphs

    monkeypatch.setattr(lent_gpu.runs, "run_seeds", train)
    with gpu():
        run(tmp_path, item(), device="cuda")
    assert asked == [True, False, False]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--save FOLDER is needed"),
        (["--only", "nothere"], "unknown item 'nothere'"),
        (["--seeds", "x", "--list"], "seeds is 'x'"),
        (["--minutes", "nan"], "'nan' is no number of minutes above 0"),
        (["--device", "tpu", "--save", "here"], "Expected one of cpu, cuda"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_before_anything_is_run(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lent_gpu.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        lent_gpu.main()
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_an_item_that_cannot_be_run_stops_no_other(capsys, monkeypatch, tmp_path):
    def run(item, *_):
        if item.name == "mnist":
            raise InputError("no such data")
        print(f"{item.name} was run")

    monkeypatch.setattr(lent_gpu, "run", run)
    arguments = ["--device", "cpu", "--save", str(tmp_path), "--only", "mnist,mnist-task"]
    monkeypatch.setattr("sys.argv", ["lent_gpu.py", *arguments])
    assert lent_gpu.main() == 1
    out = capsys.readouterr().out
    assert "mnist: no such data" in out
    assert "mnist-task was run" in out
