"""The sandbox around a submission's process: bubblewrap, or a container of podman or docker.

None of it is made here. What is made here is the command that starts it: no network, no capability, an empty
environment, and nothing of the computer but the interpreter with its libraries, the course's library and the visible
checks, all read-only. No hidden test, no solution and no submission is mounted: a submission's cells come in through
the one pipe that its process has. System calls that namespaces do not confine are refused (`seccomp`). What the sandbox
does not limit by itself is limited from outside (`watch`).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grading import seccomp
from grading.watch import below, runs
from replaylib.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
COURSE = "/course"
# The system's libraries, where Linux systems have them; what is not there is left out.
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
PARTS = ("replaylib", "grading/__init__.py", "grading/student.py", "grading/wire.py", "chapters/assignments/checks")
PROGRAMS = {"bubblewrap": "bwrap", "podman": "podman", "docker": "docker"}
NOBODY = "65534"
# Users whom no system gives out, one for each judge: what the kernel counts for a user, it counts for one submission.
NOBODY_ELSE = 0x70000000
TO_BECOME = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")  # somebody else
ENGINES = ("podman", "docker")
IMAGE = "localhost/replay-grading-empty"
MISSING = (
    "no sandbox for the submissions: neither bubblewrap nor a container can be started here ({why}). "
    "Install bubblewrap 0.8 or newer (`apt install bubblewrap`, `dnf install bubblewrap`) or podman; or, on a computer "
    "that holds nothing worth protecting, give --without-sandbox"
)

# Seconds in which a submission's process is ready on a computer that has nothing else to do, and how far limits are
# stretched where it takes longer: on a busy one everything takes longer, and nobody shall lose points by that.
READY, SLOWEST = 5, 4
# Seconds after which a process that is still not ready never will be: nothing of a submission is in it yet.
STARTING = 600
# Seconds that the processes of a sandbox that was killed are waited for.
GONE = 30


@dataclass(frozen=True)
class Limits:
    """Seconds for a statement, a call, a check (many calls), a submission and its other cells; MB; processes."""

    statement: float = 30
    call: float = 15
    check: float = 60
    total: float = 300
    project: float = 60
    memory: int = 2048
    disk: int = 200
    processes: int = 64

    @property
    def tasks(self) -> int:
        """Processes and threads that the kernel allows: what many processes are, `watch` says in time as a rule."""
        return 8 * self.processes


@dataclass(frozen=True)
class Sandbox:
    """A way to start a submission's process; ``kind`` is bubblewrap, podman, docker or none."""

    kind: str

    def command(self, limits: Limits, *arguments: str, name: str = "", refused: int = 0) -> list[str]:
        """The command line of a process in the sandbox: by default the one that serves a submission.

        Parameters
        ----------
        name : of the container, by which `end` finds it.
        refused : the open file that says which system calls are refused, for bubblewrap.
        """
        # A container counts by itself, and without a sandbox all processes of the instructor's would count.
        own = (limits.memory, limits.disk, limits.tasks if self.kind == "bubblewrap" else 0)
        python = [interpreter(), *(arguments or ("-m", "grading.student", *map(str, own)))]
        if self.kind == "bubblewrap":
            return _bubblewrap(limits, refused) + python
        return _container(self.kind, limits, name) + python if self.kind in ENGINES else python

    def start(self, limits: Limits, *arguments: str, name: str = "", **options: Any) -> subprocess.Popen[bytes]:
        """Start `command`, in a session of its own; ``options`` are those of `subprocess.Popen`."""
        with seccomp.opened() as refused:
            return subprocess.Popen(
                self.command(limits, *arguments, name=name, refused=refused.fileno()),
                env=self.environment(), pass_fds=[refused.fileno()], start_new_session=True, **options,
            )  # fmt: skip

    def end(self, process: subprocess.Popen[bytes], name: str = "", seen: Iterable[psutil.Process] = ()) -> None:
        """Kill a process that was started by `command`, with the sandbox and all that runs in it, and see it gone.

        Parameters
        ----------
        seen : processes that were known to run in it, should they no longer be its children.
        """
        family = {*seen, *below(process)}
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        if name and self.kind in ENGINES:  # what was killed is the engine's client
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([self.kind, "kill", name], capture_output=True, timeout=30, env=self.environment())
        # The kernel ends a sandbox's other processes after its first, and on a busy computer that takes a moment.
        until = time.monotonic() + GONE
        while any(runs(one) for one in family) and time.monotonic() < until:
            time.sleep(0.01)

    def environment(self) -> dict[str, str]:
        """What the command that starts the sandbox gets; inside, a submission has `inside` alone."""
        if self.kind == "none":
            return inside(str(ROOT))
        return {name: os.environ[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR") if name in os.environ}


def interpreter() -> str:
    """This Python, under a path that does not pass through links to folders which the sandbox does not have."""
    return str(Path(os.path.realpath(sys.prefix)) / "bin" / "python")


def inside(course: str = COURSE) -> dict[str, str]:
    """A submission's environment, whole."""
    return {
        "PATH": f"{Path(interpreter()).parent}:/usr/bin:/bin", "PYTHONPATH": course, "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp", "USER": "student", "LANG": "C.UTF-8", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "", "REPLAYLIB_PROFILE": "quick",
    }  # fmt: skip


def mounts() -> dict[str, str]:
    """What a submission sees of the computer, read-only: places there, and where in the sandbox."""
    python = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    system = {path: path for path in SYSTEM if Path(path).exists()}
    libraries = {path: path for path in sorted(python) if not path.startswith("/usr/")}
    return system | libraries | {str(ROOT / part): f"{COURSE}/{part}" for part in PARTS}


def check_nothing_secret_is_mounted(*secrets: Path) -> None:
    """Raise `InputError` if a folder that submissions must not see lies in one that they do."""
    for secret in secrets:
        for there in mounts():
            if secret.resolve().is_relative_to(there):
                raise InputError(
                    f"{secret} lies in {there}, which submissions can read while they are graded: move it elsewhere"
                )


def _bubblewrap(limits: Limits, refused: int) -> list[str]:
    disk = str(limits.disk * 2**20)
    # An ordinary user needs a user namespace for all the others. Whom root starts must not be root there by another
    # name, to whom the kernel's settings and the devices would belong: so there is none, and it becomes a user who
    # owns nothing.
    root, become = os.geteuid() == 0, []
    if root:
        options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        options += ["--cap-drop", "ALL", *(word for cap in TO_BECOME for word in ("--cap-add", cap))]
        become = ["setpriv", f"--reuid={NOBODY_ELSE + os.getpid()}", f"--regid={NOBODY}", "--clear-groups"]
        become += ["--inh-caps=-all", "--bounding-set=-all"]
    else:
        options = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", NOBODY, "--gid", NOBODY]
        options += ["--cap-drop", "ALL"]
    options += ["--die-with-parent", "--new-session", "--clearenv"]
    if refused and seccomp.program():
        options += ["--seccomp", str(refused)]
    for name, value in inside().items():
        options += ["--setenv", name, value]
    own = ["--perms", "1777", "--size", disk, "--tmpfs"]
    options += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", *own, "/dev/shm", "--remount-ro", "/dev"]
    options += [*own, "/tmp"]
    for parent in sorted({str(one) for there in mounts().values() for one in Path(there).parents}):
        options += ["--dir", parent]  # which anybody may pass through
    for here, there in mounts().items():
        options += ["--ro-bind", here, there]
    return ["bwrap", *options, "--remount-ro", "/", "--chdir", "/tmp", "--", *become]


def _container(engine: str, limits: Limits, name: str) -> list[str]:
    options = ["--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL", f"--user={NOBODY}:{NOBODY}"]
    options += ["--security-opt=no-new-privileges", "--security-opt=label=disable", "--ipc=private"]
    options += [f"--memory={limits.memory + 2048}m", f"--pids-limit={limits.processes}", "--workdir=/tmp"]
    # Named, for the engine's own defaults may be more than it is allowed itself.
    options += ["--ulimit=nofile=256:256", "--ulimit=nproc=4096:4096"]
    options += [f"--shm-size={limits.disk}m", f"--tmpfs=/tmp:rw,size={limits.disk}m,mode=1777"]
    options += [f"--env={name}={value}" for name, value in inside().items()]
    options += [f"--volume={here}:{there}:ro" for here, there in mounts().items()]
    # Should its judge be killed, the container ends by itself: a submission cannot stop the first process in it.
    longest = str(int(limits.total + limits.project + 600))
    return [engine, "run", *options, *([f"--name={name}"] if name else []), IMAGE, "timeout", "--signal=KILL", longest]


def available(kind: str = "") -> Sandbox:
    """The sandbox that this computer offers.

    Parameters
    ----------
    kind : the one to take, one of `PROGRAMS`, or ``none``, which has to be asked for (default: the first that starts).

    Raises
    ------
    InputError : there is none, and it was not said that none is needed.
    """
    if kind == "none":
        return Sandbox(kind)
    reasons = []
    for one, program in PROGRAMS.items():
        if kind and one != kind:
            continue
        if not shutil.which(program):
            reasons.append(f"{program} is not installed")
            continue
        why = _refusal(Sandbox(one))
        if not why:
            return Sandbox(one)
        reasons.append(f"{program}: {why}")
    raise InputError(MISSING.format(why="; ".join(reasons)))


def _refusal(sandbox: Sandbox) -> str:
    """Why a sandbox does not start; nothing if it does."""
    try:
        if sandbox.kind != "bubblewrap":  # an image that holds nothing: all that is in a container is mounted
            command = [sandbox.kind, "import", "-", IMAGE]
            subprocess.run(command, input=bytes(10240), capture_output=True, check=True, timeout=60)
        tried = sandbox.start(Limits(), "-c", "pass", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            said = tried.communicate(timeout=60)[1].decode(errors="replace")
        finally:
            sandbox.end(tried)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None)
        return " ".join(told.decode(errors="replace").split())[-200:] if told else type(error).__name__
    return " ".join(said.split())[-200:] or "it does not start" if tried.returncode else ""
