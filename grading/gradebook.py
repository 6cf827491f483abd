"""What comes out: the table of results, one CSV for Canvas or Moodle, and a file of feedback for each student."""

import csv
import hashlib
import io
import math
import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from grading.assignment import Assignment, Result, clean
from grading.submissions import Submission
from replaylib.data.files import replacing
from replaylib.errors import InputError

Row = dict[str, str]
# What a spreadsheet takes for a formula, at the start of a cell or after what may end a cell: `;` and tab, too.
FORMULA = re.compile(r"(^|[;\t|,]\s*)(?=[=+\-@\t\r])")

ADVICE = "close it where it is open, or name another with --out"


def safe(text: str, longest: int = 10_000) -> str:
    """A text as a cell that no spreadsheet takes for a formula, whatever separates its cells."""
    return FORMULA.sub(r"\1'", clean(text, longest))


def place(path: str) -> str:
    """A submission's path as a cell. One that had to be changed gets a mark of its own, so that no two become one."""
    cell = safe(path)
    return cell if cell == path else f"{cell} [{hashlib.sha256(os.fsencode(path)).hexdigest()[:6]}]"


def columns(assignment: Assignment) -> list[str]:
    """The table's columns; those of the rubric are for whoever marks the project.

    The column by which programs know a row is not the first: one that does not expect the byte-order mark, which
    Excel needs, takes it for a part of the first column's name.
    """
    rubric = [f"rubric: {line}" for line in assignment.rubric]
    marks = ["score", "possible", *assignment.points, *rubric, "total"]
    return [
        "student",
        "id",
        "submission",
        *marks,
        "days late",
        "status",
        "flags",
        "feedback",
        "hidden tests",
        "sandbox",
        "assignment",
        "digest",
    ]


def row(one: Submission, assignment: Assignment, result: Result, due: datetime | None) -> Row:
    """A line of the table. A submission that was not graded has no score, which is not a score of 0."""
    failed = one.failed or result.failed
    said = [f"{question}: {result.hints.get(question) or told(result, question)}" for question in result.scores]
    late = days_late(one, due)
    return {
        "submission": place(one.path),
        "student": safe(one.student),
        "id": safe(one.id or result.identifier),
        "score": "" if failed else f"{assignment.total(result.scores):g}",
        "possible": f"{assignment.possible:g}",
        **{question: f"{score:g}" for question, score in result.scores.items()},
        "days late": "" if late is None else f"{late}",
        "status": safe(f"not graded: {failed}" if failed else clean("; ".join(result.notes), 1000) or "ok"),
        "flags": safe("; ".join([*result.flags, *(f"also handed in: {other}" for other in one.others)])),
        "feedback": "" if failed else safe(" | ".join(said)),
        "hidden tests": safe(" | ".join(f"{question}: {hint}" for question, hint in result.hidden.items())),
    }


def told(result: Result, question: str) -> str:
    """What a student is told of a question whose visible checks all passed."""
    return "right" if result.scores[question] else "passes the visible checks, and not the hidden tests"


def days_late(one: Submission, due: datetime | None) -> int | None:
    """Days, begun ones counted whole, from when it was due; None if nobody said when that was.

    Canvas says who was late, and not by how much: one day. Its files bear the time of the export.
    """
    if one.late is not None:
        return int(one.late)
    if due is None or one.handed_in is None:
        return None
    return max(0, math.ceil((one.handed_in - due).total_seconds() / 86400))


def total(marks: Row, per_day: float) -> str:
    """Score and rubric together, less so many percent for each day; empty if it was not graded."""
    if not marks.get("score"):
        return ""
    points = float(marks["score"]) + points_by_hand(marks)
    try:
        days = math.ceil(typed_number(marks.get("days late", "").strip() or "0"))
    except ValueError:
        raise InputError(f"{marks['student']}'s days late are no number: expected days, like 2, or nothing") from None
    if days < 0:
        raise InputError(f"{marks['student']}'s days late are below 0: expected days, like 2, or nothing")
    return f"{points * max(0.0, 1 - days * per_day / 100):g}"


def typed_number(text: str) -> float:
    """A finite number, with a point or a comma as a spreadsheet writes it; raises `ValueError` if it is none."""
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def by_hand(marks: Row) -> dict[str, str]:
    """What was given by hand for each line of the rubric."""
    lines = {
        name.removeprefix("rubric: "): value.strip() for name, value in marks.items() if name.startswith("rubric: ")
    }
    return {line: value for line, value in lines.items() if value}


def points_by_hand(marks: Row) -> float:
    """The rubric's points together; raises `InputError` if one is no number."""
    try:
        return sum(typed_number(value) for value in by_hand(marks).values())
    except ValueError:
        raise InputError(f"a mark of {marks['student']} in the rubric is no number: expected points, like 2") from None


# Files


def read_table(path: Path) -> list[Row]:
    """A CSV file's rows; raises `InputError` if it is none."""
    if not path.is_file():
        raise InputError(f"{path} is not a plain file: name a CSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        # Not the text's lines: a cell may have several, such as a comment in Moodle's worksheet.
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}): save it as CSV in UTF-8") from None
    return [{name: value or "" for name, value in one.items() if name is not None} for one in rows]


def write_table(path: Path, names: Iterable[str], rows: Iterable[Row]) -> None:
    """Write a CSV file whole; with a byte-order mark, without which Excel garbles names."""
    with replacing(path, ADVICE) as half, half.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, fieldnames=list(names), restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def write_feedback(folder: Path, one: Row, assignment: Assignment) -> Path:
    """A student's own file: points and what became of them, hints of visible checks, notes; never a hidden test's text.

    It lies where the submission lay, so that a zip of the folder goes back to Moodle as it is.
    """
    parts = [part for part in one["submission"].split("/") if part.strip(". ")]  # nothing that leads out of the folder
    where = folder.joinpath(*parts).with_suffix("")
    target = where.with_name(f"{where.name}_feedback.md")
    lines = [f"# {assignment.name}: {one['student']}", ""]
    if one["score"]:
        lines += [f"{one['score']} of {one['possible']} points from the questions.", ""]
        said = dict(part.partition(": ")[::2] for part in one["feedback"].split(" | ") if part)
        for question, points in assignment.points.items():
            if one.get(question):
                lines.append(f"- **{question}** ({one[question]} of {points:g}): {said.get(question, '')}")
        lines += [f"- **{line}**, by hand: {points}" for line, points in by_hand(one).items()]
        if one.get("total", "") not in ("", one["score"]):
            late = "" if one["total"] == total(one, 0) else f", less what the days late cost ({one['days late']})"
            lines += ["", f"Together {one['total']} points{late}."]
        if one["status"] != "ok":
            lines += ["", "While it was run:", "", *(f"- {note}" for note in one["status"].split("; "))]
    else:
        lines.append(one["status"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, ADVICE) as half:
        half.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target
