"""How fast is a training step, and how fast could it be: measured in one run, because machines are noisy."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile, schedule

from replaylib.data.dataset import Dataset, Split, pad
from replaylib.data.known import DOWNLOADS
from replaylib.errors import InputError
from replaylib.lab import runs
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.fast import train_seeds
from replaylib.lab.machine import commit, device_name, now, versions
from replaylib.lab.operations import shares
from replaylib.lab.per_sample import PerSample
from replaylib.lab.products import Operands, Products, operations, seconds_of
from replaylib.lab.protocols import protocol
from replaylib.lab.records import no_nan, write_new
from replaylib.loop import Training, Watch

#: Steps that are taken and not timed, so that memory is there and caches are warm.
WARM_UP = 5
#: Parts that the timed steps come in.
REPEATS = 3


@dataclass(frozen=True)
class Speed:
    """One measurement, of steps in the last task, where replay costs most.

    Attributes
    ----------
    scenario, tasks, batch, hidden : what was varied, see `replaylib.lab.experiments.Experiment`.
    seeds : how many runs were trained together; a step is one step of all of them.
    compiled : whether its loss was compiled, see `replaylib.lab.fast.compiled_objective`; what that takes is not timed.
    captured : whether steps were replayed as a CUDA graph, see `replaylib.lab.capture`.
    iterations_per_s : steps a second, of each seed.
    loader_iterations_per_s : the same where current samples come one by one from a ``DataLoader``; None: not measured.
    gflops : 10^9 floating-point operations a second in the step's matrix products, all seeds together.
    matmul_ratio : time of the step's matrix products alone, same shapes and precision, over the time of the step: 1 is
        a step that does nothing else. Convolutions, where layers of them are trained, are not among the products.
    peak_mb : memory in use at most: on a GPU of the tensors of this measurement, on a CPU of the process so far; nan
        where the system does not say.
    operations : percent of a step's time by kind of operation, see `replaylib.lab.operations`; None: not measured. The
        profiler that measures it slows small operations, and Python, more than large ones, so that products have less
        of the time than without it.
    """

    protocol: str
    scenario: str
    method: str
    device: str
    dtype: str
    tasks: int
    batch: int
    hidden: tuple[int, ...]
    seeds: int
    iterations_per_s: float
    loader_iterations_per_s: float | None
    gflops: float
    matmul_ratio: float
    peak_mb: float
    compiled: bool = False
    captured: bool = False
    operations: dict[str, float] | None = None


def measure(
    description: Experiment,
    data: Split,
    *,
    seeds: int = 1,
    steps: int = 50,
    loader: bool = False,
    compiled: bool = False,
    captured: bool = False,
    by_operation: bool = False,
) -> Speed:
    """Time ``steps`` steps of the last task of an experiment, after as many of each task before it.

    They are timed in `REPEATS` parts, each in turn with its matrix products alone and with the loader, and the fastest
    of each counts: what else the machine does is not to be measured.

    Parameters
    ----------
    data : the protocol's, on the device that is measured.
    seeds : trained together if more than one.
    compiled, captured : see `Speed`; the first for one seed, the second on a GPU.
    loader : also measure the step with a ``DataLoader`` in the place of `Stream.draw`.
    by_operation : also measure what its time is spent on, on a CPU.

    Raises
    ------
    InputError : fewer than one step, operations on another device than a CPU, or a method that cannot be stacked where
        several seeds are asked for.
    """
    if steps < 1:
        raise InputError(f"steps is {steps}: time 1 or more")
    device = data.train.images.device
    if by_operation and device.type != "cpu":
        raise InputError(f"a step's operations are timed on a CPU: leave them out on a {device.type}")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    products = _products_of_a_step(description, data, seeds)
    if compiled:
        # PyTorch compiles a function a few times only, and no more when other methods have used that up.
        torch.compiler.reset()
    few = -(-steps // REPEATS)
    timed = [
        partial(_seconds_a_step, description, data, seeds, few, compiled=compiled, captured=captured),
        partial(seconds_of, products, few, device, WARM_UP),
        *([partial(_seconds_a_step, description, data, 1, few, per_sample=True)] if loader else []),
    ]
    seconds, alone, *loading = _fastest(timed, REPEATS)
    dtype = description.precision or "float32"
    return Speed(
        protocol=description.protocol, scenario=description.scenario, method=description.method,
        device=device_name(device), dtype=dtype, tasks=description.tasks, batch=description.batch,
        hidden=description.hidden, seeds=seeds, iterations_per_s=1 / seconds,
        loader_iterations_per_s=1 / loading[0] if loading else None,
        gflops=operations(products) / seconds / 1e9,
        matmul_ratio=alone / seconds, peak_mb=_peak_mb(device), compiled=compiled,
        captured=captured,
        operations=_by_operation(description, data, seeds, few, compiled=compiled) if by_operation else None,
    )  # fmt: skip


def relative_times(
    descriptions: Sequence[Experiment], data: Split, *, steps: int = 10, repeats: int = 3
) -> list[float]:
    """How long a step takes, of each experiment, over that of the first one; steps with replay, of the second task.

    Each is timed ``repeats`` times, in turn, and its fastest counts: what else the machine does is not to be measured.
    Raises `InputError` for no step or repeat.
    """
    if steps < 1 or repeats < 1:
        raise InputError(f"{repeats} repeats of {steps} steps: time 1 or more, once or more often")
    # Two tasks suffice: a step costs the same in every later one.
    short = [replace(description, tasks=2) for description in descriptions]
    fastest = _fastest([partial(_seconds_a_step, description, data, 1, steps) for description in short], repeats)
    return [seconds / fastest[0] for seconds in fastest]


def stand_in(description: Experiment, device: str = "cpu") -> Split:
    """The experiment's data on a device; noise in their shape for those that are downloaded, which need not be there.

    How long a step takes does not depend on what the images show.
    """
    if (download := DOWNLOADS.get(description.dataset)) is None:
        return runs.data_of(description, device)
    images = torch.randint(256, (1000, *download.shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    named = tuple(str(label) for label in range(download.classes))
    part = Dataset("noise", images, torch.arange(len(images)) % download.classes, named)
    padding = protocol(description.protocol).padding
    split = pad(Split(part, part), padding) if padding else Split(part, part)
    return Split(*(half.to(device) for half in split))


def scaling(description: Experiment) -> list[Experiment]:
    """An experiment with other batches and widths, and task-incremental with more and more tasks and classes.

    Tasks are those of Permuted MNIST, ten classes each, with the experiment's layers and batch.
    """
    batches = [replace(description, batch=size) for size in (64, 128, 256, 512)]
    widths = [replace(description, hidden=(width, width)) for width in (200, 400, 800, 1600)]
    options = {name: value for name, value in description.options.items() if value is not None}
    d, many = description, (2, 5, 10, 20)
    options |= {"hidden": d.hidden, "batch": d.batch, "precision": d.precision}
    tasks = [experiment("permuted-mnist", "task", d.method, tasks=n, **options) for n in many]
    return [*batches, *widths, *tasks]


def table(speeds: Sequence[Speed]) -> str:
    """Measurements as lines of text, a line each."""
    columns = {
        "method": lambda s: s.method, "scenario": lambda s: s.scenario, "dtype": lambda s: s.dtype,
        "tasks": lambda s: str(s.tasks), "batch": lambda s: str(s.batch), "hidden": lambda s: str(s.hidden[0]),
        "seeds": lambda s: str(s.seeds), "compiled": lambda s: "yes" if s.compiled else "",
        "captured": lambda s: "yes" if s.captured else "",
        "it/s": lambda s: f"{s.iterations_per_s:.1f}",
        "seed-it/s": lambda s: f"{s.iterations_per_s * s.seeds:.1f}",
        "loader it/s": lambda s: "" if s.loader_iterations_per_s is None else f"{s.loader_iterations_per_s:.1f}",
        "GFLOP/s": lambda s: f"{s.gflops:.1f}", "matmul ratio": lambda s: f"{s.matmul_ratio:.2f}",
        "peak MB": lambda s: f"{s.peak_mb:.0f}",
    }  # fmt: skip
    rows = [list(columns), *([show(s) for show in columns.values()] for s in speeds)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def table_of_operations(speeds: Sequence[Speed]) -> str:
    """Percent of a step's time by kind of operation as lines of text: a line a measurement, what varies beside it."""
    measured = pd.DataFrame([asdict(s) for s in speeds if s.operations is not None])
    told = ("scenario", "dtype", "tasks", "batch", "hidden", "seeds")
    measured["method"] += measured["compiled"].map({True: ", compiled", False: ""})
    beside = measured[["method", *(name for name in told if measured[name].nunique() > 1)]]
    kinds = pd.DataFrame(list(measured["operations"]))
    kinds = kinds.loc[:, (kinds > 0).any()].map(lambda share: f"{share:.1f} %")
    return pd.concat([beside.astype(str), kinds], axis=1).to_string(index=False)


