"""What is held fixed while methods are compared: the stream, the network, the optimizer, the number of steps.

A protocol is either published (its source says where) or the quick stand-in of a published one on embedded data.
Chapters ask for the published one by name through `in_profile`, which hands out the stand-in unless the environment
variable ``REPLAYLIB_PROFILE`` says ``paper``.
"""

import os
from dataclasses import dataclass

import torch

from replaylib.data import Split, load, pad
from replaylib.errors import InputError, unknown
from replaylib.scenarios import Stream, permuted_stream, split_stream

BI_R = "van de Ven, Siegelmann & Tolias 2020, Nature Communications 11:4069"


@dataclass(frozen=True)
class Protocol:
    """One row of the table `PROTOCOLS`.

    Attributes
    ----------
    kind : ``"split"`` (classes are shared out over tasks) or ``"permuted"`` (tasks differ in the order of pixels).
    hidden : units of each fully connected hidden layer.
    lr : Adam's learning rate (its betas are 0.9 and 0.999 throughout).
    batch : samples of the current task a step; as many replayed ones come on top.
    iterations : steps a task.
    scenario : the scenario of the published protocol, and the default one.
    seeds : how many the source used (published) or the book uses (quick).
    padding : zeros added on each side of an image.
    dataset_options : passed on to `replaylib.data.load`, as pairs.
    quick : the name of its stand-in on embedded data; None if it is one.
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
    dataset_options: tuple[tuple[str, int | float], ...] = ()
    quick: str | None = None

    def stream(self, data: Split, scenario: str, tasks: int, seed: int) -> Stream:
        """The stream of tasks that this protocol makes of ``data``; see `split_stream` and `permuted_stream`."""
        make = {"split": split_stream, "permuted": permuted_stream}[self.kind]
        return make(data, scenario, tasks, seed)

    def load(self, dataset: str | None = None, device: str = "cpu") -> Split:
        """The protocol's data, or another dataset put in its place, on a device."""
        if dataset in (None, self.dataset):
            data = load(self.dataset, device, **dict(self.dataset_options))
        else:
            data = load(dataset, device)
        return pad(data, self.padding) if self.padding else data


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "split-mnist", "mnist", "split", 5, (400, 400), 1e-3, 128, 2000, "class", 20, BI_R,
            quick="split-digits",
        ),
        Protocol(
            "permuted-mnist", "mnist", "permuted", 100, (2000, 2000), 1e-4, 256, 5000, "domain", 5, BI_R,
            padding=2, quick="permuted-digits",
        ),
        Protocol("split-digits", "digits", "split", 5, (100, 100), 1e-3, 64, 200, "class", 5, "quick Split MNIST"),
        Protocol(
            "permuted-digits", "digits", "permuted", 10, (100, 100), 1e-3, 64, 200, "domain", 3,
            "quick Permuted MNIST",
        ),
        Protocol(
            "split-glyphs", "glyphs", "split", 5, (400, 400), 1e-3, 64, 200, "class", 3, "drawn by the project",
            dataset_options=(("classes", 10),),
        ),
    )
}  # fmt: skip


def protocol(name: str) -> Protocol:
    """The protocol of that name; raises `InputError`, with the nearest names, if there is none."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def profile() -> str:
    """``"quick"`` or ``"paper"``: the environment variable ``REPLAYLIB_PROFILE``, the one place where it is chosen."""
    chosen = os.environ.get("REPLAYLIB_PROFILE") or "quick"
    if chosen not in ("quick", "paper"):
        raise InputError(f"REPLAYLIB_PROFILE is {chosen!r}: set it to quick (the default) or paper")
    return chosen


def default_device() -> str:
    """``"cuda"`` under the ``paper`` profile where there is a GPU; otherwise ``"cpu"``, which suits small networks."""
    return "cuda" if profile() == "paper" and torch.cuda.is_available() else "cpu"


def in_profile(name: str) -> Protocol:
    """A published protocol under the ``paper`` profile, its quick stand-in under ``quick``."""
    published = protocol(name)
    return protocol(published.quick) if profile() == "quick" and published.quick else published
