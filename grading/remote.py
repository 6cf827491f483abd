"""The judge's side of the border: stand-ins for what a submission defines, which a check uses as if it were here."""

import builtins
import contextlib
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from grading.sandbox import READY, SLOWEST, STARTING, Limits, Sandbox
from grading.watch import Watch
from grading.wire import BrokenBorder, Ref, decoded, pickled, receive, send, value_of
from replaylib.course.answers import CHANGED, fingerprint, mapped
from replaylib.course.assignments import Missing
from replaylib.errors import InputError
from replaylib.scenarios import Batch


class NotGraded(Exception):
    """Nothing can be said of a submission, and why; it gets no score, which is not a score of 0."""


class Failed(Exception):
    """The submission's code raised an exception; for one of Python's own, that one is raised here instead."""


class Clock:
    """The seconds that a submission has left; the time that the judge itself takes does not count."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    @contextlib.contextmanager
    def running(self, slow: float = 1) -> Iterator[None]:
        """Time goes by, on a computer that is so many times slower than one that has nothing else to do."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.left -= (time.monotonic() - started) / slow


class Session:
    """One submission's process, and the requests to it.

    Parameters
    ----------
    clock : seconds of the whole submission; `until` bounds what is asked within one check as well.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits, clock: Clock) -> None:
        self.sandbox, self.limits, self.clock, self.count, self.alive = sandbox, limits, clock, 0, True
        self.planted: dict[int, tuple[Any, Any]] = {}
        self.check = Clock(limits.total)
        try:
            with contextlib.ExitStack() as opened:
                self.start(opened)
                self.opened = opened.pop_all()
        except Exception as error:
            raise NotGraded(f"the sandbox did not start: {error}") from error

    def start(self, opened: contextlib.ExitStack) -> None:
        """Start the process, and put into ``opened`` what ends it and all else: whatever fails here, nothing stays."""
        self.end, there = socket.socketpair()
        opened.enter_context(self.end)
        said = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (it is entered)
        work, name = None, f"replay-grading-{uuid.uuid4().hex}"
        if self.sandbox.kind == "none":  # in a sandbox there is a folder; one here would stay if the judge were killed
            folder = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
            work = opened.enter_context(folder)
        with there:
            process = self.sandbox.start(
                self.limits, name=name, stdin=there.fileno(), stdout=there.fileno(), stderr=said, cwd=work
            )
        self.watch = Watch(process, self.limits.memory, self.limits.processes)
        opened.callback(lambda: self.sandbox.end(process, name, self.watch.family))
        self.watch.start()
        started = time.monotonic()
        try:
            receive(self.end, STARTING)
        except BrokenBorder as error:
            said.seek(0)
            text = " ".join(said.read().decode(errors="replace").split())[-300:]
            raise BrokenBorder(self.watch.reason or text or error) from error
        self.slow = min(max((time.monotonic() - started) / READY, 1), SLOWEST)

    def close(self) -> None:
        """End the process, and all that it has started."""
        if self.alive:
            self.alive = False
            self.opened.close()

    def begin_check(self) -> None:
        """A check begins: it has its own time, and objects of its own."""
        self.check = Clock(self.limits.check)
        self.planted.clear()
        self.ask("forget")

    def ask(self, verb: str, *arguments: Any, seconds: float | None = None) -> Any:
        """The answer to a request.

        Raises
        ------
        BrokenBorder : there is none, and never will be: the process is ended.
        Exception : what the submission's code raised.
        """
        self.count += 1
        allowed = min(self.limits.call, self.check.left) if seconds is None else seconds
        left = max(min(self.clock.left, allowed), 0.01)
        try:
            if not self.alive:
                raise BrokenBorder("the process ended")
            with self.clock.running(self.slow), self.check.running(self.slow):
                send(self.end, pickled((self.count, verb, arguments)), left * self.slow)
                answer = decoded(receive(self.end, left * self.slow))
            if not isinstance(answer, dict) or answer.get("id") != self.count:
                raise BrokenBorder("an answer to a question that was not asked")
            if answer.get("error") == BlockingIOError.__name__:  # the kernel allows no more processes
                self.watch.look()
                if self.watch.reason:
                    raise BrokenBorder(self.watch.reason)
            if "error" in answer:
                raise raised(str(answer["error"])[:100], str(answer.get("text"))[:500])
            return value_of(answer.get("value"), self.refer, Batch)
        except BrokenBorder as end:
            self.close()
            if self.watch.reason:
                raise BrokenBorder(self.watch.reason) from end
            raise

    def refer(self, number: int, kind: str) -> "Remote":
        return Remote(self, number, kind)

    def run(self, name: str, source: str, seconds: float) -> None:
        """Run a statement."""
        self.ask("run", name, source, seconds=seconds)

    def plant(self, value: Any) -> Ref:
        """Where the submission has its copy of an object that keeps its identity: a network, a generator."""
        number = next((number for number, (known, _) in self.planted.items() if known is value), None)
        if number is None:
            number = -1 - len(self.planted)
            self.planted[number] = value, _state(value)
            self.ask("plant", number, value)
        return Ref(number)

    def bring_up_to_date(self) -> None:
        """Tell the submission's process what a check changed since in the objects that it planted."""
        for number, (value, seen) in list(self.planted.items()):
            state = _state(value)
            if fingerprint(state) != fingerprint(seen):
                self.planted[number] = value, state
                self.ask("update", number, state)

    def call(self, number: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call an object of the submission's; gradients flow through the call, and generators move on.

        Raises
        ------
        AssertionError : it changed what it was given.
        """
        inputs: list[Tensor] = []

        def there(value: Any) -> Any:
            if isinstance(value, Remote):
                return Ref(value._number)
            if isinstance(value, torch.Generator | nn.Module):
                return self.plant(value)
            if isinstance(value, Tensor) and value.requires_grad:
                inputs.append(value)
                return value.detach().clone().requires_grad_()
            return value

        self.bring_up_to_date()
        sent = mapped([list(arguments), named], there)
        track = bool(inputs) and torch.is_grad_enabled()
        answer = self.ask("call", number, *sent, track)
        try:
            for planted, state, frozen in answer["states"]:
                _follow(self.planted[planted][0], state, frozen)
            self.planted = {number: (value, _state(value)) for number, (value, _) in self.planted.items()}
            if answer["changed"]:
                raise AssertionError(CHANGED)
            result = answer["result"]
            if not track:
                return result
            return differentiable(self, int(answer["graph"]), result, inputs)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            self.close()
            raise BrokenBorder("an answer that cannot be read") from error


def _state(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state()
    return {name: part.detach().clone() for name, part in value.state_dict().items()}


def _follow(value: Any, state: Any, trained: Any) -> None:
    """Do to an object of the judge's what a call did to the submission's copy of it, as far as a check looks at it."""
    if isinstance(value, torch.Generator):
        value.set_state(state)
        return
    for part, training in zip(value.modules(), state, strict=True):
        part.training = bool(training)
    for parameter, requires_grad in zip(value.parameters(), trained, strict=True):
        parameter.requires_grad_(bool(requires_grad))


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
    """The names that a submission defines, looked up in its process as checks ask for them."""

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
