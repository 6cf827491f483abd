"""Who takes the course: the export that Canvas or Moodle takes back with marks in it."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grading.assignment import Assignment
from grading.gradebook import Row, read_table, safe, typed_number
from grading.submissions import Submission
from replaylib.errors import InputError

# How the column Status of Moodle's worksheet begins for what was saved and not submitted. Such files are exported too.
DRAFT = "Draft (not submitted)"


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
        """Read an export; raises `InputError` if it is none of the three.

        Where names are hidden from those who mark, Moodle's worksheet has no column for them.
        """
        rows = read_table(path)
        names = list(rows[0]) if rows else []
        if {"Student", "ID"} <= set(names):
            kind = "canvas"
        elif {"Identifier", "Grade"} <= set(names):
            kind = "moodle"
        elif "name" in names:
            kind = "plain"
        else:
            raise InputError(
                f"{path} {'has the columns ' + ', '.join(names[:6]) if names else 'has no rows'}: expected Canvas's "
                "gradebook (Student, ID, ...), Moodle's grading worksheet in English (Identifier, Full name, ..., "
                "Grade), or name and id"
            )
        return cls(kind, names, rows)

    def person(self, one: Row) -> tuple[str, str]:
        """Name and identifier of a row."""
        if self.kind == "canvas":
            return one["Student"], one["ID"]
        if self.kind == "moodle":
            return one.get("Full name") or one["Identifier"], re.sub(r"\D", "", one["Identifier"])
        return one["name"], one.get("id", "")

    def people(self) -> list[tuple[Row, str, str]]:
        """Every student's row, name and identifier."""
        skipped = ("points possible", "student, test", "test student")
        everyone = [(one, *self.person(one)) for one in self.rows]
        return [(one, name, number) for one, name, number in everyone if name.strip().lower() not in ("", *skipped)]

    def refuse_another(self, submissions: Iterable[Submission], path: Path) -> None:
        """Raise `InputError` if this is Moodle's worksheet of another assignment.

        Moodle numbers participants anew in each assignment, and ignores rows whose number it does not know there.
        """
        handed_in = {one.id for one in submissions if "_assignsubmission_" in one.path}
        known = {number for _, _, number in self.people()}
        if self.kind == "moodle" and handed_in and not handed_in & known and not self.teams():
            raise InputError(
                f"{path} has none of the participants' numbers in the folders' names ({min(handed_in)}, ...): it is "
                "the worksheet of another assignment; download this one's"
            )

    def teams(self) -> set[str]:
        """The names of groups that hand in together, in Moodle."""
        return {plain_name(one.get("Group", "")) for one in self.rows if self.kind == "moodle"} - {""}

    def match(self, results: list[Row]) -> tuple[dict[int, Row], list[Row]]:
        """For each row of the roster the row of results that is its student's, and results that are nobody's.

        By identifier first; then by name, whatever its order, case and punctuation, if only one student has it.
        What a group handed in is its members': Moodle names its folder by the group, with a number that may be
        another participant's.
        """
        teams = self.teams()
        of_teams = {name: one for one in results if (name := plain_name(one["student"])) in teams}
        by_row = {
            id(one): of_teams[name] for one in self.rows if (name := plain_name(one.get("Group", ""))) in of_teams
        }
        left = [result for result in results if plain_name(result["student"]) not in of_teams]
        keys = [lambda name, number: number, lambda name, number: plain_name(name)]
        for key in keys:
            waiting: dict[str, list[Row]] = {}
            for result in left:
                waiting.setdefault(key(result["student"], result["id"]), []).append(result)
            wanted: dict[str, list[int]] = {}
            for one, name, number in self.people():
                if id(one) not in by_row:
                    wanted.setdefault(key(name, number), []).append(id(one))
            for text, places in wanted.items():
                if text and len(places) == 1 and len(waiting.get(text, [])) == 1:
                    by_row[places[0]] = waiting[text][0]
            taken = {id(result) for result in by_row.values()}
            left = [result for result in left if id(result) not in taken]
        return by_row, left

    def take_days_late(self, results: list[Row]) -> None:
        """Put into rows of results how late they are by Moodle's own account, if this is its worksheet.

        Moodle knows of extensions, and the times of the files that it exports may be those of the export.
        """
        by_row, _ = self.match(results)
        for one in self.rows if self.kind == "moodle" else []:
            status = one.get("Status", "")
            if id(one) in by_row and status.startswith(("Submitted", DRAFT)):
                by_row[id(one)]["days late"] = f"{days_of(status)}"

    def filled(self, results: list[Row], assignment: Assignment) -> tuple[list[str], list[Row], list[str]]:
        """The export with marks in it, ready to be imported: its columns, its rows, and what could not be matched."""
        by_row, nobody = self.match(results)
        people = {id(one): f"{name} ({number})" if number else name for one, name, number in self.people()}
        names, comment = list(self.names), "Feedback comments"
        column, told = "Grade" if self.kind == "moodle" else "total", []
        if self.kind == "canvas":
            column, *others = [n for n in names if words(assignment.name) <= words(n)] or [assignment.name]
            told = [f"marks stand in the column {column!r}"]
            told += [f"the columns {', '.join(others)} could be meant as well, and are as they were"] if others else []
            told += ["Canvas has no such assignment, and will ask where it belongs"] if column not in names else []
        told += self.other_maximum(column, assignment)
        names += [name for name in (column, *([comment] if self.kind == "moodle" else [])) if name not in names]
        rows = []
        told += [f"{one['submission']}: nobody in the roster is {one['student']!r} {one['id']}" for one in nobody]
        for one in self.rows:
            result = by_row.get(id(one))
            filled = dict(one)
            if result and result["total"]:
                filled[column] = result["total"]
                if self.kind == "moodle":
                    filled[comment] = as_html(result["feedback"])
                    if one.get("Status", "").startswith(DRAFT):
                        told.append(
                            f"{people[id(one)]}: in Moodle still a draft, which nobody submitted; it has a mark"
                        )
            elif id(one) in people:
                told.append(f"{people[id(one)]}: {result['status'] if result else 'nothing handed in'}; no mark")
            rows.append(filled)
        return names, rows, told

    def other_maximum(self, column: str, assignment: Assignment) -> list[str]:
        """What to tell if the export says that an assignment has another maximum than its questions and rubric give."""
        if self.kind == "canvas":
            said = [one.get(column, "") for one in self.rows if one["Student"].strip().lower() == "points possible"]
        else:
            said = [one.get("Maximum Grade") or one.get("Maximum grade") or "" for one in self.rows]
        most = assignment.possible + assignment.manual
        others = {text for text in said if re.fullmatch(r"\d+([.,]\d+)?", text) and typed_number(text) != most}
        return [
            f"the maximum there is {text}; questions and rubric give {most:g} together: set it to that"
            for text in sorted(others)
        ]


def as_html(feedback: str) -> str:
    """Feedback as Moodle reads a comment: a line for each question; a `<` in what Python said is no tag."""
    return safe("<br>".join(html.escape(part, quote=False) for part in feedback.split(" | ")))


def days_of(status: str) -> int:
    """Days in what Moodle says of who is late, like `Submitted for grading - 2 days 3 hours late`; begun ones whole.

    What follows may be `Graded`, a state of the marking workflow, an extension, or nothing between hyphens
    (`col_status` of Moodle's mod/assign/gradingtable.php).
    """
    said = re.search(r"- ([^-]*) late\b", status)
    told = {unit: int(number) for number, unit in re.findall(r"(\d+) (year|day|hour|min|sec)", said[1] if said else "")}
    whole = 365 * told.pop("year", 0) + told.pop("day", 0)
    return whole + any(told.values())


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def plain_name(name: str) -> str:
    """A name without order, case and punctuation, so that `Roe, Jane` and `jane roe` are one."""
    return " ".join(sorted(re.findall(r"\w+", name.casefold())))