def save(speeds: Sequence[Speed], command: str, folder: str | Path) -> Path:
    """Write measurements to a new JSON file in an existing folder, with the command, versions, commit and date."""
    date = now()
    origin = {"command": command, "versions": versions(), "commit": commit(), "date": date}
    name = f"{date[:19].replace(':', '-')}.json"
    return write_new(Path(folder) / name, {**origin, "rows": rows(speeds)})


def rows(speeds: Sequence[Speed]) -> list[dict[str, object]]:
    """Measurements as plain data, for JSON."""
    return [no_nan(asdict(speed)) for speed in speeds]


def _fastest(timed: Sequence[Callable[[], float]], repeats: int) -> list[float]:
    """The smallest of what each gives, when they are called in turn."""
    each = [[seconds() for seconds in timed] for _ in range(repeats)]
    return [min(times) for times in zip(*each, strict=True)]


def _seconds_a_step(description: Experiment, data: Split, seeds: int, steps: int, **how: bool) -> float:
    """Seconds of one step of the last task, the tasks before it being given as many; ``how``: see `_run`."""
    stamps: list[float] = []
    device = data.train.images.device

    def watch(now: Training) -> None:
        if now.task == description.tasks - 1 and now.step in (WARM_UP, WARM_UP + steps):
            if device.type == "cuda":
                torch.cuda.synchronize()
            stamps.append(time.perf_counter())

    _run(description, data, seeds, WARM_UP + steps, watch, **how)
    return (stamps[1] - stamps[0]) / steps


