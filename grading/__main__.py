"""The command: grade a folder of submissions, some at a time, into one CSV file."""

import argparse
import contextlib
import hashlib
import os
import re
import signal
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from grading import gradebook
from grading.assignment import Assignment, Result, clean
from grading.gradebook import Row
from grading.pool import graded
from grading.roster import Roster
from grading.sandbox import PROGRAMS, ROOT, Limits, available, check_nothing_secret_is_mounted
from grading.submissions import Submission, collected
from replaylib.data.files import writable
from replaylib.errors import InputError, unknown

BUILT = ROOT / "_build" / "assignments"
MASTERS = ROOT / "instructors"


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grading", description=__doc__)
    parser.add_argument("assignment", help="which one, like 1_forgetting")
    parser.add_argument(
        "folder", type=Path, help="what Canvas or Moodle exported, unpacked, or any folder of notebooks"
    )
    parser.add_argument(
        "--assignments", type=Path, default=BUILT, help="where `make assignments` put them (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="the CSV file (default: ASSIGNMENT.csv in the working folder)")
    parser.add_argument("--question", action="append", default=[], help="grade this one alone, again; can be repeated")
    parser.add_argument("--again", action="store_true", help="grade anew what the CSV file has already")
    parser.add_argument("--roster", type=Path, help="Canvas's gradebook or Moodle's grading worksheet, to be filled in")
    parser.add_argument("--feedback", type=Path, help="a folder for a file of feedback a student")
    parser.add_argument("--due", type=moment, help="when it was due, like 2026-11-30T23:59")
    parser.add_argument("--per-day", type=float, default=0, help="percent of the points that each late day costs")
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1), help="submissions at a time")
    parser.add_argument("--seconds", type=float, default=Limits.total, help="for a submission (default: %(default)g)")
    parser.add_argument("--cell-seconds", type=float, default=Limits.statement, help="for a statement (%(default)g)")
    parser.add_argument("--project-seconds", type=float, default=Limits.project, help="for the rest (%(default)g)")
    parser.add_argument("--memory", type=int, default=Limits.memory, help="MB for a submission (default: %(default)d)")
    parser.add_argument(
        "--sandbox", choices=list(PROGRAMS), default="", help="which one (default: the first that starts)"
    )
    parser.add_argument("--without-sandbox", action="store_true", help="run submissions as you, with all your rights")
    return parser


def moment(text: str) -> datetime:
    """A time by this computer's clock. A day alone is refused: its midnight is where it begins, and hardly meant."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or not re.search(r"\d[T ]\d", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no day with a time: expected one like 2026-11-30T23:59")
    return when.astimezone().replace(tzinfo=None) if when.tzinfo else when


def main() -> None:
    asked = options().parse_args()
    for stop in (signal.SIGINT, signal.SIGTERM):  # whoever stops it, its rows stay, and no process does
        signal.signal(stop, signal.default_int_handler)
    try:
        grade(asked)
    except InputError as error:
        sys.exit(f"error: {error}")


def grade(asked: argparse.Namespace) -> None:
    """What the command does; raises `InputError` before anything is graded."""
    known = {path.parent.name: path.parent for path in asked.assignments.glob("*/assignment.json")}
    if not known:
        raise InputError(f"no assignment in {asked.assignments}: run `make assignments`, where the masters are")
    if asked.assignment not in known:
        raise unknown("assignment", asked.assignment, known)
    assignment, target = Assignment.read(known[asked.assignment]), checked(asked)
    for question in asked.question:
        if question not in assignment.points:
            raise unknown("question", question, assignment.points)
    folder = asked.folder.resolve()
    roster = Roster.read(asked.roster) if asked.roster else None
    sandbox = available("none" if asked.without_sandbox else asked.sandbox)
    if sandbox.kind != "none":
        check_nothing_secret_is_mounted(folder, asked.assignments, MASTERS)
    limits = Limits(
        statement=asked.cell_seconds, total=asked.seconds, project=asked.project_seconds, memory=asked.memory
    )
    submissions, lines = collected(folder)
    for line in lines:
        print(clean(line))
    if not submissions:
        raise InputError(f"no file in {folder}: name the folder that holds the submissions")
    if roster:
        roster.refuse_another(submissions, asked.roster)
    table = Table(target, assignment, asked)
    waiting = [one for one in submissions if not table.has(one)]
    done = len(submissions) - len(waiting)
    print(
        f"{len(submissions)} submissions, {done} of them in {target.name} already; sandbox: {sandbox.kind}", flush=True
    )
    started = time.monotonic()
    try:
        results = graded(waiting, assignment, sandbox, limits, asked.workers, asked.question)
        with contextlib.closing(results):  # it ends its judges, also where what interrupts it comes between two rows
            for done, (one, result) in enumerate(results, 1):
                row = table.add(one, result, sandbox.kind)
                print(f"{done}/{len(waiting)} {clean(one.path)}: {row['score'] or row['status']}", flush=True)
    except KeyboardInterrupt:
        sys.exit(f"stopped; {target} has what was graded. The same command goes on from there.")
    if roster:
        roster.take_days_late(list(table.rows.values()))
    table.keep_only(submissions)
    print(f"{target}: {len(table.rows)} rows, {time.monotonic() - started:.0f} seconds")
    if unmarked := table.unmarked():
        print(f"not marked by hand yet (columns `rubric: ...`): {unmarked}, whose totals are from questions alone")
    for row in table.rows.values():
        if (given := gradebook.points_by_hand(row)) > assignment.manual:
            print(f"{row['student']}: {given:g} points by hand, of {assignment.manual:g} that there are; look again")
    if asked.feedback:
        written = [gradebook.write_feedback(asked.feedback, one, assignment) for one in table.rows.values()]
        print(f"{asked.feedback}: {len(written)} files")
    if roster:
        names, rows, told = roster.filled(list(table.rows.values()), assignment)
        filled = target.with_name(f"{target.stem}.{roster.kind}.csv")
        gradebook.write_table(filled, names, rows)
        print("\n".join([*told, f"{filled}: to be imported, {len(rows)} rows"]))


def checked(asked: argparse.Namespace) -> Path:
    """Find out what is wrong with the call before hours are spent; gives the table's path."""
    if not asked.folder.is_dir():
        raise InputError(f"{asked.folder} is not a folder: name the one that holds the submissions")
    for name in ("workers", "seconds", "cell_seconds", "project_seconds", "memory"):
        if getattr(asked, name) <= 0:
            raise InputError(f"--{name.replace('_', '-')} is {getattr(asked, name):g}: expected a number above 0")
    if not 0 <= asked.per_day <= 100:
        raise InputError(f"--per-day is {asked.per_day:g}: expected percent, 0 to 100")
    target: Path = (asked.out or Path(f"{asked.assignment}.csv")).absolute()
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is there and is no plain file: name another with --out")
    writable(target.parent, "name another place with --out")
    if asked.feedback:
        writable(asked.feedback, "name another folder with --feedback")
    return target


