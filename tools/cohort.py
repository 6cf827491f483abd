"""What this year's students are asked: which variants of questions, and on which numbers hidden tests try answers."""

import random
import re
from pathlib import Path

import yaml
from myst_blocks import Block

COHORT = Path("instructors/cohort.yml")
QUESTION = re.compile(r"^```\{question\} (\w+)$.*?^```\{question-end\}$", re.DOTALL | re.MULTILINE)
CHOICE = re.compile(r"<<((?:(?!<<|>>).)*?\|\|(?:(?!<<|>>).)*?)>>", re.DOTALL)


def cohort(root: Path) -> int:
    """The seed of this year's questions."""
    return int(yaml.safe_load((root / COHORT).read_text(encoding="utf-8"))["seed"])


def pinned(root: Path) -> str:
    """The tag or commit of the public repository that first cells install; empty for its newest state."""
    return str(yaml.safe_load((root / COHORT).read_text(encoding="utf-8")).get("library") or "")


def asked(name: str, blocks: list[Block], seed: int) -> list[Block]:
    """The blocks of a master without those variants of a question that a cohort is not asked."""
    variants: dict[str, list[str]] = {}
    for block in blocks:
        if block.name == "question":
            variants.setdefault(block.argument, []).append(block.options.get("variant", ""))
    draw = {question: random.Random(f"{seed} {name} {question}").randrange(len(v)) for question, v in variants.items()}
    chosen = {question: v[draw[question] if seed else 0] for question, v in variants.items()}
    kept, leave_out = [], False
    for block in blocks:
        if block.name == "question":
            leave_out = block.options.get("variant", "") != chosen[block.argument]
        if not leave_out:
            kept.append(block)
        leave_out = leave_out and block.name != "question-end"
    return kept


def wordings(question: str) -> int:
    """How many variants a question has that is written once, with ``<<one||other>>`` where they differ.

    Raises
    ------
    ValueError : not all such places have as many.
    """
    counts = {len(choice[1].split("||")) for choice in CHOICE.finditer(question)}
    if len(counts) > 1:
        raise ValueError(f"places with {sorted(counts)} variants in one question: expected as many everywhere")
    return counts.pop() if counts else 1


def worded(text: str, place: int) -> str:
    """A text with its variant of that number, from 0, wherever variants differ."""
    return CHOICE.sub(lambda choice: choice[1].split("||")[place], text)


def chosen(name: str, source: str, seed: int) -> str:
    """A master's source in the words and numbers of a cohort: of the first variants for seed 0."""

    def one(question: re.Match[str]) -> str:
        number = wordings(question[0])
        return worded(question[0], random.Random(f"{seed} {name} {question[1]}").randrange(number) if seed else 0)

    return QUESTION.sub(one, source)


def seeded(test: str, seed: int) -> str:
    """A hidden test on the numbers of a cohort."""
    return re.sub(r"manual_seed\((\d+)\)", lambda match: f"manual_seed({int(match[1]) + 1000 * seed})", test)
