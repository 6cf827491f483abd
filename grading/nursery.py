"""A process that has imported everything once, and forks a fresh process for each submission in milliseconds.

It never runs a submission's code itself, and only it waits for those processes, so that it never kills another one.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict

from grading import student
from grading.limits import Limits, die_with_parent, guard, namespaces, system_limits

MESSAGE = 2**16


class Nursery:
    """The grader's side: `start` and `end` processes for submissions; one at a time asks."""

    def __init__(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "grading.nursery", str(there.fileno())]
        self.process = subprocess.Popen(command, pass_fds=[there.fileno()], env=environment, stdin=subprocess.DEVNULL)
        there.close()
        self.end_point, self.lock = here, threading.Lock()
        self.isolated = bool(self.ask({"hello": True})["namespaces"])

    def ask(self, message: dict[str, object], *descriptors: int) -> dict[str, int]:
        with self.lock:
            socket.send_fds(self.end_point, [json.dumps(message).encode()], list(descriptors))
            answer: dict[str, int] = json.loads(self.end_point.recv(MESSAGE) or b'{"pid": 0, "namespaces": 0}')
            return answer

    def start(self, work: str, limits: Limits) -> tuple[socket.socket, int]:
        """A new process that serves the grader at the other end of this socket; its number."""
        here, there = socket.socketpair()
        with there:
            pid = self.ask({"work": work, "limits": asdict(limits)}, there.fileno())["pid"]
        return here, pid

    def end(self, pid: int) -> None:
        """Kill a submission's process and its group."""
        self.ask({"end": pid})

    def close(self) -> None:
        self.end_point.close()
        self.process.wait()


def serve(end: socket.socket) -> None:
    """The nursery's own loop: fork when asked, kill when asked, stop when the grader is gone."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(end, MESSAGE, 1)
        if not text:
            return
        message = json.loads(text)
        if "work" in message:
            pid = os.fork()
            if not pid:
                with contextlib.suppress(BaseException):
                    born(descriptors[0], message["work"], Limits(**message["limits"]))
                os._exit(1)
            os.close(descriptors[0])
            answer = {"pid": pid}
        elif "end" in message:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(message["end"], signal.SIGKILL)
            os.kill(message["end"], signal.SIGKILL)  # had it not made its group yet
            os.waitpid(message["end"], 0)
            answer = {"pid": message["end"]}
        else:
            answer = {"namespaces": offered()}
        end.send(json.dumps(answer).encode())


def offered() -> int:
    """Whether the system gives namespaces to this user: 1 or 0; asked in a child."""
    pid = os.fork()
    if not pid:
        os._exit(0 if namespaces("/nonexistent", ()) else 1)
    return int(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)


def born(descriptor: int, work: str, limits: Limits) -> None:
    """The life of a submission's process, from its fork on."""
    os.setsid()
    die_with_parent()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.dup2(descriptor, 3)
    os.closerange(4, 4096)
    limits = Limits(**asdict(limits) | {"hidden": tuple(limits.hidden)})
    if namespaces(work, limits.hidden):
        inner = os.fork()  # the first process inside
        if inner:
            os.close(3)
            os.waitpid(inner, 0)
            os._exit(0)
        die_with_parent()
    os.chdir(work)
    os.environ |= {"HOME": work, "TMPDIR": work, "MPLCONFIGDIR": work, "REPLAYLIB_PROFILE": "quick"}
    sys.dont_write_bytecode = True
    server = student.Server(socket.socket(fileno=3))
    system_limits(limits)
    guard(work, limits)
    server.serve()


def import_everything() -> None:
    """What submissions import, so that each does not do it anew."""
    import torch

    import replaylib.course.assignments
    import replaylib.course.figures  # Matplotlib, seaborn and pandas come with it

    for name in dir(replaylib):  # each is loaded when it is first asked for
        getattr(replaylib, name)
    torch.set_num_threads(1)
    replaylib.load("digits")  # and scikit-learn
    student.Server(socket.socketpair()[0])  # IPython's part in reading cells


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    import_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
