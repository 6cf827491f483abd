"""What ``--plan`` says: which runs are stored, which are due, and about how long those take here."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

import pandas as pd
import torch

from replaylib.data.progress import Bar
from replaylib.errors import PRECISIONS
from replaylib.lab import bench, store
from replaylib.lab.experiments import USUAL, Experiment
from replaylib.lab.machine import device_name
from replaylib.lab.sweeps import Group, loader, seconds_of

#: What a run can be, as far as a plan is concerned.
STATES = ("stored", "failed", "of other code", "to do")


def how_long(groups: Sequence[Group], device: str, options: argparse.Namespace, measured: bool) -> dict[str, float]:
    """About how many seconds each run takes, by id; those that cannot be timed are left out.

    Their sum is printed, and why the others cannot be timed.

    One group of each kind is timed, whichever seeds and however much clutter it has. ``measured``: whether what their
    networks imagine will be, which is not timed.
    """
    # A plan downloads nothing: noise in the shape of the data takes a step as long.
    data_for = loader(device, bench.stand_in if options.plan else None)
    kinds = [
        tuple(replace(e, seed=n, clutter=None if e.clutter is None else 0.0) for n, e in enumerate(group))
        for group in groups
    ]
    different = list(dict.fromkeys(kinds))
    pace: dict[Group, float] = {}
    problem = ""
    with Bar(different, desc="timing", unit="run", leave=False, disable=options.quiet or not options.plan) as timed:
        for kind in timed:
            # A run that cannot be computed is named when it is tried; and which are due can be said without data.
            try:
                pace[kind] = seconds_of(kind, data_for(kind[0]), device, options.capture)
            except Exception as error:
                problem = problem or str(error).partition("\n")[0] or type(error).__name__
                if not options.plan:
                    break  # data that cannot be had would be asked for again and again
    known = [(group, kind) for group, kind in zip(groups, kinds, strict=True) if kind in pace]
    if problem:
        untimed = sum(map(len, groups)) - sum(len(group) for group, _ in known)
        subject = f"{untimed} of them take{'s' if untimed == 1 else ''}" if known else "they take"
        print(f"how long {subject} cannot be said here: {problem}")
    if known:
        where = device_name(torch.device(device))
        several = f", shared by {options.workers} processes" if options.workers > 1 else ""
        rest = "the others, " if problem else ""
        measuring = " and measuring" if measured else ""
        computing = in_time(sum(pace[kind] for _, kind in known))
        print(f"{rest}about {computing} of computing on {where}, testing{measuring} not counted{several}", flush=True)
    return {e.id: pace[kind] / len(group) for group, kind in known for e in group}


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
    seconds : by id, see `how_long`.
    """
    if not asked:
        return ""
    known = set(known)
    place: dict[str, int] = {}  # of a protocol, scenario or method, among those asked for
    for e in asked:
        for name in (e.protocol, e.scenario, e.method):
            place.setdefault(name, len(place))
    described = [{one.name: getattr(e, one.name) for one in fields(Experiment)} | {"run": e} for e in asked]
    groups = list(store.groups(pd.DataFrame(described)))
    rows = []
    for shared, members in sorted(groups, key=lambda group: [place[group[0][key]] for key in store.KEYS]):
        like = [other for other, _ in groups if all(other[key] == shared[key] for key in store.KEYS)]
        varied = [name for name in shared if len({other[name] for other in like}) > 1]
        of = {state: [e for e in members["run"] if states[e.id] == state] for state in STATES}
        due = of["to do"]
        row = {key: shared[key] for key in store.KEYS}
        row["with"] = ", ".join(
            shared[name] if name == "own" else f"{name}={shared[name] or USUAL.get(name, 'default')}" for name in varied
        )
        row |= {state: _counted(runs) for state, runs in of.items()}
        row["about"] = in_time(sum(seconds[e.id] for e in due)) if due and all(e.id in seconds for e in due) else ""
        for precision in PRECISIONS:
            others = [(e, replace(e, precision=precision)) for e in due]
            row[f"stored in {precision}"] = _counted(e for e, other in others if other != e and other.id in known)
        rows.append(row)
    frame = pd.DataFrame(rows)
    always = ["scenario", "method", "stored", "to do"]
    frame = frame.drop(columns=[c for c in frame.columns if c not in always and not frame[c].astype(bool).any()])
    if frame["protocol"].nunique() == 1:
        frame = frame.drop(columns="protocol")
    # Two spaces between columns, for one is also between words.
    spaced = {name: f"{{:<{max(frame[name].str.len().max(), len(name)) + 1}}}".format for name in frame.columns}
    lines = frame.to_string(index=False, justify="left", formatters=spaced).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def in_time(seconds: float) -> str:
    """A time as one reads it: ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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
