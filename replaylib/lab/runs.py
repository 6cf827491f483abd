"""Running an experiment gives a record, and the records of many are one table.

The runs that the book shows come with the library: `published` reads them.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from replaylib.data.dataset import Split, for_validation
from replaylib.data.files import shipped
from replaylib.data.glyphs import dataset_name
from replaylib.errors import InputError, unknown
from replaylib.lab import contents, encoders, records, resume
from replaylib.lab.experiments import NAMES, Experiment
from replaylib.lab.fast import execution, learner
from replaylib.lab.methods import method
from replaylib.lab.parts import Parts, Plan
from replaylib.lab.protocols import default_device, protocol
from replaylib.lab.records import Record
from replaylib.lab.tables import OPTIMIZERS
from replaylib.loop import Watch, follow
from replaylib.nets import Network
from replaylib.scenarios import Stream
from replaylib.steps import Diverged

#: What a frame has beside the fields of `Experiment` and of `Record`.
MEASURES = ("id", "acc", "bwt", "fwt", "forgetting")

#: The folders of runs that come with the library, those at the published scale first. One file in them is one run.
FOLDERS = {
    "runs": "published protocols, or shorter than published where their page says so",
    "cifar100": "Split CIFAR-100, published and smaller networks, with an encoder pre-trained for 100 epochs",
    "quality": "Split MNIST again, with measures of what the networks imagine (Fig. 9)",
    "fig4": "how much replay, and how good, on Split MNIST in fewer steps",
    "bfloat16": "some of the first, with products of layers in bfloat16",
    "dial": "glyphs over more and more clutter",
    "dial-tasks": "glyphs in more and more tasks",
    "glyphs": "glyphs at full clutter, all methods",
    "mnist-5k": "quick protocols of 5,000 real MNIST images: what chapters compare their own runs with",
    "digits": "quick protocols of digits: what chapters compare their own runs with",
}


def data_of(description: Experiment, device: str = "cpu") -> Split:
    """The images that an experiment is about, on a device, whatever is made of them."""
    p, d = protocol(description.protocol), description
    contents.check(d.dataset, d.data_digest, d.encoder, d.encoder_digest)
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

    With one that is tuned, or whose input is replayed, they are images, normalised as those were that it was trained
    on. Raises `InputError` for an encoder that does not fit.
    """
    if description.encoder is None or data.train.images.ndim != 4:
        return data
    if description.backbone == "frozen" and method(description.method).level != "pixels":
        return encoders.features(data, description.encoder)
    return encoders.normalised(data, description.encoder)


