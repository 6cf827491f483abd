"""A course of two hundred, graded as an instructor would; sixty of them mean harm: `python -m tests.crowd`.

A folder is filled with 140 honest submissions, of every form that students hand in, and 60 hostile ones; `python -m
grading` grades it in the sandbox; then every row is compared with what it should say, the file system with what it was
before, and the list of processes with what ran before. It takes minutes, so no test runs all of it.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import hostile
from tests import small_assignment as small

ROOT = Path(__file__).resolve().parents[1]
# What others on a computer write all the time, what the kernel makes up, and what this script itself writes.
NOT_COMPARED = ("/proc", "/sys", "/run", "/tmp", "/var/log", "/var/lib/containers")
SMALL = 2**16  # of files up to here the content is compared, of others size and time
LIMITS = ("--cell-seconds", "30", "--project-seconds", "60", "--seconds", "300")


@dataclass(frozen=True)
class Case:
    """A submission, and what its row should say: the score (empty: not graded), and a part of status or feedback."""

    what: str
    content: bytes
    score: str = "4"
    said: str | tuple[str, ...] = ""
    ending: str = ".ipynb"


# The honest ----------------------------------------------------------------------------------------------------------

PROJECT = "double(torch.ones(1))\nimport time\ntime.sleep(31)\n"
CELLS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "magic commands": ("%matplotlib inline\n!pip install torch\n%time x = 1",),
    "a magic cell": ("%%time\nimport copy\nx = sum(range(10))", "%%writefile notes.txt\nnot code at all"),
    "display": ("import copy\ndisplay(copy)\ncopy",),
    "Drive among imports": ("from google.colab import drive\ndrive.mount('/content/drive')\nimport torch, copy",),
    "an upload": ("from google.colab import files\nfiles.upload()\nimport copy",),
    "torchvision first": ("import torchvision\nimport torch, copy",),
    "an import that fails": ("import no_such_module\nimport copy, torch",),
    "waits": ("import asyncio\nawait asyncio.sleep(0)\nimport copy",),
    "an asynchronous function": ("import asyncio\nasync def later():\n    return 1\nx = await later()",),
    "a cell that cannot be compiled": ("def (:",),
    "checks": ("grader.check('q1')\nimport copy", "grader.check_all()", "grader.export()"),
    "a figure": ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",),
    "a data frame": ("import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('mine.csv')\npd.read_csv('mine.csv')",),
    "its own file": ("open('notes.txt', 'w').write('mine')\nopen('notes.txt').read()",),
    "a file that is not here": ("import pandas as pd\ntable = pd.read_csv('/content/drive/MyDrive/table.csv')",),
    "a question to its user": ("answer = input('your name')",),
    "warnings and words": ("import warnings\nwarnings.warn('so')\nprint('x' * 10**6)",),
    "an error in the project": ("raise ValueError('my project fails')",),
    "a project that ends itself": ("import sys\nsys.exit()",),
    "threads": ("import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()",),
    "processes": ("from multiprocessing import Pool\nwith Pool(2) as pool:\n    pool.map(abs, [1, 2])",),
    "many cells": tuple(f"x_{n} = {n}" for n in range(150)),
    "a long comment": ("# " + "words " * 2000,),
    "another folder": ("import os\nos.chdir('/')",),
    "a seed": ("torch.manual_seed(0)\nimport random\nrandom.seed(1)",),
    "no threads but one": ("torch.set_num_threads(1)",),
    "an answer given twice": ("def double(x):\n    return 3 * x", small.RIGHT["double"]),
    "an answer below its check": ("grader.check('q1')\n\ndef double(x):\n    return x + x\n\ngrader.check('q1')",),
    "an answer in an experiment": ("# Experiment: mine\ndef double(x):\n    return x + x",),
    "a name that comes later": ("def double(x):\n    return FACTOR * x", "FACTOR = 2"),
    "a decorator": ("import functools\n@functools.wraps(abs)\ndef double(x):\n    return 2 * x",),
    "a lambda": ("double = lambda x: x + x",),
    "a part of a function": ("import functools, operator\ndouble = functools.partial(operator.mul, 2)",),
    "an object that can be called": ("class D:\n    def __call__(self, x):\n        return 2 * x\ndouble = D()",),
    "types": ("from __future__ import annotations\ndef double(x: Tensor) -> Tensor:\n    return 2 * x",),
    "einsum": ("def double(x):\n    return torch.einsum('n,->n', x, torch.tensor(2.0))",),
    "another precision": ("def double(x):\n    return 2 * x.double()",),
    "not contiguous": ("def double(x):\n    return torch.stack([2 * x, x], 1)[:, 0]",),
    "a loop": ("def double(x):\n    return torch.stack([2 * one for one in x])",),
    "draws through NumPy": ("def draw(n, generator):\n    return torch.rand(n, generator=generator).numpy()",),
    "a list": ("def draw(n, generator):\n    return torch.rand(n, generator=generator).tolist()",),
}  # fmt: skip


def notebook(*cells: str) -> dict[str, object]:
    made: dict[str, object] = json.loads(small.notebook(after=cells))
    return made


def other_formats() -> Iterator[Case]:
    """Honest submissions that differ in their file."""
    made = notebook()
    text = json.dumps(made)
    yield Case("a byte-order mark", b"\xef\xbb\xbf" + text.encode())
    yield Case("UTF-16", text.encode("utf-16"))
    yield Case("not escaped", json.dumps(notebook("name = 'Zoë — 你好'"), ensure_ascii=False).encode())
    cells = [c | {"input": "".join(c["source"])} for c in made["cells"]]  # type: ignore[attr-defined]
    old = [{name: value for name, value in one.items() if name != "source"} for one in cells]
    yield Case(
        "format 3", json.dumps({"nbformat": 3, "worksheets": [{"cells": [*old, {"cell_type": "code"}]}]}).encode()
    )
    bare = notebook()
    bare["cells"] = [{"cell_type": "code"}, {"cell_type": "markdown"}, *made["cells"]]  # type: ignore[misc]
    yield Case("cells without a source", json.dumps(bare).encode())
    wide = notebook()
    wide["cells"][0]["outputs"] = [{"text": "x" * 21 * 2**20}]  # type: ignore[index]
    yield Case("figures of 21 MB", json.dumps(wide).encode())
    for ending in (".IPYNB", ".ipynb.txt", ".ipynb.json", ".json"):
        yield Case(f"named {ending}", text.encode(), ending=ending)
    for what, inside in (("in a zip", "1_small_submission.ipynb"), ("deep in a zip", "Desktop/my work/final.IPYNB")):
        yield Case(what, zipped({inside: text.encode(), "__MACOSX/._x.ipynb": b"\0"}), ending=".zip")
    yield Case("slow project cells", json.dumps(notebook(*[PROJECT] * 5)).encode(), said="took too long together")


def honest(number: int) -> list[Case]:
    plain = [Case(what, json.dumps(notebook(*cells)).encode()) for what, cells in CELLS.items()]
    rare = [one for one in other_formats() if one.what not in ("slow project cells", "figures of 21 MB")]
    once = [one for one in other_formats() if one not in rare]
    return [*once, *itertools.islice(itertools.cycle([*rare, *plain]), number - len(once))]


def names(number: int) -> Iterator[Callable[[Case], str]]:
    """Where each of so many students' files lie: as Moodle and Canvas name them, and as persons do."""
    given = ("Anna", "Zoë", "José", "O'Neil", "Jean-Luc", "Ma Li", "Søren", "Ngọc", "=SUM(1)", "del")
    for place in range(number):
        who = f"{given[place % 10]} Student{place}"
        if place % 3 == 0:
            folder = f"{who}_{1000 + place}_assignsubmission_file"
            yield lambda case, folder=folder: f"{folder}/1_small_submission{case.ending}"  # type: ignore[misc]
        elif place % 3 == 1:
            late = "LATE_" if place % 2 else ""
            stem = f"student{place}anna_{late}{2000 + place}_{9000 + place}_1_small_submission"
            yield lambda case, stem=stem: f"{stem}{case.ending}"  # type: ignore[misc]
        else:
            yield lambda case, who=who: f"{who}{case.ending}"  # type: ignore[misc]


