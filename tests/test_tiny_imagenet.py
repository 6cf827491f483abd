"""The image folder of Tiny ImageNet that split-tiny-imagenet runs on is made from the archive as it is downloaded."""

import io
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from replaylib import InputError
from replaylib.data import catalogue
from replaylib.lab import protocols

TOOL = Path(__file__).parents[1] / "tools" / "tiny_imagenet.py"


def run(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True)


def classes() -> list[str]:
    """As the tool has them."""
    return runpy.run_path(str(TOOL))["CLASSES"]


def picture(shade: int) -> bytes:
    """64x64 pixels of two columns in turn, whose mean is ``shade``."""
    pixels = np.full((64, 64, 3), shade - 20, dtype=np.uint8)
    pixels[:, ::2] = shade + 20
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def archive(path: Path, without: str = "") -> Path:
    """As Tiny ImageNet's is laid out: two training images and one validation image a class."""
    said = []
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny-imagenet-200/words.txt", "n00001740\tentity\n")
        for place, label in enumerate([*classes(), "n99999999_not_taken"]):
            wordnet = label.partition("_")[0]
            if wordnet == without:
                continue
            for number in (1, 0):
                name = f"tiny-imagenet-200/train/{wordnet}/images/{wordnet}_{number}.JPEG"
                file.writestr(name, picture(30 + place + 50 * number))
            file.writestr(f"tiny-imagenet-200/train/{wordnet}/{wordnet}_boxes.txt", "")
            file.writestr(f"tiny-imagenet-200/val/images/val_{place}.JPEG", picture(200))
            said.append(f"val_{place}.JPEG\t{wordnet}\t0\t0\t1\t1")
        file.writestr("tiny-imagenet-200/val/val_annotations.txt", "\n".join(said))
    return path


def test_the_archive_becomes_the_protocols_dataset(tmp_path, monkeypatch):
    done = run(archive(tmp_path / "tiny-imagenet-200.zip"), tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "data" / "tiny-imagenet-32.zip")
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "data"))
    train, test = protocols.protocol("split-tiny-imagenet").load()
    assert train.classes == tuple(classes())
    assert (len(train), len(test)) == (200, 100)
    assert train.images.shape[1:] == (3, 32, 32)
    # Pixels are averaged, in the order of names: of each class first the image with number 0.
    means = train.images.float().mean((1, 2, 3)).view(100, 2)
    assert torch.allclose(means[:, 0], 30.0 + torch.arange(100), atol=2)
    assert torch.allclose(means[:, 1] - means[:, 0], torch.tensor(50.0), atol=2)
    assert train.images.float().std((1, 2, 3)).max() < 5


def test_another_archive_is_refused_and_leaves_nothing(tmp_path):
    for path, says in (
        (archive(tmp_path / "part.zip", without=classes()[7].partition("_")[0]), f"no train images of {classes()[7]}"),
        (tmp_path / "no.zip", "no.zip"),
        (TOOL, "not a zip"),
    ):
        done = run(path, tmp_path / "data")
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "data").exists() or not any((tmp_path / "data").iterdir())
    assert run().returncode == 2


def test_who_lacks_the_dataset_is_told_how_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"tools/tiny_imagenet\.py"):
        catalogue.load_dataset("tiny-imagenet-32")
