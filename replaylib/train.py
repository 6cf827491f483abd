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
    """Train ``net`` on one task after another, replaying what ``replay`` gives, and test it on all tasks after each.

    Parameters
    ----------
    iterations, batch : steps a task, and samples of the current task a step; as many are replayed.
    generator : draws the current task's samples, on the stream's device.
    watch : called as ``watch(task, step, net)`` after every step (step counts from 1 within a task), to look only.

    Raises
    ------
    InputError : the loss is no longer finite; names the task.
    """
    # One optimizer for all tasks: its state is carried over (van de Ven et al. 2020, Methods).
    optimizer = torch.optim.Adam(net.parameters(), lr, betas=(0.9, 0.999), fused=True)
    untrained = evaluate(stream, net, seen=0)
    rows = []
    for task in range(stream.tasks):
        finite = torch.ones((), dtype=torch.bool, device=stream.device)
        for step in range(iterations):
            loss = objective(stream, net, task, stream.draw(task, batch, generator), replay.sample(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            finite &= loss.isfinite()
            if watch:
                watch(task, step + 1, net)
        if not finite:
            raise InputError(f"the loss stopped being a finite number in task {task + 1}: use a smaller learning rate")
        replay.end(task)
        rows.append(evaluate(stream, net, seen=task + 1))
    return Result(torch.stack(rows), untrained)


def objective(stream: Stream, net: Classifier, task: int, current: Batch, replayed: Batch | None) -> Tensor:
    """The loss of one step, a scalar: current and replayed samples weighted 1/t and 1 - 1/t, t tasks having arrived."""
    seen = task + 1
    loss = classification_loss(net(current.x), current.y, stream.active(current.task, seen))
    if replayed is None:
        return loss
    replay_loss = classification_loss(net(replayed.x), replayed.y, stream.active(replayed.task, seen))
    return loss / seen + (1 - 1 / seen) * replay_loss


def classification_loss(logits: Tensor, y: Tensor, active: Tensor) -> Tensor:
    """Cross-entropy over the active output units, averaged over the batch: logits and active (n, outputs), y (n,)."""
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
