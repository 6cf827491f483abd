"""Who computes a run: processes that share a folder of records, on one machine or many, each take runs that none has.

A claim is a file beside the records, named after the experiment's id. Whoever makes it has the run, and touches it now
and then; one that has not been touched for `STALE` seconds was left behind by a process that ended, and is taken over.
"""

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from replaylib.errors import InputError

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
        self.held: set[Path] = set()
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
        if not self._create(path):
            if not self._left_behind(path):
                return False
            # Of several that see it left behind, one moves it away.
            aside = path.with_suffix(f".left-{os.getpid()}")
            try:
                path.rename(aside)
            except OSError:
                return False
            aside.unlink(missing_ok=True)
            if not self._create(path):
                return False
        with self._lock:
            self.held.add(path)
        return True

    def give_back(self, name: str) -> None:
        """The run is stored, or will not be: others may look again."""
        path = self._path(name)
        if path in self.held:
            self._remove(path)

    def others(self, names: Sequence[str]) -> list[str]:
        """Those of the runs that another process has."""
        return [name for name in names if self._path(name) not in self.held and self._alive(self._path(name))]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.claim"

    def _create(self, path: Path) -> bool:
        who = {"host": platform.node(), "process": os.getpid(), "since": time.strftime("%Y-%m-%dT%H:%M:%S")}
        try:
            with path.open("x") as file:
                json.dump(who, file)
        except FileExistsError:
            return False
        except OSError as error:
            raise InputError(f"cannot write to {self.folder} ({error.strerror}): choose another folder") from error
        return True

    def _alive(self, path: Path) -> bool:
        return path.exists() and not self._left_behind(path)

    def _left_behind(self, path: Path) -> bool:
        try:
            # By the clock of whoever keeps the folder, which is not this machine's.
            return self._now() - path.stat().st_mtime > self.stale
        except OSError:
            return False

    def _now(self) -> float:
        probe = self.folder / f".clock-{platform.node()}-{os.getpid()}-{threading.get_ident()}"
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _touch(self) -> None:
        while not self._ended.wait(self.beat):
            with self._lock:
                for path in self.held:
                    with contextlib.suppress(OSError):
                        os.utime(path)

    def _remove(self, path: Path) -> None:
        with self._lock:
            self.held.discard(path)
        with contextlib.suppress(OSError):
            path.unlink()


def running(folder: Path, stale: float = STALE) -> Iterator[str]:
    """The names of the runs in a folder that some process has now."""
    claims = Claims(folder, stale=stale)
    for path in sorted(folder.glob("*.claim")):
        if claims._alive(path):
            yield path.stem


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
            left = [name for name in group if name not in given and not done(name)]
            # It may have been stored between the look and the claim.
            mine = [name for name in left if claims.take(name)]
            for name in [name for name in mine if done(name)]:
                claims.give_back(name)
                mine.remove(name)
            if mine:
                given.update(mine)
                anything = True
                yield mine
            group[:] = [name for name in group if name not in given and not done(name)]
        pending = [group for group in pending if group]
        if pending and not anything:
            say(f"waiting for {sum(map(len, pending))} runs that other processes have")
            while not any(done(name) or not claims.others([name]) for group in pending for name in group):
                time.sleep(min(1.0, claims.beat))


def shard(names: Sequence[str], part: int, parts: int) -> list[str]:
    """The ``part``-th of ``parts`` shares of names, counted from 1: each name is in one share, whatever their order.

    Raises
    ------
    InputError : no such share.
    """
    if not 1 <= part <= parts:
        raise InputError(f"share {part}/{parts}: give one from 1/{parts} to {parts}/{parts}")
    return [name for place, name in enumerate(sorted(names)) if place % parts == part - 1]
