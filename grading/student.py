"""What runs in a submission's own process: its cells, one by one, and then its functions, as the grader calls them."""

import builtins
import json
import linecache
import pickle
import socket
import sys
import types
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from grading.wire import Ref, encoded, receive, send

ITEMS = 10_000


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
    """Answers the grader's requests. It keeps what it needs at hand: a submission may change what modules hold."""

    def __init__(self, end: socket.socket) -> None:
        from IPython.core.inputtransformer2 import TransformerManager

        self.end = end
        self.objects: list[object] = []
        self.graphs: list[tuple[list[Tensor], list[Tensor]]] = []
        self.module = types.ModuleType("__main__")
        self.names = self.module.__dict__
        shell = Shell(self.names)
        self.names["get_ipython"] = lambda: shell
        self.plain = TransformerManager().transform_cell

    def keep(self, value: object) -> int:
        self.objects.append(value)
        return len(self.objects) - 1

    def serve(self, dumps: Callable[..., str] = json.dumps, loads: Callable[[bytes], Any] = pickle.loads) -> None:
        """Answer until the grader hangs up, which ends in an exception."""
        sys.modules["__main__"] = self.module
        while True:
            number, verb, arguments = loads(receive(self.end))
            try:
                answer = {"id": number, "value": encoded(getattr(self, verb)(*arguments), self.keep)}
                text = dumps(answer).encode()
            except BaseException as error:
                answer = {"id": number, "error": type(error).__name__, "text": described(error)}
                text = dumps(answer).encode()
            send(self.end, text)

    # The verbs

    def run(self, place: int, source: str) -> None:
        """Run a cell."""
        name = f"<cell {place}>"
        source = self.plain(source)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.names)

    def name(self, name: str) -> tuple[bool, object]:
        """Whether the notebook defines a name, and as what."""
        return name in self.names, self.names.get(name)

    def call(self, number: int, arguments: list[Any], named: dict[str, Any], track: bool) -> dict[str, Any]:
        """Call an object. With ``track`` what it computes can be differentiated, see `backward`."""
        leaves: list[Tensor] = []
        generators: list[torch.Generator] = []

        def here(value: Any) -> Any:
            if isinstance(value, Ref):
                return self.objects[value.number]
            if isinstance(value, torch.Generator):
                generators.append(value)
            if track and isinstance(value, Tensor) and value.requires_grad:
                value = value.detach().requires_grad_()
                leaves.append(value)
            return value

        given = {name: mapped(value, here) for name, value in named.items()}
        function: Any = self.objects[number]
        result = function(*(mapped(value, here) for value in arguments), **given)
        answer: dict[str, Any] = {"result": result, "states": [g.get_state() for g in generators]}
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
        weighed = torch.stack([(o * g).sum() for o, g in pairs]).sum()
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


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with every leaf of its lists, tuples and dicts changed; also used to look at every leaf."""
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    return change(value)


def described(error: BaseException) -> str:
    try:
        return builtins.str(error)[:500]
    except BaseException:
        return ""
