"""Running an experiment gives a record: one JSON file, written once, whole, and never overwritten."""

import json
import math
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from replaylib import encoders, metrics
from replaylib._version import __version__
from replaylib.data import Split, shipped
from replaylib.errors import InputError
from replaylib.experiments import Experiment
from replaylib.fast import train_seeds
from replaylib.glyphs import dataset_name
from replaylib.methods import Parts, Plan, method
from replaylib.nets import Network
from replaylib.protocols import default_device, protocol
from replaylib.scenarios import Stream
from replaylib.train import Diverged, Watch

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Record:
    """One finished run. Accuracies are in percent; matrix orientation as in `replaylib.metrics`; nan is null in JSON.

    Attributes
    ----------
    matrix, untrained : (tasks, tasks) and (tasks,), as nested tuples.
    memory_bytes : training data kept for replay at the end.
    seconds : wall time of training and testing, loading the data apart.
    device : the processor's name; versions : of Python and the packages that compute.
    commit : of the library's checkout, with "+" where files differed from it; None outside a checkout.
    date : when it ended, UTC, ISO 8601.
    """

    experiment: Experiment
    matrix: tuple[tuple[float, ...], ...]
    untrained: tuple[float, ...]
    memory_bytes: int
    seconds: float
    device: str
    versions: dict[str, str]
    commit: str | None
    date: str

    def tensor(self) -> torch.Tensor:
        """The accuracy matrix as a (tasks, tasks) float64 tensor."""
        return torch.tensor(self.matrix, dtype=torch.float64)

    def summary(self) -> dict[str, float]:
        """``acc``, ``bwt``, ``fwt``, ``forgetting``: see `replaylib.metrics`."""
        matrix, untrained = self.tensor(), torch.tensor(self.untrained, dtype=torch.float64)
        return {
            "acc": metrics.final_accuracy(matrix).item(),
            "bwt": metrics.backward_transfer(matrix).item(),
            "fwt": metrics.forward_transfer(matrix, untrained).item(),
            "forgetting": metrics.forgetting(matrix).item(),
        }


def data_of(description: Experiment, device: str = "cpu") -> Split:
    """The images that an experiment is about, on a device, whatever is made of them."""
    p = protocol(description.protocol)
    return p.load(description.dataset, device, tasks=description.tasks, clutter=description.clutter)


def check_data(description: Experiment, data: Split) -> None:
    """Raise `InputError` for glyphs of other clutter, or for another number of tasks, than the experiment says."""
    if description.clutter is not None:
        symbols = protocol(description.protocol).symbols_of(description.tasks)
        if (data.train.name, len(data.train.classes)) != (dataset_name(description.clutter), symbols):
            found = f"{data.train.name}, {len(data.train.classes)} symbols"
            asked = f"{dataset_name(description.clutter)}, {symbols} symbols"
            raise InputError(f"these are {found}, and the experiment is about {asked}: take runs.data_of(experiment)")


def as_seen(description: Experiment, data: Split) -> Split:
    """The data as an experiment's network takes them: with a frozen encoder, its features, computed once.

    With one that is tuned, they are images, normalised as those were that it was trained on. Raises `InputError` for an
    encoder that does not fit.
    """
    if description.encoder is None or data.train.images.ndim != 4:
        return data
    if description.front_end == "frozen":
        return encoders.features(data, description.encoder)
    return encoders.normalised(data, description.encoder)


def assemble(description: Experiment, data: Split) -> tuple[Stream, Parts, torch.Generator]:
    """What `replaylib.train.train` takes: the stream, the parts before any training, and the sampling generator.

    The seed decides three independent streams of random numbers (parameters, replay, samples of the current task with
    the network's noise): a method that draws more replay neither starts from another network nor, unless its network
    takes noise, sees other samples of the current task.
    """
    data = as_seen(description, data)
    stream = protocol(description.protocol).stream(data, description.scenario, description.tasks, description.seed)
    seeds = torch.randint(2**62, (3,), generator=torch.Generator().manual_seed(description.seed)).tolist()
    sampling, replaying = (stream.generator(s) for s in seeds[1:])
    m = method(description.method)
    front = encoders.load(description.encoder).net if description.encoder and description.front_end == "tuned" else None
    plan = Plan(stream, description.hidden, torch.Generator().manual_seed(seeds[0]), replaying, front)
    return stream, m.make(plan, **{name: getattr(description, name) for name in m.options}), sampling


