"""The command ``run``: one method on one protocol, over several seeds."""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from replaylib import metrics
from replaylib.cli.commands import device_named
from replaylib.errors import InputError
from replaylib.lab import checkpoints, resume, runs
from replaylib.lab.capture import check_capturable
from replaylib.lab.claims import Claims, to_do
from replaylib.lab.experiments import CHOSEN, Experiment, experiment
from replaylib.lab.fast import pays_to_compile
from replaylib.lab.log import Log
from replaylib.lab.records import Record, done, no_nan, write
from replaylib.loop import Training
from replaylib.nets import Network
from replaylib.steps import Diverged


def run(options: argparse.Namespace) -> None:
    """``run``: the seeds that are not stored yet, one after another or together; then all of them as a table."""
    device = device_named(options.device)
    if options.weights and not options.save:
        raise InputError("--weights says what to keep and --save where: give --save FOLDER as well")
    given = {name: getattr(options, name) for name in (*CHOSEN, *options.own)}
    experiments = [
        experiment(options.protocol, options.scenario, options.method, seed, **given) for seed in options.seeds
    ]
    kept: dict[str, Record] = done(options.save) if options.save else {}
    first, due = experiments[0], [e for e in experiments if e.id not in kept]
    if options.weights:
        _say_which_have_no_weights([e for e in experiments if e.id in kept], options.save)
    groups = [[e] for e in due]
    # A terminal wants a bar that moves; a log wants few lines.
    pace = 0.1 if sys.stderr.isatty() else 10
    shown = io.StringIO() if options.quiet else sys.stderr
    if due:
        split = runs.data_of(first, device)
        start = runs.network(first, split)  # refuses what does not fit
        # On a CPU it saves little with networks of the published size, and a stopped run would lose every seed.
        if options.together or (options.together is None and device.startswith("cuda") and start.pure):
            groups = [due]
        if options.capture:
            check_capturable([start], torch.device(device))
        compiled = options.compile
        if compiled is None and max(map(len, groups)) == 1:
            # Of all seeds, also those that are done: a run that goes on is computed as it was begun.
            steps = sum(e.tasks * e.iterations for e in experiments)
            if compiled := pays_to_compile(start, steps, torch.device(device)):
                print(f"{steps:,} steps: compiling the loss first (--no-compile: leave it)", file=sys.stderr)
    problems: list[str] = []
    with (
        tqdm(
            total=sum(e.tasks * e.iterations for e in due), unit="step", mininterval=pace, disable=not due, file=shown
        ) as bar,
        contextlib.closing(_not_done_by_others(groups, options.save)) as left,
    ):
        for some in left:
            before, log = bar.n, Log(options.log, some, _say) if options.log else None

            def watch(
                now: Training, before: int = before, some: list[Experiment] = some, log: Log | None = log
            ) -> None:
                if now.step == 1 or not bar.desc:
                    which = f"seed {some[0].seed}" if len(some) == 1 else f"{len(some)} seeds together"
                    bar.set_description(f"{which}, task {now.task + 1}/{first.tasks}", refresh=False)
                steps = now.task * first.iterations + now.step
                bar.update(before + steps * len(some) - bar.n)
                if log:
                    log(now)

            try:
                made = runs.trained_together(
                    some, split, device, watch, compiled=bool(compiled), captured=options.capture,
                    unfinished=options.save if options.resume else None, say=_say,
                )  # fmt: skip
            except Diverged as stopped:
                problems.append(_with_last_good_state(stopped, some[stopped.place], options.save))
                continue
            finally:
                if log:
                    log.close()
            for net, record in made:
                kept[record.experiment.id] = record
                if options.save:
                    problems += _saved(net, record, options.save, options.weights)
            if options.save:
                resume.discard(options.save, some)
    if options.save:
        kept = done(options.save) | kept
    if records := [kept[e.id] for e in experiments if e.id in kept]:
        print(json.dumps(summary(records)) if options.json else _table(records))
    if problems:
        raise InputError("; ".join(dict.fromkeys(problems)))


