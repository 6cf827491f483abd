"""Many seeds as one tensor program, and a step that is compiled.

S runs that differ in their seed alone are trained together, with their parameters stacked.

A step costs one set of kernels, however many seeds there are. Each run sees the random numbers that it would see by
itself, and ends with the same network, up to the rounding of float32 (products of stacked matrices add up in another
order). What a run is made of is `replaylib.loop`'s: the objective, the test, the order of events.
"""

import os
import shutil
import textwrap
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from replaylib.errors import InputError
from replaylib.lab.capture import Captured, check_capturable
from replaylib.lab.parts import Parts
from replaylib.loop import Learner, Result, follow, objective
from replaylib.nets import Network
from replaylib.replay import Replay, Taught
from replaylib.scenarios import Batch, Stream
from replaylib.steps import Execution, products_in

#: What compiling for a CPU needs.
TO_COMPILE = "install g++ and Python's headers (python3-dev), or set CXX to a compiler"
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

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *rows: Tensor) -> Any:
            state = {f"net.{name}": value for name, value in (parameters | buffers).items()}
            return functional_call(self._applied, state, (function, *rows))

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
            return self.teachers(lambda copy, *rows: first.complete(copy, *rows).tensors(), *drawn)
        return _stacked([_tensors(replay.sample(n)) for replay in self.replays])

    def end(self, task: int) -> None:
        """Task number ``task`` has been trained, in all seeds."""
        for replay in self.replays:
            replay.end(task)


class Together(Learner):
    """S networks and what they learn with, as one: each step is one tensor program, however many seeds there are.

    Parameters
    ----------
    streams, parts, generators : of each seed, what `replaylib.train` takes for it.

    Raises
    ------
    InputError : no seed, or runs that differ in more than their seed.
    """

    def __init__(
        self, streams: Sequence[Stream], parts: Sequence[Parts], generators: Sequence[torch.Generator]
    ) -> None:
        _check(streams, parts, generators)
        self.streams, self.generators = streams, generators
        self.nets, self.replays = [part.net for part in parts], [part.replay for part in parts]
        self.penalties = [part.penalty for part in parts if part.penalty]
        self.stack = Stack(self.nets)
        self.parameters = list(self.stack.parameters.values())
        self.replaying = Replays(self.replays)

    def losses(self, task: int, batch: int, replayed: int, execution: Execution) -> Tensor:
        stream = self.streams[0]
        each = zip(self.streams, self.generators, strict=True)
        current = _stacked([s.draw(task, batch, g).tensors() for s, g in each])
        with products_in(execution.precision, stream.device):
            old = self.replaying.sample(replayed)
            size = (batch + (old[0].shape[1] if old else 0), self.nets[0].noise_dim)
            noise = torch.stack([torch.randn(size, generator=g, device=stream.device) for g in self.generators])

            def loss(net: Network, noise: Tensor, *batches: Tensor) -> Tensor:
                past = Batch(*batches[3:]) if batches[3:] else None
                return objective(stream, net, task, Batch(*batches[:3]), past, noise)

            losses: Tensor = self.stack(loss, noise, *current, *old)
        return losses

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.parameters if p.grad is not None]

    def forget_gradients(self) -> None:
        # They stay where they are: the networks' own are views of them.
        for gradient in self.gradients():
            gradient.zero_()


def learner(streams: Sequence[Stream], parts: Sequence[Parts], generators: Sequence[torch.Generator]) -> Learner:
    """`Together` for several seeds; for one, which has no need to be stacked, what `replaylib.train` makes."""
    if len(parts) == 1:
        net, replay, penalty = parts[0]
        return Learner(streams[0], net, replay, generators[0], penalty)
    return Together(streams, parts, generators)


