"""The loop over tasks and steps, on one screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from replaylib.nets import Network
from replaylib.penalties import Penalty
from replaylib.replay import Replay
from replaylib.scenarios import Batch, Part, Stream
from replaylib.steps import Execution, Guard, MakeOptimizer, adam, products_in


class Result(NamedTuple):
    """``matrix`` (tasks, tasks) and ``untrained`` (tasks,): accuracies in percent, see `replaylib.metrics`."""

    matrix: Tensor
    untrained: Tensor


class Learner:
    """A network and what it learns with; `replaylib.lab.fast.Together` is the same for many seeds at once.

    Parameters
    ----------
    stream, net, replay, generator, penalty : see `train`.
    """

    def __init__(
        self, stream: Stream, net: Network, replay: Replay, generator: torch.Generator, penalty: Penalty | None = None
    ) -> None:
        self.streams: Sequence[Stream] = [stream]
        self.nets: Sequence[Network] = [net]
        self.replays: Sequence[Replay] = [replay]
        self.generators: Sequence[torch.Generator] = [generator]
        self.penalties: Sequence[Penalty] = [penalty] if penalty else []
        #: What the optimizer moves.
        self.parameters: Sequence[Tensor] = list(net.parameters())

    def losses(self, task: int, batch: int, replayed: int, execution: Execution) -> Tensor:
        """The loss of one step, before any penalty, of samples that are drawn now: one number a network."""
        [stream], [net], [generator] = self.streams, self.nets, self.generators
        current = stream.draw(task, batch, generator)
        with products_in(execution.precision, stream.device):
            old = self.replays[0].sample(replayed)
            samples = batch if old is None else batch + len(old.y)
            noise = torch.randn(samples, net.noise_dim, generator=generator, device=stream.device)
            loss = execution.objective or objective
            return loss(stream, net, task, current, old, noise)[None]

    def gradients(self) -> list[Tensor]:
        """Those of the last backward pass, each (networks, \\*shape)."""
        return [p.grad[None] for p in self.parameters if p.grad is not None]

    def forget_gradients(self) -> None:
        """Make room for those of the next backward pass. A parameter that takes no part in it will have none."""
        for p in self.parameters:
            p.grad = None

    def begin(self, task: int) -> None:
        """Task number ``task`` begins."""
        for penalty in self.penalties:
            penalty.begin(task)

    def end(self, task: int) -> None:
        """It has been trained, and its data are about to go."""
        for penalty in self.penalties:
            penalty.end(task)
        for replay in self.replays:
            replay.end(task)

    def test(self, seen: int) -> Tensor:
        """Accuracy in percent on every task when ``seen`` have arrived: (networks, tasks)."""
        return torch.stack([evaluate(stream, net, seen) for stream, net in zip(self.streams, self.nets, strict=True)])


@dataclass
class Training:
    """How far training has got, and all that going on depends on.

    Attributes
    ----------
    task, step : the task that is trained, from 0, and how many of its steps have been taken.
    loss : of the last step, before any penalty: one number a network, on the device.
    rows : accuracies after each task that has ended, (networks, tasks) each, in percent; ``untrained``, before.
    """

    learner: Learner
    optimizer: torch.optim.Optimizer
    untrained: Tensor
    rows: list[Tensor] = field(default_factory=list)
    task: int = 0
    step: int = 0
    loss: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def net(self) -> Network:
        """The network, of many the first."""
        return self.learner.nets[0]

    @property
    def stream(self) -> Stream:
        """Its stream of tasks."""
        return self.learner.streams[0]


Watch = Callable[[Training], None]


class Keeper(Protocol):
    """Keeps a training where it can be found again, for example `replaylib.lab.resume.Keeper`."""

    def restore(self, training: Training) -> None:
        """Bring it to where it was kept, if it was."""

    def after_step(self, training: Training, check: Callable[[], None]) -> None:
        """A step has been taken; ``check`` raises `Diverged` if it, or one before it, should not have been."""

    def after_task(self, training: Training) -> None:
        """A task has ended and all have been tested; ``training.task`` is the next one."""


def train(
    stream: Stream,
    net: Network,
    replay: Replay,
    generator: torch.Generator,
    *,
    iterations: int,
    batch: int,
    lr: float,
    replayed: int | None = None,
    penalty: Penalty | None = None,
    optimizer: MakeOptimizer = adam,
    execution: Execution | None = None,
    watch: Watch | None = None,
) -> Result:
    """Train a network on one task after another, and test it on all tasks after each.

    Parameters
    ----------
    net : what learns, a `replaylib.nets.Classifier` for example.
    replay : where replayed samples come from.
    generator : draws the current task's samples and the network's noise, on the
        stream's device.
    iterations : steps a task.
    batch : samples of the current task a step.
    replayed : samples replayed a step, by default as many. Their weight in the loss
        does not depend on how many they are.
    penalty : added to the loss, see `replaylib.penalties`.
    optimizer : makes one of parameters and ``lr``; its state is carried over from
        task to task (van de Ven et al. 2020, Methods).
    execution : how steps are computed, by default one by one in float32.
    watch : called after every step with the `Training`, to look only; there,
        ``step`` counts from 1 within ``task``.

    Raises
    ------
    Diverged : the loss, or its gradient, is no longer finite. The step is not
        taken: the network is left as the last good step made it.
    """
    learner = Learner(stream, net, replay, generator, penalty)
    [result] = follow(
        learner, iterations=iterations, batch=batch, lr=lr, replayed=replayed,
        optimizer=optimizer, execution=execution, watch=watch,
    )  # fmt: skip
    return result


def follow(
    learner: Learner,
    *,
    iterations: int,
    batch: int,
    lr: float,
    replayed: int | None = None,
    optimizer: MakeOptimizer = adam,
    execution: Execution | None = None,
    watch: Watch | None = None,
    keeper: Keeper | None = None,
) -> list[Result]:
    """The order of tasks, steps, tests and ends, for one network or many; see `train`.

    A result for each. ``keeper`` keeps the training where a later call finds it.
    """
    execution = execution or Execution()
    moving = execution.prepared(optimizer(learner.parameters, lr))
    now = Training(learner, moving, untrained=learner.test(seen=0))
    if keeper:
        keeper.restore(now)
    taken = now.task * iterations + now.step
    guard = Guard(moving, learner.nets, iterations, taken)

    def step(task: int) -> None:
        losses = learner.losses(task, batch, replayed or batch, execution)
        loss = losses.sum()
        for penalty in learner.penalties:
            loss = loss + penalty()
        learner.forget_gradients()
        loss.backward()
        guard.before_step(loss, losses.detach(), learner.gradients())
        moving.step()
        guard.after_step()
        for penalty in learner.penalties:
            penalty.step()
        now.loss = losses.detach()

    for task in range(now.task, now.stream.tasks):
        if now.step == 0:
            learner.begin(task)
        take_step = execution.repeated(partial(step, task))
        while now.step < iterations:
            take_step()
            now.step += 1
            guard.look()
            if watch:
                watch(now)
            if keeper:
                keeper.after_step(now, guard.stop_if_spoilt)
        guard.stop_if_spoilt()
        learner.end(task)
        now.rows.append(learner.test(seen=task + 1))
        now.task, now.step = task + 1, 0
        if keeper:
            keeper.after_task(now)
    matrices = torch.stack(now.rows, dim=1)
    return [Result(*one) for one in zip(matrices, now.untrained, strict=True)]


def objective(
    stream: Stream,
    net: Network,
    task: int,
    current: Batch,
    replayed: Batch | None,
    noise: Tensor,
) -> Tensor:
    """The loss of one step, a scalar, before any penalty.

    When t tasks have arrived, current samples weigh 1/t and replayed ones 1 - 1/t
    (van de Ven et al. 2020, Methods). All go through the network as one batch.
    ``noise`` has a row of net.noise_dim standard normal numbers for each of them.
    """
    seen = task + 1
    batch = current.with_replay(replayed)
    active = stream.active(batch.task, seen)
    losses = net.losses(batch, active, noise)
    if replayed is None:
        return losses.mean()
    new, old = losses.split([len(current.y), len(replayed.y)])
    return new.mean() / seen + (1 - 1 / seen) * old.mean()


@torch.no_grad()
def evaluate(stream: Stream, net: Network, seen: int, part: Part = "test", chunk: int = 2_500) -> Tensor:
    """Accuracy on every task, in percent, when ``seen`` tasks have arrived: (tasks,) float64 on the CPU.

    nan for a task whose output units do not exist yet (class-incremental learning).
    """
    return torch.stack([_accuracy(stream, net, task, seen, part, chunk) for task in range(stream.tasks)])


def _accuracy(stream: Stream, net: Network, task: int, seen: int, part: Part, chunk: int) -> Tensor:
    correct = []
    for rows in stream.rows(task, part).split(chunk):
        batch = stream.batch(rows, torch.full_like(rows, task), part)
        active = stream.active(batch.task, seen)
        if not active.gather(1, batch.y[:, None]).all():
            return torch.tensor(torch.nan, dtype=torch.float64)
        scores = net.scores(batch.x, batch.task).masked_fill(~active, -torch.inf)
        correct.append(scores.argmax(1) == batch.y)
    return 100 * torch.cat(correct).cpu().double().mean()
