"""A sweep: experiments whose records are not there yet, run in this process or by the workers of a cluster.

Several sweeps, on one machine or many, can share a folder: each run is computed by one of them, see
`replaylib.lab.claims`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from replaylib.data.dataset import Split
from replaylib.errors import InputError, counted
from replaylib.lab import failures, records, register, replay_quality, resume, runs
from replaylib.lab.capture import WARM_UP
from replaylib.lab.claims import Claims, to_do
from replaylib.lab.cluster import Lost, device_here, results
from replaylib.lab.experiments import Experiment
from replaylib.lab.failures import Failure
from replaylib.lab.records import Record
from replaylib.loop import Training, Watch
from replaylib.steps import Diverged

#: Steps that are timed to say how long runs will take.
TIMED = 3
#: More data than this are not kept in memory when others are loaded.
KEPT_BYTES = 500e6
#: Seconds after which workers are asked again for runs that other processes had.
AGAIN = 2.0

#: Experiments that are computed as one: they differ in their seed alone.
Group = Sequence[Experiment]


class How(NamedTuple):
    """How the runs of a sweep are computed, the same in every worker.

    ``device`` as PyTorch calls it, or ``"auto"``, a worker's GPU if it has one; ``measured``: each record has what
    `replaylib.lab.replay_quality.measure` finds, for which a worker trains a judge of its own, the same; ``captured``:
    steps are replayed as a CUDA graph, where the network allows it; ``resumed``: unfinished runs are kept, and gone on
    with; ``threads`` of the processor for each run, None: as they are; ``files`` of the user's own that a worker runs
    first.
    """

    device: str = "cpu"
    measured: bool = False
    captured: bool = False
    resumed: bool = True
    threads: int | None = None
    files: tuple[str, ...] = ()


HOW = How()


class Ended(NamedTuple):
    """What became of one experiment: its record, or its failure, or neither where another process had it."""

    experiment: Experiment
    record: Record | None = None
    failure: Failure | None = None


def by_seed(due: Sequence[Experiment]) -> list[Group]:
    """Experiments that differ in their seed alone as one group each, in the order of their first ones."""
    groups: dict[Experiment, list[Experiment]] = {}
    for description in due:
        groups.setdefault(description.without_seed(), []).append(description)
    return list(groups.values())


def sweep(
    due: Sequence[Group],
    folder: Path,
    how: How = HOW,
    cluster: Any = None,
    say: Callable[[str], None] = resume.on_stderr,
) -> Iterator[Ended]:
    """Run experiments, save each record as soon as its run ends, and yield what became of each.

    What was yielded is kept, whatever stops the rest: the sweep of those still due goes on from there, with unfinished
    runs from their last state. A run that fails stops no other: it is kept as a `replaylib.lab.failures.Failure`.

    Parameters
    ----------
    due : experiments without a record in ``folder``, which exists. Those of a group are computed as one where their
        network allows it, see `replaylib.lab.fast`, and otherwise one after another.
    cluster : a client of Dask, see `replaylib.lab.cluster`, whose workers see the folder: a worker has a group at once,
        and what a lost worker had is done by another. None: this process computes, a group after another.

    Raises
    ------
    InputError : the folder cannot be written, or the cluster is gone.
    """
    described = {description.id: description for group in due for description in group}
    if cluster is not None:
        yield from _by_workers(due, folder, how, cluster, say)
        return
    load = loader(how.device)
    yielded = set()
    with Claims(folder) as claims:
        names = [[description.id for description in group] for group in due]
        for taken in to_do(names, claims, lambda name: is_done(folder, name, how.measured), say):
            for ended in _run([described[name] for name in taken], load, folder, how):
                yielded.add(ended.experiment.id)
                yield ended
            for name in taken:
                claims.give_back(name)
    yield from (Ended(description) for name, description in described.items() if name not in yielded)


def is_done(folder: Path, name: str, measured: bool = False) -> bool:
    """Whether the experiment with that id is not to be run: it is stored, or failed and is not tried again."""
    if records.has(folder, name, measured):
        return True
    failure = failures.read(folder, name)
    return failure is not None and failure.settled


def _by_workers(
    due: Sequence[Group], folder: Path, how: How, cluster: Any, say: Callable[[str], None]
) -> Iterator[Ended]:
    folder = folder.resolve()
    pending, asked = list(due), False
    while pending:
        # What other processes have is asked for again, until it is done by somebody, or left.
        held: list[Group] = []
        for group, outcome in results(cluster, _in_worker, pending, folder, how):
            if isinstance(outcome, Lost):
                yield from (Ended(one, failure=failures.of(one, outcome, folder)) for one in group)
                continue
            ended, taken = outcome
            yield from ended
            held += [taken] if taken else []
        if held and not asked:
            asked = True
            say(f"waiting for {counted(sum(map(len, held)), 'run')} that other processes have")
        pending = held
        if pending:
            time.sleep(AGAIN)


def loader(device: str, load: Callable[[Experiment, str], Split] | None = None) -> Callable[[Experiment], Split]:
    """Gives each experiment its data, or what ``load`` does, and keeps that for later ones, up to `KEPT_BYTES`."""
    loaded: dict[tuple[object, ...], Split] = {}

    def kept(description: Experiment) -> Split:
        d = description
        key = (d.protocol, d.dataset, d.clutter, d.tasks, d.image_size)
        if key not in loaded:
            if sum(part.images.nbytes for split in loaded.values() for part in split) > KEPT_BYTES:
                loaded.clear()
            loaded[key] = (load or runs.data_of)(description, device)
        return loaded[key]

    return kept


def seconds_of(group: Group, data: Split, device: str, captured: bool = False) -> float:
    """About how long a group's runs take: their steps, at the pace of a few of their second task; testing comes on top.

    ``captured`` as in `How`.
    """
    start, captured, together = _start(group, data, captured)
    timed = group if together else group[:1]  # the others take as long, one after another
    first = WARM_UP + 1 if captured else 1
    marks: list[float] = []

    class Enough(Exception):
        pass

    def watch(now: Training) -> None:
        if now.task == 1 and now.step >= first:
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            marks.append(time.perf_counter())
            if len(marks) > TIMED:
                raise Enough

    short = [replace(description, iterations=first + TIMED) for description in timed]
    with suppress(Enough, Diverged):
        runs.run_seeds(short, data, device, watch, captured=captured, start=start)
    steps = group[0].iterations * group[0].tasks * len(group) // len(timed)
    return (marks[-1] - marks[0]) / (len(marks) - 1) * steps if len(marks) > 1 else 0.0  # it diverges at once


def _start(group: Group, data: Split, captured: bool) -> tuple[runs.Start | None, bool, bool]:
    """What the first of a group starts from, if that is looked at; whether it is captured; whether all are one."""
    if len(group) == 1 and not captured:
        return None, False, False
    start = runs.assemble(group[0], data)
    return start, captured and start.parts.net.pure, runs.stackable(group, data, start)


def surviving(
    group: Group,
    data: Split,
    device: str,
    failed: Callable[[Experiment, Exception], None],
    watch_for: Callable[[Group], Watch | None] = lambda members: None,
    **how: Any,
) -> Iterator[tuple[Group, list[runs.Run]]]:
    """What `replaylib.lab.runs.run_seeds` makes, which takes ``how``; a run that fails takes no other along.

    One that diverges is left out, and the others begin anew without it; after an error of the program, each runs
    alone. Yields those that were computed as one, and what was made of them. ``failed`` is called with each that does
    not end; ``watch_for`` with those that are begun as one, for their watch.
    """
    due = [list(group)]
    while due:
        members, start = due.pop(0), how.pop("start", None)
        watch = watch_for(members)
        try:
            trained = runs.run_seeds(members, data, device, watch, start=start, **how)
        except Diverged as stopped:
            resume.discard(how.get("unfinished"), members)  # the others are another group without it
            failed(members.pop(stopped.place), stopped)
            due = [members, *due] if members else due
        except Exception as error:
            if len(members) == 1 or isinstance(error, InputError):
                for one in members:
                    failed(one, error)
                continue
            resume.discard(how.get("unfinished"), members)
            due = [*([one] for one in members), *due]
        else:
            yield members, trained


def _run(group: Group, load: Callable[[Experiment], Split], folder: Path, how: How) -> Iterator[Ended]:
    """What becomes of each experiment of a group; each record is saved before it is yielded."""
    failed: list[Ended] = []

    def fail(description: Experiment, error: Exception) -> None:
        failed.append(Ended(description, failure=failures.of(description, error, folder)))

    try:
        data = load(group[0])
        start, captured, together = _start(group, data, how.captured)
    except Exception as error:
        yield from (Ended(one, failure=failures.of(one, error, folder)) for one in group)
        return
    asked: dict[str, Any] = {"captured": captured, "unfinished": folder if how.resumed else None}
    for part in [list(group)] if together else [[description] for description in group]:
        for members, trained in surviving(part, data, how.device, fail, start=start, **asked):
            for net, record in trained:
                if how.measured:
                    try:
                        record = replay_quality.measure(net.to(how.device), record, data)
                    except Exception as error:
                        _save(record, folder)  # what was trained is not lost
                        fail(record.experiment, error)
                        continue
                _save(record, folder)
                yield Ended(record.experiment, record)
            resume.discard(folder, members)
        start = None  # it was the first one's
        yield from failed
        failed.clear()


def _save(record: Record, folder: Path) -> None:
    """Write a record, unless another process did so meanwhile; where it cannot be written, its result is said."""
    try:
        records.write(record, folder)
    except InputError as error:
        if records.has(folder, record.experiment.id, record.measures is not None):
            return
        e = record.experiment
        outcome = f"{e.method}, {e.scenario}-incremental, seed {e.seed}, has ended with {record.summary()['acc']:.2f} %"
        raise InputError(f"{error}; {outcome}, and is not stored") from error
    failures.discard(folder, [record.experiment.id])


_loaders: dict[str, Callable[[Experiment], Split]] = {}  # of a worker: data are loaded once for all its runs
_one_at_a_time = threading.Lock()


def _in_worker(group: Group, folder: Path, how: How) -> tuple[list[Ended], list[Experiment]]:
    """What became of those of a group that were due, and those that other processes have."""
    with _one_at_a_time:
        for file in how.files:
            register.file(file)
        if how.threads is not None:
            torch.set_num_threads(how.threads)
        how = how._replace(device=device_here(how.device))
        load = _loaders.setdefault(how.device, loader(how.device))
        described = {description.id: description for description in group}
        with Claims(folder) as claims:
            taken = claims.take_due(list(described), lambda name: is_done(folder, name, how.measured))
            ended = list(_run([described[name] for name in taken], load, folder, how)) if taken else []
            others = [name for name in described if name not in taken]
            done = [name for name in others if is_done(folder, name, how.measured)]
    ended += [Ended(described[name]) for name in done]
    return ended, [described[name] for name in others if name not in done]