def network(description: Experiment, data: Split) -> Network:
    """The network that an experiment starts from, untrained: what a checkpoint is loaded into."""
    return assemble(description, data)[1].net


def trained(
    description: Experiment, data: Split | None = None, device: str | None = None, watch: Watch | None = None
) -> tuple[Network, Record]:
    """Train and test as described, from nothing; the network at the end, on the CPU, and the record of the run.

    The same description gives the same network, bit for bit, on the same machine.

    Parameters
    ----------
    data : the protocol's data if they are at hand already (many seeds share them); loaded where None.
    device : where to compute, by default `replaylib.protocols.default_device`; the data are moved there.
    watch : see `replaylib.train.train`.
    """
    return trained_together([description], data, device, watch)[0]


def trained_together(
    descriptions: Sequence[Experiment],
    data: Split | None = None,
    device: str | None = None,
    watch: Watch | None = None,
) -> list[tuple[Network, Record]]:
    """As `trained`, for experiments that differ in their seed alone; several are computed as one, see `replaylib.fast`.

    One by one and together, a seed's accuracies differ by rounding. A record's ``seconds`` are its share of the time.
    """
    if len({replace(description, seed=0) for description in descriptions}) != 1:
        raise InputError("these experiments differ in more than their seed, or there is none: run them one by one")
    first = descriptions[0]
    device = default_device() if device is None else device
    if data is None:
        data = data_of(first, device)
    check_data(first, data)
    data = Split(*(part.to(device) for part in data))
    began = time.perf_counter()
    streams, parts, generators = zip(*(assemble(description, data) for description in descriptions), strict=True)
    settings: dict[str, Any] = {
        "iterations": first.iterations, "batch": first.batch, "lr": first.lr, "replayed": first.replayed,
        "precision": first.precision or "float32", "watch": watch,
    }  # fmt: skip
    try:
        results = train_seeds(streams, parts, generators, **settings)
    except Diverged as stopped:
        raise Diverged(stopped.net, stopped.task, stopped.step, first.method, stopped.place) from stopped
    seconds = (time.perf_counter() - began) / len(results)
    made = []
    for description, stream, part, result in zip(descriptions, streams, parts, results, strict=True):
        made.append(
            (
                part.net.cpu(),
                Record(
                    experiment=description,
                    matrix=tuple(tuple(row) for row in result.matrix.tolist()),
                    untrained=tuple(result.untrained.tolist()),
                    memory_bytes=part.replay.nbytes,
                    seconds=seconds,
                    device=device_name(stream.device)
                    + (f", {len(results)} seeds together" if len(results) > 1 else ""),
                    versions=versions() | encoder_version(description),
                    commit=commit(),
                    date=datetime.now(UTC).isoformat(timespec="seconds"),
                ),
            )
        )
    return made


def execute(
    description: Experiment, data: Split | None = None, device: str | None = None, watch: Watch | None = None
) -> Record:
    """The record of a run, as `trained` makes it, where the network itself is of no interest."""
    return trained(description, data, device, watch)[1]


def save(record: Record, folder: str | Path) -> Path:
    """Write a record to an existing folder as one JSON file, whole or not at all; an earlier file is never touched.

    Raises
    ------
    InputError : the folder cannot be written, or holds this experiment's record already.
    """
    return write_new(Path(folder) / f"{record.experiment.id}.json", asdict(record))


def write_new(target: Path, content: Any) -> Path:
    """Write JSON to a file that is not there yet, whole or not at all; nan becomes null.

    Raises
    ------
    InputError : the folder cannot be written, or there is such a file already.
    """
    try:
        with tempfile.NamedTemporaryFile("w", dir=target.parent, suffix=".part", delete=False) as part:
            try:
                json.dump(no_nan(content), part, indent=1)
                part.flush()
                os.link(part.name, target)  # unlike a rename, fails where there is a file already
            finally:
                os.unlink(part.name)
    except FileExistsError as error:
        raise InputError(f"{target} exists: what is there is never overwritten; choose another folder") from error
    except OSError as error:
        raise InputError(f"cannot write to {target.parent} ({error.strerror}): choose another folder") from error
    return target


