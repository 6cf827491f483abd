"""Loss and accuracy over the steps of a run, as CSV and as a stream of events that TensorBoard reads."""

import csv
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch

from replaylib.data.files import replacing, writable
from replaylib.lab.experiments import Experiment
from replaylib.loop import Training

#: How often a task's steps are written, and at how many of these moments the networks are tested as well.
MOMENTS, TESTS = 100, 5
MISSING = "no TensorBoard stream is written, for tensorboard is not installed: pip install 'replaylib[log]'"


class Log:
    """A watch for `replaylib.train` that writes what it sees; it changes nothing of what is trained.

    Of each seed ``FOLDER/ID.csv`` has a row at each moment: ``task`` and ``step``, both from 1; ``loss``, the mean
    since the row before, without penalties; and where the network was tested, ``accuracy``, the mean over the tasks
    seen so far, and ``accuracy_1`` and so on of each, in percent. ``FOLDER/ID/`` has the same for TensorBoard, by the
    steps of all tasks. Of a run that goes on from where it was stopped, rows after that place are written anew.

    Parameters
    ----------
    folder : made if it is not there.
    group : the experiments that are trained as one, in their order.
    say : called with a line if TensorBoard's writer is not there; the CSV is written nevertheless.

    Attributes
    ----------
    seconds : that all this has taken.

    Raises
    ------
    InputError : the folder cannot be written.
    """

    def __init__(self, folder: Path, group: Sequence[Experiment], say: Callable[[str], None] = print) -> None:
        writable(folder)
        self.folder, self.group, self.seconds = folder, group, 0.0
        first = group[0]
        self.every = -(-first.iterations // MOMENTS)
        # The last step of a task is always one of them.
        self.tests = {first.iterations - part * first.iterations // TESTS for part in range(TESTS)} - {0}
        self.columns = ["task", "step", "loss", "accuracy", *(f"accuracy_{t + 1}" for t in range(first.tasks))]
        self.total: torch.Tensor | None = None
        self.count = 0
        self.files: list[TextIO] = []
        self.events: list[Any] = []
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.writer: Any = SummaryWriter
        except ImportError:
            self.writer = None
            say(MISSING)

    def __call__(self, now: Training) -> None:
        began = time.perf_counter()
        if self.total is None:
            self._open(now)
        # Added up where it is computed: to read each loss would make the host wait for a GPU at every step.
        if self.total is None:  # Apple GPUs have no float64
            self.total = now.loss.float() if now.loss.device.type == "mps" else now.loss.double()
        else:
            self.total = self.total + now.loss
        self.count += 1
        tested = now.step in self.tests
        if tested or now.step % self.every == 0:
            self._write(now, tested)
            self.total, self.count = torch.zeros_like(self.total), 0
        self.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Write what is left, and close all files."""
        for one in (*self.files, *self.events):
            one.close()

    def _open(self, now: Training) -> None:
        """The files, with what was written before the step that is the first one now."""
        before = now.task * self.group[0].iterations + now.step - 1
        for description in self.group:
            path = self.folder / f"{description.id}.csv"
            kept = [self.columns]
            if before and path.is_file():
                with path.open(newline="") as file:
                    kept += [row for row in list(csv.reader(file))[1:] if self._steps(*map(int, row[:2])) <= before]
            text = io.StringIO()
            csv.writer(text).writerows(kept)
            with replacing(path, "choose another folder for the log") as part:
                part.write_text(text.getvalue())
            self.files.append(path.open("a", newline=""))
            if self.writer:
                self.events.append(self.writer(str(self.folder / description.id), purge_step=before + 1))

    def _steps(self, task: int, step: int) -> int:
        """Of all tasks, for a task and a step that are counted from 1."""
        return (task - 1) * self.group[0].iterations + step

    def _write(self, now: Training, tested: bool) -> None:
        assert self.total is not None
        losses = (self.total / self.count).tolist()
        accuracies = now.learner.test(now.task + 1).tolist() if tested else [[]] * len(losses)
        here = self._steps(now.task + 1, now.step)
        for place, (file, loss, each) in enumerate(zip(self.files, losses, accuracies, strict=True)):
            seen = each[: now.task + 1]
            mean = [sum(seen) / len(seen)] if seen else [""]
            blank = [""] * (len(self.columns) - 4 - len(seen))
            csv.writer(file).writerow([now.task + 1, now.step, loss, *mean, *seen, *blank])
            file.flush()
            if self.events:
                self.events[place].add_scalar("loss", loss, here)
                for name, value in zip(self.columns[3:], [*mean, *seen] if seen else [], strict=False):
                    self.events[place].add_scalar(name.replace("_", "/task "), value, here)
