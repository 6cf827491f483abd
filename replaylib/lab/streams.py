"""The library's kinds of stream and its optimizers, by name: made with PyTorch, and listed without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from replaylib.errors import InputError
from replaylib.lab.tables import OPTIMIZERS, STREAMS

#: In which order classes arrive, see `replaylib.scenarios.class_order`.
ORDERS = ("random", "labels")

if TYPE_CHECKING:
    import torch

    from replaylib.data.dataset import Split
    from replaylib.scenarios import Stream


def split(data: Split, scenario: str, tasks: int, seed: int, order: str | None) -> Stream:
    """Classes are shared out over tasks, equally many to each: see `replaylib.scenarios.split_stream`."""
    from replaylib.scenarios import split_stream

    return split_stream(data, scenario, tasks, seed, order)


def uneven(data: Split, scenario: str, tasks: int, seed: int, order: str | None) -> Stream:
    """Classes are shared out over any number of tasks; where they do not divide by it, the first tasks have one more.

    Other sizes are a `replaylib.scenarios.Stream` of your own; its ``classes`` hold -1 where a task has fewer.

    Raises
    ------
    InputError : unknown scenario, fewer than 2 tasks, more tasks than classes, a task with a single class where there
        is more to tell apart, or a class without samples.
    """
    import torch

    from replaylib.scenarios import Stream, class_order

    classes = len(data.train.classes)
    if not 2 <= tasks <= classes:
        raise InputError(f"{classes} classes cannot be shared out over {tasks} tasks: ask for 2 to {classes}")
    if scenario != "class" and classes // tasks < 2:
        raise InputError(f"{tasks} tasks of {classes} classes leave nothing to tell apart within some: ask for fewer")
    per_task = -(-classes // tasks)
    in_order = class_order(classes, seed, order)
    table = torch.full((tasks, per_task), -1)
    for task, labels in enumerate(in_order.tensor_split(tasks)):
        table[task, : len(labels)] = labels
    return Stream(scenario, data, table.to(data.train.labels.device))


def drawn(data: Split, scenario: str, tasks: int, seed: int, order: str | None) -> Stream:
    """As `split`, of training samples drawn from the Gaussian of their class, see `replaylib.lab.extra.slda.drawn`.

    They are drawn once, as many of each class as there are real ones. Tests are of real samples. Current and replayed
    samples are then both Gaussian, if replay draws from Gaussians, as ``slda-replay`` does.
    """
    from replaylib.lab.extra.slda import drawn as drawn_of

    return split(drawn_of(data, seed), scenario, tasks, seed, order)


def permuted(data: Split, scenario: str, tasks: int, seed: int, order: str | None) -> Stream:
    """Every task has all classes, and the pixels in an order of its own: `replaylib.scenarios.permuted_stream`."""
    from replaylib.scenarios import permuted_stream

    return permuted_stream(data, scenario, tasks, seed)


def text(data: Split, scenario: str, tasks: int, seed: int, order: str | None) -> Stream:
    """Every task is a collection of texts, whose classes are the characters: see `replaylib.data.texts`.

    ``order`` is that of the collections. A character that a collection has no samples of has a unit that is not active.

    Raises
    ------
    InputError : unknown scenario, data that are no collections of texts, more tasks than there are, or fewer than 2.
    """
    import torch

    from replaylib.data.texts import ALPHABET, KINDS
    from replaylib.scenarios import Stream, class_order

    count, each = len(KINDS), len(ALPHABET)
    if len(data.train.classes) != count * each:
        raise InputError(
            f"{data.train.name} has no collections of text: use python-text, or another stream, e.g. split"
        )
    if not 2 <= tasks <= count:
        raise InputError(f"there are {count} collections of text, {', '.join(KINDS)}: ask for 2 to {count} tasks")
    device = data.train.labels.device
    labels = torch.arange(count * each, device=device).view(count, each)
    there = torch.stack([part.labels.bincount(minlength=count * each) for part in data]).amin(0).view(count, each) > 0
    kinds = class_order(count, seed, order)[:tasks].to(device)
    return Stream(scenario, data, labels.where(there, -1)[kinds])


def adam(parameters: Iterable[torch.Tensor], lr: float) -> torch.optim.Optimizer:
    """Adam with betas 0.9 and 0.999 (Kingma & Ba 2015), as published."""
    from replaylib.steps import adam

    return adam(parameters, lr)


def sgd(parameters: Iterable[torch.Tensor], lr: float) -> torch.optim.Optimizer:
    """Stochastic gradient descent, without momentum."""
    import torch

    return torch.optim.SGD(parameters, lr)


for _make in (split, uneven, drawn, permuted, text):
    STREAMS.add(_make.__name__, _make, _make)
for _optimizer in (adam, sgd):
    OPTIMIZERS.add(_optimizer.__name__, _optimizer, _optimizer)
