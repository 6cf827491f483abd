"""A zip of images is an official dataset because every pixel is, and for no other reason."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from replaylib.data import downloads, official
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError


def zipped(path, change=0):
    """Two classes of three training images and one test image, 32x32, losslessly compressed."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 32, 3), dtype=np.uint8)
    pixels[0, 0, 0, 0, 0] += change
    with zipfile.ZipFile(path, "w") as archive:
        for label, name in enumerate(("apple", "bear")):
            for place, image in enumerate(pixels[label]):
                part = "train" if place < 3 else "test"
                with archive.open(f"{part}/{name}/{place:03d}.webp", "w") as file:
                    Image.fromarray(image).save(file, "webp", lossless=True)
    return torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    monkeypatch.setattr(official.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    pixels = zipped(tmp_path / "cifar100.zip")
    digests = tuple(official.digest(part.flatten(0, 1)) for part in (pixels[:, :3], pixels[:, 3:]))
    monkeypatch.setitem(official.DIGESTS, "cifar100", digests)
    return tmp_path


def test_official_pixels_in_a_zip_are_the_dataset(folder):
    train, test = load_dataset("cifar100")
    assert (train.name, train.classes, len(train), len(test)) == ("cifar100", ("apple", "bear"), 6, 2)
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (train.mean, train.std) == downloads.CIFAR100_STATISTICS


def test_they_are_decoded_once(folder, monkeypatch):
    first = load_dataset("cifar100")
    monkeypatch.setattr(official.folders, "load_folder", lambda path: pytest.fail("decoded again"))
    again = load_dataset("cifar100")
    assert again.train.images.equal(first.train.images)
    assert again.test.labels.equal(first.test.labels)


def test_a_spoilt_cache_is_not_believed(folder):
    first = load_dataset("cifar100")
    (kept,) = (folder / "cache").rglob("*.safetensors")
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    assert load_dataset("cifar100").test.images.equal(first.test.images)
    kept.write_bytes(b"nothing")
    assert load_dataset("cifar100").test.images.equal(first.test.images)


def test_other_pixels_under_its_name_are_refused(folder):
    zipped(folder / "cifar100.zip", change=1)
    with pytest.raises(InputError, match=r"cifar100\.zip is called as cifar100 is and holds other pixels .* rename it"):
        load_dataset("cifar100")


def test_a_cache_that_cannot_be_written_is_done_without(folder):
    (folder / "cache").write_text("a file where the folder would be")
    assert len(load_dataset("cifar100").train) == 6
