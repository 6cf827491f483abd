"""What two methods that only count, nearest mean and SLDA, reach on the features of a frozen encoder; as one JSON file.

python tools/count_features.py cifar100 cifar10-jpeg-e100 book/results/counting/cifar100.json

Neither has a seed or depends on the order of classes. The dataset is looked for as everywhere, see `replaylib.load`.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from replaylib import Split, load
from replaylib.data.files import create
from replaylib.lab import encoders, records
from replaylib.lab.extra.slda import Gaussians


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


def write(features: Split, dataset: str, encoder: str, target: Path) -> None:
    """One JSON file: the accuracies, and where they come from."""
    known = encoders.load(encoder)
    about = {
        "dataset": dataset, "classes": len(features.train.classes), "training samples": len(features.train),
        "encoder": encoder, "digest": known.digest, "trained on": asdict(known.origin)["dataset"],
        "accuracy": count(features), "versions": records.versions(), "commit": records.commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    create(target, json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    name, encoder, target = sys.argv[1:]
    write(encoders.features(load(name), encoder), name, encoder, Path(target))
