"""What counting reaches, as the book stores it."""

import json
from pathlib import Path

import torch

from replaylib import Dataset, Split, load_dataset
from tools.count_features import SEEDS, count, write


def subset(data: Split, each: int) -> Split:
    """The first few images of each class."""

    def part(whole: Dataset) -> Dataset:
        rows = torch.cat([(whole.labels == c).nonzero()[:each, 0] for c in range(len(whole.classes))])
        return Dataset(whole.name, whole.images[rows], whole.labels[rows], whole.classes)

    return Split(*map(part, data))


def test_accuracies_are_those_of_the_nearest_mean_one_by_one() -> None:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(20)
    parts = [Dataset("f", torch.randn(60, 4, generator=g) + labels[:, None], labels, tuple("abc")) for _ in range(2)]
    features = Split(*parts)
    means = torch.stack([features.train.images[labels == c].mean(0) for c in range(3)])
    right = sum(
        int(min(range(3), key=lambda c: float((x - means[c]).norm())) == y)
        for x, y in zip(features.test.images, labels.tolist(), strict=True)
    )
    assert count(features)["nearest mean"] == 100 * torch.tensor(right / 60).item()


def test_one_file_says_what_was_counted_and_on_what(tmp_path: Path) -> None:
    target = tmp_path / "deeper" / "glyphs.json"
    write(subset(load_dataset("glyphs", classes=4, clutter=1.0), 20), "glyphs", "glyphs", target)
    told = json.loads(target.read_text())
    assert told["training samples"] == 80
    assert told["encoder"] == "glyphs"
    assert set(told["accuracy"]) == {"nearest mean", "nearest mean, normalised", "SLDA"}
    assert {name: len(several) for name, several in told["untaught"].items()} == {
        "pixels": 1,
        "untrained encoder": len(SEEDS),
    }
    assert told["accuracy"]["SLDA"] > told["untaught"]["pixels"][0]["SLDA"]
