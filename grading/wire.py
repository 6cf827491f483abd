"""What crosses the border between the judge and a submission.

To the submission go pickles, which it may well run. From it come frames of JSON, with tensors as base64: plain data,
at most a megabyte a frame, so that reading it takes bounded time and memory and can run nothing.
"""

import base64
import json
import math
import os
import pickle
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from replaylib.course.answers import DTYPES as NAMES
from replaylib.course.answers import leaf
from replaylib.scenarios import Batch

LARGEST = 2**20
DEEPEST = 20
DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in NAMES}


class BrokenBorder(Exception):
    """The other side is gone, is late, or does not speak the language."""


class Ref:
    """An object that stays on the submission's side, by its number there."""

    def __init__(self, number: int) -> None:
        self.number = number


# Frames


class Pipes:
    """The submission's end: what it reads from and writes to, a socket or, in a container, two pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing = reading, writing

    def settimeout(self, _: float | None) -> None:
        """It waits as long as it takes."""

    def recv(self, size: int) -> bytes:
        return os.read(self.reading, size)

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.writing, data) :]


def send(end: socket.socket | Pipes, data: bytes, seconds: float | None = None) -> None:
    """Send one frame; raises `BrokenBorder` if it is not taken within so many seconds."""
    try:
        end.settimeout(seconds)
        end.sendall(struct.pack(">Q", len(data)) + data)
    except OSError as error:
        raise BrokenBorder("the process ended") from error


def receive(end: socket.socket | Pipes, seconds: float | None = None, largest: int = LARGEST) -> bytes:
    """One frame; raises `BrokenBorder` if it is not there, whole, within so many seconds."""
    deadline = None if seconds is None else time.monotonic() + seconds
    size = struct.unpack(">Q", _exactly(end, 8, deadline))[0]
    if size > largest:
        raise BrokenBorder(f"an answer of more than {largest // 2**20} MB")
    return _exactly(end, size, deadline)


def _exactly(end: socket.socket | Pipes, size: int, deadline: float | None) -> bytes:
    got = bytearray()
    while len(got) < size:
        try:
            end.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            part = end.recv(min(size - len(got), 2**20))
        except TimeoutError:
            raise BrokenBorder("the time limit was reached") from None
        except OSError:
            part = b""
        if not part:
            raise BrokenBorder("the process ended")
        got += part
    return bytes(got)


def pickled(value: object) -> bytes:
    return pickle.dumps(value)


# Values, from the submission to the judge


def encoded(value: Any, keep: Callable[[object], int], depth: int = 0) -> Any:
    """JSON for a value; ``keep`` remembers an object that is no plain data, and gives its number."""
    value = leaf(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth < DEEPEST:
        if isinstance(value, Tensor):
            return _tensor(value)
        if isinstance(value, Batch):
            parts = {field.name: getattr(value, field.name) for field in fields(value)}
            return {"batch": {name: encoded(part, keep, depth + 1) for name, part in parts.items()}}
        if isinstance(value, list | tuple | set | deque):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [encoded(item, keep, depth + 1) for item in value]}
        if isinstance(value, dict):
            return {"dict": [[encoded(k, keep, depth + 1), encoded(v, keep, depth + 1)] for k, v in value.items()]}
    return {"ref": keep(value), "kind": type(value).__name__}


def _tensor(value: Tensor) -> Any:
    plain = value.detach().cpu()
    if str(plain.dtype).removeprefix("torch.") not in DTYPES:
        plain = plain.float()
    data = base64.b64encode(plain.contiguous().numpy().tobytes()).decode()
    name = str(plain.dtype).removeprefix("torch.")
    return {"tensor": data, "dtype": name, "shape": list(plain.shape), "grad": bool(value.requires_grad)}


def decoded(text: bytes) -> Any:
    """JSON as it came, or `BrokenBorder`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenBorder("an answer that cannot be read") from error


def value_of(data: Any, refer: Callable[[int, str], Any], batch: Callable[..., Any], depth: int = 0) -> Any:
    """The value that JSON stands for; ``refer`` makes the stand-in of an object that stayed there."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    try:
        if depth > 2 * DEEPEST or not isinstance(data, dict):
            raise ValueError
        below = depth + 1
        if "tensor" in data:
            return _tensor_of(data)
        if "ref" in data:
            return refer(int(data["ref"]), str(data["kind"])[:100])
        if "dict" in data:
            pairs = [(value_of(k, refer, batch, below), value_of(v, refer, batch, below)) for k, v in data["dict"]]
            return dict(pairs)
        [(kind, items)] = data.items()
        if kind == "batch":
            return batch(**{name: value_of(part, refer, batch, below) for name, part in items.items()})
        values = [value_of(item, refer, batch, below) for item in items]
        return {"list": list, "tuple": tuple}[kind](values)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise BrokenBorder("an answer that cannot be read") from error


def _tensor_of(data: dict[str, Any]) -> Tensor:
    dtype, shape = DTYPES[data["dtype"]], [int(size) for size in data["shape"]]
    raw = bytearray(base64.b64decode(data["tensor"], validate=True))
    if min(shape, default=1) < 0 or len(shape) > 16 or len(raw) != math.prod(shape) * dtype.itemsize:
        raise ValueError
    values = torch.frombuffer(raw, dtype=dtype).clone() if raw else torch.empty(0, dtype=dtype)
    if dtype == torch.bool:
        values = torch.frombuffer(raw, dtype=torch.uint8) != 0 if raw else values
    values = values.view(shape)
    return values.requires_grad_(bool(data["grad"]) and dtype.is_floating_point)
