"""The command: grade a folder of submissions, in parallel, into one CSV file."""

import argparse
import csv
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from grading.judge import Assignment, Result, clean, grade
from grading.limits import Limits
from grading.nursery import Nursery

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "_build" / "assignments"


def submissions(folder: Path) -> list[Path]:
    """The notebooks in a folder and in those below it."""
    found = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    if not found:
        sys.exit(f"error: no notebook (*.ipynb) in {folder}: name the folder that holds the submissions")
    return found


def row(path: Path, folder: Path, assignment: Assignment, result: Result) -> dict[str, object]:
    """One line of the table."""
    feedback = [f"{question}: {result.hints.get(question, 'right')}" for question in assignment.points]
    return {
        "submission": safe(str(path.relative_to(folder))),
        "student": safe(path.stem.removesuffix("_submission")),
        "score": f"{assignment.total(result.scores):g}",
        "possible": f"{assignment.possible:g}",
        **{question: f"{score:g}" for question, score in result.scores.items()},
        "feedback": safe(" | ".join(feedback)),
        "status": safe(clean("; ".join(result.notes), 1000)) or "ok",
    }


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    printable = clean(text, 10_000)
    return f"'{printable}" if printable.startswith(("=", "+", "-", "@")) else printable


def write(rows: list[dict[str, object]], target: Path) -> None:
    half = target.with_name(target.name + ".part")
    with half.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(sorted(rows, key=lambda one: str(one["submission"])))
    half.replace(target)


def main() -> None:
    known = sorted(path.parent.name for path in BUILT.glob("*/assignment.json"))
    parser = argparse.ArgumentParser(prog="python -m grading", description=__doc__)
    parser.add_argument("assignment", help=f"one of {', '.join(known) or '(none made yet: run make assignments)'}")
    parser.add_argument("folder", type=Path, help="where the submissions lie, *.ipynb")
    parser.add_argument("--out", type=Path, help="the CSV file (default: ASSIGNMENT.csv in the working folder)")
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1), help="submissions at a time")
    parser.add_argument("--seconds", type=float, default=Limits.total, help="for a submission (default: %(default)g)")
    parser.add_argument("--cell-seconds", type=float, default=Limits.cell, help="for a cell (default: %(default)g)")
    parser.add_argument("--memory", type=int, default=Limits.memory, help="MB for a submission (default: %(default)d)")
    asked = parser.parse_args()
    if asked.assignment not in known:
        sys.exit(
            f"error: no assignment {asked.assignment!r}; known: {', '.join(known) or 'none, run make assignments'}"
        )
    if not asked.folder.is_dir():
        sys.exit(f"error: {asked.folder} is not a folder: name the one that holds the submissions")
    folder, target = asked.folder.resolve(), (asked.out or Path(f"{asked.assignment}.csv")).resolve()
    assignment, paths = Assignment.read(BUILT / asked.assignment), submissions(folder)
    masters = [str(path) for path in (ROOT / "chapters" / "assignments").glob("*.md")]
    tests = [str(ROOT / name) for name in ("_build", ".git", "tests") if (ROOT / name).exists()]
    limits = Limits(
        cell=asked.cell_seconds,
        total=asked.seconds,
        memory=asked.memory,
        hidden=(str(folder), *tests, *masters),
    )
    started, nursery, rows = time.monotonic(), Nursery(), []
    kind = "with namespaces" if nursery.isolated else "WITHOUT namespaces, which this system does not offer"
    print(f"{len(paths)} submissions, {asked.workers} at a time, {kind}; see the guide to grading", flush=True)
    with ThreadPoolExecutor(asked.workers) as pool:
        waiting = {pool.submit(grade, path, assignment, nursery, limits): path for path in paths}
        for done in as_completed(waiting):
            try:
                result = done.result()
            except Exception as error:
                told = f"THE GRADER FAILED, please look: {type(error).__name__}: {error}"
                result = Result(dict.fromkeys(assignment.points, 0.0), notes=[told])
            rows.append(row(waiting[done], folder, assignment, result))
            print(f"{len(rows)}/{len(paths)} {rows[-1]['submission']}: {rows[-1]['score']}", flush=True)
    nursery.close()
    write(rows, target)
    print(f"{target}: {len(rows)} rows, {time.monotonic() - started:.0f} seconds")


if __name__ == "__main__":
    main()
