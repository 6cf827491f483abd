"""A folder of submissions, as Canvas, Moodle or a person made it: whose is which file, and which one counts."""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from grading import cells

ENDINGS = (".ipynb", ".ipynb.txt", ".ipynb.json", ".json")
JUNK = re.compile(r"(^|/)(\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX|\.ipynb_checkpoints)(/|$)")
# Canvas: lastnamefirstname_LATE_1234_5678_name-2.ipynb, where 1234 is the student, and 2 says that it is the third.
CANVAS = re.compile(r"^(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)$")
# Moodle: First Last_1234_assignsubmission_file_, a folder or the beginning of a file's name; 1234 is the participant.
MOODLE = re.compile(r"^(?P<name>[^_/]+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)$")
AGAIN = re.compile(r"(?:-(\d+)| ?\((\d+)\))(?=\.[^.]+$|\.ipynb\.|$)")
ENDING = re.compile(r"(\.ipynb)?\.[A-Za-z0-9]{1,5}$")
LARGEST_ZIP = 4 * cells.LARGEST


@dataclass
class Submission:
    """What one student handed in.

    Parameters
    ----------
    path : relative to the folder, with ``/``; a file within a zip follows the zip's own path.
    late : what Canvas says, in the file's name; None where nothing does.
    origin : the file, and the member of it if it is a zip; None if there is no notebook, and then ``failed`` says why.
    digest : of the notebook's bytes. They are read again by the judge, and nowhere held: figures make them large.
    """

    path: str
    student: str
    id: str = ""
    handed_in: datetime | None = None
    late: bool | None = None
    attempt: int = 0
    origin: tuple[Path, str] | None = None
    digest: str = ""
    failed: str = ""
    others: list[str] = field(default_factory=list)

    def read(self) -> bytes:
        """The notebook's bytes."""
        if self.origin is None:
            raise ValueError(self.failed)
        path, member = self.origin
        if not member:
            return path.read_bytes()
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return file.read(cells.LARGEST + 1)


def collected(folder: Path) -> tuple[list[Submission], list[str]]:
    """Every student's submission in a folder, and a line for each file that is none.

    Where a student handed in several notebooks, the one that counts is the last: the highest number that Canvas or a
    browser gave it, then the latest time of the file. Of files alike in both, the last in the order of their names.
    """
    lines: list[str] = []
    by_student: dict[tuple[str, str], list[Submission]] = {}
    files = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                lines.append(f"{relative}/: an empty folder")
        elif JUNK.search(relative):
            lines.append(f"{relative}: left out, written by a program and not by a student")
        else:
            files.append((path, relative))
    for path, relative in files:
        for one in opened(path, relative, export=len(files) == 1):
            by_student.setdefault((one.id, one.student) if one.id else ("", one.student), []).append(one)
    collection = []
    for versions in by_student.values():
        versions.sort(key=lambda one: (one.origin is not None, one.attempt, one.handed_in or datetime.min, one.path))
        *others, counts = versions
        for other in others:
            why = other.failed or f"{counts.path} counts, which was handed in later"
            counts.others.append(other.path)
            lines.append(f"{other.path}: left out, {why}")
        collection.append(counts)
    return sorted(collection, key=lambda one: one.path), lines


def opened(path: Path, relative: str, export: bool = False) -> Iterator[Submission]:
    """The submissions in a file: one, or in a zip as many as it has notebooks.

    Parameters
    ----------
    export : whether a zip is what Moodle or Canvas exported, not unpacked: then names in it are theirs. Names in any
        other zip are a student's own, who could write there what others are called.
    """
    time = datetime.fromtimestamp(path.lstat().st_mtime)
    name = path.name.lower()
    if path.is_symlink() or not path.is_file():
        yield whose(relative, time, failed="not a plain file")
    elif name.endswith(".zip"):
        try:
            yield from unzipped(path, relative, time, export)
        except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
            yield whose(relative, time, failed=f"a zip that cannot be read ({error})")
    elif name.endswith(ENDINGS):
        if path.stat().st_size > cells.LARGEST:
            yield whose(relative, time, failed=f"a file of more than {cells.LARGEST // 2**20} MB")
            return
        yield looked_at(whose(relative, time), (path, ""))
    else:
        yield whose(relative, time, failed="not a notebook: hand in the file that export() wrote, .ipynb")


def unzipped(path: Path, relative: str, time: datetime, export: bool) -> Iterator[Submission]:
    with zipfile.ZipFile(path) as archive:
        inside = [i for i in archive.infolist() if not i.is_dir() and not JUNK.search(i.filename.replace("\\", "/"))]
        notebooks = [i for i in inside if i.filename.lower().endswith(ENDINGS)]
        if not notebooks:
            raise ValueError("no notebook in it")
        if sum(i.file_size for i in notebooks) > LARGEST_ZIP or len(notebooks) > 1000:
            raise ValueError(f"more than {LARGEST_ZIP // 2**20} MB of notebooks, or more than 1000 of them, in it")
        for one in notebooks:
            parts = [part for part in one.filename.replace("\\", "/").split("/") if part.strip(". ")]
            where = "/".join([relative, *parts])
            submission = replace(whose(where if export else relative, time), path=where, attempt=number(parts[-1]))
            yield looked_at(submission, (path, one.filename))


def looked_at(one: Submission, origin: tuple[Path, str]) -> Submission:
    """A submission whose file looks like a notebook; what it holds is for its judge to find out."""
    one.origin = origin
    data = one.read()
    one.digest = hashlib.sha256(data).hexdigest()
    if not data:
        one.origin, one.failed = None, "an empty file"
    elif not any(word in data for word in (b"cells", "cells".encode("utf-16-le"))) or len(data) > cells.LARGEST:
        one.origin, one.failed = None, "not a notebook that can be read"
    return one


def whose(relative: str, time: datetime, failed: str = "") -> Submission:
    """Who handed a file in, by its name or a folder's."""
    *folders, name = parts = relative.split("/")
    for part in parts:  # from outside: what is deeper inside was named by a student
        if match := MOODLE.match(part):
            return Submission(relative, match["name"], match["id"], time, attempt=number(name), failed=failed)
    if match := CANVAS.match(name):
        late, attempt = bool(match["late"]), number(match["rest"])
        return Submission(relative, match["name"], match["id"], time, late, attempt, failed=failed)
    stem = AGAIN.sub("", ENDING.sub("", name)).removesuffix("_submission")
    # A notebook that has the assignment's own name, 1_forgetting.ipynb, is named by its folder.
    student = folders[-1] if folders and re.match(r"\d_", stem) else stem
    return Submission(relative, student, "", time, attempt=number(name), failed=failed)


def number(name: str) -> int:
    """The number that Canvas or a browser adds to a name that is there already: name-2.ipynb, name (2).ipynb."""
    match = AGAIN.search(name)
    return int(match[1] or match[2]) if match else 0
