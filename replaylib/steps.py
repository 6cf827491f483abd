"""How a step is computed: optimizer, precision of products, and the guard that stops at the first bad number."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from replaylib.errors import PRECISIONS, InputError
from replaylib.nets import Network

#: Steps between two looks at whether all numbers are finite, by device: looking makes the host wait for a GPU.
LOOK_EVERY = {"cpu": 1, "cuda": 100}

Step = Callable[[], None]
MakeOptimizer = Callable[[Iterable[Tensor], float], torch.optim.Optimizer]


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


@dataclass(frozen=True)
class Execution:
    """How steps are computed. What they compute changes by rounding alone.

    Attributes
    ----------
    precision : ``"float32"``, or ``"bfloat16"`` for the layers' products alone.
    objective : takes the place of `replaylib.loop.objective`; see `replaylib.lab.fast.compiled_objective`.
    capture : makes, of a task's step, something that repeats it; see `replaylib.lab.capture.Captured`.
    """

    precision: str = "float32"
    objective: Callable[..., Tensor] | None = None
    capture: Callable[[Step], Step] | None = None

    def repeated(self, step: Step) -> Step:
        """The step itself, or what repeats it."""
        return self.capture(step) if self.capture else step

    def prepared(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimizer; where steps are captured, all that its step depends on stays on the device."""
        for group in optimizer.param_groups:
            if self.capture and "capturable" in group:
                group["capturable"] = True
        return optimizer


def adam(parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """The published optimizer, as one kernel."""
    return torch.optim.Adam(parameters, lr, betas=(0.9, 0.999), fused=True)


def products_in(precision: str, device: torch.device) -> torch.autocast:
    """Where it is entered, matrix products of layers are computed in that precision; parameters stay float32.

    Raises `InputError` for a precision other than ``"float32"`` and ``"bfloat16"``.
    """
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}: choose {' or '.join(PRECISIONS)}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class Guard:
    """Leaves out every step from the first one on whose loss or gradient is no finite number, and raises `Diverged`.

    On a CPU it raises at once. On a GPU it asks only now and then, so as not to wait for the device at every step:
    until it does, the steps after a bad one are left out where they are computed. A fused optimizer does that by
    itself, as in gradient scaling for mixed precision; what any other one changed is put back, and so are running
    statistics, which the forward pass of a bad step has changed before anything is known of it.

    Parameters
    ----------
    optimizer : any.
    nets : that it trains, at least one.
    iterations : steps a task.
    taken : steps that were taken before, in all tasks.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, nets: Sequence[Network], iterations: int, taken: int = 0
    ) -> None:
        device = next(nets[0].parameters()).device
        self.nets, self.iterations = nets, iterations
        self.every = LOOK_EVERY.get(device.type, 1)
        self.steps = 0
        self.spoilt = torch.zeros((), device=device)
        self.taken = torch.full((), float(taken), device=device)
        self.bad = torch.zeros(len(nets), dtype=torch.bool, device=device)
        layers = [layer for net in nets for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._NormBase)]
        changed: list[Any] = [buffer for layer in layers for buffer in layer.buffers()]
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.found_inf = self.spoilt  # type: ignore[attr-defined]
        elif self.every > 1:
            changed += [p for net in nets for p in net.parameters() if p.requires_grad]
        self.kept = [(now, now.detach().clone()) for now in changed]

    @torch.no_grad()
    def before_step(self, loss: Tensor, losses: Tensor, gradients: Sequence[Tensor]) -> None:
        """Look at the loss, a scalar, on the device, and at what each of the S networks has of it.

        Parameters
        ----------
        losses, gradients : (S,) or, of one network, a scalar; and (S, \\*shape) each.
        """
        # Squares, as Adam takes them: a gradient whose square overflows would stop learning silently.
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        finite = (loss + norms.sum()).isfinite()
        # The first bad step says which network it would have spoilt.
        self.bad.copy_(torch.where(self.spoilt.bool(), self.bad, ~(norms + losses).isfinite()))
        self.spoilt.copy_(torch.maximum(self.spoilt, (~finite).float()))
        self.taken += 1 - self.spoilt
        if self.every == 1 and self.spoilt:
            self.after_step()
            self.stop_if_spoilt()

    @torch.no_grad()
    def after_step(self) -> None:
        """Put back what a bad step has changed, on the device."""
        for now, good in self.kept:
            now.copy_(good.copy_(torch.where(self.spoilt.bool(), good, now)))

    def look(self) -> None:
        """Count a step, and every so often raise `Diverged` as `stop_if_spoilt` does."""
        self.steps += 1
        if self.steps % self.every == 0:
            self.stop_if_spoilt()

    def stop_if_spoilt(self) -> None:
        """Raise `Diverged`, with the step that was the first not to be taken, if there was one."""
        if self.spoilt:
            task, step = divmod(int(self.taken), self.iterations)
            place = int(self.bad.int().argmax())
            raise Diverged(self.nets[place], task + 1, step + 1, place=place)