# The hostile ---------------------------------------------------------------------------------------------------------


def zipped(files: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        file.seek(0)
        return file.read()


def harmful(outside: Path) -> list[Case]:
    """Sixty submissions that mean harm."""
    cases = []
    refused = list(hostile.REFUSED.items())
    together = [*(refused[place : place + 2] for place in range(0, len(refused), 2))]
    for some in [*together, *([one] for kind in (hostile.DEADLY, hostile.ALSO) for one in kind.items())]:
        what, pairs = "; ".join(what for what, _ in some), [pair for _, pair in some]
        bodies = [body.replace("{outside}", str(outside)) for body, _ in pairs]
        text = small.notebook(*(hostile.called_first(body, place) for place, body in enumerate(bodies)))
        cases.append(Case(what, text.encode(), "4", tuple(said for _, said in pairs)))
    for what, (source, lost) in hostile.ANSWERS.items():
        cases.append(Case(what, small.notebook(after=(source,)).encode(), f"{4 - lost}"))
    for place, answers in enumerate(hostile.CALLED):
        lost = sum(int(small.POINTS[question]) for question in answers)
        cells = tuple(source for source, _ in answers.values())
        cases.append(Case(f"answers that do harm {place}", small.notebook(after=cells).encode(), f"{4 - lost}"))
    for place, cell in enumerate(hostile.CHEATS):
        cases.append(Case(f"cheats {place}", small.notebook(after=(cell,), right=False).encode(), "0"))
    deep, wide = b"[" * 10**6, b'{"cells": [' + b"[]," * 20_000_000 + b"[]]}"
    text = small.notebook().encode()
    cases += [
        Case("JSON a million deep", b'{"cells": ' + deep, "", "not a notebook that can be read"),
        Case("JSON of sixty megabytes of lists", wide, "", "not a notebook that can be read"),
        Case("a hundred megabytes", small.notebook("x = '" + "y" * 10**8 + "'").encode(), "4"),
        Case("half a surrogate", small.notebook("x = '\\ud800'").replace("\\\\ud800", "\\ud800").encode(), "4"),
        Case("a cell of brackets", small.notebook("(" * 10**6).encode(), "4", "cannot be compiled"),
        Case("a cell of signs", small.notebook("x = " + "-" * 10**5 + "1").encode(), "4"),
        Case("cells that are no cells", json.dumps(json.loads(text) | {"cells": [1, None, "x"]}).encode(), "", "not a"),
        Case("a zip bomb", zipped({"x.ipynb": bytes(2**30)}), "", "", ".zip"),
        Case("a zip that leads out", zipped({"../../../../tmp/out.ipynb": text}), "4", "", ".zip"),
    ]
    return cases


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
    found: dict[str, tuple[object, ...]] = {}
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
            found[here] = (about.st_mode, about.st_uid, about.st_gid, about.st_size, about.st_mtime_ns, content)
        except OSError:
            continue
    return found


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
    found, mine = set(), os.readlink("/proc/self/ns/pid")
    for process in psutil.pids():
        try:
            if os.readlink(f"/proc/{process}/ns/pid") != mine:
                found.add(process)
        except OSError:
            continue
    return found


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
    from grading.gradebook import place

    rows = {row["submission"]: row for row in csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines())}
    wrong = []
    for path, case in expected.items():
        row = rows.get(place(path))
        if case.what == "a zip that leads out" or case.ending == ".zip":
            row = row or next((one for name, one in rows.items() if name.startswith(place(path))), None)
        if row is None:
            wrong.append(f"{case.what}: no row")
            continue
        told = row["status"] + row["feedback"]
        said = (case.said,) if isinstance(case.said, str) else case.said
        if row["score"] != case.score or not all(one in told for one in said):
            wrong.append(
                f"{case.what}: {row['score']!r}, expected {case.score!r}; {row['status'][:200]} {row['feedback']}"
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
        (outside / "hidden.py").write_text("the hidden tests")
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
            for secret in (small.SECRET, "the hidden tests", "the work of anna")
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
