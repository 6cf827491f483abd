"""What a check makes of an answer: the same in a student's notebook and in the grader.

Whatever NumPy can read counts as its numbers, a function leaves its arguments as they were, and anything that is no
plain data can be called, asked for attributes, items and its length, and nothing else.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from replaylib.scenarios import Batch

CHANGED = "your function changed what it was given: it leaves its arguments as they were"
DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"]


def leaf(value: Any) -> Any:
    """A single value as plain data: an array, a data frame and the like as a tensor, a fraction or a decimal number as
    a float, a number of NumPy's as Python's, `...` as None; anything else as it is."""
    if isinstance(value, Tensor) and value.is_inference():
        return value.clone()  # which a check may compute with as with any other
    if value is ... or value is None or isinstance(value, bool | int | float | str | Tensor):
        return None if value is ... else value
    if isinstance(value, np.generic):
        return leaf(value.item())
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if isinstance(value, Number) or type(value).__name__ == "Decimal":
            return float(value)
        if hasattr(value, "__array__"):
            array = np.asarray(value)
            if str(array.dtype) not in DTYPES:
                array = array.astype(np.float64)
            return torch.from_numpy(np.array(array, order="C"))
    return value


def mapped(value: object, change: Callable[[object], object]) -> Any:
    """A value with every leaf of its lists, tuples and dicts changed; also used to look at every leaf."""
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, Batch):
        return replace(value, **{one.name: mapped(getattr(value, one.name), change) for one in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, set | deque):
        return [mapped(item, change) for item in value]
    if isinstance(value, list | tuple):
        return (tuple if isinstance(value, tuple) else list)(mapped(item, change) for item in value)
    return change(value)


def fingerprint(value: object) -> object:
    """What tells whether an argument was changed: its numbers, its lists, the parameters of a network."""
    if isinstance(value, Tensor):
        return (tuple(value.shape), value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, nn.Module):
        return [fingerprint(parameter) for parameter in value.parameters()]
    if isinstance(value, Batch):
        return [fingerprint(getattr(value, one.name)) for one in fields(value)]
    if isinstance(value, dict):
        return [(key, fingerprint(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [fingerprint(item) for item in value]
    return value if isinstance(value, int | float | str) else None


class Answer:
    """What a notebook defines, as a check meets it; the grader's stand-in for it behaves alike.

    Raises
    ------
    AssertionError : a call changed its arguments.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self, *arguments: object, **named: object) -> Any:
        given = mapped([list(arguments), named], lambda one: one._value if isinstance(one, Answer) else one)
        before = fingerprint(given)
        result = self._value(*given[0], **given[1])
        if fingerprint(given) != before:
            raise AssertionError(CHANGED)
        return plain(result)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return plain(getattr(self._value, name))

    def __getitem__(self, key: object) -> Any:
        return plain(self._value[key])

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return map(plain, self._value)

    def __repr__(self) -> str:
        return f"<{type(self._value).__name__}>"


def plain(value: object) -> Any:
    """A value as plain data, and what is none as an `Answer`."""

    def known(one: object) -> object:
        one = leaf(one)
        return one if one is None or isinstance(one, bool | int | float | str | Tensor) else Answer(one)

    return mapped(value, known)
