"""What a log says of a run is what happened, and a run that is logged is the run that is not."""

import csv
import sys

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.lab import log, resume, runs
from replaylib.lab.experiments import experiment
from replaylib.loop import evaluate
from tests.helpers import StopsAt, bits, same

STEPS = 20


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def described(seeds):
    return [experiment("split-digits", "class", "exact", s, hidden=(20, 16), iterations=STEPS) for s in seeds]


def rows_of(folder, one):
    with (folder / f"{one.id}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_the_losses_and_accuracies_of_the_run(digits, tmp_path):
    losses, accuracies = [], {}

    def look(now):
        losses.append(now.loss.tolist())
        if now.step % (STEPS // log.TESTS) == 0:
            accuracies[now.task, now.step] = evaluate(now.stream, now.net, now.task + 1)

    group = described([0, 1])
    written = log.Log(tmp_path, group)

    def watch(now):
        look(now)
        written(now)

    results = runs.run_seeds(group, digits, "cpu", watch)
    written.close()
    assert same(bits(results), bits(runs.run_seeds(group, digits, "cpu")))
    assert written.seconds > 0
    for place, one in enumerate(group):
        rows = rows_of(tmp_path, one)
        assert [(row["task"], row["step"]) for row in rows] == [
            (str(task), str(step)) for task in range(1, 6) for step in range(1, STEPS + 1)
        ]
        assert [float(row["loss"]) for row in rows] == [loss[place] for loss in losses]
        ends = [row for row in rows if row["step"] == str(STEPS)]
        for task, row in enumerate(ends):
            said = [float(row[f"accuracy_{t + 1}"]) for t in range(task + 1)]
            assert said == list(results[place][1].matrix[task][: task + 1])
            assert float(row["accuracy"]) == pytest.approx(sum(said) / len(said))
            assert all(row[f"accuracy_{t + 1}"] == "" for t in range(task + 1, 5))
    tested = [row for row in rows_of(tmp_path, group[0]) if row["accuracy"]]
    assert len(tested) == len(accuracies) == 5 * log.TESTS
    for row, expected in zip(tested, accuracies.values(), strict=True):
        assert float(row["accuracy_1"]) == expected[0]


def test_a_loss_is_the_mean_since_the_row_before(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "MOMENTS", 4)
    [one] = described([0])
    losses, written = [], log.Log(tmp_path, [one])

    def watch(now):
        losses.append(now.loss.item())
        written(now)

    runs.run(one, digits, "cpu", watch)
    written.close()
    # Tests, at other moments than losses, have rows as well.
    ends = sorted({*range(5, STEPS + 1, 5), *written.tests})
    first = rows_of(tmp_path, one)[: len(ends)]
    assert [int(row["step"]) for row in first] == ends
    for start, end, row in zip([0, *ends], ends, first, strict=False):
        assert float(row["loss"]) == pytest.approx(sum(losses[start:end]) / (end - start))


def test_a_run_that_goes_on_has_each_step_once(digits, tmp_path):
    [one] = described([0])

    def logged(folder, watch=None):
        written = log.Log(folder, [one])

        def both(now):
            written(now)
            if watch:
                watch(now)

        try:
            return runs.run_seeds([one], digits, "cpu", both, unfinished=tmp_path)
        finally:
            written.close()

    with pytest.raises(resume.Stopped):
        logged(tmp_path / "log", StopsAt(2, 7))
    # As if the process had gone on for a while after its state was written.
    path = tmp_path / "log" / f"{one.id}.csv"
    path.write_text(path.read_text() + "3,8,0.5,,,,,,\n3,9,0.5,,,,,,\n")
    logged(tmp_path / "log")
    resume.discard(tmp_path, [one])
    logged(tmp_path / "whole")
    assert rows_of(tmp_path / "log", one) == rows_of(tmp_path / "whole", one)
    assert len(rows_of(tmp_path / "log", one)) == 5 * STEPS


def test_tensorboard_reads_the_same(digits, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    [one] = described([0])
    written = log.Log(tmp_path, [one])
    runs.run(one, digits, "cpu", written)
    written.close()
    events = reader.EventAccumulator(str(tmp_path / one.id)).Reload()
    rows = rows_of(tmp_path, one)
    losses = events.Scalars("loss")
    assert [event.step for event in losses] == list(range(1, 5 * STEPS + 1))
    assert [event.value for event in losses] == pytest.approx([float(row["loss"]) for row in rows])
    shown = [event.value for event in events.Scalars("accuracy/task 1")]
    assert shown == pytest.approx([float(row["accuracy_1"]) for row in rows if row["accuracy_1"]])


def test_without_tensorboard_the_csv_is_written_and_a_line_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    command = ["run", "split-digits", "--iterations", "3", "--device", "cpu", "--log", str(tmp_path / "log")]
    assert main(command) == 0
    assert "replaylib: no TensorBoard stream is written" in capsys.readouterr().err
    [path] = (tmp_path / "log").iterdir()
    assert path.suffix == ".csv"
    with path.open(newline="") as file:
        assert torch.tensor([float(row["loss"]) for row in csv.DictReader(file)]).isfinite().all()
