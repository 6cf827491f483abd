"""What this year's students are asked: which variants of questions, and on which numbers hidden tests try answers."""

import random
import re
from pathlib import Path

import yaml
from myst_blocks import Block

COHORT = Path("instructors/cohort.yml")


def cohort(root: Path) -> int:
    """The seed of this year's questions."""
    return int(yaml.safe_load((root / COHORT).read_text(encoding="utf-8"))["seed"])


def asked(name: str, blocks: list[Block], seed: int) -> list[Block]:
    """The blocks of a master without those variants of a question that a cohort is not asked."""
    variants: dict[str, list[str]] = {}
    for block in blocks:
        if block.name == "question":
            variants.setdefault(block.argument, []).append(block.options.get("variant", ""))
    draw = {question: random.Random(f"{seed} {name} {question}").randrange(len(v)) for question, v in variants.items()}
    chosen = {question: v[draw[question] if seed else 0] for question, v in variants.items()}
    found, leave_out = [], False
    for block in blocks:
        if block.name == "question":
            leave_out = block.options.get("variant", "") != chosen[block.argument]
        if not leave_out:
            found.append(block)
        leave_out = leave_out and block.name != "question-end"
    return found


def seeded(test: str, seed: int) -> str:
    """A hidden test on the numbers of a cohort."""
    return re.sub(r"manual_seed\((\d+)\)", lambda found: f"manual_seed({int(found[1]) + 1000 * seed})", test)
