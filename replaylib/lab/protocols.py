"""What is held fixed while methods are compared: the stream, the network, the optimizer, the number of steps.

A protocol is either published (its source says where) or the quick stand-in of a published one on embedded data.
Chapters ask for the published one by name through `in_profile`, which hands out the stand-in unless the environment
variable ``REPLAYLIB_PROFILE`` says ``paper``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from replaylib.data.known import DOWNLOADS, EMBEDDED
from replaylib.errors import InputError
from replaylib.lab import streams as streams  # registers the library's
from replaylib.lab.tables import DATASETS, STREAMS, Table

# A protocol is read without PyTorch; its data are loaded with it.
if TYPE_CHECKING:
    from replaylib.data.dataset import Split
    from replaylib.scenarios import Stream

#: The convolutional layers that images pass first: what is done with a pre-trained encoder.
BACKBONES = {
    "none": "there is none: fully connected layers read pixels",
    "frozen": "the data are its features, computed once; methods that replay pixels pass them through it unchanged",
    "tuned": "it is trained on with all other layers; replay is of pixels",
}

BI_R = "van de Ven, Siegelmann & Tolias 2020"
PUBLISHED = f"{BI_R}, Nature Communications 11:4069"


@dataclass(frozen=True)
class Protocol:
    """One row of the table `PROTOCOLS`.

    Attributes
    ----------
    kind : a registered stream, by name: ``"split"`` (classes are shared out over tasks), ``"uneven"`` (the same, where
        their number does not divide by that of tasks), ``"permuted"`` (tasks differ in the order of pixels) or
        ``"text"`` (each is a collection of text).
    hidden : units of each fully connected hidden layer.
    lr : Adam's learning rate (its betas are 0.9 and 0.999 throughout).
    batch : samples of the current task a step; as many replayed ones come on top.
    iterations : steps a task.
    scenario : the scenario of the published protocol, and the default one.
    seeds : how many the source used (published) or the book uses (quick).
    padding : zeros added on each side of an image.
    symbols : where the dataset is ``"glyphs"``, how many of them a task has.
    encoder : a pre-trained encoder, see `replaylib.lab.encoders`; None where there is none.
    backbone : what is done with it by methods that do not replay features (see `BACKBONES`).
    settings : the protocol whose published hyper-parameters are taken, where it is not this one.
    quick : the name of its stand-in on embedded data; None if it is one.
    order : ``"random"`` where labels are sorted by meaning, so that also seed 0 has a random order of classes; None is
        the published rule, see `replaylib.scenarios.class_order`.
    """

    name: str
    dataset: str
    kind: str
    tasks: int
    hidden: tuple[int, ...]
    lr: float
    batch: int
    iterations: int
    scenario: str
    seeds: int
    source: str
    padding: int = 0
    quick: str | None = None
    symbols: int | None = None
    encoder: str | None = None
    backbone: str = "none"
    settings: str | None = None
    order: str | None = None

    def stream(
        self, data: Split, scenario: str, tasks: int, seed: int, order: str | None = None, kind: str | None = None
    ) -> Stream:
        """The stream of tasks that this protocol makes of ``data``, or that another ``kind`` of stream makes of it."""
        return STREAMS.find(kind or self.kind)(data, scenario, tasks, seed, order)

    def load(
        self,
        dataset: str | None = None,
        device: str = "cpu",
        *,
        tasks: int | None = None,
        clutter: float | None = None,
        image_size: int | None = None,
    ) -> Split:
        """The protocol's data, or another dataset put in its place, on a device.

        Parameters
        ----------
        tasks, clutter : of glyphs, where not the protocol's own: for how many tasks symbols are drawn, over how much.
        image_size : height and width that images of a folder are resized to.

        Raises
        ------
        InputError : more symbols than are kept apart for experiments, a size for data that have theirs, or what
            `replaylib.data.catalogue.load_dataset` raises.
        """
        from replaylib.data.catalogue import load_dataset
        from replaylib.data.dataset import Split, pad

        options: dict[str, int | float] = {}
        if (dataset or self.dataset) == "glyphs":
            options["classes"] = self.symbols_of(self.tasks if tasks is None else tasks)
            options["clutter"] = 0.0 if clutter is None else clutter
        name = dataset or self.dataset
        if image_size is not None:
            if name in {*EMBEDDED, *DOWNLOADS, *DATASETS} or Path(name).suffix.lower() in (".npz", ".csv"):
                raise InputError(
                    f"{name} has samples of a size of its own: leave image_size out, it is for image folders"
                )
            options["size"] = image_size
        if name in DATASETS:
            data = Split(*(part.to(device) for part in DATASETS[name]()))
        else:
            data = load_dataset(name, device, **options)
        return pad(data, self.padding) if self.padding else data

    def symbols_of(self, tasks: int) -> int:
        """How many symbols so many tasks have: at most those on which no encoder was pre-trained.

        Tasks that differ in the order of pixels share them. Raises `InputError` for more than there are.
        """
        from replaylib.data.glyphs import RESERVED

        if self.kind == "permuted":
            return self.symbols or RESERVED
        count = (self.symbols or 2) * tasks
        if count > RESERVED:
            raise InputError(
                f"{tasks} tasks of glyphs are {count} symbols, and {RESERVED} are kept apart from those that encoders "
                f"are pre-trained on: ask for at most {RESERVED // (self.symbols or 2)} tasks"
            )
        return count


PROTOCOLS: Table[Protocol] = Table("protocol")
PROTOCOLS.update(
    (protocol.name, protocol)
    for protocol in (
        Protocol(
            "split-mnist", "mnist", "split", 5, (400, 400), 1e-3, 128, 2000, "class", 20, PUBLISHED,
            quick="split-mnist-5k",
        ),
        Protocol(
            "permuted-mnist", "mnist", "permuted", 100, (2000, 2000), 1e-4, 256, 5000, "domain", 5, PUBLISHED,
            padding=2, quick="permuted-mnist-5k",
        ),
        Protocol(
            "split-mnist-5k", "mnist-5k", "split", 5, (200, 200), 1e-3, 64, 200, "class", 5, "quick Split MNIST",
            settings="split-mnist",
        ),
        Protocol(
            "permuted-mnist-5k", "mnist-5k", "permuted", 10, (200, 200), 1e-3, 64, 100, "domain", 3,
            "quick Permuted MNIST", settings="permuted-mnist",
        ),
        Protocol(
            "split-digits", "digits", "split", 5, (100, 100), 2e-3, 64, 100, "class", 5,
            "Split MNIST on 8x8 digits, for assignments and trials of a few seconds", settings="split-mnist",
        ),
        Protocol(
            "permuted-digits", "digits", "permuted", 10, (100, 100), 3e-3, 64, 100, "domain", 3,
            "Permuted MNIST on 8x8 digits, for trials of a few seconds", settings="permuted-mnist",
        ),
        Protocol(
            "split-glyphs", "glyphs", "split", 5, (100, 100), 1e-3, 32, 300, "class", 3,
            "quick Split CIFAR-100, drawn by the project", symbols=2, encoder="glyphs", settings="split-cifar100",
        ),
        Protocol(
            "split-text", "python-text", "text", 3, (100,), 1e-2, 128, 150, "domain", 3,
            "this course: the next of characters, in one collection of text after another", settings="split-mnist",
            order="labels",
        ),
        Protocol(
            "split-cifar100", "cifar100", "split", 10, (2000, 2000), 1e-4, 256, 5000, "class", 10,
            f"{PUBLISHED}, with an encoder pre-trained on CIFAR-10 as JPEG images",
            encoder="cifar10-jpeg-e100", backbone="tuned", quick="split-glyphs", order="random",
        ),
        Protocol(
            "split-tiny-imagenet", "tiny-imagenet-32", "split", 10, (2000, 2000), 1e-4, 256, 5000, "class", 10,
            "this course, as Split CIFAR-100 on other images: 100 classes of Tiny ImageNet at 32x32",
            encoder="cifar10-jpeg", backbone="tuned", settings="split-cifar100", quick="split-glyphs", order="random",
        ),
    )
)  # fmt: skip


def protocol(name: str) -> Protocol:
    """The protocol of that name; raises `InputError`, with the nearest names, if there is none."""
    return PROTOCOLS.find(name)


def profile() -> str:
    """``"quick"`` or ``"paper"``: the environment variable ``REPLAYLIB_PROFILE``, the one place where it is chosen."""
    chosen = os.environ.get("REPLAYLIB_PROFILE") or "quick"
    if chosen not in ("quick", "paper"):
        raise InputError(f"REPLAYLIB_PROFILE is {chosen!r}: set it to quick (the default) or paper")
    return chosen


def default_device() -> str:
    """``"cuda"`` under the ``paper`` profile where there is a GPU; otherwise ``"cpu"``, which suits small networks."""
    import torch

    return "cuda" if profile() == "paper" and torch.cuda.is_available() else "cpu"


def in_profile(name: str) -> Protocol:
    """A published protocol under the ``paper`` profile, its quick stand-in under ``quick``."""
    published = protocol(name)
    return protocol(published.quick) if profile() == "quick" and published.quick else published
