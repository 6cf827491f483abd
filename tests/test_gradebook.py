"""From the folder that Moodle or Canvas exports to marks in its gradebook: names, rows, files, and what is said."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from grading import gradebook
from grading import sandbox as sandboxes
from grading.__main__ import Table, grade
from grading.__main__ import options as argument_parser
from grading.assignment import Assignment, Result
from grading.cells import identifier
from grading.gradebook import Row, safe
from grading.pool import graded
from grading.roster import Roster
from grading.sandbox import Limits, Sandbox
from grading.submissions import Submission, collected
from replaylib.errors import InputError
from tests import small_assignment as small

pytestmark = pytest.mark.xdist_group("gradebook")
TEXT = small.notebook()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.build(tmp_path_factory.mktemp("built")).parent


@pytest.fixture(scope="module")
def assignment(built: Path) -> Assignment:
    return Assignment.read(built / small.NAME)


def lay(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def people(folder: Path) -> dict[str, Submission]:
    return {one.student: one for one in collected(folder)[0]}


# Whose is which file


def test_moodles_folders_and_files_are_named_by_student(tmp_path: Path) -> None:
    lay(tmp_path, {
        "Roe Jane_101_assignsubmission_file/1_small_submission.ipynb": TEXT,
        "Doe John_102_assignsubmission_file_/1_small_submission.ipynb": TEXT,
        "Émile Zola_103_assignsubmission_file_1_small.ipynb": TEXT,
    })  # fmt: skip
    assert {(one.student, one.id) for one in people(tmp_path).values()} == {
        ("Roe Jane", "101"), ("Doe John", "102"), ("Émile Zola", "103"),
    }  # fmt: skip


def test_canvas_files_are_named_by_student_and_late_ones_marked(tmp_path: Path) -> None:
    lay(tmp_path, {
        "roejane_11_900_1_small_submission.ipynb": TEXT,
        "roejane_11_901_1_small_submission-1.ipynb": TEXT.replace("2 * x", "x * 2"),
        "doejohn_LATE_12_902_1_small.ipynb": TEXT,
    })  # fmt: skip
    submissions, lines = collected(tmp_path)
    assert [(one.student, one.id, one.late, one.attempt) for one in submissions] == [
        ("doejohn", "12", True, 0), ("roejane", "11", False, 1),
    ]  # fmt: skip
    assert submissions[1].others == ["roejane_11_900_1_small_submission.ipynb"]
    assert "handed in later" in lines[0]


def test_plain_folders_are_named_by_file_or_by_folder(tmp_path: Path) -> None:
    lay(tmp_path, {
        "anna_submission.ipynb": TEXT, "ben/1_small.ipynb": TEXT, "late/cem.ipynb": TEXT, "dora (2).ipynb": TEXT,
    })  # fmt: skip
    assert set(people(tmp_path)) == {"anna", "ben", "cem", "dora"}


def test_identifier_that_export_wrote_is_the_students(assignment: Assignment) -> None:
    written = json.loads(TEXT) | {"metadata": {"replay": {"student": " s123 "}}}
    assert identifier(written) == "s123"
    for other in ({}, {"metadata": []}, {"metadata": {"replay": {"student": 3}}}):
        assert identifier(other) == ""
    assert gradebook.row(of("anna"), assignment, Result(identifier="s123"), None)["id"] == "s123"


def test_every_file_has_a_row_or_a_line_that_says_why_not(tmp_path: Path) -> None:
    lay(tmp_path, {
        "anna.ipynb": TEXT, "ben.ipynb.json": TEXT, "cem.ipynb.txt": TEXT, "DORA.IPYNB": TEXT, "essay.pdf": "%PDF",
        "broken.ipynb": "{", "empty.ipynb": "",
        "._anna.ipynb": b"\0\5\26\7", ".ipynb_checkpoints/anna-checkpoint.ipynb": TEXT,
        "bom.ipynb": b"\xef\xbb\xbf" + TEXT.encode(), "wide.ipynb": TEXT.encode("utf-16"),
    })  # fmt: skip
    for name, inside in (("eva.zip", "anna.ipynb"), ("frank.zip", "notes.txt")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(inside, TEXT)
    (tmp_path / "gina.zip").write_bytes(b"PK no zip")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "anna.ipynb")
    (tmp_path / "nobody").mkdir()
    submissions, lines = collected(tmp_path)
    read = {one.student for one in submissions if one.origin}
    assert read == {"anna", "ben", "cem", "DORA", "eva", "bom", "wide"}
    why = {one.path: one.failed for one in submissions if not one.origin}
    assert set(why) == {"essay.pdf", "broken.ipynb", "empty.ipynb", "frank.zip", "gina.zip", "link.ipynb"}
    assert (why["broken.ipynb"], why["empty.ipynb"]) == ("not a notebook that can be read", "an empty file")
    assert "hand in the file that export() wrote" in why["essay.pdf"]
    assert "no notebook in it" in why["frank.zip"]
    assert why["link.ipynb"] == "not a plain file"
    assert len(lines) == 3, lines


def test_zip_of_many_submissions_is_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("Roe Jane_1_assignsubmission_file\\x.ipynb", "Doe John_2_assignsubmission_file/x.ipynb"):
            archive.writestr(name, TEXT)
    assert set(people(tmp_path)) == {"Roe Jane", "Doe John"}


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Mal Ory_66_assignsubmission_file/Jane Roe_101_assignsubmission_file_x-99.ipynb", "Mal Ory"),
        ("Mal Ory_66_assignsubmission_file/Jane Roe_101_assignsubmission_file/x.ipynb", "Mal Ory"),
        ("Mal Ory_66_assignsubmission_file/roejane_11_900_x-99.ipynb", "Mal Ory"),
        ("ory_66_900_roejane_11_901_x-99.ipynb", "ory"),
    ],
)
def test_nobody_hands_in_under_the_name_of_another(path: str, student: str, tmp_path: Path) -> None:
    lay(tmp_path, {path: TEXT, "Jane Roe_101_assignsubmission_file/x.ipynb": TEXT, "roejane_11_900_x.ipynb": TEXT})
    assert set(people(tmp_path)) == {student, "Jane Roe", "roejane"}


def test_names_in_a_students_zip_are_that_students(tmp_path: Path) -> None:
    lay(tmp_path, {"anna.ipynb": TEXT})
    for name in ("mallory.zip", "Mal Ory_66_assignsubmission_file/work.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for inside in ("Jane Roe_101_assignsubmission_file/x-99.ipynb", "anna.ipynb", "../../anna (9).ipynb"):
                archive.writestr(inside, TEXT)
    submissions, _ = collected(tmp_path)
    assert {one.student for one in submissions} == {"anna", "mallory", "Mal Ory"}
    assert {one.path for one in submissions} == {
        "anna.ipynb", "mallory.zip/Jane Roe_101_assignsubmission_file/x-99.ipynb",
        "Mal Ory_66_assignsubmission_file/work.zip/Jane Roe_101_assignsubmission_file/x-99.ipynb",
    }  # fmt: skip


# Rows


def test_names_that_hold_anything_stay_apart_and_in_one_cell() -> None:
    names = [
        "a.ipynb",
        "a\x1b[2J.ipynb",
        "a\x07[2J.ipynb",
        "=a.ipynb",
        "'=a.ipynb",
        "a\nb,c.ipynb",
        "a b,c.ipynb",
        "\udcff",
    ]
    cells = [gradebook.place(name) for name in names]
    assert len(set(cells)) == len(names)
    assert cells[0] == "a.ipynb"
    assert all(cell.isprintable() and not cell.startswith("=") for cell in cells)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("-2", "'-2"), ("@x", "'@x"), ("a;=1", "a;'=1"), ("a\t=1", "a =1"),
        ("a; =1", "a; '=1"), ("Anna-Lena", "Anna-Lena"), ("a, +1", "a, '+1"),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert safe(text) == cell


def test_feedback_says_how_the_mark_came_about(tmp_path: Path, assignment: Assignment) -> None:
    one = gradebook.row(of("anna"), assignment, Result({"q1": 2, "q2": 1, "q3": 1}), None)
    one |= {"rubric: Question": "2,5", "days late": "2"}
    said = []
    for per_day in (0, 10):
        one["total"] = gradebook.total(one, per_day)
        said.append(gradebook.write_feedback(tmp_path, one, assignment).read_text())
    assert "4 of 4 points from the questions" in said[0]
    assert "- **Question**, by hand: 2,5" in said[0]
    assert "Together 6.5 points." in said[0]
    assert "Together 5.2 points, less what the days late cost (2)." in said[1]


def of(student: str, **about: object) -> Submission:
    return Submission(f"{student}.ipynb", student, origin=(Path(f"{student}.ipynb"), ""), **about)  # type: ignore[arg-type]


def test_what_was_not_graded_has_no_score_and_no_feedback(assignment: Assignment) -> None:
    one = gradebook.row(of("anna"), assignment, Result(failed="the grader's process ended"), None)
    assert (one["score"], one["feedback"]) == ("", "")
    assert one["status"] == "not graded: the grader's process ended"
    assert gradebook.total(one, 0) == ""


def test_feedback_says_only_what_a_check_said(assignment: Assignment) -> None:
    result = Result({"q1": 2, "q2": 0, "q3": 0}, {"q2": "look again"}, {"q2": "hidden", "q3": "hidden"})
    one = gradebook.row(of("anna"), assignment, result, None)
    assert one["feedback"] == ("q1: right | q2: look again | q3: passes the visible checks, and not the hidden tests")
    assert one["hidden tests"] == "q2: hidden | q3: hidden"


def test_days_late_and_rubric_count(assignment: Assignment) -> None:
    due = datetime(2026, 11, 30, 23, 59)
    late = of("anna", handed_in=datetime(2026, 12, 2, 1, 0))
    one = gradebook.row(late, assignment, Result({"q1": 2, "q2": 1, "q3": 1}), due)
    assert one["days late"] == "2"
    assert gradebook.total(one | {"rubric: Question": "4"}, 10) == "6.4"
    assert gradebook.row(of("ben", handed_in=due), assignment, Result(), due)["days late"] == "0"
    assert gradebook.row(of("cem"), assignment, Result(), None)["days late"] == ""
    for late, days in ((True, "1"), (False, "0")):  # Canvas's own word, for its files bear the time of the export
        for when in (None, due):
            one_of_canvas = of("cem", late=late, handed_in=datetime(2026, 12, 20))
            assert gradebook.row(one_of_canvas, assignment, Result(), when)["days late"] == days
    assert gradebook.total(one | {"days late": "1,5"}, 10) == "3.2"
    for days in ("two", "nan", "inf"):
        with pytest.raises(InputError, match="anna's days late are no number"):
            gradebook.total(one | {"days late": days}, 10)
    with pytest.raises(InputError, match="anna's days late are below 0"):
        gradebook.total(one | {"days late": "-2"}, 10)
    for points in ("good", "nan", "-inf"):
        with pytest.raises(InputError, match="a mark of anna in the rubric is no number"):
            gradebook.total(one | {"rubric: Question": points}, 10)


CANVAS = (
    "Student,ID,SIS Login ID,Section,1 Small (77)\n    Points Possible,,,,4\n"
    '"Roe, Jane",11,jr,A,\n"Doe, John",12,jd,A,3\n'
)
MOODLE = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Feedback comments\n"
    "Participant 101,Jane Roe,j@x,,,8,\nParticipant 102,John Doe,d@x,,,8,\nParticipant 103,Ann Lee,a@x,,,8,\n"
)


def results(*rows: tuple[str, str, str]) -> list[Row]:
    return [
        {"submission": name, "student": name, "id": number, "total": total, "feedback": "q1: right", "status": "ok"}
        for name, number, total in rows
    ]


def test_marks_go_into_canvas_gradebook(tmp_path: Path, assignment: Assignment) -> None:
    (tmp_path / "roster.csv").write_text(CANVAS)
    roster = Roster.read(tmp_path / "roster.csv")
    names, rows, told = roster.filled(results(("roejane", "11", "4"), ("stranger", "99", "2")), assignment)
    assert names == ["Student", "ID", "SIS Login ID", "Section", "1 Small (77)"]
    assert [one["1 Small (77)"] for one in rows] == ["4", "4", "3"], "who handed in nothing keeps what is there"
    assert any("nobody in the roster is 'stranger'" in line for line in told)
    assert any("Doe, John (12): nothing handed in" in line for line in told)


def test_marks_go_into_moodles_worksheet_by_id_then_by_name(tmp_path: Path, assignment: Assignment) -> None:
    (tmp_path / "roster.csv").write_text(MOODLE, encoding="utf-8")
    entries = results(("somebody", "101", "3"), ("doe JOHN", "", "2"), ("Ann Lee", "", ""))
    names, rows, told = Roster.read(tmp_path / "roster.csv").filled(entries, assignment)
    assert names[:2] == ["Identifier", "Full name"]
    marks = [(one["Grade"], one["Feedback comments"]) for one in rows]
    assert marks == [("3", "q1: right"), ("2", "q1: right"), ("", "")]
    assert told == ["Ann Lee (103): ok; no mark"]


@pytest.mark.parametrize(
    ("header", "filled", "said"),
    [
        ("1. Small things (77)", "1. Small things (77)", "marks stand in the column '1. Small things (77)'"),
        ("Assignment 1: small (77)", "Assignment 1: small (77)", "marks stand in"),
        ("2 Small (77)", "1_small", "Canvas has no such assignment"),
        ("1 Small (77),1 Small again (78)", "1 Small (77)", "the columns 1 Small again (78) could be meant as well"),
    ],
)
def test_canvas_column_is_found_by_the_words_of_its_name(
    header: str, filled: str, said: str, tmp_path: Path, assignment: Assignment
) -> None:
    empty = "," * header.count(",")
    (tmp_path / "roster.csv").write_text(f'Student,ID,{header}\n,,Manual Posting{empty}\n"Roe, Jane",11,{empty}\n')
    names, rows, told = Roster.read(tmp_path / "roster.csv").filled(results(("x", "11", "4")), assignment)
    assert filled in names
    assert [row.get(filled, "") for row in rows] == ["" if filled == "1_small" else "Manual Posting", "4"]
    assert said in " ".join(told)


@pytest.mark.parametrize(
    ("status", "days"),
    [
        ("Submitted for grading", "0"), ("Submitted for grading -  - ", "0"), ("Submitted for grading - Graded", "0"),
        ("Submitted for grading - 2 days 3 hours late - Graded", "3"), ("Submitted for grading - 2 days late", "2"),
        ("Submitted for grading - 3 mins 31 secs late - Released -  - ", "1"),
        ("Submitted for grading - 1 year 3 days late - Submission changes not allowed", "368"),
        ("Submitted for grading - Graded - Extension granted until: Tuesday 3 May 2022 11:59 PM", "0"),
        ("Draft (not submitted) - 4 days 1 hour late", "5"), ("Reopened", "7"), ("No submission", "7"),
        ("No submission - Assignment is overdue by: 3 days 4 hours", "7"), ("No submission - Released -  - ", "7"),
    ],
)  # fmt: skip
def test_who_is_late_is_what_moodle_says(status: str, days: str, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(f"Identifier,Full name,Status,Grade\nParticipant 101,Jane Roe,{status},\n")
    [row] = entries = results(("Jane Roe", "101", "4"))
    row["days late"] = "7"  # by the time of the file
    Roster.read(tmp_path / "roster.csv").take_days_late(entries)
    assert row["days late"] == days


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", r"columns a, b: expected Canvas's gradebook"), ("", "has no rows: expected"),
        ("Kennung,Status,Bewertung\nTeilnehmer/in 1,,\n", "grading worksheet in English"),
    ],
)  # fmt: skip
def test_roster_of_another_kind_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        Roster.read(tmp_path / "x.csv")


def test_worksheet_of_another_assignment_is_refused(tmp_path: Path) -> None:
    """Its names would match; its numbers are others, its late days too, and Moodle would put the marks there."""
    (tmp_path / "roster.csv").write_text(MOODLE, encoding="utf-8")
    roster = Roster.read(tmp_path / "roster.csv")
    lay(
        tmp_path / "mine",
        {"Jane Roe_101_assignsubmission_file/x.ipynb": TEXT, "New_9_assignsubmission_file/x.ipynb": TEXT},
    )
    lay(tmp_path / "others", {"Jane Roe_901_assignsubmission_file/x.ipynb": TEXT})
    roster.refuse_another(collected(tmp_path / "mine")[0], Path("roster.csv"))
    roster.refuse_another([of("Jane Roe", id="s901")], Path("roster.csv"))  # the identifier that a student wrote
    with pytest.raises(InputError, match=r"roster.csv has none of .*\(901, ...\): it is the worksheet of another"):
        roster.refuse_another(collected(tmp_path / "others")[0], Path("roster.csv"))


def test_worksheet_without_names_is_matched_by_number(tmp_path: Path, assignment: Assignment) -> None:
    (tmp_path / "roster.csv").write_text("Identifier,Status,Grade\nParticipant 101,,\nParticipant 102,,\n")
    roster = Roster.read(tmp_path / "roster.csv")
    _, rows, told = roster.filled(results(("Participant", "102", "3")), assignment)
    assert [one["Grade"] for one in rows] == ["", "3"]
    assert told == ["Participant 101 (101): nothing handed in; no mark"]


def test_work_of_a_group_is_its_members(tmp_path: Path, assignment: Assignment) -> None:
    """The group's number is nobody's, even where a participant has the same."""
    (tmp_path / "roster.csv").write_text(
        "Identifier,Full name,Status,Group,Grade\n"
        "Participant 7,Ann Lee,,Blue,\nParticipant 8,Jane Roe,,Red,\nParticipant 9,John Doe,,Red,\n"
    )
    roster = Roster.read(tmp_path / "roster.csv")
    lay(tmp_path / "in", {"Red_7_assignsubmission_file/x.ipynb": TEXT})
    submissions, _ = collected(tmp_path / "in")
    roster.refuse_another(submissions, Path("roster.csv"))
    _, rows, told = roster.filled(results((submissions[0].student, submissions[0].id, "3")), assignment)
    assert [one["Grade"] for one in rows] == ["", "3", "3"]
    assert told == ["Ann Lee (7): nothing handed in; no mark"]


def test_what_moodle_would_do_silently_is_told(tmp_path: Path, assignment: Assignment) -> None:
    """A mark above its maximum is skipped, one of another maximum counts less, and a draft is marked like any."""
    most = assignment.possible + assignment.manual
    (tmp_path / "roster.csv").write_text(
        "Identifier,Full name,Status,Grade,Maximum grade\n"
        f"Participant 101,Jane Roe,Draft (not submitted),,100.00\nParticipant 102,John Doe,Submitted,,{most:.2f}\n"
    )
    roster = Roster.read(tmp_path / "roster.csv")
    _, rows, told = roster.filled(results(("Jane Roe", "101", "4"), ("John Doe", "102", "3")), assignment)
    assert told == [
        f"the maximum there is 100.00; questions and rubric give {most:g} together: set it to that",
        "Jane Roe (101): in Moodle still a draft, which nobody submitted; it has a mark",
    ]
    assert [one["Grade"] for one in rows] == ["4", "3"]
    (tmp_path / "canvas.csv").write_text(CANVAS)
    _, _, told = Roster.read(tmp_path / "canvas.csv").filled(results(("roejane", "11", "4")), assignment)
    assert f"the maximum there is 4; questions and rubric give {most:g} together: set it to that" in told


def test_comments_survive_the_way_to_moodle_and_back(tmp_path: Path, assignment: Assignment) -> None:
    """Moodle reads a comment as HTML; what stands in it already stays as it is, with its lines."""
    (tmp_path / "roster.csv").write_text(
        'Identifier,Full name,Status,Grade,Feedback comments\nParticipant 101,Jane Roe,,,\n'
        'Participant 102,John Doe,,,"Seen.\nCome, please.\x0bSoon."\n', newline=""
    )  # fmt: skip
    [entry] = entries = results(("Jane Roe", "101", "4"))
    entry["feedback"] = "q1: it stopped with TypeError: '<' not supported, a <=HYPERLINK(1) | q2: right"
    names, rows, _ = Roster.read(tmp_path / "roster.csv").filled(entries, assignment)
    gradebook.write_table(tmp_path / "out.csv", names, rows)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8-sig") as file:
        back = [one["Feedback comments"] for one in csv.DictReader(file)]
    assert back == [
        "q1: it stopped with TypeError: '&lt;' not supported, a &lt;'=HYPERLINK(1)<br>q2: right",
        "Seen.\nCome, please.\x0bSoon.",
    ]


def test_feedback_stays_in_its_folder(tmp_path: Path, assignment: Assignment) -> None:
    one = gradebook.row(of("x"), assignment, Result({"q1": 2}), None)
    one["submission"] = "a.zip/../../../etc/./x.ipynb"
    assert gradebook.write_feedback(tmp_path, one, assignment) == tmp_path / "a.zip" / "etc" / "x_feedback.md"


def test_feedback_for_canvas_begins_as_the_submission_did(tmp_path: Path, assignment: Assignment) -> None:
    """Canvas reads from the names in an uploaded zip whose it is: the first two numbers between underscores."""
    for name in ("roejane_11_900_1_small_submission-1.ipynb", "doejohn_LATE_12_901_1_small.ipynb"):
        one = gradebook.row(of("x"), assignment, Result({"q1": 2}), None) | {"submission": name}
        written = gradebook.write_feedback(tmp_path, one, assignment).name
        numbers = [[part for part in text.split("_") if part.isdigit()][:2] for text in (name, written)]
        assert numbers[0] == numbers[1]


def test_feedback_files_lie_where_the_submissions_lay(tmp_path: Path, assignment: Assignment) -> None:
    result = Result({"q1": 2, "q2": 0, "q3": 0}, {"q2": "look again"}, {"q3": "what is hidden"}, ["it was slow"])
    one = gradebook.row(of("x"), assignment, result, None)
    one["submission"] = "Roe Jane_101_assignsubmission_file/1_small.ipynb"
    path = gradebook.write_feedback(tmp_path, one, assignment)
    assert path.relative_to(tmp_path).as_posix() == "Roe Jane_101_assignsubmission_file/1_small_feedback.md"
    text = path.read_text()
    assert "2 of 4 points" in text
    assert "**q2** (0 of 1): look again" in text
    assert "it was slow" in text
    assert "what is hidden" not in text


# The command


def command(built: Path, folder: Path, *more: object) -> list[str]:
    line = [sys.executable, "-m", "grading", small.NAME, folder, "--assignments", built, "--cell-seconds", "4", *more]
    return [str(word) for word in line]


def run(built: Path, folder: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(built, folder, *more), capture_output=True, text=True, cwd=folder.parent)


def table(path: Path) -> dict[str, Row]:
    return {row["student"]: row for row in table_of(path)}


@pytest.fixture
def sandbox() -> Sandbox:
    try:
        return sandboxes.available(os.environ.get("GRADING_SANDBOX", ""))
    except InputError as error:
        pytest.skip(f"no sandbox here, so nothing that runs a submission is tested: {error}")


def test_from_moodles_folder_to_its_gradebook(built: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    """What the instructor's page says, with one command: a table, the worksheet filled in, a file for each student."""
    folder = lay(tmp_path / "handed in", {
        "Jane Roe_101_assignsubmission_file/1_small_submission.ipynb": TEXT,
        "John Doe_102_assignsubmission_file/1_small_submission.ipynb": small.notebook(right=False),
        "Ann Lee_103_assignsubmission_file/essay.pdf": "%PDF",
    })  # fmt: skip
    (tmp_path / "worksheet.csv").write_text(MOODLE, encoding="utf-8")
    target = tmp_path / "new folder" / "marks.csv"
    written = tmp_path / "feedback"
    options = ("--out", target, "--roster", tmp_path / "worksheet.csv", "--feedback", written, "--workers", 1)
    first = run(built, folder, *options)
    assert first.returncode == 0, first.stderr
    assert target.read_bytes().startswith(b"\xef\xbb\xbf"), "without this Excel garbles names"
    plainly = csv.DictReader(target.read_text(encoding="utf-8").splitlines())
    assert {"submission", "id", "score", "status"} <= set(plainly.fieldnames or ()), "nor is a program led astray by it"
    rows = table(target)
    marks = {name: (row["id"], row["score"]) for name, row in rows.items()}
    assert marks == {"Jane Roe": ("101", "4"), "John Doe": ("102", "0"), "Ann Lee": ("103", "")}
    assert {row["sandbox"] for row in rows.values()} == {sandbox.kind}
    filled = table_of(target.with_name("marks.moodle.csv"))
    assert [row["Grade"] for row in filled] == ["4", "0", ""]
    assert len(list(written.rglob("*.md"))) == 3
    assert small.SECRET not in first.stdout + "".join(p.read_text() for p in written.rglob("*.md"))
    # The instructor marks the project and adds a column; a second run keeps both, and grades nothing again.
    marked = [row | {"rubric: Question": "3", "mine": "seen"} for row in table_of(target)]
    gradebook.write_table(target, marked[0], marked)
    second = run(built, folder, *options)
    assert "2 of them in marks.csv already" in second.stdout
    rows = table(target)
    assert (rows["Jane Roe"]["total"], rows["Jane Roe"]["mine"], rows["Ann Lee"]["total"]) == ("7", "seen", "")
    # A slip of the pen, 30 for 3, is told: Moodle would leave such a mark out and say nothing.
    gradebook.write_table(target, marked[0], [row | {"rubric: Question": "30"} for row in marked])
    assert "Jane Roe: 30 points by hand, of 4 that there are; look again" in run(built, folder, *options).stdout
    # One question anew: the others keep their points.
    lay(folder, {"John Doe_102_assignsubmission_file/1_small_submission.ipynb": TEXT})
    assert run(built, folder, *options, "--question", "q2").returncode == 0
    john = table(target)["John Doe"]
    assert (john["q1"], john["q2"], john["q3"], john["score"]) == ("0", "1", "0", "1")


