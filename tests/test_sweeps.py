"""Sweeps: what is due runs, here or in several processes, and what ended is kept whatever stops the rest."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from replaylib.errors import InputError
from replaylib.lab import resume, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.records import stored
from replaylib.lab.sweeps import by_seed, loader, seconds_of, sweep
from replaylib.steps import Diverged

DUE = [experiment("split-digits", "class", "none", seed, iterations=5, hidden=(8,)) for seed in range(3)]


def test_several_workers_make_the_records_that_one_makes(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    for folder, workers in ((here, 1), (there, 2)):
        one_by_one = [[e] for e in DUE]
        yielded = {record.experiment.id: str(record.matrix) for record in sweep(one_by_one, folder, workers=workers)}
        assert {key: str(record.matrix) for key, record in stored([folder]).items()} == yielded
    assert {e.id for e in DUE} == yielded.keys()
    one, two = stored([here]), stored([there])
    for key, record in one.items():
        assert torch.allclose(record.tensor(), two[key].tensor(), atol=1.5, equal_nan=True)
        assert "1 threads" in two[key].device


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_run_is_refused_and_the_rest_is_kept(tmp_path, workers):
    with pytest.raises(InputError, match="10 classes cannot be shared out equally over 4 tasks"):
        list(sweep([[DUE[0]], [DUE[1]], [replace(DUE[2], tasks=4)]], tmp_path, workers=workers))
    if workers == 1:
        assert stored([tmp_path]).keys() == {e.id for e in DUE[:2]}
    assert not list(tmp_path.glob("*.part"))


#: Its penalty, which begins with the second task, is no finite number.
SPOILT = experiment("split-digits", "class", "si", 1, iterations=3, lr=1.0, strength=1e30)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_diverges_stops_no_other_and_is_named_in_the_end(tmp_path, workers):
    yielded = []
    running = sweep([[SPOILT], [DUE[0]], [DUE[1]]], tmp_path, workers=workers)
    with pytest.raises(InputError) as missing:
        yielded.extend(running)
    assert {record.experiment for record in yielded} == set(DUE[:2])
    assert stored([tmp_path]).keys() == {e.id for e in DUE[:2]}
    named = rf"only the others are kept: si, class-incremental, seed 1, id {SPOILT.id}, in task 2, step \d; leave"
    assert re.search(named, str(missing.value))
    assert seconds_of([SPOILT], loader("cpu")(SPOILT), "cpu") >= 0


def test_one_of_several_seeds_as_one_that_diverges_leaves_the_others(tmp_path, monkeypatch):
    real = runs.trained_together

    def spoilt(some, *arguments, **how):
        places = [place for place, e in enumerate(some) if e.seed == 1]
        if places:
            raise Diverged(None, 2, 3, place=places[0])
        return real(some, *arguments, **how)

    monkeypatch.setattr(runs, "trained_together", spoilt)
    with pytest.raises(InputError, match=f"seed 1, id {DUE[1].id}, in task 2, step 3; leave"):
        list(sweep([DUE], tmp_path))
    found = stored([tmp_path])
    assert found.keys() == {DUE[0].id, DUE[2].id}
    assert all("2 seeds together" in record.device for record in found.values())


def test_seeds_of_a_group_are_computed_as_one_where_their_network_allows_it(tmp_path):
    unfit = [replace(e, method="generative-classifier", noise_dim=5) for e in DUE]
    mixed = [one for pair in zip(DUE, unfit, strict=True) for one in pair]
    assert by_seed(mixed) == [DUE, unfit]
    found = {record.experiment: record for record in sweep(by_seed(mixed), tmp_path)}
    assert found.keys() == set(mixed)
    assert all("3 seeds together" in found[e].device for e in DUE)
    assert not any("together" in found[e].device for e in unfit)
    assert stored([tmp_path]).keys() == {e.id for e in mixed}
    data = loader("cpu")(DUE[0])
    assert all(seconds_of(group, data, "cpu") > 0 for group in (DUE, unfit))


def test_no_worker_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers is 0: ask for 1 or more"):
        next(sweep([DUE], tmp_path, workers=0))


def test_data_are_loaded_once_for_all_seeds_and_methods(monkeypatch):
    e = experiment("split-glyphs", "class", "none", backbone="frozen", clutter=0.5)
    load = loader("cpu")
    data = load(e)
    assert load(replace(e, seed=1, method="joint", backbone=None, encoder=None)) is data
    assert load(replace(e, clutter=0.0)) is not data
    assert load(e) is data
    monkeypatch.setattr("replaylib.lab.sweeps.KEPT_BYTES", 0)
    assert load(replace(e, tasks=2)).train.images.shape[0] < data.train.images.shape[0]
    assert load(e) is not data  # what there was no room for was let go


def test_a_stopped_sweep_says_one_line_and_keeps_what_ended(tmp_path):
    command = [sys.executable, "-m", "replaylib", "reproduce", "fig3", "--protocol", "split-digits", "--seeds", "40"]
    command += ["--methods", "none", "--workers", "2", "--save", str(tmp_path / "runs")]
    command += ["--out", str(tmp_path / "x.svg")]
    started = {
        "cwd": Path(__file__).resolve().parents[1], "env": {**os.environ, "OMP_NUM_THREADS": "1"}, "text": True,
        "stderr": subprocess.PIPE, "start_new_session": True,
    }  # fmt: skip
    with subprocess.Popen(command, **started) as run:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "runs").glob("*.json")) and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.2)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert "Traceback" not in said
    assert "replaylib: stopped; runs that had finished are kept" in said
    assert 1 <= len(stored([tmp_path / "runs"])) < 80


def test_a_sweep_goes_on_with_the_run_that_was_stopped(tmp_path, monkeypatch, capsys):
    real, steps = resume.Keeper.after_step, []

    def stopping(keeper, training):
        steps.append((training.task, training.step))
        if steps.count((3, 2)) == 2:  # of the second run
            keeper.signal = signal.SIGTERM
        real(keeper, training)

    monkeypatch.setattr(resume.Keeper, "after_step", stopping)
    with pytest.raises(resume.Stopped):
        list(sweep([[one] for one in DUE], tmp_path))
    assert stored([tmp_path]).keys() == {DUE[0].id}
    steps.clear()
    list(sweep([[one] for one in DUE[1:]], tmp_path))
    assert steps[0] == (3, 3)
    assert "going on from where it was stopped (task 4, step 2" in capsys.readouterr().err
    assert not (tmp_path / resume.FOLDER).exists()
    records = stored([tmp_path])
    assert {repr(records[one.id].matrix) for one in DUE} == {repr(runs.execute(one).matrix) for one in DUE}


def test_of_a_run_that_diverged_no_state_is_kept(tmp_path):
    with pytest.raises(InputError, match="these runs diverged"):
        list(sweep([[SPOILT]], tmp_path))
    assert not (tmp_path / resume.FOLDER).exists()
