"""What the scripts behind the live parts share: the page's images as the library's data, and the networks' size."""

import torch
from live_digits import LEVELS, OUT, TRAIN, read

from replaylib.data.dataset import Dataset, Split
from replaylib.nets import Classifier
from replaylib.scenarios import Stream

HIDDEN = (100, 100)
BATCH, LR, STEPS = 32, 1e-3, 100
KEPT = 3
NAMES = ["0, 1", "2, 3", "4, 5", "6, 7", "8, 9"]


def digits() -> Split:
    """The images of the page, as the library's data."""
    ink = torch.from_numpy(read(OUT.read_text(encoding="utf-8")))
    images = (ink.long() * (255 // LEVELS)).to(torch.uint8)[:, None]
    per = len(ink) // 10
    labels = torch.arange(10).repeat_interleave(per)
    trained = torch.arange(len(ink)) % per < TRAIN
    classes = tuple(map(str, range(10)))
    return Split(*(Dataset("MNIST at 14x14", images[part], labels[part], classes) for part in (trained, ~trained)))


def classifier(stream: Stream, start: torch.Generator) -> Classifier:
    return Classifier(stream.data.train.pixels, HIDDEN, stream.outputs, start)
