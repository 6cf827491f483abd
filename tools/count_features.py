"""What two methods that only count, nearest mean and SLDA, reach on the features of a frozen encoder; as one JSON file.

python tools/count_features.py cifar100 cifar10-jpeg-e100 book/results/counting/cifar100.json

Neither has a seed or depends on the order of classes. Beside the encoder's features stand, as bounds of what it has
learned, pixels (averaged over 2 x 2) and features of the same layers before any training, from three seeds. The dataset
is looked for as everywhere, see `replaylib.load_dataset`.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import AvgPool2d, Module

from replaylib import Split, load_dataset
from replaylib.brain import internal
from replaylib.conv import ConvEncoder
from replaylib.data.files import create
from replaylib.lab import encoders, machine
from replaylib.lab.extra.slda import Gaussians

#: Of the encoders that were never trained.
SEEDS = range(3)


def count(features: Split) -> dict[str, float]:
    """Test accuracy in percent of nearest mean, on features as they are and scaled to length 1, and of SLDA."""
    x, test, wanted = features.train.images, features.test.images, features.test.labels
    model = Gaussians(len(features.train.classes), x.shape[1])
    model.learn(x, features.train.labels)

    def accuracy(seen: Tensor) -> float:
        return 100 * (seen == wanted).float().mean().item()

    normalised = torch.cdist(F.normalize(test), F.normalize(model.mean))
    return {
        "nearest mean": accuracy(torch.cdist(test, model.mean).argmin(1)),
        "nearest mean, normalised": accuracy(normalised.argmin(1)),
        "SLDA": accuracy(model.scores(test).argmax(1)),
    }


def untaught(images: Split, encoder: str) -> dict[str, list[dict[str, float]]]:
    """The same of pixels, and of the encoder's layers before any training, one of each of `SEEDS`."""
    prepared = encoders.normalised(images, encoder)
    layers: dict[str, list[Module]] = {
        "pixels": [AvgPool2d(2)],
        "untrained encoder": [ConvEncoder(torch.Generator().manual_seed(seed), prepared.train.shape) for seed in SEEDS],
    }
    with torch.no_grad():
        return {name: [count(internal(prepared, one)) for one in several] for name, several in layers.items()}


def write(images: Split, dataset: str, encoder: str, target: Path) -> None:
    """One JSON file: the accuracies, and where they come from."""
    known, features = encoders.load_encoder(encoder), encoders.features(images, encoder)
    about = {
        "dataset": dataset, "classes": len(features.train.classes), "training samples": len(features.train),
        "encoder": encoder, "digest": known.digest, "trained on": asdict(known.origin)["dataset"],
        "accuracy": count(features), "untaught": untaught(images, encoder),
        "versions": machine.versions(), "commit": machine.commit(),
        "date": machine.now(),
    }  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    create(target, json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    name, encoder, target = sys.argv[1:]
    write(load_dataset(name), name, encoder, Path(target))
