"""Where replayed samples come from: one verb, ``sample(n)``.

A source of replay is told when a task has ended, and from then on gives samples of it as well: none at all, stored
ones, or anything else a new source can think of.
"""

import copy
from typing import Protocol, cast

import torch
from torch import Tensor

from replaylib.errors import POLICIES, InputError
from replaylib.generative import BrainNet
from replaylib.nets import TEMPERATURE, Network, soft_targets
from replaylib.scenarios import Batch, Stream


class Replay(Protocol):
    """What `replaylib.train` asks of a source of replay. Subclass it, or only have its methods.

    So that a stopped run can go on, its class also has ``state``, the names of the attributes that change in training.
    """

    def sample(self, n: int) -> Batch | None:
        """``n`` replayed samples of the tasks that have ended; None while, or if, there is nothing to replay."""

    def end(self, task: int) -> None:
        """Task number ``task`` has been trained and its data are about to go: keep what later replay needs."""

    @property
    def nbytes(self) -> int:
        """Bytes of training data that are kept for replay."""


class Nothing:
    """No replay."""

    state = ()
    nbytes = 0

    def sample(self, n: int) -> None:
        return None

    def end(self, task: int) -> None:
        pass


class Everything:
    """All data of all earlier tasks, the current task's half of the batch aside: the upper bound ("joint").

    With the losses of current and replayed samples weighted 1/t and 1 - 1/t, a step's expected gradient is that of
    training on the union of all tasks so far, if tasks are of equal size: the current task weighs 1/t
    whatever its size. Nothing is copied: the training data themselves are the store.

    Parameters
    ----------
    stream : where the data are.
    generator : draws the samples, on the stream's device.
    """

    state: tuple[str, ...] = ("rows", "task", "generator")

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
    per_class : how many samples a class.
    policy : ``"balanced"`` keeps a random ``per_class`` of each class (all of a class that has fewer).
        ``"reservoir"`` holds as many in all, per_class x classes of the whole stream, and keeps every sample that ever
        passed with the same probability (Vitter 1985): it is filled from the first task on, thins out what it holds
        as more arrives, and needs no class labels to decide.
    generator : decides what is kept and what is drawn, on the stream's device.

    Raises
    ------
    InputError : a budget below 1 or an unknown policy.
    """

    POLICIES = POLICIES
    state: tuple[str, ...] = ("images", "y", "task", "key", "generator")

    def __init__(self, stream: Stream, per_class: int, policy: str, generator: torch.Generator) -> None:
        if per_class < 1:
            raise InputError(f"per_class is {per_class}: nothing would be stored; give 1 or more, or use method none")
        if policy not in self.POLICIES:
            raise InputError(f"unknown policy {policy!r}: choose {' or '.join(self.POLICIES)}")
        self.stream, self.generator = stream, generator
        self.per_class, self.policy = per_class, policy
        self.images = stream.data.train.images[:0].clone()  # a view would be stored with all that it is a view of
        self.y = torch.empty(0, dtype=torch.long, device=stream.device)
        self.task = self.y.clone()
        self.key = torch.empty(0, device=stream.device)

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
        capacity = self.per_class * int((self.stream.classes >= 0).sum())
        if self.policy == "balanced":
            y = self.stream.targets(rows, torch.full_like(rows, task))
            classes = [(y == unit).nonzero()[:, 0] for unit in y.unique()]
            keep = torch.cat([one[key[one].argsort()[: self.per_class]] for one in classes])
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


class Teacher:
    """A frozen copy of the network as it was when the last task ended; it says what replayed samples stand for.

    Parameters
    ----------
    stream : says which output units a sample's class is chosen among.
    net : the network that learns; copied when a task ends.
    soft : True: samples are labelled with soft targets (distillation); False: with the unit that is chosen.
    """

    state = ("copy", "seen")

    def __init__(self, stream: Stream, net: Network, soft: bool) -> None:
        self.stream, self.net, self.soft = stream, net, soft
        self.copy = copy.deepcopy(net).requires_grad_(False).eval()
        self.seen = 0

    def end(self, task: int) -> None:
        """Learn what the network knows now."""
        # In place: what has been captured as a graph holds on to these tensors.
        self.copy.load_state_dict(self.net.state_dict())
        self.seen = task + 1

    @torch.no_grad()
    def label(self, x: Tensor, task: Tensor, copy: Network | None = None) -> Batch:
        """x (n, \\*shape) as samples of tasks ``task`` (n,), labelled by the copy.

        Task-incremental, a sample is labelled as one of its task's classes, whatever it
        looks like. ``copy`` is whom to ask in the copy's place: `replaylib.lab.fast` asks
        those of many seeds at once.
        """
        active = self.stream.active(task, self.seen)
        logits = (copy or self.copy)(x, task).masked_fill(~active, -torch.inf)
        if not self.soft:
            return Batch(x, logits.argmax(1), task)
        temperature = torch.full_like(logits[:, 0], TEMPERATURE)
        return Batch(x, logits.argmax(1), task, soft_targets(logits, active), temperature)


class Taught:
    """Replay that the network itself, as it was when the last task ended, takes part in; a base class.

    Subclasses say what is drawn at random, `draw`, and what the copy makes of it, `complete`: a pure function of the
    copy's parameters and of what was drawn, so that many seeds can be completed as one.
    """

    state: tuple[str, ...] = ("teacher", "generator")
    nbytes = 0

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator, soft: bool) -> None:
        self.stream, self.generator = stream, generator
        self.teacher = Teacher(stream, net, soft)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """Everything random about ``n`` samples."""
        raise NotImplementedError

    def complete(self, copy: Network, *drawn: Tensor) -> Batch:
        """The samples, from the copy of the network and what `draw` gave.

        Unless a subclass says otherwise, it gave inputs and the task (n,) of each, and the copy labels them.
        """
        x, task = drawn
        return self.teacher.label(x.view(len(x), *self.stream.data.train.shape), task, copy)

    @torch.no_grad()
    def sample(self, n: int) -> Batch | None:
        return self.complete(self.teacher.copy, *self.draw(n)) if self.teacher.seen else None

    def end(self, task: int) -> None:
        self.teacher.end(task)


class CurrentTask(Taught):
    """The current task's inputs, labelled by the previous network: learning without forgetting (Li & Hoiem 2017).

    Class-incremental, the targets of the new classes are zero, as with all replay with soft targets; Li & Hoiem's own
    loss leaves the new classes' units out. Task-incremental, each input stands for one earlier task, drawn uniformly.
    (The reference code lets it stand for all of them, which has the same expectation and costs a pass for each.) The
    inputs are drawn anew; the reference code takes those of the current batch. The previous network's answers weigh
    as in all replay with soft targets; see `replaylib.lab.extra.lwf` for others.

    Parameters
    ----------
    stream : where the inputs come from.
    net : the network that learns.
    generator : draws the samples, on the stream's device.
    """

    state = Taught.state  # said anew: a stopped run goes on only with what says that nothing is missing

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator) -> None:
        super().__init__(stream, net, generator, soft=True)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """``n`` inputs of the current task, and the task that each stands for; `InputError` after the last task."""
        if self.teacher.seen == self.stream.tasks:
            raise InputError("the last task has ended: there is no current task whose inputs could be replayed")
        x = self.stream.draw(self.teacher.seen, n, self.generator).x
        return x, self.stream.draw_units(self.teacher.seen, n, self.generator)[1]


class Generated(Taught):
    """Generative replay: the network as it was when the last task ended imagines samples and labels them.

    The class that a sample is imagined from is drawn uniformly, and is not its target: the label is what the previous
    network makes of the result (van de Ven et al. 2020, Methods). Task-incremental, the sample stands for the task of
    that class; without conditional replay or gating this is a task drawn uniformly.

    Parameters
    ----------
    stream : says which classes there have been.
    net : the network that learns and imagines, with ``generate(y, task, noise)`` and ``noise_dim``, as `BrainNet`.
    generator : draws classes and noise, on the stream's device.
    soft : whether samples are labelled with soft targets; None: as the network's `replaylib.brain.Brain` says, if any.

    Raises `InputError` for a network that does not imagine.
    """

    state = Taught.state  # said anew: a stopped run goes on only with what says that nothing is missing

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator, soft: bool | None = None) -> None:
        if not callable(getattr(net, "generate", None)) or net.noise_dim < 1:
            kind = type(net).__name__
            raise InputError(f"a {kind} does not imagine samples: give it generate(y, task, noise) and noise_dim")
        said = getattr(getattr(net, "brain", None), "distill", False) if soft is None else soft
        super().__init__(stream, net, generator, soft=said)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        y, task = self.stream.draw_units(self.teacher.seen, n, self.generator)
        noise = torch.randn(n, self.teacher.net.noise_dim, generator=self.generator, device=y.device)
        return y, task, noise

    def complete(self, copy: Network, *drawn: Tensor) -> Batch:
        y, task, noise = drawn
        x = cast(BrainNet, copy).generate(y, task, noise)
        return self.teacher.label(x.view(len(x), *self.stream.data.train.shape), task, copy)
