"""Self-checks, as the book and the notebooks both read them: a question, and answers that each say why they are one.

::

    :::{self-check} Why does accuracy on task 1 fall?
    - [ ] The network has too few units.
      No: trained on all tasks together, the same network learns them all.
    - [x] Nothing in the loss speaks for task 1 any more.
      Yes: the gradient of the new loss moves the old logits too.
    :::

An item's first line is the answer to choose; the rest, indented like it, says at once why it is right or wrong.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: What stands before an explanation, for the eye and for the ear: never colour alone.
VERDICTS = {True: ("✓", "Right:"), False: ("✗", "Wrong:")}


class SelfCheckError(Exception):
    """What is wrong with a self-check, and on which of its body's lines, counted from 0."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Answer:
    """One answer to choose; `line` and `why_line` count the body's lines from 0."""

    right: bool
    text: str
    why: str
    line: int
    why_line: int


def read(question: str, body: Sequence[str]) -> list[Answer]:
    """The answers in the lines of a self-check.

    Raises
    ------
    SelfCheckError : no question, a line that belongs to no answer, an answer without text or without an explanation, or
        no right or no wrong answer.
    """
    if not question.strip():
        raise SelfCheckError(0, "{self-check} needs its question on its first line")
    starts = [number for number, line in enumerate(body) if re.match(r"[-*+] ", line)]
    for number, line in enumerate(body[: starts[0] if starts else None]):
        if line.strip():
            raise SelfCheckError(number, f"{line.strip()!r} belongs to no answer: begin one with `- [ ]` or `- [x]`")
    answers = [_answer(body, start, end) for start, end in pairwise([*starts, len(body)])]
    for right, word in ((True, "right"), (False, "wrong")):
        if not any(answer.right == right for answer in answers):
            mark = "[x]" if right else "[ ]"
            raise SelfCheckError(0, f"this {{self-check}} has no {word} answer: mark one with `- {mark}`")
    return answers


def _answer(body: Sequence[str], start: int, end: int) -> Answer:
    match = re.fullmatch(r"[-*+] +\[([ xX])\] +(\S.*)", body[start].rstrip())
    if not match:
        raise SelfCheckError(start, f"{body[start].strip()!r} is no answer: write `- [ ]` or `- [x]`, then the answer")
    why = list(body[start + 1 : end])
    loose = next((number for number, line in enumerate(why) if line.strip() and not line.startswith("  ")), None)
    if loose is not None:
        raise SelfCheckError(start + 1 + loose, f"indent {why[loose].strip()!r} by two spaces, as its answer's reason")
    if not any(line.strip() for line in why):
        raise SelfCheckError(
            start, f"the answer {match[2]!r} does not say why it is right or wrong: indent that below it"
        )
    skipped = next(number for number, line in enumerate(why) if line.strip())
    explanation = "\n".join(line[2:] for line in why[skipped:]).rstrip()
    return Answer(match[1] != " ", match[2], explanation, start, start + 1 + skipped)
