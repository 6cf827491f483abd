"""A course of two hundred, graded as an instructor would; sixty of them mean harm: `python -m tests.crowd`.

A folder is filled with 140 honest submissions, of every form that students hand in, and 60 hostile ones; `python -m
grading` grades it in the sandbox; then every row is compared with what it should say, the file system with what it was
before, and the list of processes with what ran before. It takes minutes, so no test runs all of it.
"""

import argparse
import csv
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests import small_assignment as small
from tests.crowd_cases import Case, harmful, honest, names

ROOT = Path(__file__).resolve().parents[1]
# What others on a computer write all the time, what the kernel makes up, and what this script itself writes.
NOT_COMPARED = ("/proc", "/sys", "/run", "/tmp", "/var/log", "/var/lib/containers")
SMALL = 2**16  # of files up to here the content is compared, of others size and time
LIMITS = ("--cell-seconds", "30", "--project-seconds", "60", "--seconds", "300")


def lay_special(folder: Path) -> dict[str, str]:
    """Files that are none; gives the paths and what their rows say."""
    os.mkfifo(folder / "pipe.ipynb")
    (folder / "link.ipynb").symlink_to("/etc/shadow")
    (folder / "around").symlink_to(folder)
    os.link(ROOT / "LICENSE", folder / "hard.ipynb") if ROOT.stat().st_dev == folder.stat().st_dev else (
        folder / "hard.ipynb"
    ).write_text("x")
    return {
        "pipe.ipynb": "not a plain file", "link.ipynb": "not a plain file", "around": "not a plain file",
        "hard.ipynb": "not a notebook",
    }  # fmt: skip


# Before and after ----------------------------------------------------------------------------------------------------


