"""The commands ``pretrain`` and ``reproduce``, and how options of all commands are read."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from replaylib.course.reproduce import FIGURES, check_writable, draw, figure
from replaylib.data import catalogue
from replaylib.data.files import shipped, writable
from replaylib.errors import InputError
from replaylib.lab import encoders, runs
from replaylib.lab.capture import check_captured_on
from replaylib.lab.pretrain import NOT_MIRRORED, Settings, pretrain
from replaylib.lab.records import device_name, stored
from replaylib.lab.sweeps import by_seed, check_workers, loader, seconds_of, sweep


def add_pretrain(commands: Any) -> None:
    """Add ``pretrain`` to a parser's subparsers."""
    made = Settings()
    sub = commands.add_parser(
        "pretrain",
        help="pre-train a convolutional encoder as part of a classifier",
        description="Trains a classifier of images and keeps its convolutional layers in a file, which other "
        "experiments use. A run that was stopped goes on where it was when the same command is given again.",
        epilog="Example: python -m replaylib pretrain cifar10 --epochs 100 --precision bfloat16",
        allow_abbrev=False,
    )
    sub.set_defaults(command=_pretrain)
    sub.add_argument("dataset", help="a name from 'list', an image folder, or a zip of one")
    sub.add_argument("--epochs", type=int, default=made.epochs, metavar="N", help="(default: %(default)s)")
    sub.add_argument("--lr", type=float, default=made.lr, metavar="X", help="of Adam (default: %(default)s)")
    sub.add_argument("--batch", type=int, default=made.batch, metavar="N", help="images a step (default: %(default)s)")
    sub.add_argument("--seed", type=int, default=made.seed, metavar="N", help="(default: %(default)s)")
    sub.add_argument(
        "--hidden", type=units, default=made.hidden, metavar="N,N",
        help="units of the layers between encoder and read-out, which are not kept (default: 2000,2000)",
    )  # fmt: skip
    sub.add_argument(
        "--crop", type=int, default=made.crop, metavar="N", help="move images by up to N pixels (default: %(default)s)"
    )
    sub.add_argument(
        "--flip", action=argparse.BooleanOptionalAction,
        help=f"mirror half of the images (default: for all data but {', '.join(NOT_MIRRORED)}, in which a mirror image "
        "is another symbol)",
    )  # fmt: skip
    sub.add_argument("--precision", default=made.precision, help="float32 (default) or bfloat16")
    sub.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    sub.add_argument(
        "--out", type=Path, metavar="FILE",
        help="where to write, a name for --encoder (default: <dataset>.safetensors in the folder encoders of the data "
        "directory, where --encoder finds it as <dataset>)",
    )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="print where the encoder comes from as one JSON object")


def _pretrain(options: argparse.Namespace) -> None:
    given = ("epochs", "lr", "batch", "seed", "hidden", "crop", "precision")
    mirrored = options.dataset not in NOT_MIRRORED if options.flip is None else options.flip
    settings = Settings(**{name: getattr(options, name) for name in given}, flip=mirrored)
    device = device_named(options.device)
    out = options.out or catalogue.data_directory() / encoders.FOLDER / f"{Path(options.dataset).stem}{encoders.SUFFIX}"
    if out.exists():
        raise InputError(f"{out} exists: an encoder is not overwritten; choose another place with --out")
    writable(out.parent, "choose another with --out")
    split = catalogue.load(options.dataset, device)
    state = out.with_name(f"{out.name}.state")
    steps = len(split.train) // settings.batch
    pace = 1 if sys.stderr.isatty() else 60
    with tqdm(total=settings.epochs * steps, unit="step", mininterval=pace) as bar:

        def watch(epoch: int, step: int, loss: torch.Tensor) -> None:
            if step == 1:
                bar.set_description(f"epoch {epoch}/{settings.epochs}", refresh=False)
                if not bar.n:  # what an earlier run did is not part of the speed
                    bar.initial = bar.n = (epoch - 1) * steps
            if step == steps:
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()

        net, origin = pretrain(split, settings, state, watch)
    encoders.save(net, origin, out)
    state.unlink(missing_ok=True)
    print(json.dumps(asdict(origin) | {"file": str(out)}) if options.json else f"{out}: {origin}")


