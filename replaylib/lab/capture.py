"""A training step as a CUDA graph: captured once a task, and then launched as one.

A step is some hundreds of small kernels, and a GPU is done with each of them before Python has asked for the next.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from replaylib.errors import InputError
from replaylib.nets import Network
from replaylib.steps import Step

#: Steps of a task that are taken as they are before one is captured: what is made once only is made in them.
WARM_UP = 3


class Captured:
    """A step that is taken as it is `WARM_UP` times, then captured, and from then on replayed.

    It draws the random numbers that it would have drawn. What it reads and writes must stay in place until the task has
    ended. For `replaylib.steps.Execution`, as its ``capture``.

    Parameters
    ----------
    step : one of a task, all on one GPU; nothing in it may wait for the device or depend on how often it was taken.

    Raises
    ------
    InputError : when it is called for the first time after the warm-up, a step that cannot be captured.
    """

    def __init__(self, step: Step) -> None:
        self.step, self.taken = step, 0
        self.drawing = _Generators()
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self.taken < WARM_UP:
            self._take()
        else:
            if self.graph is None:
                self.graph = self._capture()
            self.graph.replay()
        self.taken += 1

    def _take(self) -> None:
        # Not on the stream of everything else, which cannot be captured: backward passes remember where they were made.
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        # Only once: nothing is compiled while operations are looked at.
        looking = self.drawing if self.taken == 0 else nullcontext()
        with torch.cuda.stream(aside), looking, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True")  # the optimizer's: it will be captured
            self.step()
        torch.cuda.current_stream().wait_stream(aside)

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # Newer versions of PyTorch find the generators of a step by themselves.
        if hasattr(graph, "register_generator_state"):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*register_generator_state")
                for generator in self.drawing.seen:
                    graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph):
                self.step()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"this step cannot be captured as a CUDA graph ({reason}): train without that") from error
        return graph


class _Generators(TorchDispatchMode):
    """Notes the generators that random numbers are drawn from."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Generator] = []

    def __torch_dispatch__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        generator = (kwargs or {}).get("generator")
        if isinstance(generator, torch.Generator) and not any(generator is one for one in self.seen):
            self.seen.append(generator)
        return function(*args, **(kwargs or {}))


def check_capturable(nets: Sequence[Network], device: torch.device) -> None:
    """Raise `InputError` unless the step of these networks can be captured as a CUDA graph."""
    check_captured_on(device)
    if not nets[0].capturable:
        kind = type(nets[0]).__name__
        raise InputError(f"the loss of this {kind} waits for the labels: do not capture it")


def check_captured_on(device: torch.device) -> None:
    """Raise `InputError` unless there are CUDA graphs on this device."""
    if device.type != "cuda":
        raise InputError(f"steps on a {device.type} cannot be captured as a CUDA graph: ask for that on a GPU only")
