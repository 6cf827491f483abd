"""Experiments and their records: stable ids, whole files or none, nothing overwritten."""

import dataclasses
import json
import math
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replaylib import runs
from replaylib.data import load
from replaylib.errors import InputError
from replaylib.methods import METHODS
from replaylib.protocols import PROTOCOLS
from replaylib.scenarios import SCENARIOS


def quick(**changes):
    return runs.experiment("split-digits", "class", "none", **{"iterations": 3} | changes)


@pytest.fixture(scope="module")
def record():
    return runs.execute(quick())


def test_ids_are_stable_across_versions_of_the_library():
    # Written down once: records that exist must keep their ids. A change here orphans every stored run.
    assert runs.experiment("split-mnist", "class", "none").id == "0607484d7efb"
    assert runs.experiment("split-mnist", "class", "exact", 2, budget=10, policy="reservoir").id == "51fc95dd870a"


def test_every_field_counts_for_the_id_and_none_does_not():
    base = runs.experiment("split-digits", "class", "exact")
    changes = {
        "protocol": "split-mnist", "scenario": "task", "method": "none", "dataset": "mnist", "seed": 1, "tasks": 2,
        "hidden": (100,), "lr": 0.1, "batch": 7, "iterations": 7, "budget": 7, "policy": "reservoir",
    }  # fmt: skip
    assert set(changes) == {field.name for field in dataclasses.fields(runs.Experiment)}
    ids = {base.id}
    for name, value in changes.items():
        options = {"budget": None, "policy": None} if name == "method" else {}
        ids.add(dataclasses.replace(base, **{name: value}, **options).id)
    assert len(ids) == 1 + len(changes)
    assert runs.experiment("split-digits", "class", "exact", budget=100, policy="balanced") == base


