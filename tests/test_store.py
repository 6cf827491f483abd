"""Thousands of records as one frame, from an index that follows the files.

``python -m tests.test_store 100000`` times as many, in a folder of its own: reading them, and then from the index.
"""

import json
import os
import shlex
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from scipy import stats

from replaylib.cli.main import main
from replaylib.errors import InputError
from replaylib.lab import command_lines, frames, methods, records, store
from replaylib.lab.experiments import experiment
from tests.helpers import record, stub_record

NAN = float("nan")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(store.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs").mkdir()
    for seed in range(4):
        records.write(record("gr", seed, (40.0 + seed, 80.0)), tmp_path / "runs")
        records.write(record("none", seed, (0.0, 90.0 + seed**2)), tmp_path / "runs")
    return tmp_path / "runs"


def test_each_run_is_a_row_and_the_index_gives_the_same(folder, monkeypatch):
    first = store.summaries(folder)
    monkeypatch.setattr(store.records, "read", lambda path: pytest.fail(f"{path} was read again"))
    again = store.summaries(folder)
    assert first.equals(again)
    assert len(first) == 8
    assert set(first["hidden"]) == {(100, 100)}
    gr = first[first["method"] == "gr"].sort_values("seed")
    assert gr["acc"].tolist() == [60.0, 60.5, 61.0, 61.5]
    assert gr["forgetting"].tolist() == [50.0, 49.0, 48.0, 47.0]


def test_the_index_follows_what_changes_comes_and_goes(folder):
    store.summaries(folder)
    paths = sorted(folder.iterdir())
    changed = json.loads(paths[0].read_text())
    changed["seconds"] = 77.0
    paths[0].write_text(json.dumps(changed))
    paths[1].unlink()
    records.write(record("joint", 9), folder)
    frame = store.summaries(folder)
    assert len(frame) == 8
    assert frame.set_index("file").loc[paths[0].name, "seconds"] == 77.0
    assert paths[1].name not in set(frame["file"])
    assert (frame["method"] == "joint").sum() == 1


def test_what_is_passed_over_is_named_each_time(folder, caplog):
    path = sorted(folder.iterdir())[0]
    (folder / "0123456789ab.json").write_text("{")
    (folder / "copy.json").write_text(path.read_text())
    (folder / "package.json").write_text("{}")
    for _ in range(2):
        caplog.clear()
        assert len(store.summaries(folder)) == 8
        assert "0123456789ab.json is damaged" in caplog.text
        assert f"copy.json is of the same experiment as {path.name}" in caplog.text
        assert "package" not in caplog.text


@pytest.mark.parametrize("spoil", [lambda cache: cache.write_text("a file"), lambda cache: None])
def test_without_an_index_all_is_read(folder, cache, spoil):
    expected = store.summaries(folder)
    for path in cache.rglob("*.sqlite"):
        path.write_bytes(b"spoilt")
    if spoil(cache.parent / "other"):
        store.platformdirs.user_cache_path = lambda name: cache.parent / "other"
    assert store.summaries(folder).equals(expected)


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        store.summaries(tmp_path / "none")


def test_rows_are_chosen_by_what_they_say(folder):
    every = store.summaries(folder)
    assert len(store.where(every, ["method=gr", "seed=2"])) == 1
    assert len(store.where(every, ["hidden=100,100", "strength="])) == 8
    for condition, says in (("method", "write column=value"), ("mehtod=gr", "Did you mean method")):
        with pytest.raises(InputError, match=says):
            store.where(every, [condition])


def test_rows_are_chosen_by_a_methods_own_option(folder):
    for changed in ("noisy", "filled"):
        records.write(record("bi-r-changed", 0, changed=changed), folder)
    every = store.summaries(folder)
    assert [dict(own) for own in store.where(every, ["changed=noisy"])["own"]] == [{"changed": "noisy"}]
    assert set(store.where(every, ["changed="])["method"]) == {"gr", "none"}  # which have no such option
    for conditions in (["method=gr", "changed=noisy"], ["changed=noisy", "method=gr"]):
        assert store.where(every, conditions).empty
    with pytest.raises(InputError, match="unknown column 'changed'"):
        store.where(every.drop(columns="own"), ["changed=noisy"])
    with pytest.raises(InputError, match="Did you mean changed"):
        store.where(every, ["chnaged=noisy"])


def test_methods_have_a_row_each_and_what_varies_a_column(folder):
    records.write(record("gr", 0, gate_prop=None, hidden=(20, 20)), folder)
    table = store.by_method(store.summaries(folder))
    assert list(table["method"]).count("gr") == 2
    row = table[(table["method"] == "gr") & (table["hidden"] == "100,100")].iloc[0]
    assert (row["accuracy (%)"], row["seeds"]) == (60.75, 4)
    assert row["SEM"] == pytest.approx(torch.tensor([60.0, 60.5, 61.0, 61.5]).std().item() / 2)


def test_an_order_of_classes_that_follows_from_the_seed_keeps_no_seed_apart():
    """Seed 0 of Split CIFAR-100 says that its order is random, and other seeds need not say it."""

    def rows(*runs):
        frame = pd.DataFrame([{name: getattr(e, name) for name in e.__dataclass_fields__} for e in runs])
        return [(shared.get("class_order"), part["seed"].tolist()) for shared, part in store.groups(frame)]

    usual = [experiment("split-cifar100", "class", "none", seed) for seed in range(3)]
    assert rows(*usual) == [(None, [0, 1, 2])]
    assert rows(*(experiment("split-mnist", "class", "none", seed) for seed in range(3))) == [(None, [0, 1, 2])]
    labels = [experiment("split-cifar100", "class", "none", seed, class_order="labels") for seed in range(2)]
    assert rows(*usual, *labels) == [("labels", [0, 1]), ("random", [0, 1, 2])]


def test_options_of_a_method_itself_are_a_column_also_from_the_index(folder):
    for alpha in (0.5, 0.25):
        records.write(record("der++", 0, alpha=alpha), folder)
    for table in (store.by_method(store.summaries(folder)), store.by_method(store.summaries(folder))):
        own = table[table["method"] == "der++"]["own"].tolist()
        assert [text.partition("=")[0] for text in own] == ["alpha", "alpha"]
        assert [text.partition(",")[0] for text in own] == ["alpha=0.25", "alpha=0.5"]


def test_two_methods_are_compared_seed_by_seed(folder):
    every = store.summaries(folder)
    gr, none = (every[every["method"] == name].sort_values("seed") for name in ("gr", "none"))
    comparison = store.paired(store.common(none, gr))
    gains = gr["acc"].to_numpy() - none["acc"].to_numpy()
    assert comparison["mean"] == pytest.approx(gains.mean())
    low, high = stats.t.interval(0.95, 3, gains.mean(), gains.std(ddof=1) / 2)
    assert (comparison["low"], comparison["high"]) == pytest.approx((low, high))
    assert comparison["p"] == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    assert store.paired(store.common(none[:2], gr[1:3]))["seeds"] == 1
    with pytest.raises(InputError, match="no seed in common"):
        store.common(none[:1], gr[1:])
    with pytest.raises(InputError, match="a seed stands twice"):
        store.common(every, gr)


@pytest.mark.parametrize(
    ("protocol", "scenario", "method", "options"),
    [("split-digits", "class", "bi-r", {"gate_prop": 0.5, "seed": 7, "lr": 0.01}),
     ("split-mnist", "task", "ewc", {"strength": 10.0, "hidden": (20, 30)}),
     ("split-glyphs", "class", "exact", {"policy": "reservoir", "clutter": 0.5, "tasks": 4}),
     ("split-cifar100", "class", "none", {"precision": "bfloat16", "dataset": "cifar10"})],
)  # fmt: skip
def test_the_command_of_a_run_runs_it_again(protocol, scenario, method, options):
    options = dict(options)
    described = experiment(protocol, scenario, method, options.pop("seed", 0), **options)
    command = command_lines.command_of(described)
    assert command.startswith(f"python -m replaylib run {protocol} --scenario {scenario} --method {method}")
    assert f"--seed {described.seed}" in command
    words = command.split()[5:]
    given = {
        name.removeprefix("--").replace("-", "_"): text for name, text in zip(words[::2], words[1::2], strict=True)
    }
    kinds = {"hidden": lambda text: tuple(map(int, text.split(",")))}
    chosen = {}
    for name, text in given.items():
        if name in ("scenario", "method", "seed"):
            continue
        own = getattr(described, name)
        chosen[name] = kinds.get(name, type(own))(text)
    assert experiment(protocol, given["scenario"], given["method"], int(given["seed"]), **chosen).id == described.id


@pytest.mark.parametrize(
    ("protocol", "method", "options", "said"),
    [("split-glyphs", "bi-r-changed", {"changed": "noisy"}, "--changed noisy"),
     ("split-digits", "replay-share", {"share": 0.1}, "--share 0.1"),
     ("split-glyphs", "translated-replay", {"backbone": "none"}, "--backbone none"),
     ("split-cifar100", "none", {"class_order": "labels"}, "--class-order labels")],
)  # fmt: skip
def test_the_command_of_a_run_says_a_methods_own_options_and_what_is_left_out(protocol, method, options, said):
    command = command_lines.command_of(experiment(protocol, "class", method, 0, **options))
    assert f" {said} " in command


def test_the_command_of_a_run_says_numbers_to_the_last_digit_and_quotes_what_needs_it():
    described = experiment("split-digits", "class", "bi-r", 0, gate_prop=0.5488135039273248, dataset="my data.csv")
    command = command_lines.command_of(described)
    words = shlex.split(command)
    assert float(words[words.index("--gate-prop") + 1]) == described.gate_prop
    assert words[words.index("--dataset") + 1] == "my data.csv"
    assert "--lr 1e-05" in command_lines.command_of(experiment("split-digits", "class", "none", 0, lr=1e-5))


def test_numbers_are_chosen_by_their_value(folder):
    records.write(record("ewc", 0, strength=1234567.0), folder)
    every = store.summaries(folder)
    for text in ("1234567", "1.234567e6"):
        assert list(store.where(every, [f"strength={text}"])["method"]) == ["ewc"]
    assert store.where(every, ["strength=1.23457e+06"]).empty


def test_a_run_with_measures_beside_the_same_without_counts_once(folder, caplog):
    records.write(replace(record("gr", 0, (40.0, 80.0)), measures={"frechet": 1.0}), folder)
    frame = store.summaries(folder)
    assert len(frame) == 8
    assert not caplog.records
    assert frames.load_records(folder)["id"].is_unique
    [measures] = frames.load_records(folder).query("method == 'gr' and seed == 0")["measures"]
    assert measures == {"frechet": 1.0}


def test_a_file_of_a_method_that_is_registered_later_is_a_record_then(folder, monkeypatch):
    path = records.write(record("gr", 9), folder)
    with monkeypatch.context() as without:
        without.delitem(methods.METHODS, "gr")
        assert "gr" not in set(store.summaries(folder)["method"])
    assert path.name in {Path(file).name for file in store.summaries(folder)["file"]}


def test_a_folder_that_goes_while_it_is_looked_through_is_passed_over(folder, monkeypatch):
    (folder / "half.part").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith(".part"):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(store.summaries(folder)) == 8


def test_records_are_set_aside_wherever_they_lie(folder):
    (folder / "2020").mkdir()
    path = records.write(record("si", 0), folder / "2020")
    records.set_aside(folder, [path.stem])
    assert path.stem not in set(store.summaries(folder)["id"])


def test_runs_are_compared_that_are_of_one_problem_and_one_setting(folder, tmp_path, capsys):
    compare = ["results", str(folder), "--compare", "none,gr"]
    assert main(compare) == 0
    records.write(record("gr", 7, lr=0.5), folder)
    assert main(compare) == 2
    assert "the runs of gr differ in lr: choose among them, e.g. --where lr=0.002" in capsys.readouterr().err
    assert main([*compare, "--where", "lr=0.002"]) == 0
    (tmp_path / "other").mkdir()
    for seed in range(4):
        records.write(stub_record(experiment("split-glyphs", "class", "none", seed)), tmp_path / "other")
    assert main(["results", str(folder), "--against", str(tmp_path / "other"), "--where", "method=none"]) == 2
    assert "protocol is split-digits for" in capsys.readouterr().err
    for seed in range(4):
        records.write(record("si", seed, validation=0.1), folder)
    assert main(["results", str(folder), "--compare", "none,si"]) == 2
    assert "validation is not given for none and 0.1 for si: compare runs of one problem" in capsys.readouterr().err


def many(folder, count):
    """Write records of as many seeds, without waiting for the disk after each."""
    first = records.write(record("gr", 0), folder)
    text = first.read_text()
    assert text.count('"seed": 0,') == 1
    for seed in range(1, count):
        name = record("gr", seed).experiment.id
        (folder / f"{name}.json").write_text(text.replace('"seed": 0,', f'"seed": {seed},'))


def test_a_thousand_records_take_less_than_a_second(tmp_path):
    many(tmp_path, 1000)
    store.summaries(tmp_path)
    began = time.process_time()
    table = store.by_method(store.summaries(tmp_path))
    assert table["seeds"].tolist() == [1000]
    assert time.process_time() - began < 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        store.platformdirs.user_cache_path = lambda name: Path(place) / "cache"
        (Path(place) / "runs").mkdir()
        many(Path(place) / "runs", int(sys.argv[1]))
        for how in ("all read", *["from the index"] * 3):
            began, used = time.perf_counter(), time.process_time()
            rows = len(store.by_method(store.summaries(Path(place) / "runs"))["seeds"])
            spent = f"{time.perf_counter() - began:.2f} s, {time.process_time() - used:.2f} s of the processor"
            print(f"{sys.argv[1]} records, {how}: {spent}", flush=True)
