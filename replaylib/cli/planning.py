"""What ``--plan`` says: which runs are stored, which are due, and about how long those take here."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace

import pandas as pd
import torch

from replaylib.data.dataset import Split
from replaylib.data.progress import Bar
from replaylib.errors import PRECISIONS, InputError
from replaylib.lab import bench
from replaylib.lab.experiments import Experiment
from replaylib.lab.machine import device_name
from replaylib.lab.sweeps import Group, loader, seconds_of

#: What a run can be, as far as a plan is concerned.
STATES = ("stored", "failed", "of other code", "to do")


def how_long(groups: Sequence[Group], device: str, options: argparse.Namespace, measured: bool) -> dict[str, float]:
    """About how many seconds each run takes, by id, their sum being printed; nothing, and why, where it is not known.

    One group of each kind is timed, whichever seeds and however much clutter it has. ``measured``: whether what their
    networks imagine will be, which is not timed.
    """
    # A plan downloads nothing: noise in the shape of the data takes a step as long.
    data_for = data_in_shape(device) if options.plan else loader(device)
    kinds = [
        tuple(replace(e, seed=n, clutter=None if e.clutter is None else 0.0) for n, e in enumerate(group))
        for group in groups
    ]
    different = list(dict.fromkeys(kinds))
    pace = {}
    try:
        with Bar(different, desc="timing", unit="run", leave=False, disable=options.quiet or not options.plan) as timed:
            for kind in timed:
                pace[kind] = seconds_of(kind, data_for(kind[0]), device, options.capture)
    except InputError as error:
        # A run that cannot be computed is named when it is tried; and which are due can be said without data.
        print(f"how long they take can be said where their data are: {error}")
        return {}
    where = device_name(torch.device(device))
    several = f", shared by {options.workers} processes" if options.workers > 1 else ""
    measuring = " and measuring" if measured else ""
    computing = in_time(sum(pace[kind] for kind in kinds))
    print(f"about {computing} of computing on {where}, testing{measuring} not counted{several}", flush=True)
    return {e.id: pace[kind] / len(group) for group, kind in zip(groups, kinds, strict=True) for e in group}


def table(
    asked: Sequence[Experiment],
    states: Mapping[str, str],
    known: Iterable[str],
    seconds: Mapping[str, float],
) -> str:
    """A line for each protocol, scenario, method and setting: which seeds are stored or due, and how long those take.

    Parameters
    ----------
    states : of each run by id: ``"stored"``, ``"to do"``, ``"failed"`` or ``"of other code"``.
    known : ids of all runs that are stored, where a due one may lie in another precision.
    seconds : see `how_long`; empty where it is not known.
    """
    known = set(known)
    rows = []
    for (name, scenario, method, settings), runs in _alike(asked).items():
        of = {state: [e for e in runs if states[e.id] == state] for state in STATES}
        due = of["to do"]
        row = {"protocol": name, "scenario": scenario, "method": method, "with": settings}
        row |= {state: _counted(some) for state, some in of.items()}
        row["about"] = in_time(sum(seconds[e.id] for e in due)) if seconds and due else ""
        for precision in PRECISIONS:
            other = [e for e in due if _computed_in(e) != precision and _in_precision(e, precision).id in known]
            row[f"stored in {precision}"] = _counted(other)
        rows.append(row)
    if not rows:
        return ""
    frame = pd.DataFrame(rows)
    always = ["scenario", "method", "stored", "to do"]
    frame = frame.drop(columns=[c for c in frame.columns if c not in always and not frame[c].astype(bool).any()])
    if frame["protocol"].nunique() == 1:
        frame = frame.drop(columns="protocol")
    # Two spaces between columns, for one is also between words.
    spaced = {name: f"{{:<{max(frame[name].str.len().max(), len(name)) + 1}}}".format for name in frame.columns}
    lines = frame.to_string(index=False, justify="left", formatters=spaced).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def data_in_shape(device: str) -> Callable[[Experiment], Split]:
    """Gives each experiment data in the shape of its own, on a device."""
    return lambda description: Split(*(part.to(device) for part in bench.stand_in(description)))


def in_time(seconds: float) -> str:
    """A time as one reads it: ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _alike(asked: Sequence[Experiment]) -> dict[tuple[str, str, str, str], list[Experiment]]:
    """Runs that differ in their seed alone, in the order asked for: protocol by protocol, scenario by scenario."""
    groups: dict[tuple[str, str, str], list[Experiment]] = {}
    for e in asked:
        groups.setdefault((e.protocol, e.scenario, e.method), []).append(e)
    places = [list(dict.fromkeys(one)) for one in zip(*groups, strict=True)]
    rows: dict[tuple[str, str, str, str], list[Experiment]] = {}
    for key in sorted(groups, key=lambda key: [place.index(one) for place, one in zip(places, key, strict=True)]):
        some = groups[key]
        # What differs between seeds alone, as an order of classes may, is no setting.
        of_seed = {seed: [e for e in some if e.seed == seed] for seed in {e.seed for e in some}}.values()
        names = [field.name for field in fields(Experiment)]
        varied = [name for name in names if any(len({getattr(e, name) for e in runs}) > 1 for runs in of_seed)]
        for e in some:
            settings = ", ".join(_setting(name, getattr(e, name)) for name in varied)
            rows.setdefault((*key, settings), []).append(e)
    return rows


def _setting(name: str, value: object) -> str:
    if name == "own":  # options of a method's own, with their names
        return ", ".join(_setting(*one) for one in value) if isinstance(value, tuple) else ""
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else f"{value}"
    return f"{name}={shown}"


def _counted(runs: Iterable[Experiment]) -> str:
    """How many they are, and of which seeds: ``"3 (seeds 1-3)"``; nothing for none."""
    runs = list(runs)
    seeds = sorted({e.seed for e in runs})
    if not seeds:
        return ""
    breaks = [n for n in range(1, len(seeds)) if seeds[n] != seeds[n - 1] + 1]
    parts = [seeds[a:b] for a, b in zip([0, *breaks], [*breaks, len(seeds)], strict=True)]
    named = ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
    return f"{len(runs)} (seed{'s' if len(seeds) > 1 else ''} {named})"


def _computed_in(e: Experiment) -> str:
    return e.precision or PRECISIONS[0]


def _in_precision(e: Experiment, precision: str) -> Experiment:
    # Float32, the usual one, is not written down.
    return replace(e, precision=None if precision == PRECISIONS[0] else precision)
