"""What runs in a submission's own process: its statements, and then its functions, as the judge calls them."""

import ast
import asyncio
import builtins
import contextlib
import inspect
import json
import linecache
import os
import pickle
import resource
import sys
import threading
import types
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grading.wire import Pipes, Ref, encoded, receive, send
from replaylib.course.answers import fingerprint, mapped

ITEMS = 10_000
STACK, SUM = torch.stack, Tensor.sum  # kept at hand, see `Server`
UNBOUNDED = 2**34


class Absent(types.ModuleType):
    """Stands for what only Colab has: everything is there and can be called, and nothing happens."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name)

    def __call__(self, *_: Any, **__: Any) -> None:
        return None


class Shell:
    """Stands for IPython: a cell's magic commands are left out, apart from those that only wrap code."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def run_cell_magic(self, name: str, line: str, body: str) -> None:
        if name in ("time", "timeit", "capture", "prun"):
            exec(compile(body, f"<%%{name}>", "exec"), self.names)

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Server:
    """Answers the judge's requests. It keeps what it needs at hand: a submission may change what modules hold."""

    def __init__(self, end: Pipes) -> None:
        self.end = end
        self.objects: list[object] = []
        self.graphs: list[tuple[list[Tensor], list[Tensor]]] = []
        self.planted: dict[int, Any] = {}
        self.module = types.ModuleType("__main__")
        self.names = self.module.__dict__
        shell = Shell(self.names)
        self.names |= {"get_ipython": lambda: shell, "display": lambda *_, **__: None}
        self.loop: asyncio.AbstractEventLoop | None = None

    def keep(self, value: object) -> int:
        self.objects.append(value)
        return len(self.objects) - 1

    def serve(self, dumps: Callable[..., str] = json.dumps, loads: Callable[[bytes], Any] = pickle.loads) -> None:
        """Answer until the judge hangs up, which ends in an exception."""
        sys.modules["__main__"] = self.module
        sys.modules.setdefault("google", types.ModuleType("google"))
        for name in ("google.colab", "google.colab.drive", "google.colab.files", "google.colab.userdata"):
            sys.modules[name] = Absent(name)
        while True:
            number, verb, arguments = loads(receive(self.end, largest=UNBOUNDED))
            try:
                answer = {"id": number, "value": encoded(getattr(self, verb)(*arguments), self.keep)}
                text = dumps(answer).encode()
            except BaseException as error:
                answer = {"id": number, "error": type(error).__name__, "text": described(error)}
                text = dumps(answer).encode()
            send(self.end, text)

    # The verbs

    def run(self, name: str, source: str) -> None:
        """Run a statement; one that waits (``await``) is waited for, as in a notebook."""
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if not code.co_flags & inspect.CO_COROUTINE:
            exec(code, self.names)
            return
        self.loop = self.loop or asyncio.new_event_loop()
        self.loop.run_until_complete(eval(code, self.names))

    def name(self, name: str) -> tuple[bool, object]:
        """Whether the notebook defines a name, and as what."""
        return name in self.names, self.names.get(name)

    def plant(self, number: int, value: Any) -> None:
        """Take over an object of the judge's that keeps its identity from call to call: a network, a generator."""
        self.planted[number] = value

    def forget(self) -> None:
        """A check ends, and its objects with it."""
        self.planted.clear()

    def update(self, number: int, state: Any) -> None:
        """The judge changed such an object."""
        value = self.planted[number]
        if isinstance(value, torch.Generator):
            value.set_state(state)
        else:
            value.load_state_dict(state)

    def call(self, number: int, arguments: list[Any], named: dict[str, Any], track: bool) -> dict[str, Any]:
        """Call an object. With ``track`` what it computes can be differentiated, see `backward`."""
        leaves: list[Tensor] = []

        def here(value: Any) -> Any:
            if isinstance(value, Ref):
                return self.planted[value.number] if value.number < 0 else self.objects[value.number]
            if track and isinstance(value, Tensor) and value.requires_grad:
                value = value.detach().requires_grad_()
                leaves.append(value)
            return value

        given = [mapped(value, here) for value in arguments], {name: mapped(v, here) for name, v in named.items()}
        before = fingerprint(given)
        function: Any = self.objects[number]
        result = function(*given[0], **given[1])
        answer: dict[str, Any] = {"result": result, "changed": fingerprint(given) != before}
        answer["states"] = [[number, *state_of(value)] for number, value in self.planted.items()]
        if track:
            outputs: list[Tensor] = []
            mapped(result, lambda v: outputs.append(v) if isinstance(v, Tensor) else None)
            self.graphs.append((outputs, leaves))
            answer["graph"] = len(self.graphs) - 1
        return answer

    def backward(self, graph: int, gradients: list[Tensor | None]) -> list[Tensor | None]:
        """The gradients for a call's inputs, from those for its outputs."""
        outputs, leaves = self.graphs[graph]
        pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
        if not pairs:
            return [None] * len(leaves)
        # Of a scalar: with weights given apart, PyTorch would first import seconds' worth of modules.
        weighed = SUM(STACK([SUM(o * g) for o, g in pairs]))
        return list(torch.autograd.grad(weighed, leaves, retain_graph=True, allow_unused=True))

    def attribute(self, number: int, name: str) -> object:
        return getattr(self.objects[number], name)

    def item(self, number: int, key: Any) -> object:
        holder: Any = self.objects[number]
        return holder[key]

    def length(self, number: int) -> int:
        holder: Any = self.objects[number]
        return len(holder)

    def items(self, number: int) -> list[object]:
        holder: Iterable[Any] = self.objects[number]  # type: ignore[assignment]
        return list(islice(holder, ITEMS))


def state_of(value: Any) -> tuple[Any, Any]:
    """What the judge is told of an object that it planted: a generator's state, a network's modes."""
    if isinstance(value, torch.Generator):
        return value.get_state(), None
    return [part.training for part in value.modules()], [part.requires_grad for part in value.parameters()]


def described(error: BaseException) -> str:
    try:
        return builtins.str(error)[:500]
    except BaseException:
        return ""


def limit(memory: int, disk: int, tasks: int) -> None:
    """Limits that the system enforces on this process for good, beside those from outside.

    Parameters
    ----------
    memory, disk : MB.
    tasks : processes and threads (0: not limited).
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 2**22
    used = pages * resource.getpagesize()  # PyTorch alone maps gigabytes that it never touches
    wanted = {"AS": used + memory * 2**20, "FSIZE": disk * 2**20, "NOFILE": 256, "CORE": 0}
    for name, value in wanted.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if tasks:
        with contextlib.suppress(ValueError, OSError):  # the computer itself allows fewer
            limit_tasks(tasks)


def limit_tasks(tasks: int) -> None:
    """Allow so many processes and threads, where the kernel does not count what else the user runs as well."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, before[1]))
    try:
        threading.Thread(target=int).start()
    except RuntimeError:  # Linux before 5.14 counts all processes of an ordinary user
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    else:
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))


def main() -> None:
    end = Pipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    torch.set_num_threads(1)
    server = Server(end)
    # What this imports is here before a submission could forbid it, and costs its first call no time.
    number = pickle.loads(pickle.dumps(torch.zeros(1, requires_grad=True)))
    torch.autograd.grad(number.sum(), [number])
    limit(*map(int, sys.argv[1:4]))
    send(end, b"ready")
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    server.serve()


if __name__ == "__main__":
    sys.modules["grading.student"] = sys.modules["__main__"]
    main()
