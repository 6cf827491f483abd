"""The commands ``pretrain``, ``bench`` and ``info``."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from replaylib.cli.showing import columns
from replaylib.cli.telling import MPS_FALLBACK
from replaylib.data import catalogue
from replaylib.data.files import writable
from replaylib.data.progress import Bar
from replaylib.errors import InputError
from replaylib.lab import bench, encoders
from replaylib.lab.experiments import experiment
from replaylib.lab.machine import commit, device_name, versions
from replaylib.lab.options import check_seeds
from replaylib.lab.pretrain import NOT_MIRRORED, Settings, pretrain
from replaylib.lab.products import precision_that_pays
from replaylib.lab.protocols import profile

FALLS_BACK = (
    "what PyTorch cannot compute on an Apple GPU is computed on the processor, and PyTorch warns of each such step"
)


def pretrain_encoder(options: argparse.Namespace) -> None:
    """``pretrain``: a classifier's convolutional layers, in a file."""
    given = ("epochs", "lr", "batch", "seed", "hidden", "crop", "precision")
    mirrored = options.dataset not in NOT_MIRRORED if options.flip is None else options.flip
    settings = Settings(**{name: getattr(options, name) for name in given}, flip=mirrored)
    device = device_named(options.device)
    out = options.out or catalogue.data_directory() / encoders.FOLDER / f"{Path(options.dataset).stem}{encoders.SUFFIX}"
    if out.exists():
        raise InputError(f"{out} exists: an encoder is not overwritten; choose another place with --out")
    writable(out.parent, "choose another with --out")
    split = catalogue.load_dataset(options.dataset, device)
    state = out.with_name(f"{out.name}.state")
    steps = len(split.train) // settings.batch
    pace = 1 if sys.stderr.isatty() else 60
    with Bar(total=settings.epochs * steps, unit="step", mininterval=pace) as bar:

        def watch(epoch: int, step: int, loss: torch.Tensor) -> None:
            if step == 1:
                bar.set_description(f"epoch {epoch}/{settings.epochs}", refresh=False)
                if not bar.n:  # what an earlier run did is not part of the speed
                    bar.initial = bar.n = (epoch - 1) * steps
            if step == steps:
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()

        net, origin = pretrain(split, settings, state, watch)
    encoders.save_encoder(net, origin, out)
    state.unlink(missing_ok=True)
    print(json.dumps(asdict(origin) | {"file": str(out)}) if options.json else f"{out}: {origin}")


def time_steps(options: argparse.Namespace) -> None:
    """``bench``: how fast steps are."""
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
    for described, seeds, compiled, captured in Bar(asked, unit="measurement", disable=not sys.stderr.isatty()):
        data = bench.stand_in(described, device)
        loader = seeds == 1 and not options.no_loader and not compiled and not captured
        speeds.append(
            bench.measure(
                described, data, seeds=seeds, steps=options.steps, loader=loader, compiled=compiled, captured=captured,
                by_operation=options.operations,
            )
        )  # fmt: skip
    if options.save:
        bench.save(speeds, shlex.join(["python", "-m", "replaylib", *options.arguments]), options.save)
    if options.json:
        print(json.dumps(bench.rows(speeds)))
        return
    print(bench.table(speeds))
    if options.operations:
        print(bench.table_of_operations(speeds))


def describe_machine(options: argparse.Namespace) -> None:
    """``info``: versions, device, folders."""
    environment = {
        **versions(),
        "commit": commit() or "not a checkout",
        "device": device_name(torch.device(device_named("auto"))),
        "data": f"{catalogue.data_directory()} (set REPLAYLIB_DATA to change it)",
        "profile": f"{profile()} (set REPLAYLIB_PROFILE to quick or paper)",
    }
    print(json.dumps(environment) if options.json else columns("environment", environment))


def precision_for(options: argparse.Namespace) -> str | None:
    """The precision that was asked for; for ``"auto"`` the one that pays on the device, which is measured and said.

    Raises
    ------
    InputError : ``"auto"`` where runs are computed, or shared out, by several machines, which may not agree.
    """
    if options.precision != "auto":
        return None if options.precision is None else str(options.precision)
    for name in ("shard", "scheduler", "cluster"):
        if getattr(options, name, None):
            problem = "--precision auto is measured on this machine, and others take part"
            raise InputError(f"{problem} (--{name}): give float32 or bfloat16")
    chosen, gain = precision_that_pays(torch.device(device_named(options.device)))
    if not options.quiet:
        print(f"precision: {chosen}; products in bfloat16 are {gain:.2f} times as fast here", file=sys.stderr)
    return chosen


def device_named(name: str) -> str:
    """The device of that name, ``"cuda:1"`` for example; for ``"auto"`` a GPU of CUDA where there is one, or ``"cpu"``.

    Raises
    ------
    InputError : another name, or a device that is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind == "cpu" or not number.isdigit())):
        raise InputError(f"unknown device {name!r}: choose cpu, cuda, cuda:1 or another number, mps or auto")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {name} was asked for and torch sees no GPU: choose cpu, or leave --device out")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise InputError(f"device {name} was asked for and torch sees {torch.cuda.device_count()}: count from cuda:0")
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise InputError("device mps was asked for and torch sees no Apple GPU: choose cpu, or leave --device out")
        if os.environ.get(MPS_FALLBACK) == "1":
            print(f"device {name}: {FALLS_BACK}", file=sys.stderr)
    return name
