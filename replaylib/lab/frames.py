"""The records of many runs are one table: a frame, a row each. Those that the book shows come with the library."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import pandas as pd

from replaylib.data.files import shipped
from replaylib.errors import InputError, unknown
from replaylib.lab import records
from replaylib.lab.experiments import NAMES, Experiment
from replaylib.lab.records import Record

#: What a frame has beside the fields of `Experiment` and of `Record`.
MEASURES = ("id", "acc", "bwt", "fwt", "forgetting")

#: The folders of runs that come with the library, those at the published scale first. One file in them is one run.
FOLDERS = {
    "runs": "published protocols, or shorter than published where their page says so",
    "cifar100": "Split CIFAR-100, published and smaller networks, with an encoder pre-trained for 100 epochs",
    "quality": "Split MNIST, and small networks on Split CIFAR-100, with measures of what they imagine (Fig. 9)",
    "fig4": "how much replay, and how good, on Split MNIST in fewer steps",
    "bfloat16": "some of the first, with products of layers in bfloat16",
    "dial": "glyphs over more and more clutter",
    "dial-tasks": "glyphs in more and more tasks",
    "glyphs": "glyphs at full clutter, all methods",
    "sources": "glyphs at full clutter in fewer steps, by where replayed features come from",
    "drawn": "small networks on Split CIFAR-100, by what is replayed in the place of real features",
    "mnist-5k": "quick protocols of 5,000 real MNIST images: what chapters compare their own runs with",
}


def load_records(folder: str | Path) -> pd.DataFrame:
    """All records below a folder as one frame, a row each.

    Columns: the fields of `Experiment`, ``id``, ``acc``, ``bwt``, ``fwt``, ``forgetting``, and the fields of `Record`
    (``matrix`` as nested tuples). What a file is called does not matter. An experiment that stands twice appears once,
    with its measures if one of its records has them; what cannot be read is passed over, see `records.below`.

    Raises
    ------
    InputError : no such folder.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds records of runs")
    return frame(_once(records.below(Path(folder))))


def _once(several: Iterable[Record]) -> Iterable[Record]:
    each: dict[str, Record] = {}
    for record in several:
        if record.measures is not None or record.experiment.id not in each:
            each[record.experiment.id] = record
    return each.values()


def frame(several: Iterable[Record]) -> pd.DataFrame:
    """Records as a frame, a row each; see `load_records` for its columns, which an empty one has as well."""
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
    """The runs in one of `FOLDERS`; columns as in `load_records`, and no row where none is stored yet.

    Raises
    ------
    InputError : another folder.
    """
    if folder not in FOLDERS:
        raise unknown("folder of runs", folder, FOLDERS)
    path = shipped(folder)
    return load_records(path) if path.is_dir() else frame([])


@cache
def book() -> pd.DataFrame:
    """All `FOLDERS` as one frame, indexed by ``id``, each experiment once; columns as in `load_records`.

    Read once, for a chapter asks again and again: take parts of it, and never change it.
    """
    every = (record for folder in FOLDERS for record in records.below(shipped(folder)))
    return frame(every).drop_duplicates("id").set_index("id", drop=False)


def of_book(descriptions: Sequence[Experiment]) -> pd.DataFrame | None:
    """The book's runs of these experiments, in their order; None unless every one is stored."""
    stored = book()
    ids = [description.id for description in descriptions]
    return stored.loc[ids].reset_index(drop=True) if set(ids) <= set(stored.index) else None
