"""The graded assignments, as a student meets them: checks that answer at once, and one file to hand in.

A check is read from a file in otter-grader's exception-based format, which needs no otter-grader to be run. What runs
here are the visible checks alone; the hidden tests, which decide the mark, are the instructor's.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from replaylib.course import hand_in
from replaylib.course.answers import Answer, plain
from replaylib.data.files import replacing
from replaylib.errors import unknown

LIBRARY = Path(__file__).resolve().parents[1]
FOLDERS = (LIBRARY.parent / "chapters" / "assignments" / "checks", LIBRARY / "assignment_checks")

NOT_YET = "it gave back nothing yet: replace the ... by your own code, and return the result"


class Missing:
    """Stands for a name that the notebook does not define; whoever uses it is told so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError(f"`{self.name}` is not defined: run its cell, and keep its name as it was")

    def __getattr__(self, _: str) -> NoReturn:
        self()


def expect(
    result: object,
    right: object,
    slips: Mapping[str, object] | None = None,
    hint: str = "",
    tolerance: float = 1e-4,
) -> None:
    """Raise AssertionError, with a hint, unless a result is what it should be.

    A number, a list, an array and a tensor of the same values are the same; nan equals nan. What counts is the value.

    Parameters
    ----------
    right : a tensor, a number, a bool, or a list of numbers.
    slips : the hint for each result that is known to come from a misconception.
    hint : said of any other wrong result.
    tolerance : absolute, and relative to the larger value.
    """
    result = plain(result)
    if result is None:
        raise AssertionError(NOT_YET)
    answer, wanted = _tensor(result), _tensor(right)
    assert wanted is not None
    if answer is None:
        raise AssertionError(f"the result should be numbers, and is a {type(result).__name__}. {hint}".strip())
    if _same(answer, wanted, tolerance):
        return
    for reason, slip in (slips or {}).items():
        wrong = _tensor(slip)
        if wrong is not None and _same(answer, wrong, tolerance):
            raise AssertionError(reason)
    if answer.shape != wanted.shape:
        told = f"the result has shape {tuple(answer.shape)}, expected {tuple(wanted.shape)}"
        raise AssertionError(f"{told}. {hint}".strip())
    seen = (
        f"expected {_shown(wanted)}, found {_shown(answer)}" if wanted.numel() <= 12 else "other values were expected"
    )
    raise AssertionError(f"{hint} ({seen})" if hint else f"the values are not right yet: {seen}")


def expect_gradients(result: object, *inputs: Tensor, hint: str = "") -> None:
    """Raise AssertionError unless the derivative of a result reaches every one of these inputs."""
    told = hint or "no gradient reaches what the result is computed from: nothing is detached here, nor under no_grad"
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise AssertionError(told)
    gradients = torch.autograd.grad(result.sum(), inputs, allow_unused=True, retain_graph=True)
    if any(gradient is None or not gradient.any() for gradient in gradients):
        raise AssertionError(told)


def _tensor(value: object) -> Tensor | None:
    """A value as float64 numbers, or None if it is something else."""
    try:
        if isinstance(value, Tensor):
            return value.detach().cpu().to(torch.float64)
        return torch.from_numpy(np.array(value, dtype=np.float64))
    except (TypeError, ValueError, RuntimeError):
        pass
    try:  # a list of tensors
        return torch.stack([torch.as_tensor(one, dtype=torch.float64) for one in value])  # type: ignore[attr-defined]
    except (TypeError, ValueError, RuntimeError):
        return None


def _shown(values: Tensor) -> str:
    """Few numbers, as one reads them."""
    rounded = [float(f"{value:.4g}") for value in values.flatten().tolist()]
    numbers = ", ".join(f"{value:g}" for value in rounded)
    return numbers if values.ndim == 0 else f"[{numbers}]"


