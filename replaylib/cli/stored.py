"""The commands ``results``, ``status`` and ``command``: what is in a folder of records."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from replaylib.data.files import replacing, shipped
from replaylib.errors import InputError, counted
from replaylib.lab import claims, command_lines, failures, frames, grids, records, resume, store

#: What makes the problem that a run is about: two methods are compared where all of it is the same.
PROBLEM = ("protocol", "scenario", "dataset", "data_digest", "image_size", "clutter", "tasks", "stream", "validation")


def results(options: argparse.Namespace) -> None:
    """``results``: the runs in a folder, an experiment a row; two methods or two folders compared seed by seed."""
    if options.figure:  # only then is Matplotlib loaded
        from replaylib.course import figure_files

        figure_files.check(options.figure)
    frame = store.where(store.summaries(options.folder), options.where)
    if options.against is not None or options.compare:
        _compare(options, frame)
        return
    if frame.empty:
        if options.where:
            raise InputError(f"no run in {options.folder} is like that: ask for less with --where")
        raise InputError(f"there is no run in {options.folder}: give the folder that was given to --save")
    if failed := failures.below(options.folder).keys() - set(frame["id"]):
        told = f"python -m replaylib status {options.folder}"
        print(f"in no row: {counted(len(failed), 'run')} of this folder that failed ({told})", file=sys.stderr)
    table = frame.drop(columns="file") if options.runs else store.by_method(frame)
    _write(options, table)
    if options.figure:
        from replaylib.course import stored_figures

        stored_figures.accuracies(frame, options.figure)
    if options.json:
        print(table.to_json(orient="records"))
    elif not (options.csv or options.latex or options.figure):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep=""))


def _compare(options: argparse.Namespace, frame: pd.DataFrame) -> None:
    if options.against is not None:
        other = store.where(store.summaries(options.against), options.where)
        first, first_runs, second, second_runs = str(options.folder), frame, str(options.against), other
    else:
        if len(options.compare) != 2:
            raise InputError(f"--compare {','.join(options.compare)}: give two methods, A,B")
        first, second = options.compare
        first_runs, second_runs = (frame[frame["method"] == name] for name in (first, second))
    if first == second:
        raise InputError(f"{first} is compared with itself: give another, the second")
    for name, runs in ((first, first_runs), (second, second_runs)):
        if runs.empty:
            raise InputError(f"there is no run of {name} to compare")
    _check_comparable(first, first_runs, second, second_runs)
    both = store.common(first_runs, second_runs)
    difference = store.paired(both)
    row = {"first": first, "second": second, **difference}
    _write(options, pd.DataFrame([row]))
    if options.figure:
        from replaylib.course import stored_figures

        stored_figures.comparison(first, second, both, difference, options.figure)
    if options.json:
        print(json.dumps(records.no_nan(row)))
        return
    line = f"{second} - {first}: {difference['mean']:+.2f} points"
    if difference["seeds"] > 1:
        line += (
            f" +- {difference['sem']:.2f} (SEM), 95 % confidence interval {difference['low']:+.2f} to "
            f"{difference['high']:+.2f}, p = {difference['p']:.2g} (paired t-test, two-sided)"
        )
    print(f"{line}, over {counted(int(difference['seeds']), 'common seed')}")


def _check_comparable(first: str, first_runs: pd.DataFrame, second: str, second_runs: pd.DataFrame) -> None:
    """Raise `InputError` unless the runs of each side differ in the seed alone, and both are of one problem."""
    for name, runs in ((first, first_runs), (second, second_runs)):
        kinds = [described for described, _ in store.groups(runs)]
        if varied := [key for key in kinds[0] if len({kind[key] for kind in kinds}) > 1]:
            example = f"--where {varied[0]}={store.as_text(runs[varied[0]].iloc[0])}"
            raise InputError(f"the runs of {name} differ in {', '.join(varied)}: choose among them, e.g. {example}")
    for key in PROBLEM:
        one, other = (store.as_text(runs[key].iloc[0]) for runs in (first_runs, second_runs))
        if one != other:
            told = f"{key} is {one or 'not given'} for {first} and {other or 'not given'} for {second}"
            raise InputError(f"{told}: compare runs of one problem")


def _write(options: argparse.Namespace, table: pd.DataFrame) -> None:
    advice = "choose another file"
    if options.csv:
        with replacing(options.csv, advice) as part:
            table.to_csv(part, index=False)
    if options.latex:
        with replacing(options.latex, advice) as part:
            part.write_text(_latex(table))


def _latex(table: pd.DataFrame) -> str:
    """A table for LaTeX's package booktabs, a line a row; numbers to two digits, what is nothing left empty."""

    def cell(value: object) -> str:
        text = "" if value is None or value != value else f"{value:.2f}" if isinstance(value, float) else str(value)
        for sign in "&%_#$":
            text = text.replace(sign, f"\\{sign}")
        return text

    rows: Sequence[Sequence[object]] = [list(table.columns), *table.to_numpy(dtype=object).tolist()]
    head, *body = (" & ".join(map(cell, row)) + r" \\" for row in rows)
    columns = "".join("r" if kind.kind in "fi" else "l" for kind in table.dtypes)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def status(options: argparse.Namespace) -> None:
    """``status``: of the runs of a folder, those that are done, running, stopped, failed and, of a sweep, due."""
    done = set(store.summaries(options.folder)["id"])
    running = claims.running(options.folder)
    stopped = [name for name in resume.unfinished(options.folder) if name not in done and name not in running]
    failed = {name: one for name, one in failures.below(options.folder).items() if name not in done}
    states: dict[str, list[str]] = {
        "done": sorted(done), "running": running, "stopped": stopped, "failed": sorted(failed),
    }  # fmt: skip
    if options.of:
        asked = [e.id for e in grids.experiments(grids.read(options.of))[0]]
        states = {name: [one for one in ids if one in set(asked)] for name, ids in states.items()}
        had = {one for ids in states.values() for one in ids}
        states["due"] = [one for one in asked if one not in had]
    if options.json:
        print(json.dumps(states))
        return
    print(f"{options.folder}: " + ", ".join(f"{len(ids)} {name}" for name, ids in states.items()))
    for name in states["running"]:
        print(f"running: {name}")
    for name in states["stopped"]:
        print(f"stopped: {name}, and the command that began it goes on with it")
    for name in states["failed"]:
        again = "not tried again without --force" if failed[name].settled else "tried again when asked for"
        print(f"failed: {failed[name]} ({again})")


def command(options: argparse.Namespace) -> None:
    """``command``: the command line that runs a stored experiment again."""
    folders = [options.folder] if options.folder else [*map(shipped, frames.FOLDERS), Path("runs")]
    for folder in folders:
        if not Path(folder).is_dir():
            continue
        for record in records.below(Path(folder)):
            if record.experiment.id == options.id:
                print(command_lines.command_of(record.experiment))
                print(f"# {record.computed_on}, commit {record.commit or 'unknown'}, {record.date}", file=sys.stderr)
                return
    where = options.folder or "the runs that come with the library, or the folder runs"
    raise InputError(f"there is no run {options.id} in {where}: give an id that 'results --runs' shows")
