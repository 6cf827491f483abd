"""Official datasets as a zip of images: taken for the dataset because every pixel is the official one.

Such a zip holds a dataset's images, losslessly compressed, as ``train/<class>/<image>`` and
``test/<class>/<image>``, in the official order within a class. Whether it does is known when its pixels have been
decoded and their SHA-256 compared. Decoding takes half a minute, and so the decoded images are kept in the user's cache
folder.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from replaylib.data import folders
from replaylib.data.dataset import Dataset, Split
from replaylib.data.files import writable, write_tensors
from replaylib.errors import InputError

#: SHA-256 of the official pixels of the training and of the test part: uint8 in the order (class, image, channel, row,
#: column), with the classes in label order, as many images in each, and these in the official order.
DIGESTS = {
    "cifar100": (
        "b26afbe2eeeb1bd37f5c2fbc19c9632135402bf618dc1aad682afbd06dbc3ed4",
        "b6dd12052ad1d66f6c86d32f26185e991a85fe2bc9e779f483d0efb7964e5c53",
    ),
}


def load_archive(name: str, archive: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Split:
    """The dataset of that name from a zip of its images; ``mean`` and ``std`` are what its pixels are normalised with.

    Raises
    ------
    InputError : the images are not, pixel for pixel, those of the dataset.
    """
    classes, images = _kept(name) or _decoded(name, archive)
    train, test = (
        Dataset(name, part, torch.arange(len(classes)).repeat_interleave(len(part) // len(classes)), classes)
        for part in images
    )
    return Split(replace(train, mean=mean, std=std), replace(test, mean=mean, std=std))


def digest(images: Tensor) -> str:
    """The SHA-256 of the bytes of images, in hexadecimal."""
    return hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()


def _are_official(name: str, images: list[Tensor]) -> bool:
    return tuple(map(digest, images)) == DIGESTS[name]


def _decoded(name: str, archive: Path) -> tuple[tuple[str, ...], list[Tensor]]:
    split = folders.load_folder(archive)
    images = [part.images for part in split]
    if not _are_official(name, images):
        raise InputError(
            f"{archive} is called as {name} is and holds other pixels (their SHA-256 is not the official one): "
            "rename it to use it under a name of its own"
        )
    target = _cache(name)
    about = {"classes": json.dumps(split.train.classes)}
    # Where it cannot be written, the images are decoded anew next time, and nothing is lost.
    with suppress(InputError):
        writable(target.parent)
        write_tensors({"train": images[0], "test": images[1]}, target, about, "")
    return split.train.classes, images


def _cache(name: str) -> Path:
    return platformdirs.user_cache_path("replaylib") / "decoded" / f"{name}.safetensors"


def _kept(name: str) -> tuple[tuple[str, ...], list[Tensor]] | None:
    """What was decoded earlier; None where there is nothing, or something else than there should be."""
    try:
        with safe_open(_cache(name), framework="pt") as file:
            classes = tuple(json.loads((file.metadata() or {})["classes"]))
            images = [file.get_tensor(part) for part in ("train", "test")]
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return (classes, images) if _are_official(name, images) else None
