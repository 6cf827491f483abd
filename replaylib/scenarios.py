"""A stream of tasks, and the one rule that tells the three continual-learning scenarios apart.

Tasks arrive one after another, each with its own data. The three scenarios (van de Ven, Tuytelaars & Tolias 2022,
Nature Machine Intelligence) differ only in the output units among which a sample's class is chosen:

- ``"task"``: the units of the sample's own task (the task is known);
- ``"domain"``: all units, which every task shares (the task is not known, and need not be);
- ``"class"``: the units of all classes seen so far (the task is not known, and must be inferred).

`Stream.active` states this rule as a mask. Training, testing and replay use the mask and never ask for the scenario.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from replaylib.data.dataset import Dataset, Split
from replaylib.errors import SCENARIOS as SCENARIOS
from replaylib.errors import InputError, unknown

Part = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class Batch:
    r"""Samples on their way into a network.

    ``x`` (n, \\*shape) float32 inputs; ``y`` (n,) int64 target output units; ``task`` (n,) int64 task of each sample.

    For distillation, ``soft`` (n, outputs) holds probabilities of the output units that take the place of ``y`` as a
    target, and ``temperature`` (n,) the temperature that they were taken at. Both are None where ``y`` is the target.

    ``current`` says how many rows, the first, are of the current task where replayed ones follow; None: all are alike.
    """

    x: Tensor
    y: Tensor
    task: Tensor
    soft: Tensor | None = None
    temperature: Tensor | None = None
    current: int | None = field(default=None, kw_only=True)

    def tensors(self) -> tuple[Tensor, ...]:
        """Those that are there, in the order of the fields: ``Batch(*batch.tensors())`` is the batch."""
        there = (self.x, self.y, self.task, self.soft, self.temperature)
        return tuple(part for part in there if part is not None)

    def with_replay(self, replayed: "Batch | None") -> "Batch":
        """These samples and then the replayed ones, as one batch; a hard target is a soft one at temperature 1."""
        if replayed is None:
            return self
        pairs = (self.x, replayed.x), (self.y, replayed.y), (self.task, replayed.task)
        x, y, task = (torch.cat(both) for both in pairs)
        if replayed.soft is None or replayed.temperature is None:
            return Batch(x, y, task, current=len(self.y))
        hard = F.one_hot(self.y, replayed.soft.shape[1]).to(replayed.soft.dtype)
        temperature = torch.cat([torch.ones_like(hard[:, 0]), replayed.temperature])
        return Batch(x, y, task, torch.cat([hard, replayed.soft]), temperature, current=len(self.y))


@dataclass(frozen=True, eq=False)
class Stream:
    """Tasks 0, 1, ... over one dataset, in one scenario. Build it with `split_stream` or `permuted_stream`.

    Attributes
    ----------
    scenario : ``"task"``, ``"domain"`` or ``"class"``.
    data : the training and the test part that all tasks draw from.
    classes : (tasks, classes per task) int64, the dataset's labels in the order of their output units; -1 where a task
        has fewer than another, for a unit that is never active.
    permutations : (tasks, pixels) int64, the order in which each task reads the pixels of a channel; None: as they are.

    Raises
    ------
    InputError : unknown scenario, fewer than 2 tasks, or a class without samples to train on or to test on.
    """

    scenario: str
    data: Split
    classes: Tensor
    permutations: Tensor | None = None
    _unit_of: Tensor = field(init=False, repr=False)
    _there: Tensor | None = field(init=False, repr=False)
    _rows: dict[str, tuple[Tensor, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise unknown("scenario", self.scenario, SCENARIOS)
        tasks, per_task = self.classes.shape
        if tasks < 2:
            raise InputError(f"a stream has at least 2 tasks, this one would have {tasks}: ask for more tasks")
        units = torch.arange(per_task, device=self.classes.device).expand(tasks, -1)
        if self.scenario != "domain":
            units = units + per_task * torch.arange(tasks, device=self.classes.device)[:, None]
        there = self.classes >= 0
        # A column beside those of the labels takes what is not there.
        labels = torch.where(there, self.classes, len(self.data.train.classes))
        unit_of = torch.full((tasks, len(self.data.train.classes) + 1), -1, device=self.classes.device)
        unit_of = unit_of.scatter(1, labels, units)[:, :-1]
        rows = {
            part: tuple((unit_of[t][data.labels] >= 0).nonzero()[:, 0] for t in range(tasks))
            for part, data in self.data._asdict().items()
        }
        for part, data in self.data._asdict().items():
            count = data.labels.bincount(minlength=len(data.classes)).tolist()
            if empty := [data.classes[c] for c in sorted(set(self.classes[there].tolist())) if not count[c]]:
                raise InputError(f"{data.name} has no sample to {part} on of class {empty[0]}: add one")
        object.__setattr__(self, "_unit_of", unit_of)
        shared = there.any(0) if self.scenario == "domain" else there
        object.__setattr__(self, "_there", None if bool(there.all()) else shared)
        object.__setattr__(self, "_rows", rows)

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return self.classes.shape[0]

    @property
    def even(self) -> bool:
        """Whether all tasks have equally many classes, so that no order of theirs changes which units are active."""
        return not self.missing

    @property
    def missing(self) -> tuple[tuple[int, ...], ...]:
        """The places in ``classes``, task and unit, where there is no class."""
        return tuple(map(tuple, (self.classes < 0).nonzero().tolist()))

    @property
    def outputs(self) -> int:
        """How many output units a network for this stream needs."""
        return self.classes.shape[1] if self.scenario == "domain" else self.classes.numel()

    @property
    def device(self) -> torch.device:
        """Where the data are, and so where training computes."""
        return self.classes.device

    def generator(self, seed: int) -> torch.Generator:
        """A random generator on the stream's device, which is where samples are drawn."""
        return torch.Generator(self.device).manual_seed(seed)

    def rows(self, task: int, part: Part = "train") -> Tensor:
        """The rows of the dataset's part that belong to a task: (n,) int64."""
        return self._rows[part][task]

    def raw(self, rows: Tensor, task: Tensor, part: Part = "train") -> Tensor:
        """Samples as they are stored, (n, \\*shape), the pixels of each in the order of its task (``task`` (n,))."""
        data: Dataset = getattr(self.data, part)
        images = data.images[rows]
        if self.permutations is None:
            return images
        order = self.permutations[task][:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, order).view_as(images)

    def targets(self, rows: Tensor, task: Tensor, part: Part = "train") -> Tensor:
        """The output unit of each sample's class, (n,) int64."""
        data: Dataset = getattr(self.data, part)
        return self._unit_of[task, data.labels[rows]]

    def batch(self, rows: Tensor, task: Tensor, part: Part = "train") -> Batch:
        """The samples at ``rows`` (n,), each seen as its task (``task`` (n,)) shows it."""
        x = self.data.train.inputs(self.raw(rows, task, part))
        return Batch(x, self.targets(rows, task, part), task)

    def whole(self, task: int, part: Part = "train") -> Batch:
        """All samples of a task, in the order of the dataset."""
        rows = self.rows(task, part)
        return self.batch(rows, torch.full_like(rows, task), part)

    def draw(self, task: int, n: int, generator: torch.Generator) -> Batch:
        """``n`` training samples of one task, drawn uniformly with replacement."""
        rows = self.rows(task)
        picks = rows[torch.randint(len(rows), (n,), generator=generator, device=rows.device)]
        return self.batch(picks, torch.full_like(picks, task))

    def draw_units(self, seen: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Output units of the first ``seen`` tasks and the tasks they stand for, drawn uniformly: both (n,) int64."""
        per_task = self.classes.shape[1]
        if self._there is not None:
            return self._draw_uneven(seen, n, generator)
        task = torch.randint(seen, (n,), generator=generator, device=self.device)
        unit = torch.randint(per_task, (n,), generator=generator, device=self.device)
        return (unit if self.scenario == "domain" else task * per_task + unit), task

    def _draw_uneven(self, seen: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        units = (self.classes[:seen] >= 0).nonzero()  # all classes equally often
        task, place = units[torch.randint(len(units), (n,), generator=generator, device=self.device)].unbind(1)
        return (place if self.scenario == "domain" else task * self.classes.shape[1] + place), task

    def active(self, task: Tensor, seen: int) -> Tensor:
        """The output units among which each sample's class is chosen.

        Parameters
        ----------
        task : (n,) int64, the task of each sample; only task-incremental looks at it.
        seen : how many tasks have arrived so far; only class-incremental looks at it.

        Returns
        -------
        (n, outputs) bool, True where a unit takes part in the softmax.
        """
        unit = torch.arange(self.outputs, device=self.device).expand(len(task), -1)
        if self.scenario == "domain":
            active = torch.ones_like(unit, dtype=torch.bool)
        else:
            task_of_unit = unit // self.classes.shape[1]
            of_task, so_far = task_of_unit == task[:, None], task_of_unit < seen
            active = of_task if self.scenario == "task" else so_far
        return active if self._there is None else active & self._there.flatten()


def class_order(classes: int, seed: int, order: str | None = None) -> Tensor:
    """The order in which classes arrive, (classes,) int64: ``"labels"``, as the labels are, or ``"random"``.

    None is the published protocols' rule: label order for seed 0, a random order for every other seed.
    """
    if order == "labels" or (order is None and seed == 0):
        return torch.arange(classes)
    return torch.randperm(classes, generator=torch.Generator().manual_seed(seed))


def split_stream(data: Split, scenario: str, tasks: int, seed: int = 0, order: str | None = None) -> Stream:
    """Share out a dataset's classes over tasks, equally many to each (Split MNIST and its kin).

    Parameters
    ----------
    tasks : how many; must divide the number of classes.
    seed, order : say which classes go to which task, see `class_order`.

    Raises
    ------
    InputError : unknown scenario, fewer than 2 tasks, a number of tasks that does not divide the classes or leaves each
        with one where there is more to tell apart, or a class without samples.
    """
    classes = len(data.train.classes)
    if tasks < 2 or classes % tasks:
        fits = ", ".join(str(n) for n in range(2, classes + 1) if classes % n == 0)
        shared = f"{classes} classes cannot be shared out equally over {tasks} tasks"
        raise InputError(f"{shared}: choose one of {fits}, or an uneven stream")
    if scenario != "class" and classes == tasks:
        raise InputError(f"{tasks} tasks of one class each leave nothing to tell apart within a task: ask for fewer")
    in_order = class_order(classes, seed, order).to(data.train.labels.device)
    return Stream(scenario, data, in_order.view(tasks, -1))


def permuted_stream(data: Split, scenario: str, tasks: int, seed: int = 0) -> Stream:
    """Every task has all classes, with the pixels in a fixed random order of the task's own (Permuted MNIST).

    The first task of seed 0 is no exception: its pixels are shuffled as well. All channels share a task's order.

    Raises
    ------
    InputError : unknown scenario, fewer than 2 tasks, a class without samples, or features rather than images.
    """
    if data.train.images.dim() != 4:
        raise InputError(f"{data.train.name} holds features, not images: pixels to permute need (n, channels, h, w)")
    if tasks < 2:
        raise InputError(f"a stream has at least 2 tasks, not {tasks}: ask for more tasks")
    height, width = data.train.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack([torch.randperm(height * width, generator=generator) for _ in range(tasks)])
    device = data.train.labels.device
    classes = torch.arange(len(data.train.classes), device=device).expand(tasks, -1)
    return Stream(scenario, data, classes, orders.to(device))
