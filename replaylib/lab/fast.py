"""Many seeds as one tensor program, and a step that is compiled.

S runs that differ in their seed alone are trained together, with their parameters stacked.

A step costs one set of kernels, however many seeds there are. Each run sees the random numbers that it would see by
itself, and ends with the same network, up to the rounding of float32 (products of stacked matrices add up in another
order). What a run is made of is `replaylib.loop`'s: the objective, the test, the order of events.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from replaylib.errors import InputError
from replaylib.lab.capture import Captured, check_capturable
from replaylib.lab.parts import Parts
from replaylib.loop import Guard, Result, Step, StepLoss, Watch, adam, evaluate, objective, products_in, train
from replaylib.nets import Network
from replaylib.replay import Replay, Taught
from replaylib.scenarios import Batch, Stream

#: Steps in all from which on compiling is worth its time on a CPU: see `pays_to_compile`.
LONG = 50_000


class Stack:
    """S networks of one architecture as one: every parameter and buffer is (S, \\*shape).

    The networks stay usable: from now on their parameters, buffers and gradients are views of the stacked ones, so that
    what is done to either is done to both.

    Parameters
    ----------
    nets : at least one; all of one architecture, on one device.
    """

    def __init__(self, nets: Sequence[Network]) -> None:
        self.nets = nets
        parameters, buffers = stack_module_state(list(nets))
        learns = {name: p.requires_grad for name, p in nets[0].named_parameters()}
        self.parameters = {name: p.detach().requires_grad_(learns[name]) for name, p in parameters.items()}
        self.buffers = {name: buffer.detach() for name, buffer in buffers.items()}
        for p in self.parameters.values():
            p.grad = torch.zeros_like(p) if p.requires_grad else None
        for s, net in enumerate(nets):
            for name, p in net.named_parameters():
                stacked = self.parameters[name]
                p.data = stacked.data[s]
                p.grad = None if stacked.grad is None else stacked.grad[s]
            for name, _ in net.named_buffers():
                owner, _, own_name = name.rpartition(".")
                setattr(net.get_submodule(owner), own_name, self.buffers[name][s])
        self._applied = _Applied(nets[0])

    def __call__(self, function: Callable[..., Any], *inputs: Tensor) -> Any:
        """``function(net, *inputs)`` of each network and its part of the inputs, (S, ...) each; its outputs stacked."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *mine: Tensor) -> Any:
            state = {f"net.{name}": value for name, value in (parameters | buffers).items()}
            return functional_call(self._applied, state, (function, *mine))

        return vmap(one)(self.parameters, self.buffers, *inputs)


class _Applied(nn.Module):
    # functional_call puts parameters in place for a module's forward, and for nothing else.
    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, function: Callable[..., Any], *inputs: Tensor) -> Any:
        return function(self.net, *inputs)


class Replays:
    """The S seeds' sources of replay as one. What takes part of a network is computed for all seeds at once.

    Parameters
    ----------
    replays : of one kind, a source for each seed.
    """

    def __init__(self, replays: Sequence[Replay]) -> None:
        self.replays = replays
        taught = [replay for replay in replays if isinstance(replay, Taught)]
        self.taught = taught if len(taught) == len(replays) else []
        self.teachers = Stack([replay.teacher.copy for replay in self.taught]) if self.taught else None

    @torch.no_grad()
    def sample(self, n: int) -> tuple[Tensor, ...]:
        """The tensors of a `Batch` of replayed samples, (S, n, ...) each; none where nothing is replayed."""
        if self.teachers is not None:
            first = self.taught[0]
            if not first.teacher.seen:
                return ()
            drawn = _stacked([replay.draw(n) for replay in self.taught])
            return self.teachers(lambda copy, *mine: _tensors(first.complete(copy, *mine)), *drawn)
        return _stacked([_tensors(replay.sample(n)) for replay in self.replays])

    def end(self, task: int) -> None:
        """Task number ``task`` has been trained, in all seeds."""
        for replay in self.replays:
            replay.end(task)


def train_seeds(
    streams: Sequence[Stream],
    parts: Sequence[Parts],
    generators: Sequence[torch.Generator],
    *,
    compiled: bool = False,
    captured: bool = False,
    **settings: Any,
) -> list[Result]:
    """`train_together` for several seeds, `replaylib.train` for one, which has no need to be stacked.

    ``compiled``: with `compiled_objective`; ``captured``: with steps as CUDA graphs, see `replaylib.lab.capture`.
    Raises `InputError` where that cannot be had: see `check_compilable` and `replaylib.lab.capture.check_capturable`.
    """
    nets = [part.net for part in parts]
    if compiled:
        check_compilable(nets, streams[0].device)
    if captured:
        check_capturable(nets, streams[0].device)
        settings["capture"] = Captured
    if len(parts) == 1:
        net, replay, penalty = parts[0]
        step_loss = compiled_objective() if compiled else None
        return [train(streams[0], net, replay, generators[0], penalty=penalty, step_loss=step_loss, **settings)]
    return train_together(streams, parts, generators, **settings)


def compiled_objective() -> StepLoss:
    """`replaylib.loop.objective`, compiled: the same loss and gradients up to rounding, in fewer, larger kernels.

    What surrounds it stays as it is: samples, the previous network's part in replay, penalties, the optimizer. The
    first step with replay, and the first one without, wait for the compiler.
    """
    compiled = torch.compile(objective, dynamic=False)

    def step_loss(stream: Stream, net: Network, task: int, *batches_and_noise: Any) -> Tensor:
        # As a tensor, it does not become part of what is compiled, which then serves all tasks.
        return compiled(stream, net, torch.full((), task, device=stream.device), *batches_and_noise)  # type: ignore[arg-type]

    return step_loss