def table_of(path: Path) -> list[Row]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_table_of_another_assignment_is_left_alone(built: Path, assignment: Assignment, tmp_path: Path) -> None:
    """One --out for all assignments would lose the marks of the one before, those given by hand included."""
    target = tmp_path / "marks.csv"
    asked = argument_parser().parse_args([small.NAME, str(tmp_path)])
    Table(target, assignment, asked).add(of("anna"), Result({"q1": 2}), "none")
    before = target.read_bytes()
    assert Table(target, assignment, asked).rows["anna.ipynb"]["assignment"] == small.NAME
    with pytest.raises(InputError, match=f"holds the marks of {small.NAME}: name another file with --out"):
        Table(target, replace(assignment, name="2_other"), asked)
    assert target.read_bytes() == before


def test_due_is_a_time_by_this_computers_clock() -> None:
    def due(text: str) -> datetime:
        return argument_parser().parse_args([small.NAME, "in", "--due", text]).due

    assert due("2026-11-30T23:59") == due("2026-11-30 23:59") == datetime(2026, 11, 30, 23, 59)
    assert due("2026-11-30T23:59Z") == datetime(2026, 11, 30, 23, 59, tzinfo=UTC).astimezone().replace(tzinfo=None)


@pytest.mark.parametrize("text", ["tomorrow", "30.11.2026 23:59", "2026-11-30"])
def test_due_without_a_day_and_a_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        argument_parser().parse_args([small.NAME, "in", "--due", text])
    assert f"{text!r} is no day with a time: expected one like 2026-11-30T23:59" in capsys.readouterr().err