def execution(
    nets: Sequence[Network],
    device: torch.device,
    precision: str | None = None,
    *,
    compiled: bool = False,
    captured: bool = False,
) -> Execution:
    """How the steps of these networks, one for each seed, are computed.

    ``compiled``: with `compiled_objective`; ``captured``: as CUDA graphs, see `replaylib.lab.capture`. Raises
    `InputError` where that cannot be had: see `check_compilable` and `replaylib.lab.capture.check_capturable`.
    """
    if compiled:
        check_compilable(nets, device)
    if captured:
        check_capturable(nets, device)
    compiled_loss = compiled_objective() if compiled else None
    return Execution(precision or "float32", compiled_loss, Captured if captured else None)


def train_seeds(
    streams: Sequence[Stream],
    parts: Sequence[Parts],
    generators: Sequence[torch.Generator],
    *,
    precision: str | None = None,
    compiled: bool = False,
    captured: bool = False,
    **settings: Any,
) -> list[Result]:
    """`replaylib.train` for the seeds of one experiment at once; a result for each, in their order.

    Parameters
    ----------
    streams, parts, generators : of each seed, what `replaylib.train` takes for it.
    precision, compiled, captured : see `execution`.
    settings : what `replaylib.train` takes besides, the same for all. A watch sees the first seed's network.

    Raises
    ------
    InputError : no seed, runs that differ in more than their seed, or what `execution` raises.
    Diverged : a seed's loss or its gradient is no longer finite; no seed takes that step.
    """
    how = execution([part.net for part in parts], streams[0].device, precision, compiled=compiled, captured=captured)
    return follow(learner(streams, parts, generators), execution=how, **settings)


def compiled_objective() -> Callable[..., Tensor]:
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
    if device.type == "cpu" and (reason := why_not_compiled()):
        raise InputError(f"steps cannot be compiled here ({reason}): {TO_COMPILE}")


def compiler() -> str | None:
    """The C++ compiler that PyTorch would use for a CPU; None where there is none."""
    return shutil.which(os.environ.get("CXX") or "g++") or shutil.which("clang++")


@cache
def why_not_compiled() -> str:
    """Why a small function cannot be compiled for the CPU, in a line; empty if it can. It is tried once, in seconds.

    A compiler alone does not say it: it wants Python's headers and a folder to write to, and may be too old.
    """
    if compiler() is None:
        return "there is no C++ compiler"
    x, new = torch.ones(64, requires_grad=True), float(time.time_ns() % 2**20)  # nothing kept from earlier will do
    try:
        with warnings.catch_warnings():  # it is said in a line, by who asked
            warnings.simplefilter("ignore")
            torch.compile(lambda x: (x * x + new).relu().sum(), dynamic=False)(x).backward()
    except Exception as error:  # whatever the compiler and what calls it raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        told = [line for line in lines if "error" in line.lower() and "Error:" not in line] or lines
        return textwrap.shorten(told[0], 160, placeholder="...")
    return ""


def pays_to_compile(net: Network, steps: int, device: torch.device) -> bool:
    """Whether so many steps, on a CPU, are enough for compiling, where it works, to save more time than it takes."""
    return device.type == "cpu" and steps >= LONG and net.pure


def _check(streams: Sequence[Stream], parts: Sequence[Parts], generators: Sequence[torch.Generator]) -> None:
    if not streams or not len(streams) == len(parts) == len(generators):
        counts = f"{len(streams)} streams, {len(parts)} parts, {len(generators)} generators"
        raise InputError(f"{counts}: give as many of each, one for every seed, and at least one")
    if not parts[0].net.pure:
        kind = type(parts[0].net).__name__
        raise InputError(
            f"this {kind} cannot be stacked, for its loss waits for the labels or writes batch statistics: "
            "train seeds one by one"
        )
    kinds = {(s.scenario, s.classes.shape, s.missing, s.device) for s in streams}
    shapes = {tuple((name, value.shape) for name, value in part.net.state_dict().items()) for part in parts}
    makings = {tuple(type(one) for one in part) for part in parts}
    if len(kinds) > 1 or len(shapes) > 1 or len(makings) > 1:
        raise InputError("these runs differ in more than their seed: train them one by one")


def _tensors(batch: Batch | None) -> tuple[Tensor, ...]:
    return () if batch is None else batch.tensors()


def _stacked(each: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(parts) for parts in zip(*each, strict=True))
