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

from replaylib import imagined, records, runs
from replaylib.data import Split
from replaylib.errors import InputError
from replaylib.experiments import Experiment
from replaylib.nets import Network
from replaylib.records import Record

#: Steps that are timed to say how long runs will take.
TIMED = 3
#: More data than this are not kept in memory when others are loaded.
KEPT_BYTES = 500e6


def sweep(
    due: Sequence[Experiment], folder: Path, device: str = "cpu", workers: int = 1, measured: bool = False
) -> Iterator[Record]:
    """Run experiments, save each record as soon as its run ends, and yield it; with several workers in any order.

    What was yielded is kept, whatever stops the rest: the sweep of those still due goes on from there.

    Parameters
    ----------
    due : experiments without a record in ``folder``, which exists.
    workers : processes at once, each with a copy of its data. One is this process, with all its threads; several
        compute in one thread each, which suits small networks on a CPU.
    measured : whether each run ends with `replaylib.imagined.measured`; a worker trains a judge of its own, the same.

    Raises
    ------
    InputError : fewer than one worker, an experiment that cannot be run, or a worker that the system ended.
    """
    check_workers(workers)
    workers = min(workers, len(due))
    if workers <= 1:
        load = loader(device)
        for description in due:
            yield _run(description, load(description), device, folder, measured)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, _begin, (device,)) as pool:
        futures = [pool.submit(_run_in_worker, description, device, folder, measured) for description in due]
        try:
            for ended in as_completed(futures):
                record, refused = ended.result()
                if record is None:
                    raise InputError(refused)
                yield record
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


def seconds_of(description: Experiment, data: Split, device: str) -> float:
    """About how long a run takes: its steps, at the pace of a few steps of its second task; testing comes on top."""
    marks: list[float] = []

    class Enough(Exception):
        pass

    def watch(task: int, step: int, net: Network) -> None:
        if task == 1:
            if device == "cuda":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())
            if len(marks) > TIMED:
                raise Enough

    with suppress(Enough):
        runs.execute(replace(description, iterations=TIMED + 1), data, device, watch)
    return (marks[-1] - marks[0]) / (len(marks) - 1) * description.iterations * description.tasks


def _run(description: Experiment, data: Split, device: str, folder: Path, measured: bool) -> Record:
    record = (imagined.measured if measured else runs.execute)(description, data, device)
    records.write(record, folder)
    return record


_load: Callable[[Experiment], Split]  # of a worker


def _begin(device: str) -> None:
    global _load
    # Ctrl-C ends a worker at once and without a word: the process that started it says what there is to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)
    _load = loader(device)


def _run_in_worker(description: Experiment, device: str, folder: Path, measured: bool) -> tuple[Record | None, str]:
    try:
        return _run(description, _load(description), device, folder, measured), ""
    except InputError as error:  # as text: the error may hold a network
        return None, str(error)