@given(
    name=st.sampled_from(sorted(PROTOCOLS)),
    scenario=st.sampled_from(sorted(SCENARIOS)),
    method=st.sampled_from(sorted(METHODS)),
    seed=st.integers(0, 2**31 - 1),
    lr=st.floats(1e-12, 1),
)
def test_a_description_survives_json(name, scenario, method, seed, lr):
    e = runs.experiment(name, scenario, method, seed, lr=lr)
    assert runs.Experiment(**json.loads(json.dumps(dataclasses.asdict(e)))) == e
    assert runs.Experiment(**json.loads(json.dumps(dataclasses.asdict(e)))).id == e.id


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": -1}, "seed is -1: expected a whole number from 0"),
        ({"tasks": 1}, "tasks is 1"),
        ({"batch": 0}, "batch is 0"),
        ({"iterations": -5}, "iterations is -5"),
        ({"lr": 0.0}, "learning rate lies above 0"),
        ({"lr": math.nan}, "learning rate lies above 0"),
        ({"lr": 7.0}, "learning rate lies above 0"),
        ({"hidden": ()}, "at least one hidden layer"),
        ({"hidden": (100, 0)}, "hidden is 0"),
        ({"hidden": (10**9,)}, "hidden is 1000000000"),
        ({"budget": 5}, "method none has no budget: leave it out, or use exact"),
        ({"policy": "reservoir"}, "method none has no policy"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        quick(**changes)


def test_unknown_names_bring_the_nearest():
    for arguments, near in (
        (("split-minst",), "split-mnist"),
        (("split-digits", "clss"), "class"),
        (("split-digits", "class", "exat"), "exact"),
    ):
        with pytest.raises(InputError, match=f"Did you mean {near}"):
            runs.experiment(*arguments)


def test_a_run_repeats_bit_for_bit_and_seeds_differ(record):
    again = runs.execute(quick(), load("digits"))
    assert again.tensor().nan_to_num(-1).equal(record.tensor().nan_to_num(-1))
    other = runs.execute(quick(seed=1))
    assert not other.tensor().nan_to_num(-1).equal(record.tensor().nan_to_num(-1))


def test_methods_start_from_one_network_and_see_the_same_current_samples():
    # In the first task there is nothing to replay yet, so that all methods are the same run.
    first = [
        runs.execute(dataclasses.replace(runs.experiment("split-digits", "task", m), iterations=3)).matrix[0]
        for m in METHODS
    ]
    assert first.count(first[0]) == len(METHODS)


def test_a_record_says_where_it_comes_from(record):
    assert record.experiment == quick()
    assert record.seconds > 0
    assert record.versions["torch"] == torch.__version__.split("+")[0] or record.versions["torch"] == torch.__version__
    assert record.device.startswith("cpu")
    assert set(record.summary()) == {"acc", "bwt", "fwt", "forgetting"}
    assert record.summary()["acc"] == pytest.approx(sum(record.matrix[-1]) / 5)


def test_save_and_read_give_back_the_same_record(record, tmp_path):
    assert runs.done(tmp_path / "new" / "folder") == {}
    path = runs.save(record, tmp_path / "new" / "folder")
    assert list(runs.done(path.parent)) == [record.experiment.id]
    assert [p.name for p in path.parent.iterdir()] == [f"{record.experiment.id}.json"]
    back = runs.read(path)
    assert back.experiment == record.experiment
    assert str(back) == str(record)  # text, since nan is not equal to itself
    assert "NaN" not in path.read_text()


def test_nothing_is_overwritten(record, tmp_path):
    path = runs.save(record, tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        runs.save(dataclasses.replace(record, seconds=0.0), tmp_path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_nothing(record, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(InputError, match="No space left on device"):
        runs.save(record, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_folder_is_refused(record, tmp_path):
    (tmp_path / "file").write_text("")
    for write in (runs.done, lambda folder: runs.save(record, folder)):
        with pytest.raises(InputError, match="choose another"):
            write(tmp_path / "file")


def test_a_folder_of_records_is_one_frame_whatever_the_files_are_called(record, tmp_path):
    for r, name in ((record, "a"), (runs.execute(quick(seed=1)), "b")):
        (tmp_path / name).mkdir()
        runs.save(r, tmp_path / name)
    (tmp_path / "a" / f"{record.experiment.id}.json").rename(tmp_path / "a" / "renamed.json")
    frame = runs.load(tmp_path)
    assert sorted(frame["seed"]) == [0, 1]
    assert set(frame["id"]) == {quick().id, quick(seed=1).id}
    row = frame.set_index("seed").loc[0]
    assert row["acc"] == pytest.approx(record.summary()["acc"])
    assert row["hidden"] == (100, 100)
    assert row["matrix"][4] == record.matrix[4]
    assert row["commit"] == record.commit
    with pytest.raises(InputError, match="not a folder"):
        runs.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace('"seed": 0', '"seed": -4'),
        lambda text: text.replace('"matrix"', '"matrices"'),
        lambda text: text.replace('"batch"', '"betch"'),
        lambda text: "\x00\xff",
    ],
)
def test_a_damaged_record_is_named(record, tmp_path, damage):
    path = runs.save(record, tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=path.name):
        runs.load(tmp_path)


def test_the_published_runs_are_what_they_say():
    frame = runs.published()
    assert not frame.duplicated("id").any()
    paper = frame[frame["protocol"] == "split-mnist"]
    assert set(paper["dataset"]) == {"mnist"}
    assert set(paper["iterations"]) == {2000}
    assert paper["commit"].notna().all()
    assert not paper["commit"].str.endswith("+").any(), "a published run must come from a clean checkout"


@pytest.mark.parametrize(
    ("scenario", "method", "low", "high"),
    [
        ("class", "none", 19.6, 20.2),
        ("class", "joint", 97.5, 100),
        ("class", "exact", 88, 97.9),
        ("task", "none", 80, 90),
        ("task", "joint", 99.5, 100),
    ],
)
def test_the_published_protocol_gives_the_published_accuracies(scenario, method, low, high):
    frame = runs.published().query("protocol == 'split-mnist' and scenario == @scenario and method == @method")
    frame = frame[(frame["budget"].fillna(100) == 100) & (frame["policy"].fillna("balanced") == "balanced")]
    assert sorted(frame["seed"])[:3] == [0, 1, 2]
    assert low <= frame["acc"].mean() <= high
