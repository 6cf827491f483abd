"""From one submission to its scores: run what its answers need, then each question's checks.

A judge is a process of its own, for one submission. Should one end in spite of all limits, it costs one row.
"""

import ast
import contextlib
import re
import resource
import signal
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection

from grading import cells
from grading.assignment import Assignment, Result, clean
from grading.cells import Statement
from grading.flags import flags
from grading.remote import Clock, Names, NotGraded, Session
from grading.sandbox import Limits, Sandbox
from grading.submissions import Submission
from grading.wire import BrokenBorder
from replaylib.course.assignments import test_case

DEATHS = 6
READING = 60
MEMORY = 3 * 2**30


def serve(
    end: Connection,
    submission: Submission,
    assignment: Assignment,
    sandbox: Sandbox,
    limits: Limits,
    questions: list[str],
) -> None:
    """A judge's whole life: grade one submission, tell the result."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        result = grade(submission.read(), assignment, sandbox, limits, questions)
    except NotGraded as error:
        result = Result(failed=str(error))
    except Exception as error:
        result = Result(failed=f"the grader itself failed, please look: {type(error).__name__}: {error}")
    end.send(result)


def grade(
    notebook: bytes, assignment: Assignment, sandbox: Sandbox, limits: Limits, questions: Iterable[str] = ()
) -> Result:
    """Grade one submission, all of its questions or some.

    Raises
    ------
    NotGraded : it cannot be read, is of another assignment, or no sandbox could be started for it.
    """
    try:
        with at_most(READING):
            read = cells.parsed(notebook)
            others = cells.declared(cells.sources(read))
            if others and assignment.name not in others:
                raise NotGraded(f"it is a notebook of another assignment, {min(others)}")
            read_through = list(cells.statements(cells.sources(read)))
    except (ValueError, TimeoutError) as error:
        raise NotGraded(str(error)) from error
    everything = [statement for statement in read_through if compiles(statement.source)]
    checks = {question: assignment.checks(question) for question in questions or assignment.points}
    asked = {q: {name for case in cases for name in case.asks} for q, cases in checks.items()}
    result = Result(flags=flags(everything, asked, assignment.library), identifier=cells.identifier(read))
    result.notes += [f"{s.title} cannot be compiled, and was left out" for s in read_through if s not in everything]
    passed = dict.fromkeys(checks, True)
    first = cells.needed(everything, {name for names in asked.values() for name in names})
    with Attempt(
        [everything[place] for place in sorted(first)], result.notes, sandbox, limits, limits.total
    ) as attempt:
        # All visible checks come before any hidden one: what students are told comes from code that has not met those.
        # An answer that ended its process is lost already, and is not given the time to do so again.
        ended: set[str] = set()
        for hidden in (False, True):
            for question in [one for one in checks if one not in ended]:
                of_question, deaths = [case for case in checks[question] if case.hidden == hidden], attempt.deaths
                passed[question] &= judge(question, of_question, attempt, result)
                ended |= {question} if attempt.deaths > deaths else set()
        fatal = attempt.left_out
    result.scores = {question: assignment.points[question] * passed[question] for question in checks}
    rest = [s for place, s in enumerate(everything) if place not in first and not s.experiment and not idle(s)]
    lost = [question for question, score in result.scores.items() if not score]
    if not rest:
        return result
    # The whole notebook from top to bottom, its project included, with a time limit of its own. What was judged keeps
    # its points. A question that failed is asked once more: it may rest on what only running the notebook shows.
    whole = [statement for statement in everything if not statement.experiment and statement not in fatal]
    with Attempt(whole, result.notes, sandbox, limits, limits.project) as attempt, contextlib.suppress(BrokenBorder):
        attempt.begin()
        for question in lost:
            retried = Result()
            if judge(question, checks[question], attempt, retried):
                result.scores[question] = assignment.points[question]
                result.hints.pop(question, None)
                result.hidden.pop(question, None)
    return result


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError if what is inside takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"reading its cells took longer than {seconds} seconds, please look")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def idle(statement: Statement) -> bool:
    """Whether a statement does nothing but import, or start the notebook's own checks."""
    return bool(re.match(r"\s*(import|from)\s|\s*grader\s*=", statement.source))


def compiles(source: str) -> bool:
    try:
        compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class Attempt:
    """A submission that is brought to life as often as it dies, each time without the statement that killed it.

    Parameters
    ----------
    seconds : for its statements; the checks have ``limits.total``.
    """

    def __init__(
        self, statements: list[Statement], notes: list[str], sandbox: Sandbox, limits: Limits, seconds: float
    ) -> None:
        self.statements, self.notes, self.sandbox, self.limits = statements, notes, sandbox, limits
        self.running, self.checking = Clock(seconds), Clock(limits.total)
        self.left_out: set[Statement] = set()
        self.deaths = 0
        self.session: Session | None = None

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, *_: object) -> None:
        if self.session:
            self.session.close()

    def begin(self) -> Session:
        """The living submission; raises `BrokenBorder` when it has died too often."""
        while self.session is None or not self.session.alive:
            if self.deaths > DEATHS:
                raise BrokenBorder("the submission's process was ended too often")
            self.session = Session(self.sandbox, self.limits, self.running)
            self.run_statements(self.session)
            self.session.clock = self.checking
        return self.session

    def run_statements(self, session: Session) -> None:
        for statement in self.statements:
            if statement in self.left_out:
                continue
            if self.running.left <= 0:
                return self.note("its statements took too long together; those that were left were not run")
            try:
                session.run(statement.name, statement.source, self.limits.statement)
            except BrokenBorder as end:
                self.died(f"in {statement.title}: {end}; graded without that statement")
                self.left_out.add(statement)
                return None
            except Exception as error:
                self.note(f"in {statement.title}: {type(error).__name__}: {error}")
        return None

    def died(self, note: str) -> None:
        self.deaths += 1
        self.note(note)

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def judge(question: str, checks: list[test_case], attempt: Attempt, result: Result) -> bool:
    """Whether a question passes all its checks; if not, what they say."""
    hints: dict[bool, list[str]] = {False: [], True: []}
    for case in checks:
        hint = ""
        try:
            session = attempt.begin()
            session.begin_check()
            names = Names(session)
            case.function(**{name: names[name] for name in case.asks})
        except BrokenBorder as end:
            hint = f"your code gave no answer: {end}"
            if attempt.session is not None and not attempt.session.alive:
                attempt.died(f"while {question} was tested: {end}")
        except NotGraded:
            raise
        except AssertionError as error:
            hint = str(error) or "a check failed"
        except Exception as error:
            hint = f"your code stopped with {type(error).__name__}: {error}"
        if hint and hint not in hints[case.hidden]:
            hints[case.hidden].append(hint)
    for hints_of_kind, kept in ((hints[False], result.hints), (hints[True], result.hidden)):
        if hints_of_kind:
            kept[question] = clean("; ".join(hints_of_kind))
    return not hints[False] + hints[True]
