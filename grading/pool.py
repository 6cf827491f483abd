"""Many submissions: a judge each, some at a time; every result is told as it comes, and none stops the others."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import wait
from typing import Any

from grading.assignment import Assignment, Result
from grading.sandbox import SLOWEST, Limits, Sandbox
from grading.submissions import Submission
from replaylib.lab.cluster import deaf_children

# What a judge may take beyond its submission's own time: starting sandboxes, and its checks' own computing.
MARGIN = 300


def graded(
    waiting: list[Submission],
    assignment: Assignment,
    sandbox: Sandbox,
    limits: Limits,
    workers: int,
    questions: list[str],
) -> Generator[tuple[Submission, Result], None, None]:
    """Each submission with its result, as they come. Whoever stops listening ends all judges and their sandboxes.

    Raises
    ------
    KeyboardInterrupt : SIGINT or SIGTERM came, and there is more to grade.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grading.judge"])
    with deaf_children():  # judges leave Ctrl-C to the process that started them, from their first moment
        forkserver.ensure_running()
    running: dict[Any, tuple[Submission, Any, float]] = {}
    left = list(waiting)
    patience = SLOWEST * (2 * limits.total + limits.project) + MARGIN
    with noted(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            while left or running:
                if signals:
                    raise KeyboardInterrupt
                while left and len(running) < workers:
                    one = left.pop(0)
                    if one.origin is None:
                        yield one, Result(failed=one.failed)
                        continue
                    here, there = context.Pipe(duplex=False)
                    judge = context.Process(target=sit, args=(there, one, assignment, sandbox, limits, questions))
                    running[here] = one, judge, time.monotonic() + patience
                    try:
                        judge.start()
                    except OSError as error:
                        del running[here]
                        yield one, Result(failed=f"no process could be started to judge it ({error}), please look")
                        continue
                    finally:
                        there.close()
                for end in wait(list(running), timeout=1):
                    one, judge, _ = running.pop(end)
                    yield one, heard(end, judge)
                for end, (one, judge, until) in list(running.items()):
                    if time.monotonic() > until:
                        del running[end]
                        judge.kill()
                        yield one, Result(failed=f"the grader gave up after {patience:.0f} seconds, please look")
        finally:
            begun = [judge for _, judge, _ in running.values() if judge.pid]
            for judge in begun:
                judge.kill()
            for judge in begun:
                judge.join()


@contextlib.contextmanager
def noted(*numbers: signal.Signals) -> Iterator[list[int]]:
    """Signals as a list of those that came; this block says where it can be left.

    As an exception a signal would come anywhere: in the middle of starting a judge, where the server that forks it
    dies of half a request, or while an object is deleted, where Python drops the exception and nobody is heard.
    """
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # which alone can say what a signal does
        yield signals
        return

    def note(number: int, _: object) -> None:
        signals.append(number)
        restore()  # a second one does what it always does

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, note)
    try:
        yield signals
    finally:
        restore()


def sit(*arguments: Any) -> None:
    """A judge's whole life, in a process that has PyTorch already."""
    from grading.judge import serve

    threading.Thread(target=end_with_the_grader, daemon=True).start()
    serve(*arguments)


def end_with_the_grader() -> None:
    """End this judge, and with it its sandboxes, once the process that it works for is gone, however that ended."""
    grader = multiprocessing.parent_process()
    assert grader is not None
    grader.join()
    os._exit(1)


def heard(end: Any, judge: Any) -> Result:
    """What a judge said, or that it died."""
    try:
        result: Result = end.recv()
    except (EOFError, OSError):
        judge.join(10)
        result = Result(failed=f"the grader's process for it ended (exit status {judge.exitcode}), please look")
    end.close()
    judge.join(10)
    if judge.is_alive():  # it has said all it had to say
        judge.kill()
        judge.join()
    return result