def _not_done_by_others(groups: list[list[Experiment]], folder: Path | None) -> Generator[list[Experiment], None, None]:
    """The groups one after another, each without the runs that another process has, which are waited for."""
    if folder is None:
        yield from groups
        return
    described = {e.id: e for group in groups for e in group}
    with Claims(folder) as claims:
        names = [[e.id for e in group] for group in groups]
        for mine in to_do(names, claims, lambda name: (folder / f"{name}.json").exists(), _say):
            yield [described[name] for name in mine]
            for name in mine:
                claims.give_back(name)


def _saved(net: Network, record: Record, folder: Path, weights: bool) -> list[str]:
    """Save a run; what cannot be saved is said at the end, when the results have been printed."""
    try:
        write(record, folder)
        if weights:
            checkpoints.save(net, record.experiment, folder / f"{record.experiment.id}.safetensors")
    except InputError as error:
        return [str(error)]
    return []


def _say_which_have_no_weights(stored: list[Experiment], folder: Path) -> None:
    there = {path.stem for path in folder.rglob("*.safetensors")}
    without = ", ".join(str(e.seed) for e in stored if e.id not in there)
    if without:
        found = f"seeds {without}: the record is stored and the network is not, and they are not run again"
        print(f"{found}; for their networks, give another folder with --save", file=sys.stderr)


def _say(line: str) -> None:
    tqdm.write(f"replaylib: {line}", file=sys.stderr)


def _with_last_good_state(stopped: Diverged, description: Experiment, folder: Path | None) -> str:
    """What went wrong, and where the network is kept as it was before the step that would have spoilt it."""
    if folder is None:
        return str(stopped)
    path = checkpoints.save(stopped.net, description, folder / f"{description.id}-stopped.safetensors")
    return f"{stopped}; the network before that step is kept in {path}"


def summary(records: list[Record]) -> dict[str, Any]:
    """What ``run --json`` prints of one experiment's seeds. Accuracies in percent; null where there is no value."""
    first = records[0].experiment
    matrices = torch.stack([record.tensor() for record in records])
    acc = metrics.final_accuracy(matrices)
    described: dict[str, Any] = {
        "protocol": first.protocol, "scenario": first.scenario, "method": first.method, "dataset": first.dataset,
        "seeds": len(records), **first.without_seed().said(),
    }  # fmt: skip
    del described["seed"]
    measured = {
        "acc": acc.mean().item(),
        "acc_sem": metrics.sem(acc),
        "acc_per_seed": acc.tolist(),
        "bwt": metrics.backward_transfer(matrices).mean().item(),
        "forgetting": metrics.forgetting(matrices).mean().item(),
        "matrix": matrices.mean(0).tolist(),
        "memory_bytes": max(record.memory_bytes for record in records),
        "seconds": sum(record.seconds for record in records),
        "device": records[0].device,
        "ids": [record.experiment.id for record in records],
    }
    return {name: no_nan(value) for name, value in {**described, **measured}.items()}


def _table(records: list[Record]) -> str:
    found = summary(records)
    width = range(found["tasks"])
    shown = found["matrix"] if found["tasks"] <= 12 else []
    lines = [
        f"{found['protocol']} ({found['dataset']}), {found['scenario']}-incremental, {found['method']}, "
        f"seeds {', '.join(str(record.experiment.seed) for record in records)}",
        "accuracy in %, a row after each task, a column for each task's test data:" if shown else "",
        *(["            " + "".join(f"{f'task {task + 1}':>9}" for task in width)] if shown else []),
        *(
            f"after task {t + 1:<2}" + "".join("        -" if a is None else f"{a:9.2f}" for a in row)
            for t, row in enumerate(shown)
        ),
        f"ACC {found['acc']:.2f} %" + (f" +- {found['acc_sem']:.2f} (SEM)" if found["acc_sem"] is not None else ""),
        f"BWT {found['bwt']:.2f}, forgetting {found['forgetting']:.2f}, "
        f"{found['memory_bytes']:,} bytes kept for replay, {found['seconds']:.0f} s on {found['device']}",
    ]
    return "\n".join(line for line in lines if line)