def test_run_that_is_stopped_keeps_its_rows_and_goes_on(built: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    endless = small.notebook(after=("import time\ntime.sleep(900)",))
    folder = lay(tmp_path / "in", {"s0.ipynb": TEXT, "s1.ipynb": endless, "s2.ipynb": endless})
    options = ("--workers", 1, "--out", tmp_path / "m.csv", "--cell-seconds", 900, "--project-seconds", 900)
    grader = subprocess.Popen(
        command(built, folder, *options),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert grader.stdout is not None
    for line in grader.stdout:
        if line.startswith("1/3"):
            break
    assert line == "1/3 s0.ipynb: 4\n"
    stopped = time.monotonic()
    os.killpg(grader.pid, signal.SIGINT)
    said, _ = grader.communicate()
    assert grader.returncode == 1
    assert time.monotonic() - stopped < 60  # on a quiet machine a second; what was not begun is not waited for
    assert "The same command goes on from there" in said
    assert "Traceback" not in said
    assert list(table(tmp_path / "m.csv")) == ["s0"]
    lay(folder, {f"s{n}.ipynb": TEXT for n in (1, 2)})
    again = run(built, folder, *options)
    assert "1 of them in m.csv already" in again.stdout
    assert {row["score"] for row in table(tmp_path / "m.csv").values()} == {"4"}


def test_judges_end_with_a_grader_that_is_killed(built: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    endless = small.notebook(after=("import time\ntime.sleep(900)",))
    folder = lay(tmp_path / "in", {"a.ipynb": TEXT, "b.ipynb": endless})
    limits = ("--cell-seconds", 900, "--project-seconds", 900)
    grader = subprocess.Popen(
        command(built, folder, "--workers", 1, "--out", tmp_path / "m.csv", *limits), stdout=subprocess.PIPE, text=True
    )
    assert grader.stdout is not None
    family: list[psutil.Process] = []
    for line in grader.stdout:
        if line.startswith("1/2 a.ipynb: 4"):
            break
    while sum("grading.student" in " ".join(one.cmdline()) for one in family) == 0:
        time.sleep(0.1)
        family = [one for one in psutil.Process(grader.pid).children(recursive=True) if one.is_running()]
    grader.kill()
    grader.wait()
    assert psutil.wait_procs(family, timeout=60)[1] == []


SLEEPY = """import time
from grading.assignment import Result
def serve(end, one, *others):
    if one.student == "anna":
        end.send(Result(failed="a row"))
    else:
        time.sleep(900)
"""


@pytest.mark.parametrize("where", ["while a judge starts", "between two rows"])
def test_interruption_leaves_no_judge(where: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleepy.py").write_text(SLEEPY)
    monkeypatch.syspath_prepend(tmp_path)
    import sleepy  # type: ignore[import-not-found]

    def interrupted(*_: object) -> None:
        if where == "while a judge starts":
            started(*_)
        raise KeyboardInterrupt

    started = ForkServerProcess.start
    place, name = (ForkServerProcess, "start") if where == "while a judge starts" else (Table, "add")
    monkeypatch.setattr(place, name, interrupted)
    monkeypatch.setattr("grading.pool.sit", sleepy.serve)
    folder = lay(tmp_path / "in", {"anna.ipynb": TEXT, "ben.ipynb": TEXT})
    words = [small.NAME, folder, "--assignments", built, "--out", tmp_path / "m.csv", "--without-sandbox"]
    before = {one.pid for one in multiprocessing.active_children()}
    with pytest.raises(SystemExit, match="stopped") as stopped:
        grade(argument_parser().parse_args([*map(str, words), "--workers", "2"]))
    assert stopped.tb is not None, "what was interrupted is still held, and its judges are gone all the same"
    assert {one.pid for one in multiprocessing.active_children()} == before


IMPATIENT = """import os, signal, sys
from multiprocessing import reduction
from grading.__main__ import main
sendfds, asked = reduction.sendfds, []
def interrupted(*arguments):
    asked.append(arguments)
    if len(asked) == 2:  # the server has started by then, and waits
        os.kill(os.getpid(), signal.SIGINT)
    return sendfds(*arguments)
reduction.sendfds = interrupted
main()
"""


def test_interruption_in_the_middle_of_a_start_is_heard_after_it(built: Path, tmp_path: Path) -> None:
    """Otherwise the server that forks judges dies of half a request, with a traceback on the screen."""
    folder = lay(tmp_path / "in", {"anna.ipynb": TEXT, "ben.ipynb": TEXT})
    line = [sys.executable, "-c", IMPATIENT, small.NAME, folder, "--assignments", built, "--without-sandbox"]
    stopped = subprocess.run([*map(str, line), "--workers", "1", "--out", str(tmp_path / "m.csv")],
        capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("stopped; ")
    assert "Traceback" not in stopped.stderr


DELETED = """import os, signal
from grading import gradebook
from grading.__main__ import main
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
def written(*arguments):
    write(*arguments)
    Deleted()
write, gradebook.write_table = gradebook.write_table, written
main()
"""


def test_interruption_while_an_object_is_deleted_is_heard(built: Path, tmp_path: Path) -> None:
    """Python drops an exception that is raised there."""
    endless = small.notebook(after=("import time\ntime.sleep(900)",))
    folder = lay(tmp_path / "in", {"anna.ipynb": TEXT, "ben.ipynb": endless})
    line = [sys.executable, "-c", DELETED, small.NAME, folder, "--assignments", built, "--without-sandbox"]
    stopped = subprocess.run([*map(str, line), "--workers", "1", "--out", str(tmp_path / "m.csv")],
        capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert "1/2 anna.ipynb: 4" in stopped.stdout
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("stopped; ")
    assert list(table(tmp_path / "m.csv")) == ["anna"]


def test_judge_that_dies_costs_one_row(
    built: Path, assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text("import os\ndef serve(*arguments):\n    os.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import deadly  # type: ignore[import-not-found]

    monkeypatch.setattr("grading.pool.sit", deadly.serve)
    waiting = [of("anna"), Submission("ben.pdf", "ben", failed="not a notebook")]
    outcomes = {one.student: result for one, result in graded(waiting, assignment, Sandbox("none"), Limits(), 2, [])}
    assert "exit status -9" in outcomes["anna"].failed
    assert outcomes["ben"].failed == "not a notebook"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "--workers is 0: expected a number above 0"),
        (["--question", "q9"], "unknown question 'q9'"),
        (["--per-day", "200"], "expected percent"),
        (["--out", "{pipe}"], "no plain file"),
        (["--roster", "{pipe}"], "not a plain file"),
        (["--assignments", "{none}"], "run `make assignments`"),
    ],
)
def test_wrong_use_is_told_before_anything_is_graded(
    options: list[str], said: str, built: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    folder = lay(tmp_path / "in", {"anna.ipynb": TEXT})
    places = {"{pipe}": str(tmp_path / "pipe"), "{none}": str(tmp_path / "none")}
    words = [small.NAME, str(folder), "--assignments", str(built), *(places.get(word, word) for word in options)]
    with pytest.raises(InputError, match=said):
        grade(argument_parser().parse_args(words))