class Table:
    """The CSV file: written after every row, read again by a run that goes on. Columns that it has besides stay."""

    def __init__(self, target: Path, assignment: Assignment, asked: argparse.Namespace) -> None:
        self.target, self.assignment, self.asked = target, assignment, asked
        self.rows: dict[str, Row] = {}
        self.names = gradebook.columns(assignment)
        there = gradebook.read_table(target) if target.exists() and target.stat().st_size else []
        for one in there:
            if "submission" not in one:
                raise InputError(f"{target} is a table of something else: name another with --out")
            if (other := one.get("assignment") or assignment.name) != assignment.name:
                raise InputError(f"{target} holds the marks of {other}: name another file with --out")
            self.rows[one["submission"]] = one
            self.names += [name for name in one if name not in self.names]

    def digest(self, one: Submission) -> str:
        """What a row stands for: the submission's bytes and the checks that judged it."""
        content = hashlib.sha256((one.digest or one.failed).encode())
        for path in sorted(self.assignment.tests.glob("*.py")):
            content.update(path.read_bytes())
        return content.hexdigest()[:12]

    def has(self, one: Submission) -> bool:
        """Whether a submission needs no grading: its row is there, of the same notebook and the same checks."""
        row = self.rows.get(gradebook.place(one.path), {})
        if self.asked.again or self.asked.question or row.get("status", "").startswith("not graded"):
            return False
        return row.get("digest") == self.digest(one)

    def add(self, one: Submission, result: Result, sandbox: str) -> Row:
        """Put a result into the table, and the table onto the disk."""
        key = gradebook.place(one.path)
        before = self.rows.get(key, {})
        if self.asked.question and not (one.failed or result.failed):
            graded = {q: float(before[q]) for q in self.assignment.points if before.get(q) and q not in result.scores}
            result = replace(result, scores=graded | result.scores)
        row = gradebook.row(one, self.assignment, result, self.asked.due)
        if self.asked.question and before:
            row = {name: value for name, value in row.items() if name in ("score", *self.asked.question)}
        self.rows[key] = before | row | self.origin(one, sandbox)
        self.write()
        return self.rows[key]

    def origin(self, one: Submission, sandbox: str) -> Row:
        """What a row came from."""
        return {"sandbox": sandbox, "assignment": self.assignment.name, "digest": self.digest(one)}

    def keep_only(self, submissions: list[Submission]) -> None:
        """Rows of files that are gone stay, and say so; the totals are added up anew."""
        there = {gradebook.place(one.path) for one in submissions}
        for key, row in self.rows.items():
            if key not in there:
                row["flags"] = "its file is no longer in the folder"
        self.write()

    def unmarked(self) -> int:
        """How many graded rows lack a mark in the rubric."""
        lines = [f"rubric: {line}" for line in self.assignment.rubric]
        return sum(
            any(not row.get(line, "").strip() for line in lines) for row in self.rows.values() if row.get("score")
        )

    def write(self) -> None:
        for row in self.rows.values():
            row["total"] = gradebook.total(row, self.asked.per_day)
        rows = [self.rows[key] for key in sorted(self.rows)]
        gradebook.write_table(self.target, self.names, rows)


if __name__ == "__main__":
    main()
