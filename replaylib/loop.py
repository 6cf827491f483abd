"""The loop over tasks and steps, on one screen."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from replaylib.errors import InputError
from replaylib.names import PRECISIONS as PRECISIONS
from replaylib.nets import Network
from replaylib.penalties import Penalty
from replaylib.replay import Replay
from replaylib.scenarios import Batch, Part, Stream

Watch = Callable[[int, int, Network], None]
StepLoss = Callable[[Stream, Network, int, Batch, Batch | None, Tensor], Tensor]
Step = Callable[[], None]


class Diverged(InputError):
    """Training was stopped at a loss or a gradient that is no finite number.

    Attributes
    ----------
    net : the network as the last good step left it, running statistics included.
    task, step : where, both counted from 1.
    place : of this network, among those that were trained together; 0 for one alone.
    """

    def __init__(self, net: Network, task: int, step: int, method: str = "training", place: int = 0) -> None:
        where = f"{method}: the loss or its gradient stopped being finite in task {task}, step {step}"
        super().__init__(f"{where}; check the data for nan, or use a smaller learning rate or penalty")
        self.net, self.task, self.step, self.place = net, task, step, place


class Result(NamedTuple):
    """``matrix`` (tasks, tasks) and ``untrained`` (tasks,): accuracies in percent, see `replaylib.metrics`."""

    matrix: Tensor
    untrained: Tensor


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
    precision: str = "float32",
    step_loss: StepLoss | None = None,
    capture: Callable[[Step], Step] | None = None,
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
    precision : ``"float32"``, or ``"bfloat16"`` for the layers' products alone.
    step_loss : computes what `objective` does, in its place; see
        `replaylib.lab.fast.compiled_objective`.
    capture : makes, of a task's step, something that repeats it; see
        `replaylib.lab.capture.Captured`.
    watch : called as ``watch(task, step, net)`` after every step, to look only;
        steps count from 1 within a task.

    Raises
    ------
    Diverged : the loss, or its gradient, is no longer finite. The step is not
        taken: the network is left as the last good step made it.
    """
    # Its state is carried over from task to task (van de Ven et al. 2020, Methods).
    optimizer = adam(net.parameters(), lr, capture is not None)
    guard = Guard(optimizer, [net], iterations)
    loss_of = step_loss or objective

    def step(task: int) -> None:
        current = stream.draw(task, batch, generator)
        with products_in(precision, stream.device):
            old = replay.sample(replayed or batch)
            samples = batch if old is None else batch + len(old.y)
            size = (samples, net.noise_dim)
            noise = torch.randn(size, generator=generator, device=stream.device)
            loss = loss_of(stream, net, task, current, old, noise)
        if penalty:
            loss = loss + penalty()
        optimizer.zero_grad()
        loss.backward()
        gradients = [p.grad[None] for p in net.parameters() if p.grad is not None]
        guard.before_step(gradients, loss)
        optimizer.step()
        if penalty:
            penalty.step()

    untrained = evaluate(stream, net, seen=0)
    rows = []
    for task in range(stream.tasks):
        if penalty:
            penalty.begin(task)
        take_step = capture(partial(step, task)) if capture else partial(step, task)
        for taken in range(iterations):
            take_step()
            guard.after_step()
            if watch:
                watch(task, taken + 1, net)
        guard.stop_if_spoilt()
        if penalty:
            penalty.end(task)
        replay.end(task)
        rows.append(evaluate(stream, net, seen=task + 1))
    return Result(torch.stack(rows), untrained)


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


def adam(parameters: Iterable[Tensor], lr: float, capturable: bool = False) -> torch.optim.Adam:
    """The published optimizer, as one kernel; ``capturable``: all that its step depends on stays on the device."""
    return torch.optim.Adam(parameters, lr, betas=(0.9, 0.999), fused=True, capturable=capturable)


def products_in(precision: str, device: torch.device) -> torch.autocast:
    """Where it is entered, matrix products of layers are computed in that precision; parameters stay float32.

    Raises `InputError` for a precision other than ``"float32"`` and ``"bfloat16"``.
    """
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}: choose {' or '.join(PRECISIONS)}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class Guard:
    """Sees to it that no step is taken once a loss or a gradient is no finite number, and does not wait for the device.

    The optimizer itself leaves such a step out, and every one after it, where it computes: a fused optimizer looks at
    ``found_inf``, as gradient scaling for mixed precision uses it. On a GPU the host asks only now and then. Running
    statistics, which the forward pass of such a step has changed already, are put back as they were.

    Parameters
    ----------
    optimizer : a fused one.
    nets : that it trains, at least one.
    iterations : steps a task.
    every : steps between two looks; by default 1 on a CPU, where looking costs nothing, and 100 elsewhere.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, nets: Sequence[Network], iterations: int, every: int | None = None
    ) -> None:
        device = next(nets[0].parameters()).device
        self.nets, self.iterations = nets, iterations
        self.every = every or (1 if device.type == "cpu" else 100)
        self.steps = 0
        self.spoilt = torch.zeros((), device=device)
        self.taken = torch.zeros((), device=device)
        self.bad = torch.zeros(len(nets), dtype=torch.bool, device=device)
        layers = [layer for net in nets for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
        self.statistics = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]
        optimizer.found_inf = self.spoilt  # type: ignore[attr-defined]

    @torch.no_grad()
    def before_step(self, gradients: Sequence[Tensor], loss: Tensor) -> None:
        """Look at the loss, a scalar, and at the gradients of the S networks, (S, \\*shape) each, on the device."""
        # Squares, as Adam takes them: a gradient whose square overflows would stop learning silently.
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        finite = (loss + norms.sum()).isfinite()
        # The first bad step says which network it would have spoilt.
        self.bad.copy_(torch.where(self.spoilt.bool(), self.bad, ~norms.isfinite()))
        self.spoilt.copy_(torch.maximum(self.spoilt, (~finite).float()))
        self.taken += 1 - self.spoilt
        for now, good in self.statistics:
            now.copy_(good.copy_(torch.where(self.spoilt.bool(), good, now)))

    def after_step(self) -> None:
        """Count the step, and raise `Diverged`, if it is time to ask, as `stop_if_spoilt` does."""
        self.steps += 1
        if self.steps % self.every == 0:
            self.stop_if_spoilt()

    def stop_if_spoilt(self) -> None:
        """Raise `Diverged`, with the step that was the first not to be taken, if there was one."""
        if self.spoilt:
            task, step = divmod(int(self.taken), self.iterations)
            place = int(self.bad.int().argmax())
            raise Diverged(self.nets[place], task + 1, step + 1, place=place)


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
