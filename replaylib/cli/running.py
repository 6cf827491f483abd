"""The command ``run``: one method on one protocol, over several seeds."""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from replaylib import metrics
from replaylib.cli.commands import device_named, precision_for
from replaylib.cli.sweeping import begin_anew, of_other_code
from replaylib.data.progress import Bar
from replaylib.errors import InputError, out_of_memory
from replaylib.lab import checkpoints, failures, resume, runs
from replaylib.lab.capture import check_capturable
from replaylib.lab.claims import Claims, shard, to_do
from replaylib.lab.experiments import CHOSEN, Experiment, experiment
from replaylib.lab.fast import TO_COMPILE, pays_to_compile, why_not_compiled
from replaylib.lab.log import Log
from replaylib.lab.records import Record, done, no_nan, stored, write
from replaylib.lab.sweeps import is_done, surviving
from replaylib.lab.watchers import WATCHERS
from replaylib.loop import Training, Watch
from replaylib.nets import Network
from replaylib.steps import Diverged


def run(options: argparse.Namespace) -> None:
    """``run``: the seeds that are not stored yet, one after another or together; then all of them as a table."""
    device = device_named(options.device)
    if options.weights and not options.save:
        raise InputError("--weights says what to keep and --save where: give --save FOLDER as well")
    for name in options.watch:
        WATCHERS.find(name)
    options.precision = precision_for(options)
    given = {name: getattr(options, name) for name in (*CHOSEN, *options.own)}
    experiments = [
        experiment(options.protocol, options.scenario, options.method, seed, **given) for seed in options.seeds
    ]
    if options.shard:
        in_shard = shard([e.id for e in experiments], *options.shard)
        experiments = [e for e in experiments if e.id in in_shard]
        if not experiments:
            print(f"share {options.shard[0]} of {options.shard[1]} holds none of these seeds", file=sys.stderr)
            return
    kept, problems = _known(experiments, options)
    refused = set(problems)
    first, due = experiments[0], [e for e in experiments if e.id not in kept and e.id not in refused]
    if options.weights:
        _say_which_have_no_weights([e for e in experiments if e.id in kept], options.save)
    for line in of_other_content(due, kept.values()):
        _say(line)
    groups = [[e] for e in due]
    # A terminal wants a bar that moves; a log wants few lines.
    pace = 0.1 if sys.stderr.isatty() else 10
    shown = io.StringIO() if options.quiet else sys.stderr
    looked_at: dict[str, runs.Start] = {}
    if due:
        split = runs.data_of(first, device)
        start = runs.assemble(due[0], split)  # refuses what does not fit
        looked_at[due[0].id], net = start, start.parts.net
        # On a CPU it saves little with networks of the published size, and a stopped run would lose every seed.
        usual = options.together is None and device.startswith("cuda")
        if options.together or (usual and runs.stackable(due, split, start)):
            groups = [due]
        if options.capture:
            check_capturable([net], torch.device(device))
        compiled = options.compile
        if compiled is None and max(map(len, groups)) == 1:
            # Of all seeds, also those that are done: a run that goes on is computed as it was begun.
            steps = sum(e.tasks * e.iterations for e in experiments)
            if compiled := pays_to_compile(net, steps, torch.device(device)):
                if reason := why_not_compiled():
                    compiled = False
                    _say(f"going on without compiling, a little slower ({reason}); {TO_COMPILE}")
                else:
                    print(f"{steps:,} steps: compiling the loss first (--no-compile: leave it)", file=sys.stderr)

    def failed(description: Experiment, error: Exception) -> None:
        if isinstance(error, InputError) and not isinstance(error, Diverged):
            raise error  # every seed would be refused for it
        if out_of_memory(error) or (options.save is None and not isinstance(error, Diverged)):
            raise error
        failure = failures.of(description, error, options.save)
        problems[description.id] = (
            _with_last_good_state(error, description, options.save) if isinstance(error, Diverged) else str(failure)
        )

    with (
        Bar(
            total=sum(e.tasks * e.iterations for e in due), unit="step", mininterval=pace, disable=not due, file=shown
        ) as bar,
        contextlib.closing(_not_done_by_others(groups, options.save)) as left,
    ):
        for group in left:
            before = bar.n
            watchers: list[Watch] = []

            def watch_for(
                members: Sequence[Experiment], before: int = before, watchers: list[Watch] = watchers
            ) -> Watch:
                """For runs that are computed as one; after a failure it is asked for again, for those that are left."""
                _close(watchers)
                watchers[:] = [WATCHERS.find(name)(members) for name in options.watch]
                if options.log:
                    watchers.append(Log(options.log, members, _say))

                def watch(now: Training) -> None:
                    if now.step == 1 or not bar.desc:
                        trained = f"seed {members[0].seed}" if len(members) == 1 else f"{len(members)} seeds together"
                        bar.set_description(f"{trained}, task {now.task + 1}/{first.tasks}", refresh=False)
                    steps = now.task * first.iterations + now.step
                    bar.update(before + steps * len(members) - bar.n)
                    for one in watchers:
                        one(now)

                return watch

            try:
                for members, trained in surviving(
                    group, split, device, failed, watch_for, compiled=bool(compiled), captured=options.capture,
                    unfinished=options.save if options.resume else None, say=_say,
                    start=looked_at.pop(group[0].id, None),
                ):  # fmt: skip
                    unsaved = {}
                    for net, record in trained:
                        kept[record.experiment.id] = record
                        if options.save and (why := _saved(net, record, options.save, options.weights)):
                            unsaved[record.experiment.id] = why
                    problems |= unsaved
                    if options.save and not unsaved:
                        resume.discard(options.save, members)
            finally:
                _close(watchers)
    if options.save:
        kept = {name: record for name, record in stored([options.save]).items() if name not in refused} | kept
        problems |= failed_elsewhere([e for e in due if e.id not in kept and e.id not in problems], options.save)
    if records := [kept[e.id] for e in experiments if e.id in kept]:
        print(json.dumps(summary(records)) if options.json else _table(records))
    if problems:
        raise InputError("; ".join(dict.fromkeys(problems.values())))


