"""Many submissions: a judge each, some at a time; every result is told as it comes, and none stops the others."""

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from grading.assignment import Assignment, Result
from grading.sandbox import SLOWEST, Limits, Sandbox
from grading.submissions import Submission

# What a judge may take beyond its submission's own time: starting sandboxes, and its checks' own computing.
MARGIN = 300


def graded(
    waiting: list[Submission],
    assignment: Assignment,
    sandbox: Sandbox,
    limits: Limits,
    workers: int,
    questions: list[str],
) -> Iterator[tuple[Submission, Result]]:
    """Each submission with its result, as they come. Whoever stops listening ends all judges and their sandboxes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grading.judge"])
    running: dict[Any, tuple[Submission, Any, float]] = {}
    left = list(waiting)
    patience = SLOWEST * (2 * limits.total + limits.project) + MARGIN
    try:
        while left or running:
            while left and len(running) < workers:
                one = left.pop(0)
                if one.origin is None:
                    yield one, Result(failed=one.failed)
                    continue
                here, there = context.Pipe(duplex=False)
                judge = context.Process(target=sit, args=(there, one, assignment, sandbox, limits, questions))
                try:
                    judge.start()
                except OSError as error:
                    yield one, Result(failed=f"no process could be started to judge it ({error}), please look")
                    continue
                finally:
                    there.close()
                running[here] = one, judge, time.monotonic() + patience
            for end in wait(list(running), timeout=1):
                one, judge, _ = running.pop(end)
                yield one, heard(end, judge)
            for end, (one, judge, until) in list(running.items()):
                if time.monotonic() > until:
                    del running[end]
                    judge.kill()
                    yield one, Result(failed=f"the grader gave up after {patience:.0f} seconds, please look")
    finally:
        for _, judge, _ in running.values():
            judge.kill()
        for _, judge, _ in running.values():
            judge.join()


def sit(*arguments: Any) -> None:
    """A judge's whole life, in a process that has PyTorch already."""
    from grading.judge import serve

    serve(*arguments)


def heard(end: Any, judge: Any) -> Result:
    """What a judge said, or that it died."""
    try:
        result: Result = end.recv()
    except (EOFError, OSError):
        judge.join(10)
        result = Result(failed=f"the grader's process for it ended (exit status {judge.exitcode}), please look")
    end.close()
    judge.join()
    return result