def check_compilable(nets: Sequence[Network], device: torch.device) -> None:
    """Raise `InputError` unless the objective of these networks, one for each seed, can be compiled."""
    if len(nets) > 1:
        raise InputError(f"{len(nets)} seeds as one program are not compiled: compile, or train together")
    if not nets[0].pure:
        kind = type(nets[0]).__name__
        raise InputError(f"the loss of this {kind} waits for the labels or writes batch statistics: do not compile it")
    if device.type == "cpu" and compiler() is None:
        raise InputError("there is no C++ compiler, which compiling for a CPU needs: install g++, or set CXX to one")


def compiler() -> str | None:
    """The C++ compiler that PyTorch would use for a CPU; None where there is none."""
    return shutil.which(os.environ.get("CXX") or "g++") or shutil.which("clang++")


def pays_to_compile(net: Network, steps: int, device: torch.device) -> bool:
    """Whether a run of so many steps, on a CPU, is long enough for compiling to save more time than it takes."""
    if device.type != "cpu" or steps < LONG:
        return False
    try:
        check_compilable([net], device)
    except InputError:
        return False
    return True


def train_together(
    streams: Sequence[Stream],
    parts: Sequence[Parts],
    generators: Sequence[torch.Generator],
    *,
    iterations: int,
    batch: int,
    lr: float,
    replayed: int | None = None,
    precision: str = "float32",
    capture: Callable[[Step], Step] | None = None,
    watch: Watch | None = None,
) -> list[Result]:
    """As `replaylib.train`, for S seeds of one experiment at once; a result for each, in their order.

    Parameters
    ----------
    streams, parts, generators : of each seed, what `replaylib.train` takes for it.
    iterations, batch, lr, replayed, precision, capture : as there, the same for all.
    watch : called as there after every step, with the first seed's network.

    Raises
    ------
    InputError : no seed, or runs that differ in more than their seed.
    Diverged : a seed's loss or its gradient is no longer finite; no seed takes that step.
    """
    _check(streams, parts, generators)
    nets, replays = Stack([part.net for part in parts]), Replays([part.replay for part in parts])
    penalties = [part.penalty for part in parts if part.penalty]
    optimizer = adam(nets.parameters.values(), lr, capture is not None)
    guard = Guard(optimizer, nets.nets, iterations)
    stream, results = streams[0], []

    def step(task: int) -> None:
        current = _stacked([_tensors(s.draw(task, batch, g)) for s, g in zip(streams, generators, strict=True)])
        with products_in(precision, stream.device):
            old = replays.sample(replayed or batch)
        samples = batch + (old[0].shape[1] if old else 0)
        size = (samples, parts[0].net.noise_dim)
        noise = torch.stack([torch.randn(size, generator=g, device=stream.device) for g in generators])

        def losses(net: Network, noise: Tensor, *batches: Tensor) -> Tensor:
            past = Batch(*batches[3:]) if batches[3:] else None
            return objective(stream, net, task, Batch(*batches[:3]), past, noise)

        with products_in(precision, stream.device):
            loss = nets(losses, noise, *current, *old).sum()
        for penalty in penalties:
            loss = loss + penalty()
        # Gradients stay where they are: the networks' own are views of them.
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        guard.before_step([p.grad for p in nets.parameters.values() if p.grad is not None], loss)
        optimizer.step()
        for penalty in penalties:
            penalty.step()

    def tested(seen: int) -> Tensor:
        return torch.stack([evaluate(s, net, seen) for s, net in zip(streams, nets.nets, strict=True)])

    untrained = tested(seen=0)
    for task in range(stream.tasks):
        for penalty in penalties:
            penalty.begin(task)
        take_step = capture(partial(step, task)) if capture else partial(step, task)
        for taken in range(iterations):
            take_step()
            guard.after_step()
            if watch:
                watch(task, taken + 1, nets.nets[0])
        guard.stop_if_spoilt()
        for penalty in penalties:
            penalty.end(task)
        replays.end(task)
        results.append(tested(seen=task + 1))
    matrices = torch.stack(results, dim=1)
    return [Result(matrix, first) for matrix, first in zip(matrices, untrained, strict=True)]


def _check(streams: Sequence[Stream], parts: Sequence[Parts], generators: Sequence[torch.Generator]) -> None:
    if not streams or not len(streams) == len(parts) == len(generators):
        found = f"{len(streams)} streams, {len(parts)} parts, {len(generators)} generators"
        raise InputError(f"{found}: give as many of each, one for every seed, and at least one")
    if not parts[0].net.pure:
        kind = type(parts[0].net).__name__
        raise InputError(
            f"this {kind} cannot be stacked, for its loss waits for the labels or writes batch statistics: "
            "train seeds one by one"
        )
    kinds = {(s.scenario, s.classes.shape, s.device) for s in streams}
    shapes = {tuple((name, value.shape) for name, value in part.net.state_dict().items()) for part in parts}
    makings = {tuple(type(one) for one in part) for part in parts}
    if len(kinds) > 1 or len(shapes) > 1 or len(makings) > 1:
        raise InputError("these runs differ in more than their seed: train them one by one")


def _tensors(batch: Batch | None) -> tuple[Tensor, ...]:
    return () if batch is None else tuple(part for part in batch if part is not None)


def _stacked(each: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(parts) for parts in zip(*each, strict=True))
