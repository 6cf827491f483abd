"""A sweep: experiments whose records are not there yet, run in this process or in several at once."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from replaylib.data.dataset import Split
from replaylib.errors import InputError
from replaylib.lab import records, replay_quality, resume, runs
from replaylib.lab.capture import WARM_UP
from replaylib.lab.experiments import Experiment
from replaylib.lab.records import Record
from replaylib.loop import Training
from replaylib.steps import Diverged

#: Steps that are timed to say how long runs will take.
TIMED = 3
#: More data than this are not kept in memory when others are loaded.
KEPT_BYTES = 500e6


#: Experiments that are computed as one: they differ in their seed alone.
Group = Sequence[Experiment]


def by_seed(due: Sequence[Experiment]) -> list[Group]:
    """Experiments that differ in their seed alone as one group each, in the order of their first ones."""
    groups: dict[Experiment, list[Experiment]] = {}
    for description in due:
        groups.setdefault(description.without_seed(), []).append(description)
    return list(groups.values())


def sweep(
    due: Sequence[Group],
    folder: Path,
    device: str = "cpu",
    workers: int = 1,
    measured: bool = False,
    captured: bool = False,
) -> Iterator[Record]:
    """Run experiments, save each record as soon as its run ends, and yield it; with several workers in any order.

    What was yielded is kept, whatever stops the rest: the sweep of those still due goes on from there. A run that
    diverges stops no other.

    Parameters
    ----------
    due : experiments without a record in ``folder``, which exists. Those of a group are computed as one where their
        network allows it, see `replaylib.lab.fast`, and otherwise one after another.
    workers : processes at once, each with a copy of its data. One is this process, with all its threads; several
        compute in one thread each, which suits small networks on a CPU.
    measured : whether each run ends as `replaylib.lab.replay_quality.measured` does; a worker trains a judge of its
        own, the same.
    captured : whether steps are replayed as a CUDA graph, where the network allows it.

    Raises
    ------
    InputError : fewer than one worker, an experiment that cannot be run, or a worker that the system ended; when all
        others have run, those that diverged.
    """
    check_workers(workers)
    workers = min(workers, len(due))
    diverged: list[str] = []
    if workers <= 1:
        load = loader(device)
        for group in due:
            yield from _run(group, load(group[0]), device, folder, measured, captured, diverged)
    else:
        yield from _in_workers(due, folder, device, workers, measured, captured, diverged)
    if diverged:
        advice = "leave those methods or seeds out, or take a smaller learning rate or penalty"
        raise InputError(f"these runs diverged, and only the others are kept: {'; '.join(diverged)}; {advice}")


def _in_workers(
    due: Sequence[Group],
    folder: Path,
    device: str,
    workers: int,
    measured: bool,
    captured: bool,
    diverged: list[str],
) -> Iterator[Record]:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, _begin, (device,)) as pool:
        futures = [pool.submit(_run_in_worker, group, device, folder, measured, captured) for group in due]
        try:
            for ended in as_completed(futures):
                made, spoilt, refused = ended.result()
                yield from made
                diverged.extend(spoilt)
                if refused:
                    raise InputError(refused)
        except BrokenProcessPool as error:
            raise InputError("a worker was ended by the system, perhaps for want of memory: use fewer") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_workers(workers: int) -> None:
    """Raise `InputError` unless there is a worker."""
    if workers < 1:
        raise InputError(f"workers is {workers}: ask for 1 or more")


def loader(device: str) -> Callable[[Experiment], Split]:
    """Gives each experiment its data, and keeps what was loaded for later ones, up to `KEPT_BYTES`."""
    loaded: dict[tuple[object, ...], Split] = {}

    def load(description: Experiment) -> Split:
        key = (description.protocol, description.dataset, description.clutter, description.tasks)
        if key not in loaded:
            if sum(part.images.nbytes for split in loaded.values() for part in split) > KEPT_BYTES:
                loaded.clear()
            loaded[key] = runs.data_of(description, device)
        return loaded[key]

    return load


def seconds_of(group: Group, data: Split, device: str, captured: bool = False) -> float:
    """About how long a group's runs take: their steps, at the pace of a few of their second task; testing comes on top.

    ``captured`` as in `sweep`.
    """
    pure = _pure(group, data, captured)
    if not pure and len(group) > 1:
        return sum(seconds_of([description], data, device) for description in group)
    first = WARM_UP + 1 if captured and pure else 1
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

    short = [replace(description, iterations=first + TIMED) for description in group]
    with suppress(Enough, Diverged):
        runs.trained_together(short, data, device, watch, captured=captured and pure)
    if len(marks) < 2:  # it diverges at once
        return 0.0
    return (marks[-1] - marks[0]) / (len(marks) - 1) * group[0].iterations * group[0].tasks


def _pure(group: Group, data: Split, captured: bool) -> bool:
    """Whether the network allows what is asked; False where nothing is, for making a network can take a while."""
    return (len(group) > 1 or captured) and runs.network(group[0], data).pure


def _run(
    group: Group,
    data: Split,
    device: str,
    folder: Path,
    measured: bool,
    captured: bool,
    diverged: list[str],
) -> Iterator[Record]:
    """``diverged``: gets a line for each run that did, and the others of its group are run without it."""
    pure = _pure(group, data, captured)
    due = [list(group)] if pure else [[description] for description in group]
    while due:
        some = due.pop(0)
        try:
            made = runs.trained_together(some, data, device, captured=captured and pure, unfinished=folder)
        except Diverged as stopped:
            spoilt = some.pop(stopped.place)
            name = f"{spoilt.method}, {spoilt.scenario}-incremental, seed {spoilt.seed}, id {spoilt.id}"
            diverged.append(f"{name}, in task {stopped.task}, step {stopped.step}")
            if some:
                due.insert(0, some)
            continue
        for net, record in made:
            kept = replay_quality.with_measures(net.to(device), record, data) if measured else record
            records.write(kept, folder)
            yield kept
        resume.discard(folder, some)


_load: Callable[[Experiment], Split]  # of a worker


def _begin(device: str) -> None:
    global _load
    # Ctrl-C ends a worker at once and without a word: the process that started it says what there is to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)
    _load = loader(device)


def _run_in_worker(
    group: Group, device: str, folder: Path, measured: bool, captured: bool
) -> tuple[list[Record], list[str], str]:
    made: list[Record] = []
    diverged: list[str] = []
    try:
        made.extend(_run(group, _load(group[0]), device, folder, measured, captured, diverged))
    except InputError as error:  # as text: the error may hold a network
        return made, diverged, str(error)
    return made, diverged, ""
