"""The state of a training as plain data: tensors, numbers and text, in dictionaries and lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from replaylib.errors import InputError
from replaylib.loop import Training

PLAIN = (Tensor, str, int, float, bool, type(None))
#: What of a learner is kept.
PARTS = ("nets", "replays", "penalties", "generators")


def packed_training(training: Training) -> dict[str, Any]:
    """All that going on depends on, as tensors, numbers and text in dictionaries and lists."""
    learner = training.learner
    return {
        "task": training.task, "step": training.step, "rows": training.rows, "untrained": training.untrained,
        "optimizer": packed(training.optimizer),
        **{name: [packed(one) for one in getattr(learner, name)] for name in PARTS},
    }  # fmt: skip


def unpack_training(training: Training, state: Mapping[str, Any]) -> None:
    """Bring a training to a state that `packed_training` gave."""
    unpacked(training.optimizer, state["optimizer"])
    for name in PARTS:
        for one, kept in zip(getattr(training.learner, name), state[name], strict=True):
            unpacked(one, kept)
    training.task, training.step = state["task"], state["step"]
    training.rows, training.untrained = list(state["rows"]), state["untrained"]


def packed(part: Any) -> Any:
    """The state of a part of a training.

    Networks and optimizers have their ``state_dict``. Any other object says what of it changes while it is used: its
    class has ``state``, the names of those attributes, which may hold tensors, numbers, generators, networks, lists of
    these, and objects that say the same of themselves. A subclass says it anew, also where it adds nothing.

    Raises
    ------
    InputError : a part that does not say it.
    """
    if isinstance(part, PLAIN):
        return part.detach() if isinstance(part, Tensor) else part
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, list | tuple):
        return [packed(one) for one in part]
    if isinstance(part, torch.nn.Module | torch.optim.Optimizer):
        return part.state_dict()
    return {name: packed(getattr(part, name)) for name in _names(part)}


def unpacked(part: Any, state: Any) -> Any:
    """The part in that state: the same object, or what takes its place where it is a tensor or a number."""
    if isinstance(part, Tensor):
        return state.to(part.device)
    if isinstance(part, PLAIN):
        return state
    if isinstance(part, torch.Generator):
        part.set_state(state)
    elif isinstance(part, list | tuple):
        return type(part)(unpacked(one, kept) for one, kept in zip(part, state, strict=True))
    elif isinstance(part, torch.nn.Module | torch.optim.Optimizer):
        part.load_state_dict(state)
    else:
        for name in _names(part):
            setattr(part, name, unpacked(getattr(part, name), state[name]))
    return part


def _names(part: Any) -> Sequence[str]:
    kind = type(part)
    if "state" not in vars(kind):
        inherited = (
            f"{kind.__mro__[1].__name__}.state and what it adds" if hasattr(kind, "state") else "an empty one for none"
        )
        raise InputError(
            f"a {kind.__name__} does not say what of it changes in training, so that a stopped run could go on: give "
            f"its class state = (...), the names of these attributes ({inherited}), or give --no-resume"
        )
    names: Sequence[str] = part.state
    return names


def check_plain(state: Any, where: str = "the state") -> None:
    """Raise `InputError`, with its place, for anything in a state that could not be read again without running code."""
    if isinstance(state, Mapping):
        for name, value in state.items():
            check_plain(value, f"{where}, {name}")
    elif isinstance(state, list | tuple):
        for value in state:
            check_plain(value, where)
    elif not isinstance(state, PLAIN):
        kind = type(state).__name__
        raise InputError(f"{where} holds a {kind}: only tensors, numbers and text are kept; or give --no-resume")
