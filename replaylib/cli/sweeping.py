"""The command ``sweep``, and what it shares with others of many runs: those that are stored already are left alone."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from replaylib.cli import planning
from replaylib.cli.commands import device_named
from replaylib.data.files import writable
from replaylib.data.progress import Bar
from replaylib.errors import InputError, counted
from replaylib.lab import cluster, contents, encoders, failures, grids, register, resume
from replaylib.lab.capture import check_captured_on
from replaylib.lab.claims import shard
from replaylib.lab.experiments import Experiment
from replaylib.lab.options import Option
from replaylib.lab.records import Record, set_aside, stored
from replaylib.lab.sweeps import How, by_seed, sweep


def sweep_all(options: argparse.Namespace) -> None:
    """``sweep``: protocols x methods x scenarios x seeds, from the command line or a file."""
    table: dict[str, object] = {}
    if options.runs.endswith(".toml"):
        table = grids.read(Path(options.runs))
    else:
        table["protocols"] = options.runs.split(",")
    for name in ("scenarios", "methods"):
        if given := getattr(options, name):
            table[name] = list(given)
    if options.seeds:
        table["seeds"] = list(options.seeds)
    table |= options_of(options.set)
    options.save = options.save or Path(str(table.get("save", "runs")))
    asked, left = grids.experiments(table)
    for name in left:
        print(f"left out: {name}")
    if not asked:
        raise InputError(
            "no run is left: choose methods that serve these scenarios, see list, or leave --scenarios out"
        )
    performed(options.runs, asked, options)
    if not options.plan:
        print(f"what there is: python -m replaylib results {options.save}")


def options_of(given: Sequence[str]) -> dict[str, list[Any]]:
    """Values of options, each ``"name=value"``, by name: one that is given again has several."""
    values_of: dict[str, list[Any]] = {}
    for one in given:
        name, sign, text = one.partition("=")
        name = name.strip().replace("-", "_")
        if not sign:
            raise InputError(f"--set {one}: write name=value, e.g. lr=0.001")
        if (value := _parsed(name, text)) not in (values := values_of.setdefault(name, [])):
            values.append(value)
    return values_of


def _parsed(name: str, text: str) -> Any:
    option = grids.option_of(name)
    if option.kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    value = option.parse(text)
    return list(value) if isinstance(value, tuple) else value


def performed(
    name: str,
    asked: Sequence[Experiment],
    options: argparse.Namespace,
    folders: Sequence[Path] = (),
    measured: bool = False,
    complain: bool = True,
) -> dict[str, Record]:
    """The records of what is asked for, by id, after those that are due have run; with ``--plan`` none does.

    Parameters
    ----------
    folders : where records are read, beside ``options.save``, into which they are written.
    measured : whether they are to have measures, see `replaylib.lab.replay_quality`.
    complain : whether those that failed are an error; otherwise they are said and have no record.

    Raises
    ------
    InputError : when all others have run, those that failed, and those whose record is of other code.
    """
    Option("how many workers", int, "[1, 10000]").check("workers", options.workers)
    elsewhere = bool(options.scheduler or options.cluster)
    device = options.device if elsewhere else device_named(options.device)
    if options.capture and not elsewhere:
        check_captured_on(torch.device(device))
    if not elsewhere:
        for encoder in dict.fromkeys(e.encoder for e in asked if e.encoder is not None):
            encoders.load_encoder(encoder)  # which refuses it here, and not once for each run
    if not options.plan:
        writable(options.save)
    if options.shard:
        in_shard = set(shard([e.id for e in asked], *options.shard))
        asked = [e for e in asked if e.id in in_shard]
    if options.force and not options.plan:
        begin_anew(asked, options.save)
    there = stored([*(() if options.force else folders), options.save], measured)
    kept = {} if options.force else {e.id: there[e.id] for e in asked if e.id in there}
    problems = of_other_code(kept)
    kept = {name: record for name, record in kept.items() if name not in problems}
    failed = {} if options.force else failures.below(options.save)
    settled = [failed[e.id] for e in asked if e.id not in kept and e.id in failed and failed[e.id].settled]
    names = {one.experiment.id for one in settled} | problems.keys()
    due = [e for e in asked if e.id not in kept and e.id not in names]
    groups = by_seed(due) if _together(options, device) else [[e] for e in due]
    share = f", share {options.shard[0]} of {options.shard[1]}" if options.shard else ""
    before = f", {len(settled)} failed before" if settled else ""
    runs = counted(len(asked), "run")
    print(f"{name}{share}: {runs}, {len(kept)} of them stored{before}, {len(due)} to do", flush=True)
    timed = due and (options.plan or not elsewhere)
    seconds = planning.how_long(groups, "cpu" if device == "auto" else device, options, measured) if timed else {}
    if options.plan:
        states = {e.id: "stored" if e.id in kept else "of other code" if e.id in problems else "failed" for e in asked}
        if asked:
            print(planning.table(asked, states | {e.id: "to do" for e in due}, there, seconds))
        return kept
    with ExitStack() as stack:
        workers = None
        if due and (elsewhere or options.workers > 1):
            count = options.workers if not elsewhere else None if options.workers == 1 else options.workers
            workers = stack.enter_context(cluster.opened(count, options.scheduler, options.cluster, Bar.write))
        files = tuple(filter(None, os.environ.get(register.FILES, "").split(os.pathsep)))
        how = How(device, measured, options.capture, options.resume, options.threads, files)
        pace = 0.1 if sys.stderr.isatty() else 10
        quiet = not due or options.quiet
        running = stack.enter_context(Bar(total=len(due), unit="run", mininterval=pace, disable=quiet))
        for ended in sweep(groups, options.save, how, workers, Bar.write):
            running.update()
            if ended.record:
                kept[ended.experiment.id] = ended.record
            elif ended.failure:
                settled.append(ended.failure)
                running.set_postfix_str(f"{len(settled)} failed", refresh=False)
                Bar.write(f"failed: {ended.failure}")
    if len(kept) < len(asked):  # another process stored them, or they failed there
        there = stored([options.save], measured)
        kept |= {e.id: there[e.id] for e in asked if e.id in there and e.id not in problems}
        told = {one.experiment.id for one in settled}
        settled += failures.kept(options.save, [e.id for e in due if e.id not in kept and e.id not in told])
    _complain([*problems.values()], [one for one in settled if complain and one.experiment.id not in kept])
    return kept


def begin_anew(asked: Sequence[Experiment], folder: Path) -> None:
    """Set aside what is stored of these runs, unfinished or failed."""
    names = [e.id for e in asked]
    set_aside(folder, names)
    failures.discard(folder, names)
    for group in [*([e] for e in asked), *by_seed(asked)]:
        resume.discard(folder, group)


def of_other_code(kept: Mapping[str, Record]) -> dict[str, str]:
    """Those of stored runs, by id, whose encoder or whose own code is another now, and what: these are not theirs."""
    changes = {name: contents.changed(record.experiment, record.versions) for name, record in kept.items()}
    advice = "--force runs it anew, another folder with --save keeps both"
    return {
        name: f"the stored run {name} is of other code ({change}): {advice}"
        for name, change in changes.items()
        if change
    }


def _together(options: argparse.Namespace, device: str) -> bool:
    return device.startswith("cuda") if options.together is None else bool(options.together)


def _complain(problems: Sequence[str], failed: Sequence[failures.Failure]) -> None:
    said = []
    if problems:
        said.append(problems[0] + (f", and so for {len(problems) - 1} more" if len(problems) > 1 else ""))
    if failed:
        shown = "; ".join(map(str, failed[:3])) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else "")
        advice = "mend that and give the same command"
        if any(one.settled for one in failed):
            advice = "leave them out, choose other options, or try them again with --force"
        said.append(f"these runs failed, and only the others are kept: {shown}; {advice}")
    if said:
        raise InputError("; ".join(said))
