"""The command line, ``python -m replaylib COMMAND``, over the same functions that the chapters call."""

import argparse
import errno
import importlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NoReturn

from replaylib._version import __version__
from replaylib.cli.declared import COMMANDS
from replaylib.cli.telling import MPS_FALLBACK, PROFILER_LOG, Command, path
from replaylib.errors import SCENARIOS, InputError, out_of_memory, unknown
from replaylib.lab import register
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import PROTOCOLS

PROG = "python -m replaylib"
#: What the shell completes, by the name of the argument.
NAMES: dict[str, Iterable[str]] = {"protocol": PROTOCOLS, "scenario": SCENARIOS, "method": METHODS}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for unusable input (one line on stderr), 130 for Ctrl-C.

    Also 2 where memory runs out, and where what is printed cannot be written; 0 where its reader has seen enough.
    """
    options = argparse.Namespace()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        for file in _common().parse_known_args(given)[0].files or []:
            register.file(file)
        register.files()
        options = _parser(given).parse_args(given)
        options.arguments = given
        _function(options)(options)
        if sys.stdout:  # None where the shell closed it, ">&-"
            sys.stdout.flush()
    except InputError as error:
        return _refused(options, str(error))
    except KeyboardInterrupt as stopped:
        print(f"replaylib: stopped; {_kept(options)}", file=sys.stderr)
        return 128 + getattr(stopped, "signal", signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, e.g. head, has seen enough
        _print_no_more()
    except (MemoryError, RuntimeError, OSError) as error:
        if asked := out_of_memory(error):
            return _refused(options, f"out of memory: {asked} asked for; {_smaller(options)}")
        if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _print_no_more()
            return _refused(options, f"what was printed could not be written ({error.strerror}); {_kept(options)}")
        raise
    return 0


def _refused(options: argparse.Namespace, message: str) -> int:
    if getattr(options, "verbose", False):
        traceback.print_exc()
    print(f"replaylib: {message}", file=sys.stderr)
    return 2


def _print_no_more() -> None:
    """What is still waiting to be printed goes nowhere, and ends in no second error when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _smaller(options: argparse.Namespace) -> str:
    """What a command that ran out of memory can be told to do with less."""
    where = {
        "run": "--batch, --replayed, --hidden or --per-class",
        "reproduce": "--hidden, --batch, --seeds or --workers",
        "pretrain": "--batch or --hidden",
        "bench": "--seeds, or another protocol",
    }.get(getattr(options, "name", ""), "what was asked for")
    together = ", or train seeds one by one with --no-together" if hasattr(options, "together") else ""
    return f"take a smaller {where}{together}; {_kept(options)}"


def _function(options: argparse.Namespace) -> Callable[[argparse.Namespace], object]:
    """The function of the command, imported; while PyTorch is, Ctrl-C ends the process at once, with its one line."""
    if getattr(options, "device", "").startswith("mps"):  # PyTorch looks at it when it is imported
        os.environ.setdefault(MPS_FALLBACK, "1")
    if getattr(options, "operations", False):
        os.environ.setdefault(PROFILER_LOG, "99")  # its profiler says that there is no GPU, as an error
    module, _, function = COMMANDS[options.name].runs.partition(":")
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, stop_at_once) if main_thread else None
    try:
        command = getattr(importlib.import_module(module), function)
        if options.threads is not None:
            import torch

            torch.set_num_threads(options.threads)
        return command
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, signal.default_int_handler if before is stop_at_once else before)


def stop_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C before anything has begun: an exception would go through half-loaded modules, and be theirs to report."""
    os.write(2, b"replaylib: stopped before it began; nothing was computed\n")
    os._exit(128 + number)


def _kept(options: argparse.Namespace) -> str:
    """What is left of a command that was stopped."""
    name = getattr(options, "name", "")
    if getattr(options, "plan", False):
        return "no run had been begun, for it was a plan"
    saved = name in ("reproduce", "sweep", "choose") or (name == "run" and options.save)
    if saved and getattr(options, "resume", False):
        return "runs that had finished are kept, and the same command goes on with the one under way"
    if saved:
        return "runs that had finished are kept, the one under way is not"
    if name == "pretrain":
        return "the same command goes on from the last state that was written, if there was one"
    return "nothing is kept" + (": give --save FOLDER to keep each run as it ends" if name == "run" else "")


class _Parser(argparse.ArgumentParser):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # As Python 3.14 has it: before, -1e-3 was taken for an option, and what it is a value of had none.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def parse_known_args(self, *arguments: Any, **named: Any) -> tuple[Any, list[str]]:
        options, left = super().parse_known_args(*arguments, **named)
        # A command knows its options. argparse leaves the error to the parser before it, which does not.
        if self.prog != PROG and (strange := [word for word in left if word.startswith("-")]):
            known = [name for action in self._actions for name in action.option_strings]
            raise unknown("option", strange[0].partition("=")[0], known, f"All are in: {self.prog} --help")
        return options, left

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (try: {self.prog} --help)")


def _common(default: str | None = None) -> _Parser:
    """The options that every command takes, before its name or after."""
    common = _Parser(prog=PROG, add_help=False, allow_abbrev=False)
    common.add_argument(
        "--with", dest="files", action="append", type=path, default=default, metavar="FILE.py",
        help="first run this file, which registers methods, data or whatever is your own; may be given again",
    )  # fmt: skip
    common.add_argument("--threads", type=_threads, default=default, metavar="N", help="of the processor to use")
    for flag, name, meaning in (
        ("-v", "verbose", "after an error, where it arose"),
        ("-q", "quiet", "no progress and no notes: results and errors alone"),
    ):
        common.add_argument(flag, f"--{name}", action="store_true", default=default or False, help=meaning)
    return common


def _threads(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 to 1024")
    return int(text)


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; of all commands, those whose names are among the arguments get their options."""
    parser = _Parser(
        prog=PROG, description="Continual learning with replay.", allow_abbrev=False,
        parents=[_common()],
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"replaylib {__version__}")
    commands = parser.add_subparsers(required=True, dest="name", metavar="|".join(COMMANDS), parser_class=_Parser)
    completing = os.environ.get("COMP_LINE", "").split()
    for name, command in COMMANDS.items():
        _add(commands, name, command, declare=name in (*arguments, *completing))
    if completing:
        _complete(parser)
    return parser


def _add(commands: "argparse._SubParsersAction[_Parser]", name: str, command: Command, declare: bool) -> None:
    epilog = f"Example: python -m replaylib {command.example}" if command.example else None
    sub = commands.add_parser(
        name, help=command.summary, description=command.about, epilog=epilog, allow_abbrev=False,
        parents=[_common(argparse.SUPPRESS)],
    )  # fmt: skip
    if declare:
        command.declare(sub)


def _complete(parser: argparse.ArgumentParser) -> None:
    """Completion in the shell, where the package argcomplete is there: ``pip install replaylib[completion]``."""
    try:
        argcomplete = importlib.import_module("argcomplete")
    except ImportError:
        return

    def names(prefix: str, action: argparse.Action, **_: object) -> list[str]:
        matches = [name for name in NAMES.get(action.dest, ()) if name.startswith(prefix)]
        return matches or list(argcomplete.FilesCompleter()(prefix))

    argcomplete.autocomplete(parser, default_completer=names)
