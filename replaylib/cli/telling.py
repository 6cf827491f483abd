"""How commands are told what to do: the pieces that their declarations are made of. Nothing here needs PyTorch."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from replaylib.errors import InputError
from replaylib.lab.experiments import DECLARED, STORED_AS, seeds_of
from replaylib.lab.options import Option

DEVICE = "cpu, cuda, cuda:1 or another GPU, mps (Apple), or auto (default)"
#: How a kind of option is shown.
METAVARS = {int: "N", float: "X", tuple: "N,N"}
#: Words that an option's earlier name took, as they are called now.
EARLIER = {"front_end": {"pixels": "none"}}


class Command(NamedTuple):
    """One command: what it does, in a line and in a paragraph, an example, and how it is told what to do.

    ``declare`` adds its options to a parser; ``runs`` names the function that is then called with what was given, as
    ``"module:function"``. Its module is imported only then.
    """

    summary: str
    about: str
    declare: Callable[[argparse.ArgumentParser], None]
    runs: str
    example: str = ""


def path(text: str) -> Path:
    """A file or folder; an empty name, as from a variable of the shell that is not set, is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name: give a file or folder")
    return Path(text)


def names(text: str) -> tuple[str, ...]:
    """An option's names, with commas between."""
    return tuple(text.split(","))


def reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """How `argparse` is given a function that raises `InputError`, with its message."""

    def reading(text: str) -> Any:
        try:
            return read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reading


HIDDEN = reader(DECLARED["hidden"].parse)
SEEDS = reader(seeds_of)


def add(sub: argparse.ArgumentParser, name: str, option: Option, default: str = "") -> None:
    """Add one declared option, under its earlier name as well."""
    told = f"{option.help} (default: {default})" if default else option.help
    shown: dict[str, Any] = {"metavar": METAVARS[option.kind]} if option.kind in METAVARS else {}
    read = reader(option.parse)
    flag = f"--{name.replace('_', '-')}"
    if option.kind is bool:
        sub.add_argument(flag, action=argparse.BooleanOptionalAction, help=told.replace("%", "%%"))
        return
    sub.add_argument(flag, type=read, help=told.replace("%", "%%"), **shown)
    if earlier := STORED_AS.get(name):
        words = EARLIER.get(earlier, {})
        sub.add_argument(
            f"--{earlier.replace('_', '-')}", dest=name, type=lambda text: read(words.get(text, text)),
            default=argparse.SUPPRESS, help=argparse.SUPPRESS,
        )  # fmt: skip


def shown(sub: argparse.ArgumentParser) -> None:
    """The options of ``list`` and ``info``."""
    sub.add_argument("--json", action="store_true", help="print one JSON object")