def add_reproduce(commands: Any) -> None:
    """Add ``reproduce`` to a parser's subparsers."""
    sub = commands.add_parser(
        "reproduce",
        help="run what a figure of the paper shows, and draw it",
        description="Runs the experiments behind a figure and draws it: "
        + "; ".join(f"{f.name}, {f.summary}" for f in FIGURES.values())
        + ". First it says how many runs there are and about how long they take. Runs that are stored, in FOLDER or "
        "with the library, are not run again.",
        epilog="Example: python -m replaylib reproduce fig7 --protocol split-cifar100 --seeds 1 --plan",
        allow_abbrev=False,
    )
    sub.set_defaults(command=_reproduce)
    sub.add_argument("figure", help="one of: " + ", ".join(FIGURES))
    sub.add_argument("--protocol", help="another protocol in the place of the figure's own")
    sub.add_argument("--methods", type=names, default=(), metavar="A,B", help="these alone")
    sub.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default: as many as the protocol has)")
    sub.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="steps a task, for a smaller figure (default: the protocol's)",
    )
    sub.add_argument("--save", type=Path, default=Path("runs"), metavar="FOLDER", help="of records (default: runs)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="an SVG file (default: <figure>.svg)")
    sub.add_argument("--plan", action="store_true", help="only say how many runs and how long")
    sub.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="runs at once, each in a process and a thread of its own (default: 1, in this process)",
    )  # fmt: skip
    sub.add_argument(
        "--together", action=argparse.BooleanOptionalAction,
        help="train the seeds of a run as one tensor program, where its network allows it (default: on a GPU)",
    )  # fmt: skip
    sub.add_argument("--capture", action="store_true", help="on a GPU, replay a task's steps as one CUDA graph")
    sub.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")


def _reproduce(options: argparse.Namespace) -> None:
    device, chosen = device_named(options.device), figure(options.figure)
    out = options.out or Path(f"{chosen.name}.svg")
    check_writable(out)
    experiments = chosen.experiments(options.protocol, options.seeds, options.methods, options.iterations)
    if not options.plan:
        writable(options.save)
    folders = [*map(shipped, runs.FOLDERS), options.save]
    kept = stored(folders, chosen.measured)
    due = [e for e in experiments if e.id not in kept]
    check_workers(options.workers)
    if options.capture:
        check_captured_on(torch.device(device))
    together = device == "cuda" if options.together is None else options.together
    groups = by_seed(due) if together else [[e] for e in due]
    print(f"{chosen.name}: {len(experiments)} runs, {len(experiments) - len(due)} of them stored, {len(due)} to do")
    data_for = loader(device)
    # One group of each kind is timed: which seeds they are, and how much clutter there is, makes no difference.
    kinds = [
        tuple(replace(e, seed=n, clutter=None if e.clutter is None else 0.0) for n, e in enumerate(group))
        for group in groups
    ]
    pace = {kind: seconds_of(kind, data_for(kind[0]), device, options.capture) for kind in dict.fromkeys(kinds)}
    if due:
        where = device_name(torch.device(device))
        computing = in_time(sum(pace[kind] for kind in kinds))
        several = f", shared by {options.workers} processes" if options.workers > 1 else ""
        measuring = " and measuring" if chosen.measured else ""
        print(f"about {computing} of computing on {where}, testing{measuring} not counted{several}", flush=True)
    if options.plan:
        return
    running = sweep(groups, options.save, device, options.workers, chosen.measured, options.capture)
    for record in tqdm(running, total=len(due), unit="run", disable=not due):
        kept[record.experiment.id] = record
    print(draw(chosen, [kept[e.id] for e in experiments], out))


def in_time(seconds: float) -> str:
    """A time as one reads it: ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def units(text: str) -> tuple[int, ...]:
    """An option's whole numbers, with commas between."""
    try:
        return tuple(int(units) for units in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers with commas between, e.g. 400,400") from None


def names(text: str) -> tuple[str, ...]:
    """An option's names, with commas between."""
    return tuple(text.split(","))


def device_named(name: str) -> str:
    """``"cpu"`` or ``"cuda"``; for ``"auto"`` the latter where there is a GPU. Raises `InputError` otherwise."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"unknown device {name!r}: choose cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for and torch sees no GPU: choose cpu, or leave --device out")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
