"""How commands are told what to do: the pieces that their declarations are made of. Nothing here needs PyTorch."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from replaylib.errors import InputError
from replaylib.lab.claims import share_of
from replaylib.lab.experiments import DECLARED, STORED_AS
from replaylib.lab.options import Option, seeds_of

#: Variables of the environment that PyTorch reads, once, when it is imported.
MPS_FALLBACK = "PYTORCH_ENABLE_MPS_FALLBACK"
PROFILER_LOG = "KINETO_LOG_LEVEL"
DEVICE = "cpu, cuda, cuda:1 or another GPU, mps (Apple), or auto (default)"
#: How a kind of option is shown.
METAVARS = {int: "N", float: "X", tuple: "N,N"}
#: Words that an option's earlier name took, as they are called now.
EARLIER = {"front_end": {"pixels": "none"}}


Read = TypeVar("Read")


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


def reader(read: Callable[[str], Read]) -> Callable[[str], Read]:
    """How `argparse` is given a function that raises `InputError`, with its message."""

    def reading(text: str) -> Read:
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


def many_runs(sub: argparse.ArgumentParser) -> None:
    """What commands of many runs are told: where they go, who computes them, and which of them are this one's."""
    sub.add_argument(
        "--plan", action="store_true", help="only say which runs are stored and which are due, and how long those take"
    )
    sub.add_argument("--shard", type=reader(share_of), metavar="K/N", help="of all these runs, the K-th of N shares")
    sub.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="runs at once, each in a process and a thread of its own, by Dask (default: 1, in this process)",
    )  # fmt: skip
    where = sub.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="of Dask, whose workers compute, e.g. tcp://10.0.0.1:8786"
    )
    where.add_argument(
        "--cluster", type=path, metavar="FILE.toml",
        help="jobs of Slurm, PBS or another, that Dask starts; --workers: how many",
    )  # fmt: skip
    sub.add_argument(
        "--together", action=argparse.BooleanOptionalAction,
        help="train the seeds of a run as one tensor program, where its network allows it (default: on a GPU)",
    )  # fmt: skip
    sub.add_argument("--capture", action="store_true", help="on a GPU, replay a task's steps as one CUDA graph")
    sub.add_argument("--device", default="auto", help=DEVICE)
    anew(sub)


def anew(sub: argparse.ArgumentParser) -> None:
    """What is done about runs that have begun, ended or failed before."""
    sub.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="keep unfinished runs with the records, and go on with them when the same command is given (default)",
    )  # fmt: skip
    sub.add_argument(
        "--force", action="store_true", help="run also what is stored, and set that aside, and what failed"
    )
