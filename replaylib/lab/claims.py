"""Who computes a run: processes that share a folder of records, on one machine or many, each take runs that none has.

A claim is a file beside the records, named after the experiment's id. Whoever makes it has the run, and touches it now
and then; one that has not been touched for `STALE` seconds was left behind by a process that ended, and is taken over.
So is, at once, one of a process of this machine that is no more.
"""

import contextlib
import json
import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from replaylib.errors import InputError, counted

#: Seconds between two touches of a claim, and after which one that nobody touches is left behind.
BEAT, STALE = 20.0, 120.0


class Claims:
    """The claims of this process on runs in a folder; all are given back when its block ends.

    Parameters
    ----------
    folder : of the records, which exists and can be written.
    beat, stale : seconds, see `BEAT` and `STALE`; every process in a folder has the same.

    Raises
    ------
    InputError : the folder cannot be written.
    """

    def __init__(self, folder: Path, beat: float = BEAT, stale: float = STALE) -> None:
        self.folder, self.beat, self.stale = folder, beat, stale
        self.held: dict[Path, str] = {}  # and what stands in each file: another's may have taken its place
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._touch, daemon=True)

    def __enter__(self) -> "Claims":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._thread.join()
        for path in list(self.held):
            self._remove(path)

    def take(self, name: str) -> bool:
        """Whether this process has the run called ``name`` from now on: nobody else had it, or left it behind."""
        path = self._path(name)
        if path in self.held:
            return True
        if self._create(path):
            return True
        try:
            seen = path.read_text()
            if not self.left_behind([path]):
                return False
            # Of several that see it left behind, one moves it away; what another has put there since is put back.
            aside = path.with_suffix(f".left-{os.getpid()}")
            path.rename(aside)
            if aside.read_text() != seen:
                try:
                    os.link(aside, path)
                except FileExistsError:  # a third one has it by now
                    pass
                except OSError:  # this file system has no links
                    aside.rename(path)
                aside.unlink(missing_ok=True)
                return False
            aside.unlink()
        except OSError:
            return False
        return self._create(path)

    def take_due(self, names: Sequence[str], done: Callable[[str], bool]) -> list[str]:
        """Those of the runs that are not done, and that this process has from now on."""
        taken = [name for name in names if not done(name) and self.take(name)]
        for name in [name for name in taken if done(name)]:  # stored between the look and the claim
            self.give_back(name)
            taken.remove(name)
        return taken

    def give_back(self, name: str) -> None:
        """The run is stored, or will not be: others may look again."""
        path = self._path(name)
        if path in self.held:
            self._remove(path)

    def others(self, names: Sequence[str]) -> list[str]:
        """Those of the runs that another process has."""
        paths = {self._path(name): name for name in names if self._path(name) not in self.held}
        there = [path for path in paths if path.exists()]
        left = self.left_behind(there)
        return [paths[path] for path in there if path not in left]

    def left_behind(self, paths: Sequence[Path]) -> set[Path]:
        """Those claims that nobody has touched for long, or whose process was on this machine and has ended."""
        abandoned: set[Path] = set()
        # By the clock of whoever keeps the folder, which is not this machine's.
        now = self._now() if paths else 0.0
        for path in paths:
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > self.stale or _has_ended(path):
                    abandoned.add(path)
        return abandoned

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.claim"

    def _create(self, path: Path) -> bool:
        since = time.strftime("%Y-%m-%dT%H:%M:%S")
        # A claim is known by what stands in it: file systems give the number of a file that is gone to the next one.
        text = json.dumps({"machine": _machine(), "process": os.getpid(), "since": since, "token": uuid.uuid4().hex})
        try:
            with path.open("x") as file:
                file.write(text)
        except FileExistsError:
            return False
        except OSError as error:
            with contextlib.suppress(OSError):  # a full disk leaves an empty one
                path.unlink()
            raise InputError(f"cannot write to {self.folder} ({error.strerror}): choose another folder") from error
        with self._lock:
            self.held[path] = text
        return True

    def _now(self) -> float:
        probe = self.folder / f".clock-{platform.node()}-{os.getpid()}-{threading.get_ident()}"
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError:  # the folder cannot be written any more
            return time.time()
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def _touch(self) -> None:
        while not self._ended.wait(self.beat):
            with self._lock:
                for path in self.held:
                    with contextlib.suppress(OSError):
                        if self._mine(path):
                            os.utime(path)

    def _remove(self, path: Path) -> None:
        with self._lock:
            with contextlib.suppress(OSError):
                if self._mine(path):
                    path.unlink()
            self.held.pop(path, None)

    def _mine(self, path: Path) -> bool:
        return path.read_text() == self.held[path]


@cache
def _machine() -> str:
    """Where the numbers of processes mean the same as here: the machine since it was started, and the container."""
    where = [platform.node()]
    for file in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            where.append(os.readlink(file) if file.endswith("pid") else Path(file).read_text().strip())
    return " ".join(where)


def _has_ended(path: Path) -> bool:
    """Whether the process that made a claim was on this machine and is there no more."""
    try:
        who = json.loads(path.read_text())
        if os.name != "posix" or who["machine"] != _machine():
            return False
        os.kill(who["process"], 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError):  # another's, or one that is being written
        return False
    return False


def running(folder: Path, stale: float = STALE) -> list[str]:
    """The names of the runs in a folder that some process has now."""
    return Claims(folder, stale=stale).others(sorted(path.stem for path in folder.glob("*.claim")))


def to_do(
    groups: Sequence[Sequence[str]], claims: Claims, done: Callable[[str], bool], say: Callable[[str], None] = print
) -> Iterator[list[str]]:
    """Gives this process the runs that it has, a group at a time, until all runs of all groups are done by somebody.

    What another process has is waited for, and taken over where that process leaves it behind. Whoever computes a run
    stores it and gives its claim back; where it cannot be computed, that is not tried again here.

    Parameters
    ----------
    groups : names of runs that are computed together.
    done : whether a run is stored.
    say : gets a line when there is nothing to do but wait.
    """
    pending, given = [list(group) for group in groups], set()
    while pending:
        anything = False
        for group in list(pending):
            left = [name for name in group if name not in given]
            taken = claims.take_due(left, done)
            if taken:
                given.update(taken)
                anything = True
                yield taken
            group[:] = [name for name in group if name not in given and not done(name)]
        pending = [group for group in pending if group]
        if pending and not anything:
            say(f"waiting for {counted(sum(map(len, pending)), 'run')} that other processes have")
            names = [name for group in pending for name in group]
            while not any(map(done, names)) and len(claims.others(names)) == len(names):
                time.sleep(min(1.0, claims.beat))


def share_of(text: str) -> tuple[int, int]:
    """A share as one writes it, ``"4/40"``: the fourth of forty; raises `InputError` for another text."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None:
        raise InputError(f"share {text!r}: expected which of how many, e.g. 4/40")
    part, parts = int(match[1]), int(match[2])
    shard([], part, parts)
    return part, parts


def shard(names: Sequence[str], part: int, parts: int) -> list[str]:
    """The ``part``-th of ``parts`` shares of names, counted from 1: each name is in one share, whatever their order.

    Raises
    ------
    InputError : no such share.
    """
    if not 1 <= part <= parts:
        raise InputError(f"share {part}/{parts}: give one from 1/{parts} to {parts}/{parts}")
    return [name for place, name in enumerate(sorted(names)) if place % parts == part - 1]
