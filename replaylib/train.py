"""The loop over tasks and steps, on one screen."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from replaylib.errors import InputError
from replaylib.nets import Classifier
from replaylib.replay import Replay
from replaylib.scenarios import Batch, Part, Stream

Watch = Callable[[int, int, Classifier], None]


class Result(NamedTuple):
    """``matrix`` (tasks, tasks) and ``untrained`` (tasks,): accuracies in percent, see `replaylib.metrics`."""

    matrix: Tensor
    untrained: Tensor


def train(
    stream: Stream,
    net: Classifier,
    replay: Replay,
    generator: torch.Generator,
    *,
    iterations: int,
    batch: int,
    lr: float,
    watch: Watch | None = None,
) -> Result:
    """Train a network on one task after another, and test it on all tasks after each.

    Parameters
    ----------
    generator : draws the current task's samples, on the stream's device.
    iterations : steps a task.
    batch : samples of the current task a step; as many are replayed.
    watch : called as ``watch(task, step, net)`` after every step, to look only;
        steps count from 1 within a task.

    Raises
    ------
    InputError : the loss is no longer finite; names the task.
    """
    # Its state is carried over from task to task (van de Ven et al. 2020, Methods).
    optimizer = torch.optim.Adam(net.parameters(), lr, betas=(0.9, 0.999), fused=True)
    untrained = evaluate(stream, net, seen=0)
    rows = []
    for task in range(stream.tasks):
        finite = torch.ones((), dtype=torch.bool, device=stream.device)
        for step in range(iterations):
            current = stream.draw(task, batch, generator)
            loss = objective(stream, net, task, current, replay.sample(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            finite &= loss.isfinite()
            if watch:
                watch(task, step + 1, net)
        if not finite:
            problem = f"the loss stopped being a finite number in task {task + 1}"
            raise InputError(f"{problem}: use a smaller learning rate")
        replay.end(task)
        rows.append(evaluate(stream, net, seen=task + 1))
    return Result(torch.stack(rows), untrained)


def objective(
    stream: Stream,
    net: Classifier,
    task: int,
    current: Batch,
    replayed: Batch | None,
) -> Tensor:
    """The loss of one step, a scalar.

    When t tasks have arrived, current samples weigh 1/t and replayed ones 1 - 1/t
    (van de Ven et al. 2020, Methods).
    """
    seen = task + 1

    def loss(batch: Batch) -> Tensor:
        active = stream.active(batch.task, seen)
        return classification_loss(net(batch.x), batch.y, active)

    if replayed is None:
        return loss(current)
    return loss(current) / seen + (1 - 1 / seen) * loss(replayed)


def classification_loss(logits: Tensor, y: Tensor, active: Tensor) -> Tensor:
    """Cross-entropy over the active output units, averaged over the batch.

    Parameters
    ----------
    logits, active : (n, outputs), the second bool.
    y : (n,) int64, the target units.
    """
    return F.cross_entropy(logits.masked_fill(~active, -torch.inf), y)


@torch.no_grad()
def evaluate(stream: Stream, net: Classifier, seen: int, part: Part = "test", chunk: int = 10_000) -> Tensor:
    """Accuracy on every task, in percent, when ``seen`` tasks have arrived: (tasks,) float64 on the CPU.

    nan for a task whose output units do not exist yet (class-incremental learning).
    """
    return torch.stack([_accuracy(stream, net, task, seen, part, chunk) for task in range(stream.tasks)])


def _accuracy(stream: Stream, net: Classifier, task: int, seen: int, part: Part, chunk: int) -> Tensor:
    correct = []
    for rows in stream.rows(task, part).split(chunk):
        x, y, tasks = stream.batch(rows, torch.full_like(rows, task), part)
        active = stream.active(tasks, seen)
        if not active.gather(1, y[:, None]).all():
            return torch.tensor(torch.nan, dtype=torch.float64)
        correct.append(net(x).masked_fill(~active, -torch.inf).argmax(1) == y)
    return 100 * torch.cat(correct).cpu().double().mean()
