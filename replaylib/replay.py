"""Where replayed samples come from: one verb, ``sample(n)``.

A source of replay is told when a task begins and when it has ended, and between the two gives samples of earlier
tasks: none at all, stored ones, or anything else a new source can think of.
"""

from typing import Protocol

import torch

from replaylib.errors import InputError
from replaylib.scenarios import Batch, Stream


class Replay(Protocol):
    """What `replaylib.train.train` asks of a source of replay. Subclass it, or only have its methods."""

    def sample(self, n: int) -> Batch | None:
        """``n`` replayed samples of the tasks that have ended; None while, or if, there is nothing to replay."""

    def end(self, task: int) -> None:
        """Task number ``task`` has been trained and its data are about to go: keep what later replay needs."""

    @property
    def nbytes(self) -> int:
        """Bytes of training data that are kept for replay."""


class Nothing:
    """No replay."""

    nbytes = 0

    def sample(self, n: int) -> None:
        return None

    def end(self, task: int) -> None:
        pass


class Everything:
    """All data of all earlier tasks, the current task's half of the batch aside: the upper bound ("joint").

    With the losses of current and replayed samples weighted 1/t and 1 - 1/t, a step's expected gradient is that of
    training on the union of all tasks so far. Nothing is copied: the training data themselves are the store.

    Parameters
    ----------
    stream : where the data are.
    generator : draws the samples, on the stream's device.
    """

    def __init__(self, stream: Stream, generator: torch.Generator) -> None:
        self.stream, self.generator = stream, generator
        self.rows = torch.empty(0, dtype=torch.long, device=stream.device)
        self.task = self.rows.clone()

    def sample(self, n: int) -> Batch | None:
        if not len(self.rows):
            return None
        picks = torch.randint(len(self.rows), (n,), generator=self.generator, device=self.rows.device)
        return self.stream.batch(self.rows[picks], self.task[picks])

    def end(self, task: int) -> None:
        rows = self.stream.rows(task)
        self.rows = torch.cat([self.rows, rows])
        self.task = torch.cat([self.task, torch.full_like(rows, task)])

    @property
    def nbytes(self) -> int:
        data = self.stream.data.train
        return len(self.rows) * data.nbytes // len(data)


class Buffer:
    """Exact replay from a store with a budget: raw copies of a few samples of every class, replayed uniformly.

    Parameters
    ----------
    stream : where the data come from. Samples are copied as they are stored there (one byte a pixel for images).
    budget : how many samples a class.
    policy : ``"balanced"`` keeps a random ``budget`` of each class (all of a class that has fewer).
        ``"reservoir"`` holds as many in all, budget x classes of the whole stream, and keeps every sample that ever
        passed with the same probability (Vitter 1985): it is filled from the first task on, thins out what it holds
        as more arrives, and needs no class labels to decide.
    generator : decides what is kept and what is drawn, on the stream's device.

    Raises
    ------
    InputError : a budget below 1 or an unknown policy.
    """

    POLICIES = ("balanced", "reservoir")

    def __init__(self, stream: Stream, budget: int, policy: str, generator: torch.Generator) -> None:
        self.check(budget, policy)
        self.stream, self.generator = stream, generator
        self.budget, self.policy = budget, policy
        self.images = stream.data.train.images[:0]
        self.y = torch.empty(0, dtype=torch.long, device=stream.device)
        self.task = self.y.clone()
        self.key = torch.empty(0, device=stream.device)

    @classmethod
    def check(cls, budget: int, policy: str) -> None:
        """Raise `InputError` for a budget below 1 or an unknown policy."""
        if budget < 1:
            raise InputError(f"budget is {budget}: nothing would be stored; give 1 or more, or use method none")
        if policy not in cls.POLICIES:
            raise InputError(f"unknown policy {policy!r}: choose {' or '.join(cls.POLICIES)}")

    def __len__(self) -> int:
        return len(self.y)

    def sample(self, n: int) -> Batch | None:
        if not len(self):
            return None
        device = self.y.device
        picks = torch.randint(len(self), (n,), generator=self.generator, device=device)
        x = self.stream.data.train.inputs(self.images[picks])
        return Batch(x, self.y[picks], self.task[picks])

    def end(self, task: int) -> None:
        rows = self.stream.rows(task)
        # A uniform random key for every sample that ever passes: those with the smallest
        # keys are a uniform random subset, of a class or of the whole past, and stay one
        # when later samples push some out.
        key = torch.rand(len(rows), generator=self.generator, device=rows.device)
        capacity = self.budget * self.stream.classes.numel()
        if self.policy == "balanced":
            y = self.stream.targets(rows, torch.full_like(rows, task))
            classes = [(y == unit).nonzero()[:, 0] for unit in y.unique()]
            keep = torch.cat([one[key[one].argsort()[: self.budget]] for one in classes])
        else:
            keep = key.argsort()[:capacity]
        rows, key = rows[keep], key[keep]
        seen_as = torch.full_like(rows, task)
        self.images = torch.cat([self.images, self.stream.raw(rows, seen_as)])
        self.y = torch.cat([self.y, self.stream.targets(rows, seen_as)])
        self.task = torch.cat([self.task, seen_as])
        self.key = torch.cat([self.key, key])
        if len(self) > capacity:
            keep = self.key.argsort()[:capacity]
            self.images, self.y = self.images[keep], self.y[keep]
            self.task, self.key = self.task[keep], self.key[keep]

    @property
    def nbytes(self) -> int:
        """Bytes of the stored images and their labels."""
        return self.images.nbytes + self.y.nbytes