def manifest(roots: list[Path], left_out: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """Every file below some folders: its kind, rights, owner, size and time, and of small ones the content."""
    files: dict[str, tuple[object, ...]] = {}
    waiting = [str(root) for root in roots]
    while waiting:
        here = waiting.pop()
        if here.startswith(tuple(f"{one}/" for one in left_out)) or here in left_out:
            continue
        try:
            about = os.lstat(here)
            content = ""
            if stat.S_ISDIR(about.st_mode):
                waiting += [entry.path for entry in os.scandir(here)]
            elif stat.S_ISREG(about.st_mode) and about.st_size <= SMALL:
                content = hashlib.blake2b(Path(here).read_bytes(), digest_size=8).hexdigest()
            files[here] = (about.st_mode, about.st_uid, about.st_gid, about.st_size, about.st_mtime_ns, content)
        except OSError:
            continue
    return files


def settings() -> dict[str, str]:
    """What root may write of the kernel's settings, as far as it does not change by itself."""
    places = [
        Path("/proc/sys/kernel/core_pattern"),
        Path("/proc/sys/kernel/modprobe"),
        Path("/proc/sys/vm/overcommit_memory"),
    ]
    return {str(place): place.read_text() for place in places if place.exists()}


def confined() -> set[int]:
    """Processes in another namespace of processes than this one's."""
    processes, namespace = set(), os.readlink("/proc/self/ns/pid")
    for process in psutil.pids():
        try:
            if os.readlink(f"/proc/{process}/ns/pid") != namespace:
                processes.add(process)
        except OSError:
            continue
    return processes


# All of it -----------------------------------------------------------------------------------------------------------


def lay(folder: Path, outside: Path, people: int, only: int | None = None) -> dict[str, Case]:
    """Fill a folder; gives each submission's path and what is expected of it."""
    cases = [*honest(people), *harmful(outside)][: only or None]
    expected = {}
    for place, (case, name) in enumerate(zip(cases, names(len(cases)), strict=True)):
        path = name(case)
        if place % 50 == 49:
            path = f"\x1b[31mred\n{place}{case.ending}"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(case.content)
        expected[path] = case
    return expected


def complaints(table: Path, expected: dict[str, Case], special: dict[str, str]) -> list[str]:
    """What is wrong with a table of results."""
    from grading.gradebook import place, safe

    rows = {row["submission"]: row for row in csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines())}
    wrong = []
    for path, case in expected.items():
        row = rows.get(place(path))
        if case.name == "a zip that leads out" or case.ending == ".zip":
            row = row or next((one for name, one in rows.items() if name.startswith(safe(path))), None)
        if row is None:
            wrong.append(f"{case.name}: no row")
            continue
        told = row["status"] + row["feedback"]
        said = (case.said,) if isinstance(case.said, str) else case.said
        if row["score"] != case.score or not all(one in told for one in said):
            wrong.append(
                f"{case.name}: {row['score']!r}, expected {case.score!r}; {row['status'][:200]} {row['feedback']}"
            )
    for path, said in special.items():
        if said not in rows.get(path, {}).get("status", ""):
            wrong.append(f"{path}: {rows.get(path)}")
    if len(rows) != len(expected) + len(special):
        wrong.append(f"{len(rows)} rows, expected {len(expected) + len(special)}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--honest", type=int, default=140)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--roots", type=Path, nargs="+", default=[Path("/")], help="what is compared (default: /)")
    parser.add_argument("--not", dest="left_out", nargs="*", default=[], help=f"besides {', '.join(NOT_COMPARED)}")
    parser.add_argument("--only", type=int, help="so many of them")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crowd-") as temporary:
        root = Path(temporary)
        folder, outside = root / "handed in", root / "outside"
        folder.mkdir()
        outside.mkdir()
        (outside / "hidden.py").write_text("what the hidden file says")
        (outside / "anna.ipynb").write_text("the work of anna")
        small.build(root / "built")
        expected = lay(folder, outside, asked.honest, asked.only)
        special = lay_special(folder)
        left_out = (*NOT_COMPARED, *asked.left_out)
        roots = [*asked.roots, folder, outside, root / "built"]
        before = manifest(asked.roots, left_out) | manifest(roots[-3:], ()), settings(), confined()
        print(f"{len(expected) + len(special)} submissions; {len(before[0])} files are compared", flush=True)
        command = [sys.executable, "-m", "grading", small.NAME, str(folder), "--assignments", str(root / "built")]
        command += ["--out", str(root / "out" / "marks.csv"), "--feedback", str(root / "feedback"), *LIMITS]
        started = time.monotonic()
        done = subprocess.run([*command, "--workers", str(asked.workers)], cwd=ROOT, capture_output=True, text=True)
        minutes = (time.monotonic() - started) / 60
        after = manifest(asked.roots, left_out) | manifest(roots[-3:], ()), settings(), confined()
        changed = sorted(path for path in {*before[0], *after[0]} if before[0].get(path) != after[0].get(path))
        wrong = complaints(root / "out" / "marks.csv", expected, special) if not done.returncode else [done.stderr]
        feedback = "".join(path.read_text() for path in (root / "feedback").rglob("*.md"))
        told = [
            secret
            for secret in (small.SECRET, "what the hidden file says", "the work of anna")
            if secret in feedback + done.stdout
        ]
        files = len(list((root / "feedback").rglob("*.md")))
        print(f"{minutes:.1f} minutes with {asked.workers} workers; {files} files of feedback")
        print(f"rows that are not as expected: {len(wrong)}", *wrong, sep="\n  ")
        print(f"secrets in feedback or on the screen: {told}")
        print(f"escape sequences on the screen: {done.stdout.count(chr(27))}")
        print(f"files that are other than before: {len(changed)}", *changed[:200], sep="\n  ")
        print(f"settings of the kernel as before: {before[1] == after[1]}")
        print(f"processes left in a sandbox: {after[2] - before[2]}")
        sys.exit(
            bool(wrong or told or changed or before[1] != after[1] or after[2] - before[2] or "\x1b" in done.stdout)
        )


if __name__ == "__main__":
    main()
