"""From one submission to its scores: run its cells, then each question's tests, and never stop for what it does."""

import ast
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otter.test_files import ExceptionTestFile, TestCaseResult

from grading.limits import Limits
from grading.nursery import Nursery
from grading.points import grouped
from grading.remote import Names, Session
from grading.wire import BrokenBorder

LARGEST = 20 * 2**20
DEATHS = 4
NOT_GRADED = ("# Experiment", "grader.", "# All visible checks", "# Save first", "# @title Install")


@dataclass(frozen=True)
class Assignment:
    """What `make assignments` says of an assignment: points of each question, and groups of which the best counts."""

    name: str
    points: dict[str, float]
    one_of: tuple[str, ...]
    possible: float
    manual: float
    tests: Path

    @classmethod
    def read(cls, folder: Path) -> "Assignment":
        about = json.loads((folder / "assignment.json").read_text(encoding="utf-8"))
        return cls(**about | {"one_of": tuple(about["one_of"]), "tests": folder / "tests"})

    def test(self, question: str) -> ExceptionTestFile:
        """A fresh copy of a question's tests."""
        return ExceptionTestFile.from_file(str(self.tests / f"{question}.py"))

    def total(self, scores: dict[str, float]) -> float:
        """The score of a submission."""
        return grouped(scores, self.one_of)


@dataclass
class Result:
    """What grading a submission found: a score and a hint for each question, and what went wrong on the way."""

    scores: dict[str, float]
    hints: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def cells(path: Path) -> list[str]:
    """A submission's code cells, without those that grading leaves out; raises ValueError, saying what is wrong."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("not a plain file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"a file of more than {LARGEST // 2**20} MB")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise ValueError("not a notebook that can be read") from error
    return [source for source in sources if source.strip() and not source.lstrip().startswith(NOT_GRADED)]


def grade(path: Path, assignment: Assignment, nursery: Nursery, limits: Limits) -> Result:
    """Grade one submission."""
    result = Result(dict.fromkeys(assignment.points, 0.0))
    try:
        sources = cells(path)
    except ValueError as error:
        result.notes.append(str(error))
        return result
    work = tempfile.mkdtemp(prefix="grading-")
    attempt = Attempt(sources, result.notes, lambda: Session(nursery, work, limits, deadline), limits.cell)
    deadline = time.monotonic() + limits.total
    try:
        for question in assignment.points:
            score, hint = judge(assignment.test(question), attempt)
            result.scores[question] = score
            if hint:
                result.hints[question] = hint
    finally:
        attempt.close()
        shutil.rmtree(work, ignore_errors=True)
    return result


class Attempt:
    """A submission that is brought to life as often as it dies, each time without the cell that killed it."""

    def __init__(self, sources: list[str], notes: list[str], start: Callable[[], Session], patience: float) -> None:
        self.sources, self.notes, self.start, self.patience = sources, notes, start, patience
        self.left_out: set[int] = set()
        self.deaths = 0
        self.session: Session | None = None

    def names(self) -> Names:
        """Names of the living submission; raises `BrokenBorder` when it has died too often."""
        while self.session is None or not self.session.alive:
            if self.deaths > DEATHS:
                raise BrokenBorder("the submission's process was ended too often")
            self.close()
            self.session = self.start()
            self.run_cells(self.session)
        return Names(self.session)

    def run_cells(self, session: Session) -> None:
        for place, source in enumerate(self.sources):
            if place in self.left_out:
                continue
            try:
                session.run(place + 1, source)
            except BrokenBorder as end:
                self.died(f"in {titled(source)}: {end}; graded without that cell")
                self.left_out.add(place)
                return
            except Exception as error:
                self.note(f"in {titled(source)}: {type(error).__name__}: {error}")

    def died(self, note: str) -> None:
        self.deaths += 1
        self.note(note)

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def close(self) -> None:
        if self.session:
            self.session.close()
        self.session = None


def judge(test: ExceptionTestFile, attempt: Attempt) -> tuple[float, str]:
    """A question's score, by otter-grader's rules, and a hint where a test case failed."""
    hints: list[str] = []
    test.test_case_results = []
    for case in test.test_cases:
        hint = ""
        try:
            case.body.call_func(attempt.names())
        except BrokenBorder as end:
            hint = f"your code gave no answer: {end}"
            if attempt.session is not None:
                attempt.died(f"while {test.name} was tested: {end}")
        except AssertionError as error:
            hint = str(error) or "a check failed"
        except Exception as error:
            hint = f"your code stopped with {type(error).__name__}: {error}"
        test.test_case_results.append(TestCaseResult(test_case=case, message=hint, passed=not hint))
        if hint:
            hints.append(("[hidden test] " if case.hidden else "") + hint)
    # A visible hint says more than the hidden tests that fail for the same reason.
    visible = [hint for hint in hints if not hint.startswith("[hidden test]")]
    return float(test.score), clean("; ".join(dict.fromkeys(visible or hints)))


def titled(source: str) -> str:
    """A few words that say which cell is meant: what it defines, or how it begins."""
    try:
        defined: list[Any] = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        defined = []
    return f"the cell of {defined[0]}" if defined else f"the cell '{source.strip().splitlines()[0][:40]}'"


def clean(text: str, longest: int = 400) -> str:
    """A text that may hold anything, as one line for a table."""
    line = re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else "?" for c in text)).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"