def done(folder: str | Path) -> dict[str, Record]:
    """The records below a folder by their experiments' ids; see `writable`."""
    writable(folder)
    return {record.experiment.id: record for record in map(read, sorted(Path(folder).rglob("*.json")))}


def writable(folder: str | Path) -> None:
    """Make a folder, and raise `InputError` if it cannot be written.

    To be called before computing starts, so that hours of it are not lost for want of a place to put them.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}): choose another folder") from error


def read(path: str | Path) -> Record:
    """The record in one file; raises `InputError` where the file is damaged or no record."""
    try:
        raw = json.loads(Path(path).read_text())
        described = {**raw["experiment"], "hidden": tuple(raw["experiment"]["hidden"])}
        nan = float("nan")
        return Record(
            **{
                **{field.name: raw[field.name] for field in fields(Record)},
                "experiment": Experiment(**described),
                "matrix": tuple(tuple(nan if x is None else x for x in row) for row in raw["matrix"]),
                "untrained": tuple(nan if x is None else x for x in raw["untrained"]),
            }
        )
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged or no record of a run ({error!r}): remove it or restore it") from error


def load(folder: str | Path) -> pd.DataFrame:
    """All records below a folder as one frame, a row each.

    Columns: the fields of `Experiment`, ``id``, ``acc``, ``bwt``, ``fwt``, ``forgetting``, and the fields of `Record`
    (``matrix`` as nested tuples). What a file is called does not matter; an experiment that stands twice appears twice.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds records of runs")
    return frame(read(path) for path in sorted(Path(folder).rglob("*.json")))


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a frame, a row each; see `load` for its columns."""
    return pd.DataFrame(
        {
            **asdict(record.experiment),
            "id": record.experiment.id,
            **record.summary(),
            **{field.name: getattr(record, field.name) for field in fields(Record) if field.name != "experiment"},
        }
        for record in records
    )


def published(folder: str = "runs") -> pd.DataFrame:
    """The runs that the book shows for published protocols, which come with the library; columns as in `load`.

    ``folder`` is one of ``"runs"``, in float32, ``"bfloat16"``, the same with products of layers in bfloat16, and three
    of quick protocols: ``"dial"``, glyphs over more and more clutter (``python -m replaylib reproduce dial``),
    ``"glyphs"``, all methods at full clutter, and ``"digits"``, what chapters compare their own runs with.
    """
    return load(shipped(folder))


@cache
def book() -> pd.DataFrame:
    """The folders ``"runs"`` and ``"digits"`` of `published` as one frame, indexed by ``id``; columns as in `load`.

    Read once, for a chapter asks again and again: take parts of it, and never change it.
    """
    return pd.concat([published(), published("digits")]).set_index("id", drop=False)


def of_book(descriptions: Sequence[Experiment]) -> pd.DataFrame | None:
    """The book's runs of these experiments, in their order; None unless every one is stored. Columns as in `load`."""
    stored = book()
    ids = [description.id for description in descriptions]
    return stored.loc[ids].reset_index(drop=True) if set(ids) <= set(stored.index) else None


def no_nan(value: Any) -> Any:
    """JSON has no nan: null in its place."""
    if isinstance(value, dict):
        return {key: no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [no_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def device_name(device: torch.device) -> str:
    """What computes, e.g. ``"cpu (x86_64, 2 threads)"`` or a GPU's product name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a run computes."""
    packages = ("torch", "numpy", "scikit-learn")
    installed = {name: metadata.version(name) for name in packages}
    return {"replaylib": __version__, "python": platform.python_version(), **installed}


def encoder_version(description: Experiment) -> dict[str, str]:
    """Which file an experiment's encoder came from: the beginning of its SHA-256; nothing where it has none."""
    name = description.encoder
    return {} if name is None else {f"encoder {name}": encoders.load(name).digest[:12]}


@cache
def commit() -> str | None:
    """The library's git commit, with "+" appended where tracked files differ from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(HERE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != HERE.parent:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