def assemble(description: Experiment, data: Split) -> tuple[Stream, Parts, torch.Generator]:
    """What `replaylib.train` takes: the stream, the parts before any training, and the sampling generator.

    The seed decides three independent streams of random numbers (parameters, replay, samples of the current task with
    the network's noise): a method that draws more replay neither starts from another network nor, unless its network
    takes noise, sees other samples of the current task.
    """
    data = as_seen(description, data)
    d = description
    if d.validation is not None:
        data = for_validation(data, d.validation, d.seed)
    stream = protocol(d.protocol).stream(data, d.scenario, d.tasks, d.seed, d.class_order, d.stream)
    seeds = torch.randint(2**62, (3,), generator=torch.Generator().manual_seed(description.seed)).tolist()
    sampling, replaying = (stream.generator(s) for s in seeds[1:])
    m = method(description.method)
    images = description.encoder is not None and data.train.images.ndim == 4
    backbone = encoders.load(description.encoder).net if description.encoder and images else None
    frozen = description.backbone == "frozen"
    plan = Plan(stream, description.hidden, torch.Generator().manual_seed(seeds[0]), replaying, backbone, frozen)
    told = {name: value for name, value in description.options.items() if value is not None}
    return stream, m.make(plan, **told), sampling


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
    device : where to compute, by default `replaylib.lab.protocols.default_device`; the data are moved there.
    watch : see `replaylib.train`.

    Raises
    ------
    InputError : data, or an encoder, that do not fit the experiment, or cannot be loaded; `replaylib.steps.Diverged`,
        which is one, where the loss or its gradient stops being finite.
    """
    return trained_together([description], data, device, watch)[0]


def trained_together(
    descriptions: Sequence[Experiment],
    data: Split | None = None,
    device: str | None = None,
    watch: Watch | None = None,
    *,
    compiled: bool = False,
    captured: bool = False,
    unfinished: Path | None = None,
    say: Callable[[str], None] = resume.on_stderr,
) -> list[tuple[Network, Record]]:
    """As `trained`, for experiments that differ in their seed alone; several are computed as one, see `lab.fast`.

    One by one and together, a seed's accuracies differ by rounding. A record's ``seconds`` are its share of the time.
    With ``compiled``, which is for one seed, its loss is compiled first; accuracies differ by rounding, and the
    record's ``device`` says it. With ``captured``, which is for a GPU, steps are replayed as a CUDA graph.

    ``unfinished`` is the folder of records in which the run is kept until it has ended, and from where it goes on if it
    is there already, see `replaylib.lab.resume`: when its records are written, `replaylib.lab.resume.discard` it.
    ``say`` is called with a line about what was found.

    Raises
    ------
    InputError : as `trained`; no experiment, or experiments that differ in more than their seed; several, or
        ``compiled`` or ``captured``, where the network or the device does not allow that; an unfinished run that
        differs in more than its seed, or that was begun with another version or on another kind of machine.
    resume.Stopped : a signal arrived, and the unfinished run is kept.
    """
    if len({description.without_seed() for description in descriptions}) != 1:
        raise InputError("these experiments differ in more than their seed, or there is none: run them one by one")
    first = descriptions[0]
    device = default_device() if device is None else device
    if data is None:
        data = data_of(first, device)
    check_data(first, data)
    data = Split(*(part.to(device) for part in data))
    began = time.perf_counter()
    streams, parts, generators = zip(*(assemble(description, data) for description in descriptions), strict=True)
    where = streams[0].device
    how = execution([part.net for part in parts], where, first.precision, compiled=compiled, captured=captured)
    versions = records.versions() | contents.code_of(first)
    keeper = None if unfinished is None else resume.keeper(unfinished, descriptions, data, how, versions, say)
    settings: dict[str, Any] = {
        "iterations": first.iterations, "batch": first.batch, "lr": first.lr, "replayed": first.replayed,
        "optimizer": OPTIMIZERS.find(first.optimizer or "adam"),
    }  # fmt: skip
    try:
        with keeper or nullcontext():
            learning = learner(streams, parts, generators)
            results = follow(learning, **settings, execution=how, watch=watch, keeper=keeper)
    except Diverged as stopped:
        if unfinished is not None:  # going on from its state would only diverge again
            resume.discard(unfinished, descriptions)
        raise Diverged(stopped.net, stopped.task, stopped.step, first.method, stopped.place) from stopped
    seconds = (time.perf_counter() - began + (keeper.before if keeper else 0)) / len(results)
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
                    device=records.device_name(stream.device)
                    + (f", {len(results)} seeds together" if len(results) > 1 else "")
                    + (", compiled" if compiled else ""),
                    versions=versions,
                    commit=records.commit(),
                    date=datetime.now(UTC).isoformat(timespec="seconds"),
                ),
            )
        )
    return made


def execute(
    description: Experiment, data: Split | None = None, device: str | None = None, watch: Watch | None = None
) -> Record:
    """The record of a run, as `trained` makes it, where the network itself is of no interest; raises what that does."""
    return trained(description, data, device, watch)[1]


def load(folder: str | Path) -> pd.DataFrame:
    """All records below a folder as one frame, a row each.

    Columns: the fields of `Experiment`, ``id``, ``acc``, ``bwt``, ``fwt``, ``forgetting``, and the fields of `Record`
    (``matrix`` as nested tuples). What a file is called does not matter; an experiment that stands twice appears twice.

    Raises
    ------
    InputError : no such folder, or a damaged record.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds records of runs")
    return frame(records.below(Path(folder)))


def frame(several: Iterable[Record]) -> pd.DataFrame:
    """Records as a frame, a row each; see `load` for its columns, which an empty one has as well."""
    own = [field.name for field in fields(Record) if field.name != "experiment"]
    rows = [
        {
            **record.experiment.facts(),
            "id": record.experiment.id,
            **record.summary(),
            **{name: getattr(record, name) for name in own},
        }
        for record in several
    ]
    declared = {name: None for row in rows for name in row}  # by methods of one's own as well
    described = [*NAMES, *(name for name in declared if name not in {*NAMES, *MEASURES, *own})]
    return pd.DataFrame(rows, columns=[*described, *MEASURES, *own])


def published(folder: str = "runs") -> pd.DataFrame:
    """The runs in one of `FOLDERS`; columns as in `load`, and no row where none is stored yet.

    Raises
    ------
    InputError : another folder, or a damaged record.
    """
    if folder not in FOLDERS:
        raise unknown("folder of runs", folder, FOLDERS)
    path = shipped(folder)
    return load(path) if path.is_dir() else frame([])


@cache
def book() -> pd.DataFrame:
    """All `FOLDERS` as one frame, indexed by ``id``, each experiment once; columns as in `load`.

    Read once, for a chapter asks again and again: take parts of it, and never change it.
    """
    every = (record for folder in FOLDERS for record in records.below(shipped(folder)))
    return frame(every).drop_duplicates("id").set_index("id", drop=False)


def of_book(descriptions: Sequence[Experiment]) -> pd.DataFrame | None:
    """The book's runs of these experiments, in their order; None unless every one is stored. Columns as in `load`."""
    stored = book()
    ids = [description.id for description in descriptions]
    return stored.loc[ids].reset_index(drop=True) if set(ids) <= set(stored.index) else None


def stored_or_trained(descriptions: Sequence[Experiment], data: Split | None = None) -> pd.DataFrame:
    """`of_book` where every one is stored; otherwise all of them trained now, together. Columns as in `load`.

    Parameters
    ----------
    descriptions, data : see `trained_together`.

    Raises
    ------
    InputError : a damaged record, or what `trained_together` raises where they are trained.
    """
    found = of_book(descriptions)
    return frame(record for _, record in trained_together(descriptions, data)) if found is None else found
