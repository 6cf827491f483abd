"""What a sandbox's processes hold together, and that none of them is left: seen from outside."""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

import psutil


class Watch(threading.Thread):
    """Ends a sandbox, from outside, whose processes together take too much memory or are too many.

    Parameters
    ----------
    process : what was started, with the sandbox below it.
    memory, processes : MB, apart from what PyTorch takes, and how many.
    """

    def __init__(self, process: subprocess.Popen[bytes], memory: int, processes: int) -> None:
        super().__init__(daemon=True)
        self.process, self.memory, self.processes, self.reason = process, memory, processes, ""
        self.family: list[psutil.Process] = []
        self.allowed = (memory + 1024) * 2**20  # PyTorch itself takes some 700 MB

    def run(self) -> None:
        while self.process.poll() is None and not self.reason:
            self.look()
            time.sleep(0.1)

    def look(self) -> None:
        """Look once; what is too much gives the reason, and ends the sandbox."""
        family, held = below(self.process), 0
        self.family = family or self.family
        if len(family) > self.processes:  # first, for many take long to look at
            self.reason = f"it started more than {self.processes} processes"
        else:
            with contextlib.suppress(psutil.Error, OSError, ValueError):  # one that ends while it is looked at
                held = sum(_held(one) for one in family) + _dropped(family)
            if held > self.allowed:
                self.reason = f"it took more than {self.memory} MB of memory"
        if self.reason:
            self.process.kill()


def below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All processes that a process has started, and theirs."""
    with contextlib.suppress(psutil.Error, OSError):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def runs(process: psutil.Process) -> bool:
    """Whether a process is there, and is not merely waiting to be forgotten."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _held(process: psutil.Process) -> int:
    """Bytes that a process holds: its own memory, and the files that it has open and that have no name."""
    held = 0
    with contextlib.suppress(psutil.Error, OSError):
        held = int(process.memory_info().rss)
        for number in os.listdir(f"/proc/{process.pid}/fd"):
            file = os.stat(f"/proc/{process.pid}/fd/{number}")
            held += 0 if file.st_nlink else file.st_blocks * 512
    return held


def _dropped(family: list[psutil.Process]) -> int:
    """Bytes of the memory that processes share without a file, which stays also where none of them touches it."""
    shared: dict[str, int] = {}
    for process in family:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
                if line.endswith("/dev/zero (deleted)"):
                    place, _, _, _, inode, *_ = line.split()
                    begin, end = (int(part, 16) for part in place.split("-"))
                    shared[inode] = max(shared.get(inode, 0), end - begin)
    return sum(shared.values())
