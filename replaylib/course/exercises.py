"""Exercises in a notebook: a solution's cell waits until it is asked for, and an answer can be checked.

``%load_ext replaylib.course.exercises`` makes the cell magic ``%%solution`` known.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

#: Solutions, by title, that were asked for in this session.
_asked: set[str] = set()
#: The last solution's cell that waited, and the number of that execution.
_waiting: tuple[str, int] = ("", -1)


def solution(title: str, cell: str) -> None:
    """The cell magic ``%%solution title``: runs the cell once the solution was asked for.

    It is asked for by running one of its cells twice, one directly after the other. *Run all* runs every cell once, so
    that no answer stands below a question before the reader has tried.
    """
    global _waiting
    from IPython.core.error import UsageError
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    here = (title + cell, shell.execution_count)
    if here == (_waiting[0], _waiting[1] + 1):
        _asked.add(title)
    if title not in _asked:
        _waiting = here
        print(f"{title} waits until you ask for it: run this cell once more.")
        return
    done = shell.run_cell(cell)
    if not done.success:
        # The cell's own traceback has been shown; what runs a whole notebook must see that this cell failed.
        raise UsageError(f"{title} stopped with {type(done.error_in_exec or done.error_before_exec).__name__}")


def check(answer: Any, right: Any, within: float = 0.0) -> None:
    """Print whether an answer to an exercise is right.

    Parameters
    ----------
    answer : a number, a text, or a sequence of either; ``...`` while there is none.
    right : what it should be.
    within : how far each number may be from it.
    """
    print(_verdict(answer, right, within))


def _verdict(answer: Any, right: Any, within: float) -> str:
    if answer is ...:
        return "Not answered yet: put your answer in the place of the three dots, run that cell, then this one."
    if isinstance(right, str):
        return _said(isinstance(answer, str) and answer.strip().casefold() == right.casefold())
    if isinstance(right, Sequence):
        if not _listed(answer) or len(answer) != len(right):
            return f"Not yet: this is not a list of {len(right)}."
        pairs = enumerate(zip(answer, right, strict=True), 1)
        wrong = [str(i) for i, (given, due) in pairs if _verdict(given, due, within) != _said(True)]
        return f"Not yet: look at number {', '.join(wrong)} again." if wrong else _said(True)
    try:
        number = float(answer)
    except (TypeError, ValueError):
        return "Not yet: this is not a number."
    if abs(number - right) <= within + 1e-9 * abs(right):
        return _said(True)
    return "Not yet: too large." if number > right else "Not yet: too small." if number < right else _said(False)


def _listed(answer: Any) -> bool:
    return (
        hasattr(answer, "__len__") and hasattr(answer, "__getitem__") and not isinstance(answer, str | numbers.Number)
    )


def _said(right: bool) -> str:
    return "Right." if right else "Not yet."


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext``."""
    register: Callable[..., None] = shell.register_magic_function
    register(solution, magic_kind="cell", magic_name="solution")
