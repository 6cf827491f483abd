"""What a user can choose, by name, and one exception for everything that a user can get wrong. No tensor is needed."""

import difflib
from collections.abc import Iterable

#: The three continual-learning scenarios, see `replaylib.scenarios`.
SCENARIOS = {
    "task": "task-incremental: the task is known; choose among its classes",
    "domain": "domain-incremental: every task has the same outputs; the task is not known",
    "class": "class-incremental: choose among all classes seen so far; the task is not known",
}
#: How a buffer decides what it keeps, see `replaylib.replay.Buffer`.
POLICIES = ("balanced", "reservoir")
#: What matrix products of layers are computed in, see `replaylib.train`.
PRECISIONS = ("float32", "bfloat16")


class InputError(ValueError):
    """Input that cannot be used. Its message is one line: what was wrong, what was expected, what to do."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> InputError:
    """The error for a name that is in no table, with the names nearest to it.

    Parameters
    ----------
    kind : what the name should have named, e.g. ``"protocol"``.
    name : what was asked for.
    known : the names there are.
    hint : a last sentence that says what to do; by default all known names are listed.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return InputError(f"unknown {kind} {name!r}.{guess} {hint or 'Known: ' + ', '.join(known) + '.'}")
