"""What is graded, and what came of it."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grading.points import grouped

if TYPE_CHECKING:
    from replaylib.course.assignments import test_case


@dataclass(frozen=True)
class Assignment:
    """What `make assignments` says of an assignment.

    Parameters
    ----------
    points : of each question; of the groups in ``one_of`` the best counts, see `points.grouped`.
    possible : points to be had automatically; ``manual``: those of the ``rubric``, a line each, given by hand.
    library : for each question the names of the library's own solutions, which a submission should not call.
    """

    name: str
    points: dict[str, float]
    one_of: tuple[str, ...]
    possible: float
    manual: float
    tests: Path
    rubric: tuple[str, ...] = ()
    library: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Assignment":
        about = json.loads((folder / "assignment.json").read_text(encoding="utf-8"))
        lists = {name: tuple(about.get(name, ())) for name in ("one_of", "rubric")}
        return cls(**about | lists | {"tests": folder / "tests"})

    def checks(self, question: str) -> "list[test_case]":
        """A question's checks, visible and hidden."""
        from replaylib.course.assignments import read  # and PyTorch, which the command itself does without

        return read(self.tests / f"{question}.py")

    def total(self, scores: dict[str, float]) -> float:
        """The score of a submission."""
        return grouped(scores, self.one_of)


@dataclass
class Result:
    """What grading a submission found.

    Parameters
    ----------
    scores : of each question; a question that was not graded is not in it.
    hints : of each question that lost its points, from its visible checks; ``hidden``: from its hidden ones, for the
        instructor alone.
    notes : what went wrong on the way; ``flags``: what the instructor should look at.
    failed : why nothing was graded; empty if all was.
    identifier : what the student wrote when `export()` asked for one.
    """

    scores: dict[str, float] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    failed: str = ""
    identifier: str = ""


def clean(text: str, longest: int = 400) -> str:
    """A text that may hold anything, as one line for a table."""
    line = re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else "?" for c in text)).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"
