"""Which datasets the library knows by name, and where data lie: said without loading anything."""

import os
from pathlib import Path
from typing import NamedTuple

import platformdirs

from replaylib.errors import InputError

#: Height and width that images of a folder are resized to, where nobody says another.
IMAGE_SIZE = 32
#: Datasets that come with the installation.
EMBEDDED = {
    "digits": "1,797 handwritten digits, 8x8 grey, embedded",
    "mnist-5k": "5,000 images of MNIST, 28x28 grey, embedded",
    "glyphs": "symbols drawn over clutter, 32x32 RGB, as many classes as asked for, embedded",
    "glyphs-pretraining": "other symbols, at all levels of clutter, to pre-train on, embedded",
    "python-text": "ten characters of prose, code and names that every Python brings along, and the next, embedded",
}


class Download(NamedTuple):
    """A dataset that is fetched once: what it is, its folder in the data directory, its size, and what it is made of.

    ``shape`` is that of an image: channels, rows and columns.
    """

    description: str
    folder: str
    megabytes: int
    shape: tuple[int, int, int]
    classes: int


DOWNLOADS = {
    "mnist": Download("70,000 handwritten digits, 28x28 grey", "MNIST", 12, (1, 28, 28), 10),
    "fashion-mnist": Download(
        "70,000 pictures of clothes in 10 classes, 28x28 grey", "FashionMNIST", 31, (1, 28, 28), 10
    ),
    "cifar10": Download("60,000 photographs in 10 classes, 32x32 RGB", "cifar-10-batches-py", 171, (3, 32, 32), 10),
    "cifar100": Download("60,000 photographs in 100 classes, 32x32 RGB", "cifar-100-python", 169, (3, 32, 32), 100),
}

#: Image folders that protocols ask for by name, and how one comes by them.
MADE = {
    "tiny-imagenet-32": "make it from Tiny ImageNet's archive with tools/tiny_imagenet.py, which is in the repository",
}


def data_directory() -> Path:
    """The folder that downloads go to and image folders are looked for in.

    ``$REPLAYLIB_DATA`` if it is set, otherwise the user's cache folder. It need not exist.

    Raises
    ------
    InputError : if it is something else than a folder.
    """
    named = os.environ.get("REPLAYLIB_DATA")
    directory = Path(named).expanduser() if named else platformdirs.user_cache_path("replaylib")
    if directory.exists() and not directory.is_dir():
        raise InputError(f"the data directory {directory} is not a folder; set REPLAYLIB_DATA to one.")
    return directory


def names() -> dict[str, str]:
    """The names that `replaylib.data.catalogue.load_dataset` takes now, with a line each, image folders included."""
    here, folders = data_directory(), {}
    ours = {one.folder for one in DOWNLOADS.values()} | {"encoders", "networks", "decoded", "index"}
    if here.is_dir() and any(path.name not in ours for path in here.iterdir()):
        from replaylib.data.folders import find

        folders = {name: f"image folder {path}" for name, path in find(here).items()}
    fetched = {
        name: f"{one.description}, "
        + ("downloaded" if (here / one.folder).exists() else f"a download of {one.megabytes} MB")
        for name, one in DOWNLOADS.items()
    }
    return folders | fetched | EMBEDDED
