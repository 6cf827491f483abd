"""What a submission's process may do: how much of time, memory and disk, and what it may touch.

Three layers, each for what the one before cannot do: limits that the system enforces; namespaces, where Linux gives
them to ordinary users, in which there is no network, no other process and no hidden test; and an audit hook, which
refuses what Python code has no business to do. The hook is no prison: native code passes it by.
"""

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
BIND, REC, PRIVATE = 0x1000, 0x4000, 0x40000
DIE_WITH_PARENT = 1

# Events of Python's audit table (PEP 578). Those of the second kind name files, and are refused outside the folder.
REFUSED = (
    "ctypes.", "gc.get_", "os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.setxattr", "os.spawn", "os.startfile",
    "os.system", "pty.", "resource.", "signal.pthread_kill", "socket.", "subprocess.", "syslog.", "sys._current_frames",
)  # fmt: skip
ON_FILES = (
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
    "os.utime", "shutil.",
)  # fmt: skip
LOOKS = ("os.listdir", "os.scandir", "os.walk", "glob.glob")


@dataclass(frozen=True)
class Limits:
    """Seconds a cell, a call and a whole submission may take; MB of memory and of disk; what it must not see."""

    cell: float = 30
    call: float = 20
    total: float = 240
    memory: int = 2048
    file: int = 20
    files: int = 100
    hidden: tuple[str, ...] = field(default=())


def system_limits(limits: Limits) -> None:
    """Limits that the system enforces, on this process from now on."""
    megabyte, used = 2**20, address_space()
    wanted = {
        "RLIMIT_AS": used + limits.memory * megabyte,
        "RLIMIT_FSIZE": limits.file * megabyte,
        "RLIMIT_CPU": int(limits.total) + 10,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # macOS refuses some
            resource.setrlimit(getattr(resource, name), (value, value))


def address_space() -> int:
    """Bytes of address space that this process has now: PyTorch alone maps gigabytes that it never touches."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 16 * 2**30


def namespaces(work: str, hidden: tuple[str, ...]) -> bool:
    """Leave the system behind, for children of this process: no network, no other processes, hidden files empty.

    Returns False, and changes nothing that matters, where the system does not give namespaces to ordinary users.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(NEWUSER | NEWPID | NEWNET | NEWIPC | NEWNS):
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        return True

    def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
        texts = [source.encode(), target.encode(), kind.encode() if kind else None]
        libc.mount(*texts, ctypes.c_ulong(flags), options.encode() or None)

    mount("none", "/", None, REC | PRIVATE)
    mount("tmpfs", work, "tmpfs", 0, "size=256m,nr_inodes=10k")
    for path in hidden:
        if os.path.isdir(path):
            mount("tmpfs", path, "tmpfs", 0, "size=4k,nr_inodes=4")
        elif os.path.isfile(path):
            mount("/dev/null", path, None, BIND)
    return True


def die_with_parent() -> None:
    """Be killed when the parent is: a process that left its group would otherwise stay."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, 9)


def guard(work: str, limits: Limits) -> None:
    """Refuse, from now on and for good, what a submission has no business to do."""
    real, within_any = os.path.realpath, _within
    inside, hidden = (real(work),), tuple(real(path) for path in limits.hidden)
    written = [0]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def check(path: Any, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # an open file's number
        place = real(os.fsdecode(path))
        if within_any(place, hidden):
            raise PermissionError("a submission may not look there while it is graded")
        if writes and place != "/dev/null":
            written[0] += 1
            if not within_any(place, inside) or written[0] > limits.files:
                raise PermissionError("a submission may write few files, and those in its own folder only")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            check(arguments[0], bool((arguments[2] or 0) & writing))
        elif event.startswith(REFUSED):
            raise PermissionError(f"{event} is refused while a submission is graded")
        elif event.startswith(ON_FILES):
            for path in arguments[:2]:
                check(path, True)
        elif event in LOOKS and arguments:
            check(arguments[0], False)

    sys.addaudithook(hook)


def _within(place: str, folders: tuple[str, ...]) -> bool:
    return any(place == folder or place.startswith(folder + os.sep) for folder in folders)


Guard = Callable[[str, Limits], None]
