"""The grader's side of the border: stand-ins for what a submission defines, which a test uses as if it were here."""

import builtins
import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from grading.limits import Limits
from grading.nursery import Nursery
from grading.student import mapped
from grading.wire import BrokenBorder, Ref, decoded, pickled, receive, send, value_of
from replaylib.course.assignments import Missing
from replaylib.errors import InputError
from replaylib.scenarios import Batch


class Failed(Exception):
    """The submission's code raised an exception; for one of Python's own, that one is raised here instead."""


class Session:
    """One submission's process, and the requests to it.

    Parameters
    ----------
    deadline : on the clock of `time.monotonic`; no request waits longer.
    """

    def __init__(self, nursery: Nursery, work: str, limits: Limits, deadline: float) -> None:
        self.nursery, self.limits, self.deadline = nursery, limits, deadline
        self.end, self.pid = nursery.start(work, limits)
        self.count = 0
        self.alive = True

    def close(self) -> None:
        if self.pid:
            self.end.close()
            self.nursery.end(self.pid)
        self.alive, self.pid = False, 0

    def ask(self, verb: str, *arguments: Any, seconds: float | None = None) -> Any:
        """The answer to a request.

        Raises
        ------
        BrokenBorder : there is none, and never will be: the process is ended.
        Exception : what the submission's code raised.
        """
        self.count += 1
        left = max(self.deadline - time.monotonic(), 0.01)
        try:
            if not self.alive:
                raise BrokenBorder("the process ended")
            send(self.end, pickled((self.count, verb, arguments)))
            answer = decoded(receive(self.end, min(seconds or self.limits.call, left)))
            if not isinstance(answer, dict) or answer.get("id") != self.count:
                raise BrokenBorder("an answer to a question that was not asked")
            if "error" in answer:
                raise raised(str(answer["error"])[:100], str(answer.get("text"))[:500])
            return value_of(answer.get("value"), self.refer, Batch)
        except BrokenBorder:
            self.close()
            raise

    def refer(self, number: int, kind: str) -> "Remote":
        return Remote(self, number, kind)

    def run(self, place: int, source: str) -> None:
        """Run a cell."""
        self.ask("run", place, source, seconds=self.limits.cell)

    def call(self, number: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call an object of the submission's; gradients flow through the call, and generators move on."""
        given = [list(arguments), named]
        inputs: list[Tensor] = []
        generators: list[torch.Generator] = []

        def there(value: Any) -> Any:
            if isinstance(value, Remote):
                return Ref(value._number)
            if isinstance(value, torch.Generator):
                generators.append(value)
            if isinstance(value, Tensor) and value.requires_grad and not isinstance(value, torch.nn.Parameter):
                inputs.append(value)
                return value.detach().clone().requires_grad_()
            return value

        sent = mapped(given, there)
        track = bool(inputs) and torch.is_grad_enabled()
        answer = self.ask("call", number, *sent, track)
        try:
            for generator, state in zip(generators, answer["states"], strict=True):
                generator.set_state(state)
            result = answer["result"]
            if not track:
                return result
            return differentiable(self, int(answer["graph"]), result, inputs)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            self.close()
            raise BrokenBorder("an answer that cannot be read") from error


def differentiable(session: Session, graph: int, result: Any, inputs: list[Tensor]) -> Any:
    """The result of a call as a function of its inputs, whose derivative the submission's process computes."""
    outputs: list[Tensor] = []
    mapped(result, lambda value: outputs.append(value) if isinstance(value, Tensor) else None)
    tracked = [output for output in outputs if output.requires_grad]
    if not tracked:
        return result

    class Call(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *_: Tensor) -> tuple[Tensor, ...]:
            return tuple(output.detach().clone() for output in tracked)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
            by_output = iter(gradients)
            all_of_them = [next(by_output) if output.requires_grad else None for output in outputs]
            back = session.ask("backward", graph, all_of_them)
            fit = [
                g is None or (isinstance(g, Tensor) and g.shape == i.shape) for g, i in zip(back, inputs, strict=True)
            ]
            if not all(fit):
                raise BrokenBorder("gradients of a wrong shape")
            return tuple(None if g is None else g.detach() for g in back)

    live = iter(Call.apply(*inputs))
    replaced = {id(output): next(live) for output in tracked}
    return mapped(result, lambda value: replaced.get(id(value), value))


class Remote:
    """An object that stays in the submission's process: it can be called, asked for attributes, items, its length."""

    def __init__(self, session: Session, number: int, kind: str) -> None:
        self._session, self._number, self._kind = session, number, kind

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._session.call(self._number, arguments, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.ask("attribute", self._number, name)

    def __getitem__(self, key: Any) -> Any:
        return self._session.ask("item", self._number, key)

    def __len__(self) -> int:
        return int(self._session.ask("length", self._number))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._session.ask("items", self._number))

    def __repr__(self) -> str:
        return f"<{self._kind}>"


class Names(Mapping[str, Any]):
    """The names that a submission defines, looked up in its process as tests ask for them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __getitem__(self, name: str) -> Any:
        defined, value = self.session.ask("name", name)
        return value if defined is True else Missing(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def raised(name: str, text: str) -> Exception:
    """The exception that a submission's code raised, as one that can be raised here."""
    kind: Any = InputError if name == "InputError" else getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        with contextlib.suppress(TypeError):  # some take more than a text
            return kind(text)
    return Failed(f"{name}: {text}")