def _by_operation(description: Experiment, data: Split, seeds: int, steps: int, **how: bool) -> dict[str, float]:
    # The first steps that are profiled pay for what the profiler loads.
    when = schedule(wait=0, warmup=WARM_UP, active=steps, repeat=1)
    profiler = profile(activities=[ProfilerActivity.CPU], schedule=when)

    def watch(now: Training) -> None:
        if now.task == description.tasks - 1:
            if now.step == 1:
                profiler.start()
            else:
                profiler.step()

    _run(description, data, seeds, 1 + WARM_UP + steps, watch, **how)
    profiler.stop()
    return shares((event.key, event.self_cpu_time_total) for event in profiler.key_averages())


def _products_of_a_step(description: Experiment, data: Split, seeds: int) -> list[Operands]:
    """The operands of every matrix product of one step of the last task."""
    recorder = Products()

    def watch(now: Training) -> None:
        recorder.on = now.task == description.tasks - 1 and now.step == 1

    with recorder:
        _run(description, data, seeds, 2, watch)
    return recorder.seen


def _peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    try:
        import resource
    except ImportError:  # Windows has none
        return float("nan")
    # The system counts in kB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _run(
    description: Experiment,
    data: Split,
    seeds: int,
    steps: int,
    watch: Watch,
    per_sample: bool = False,
    compiled: bool = False,
    captured: bool = False,
) -> None:
    described = [replace(description, seed=seed) for seed in range(seeds)]
    streams, parts, generators = (list(one) for one in zip(*(runs.assemble(d, data) for d in described), strict=True))
    if per_sample:
        streams = [PerSample(stream, description.batch) for stream in streams]
    train_seeds(
        streams, parts, generators, compiled=compiled, captured=captured, precision=description.precision,
        iterations=steps, batch=description.batch, lr=description.lr, replayed=description.replayed, watch=watch,
    )  # fmt: skip
