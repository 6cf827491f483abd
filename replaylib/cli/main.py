"""The command line, ``python -m replaylib COMMAND``, over the same functions that the chapters call."""

import argparse
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import NoReturn

import torch
from tqdm import tqdm

from replaylib.cli.commands import add_pretrain, add_reproduce, device_named, names, units
from replaylib.cli.running import add_run
from replaylib.data import catalogue
from replaylib.data.dataset import Split
from replaylib.data.files import writable
from replaylib.errors import InputError
from replaylib.lab import bench, encoders
from replaylib.lab.experiments import check_seeds, experiment
from replaylib.lab.hyperparameters import SETTINGS
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import BACKBONES, PROTOCOLS, profile
from replaylib.lab.records import commit, device_name, versions
from replaylib.names import PRECISIONS
from replaylib.scenarios import SCENARIOS


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for unusable input (one line on stderr), 130 for Ctrl-C."""
    options = argparse.Namespace()
    try:
        options = _parser().parse_args(arguments)
        options.arguments = sys.argv[1:] if arguments is None else arguments
        options.command(options)
        sys.stdout.flush()
    except InputError as error:
        print(f"replaylib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"replaylib: stopped; {_kept(options)}", file=sys.stderr)
        return 128 + getattr(stopped, "signal", signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, e.g. head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _kept(options: argparse.Namespace) -> str:
    """What is left of a command that was stopped."""
    name = getattr(options, "name", "")
    if name == "reproduce" or (name == "run" and options.save and options.resume):
        return "runs that had finished are kept, and the same command goes on with the one under way"
    if name == "run" and options.save:
        return "runs that had finished are kept, the one under way is not"
    if name == "pretrain":
        return "the same command goes on from the last state that was written, if there was one"
    return "nothing is kept" + (": give --save FOLDER to keep each run as it ends" if name == "run" else "")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (try: {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m replaylib", description="Continual learning with replay.", allow_abbrev=False)
    commands = parser.add_subparsers(
        required=True, dest="name", metavar="run|pretrain|reproduce|list|bench|info", parser_class=_Parser
    )

    add_run(commands)
    add_pretrain(commands)
    add_reproduce(commands)
    timing = commands.add_parser(
        "bench",
        help="how fast a training step is, beside its matrix products alone and a data loader",
        description="Times training steps, each beside plain products of the same matrices in the same run.",
        epilog="Example: python -m replaylib bench split-mnist --methods gr,bi-r --seeds 1,5",
        allow_abbrev=False,
    )
    timing.set_defaults(command=_bench)
    timing.add_argument("protocol", nargs="?", default="split-mnist", help="as for run (default: split-mnist)")
    timing.add_argument("--scenario", help="as for run")
    timing.add_argument("--methods", type=names, default=("none", "gr", "bi-r"), metavar="A,B", help="as for run")
    timing.add_argument("--seeds", type=units, default=(1,), metavar="N,N", help="seeds trained together (default: 1)")
    timing.add_argument("--precision", type=names, default=PRECISIONS[:1], metavar="A,B", help="as for run")
    timing.add_argument("--steps", type=int, default=50, metavar="N", help="steps that are timed (default: 50)")
    timing.add_argument("--no-loader", action="store_true", help="leave out the data loader, which is slow")
    timing.add_argument("--compile", action="store_true", help="also time each step with its loss compiled")
    timing.add_argument("--capture", action="store_true", help="on a GPU, also time each step as a CUDA graph")
    timing.add_argument("--scaling", action="store_true", help="also vary batch, width and number of tasks")
    timing.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    timing.add_argument("--save", type=Path, metavar="FOLDER", help="keep the measurements in a new file here")
    timing.add_argument("--json", action="store_true", help="print a list of JSON objects instead of the table")

    for name, command, what in (
        ("list", _list, "the protocols, scenarios, methods and datasets there are"),
        ("info", _info, "versions, device, folders: what to send along with a question"),
    ):
        sub = commands.add_parser(name, help=what, description=f"Shows {what}.", allow_abbrev=False)
        sub.set_defaults(command=command)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _bench(options: argparse.Namespace) -> None:
    device = device_named(options.device)
    for seeds in options.seeds:
        check_seeds(seeds)
    asked = [
        (variant, seeds, compiled, captured)
        for name in options.methods
        for precision in options.precision
        for seeds in options.seeds
        for described in [experiment(options.protocol, options.scenario, name, precision=precision)]
        for variant in [described, *(bench.scaling(described) if options.scaling and seeds == options.seeds[0] else [])]
        for compiled in ([False, True] if options.compile and seeds == 1 else [False])
        for captured in ([False, True] if options.capture else [False])
    ]
    if options.save:
        writable(options.save)
    speeds = []
    for described, seeds, compiled, captured in tqdm(asked, unit="measurement", disable=not sys.stderr.isatty()):
        data = Split(*(part.to(device) for part in bench.stand_in(described)))
        loader = seeds == 1 and not options.no_loader and not compiled and not captured
        made = {"seeds": seeds, "steps": options.steps, "loader": loader, "compiled": compiled, "captured": captured}
        speeds.append(bench.measure(described, data, **made))
    if options.save:
        bench.save(speeds, shlex.join(["python", "-m", "replaylib", *options.arguments]), options.save)
    print(json.dumps(bench.rows(speeds)) if options.json else bench.table(speeds))


def _list(options: argparse.Namespace) -> None:
    tables = {
        "protocols": {
            p.name: f"{p.dataset}, {p.tasks} {p.kind} tasks, {p.iterations} steps each, {'-'.join(map(str, p.hidden))}"
            f" hidden units ({p.source})"
            for p in PROTOCOLS.values()
        },
        "scenarios": SCENARIOS,
        "backbones (by default frozen for methods that replay features, otherwise as the protocol says)": {
            **BACKBONES,
            **{p.name: f"encoder {p.encoder}, {p.backbone}" for p in PROTOCOLS.values() if p.encoder},
        },
        "methods": {m.name: f"{m.summary} ({m.source})" for m in METHODS.values()},
        "options (* is any; the first line that fits)": {
            f"{s.option} of {s.methods} in {s.protocol}, {s.scenario}": f"{s.value}, {s.source}" for s in SETTINGS
        },
        "datasets": catalogue.names(),
        "encoders": {name: _encoder_in_words(name) for name in encoders.files()},
    }
    print(json.dumps(tables) if options.json else "\n\n".join(_columns(title, rows) for title, rows in tables.items()))


def _encoder_in_words(name: str) -> str:
    try:
        return str(encoders.load(name).origin)
    except InputError as error:  # one damaged file hides nothing else
        return str(error)


def _info(options: argparse.Namespace) -> None:
    found = {
        **versions(),
        "commit": commit() or "not a checkout",
        "device": device_name(torch.device(device_named("auto"))),
        "data": f"{catalogue.data_directory()} (set REPLAYLIB_DATA to change it)",
        "profile": f"{profile()} (set REPLAYLIB_PROFILE to quick or paper)",
    }
    print(json.dumps(found) if options.json else _columns("environment", found))


def _columns(title: str, rows: dict[str, str]) -> str:
    width = max(map(len, rows), default=0)
    return "\n".join([f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in rows.items())])
