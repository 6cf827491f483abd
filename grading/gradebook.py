"""What comes out: the table of results, one CSV for Canvas or Moodle, and a file of feedback for each student."""

import csv
import hashlib
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
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
    """Days, begun ones counted whole, from when it was due; None if nobody said when that was."""
    if due is None:
        return 1 if one.late else None
    if one.handed_in is None:
        return None
    days = max(0, math.ceil((one.handed_in - due).total_seconds() / 86400))
    return max(days, 1) if one.late else days


def total(marks: Row, per_day: float) -> str:
    """Score and rubric together, less so many percent for each day; empty if it was not graded."""
    if not marks.get("score"):
        return ""
    by_hand = [value for name, value in marks.items() if name.startswith("rubric: ") and value.strip()]
    try:
        points = float(marks["score"]) + sum(float(value.replace(",", ".")) for value in by_hand)
    except ValueError:
        raise InputError(f"a mark of {marks['student']} in the rubric is no number: expected points, like 2") from None
    days = int(float(marks.get("days late") or 0))
    return f"{points * max(0.0, 1 - days * per_day / 100):g}"


# Files


def read_table(path: Path) -> list[Row]:
    """A CSV file's rows; raises `InputError` if it is none."""
    if not path.is_file():
        raise InputError(f"{path} is not a plain file: name a CSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter, strict=True))
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
    """A student's own file: points, hints of visible checks, notes; never a hidden test's text.

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
        if one["status"] != "ok":
            lines += ["", "While it was run:", "", *(f"- {note}" for note in one["status"].split("; "))]
    else:
        lines.append(one["status"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, ADVICE) as half:
        half.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


# Rosters


@dataclass(frozen=True)
class Roster:
    """Who takes the course: a table as Canvas or Moodle exports it, or one of one's own with columns name and id.

    Parameters
    ----------
    kind : canvas, moodle or plain.
    """

    kind: str
    names: list[str]
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> "Roster":
        """Read an export; raises `InputError` if it is none of the three."""
        rows = read_table(path)
        names = list(rows[0]) if rows else []
        if {"Student", "ID"} <= set(names):
            kind = "canvas"
        elif {"Identifier", "Full name"} <= set(names):
            kind = "moodle"
        elif "name" in names:
            kind = "plain"
        else:
            raise InputError(
                f"{path} has the columns {', '.join(names[:6]) or 'of an empty file'}: expected Canvas's gradebook "
                "(Student, ID, ...), Moodle's grading worksheet (Identifier, Full name, ...), or name and id"
            )
        return cls(kind, names, rows)

    def person(self, one: Row) -> tuple[str, str]:
        """Name and identifier of a row."""
        if self.kind == "canvas":
            return one["Student"], one["ID"]
        if self.kind == "moodle":
            return one["Full name"], re.sub(r"\D", "", one["Identifier"])
        return one["name"], one.get("id", "")

    def people(self) -> list[tuple[Row, str, str]]:
        """Every student's row, name and identifier."""
        skipped = ("points possible", "student, test", "test student")
        everyone = [(one, *self.person(one)) for one in self.rows]
        return [(one, name, number) for one, name, number in everyone if name.strip().lower() not in ("", *skipped)]

    def match(self, results: list[Row]) -> tuple[dict[int, Row], list[Row]]:
        """For each row of the roster the row of results that is its student's, and results that are nobody's.

        By identifier first; then by name, whatever its order, case and punctuation, if only one student has it.
        """
        found: dict[int, Row] = {}
        left = list(results)
        keys = [lambda name, number: number, lambda name, number: plain_name(name)]
        for key in keys:
            waiting: dict[str, list[Row]] = {}
            for result in left:
                waiting.setdefault(key(result["student"], result["id"]), []).append(result)
            wanted: dict[str, list[int]] = {}
            for one, name, number in self.people():
                if id(one) not in found:
                    wanted.setdefault(key(name, number), []).append(id(one))
            for text, places in wanted.items():
                if text and len(places) == 1 and len(waiting.get(text, [])) == 1:
                    found[places[0]] = waiting[text][0]
            taken = {id(result) for result in found.values()}
            left = [result for result in left if id(result) not in taken]
        return found, left

    def take_days_late(self, results: list[Row]) -> None:
        """Put into rows of results how late they are by Moodle's own account, if this is its worksheet.

        Moodle knows of extensions, and the times of the files that it exports may be those of the export.
        """
        found, _ = self.match(results)
        for one in self.rows if self.kind == "moodle" else []:
            status = one.get("Status", "")
            if id(one) in found and status.startswith("Submitted"):
                found[id(one)]["days late"] = f"{days_of(status)}"

    def filled(self, results: list[Row], assignment: Assignment) -> tuple[list[str], list[Row], list[str]]:
        """The export with marks in it, ready to be imported: its columns, its rows, and what could not be matched."""
        found, nobody = self.match(results)
        people = {id(one): f"{name} ({number})" if number else name for one, name, number in self.people()}
        names, comment = list(self.names), "Feedback comments"
        column, told = "Grade" if self.kind == "moodle" else "total", []
        if self.kind == "canvas":
            column, *others = [n for n in names if words(assignment.name) <= words(n)] or [assignment.name]
            told = [f"marks stand in the column {column!r}"]
            told += [f"the columns {', '.join(others)} could be meant as well, and are as they were"] if others else []
            told += ["Canvas has no such assignment, and will ask where it belongs"] if column not in names else []
        names += [name for name in (column, *([comment] if self.kind == "moodle" else [])) if name not in names]
        rows = []
        told += [f"{one['submission']}: nobody in the roster is {one['student']!r} {one['id']}" for one in nobody]
        for one in self.rows:
            result = found.get(id(one))
            filled = dict(one)
            if result and result["total"]:
                filled[column] = result["total"]
                if self.kind == "moodle":
                    filled[comment] = result["feedback"]
            elif id(one) in people:
                told.append(f"{people[id(one)]}: {result['status'] if result else 'nothing handed in'}; no mark")
            rows.append(filled)
        return names, rows, told


def days_of(status: str) -> int:
    """Days in what Moodle says of who is late, like `Submitted for grading - 2 days 3 hours late`; begun ones whole."""
    said = re.search(r"- ([^-]*) late\b", status)
    told = {unit: int(number) for number, unit in re.findall(r"(\d+) (year|day|hour|min|sec)", said[1] if said else "")}
    whole = 365 * told.pop("year", 0) + told.pop("day", 0)
    return whole + any(told.values())


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def plain_name(name: str) -> str:
    """A name without order, case and punctuation, so that `Roe, Jane` and `jane roe` are one."""
    return " ".join(sorted(re.findall(r"\w+", name.casefold())))
