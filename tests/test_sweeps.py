"""Sweeps: what is due runs, here or in several processes, and what ended is kept whatever stops the rest."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from replaylib.errors import InputError
from replaylib.lab import failures, replay_quality, resume, runs
from replaylib.lab.cluster import opened
from replaylib.lab.experiments import experiment
from replaylib.lab.records import stored
from replaylib.lab.sweeps import How, by_seed, loader, seconds_of, surviving, sweep
from replaylib.steps import Diverged

DUE = [experiment("split-digits", "class", "none", seed, iterations=5, hidden=(8,)) for seed in range(3)]


def records_of(ended):
    return {one.experiment.id: one.record for one in ended if one.record}


@pytest.fixture(scope="module")
def two_workers():
    with opened(2) as client:
        yield client


@pytest.fixture(params=["here", "two workers"])
def workers(request):
    return None if request.param == "here" else request.getfixturevalue("two_workers")


def test_several_workers_make_the_records_that_one_makes(tmp_path, two_workers):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    for folder, workers in ((here, None), (there, two_workers)):
        yielded = records_of(sweep([[e] for e in DUE], folder, How(threads=1), workers))
        assert {key: str(record.matrix) for key, record in stored([folder]).items()} == {
            key: str(record.matrix) for key, record in yielded.items()
        }
    one, two = stored([here]), stored([there])
    assert {e.id for e in DUE} == one.keys()
    assert {key: str(record.matrix) for key, record in one.items()} == {
        key: str(record.matrix) for key, record in two.items()
    }
    assert not list(tmp_path.rglob("*.claim"))


def test_what_cannot_run_is_named_and_stops_no_other_and_is_tried_again(tmp_path, workers):
    unfit = replace(DUE[1], tasks=4)
    for _ in range(2):
        ended = {one.experiment: one for one in sweep([[DUE[0]], [unfit], [DUE[2]]], tmp_path, cluster=workers)}
        assert "10 classes cannot be shared out equally over 4 tasks" in str(ended[unfit].failure)
        assert not ended[unfit].failure.settled
        assert stored([tmp_path]).keys() == {DUE[0].id, DUE[2].id}
    assert failures.below(tmp_path)[unfit.id].tries == 2


#: Its penalty, which begins with the second task, is no finite number.
SPOILT = experiment("split-digits", "class", "si", 1, iterations=3, lr=1.0, strength=1e30)


def test_a_run_that_diverges_stops_no_other_and_is_kept_as_such_and_not_tried_again(tmp_path, workers):
    ended = {one.experiment: one for one in sweep([[SPOILT], [DUE[0]], [DUE[1]]], tmp_path, cluster=workers)}
    assert stored([tmp_path]).keys() == {e.id for e in DUE[:2]}
    named = rf"si, class-incremental, seed 1, id {SPOILT.id}: diverged in task 2, step \d$"
    assert re.search(named, str(ended[SPOILT].failure))
    assert ended[SPOILT].failure.settled
    assert not (tmp_path / resume.FOLDER).exists()
    before = (tmp_path / f"{SPOILT.id}.failed").read_text()
    assert [one.failure for one in sweep([[SPOILT]], tmp_path, cluster=workers)] == [None]
    assert (tmp_path / f"{SPOILT.id}.failed").read_text() == before
    assert seconds_of([SPOILT], loader("cpu")(SPOILT), "cpu") == 0  # not known: it diverges before a step is timed


def test_a_failure_of_other_code_does_not_count(tmp_path):
    list(sweep([[SPOILT]], tmp_path))
    path = tmp_path / f"{SPOILT.id}.failed"
    path.write_text(path.read_text().replace('"replaylib": "', '"replaylib": "0'))
    assert not failures.read(tmp_path, SPOILT.id).settled
    path.write_text("{")
    assert failures.read(tmp_path, SPOILT.id) is None


def test_one_of_several_seeds_as_one_that_diverges_leaves_the_others(tmp_path, monkeypatch):
    real = runs.run_seeds

    def spoilt(group, *arguments, **how):
        places = [place for place, e in enumerate(group) if e.seed == 1]
        if places:
            state = resume.path_of(how["unfinished"], group)
            state.parent.mkdir(parents=True)
            state.touch()
            raise Diverged(None, 2, 3, place=places[0])
        return real(group, *arguments, **how)

    monkeypatch.setattr(runs, "run_seeds", spoilt)
    ended = {one.experiment: one for one in sweep([DUE], tmp_path)}
    assert str(ended[DUE[1]].failure).endswith(f"seed 1, id {DUE[1].id}: diverged in task 2, step 3")
    records = stored([tmp_path])
    assert records.keys() == {DUE[0].id, DUE[2].id}
    assert all(record.together == 2 for record in records.values())
    assert not resume.unfinished(tmp_path)


def test_an_error_of_one_of_several_seeds_is_its_own_and_is_tried_three_times(tmp_path, monkeypatch):
    real, asked = runs.run_seeds, []

    def spoilt(group, *arguments, **how):
        asked.append([e.seed for e in group])
        if DUE[1] in group:
            raise ZeroDivisionError("of one's own")
        return real(group, *arguments, **how)

    monkeypatch.setattr(runs, "run_seeds", spoilt)
    for tries in (1, 2, 3, 3):
        list(sweep([[e for e in DUE if e.id not in stored([tmp_path])]], tmp_path))
        failure = failures.read(tmp_path, DUE[1].id)
        assert (failure.kind, failure.error, failure.tries) == ("error", "ZeroDivisionError: of one's own", tries)
        assert "in spoilt" in failure.trace
        assert failure.settled == (tries == 3)
    assert asked == [[0, 1, 2], [0], [1], [2], [1], [1]]
    assert stored([tmp_path]).keys() == {DUE[0].id, DUE[2].id}


def test_a_measurement_that_fails_is_named_and_stops_no_other_and_its_run_is_kept(tmp_path, monkeypatch):
    small = {"iterations": 2, "hidden": (8,), "noise_dim": 2}
    due = [experiment("split-digits", "class", "gr", seed, **small) for seed in range(2)]

    def measure(net, record, data):
        if record.experiment.seed == 0:
            raise ZeroDivisionError("nothing varies")
        return replace(record, measures={"recall": 0.5})

    monkeypatch.setattr(replay_quality, "measure", measure)
    ended = {one.experiment: one for one in sweep([[e] for e in due], tmp_path, How(measured=True))}
    assert str(ended[due[0]].failure).endswith("ZeroDivisionError: nothing varies")
    assert ended[due[0]].record is None
    assert stored([tmp_path]).keys() == {e.id for e in due}
    assert stored([tmp_path], measured=True).keys() == {due[1].id}
    assert failures.read(tmp_path, due[0].id).tries == 1
    assert not resume.unfinished(tmp_path)


def test_two_sweeps_into_one_folder_do_nothing_twice(tmp_path, monkeypatch):
    real, ran = runs.run_seeds, []

    def counted(group, *arguments, **how):
        ran.extend(e.id for e in group)
        return real(group, *arguments, **how)

    monkeypatch.setattr(runs, "run_seeds", counted)
    ended: list = []
    both = [
        threading.Thread(target=lambda: ended.extend(sweep([[e] for e in DUE], tmp_path, How(resumed=False))))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(ran) == sorted(e.id for e in DUE)
    assert len(ended) == 6
    assert len([one for one in ended if one.record]) == 3


def test_seeds_of_a_group_are_computed_as_one_where_their_network_allows_it(tmp_path):
    unfit = [replace(e, method="generative-classifier", noise_dim=5) for e in DUE]
    mixed = [one for pair in zip(DUE, unfit, strict=True) for one in pair]
    assert by_seed(mixed) == [DUE, unfit]
    records = {one.experiment: one.record for one in sweep(by_seed(mixed), tmp_path)}
    assert records.keys() == set(mixed)
    assert all(records[e].together == 3 for e in DUE)
    assert all(records[e].together == 1 for e in unfit)
    assert stored([tmp_path]).keys() == {e.id for e in mixed}
    data = loader("cpu")(DUE[0])
    assert all(seconds_of(group, data, "cpu") > 0 for group in (DUE, unfit))


def test_no_worker_is_refused():
    with pytest.raises(InputError, match="workers is 0: ask for 1 or more"), opened(0):
        pass


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
        deadline = time.monotonic() + 400
        while not list((tmp_path / "runs").glob("*.json")) and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.2)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=200)[1]
    assert run.returncode == 130
    assert "Traceback" not in said
    assert "replaylib: stopped; runs that had finished are kept" in said
    assert 1 <= len(stored([tmp_path / "runs"])) < 80


def test_a_sweep_goes_on_with_the_run_that_was_stopped(tmp_path, monkeypatch, capsys):
    real, steps = resume.Keeper.after_step, []

    def stopping(keeper, training, check=None):
        steps.append((training.task, training.step))
        if steps.count((3, 2)) == 2:  # of the second run
            keeper.signal = signal.SIGTERM
        real(keeper, training, check)

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
    assert {repr(records[one.id].matrix) for one in DUE} == {repr(runs.run(one).record.matrix) for one in DUE}


def test_failures_of_another_kind_or_of_other_code_are_counted_from_one(tmp_path, monkeypatch):
    one = DUE[0]
    for _ in range(3):
        failures.of(one, InputError("no encoder"), tmp_path)
    for tries in (1, 2, 3):
        failure = failures.of(one, ZeroDivisionError("of the machine's"), tmp_path)
        assert (failure.tries, failure.settled) == (tries, tries == 3)
    monkeypatch.setattr(failures.machine, "commit", lambda: "another")
    assert not failures.read(tmp_path, one.id).settled
    assert failures.of(one, ZeroDivisionError("of the machine's"), tmp_path).tries == 1


def test_each_company_of_runs_has_its_own_watch(monkeypatch):
    def run_seeds(members, data, device, watch, start=None):
        watched.append((watch, len(members)))
        if len(members) == 3:
            raise Diverged(None, 1, 1, place=1)
        return [len(members)]

    watched, left_out = [], []
    monkeypatch.setattr(runs, "run_seeds", run_seeds)
    each = surviving(DUE[:3], None, "cpu", lambda one, error: left_out.append(one), lambda members: len(members))
    assert [(members, trained) for members, trained in each] == [([DUE[0], DUE[2]], [2])]
    assert watched == [(3, 3), (2, 2)]
    assert left_out == [DUE[1]]
