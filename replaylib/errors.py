"""What a user can choose, by name, and one exception for everything that a user can get wrong. No tensor is needed."""

import difflib
import errno
import re
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


def counted(number: int, noun: str) -> str:
    """A number of things in words: ``"1 run"``, ``"3 runs"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> InputError:
    """The error for a name that is in no table, with the names nearest to it.

    Parameters
    ----------
    kind : what the name should have named, e.g. ``"protocol"``.
    name : what was asked for.
    known : the names there are.
    hint : a last sentence that says what to do; by default all known names are listed.
    """
    known = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return InputError(f"unknown {kind} {name!r}.{guess} {hint or 'Known: ' + ', '.join(known) + '.'}")


#: Words with which PyTorch, or the libraries that it calls, say that memory was wanted and there was none.
NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|std::bad_alloc|alloc_failed|cannot allocate memory", re.I
)


def out_of_memory(error: BaseException) -> str:
    """What was asked for, ``"20.0 GiB on a GPU"`` for example, where memory ran out; empty for any other error.

    PyTorch's allocator on a CPU raises a RuntimeError that only its words tell from others.
    """
    said = str(error)
    of_torch = isinstance(error, RuntimeError) and NO_MEMORY.search(said)
    of_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if not (of_torch or of_system or isinstance(error, MemoryError)):
        return ""
    where = next((name for word, name in (("CUDA", "a GPU"), ("MPS", "a GPU")) if word in said), "this machine")
    if match := re.search(r"allocate ([\d.]+) ?(GiB|MiB|GB|MB)", said):
        return f"{match[1]} {match[2]} on {where}"
    if match := re.search(r"(\d+) bytes", said):
        return f"{int(match[1]) / 2**30:.1f} GiB on {where}"
    return f"more than there is on {where}"
