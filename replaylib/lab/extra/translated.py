"""Samples of the current task, moved to where earlier classes lay (FeTrIL: Petit et al. 2023)."""

import torch
from torch import Tensor

from replaylib.errors import InputError
from replaylib.lab.extra.slda import check_each_class_once
from replaylib.lab.parts import Parts, Plan
from replaylib.nets import Network
from replaylib.replay import Taught
from replaylib.scenarios import Stream


class TranslatedReplay(Taught):
    """Replays x - mean(class of x) + mean(earlier class), with x a sample of the current task.

    A mean is all that is stored of a class; the form of its distribution is lent by
    the classes of the current task. FeTrIL takes x from the new class whose mean is
    most similar, and gives a linear classifier the earlier class as the label; here
    x is of any class of the current task, and the previous network labels it.

    Parameters
    ----------
    stream : of features (n, d), or of images, whose pixels are taken for features.
    net, generator : see `replaylib.replay.Generated`.

    Raises
    ------
    InputError : a class in several tasks.
    """

    state = (*Taught.state, "mean", "counted")

    def __init__(
        self,
        stream: Stream,
        net: Network,
        generator: torch.Generator,
    ) -> None:
        super().__init__(stream, net, generator, soft=True)
        check_each_class_once(stream, "a mean for each class")
        shape = stream.outputs, *stream.data.train.shape
        self.mean = torch.zeros(shape, device=stream.device)
        #: Tasks whose means are known.
        self.counted = 0

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """Samples (n, \\*shape), and the task (n,) that each stands for.

        Raises `InputError` after the last task, which has no current one.
        """
        now = self.teacher.seen
        self._count(now)
        y, task = self.stream.draw_units(now, n, self.generator)
        current = self.stream.draw(now, n, self.generator)
        return current.x - self.mean[current.y] + self.mean[y], task

    def end(self, task: int) -> None:
        self._count(task)
        super().end(task)

    def _count(self, task: int) -> None:
        """Take the mean of each class of a task, once."""
        if task < self.counted:
            return
        if task == self.stream.tasks:
            raise InputError("the last task has ended: there is no current task whose samples could be moved")
        batch = self.stream.whole(task)
        for c in batch.y.unique().tolist():
            self.mean[c] = batch.x[batch.y == c].mean(0)
        self.counted = task + 1

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes of the means."""
        return self.mean.nbytes


def make(plan: Plan) -> Parts:
    """The parts of replay of the current task's samples, moved to earlier classes."""
    net = plan.classifier()
    return Parts(net, TranslatedReplay(plan.stream, net, plan.drawing))
