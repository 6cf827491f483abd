"""Running an experiment gives a network and a record. The records of many are one table, see `replaylib.lab.frames`."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from replaylib.data.dataset import Split, for_validation
from replaylib.data.glyphs import dataset_name
from replaylib.errors import InputError
from replaylib.lab import contents, encoders, machine, resume
from replaylib.lab.experiments import Experiment
from replaylib.lab.fast import execution, learner
from replaylib.lab.frames import frame, of_book
from replaylib.lab.methods import method
from replaylib.lab.parts import Parts, Plan
from replaylib.lab.protocols import default_device, protocol
from replaylib.lab.records import Record
from replaylib.lab.tables import OPTIMIZERS
from replaylib.loop import Watch, follow
from replaylib.nets import Network
from replaylib.scenarios import Stream
from replaylib.steps import Diverged


def data_of(description: Experiment, device: str = "cpu") -> Split:
    """The images that an experiment is about, on a device, whatever is made of them."""
    p, d = protocol(description.protocol), description
    contents.check(d.dataset, d.data_digest, d.encoder, d.encoder_digest)
    if d.encoder is not None:
        encoders.check(d.encoder)  # before data are downloaded for it
    return p.load(d.dataset, device, tasks=d.tasks, clutter=d.clutter, image_size=d.image_size)


def check_data(description: Experiment, data: Split) -> None:
    """Raise `InputError` for glyphs of other clutter, or for another number of tasks, than the experiment says."""
    if description.clutter is not None:
        symbols = protocol(description.protocol).symbols_of(description.tasks)
        if (data.train.name, len(data.train.classes)) != (dataset_name(description.clutter), symbols):
            given = f"{data.train.name}, {len(data.train.classes)} symbols"
            asked = f"{dataset_name(description.clutter)}, {symbols} symbols"
            raise InputError(f"these are {given}, and the experiment is about {asked}: take runs.data_of(experiment)")


def as_seen(description: Experiment, data: Split) -> Split:
    """The data as an experiment's network takes them: with a frozen encoder, its features, computed once.

    With one that is tuned, or whose input is replayed, they are images, normalised as those were that it was trained
    on. Data that are features already stay. Raises `InputError` for an encoder that does not fit.
    """
    if description.encoder is None:
        return data
    if data.train.images.ndim != 4:
        if data.train.image_units is None:
            problem = f"{data.train.name} holds no images, which encoder {description.encoder} takes"
            raise InputError(f"{problem}: choose backbone none")
        return data
    if description.backbone == "frozen" and method(description.method).level != "pixels":
        return encoders.features(data, description.encoder)
    return encoders.normalised(data, description.encoder)


class Start(NamedTuple):
    """What an experiment starts from: the stream, the parts before any training, and the sampling generator."""

    stream: Stream
    parts: Parts
    sampling: torch.Generator


def assemble(description: Experiment, data: Split) -> Start:
    """What `replaylib.train` takes for an experiment.

    The seed decides three independent streams of random numbers (parameters, replay, samples of the current task with
    the network's noise): a method that draws more replay neither starts from another network nor, unless its network
    takes noise, sees other samples of the current task.
    """
    stream = stream_of(description, data)
    data = stream.data
    seeds = torch.randint(2**62, (3,), generator=torch.Generator().manual_seed(description.seed)).tolist()
    sampling, replaying = (stream.generator(s) for s in seeds[1:])
    m = method(description.method)
    images = description.encoder is not None and data.train.images.ndim == 4
    backbone = encoders.load_encoder(description.encoder).net if description.encoder and images else None
    frozen = description.backbone == "frozen"
    plan = Plan(stream, description.hidden, torch.Generator().manual_seed(seeds[0]), replaying, backbone, frozen)
    told = {name: value for name, value in description.options.items() if value is not None}
    return Start(stream, m.make(plan, **told), sampling)


def stream_of(description: Experiment, data: Split) -> Stream:
    """The tasks that an experiment makes of data, which are as `data_of` gives."""
    d, data = description, as_seen(description, data)
    if d.validation is not None:
        data = for_validation(data, d.validation, d.seed)
    return protocol(d.protocol).stream(data, d.scenario, d.tasks, d.seed, d.class_order, d.stream)


def stackable(descriptions: Sequence[Experiment], data: Split, start: Start) -> bool:
    """Whether runs can be computed as one: their network allows it, and which units are active is the same in all.

    ``start`` is what the first of them starts from.
    """
    if not start.parts.net.pure or start.stream.even:
        return start.parts.net.pure
    return len({stream_of(one, data).missing for one in descriptions}) == 1


def network(description: Experiment, data: Split) -> Network:
    """The network that an experiment starts from, untrained: what a checkpoint is loaded into."""
    return assemble(description, data).parts.net


class Run(NamedTuple):
    """What a run leaves: the network at its end, on the CPU, and its record."""

    net: Network
    record: Record


def run(
    description: Experiment, data: Split | None = None, device: str | None = None, watch: Watch | None = None
) -> Run:
    """Run an experiment: train a network as described, from nothing, and test it.

    On the same machine, with as many threads, the same description gives the same network, bit for bit. With another
    number of threads, which a record's ``device`` says, sums are added up in another order, and the network differs by
    rounding, which grows over training.

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
    return run_seeds([description], data, device, watch)[0]


def run_seeds(
    descriptions: Sequence[Experiment],
    data: Split | None = None,
    device: str | None = None,
    watch: Watch | None = None,
    *,
    compiled: bool = False,
    captured: bool = False,
    unfinished: Path | None = None,
    say: Callable[[str], None] = resume.on_stderr,
    start: Start | None = None,
) -> list[Run]:
    """As `run`, for experiments that differ in their seed alone; several are computed as one, see `lab.fast`.

    One by one and together, a seed's accuracies differ by rounding. A record's ``seconds`` are its share of the time.
    With ``compiled``, which is for one seed, its loss is compiled first; accuracies differ by rounding, and the
    record says it. With ``captured``, which is for a GPU, steps are replayed as a CUDA graph.

    ``unfinished`` is the folder of records in which the run is kept until it has ended, and from where it goes on if it
    is there already, see `replaylib.lab.resume`: when its records are written, `replaylib.lab.resume.discard` it.
    ``say`` is called with a line about what was found. ``start`` is what `assemble` gave for the first of them, where
    somebody has looked at it already; it is used up.

    Raises
    ------
    InputError : as `run`; no experiment, or experiments that differ in more than their seed; several, or
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
    starts = [start or assemble(first, data), *(assemble(description, data) for description in descriptions[1:])]
    streams, parts, generators = zip(*starts, strict=True)
    where = streams[0].device
    how = execution([part.net for part in parts], where, first.precision, compiled=compiled, captured=captured)
    versions = machine.versions() | contents.code_of(first)
    keeper = None if unfinished is None else resume.keeper(unfinished, descriptions, data, how, versions, say)
    try:
        with keeper or nullcontext():
            learning = learner(streams, parts, generators)
            results = follow(
                learning, iterations=first.iterations, batch=first.batch, lr=first.lr, replayed=first.replayed,
                optimizer=OPTIMIZERS.find(first.optimizer or "adam"), execution=how, watch=watch, keeper=keeper,
            )  # fmt: skip
    except Diverged as stopped:
        if unfinished is not None:  # going on from its state would only diverge again
            resume.discard(unfinished, descriptions)
        raise Diverged(stopped.net, stopped.task, stopped.step, first.method, stopped.place) from stopped
    seconds = (time.perf_counter() - began + (keeper.before if keeper else 0)) / len(results)
    trained: list[Run] = []
    for description, stream, part, result in zip(descriptions, streams, parts, results, strict=True):
        trained.append(
            Run(
                part.net.cpu(),
                Record(
                    experiment=description,
                    matrix=tuple(tuple(row) for row in result.matrix.tolist()),
                    untrained=tuple(result.untrained.tolist()),
                    memory_bytes=part.replay.nbytes,
                    seconds=seconds,
                    device=machine.device_name(stream.device),
                    versions=versions,
                    commit=machine.commit(),
                    date=machine.now(),
                    together=len(results),
                    compiled=compiled,
                ),
            )
        )
    return trained


def stored_or_run(descriptions: Sequence[Experiment], data: Split | None = None) -> pd.DataFrame:
    """The book's runs of these experiments where every one is stored; otherwise all are run now, together.

    Columns are as in `replaylib.lab.frames.load_records`.

    Parameters
    ----------
    descriptions, data : see `run_seeds`.

    Raises
    ------
    InputError : what `run_seeds` raises, where they are run.
    """
    stored = of_book(descriptions)
    return frame(run.record for run in run_seeds(descriptions, data)) if stored is None else stored