def _same(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


# Checks in otter-grader's format --------------------------------------------------------------------------------------


@dataclass
class test_case:
    """The decorator of otter-grader's exception-based format: it only remembers the function and what is said of it."""

    points: float | None = None
    hidden: bool = False
    success_message: str | None = None
    failure_message: str | None = None
    name: str | None = None
    function: Callable[..., None] = field(init=False, repr=False)

    __test__ = False  # no test of pytest's

    def __call__(self, function: Callable[..., None]) -> "test_case":
        self.function = function
        return self

    @property
    def asks(self) -> list[str]:
        """The names that it needs from a notebook."""
        return list(signature(self.function).parameters)

    def run(self, names: Mapping[str, object]) -> str:
        """The hint, or nothing if the check is passed. ``names`` are those that the notebook defines."""
        given = {name: Answer(names[name]) if name in names else Missing(name) for name in self.asks}
        try:
            self.function(**given)
        except AssertionError as error:
            return str(error) or "a check failed"
        except Exception as error:
            return f"your code stopped with {type(error).__name__}: {error}"
        return ""


def read(path: Path) -> list[test_case]:
    """The test cases in a file of otter-grader's exception-based format."""
    source = path.read_text(encoding="utf-8").replace(
        "from otter.test_files import", "from replaylib.course.assignments import"
    )
    names: dict[str, object] = {}
    exec(compile(source, str(path), "exec"), names)
    return [case for case in names.values() if isinstance(case, test_case)]


@dataclass(frozen=True)
class Outcome:
    """What checking a question found; ``hints`` is empty if all its visible checks passed."""

    question: str
    hints: tuple[str, ...]

    def __str__(self) -> str:
        if not self.hints:
            return f"{self.question}: all visible checks passed. (Hidden tests try your answer on other data.)"
        return "\n".join([f"{self.question}: not yet.", *(f"  Hint: {hint}" for hint in self.hints)])

    __repr__ = __str__


@dataclass(frozen=True)
class Outcomes:
    """What checking all questions found."""

    each: tuple[Outcome, ...]

    def __str__(self) -> str:
        done = sum(not outcome.hints for outcome in self.each)
        last = f"{done} of {len(self.each)} questions pass all their visible checks."
        return "\n".join([*map(str, self.each), last])

    __repr__ = __str__


class Assignment:
    """One assignment in a student's notebook.

    Parameters
    ----------
    name : which one, e.g. ``"1_forgetting"``.
    names : the notebook's variables: ``globals()``.

    Raises
    ------
    InputError : no assignment has that name.
    """

    def __init__(self, name: str, names: Mapping[str, object]) -> None:
        folders = {path.name: path for folder in FOLDERS for path in folder.glob("*/") if path.is_dir()}
        if name not in folders:
            raise unknown("assignment", name, folders)
        self.name, self.names = name, names
        self.files = {path.stem: path for path in sorted(folders[name].glob("*.py"))}

    def check(self, question: str) -> Outcome:
        """Run a question's visible checks; raises `InputError` if there is no such question."""
        if question not in self.files:
            raise unknown("question", question, self.files)
        hints = [case.run(self.names) for case in read(self.files[question])]
        return Outcome(question, tuple(dict.fromkeys(filter(None, hints))))

    def check_all(self) -> Outcomes:
        """Run the visible checks of every question."""
        return Outcomes(tuple(self.check(question) for question in self.files))

    def export(self, student: str | None = None) -> Path:
        """Write the notebook, as it is now, to one file to hand in; in Colab the browser then downloads it.

        Parameters
        ----------
        student : who hands in, by a number or a name; asked for if it is not given. It goes into the file.

        Returns
        -------
        The file, ``NAME_submission.ipynb`` in the working folder.

        Raises
        ------
        InputError : the notebook was not found, or its file does not hold the answers that were checked.
        """
        target = Path(f"{self.name}_submission.ipynb")
        asked = sorted({name for path in self.files.values() for case in read(path) for name in case.asks})
        notebook = hand_in.notebook(self.name, self.names, asked, target)
        who = hand_in.identifier(student)
        if who:
            notebook["metadata"] = notebook.get("metadata", {}) | {"replay": {"student": who}}
        with replacing(target, "run this cell where you may write, or hand in the notebook's file itself") as part:
            part.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        cells = sum(cell.get("cell_type") == "code" for cell in notebook["cells"])
        by = f", by {who}" if who else ""
        print(f"Wrote {target}, with {cells} code cells{by}. This is the one file to hand in.")
        if "google.colab" in sys.modules:
            from google.colab import files

            files.download(str(target))
        return target