def _close(watchers: list[Watch]) -> None:
    for one in watchers:
        getattr(one, "close", lambda: None)()


def failed_elsewhere(due: Iterable[Experiment], folder: Path) -> dict[str, str]:
    """What is kept of runs that other processes began and that failed there, by id."""
    return {failure.experiment.id: str(failure) for failure in failures.kept(folder, [e.id for e in due])}


def _known(experiments: list[Experiment], options: argparse.Namespace) -> tuple[dict[str, Record], dict[str, str]]:
    """The records that are there, and why others are not run, by id: stored runs of other code, and failed ones."""
    folder = options.save
    if folder is None:
        return {}, {}
    kept = done(folder)
    names = [e.id for e in experiments]
    if options.force:
        begin_anew(experiments, folder)
        return {}, {}
    problems = of_other_code({name: kept[name] for name in names if name in kept})
    for name in problems:
        del kept[name]
    for name in names:
        failure = failures.read(folder, name)
        if name not in kept and failure is not None and failure.settled:
            problems[name] = f"{failure}, on {failure.date[:10]}: it is not tried again without --force"
    return kept, problems


def _not_done_by_others(groups: list[list[Experiment]], folder: Path | None) -> Generator[list[Experiment], None, None]:
    """The groups one after another, each without the runs that another process has, which are waited for."""
    if folder is None:
        yield from groups
        return
    described = {e.id: e for group in groups for e in group}
    left = set(described)
    try:
        with Claims(folder) as claims:
            names = [[e.id for e in group] for group in groups]
            for taken in to_do(names, claims, lambda name: is_done(folder, name), _say):
                left -= set(taken)
                yield [described[name] for name in taken]
                for name in taken:
                    claims.give_back(name)
    except InputError as error:  # the folder went, or cannot be written any more: results are printed nevertheless
        _say(f"{error}; what is left runs, and is not shared")
        yield from filter(None, ([e for e in group if e.id in left] for group in groups))


