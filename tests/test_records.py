"""Records of runs: whole files or none, nothing overwritten, and what is damaged has a name."""

import dataclasses
import json
import os

import pytest

from replaylib.errors import InputError
from replaylib.lab import records
from replaylib.lab.experiments import experiment
from replaylib.lab.records import Record

NAN = float("nan")


@pytest.fixture
def record():
    described = experiment("split-digits", "class", "gr", tasks=2, iterations=3)
    matrix = ((90.0, NAN), (40.0, 80.0))
    return Record(described, matrix, (50.0, NAN), 0, 1.5, "cpu", {"torch": "2"}, None, "2026-01-01T00:00:00+00:00")


def test_save_and_read_give_back_the_same_record(record, tmp_path):
    assert records.done(tmp_path / "new" / "folder") == {}
    path = records.write(record, tmp_path / "new" / "folder")
    assert list(records.done(path.parent)) == [record.experiment.id]
    assert [p.name for p in path.parent.iterdir()] == [f"{record.experiment.id}.json"]
    back = records.read(path)
    assert back.experiment == record.experiment
    assert str(back) == str(record)  # text, since nan is not equal to itself
    assert "NaN" not in path.read_text()


def test_nothing_is_overwritten(record, tmp_path):
    path = records.write(record, tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        records.write(dataclasses.replace(record, seconds=0.0), tmp_path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_nothing(record, tmp_path, monkeypatch):
    def disk_is_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", disk_is_full)
    with pytest.raises(InputError, match="No space left on device"):
        records.write(record, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_folder_is_refused(record, tmp_path):
    (tmp_path / "file").write_text("")
    for write in (records.done, lambda folder: records.write(record, folder)):
        with pytest.raises(InputError, match="choose another"):
            write(tmp_path / "file")


def test_a_record_with_measures_is_a_file_beside_the_one_without(record, tmp_path):
    records.write(record, tmp_path)
    measured = dataclasses.replace(record, measures={"recall": 0.5, "images": 360})
    path = records.write(measured, tmp_path)
    assert records.read(path).measures == {"recall": 0.5, "images": 360.0}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("device", "together", "compiled"),
    [("cpu (x86_64, 2 threads)", 1, False), ("a GPU, 10 seeds together", 10, False), ("cpu, compiled", 1, True)],
)
def test_a_record_whose_device_said_how_it_was_computed_says_so_in_fields(record, tmp_path, device, together, compiled):
    path = records.write(record, tmp_path)
    old = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("together", "compiled")}
    path.write_text(json.dumps(old | {"device": device}))
    back = records.read(path)
    assert (back.together, back.compiled, back.computed_on) == (together, compiled, device)
    assert back.device == device.partition(", 10")[0].removesuffix(", compiled")
    (tmp_path / "again").mkdir()
    again = records.write(back, tmp_path / "again")
    assert records.read(again).computed_on == device


def test_a_record_from_before_there_were_measures_has_none(record, tmp_path):
    path = records.write(record, tmp_path)
    path.write_text(path.read_text().replace(',\n "measures": null', ""))
    assert "measures" not in path.read_text()
    assert records.read(path).measures is None


def test_other_json_files_are_no_records_and_damaged_records_are_named_and_stop_nothing(record, tmp_path, caplog):
    path = records.write(record, tmp_path)
    for name, text in (
        ("package.json", '{"name": "x"}'), ("2026-01-01T00-00-00.json", '{"command": "bench", "rows": []}'),
        ("list.json", '["experiment"]'), ("part.json", "{"), ("bytes.json", "\x00\xff"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.json").mkdir()
    assert records.stored([tmp_path]).keys() == {record.experiment.id}
    newer = json.loads(path.read_text())
    newer["experiment"]["method"] = "of-tomorrow"
    for name, text, reason in (
        ("0123456789ab-measured.json", "{", "is damaged"),
        ("renamed.json", '{"experiment": {}, "matrix": []}', "is damaged"),
        ("ba9876543210.json", json.dumps(newer), "describes an experiment that is not known here"),
    ):
        (tmp_path / name).write_text(text)
        caplog.clear()
        assert records.stored([tmp_path]).keys() == {record.experiment.id}
        assert f"{name} {reason}" in caplog.text
        assert "remove" not in caplog.text
        (tmp_path / name).unlink()
    path.rename(tmp_path / "renamed.json")
    assert records.stored([tmp_path]).keys() == {record.experiment.id}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace('"seed": 0', '"seed": -4'),
        lambda text: text.replace('"matrix"', '"matrices"'),
        lambda text: text.replace('"batch"', '"betch"'),
        lambda text: text.replace('"measures": null', '"measures": {"recall": "high"}'),
        lambda text: "\x00\xff",
    ],
)
def test_a_damaged_record_is_named(record, tmp_path, damage):
    path = records.write(record, tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=path.name):
        records.read(path)


def test_a_copy_counts_once_and_is_named(record, tmp_path, caplog):
    path = records.write(record, tmp_path)
    copy = tmp_path / f"a copy of {path.stem}.json"
    copy.write_text(path.read_text())
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.json").write_text(path.read_text())
    assert [file for file, _ in records.paths_below(tmp_path)] == [path]
    assert f"{copy} is of the same experiment as {path}, which counts once" in caplog.text
    measured = records.write(dataclasses.replace(record, measures={"recall": 0.5}), tmp_path)
    assert {file for file, _ in records.paths_below(tmp_path)} == {path, measured}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("matrix", [[1.0]]),
        ("untrained", [200.0] * 5),
        ("untrained", [-1.0] * 5),
        ("seconds", float("inf")),
        ("seconds", "long"),
        ("versions", None),
        ("versions", {"torch": 2}),
        ("device", 1),
        ("date", None),
        ("commit", 7),
        ("commit", 0),
        ("together", "3"),
        ("together", None),
        ("compiled", "no"),
    ],
)
def test_contents_that_cannot_be_are_named(record, tmp_path, field, value):
    path = records.write(record, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=f"{path.name} is damaged"):
        records.read(path)