def _saved(net: Network, record: Record, folder: Path, weights: bool) -> str:
    """Save a run; what cannot be saved is returned, and said when the results have been printed."""
    try:
        write(record, folder)
        failures.discard(folder, [record.experiment.id])
        if weights:
            checkpoints.save_weights(net, record.experiment, folder / f"{record.experiment.id}.safetensors")
    except InputError as error:
        _say(f"seed {record.experiment.seed} ended with {record.summary()['acc']:.2f} %, and is not stored: {error}")
        return str(error)
    return ""


def of_other_content(due: Iterable[Experiment], stored: Collection[Record]) -> Iterator[str]:
    """A line for each stored run that is as one that is due, but of data or an encoder that have changed since."""
    for e in due:
        if e.data_digest is None and e.encoder_digest is None:
            continue
        for other in (record.experiment for record in stored if record.experiment.seed == e.seed):
            same = other.dataset == e.dataset and other.method == e.method
            if same and replace(other, data_digest=e.data_digest, encoder_digest=e.encoder_digest) == e:
                content = f"data {e.dataset}" if other.data_digest != e.data_digest else f"encoder {e.encoder}"
                yield f"seed {e.seed}: record {other.id} is of other content of {content}; it stays, and is not taken"


def _say_which_have_no_weights(stored: list[Experiment], folder: Path) -> None:
    there = {path.stem for path in folder.rglob("*.safetensors")}
    without = ", ".join(str(e.seed) for e in stored if e.id not in there)
    if without:
        problem = f"seeds {without}: the record is stored and the network is not, and they are not run again"
        print(f"{problem}; for their networks, give another folder with --save", file=sys.stderr)


def _say(line: str) -> None:
    Bar.write(f"replaylib: {line}", file=sys.stderr)


def _with_last_good_state(stopped: Diverged, description: Experiment, folder: Path | None) -> str:
    """What went wrong, and where the network is kept as it was before the step that would have spoilt it."""
    if folder is None:
        return str(stopped)
    path = checkpoints.save_weights(stopped.net, description, folder / f"{description.id}-stopped.safetensors")
    return f"{stopped}; the network before that step is kept in {path}"


def summary(records: list[Record]) -> dict[str, Any]:
    """What ``run --json`` prints of one experiment's seeds. Accuracies in percent; null where there is no value."""
    first = records[0].experiment
    matrices = torch.stack([record.tensor() for record in records])
    acc = metrics.final_accuracy(matrices)
    described: dict[str, object] = {
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
        "together": records[0].together,
        "compiled": records[0].compiled,
        "ids": [record.experiment.id for record in records],
    }
    return {name: no_nan(value) for name, value in {**described, **measured}.items()}


def _table(records: list[Record]) -> str:
    facts = summary(records)
    width = range(facts["tasks"])
    shown = facts["matrix"] if facts["tasks"] <= 12 else []
    lines = [
        f"{facts['protocol']} ({facts['dataset']}), {facts['scenario']}-incremental, {facts['method']}, "
        f"seeds {', '.join(str(record.experiment.seed) for record in records)}",
        "accuracy in %, a row after each task, a column for each task's test data:" if shown else "",
        *(["            " + "".join(f"{f'task {task + 1}':>9}" for task in width)] if shown else []),
        *(
            f"after task {t + 1:<2}" + "".join("        -" if a is None else f"{a:9.2f}" for a in row)
            for t, row in enumerate(shown)
        ),
        f"ACC {facts['acc']:.2f} %" + (f" +- {facts['acc_sem']:.2f} (SEM)" if facts["acc_sem"] is not None else ""),
        f"BWT {facts['bwt']:.2f}, forgetting {facts['forgetting']:.2f}, "
        f"{facts['memory_bytes']:,} bytes kept for replay, {facts['seconds']:.0f} s on {records[0].computed_on}",
    ]
    return "\n".join(line for line in lines if line)
