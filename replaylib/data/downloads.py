"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100: fetched once through torchvision, checked whenever they are read."""

import gzip
import math
import re
import socket
import struct
import tempfile
import textwrap
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch

from replaylib.data import official
from replaylib.data.dataset import Dataset, Split
from replaylib.data.known import DOWNLOADS
from replaylib.errors import InputError

#: The datasets of idx files, all four of which are called alike, and how one of them begins.
IDX_FOLDERS = ("MNIST", "FashionMNIST")
IDX_FILE = re.compile(r"(train|t10k)-(images|labels)[-.]idx", re.IGNORECASE)
IDX_IMAGES, IDX_LABELS = 2051, 2049  # first four bytes of an idx file: uint8 in three dimensions, uint8 in one
GZIP = b"\x1f\x8b"
PATIENCE = 30.0  # seconds without an answer from the server

# torchvision takes seconds to import, so it is imported where it is needed: not for idx files that are already there.


@dataclass(frozen=True)
class Source:
    """A downloadable dataset: torchvision's class for it, and how it is read; see `replaylib.data.known.DOWNLOADS`."""

    torchvision: str
    read: Callable[[str, Path], Split]


def load_download(name: str, directory: Path) -> Split:
    """One of `SOURCES` from `directory`, downloaded to it first if it is not there.

    What is there is only read, so `directory` may be read-only. A zip of its images, ``<name>.zip``, serves as well,
    where `replaylib.data.official` can tell that its pixels are the dataset's.

    Raises
    ------
    InputError : if the download fails, `directory` cannot be written, or a file is missing, truncated or corrupted.
    """
    source, archive = SOURCES[name], directory / f"{name}.zip"
    if not (directory / DOWNLOADS[name].folder).exists() and _raw(directory, DOWNLOADS[name].folder) is None:
        if name in official.DIGESTS and archive.is_file():
            return official.load_archive(name, archive, *CIFAR100_STATISTICS)
        _check_no_archive(name, directory)
        _download(name, source, directory)
    return source.read(name, directory)


def _check_no_archive(name: str, directory: Path) -> None:
    """Raise `InputError` where the dataset lies in an archive that was fetched by hand: it is not downloaded again."""
    stem = re.sub(r"(?<=[a-z])(?=\d)", "-?", name.replace("-", "-?"))  # cifar10 and cifar-10-python
    archive = re.compile(rf"{stem}(?!\d).*\.(zip|tar|tgz|gz)")
    inside: list[Path] = []
    with suppress(OSError):
        inside = sorted(directory.iterdir())
    if archives := [one for one in inside if one.is_file() and archive.fullmatch(one.name.casefold())]:
        wanted = directory / DOWNLOADS[name].folder
        raise InputError(
            f"{archives[0]} is an archive, and is not read as {name}: unpack it, so that {wanted} is there."
        )


def _download(name: str, source: Source, directory: Path) -> None:
    """Fetch into a temporary folder, check, and only then move into place: an interruption leaves nothing behind."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".download-", dir=directory)
    except OSError as error:
        raise InputError(
            f"cannot write to the data directory {directory} ({error.strerror}); "
            f"set REPLAYLIB_DATA to a folder that can be written, or to one that holds {DOWNLOADS[name].folder}."
        ) from None
    with staging as temporary:
        root = Path(temporary)
        try:
            with _answer_within(PATIENCE):
                _torchvision_class(source.torchvision)(root, download=True)
        except (OSError, RuntimeError, HTTPException, EOFError) as error:
            reason = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder="...")
            raise InputError(
                f"could not download {name} ({DOWNLOADS[name].megabytes} MB) to {directory}: {reason}; check network "
                "and free space and try again, set REPLAYLIB_DATA to a folder that already holds "
                f"{DOWNLOADS[name].folder}, or use 'digits' or 'glyphs', which need no download."
            ) from None
        source.read(name, root)
        for archive in (root / DOWNLOADS[name].folder).rglob("*.gz"):
            archive.unlink()
        _move(root / DOWNLOADS[name].folder, directory / DOWNLOADS[name].folder)


def _torchvision_class(name: str) -> Any:
    from torchvision import datasets

    return getattr(datasets, name)


def _move(finished: Path, place: Path) -> None:
    try:
        finished.rename(place)
    except OSError as error:
        if not place.exists():  # otherwise another process finished the same download first, and theirs serves
            raise InputError(
                f"cannot write {place} ({error.strerror}); set REPLAYLIB_DATA to another folder."
            ) from None


@contextmanager
def _answer_within(seconds: float) -> Iterator[None]:
    """torchvision passes no timeout, and a firewall that drops packets would hold it for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _damaged(file: Path, problem: str) -> InputError:
    return InputError(f"{file} {problem}; move the folder {_dataset_folder(file)} away to have it downloaded again.")


def _dataset_folder(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "raw" else file.parent


def _as_it_lies(file: Path) -> Path:
    """The file under one of the names that it is found under.

    Compressed, with a dot before its kind, in other case, or in a folder of its own name, as some programs unpack it.
    """
    wanted = {name for one in (file.name, re.sub("-idx([13])-", r".idx\1-", file.name)) for name in (one, f"{one}.gz")}
    if not file.parent.is_dir():
        return file
    there = sorted((one for one in file.parent.iterdir() if one.name.lower() in wanted), key=lambda one: one.suffix)
    inner = [inside for one in there if one.is_dir() for inside in one.iterdir() if inside.name.lower() in wanted]
    return next((one for one in [*there, *inner] if one.is_file()), file)


def _raw(directory: Path, folder: str) -> Path | None:
    """Where the four idx files of a dataset lie; None where there is neither one of them nor a folder for them.

    That is as torchvision has it, ``FOLDER/raw``, or as they were unpacked by hand: in ``FOLDER`` itself, in one of
    that name within it, or in ``directory``, where that is the dataset's own folder.

    Raises
    ------
    InputError : they lie in ``directory``, and do not say whether they are MNIST or Fashion-MNIST.
    """
    inside = []
    with suppress(OSError):
        inside = sorted(directory.iterdir())
    own = [one for one in inside if one.is_dir() and one.name.casefold() == folder.casefold()]
    if folder.casefold() in (directory.name.casefold(), directory.parent.name.casefold()):
        own.append(directory)
    for place in (where for one in own for where in (one / "raw", one, one / folder / "raw", one / folder)):
        if place.is_dir() and any(IDX_FILE.match(one.name) for one in place.iterdir()):
            return place
    if folder in IDX_FOLDERS and any(IDX_FILE.match(one.name) for one in inside):
        raise InputError(f"{directory} holds files of {' or '.join(IDX_FOLDERS)}: put them into a folder of that name.")
    return own[0] / "raw" if own else None


def _idx(file: Path, magic: int) -> torch.Tensor:
    """The array in an idx file, uint8, once the file has exactly the bytes that its header promises.

    torchvision's reader does not compare the two: a truncated file fails in a reshape or yields fewer images.
    """
    dimensions = 3 if magic == IDX_IMAGES else 1
    file = _as_it_lies(file)
    try:
        content = file.read_bytes()
        if content.startswith(GZIP):  # whatever its name says
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(file, f"is truncated or corrupted ({error})") from None
    except FileNotFoundError:
        raise _damaged(file, "is missing") from None
    except OSError as error:
        raise InputError(f"cannot read {file} ({error.strerror}); make it a readable file.") from None
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise _damaged(file, f"is truncated: {len(content)} bytes, less than its header")
    start, *shape = struct.unpack(f">{1 + dimensions}I", content[:header])
    if start != magic:
        raise _damaged(file, f"is corrupted: it starts with {start}, expected {magic}")
    expected = header + math.prod(shape)
    if len(content) != expected:
        problem = "is truncated" if len(content) < expected else "is corrupted"
        raise _damaged(file, f"{problem}: {len(content)} bytes, expected {expected}")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


def _read_idx(folder: str, classes: tuple[str, ...], name: str, directory: Path) -> Split:
    raw = _raw(directory, folder) or directory / folder / "raw"
    parts = []
    for prefix in ("train", "t10k"):
        image_file, label_file = raw / f"{prefix}-images-idx3-ubyte", raw / f"{prefix}-labels-idx1-ubyte"
        images, labels = _idx(image_file, IDX_IMAGES), _idx(label_file, IDX_LABELS)
        count, height, width = images.shape
        if (height, width) != (28, 28) or count == 0:
            raise _damaged(image_file, f"holds {count} images of {height}x{width} pixels, expected 28x28")
        if len(labels) != count:
            raise _damaged(label_file, f"holds {len(labels)} labels for {count} images")
        if int(labels.max()) >= len(classes):
            raise _damaged(label_file, f"is corrupted: it holds the label {int(labels.max())}, expected 0 to 9")
        parts.append(Dataset(name, images.unsqueeze(1), labels.long(), classes))
    return Split(*parts)


def _read_cifar(kind: str, mean: tuple[float, ...], std: tuple[float, ...], name: str, directory: Path) -> Split:
    """The batches are pickles: torchvision opens one only when its md5 is the official one, so none can run code."""
    cifar = _torchvision_class(kind)
    try:
        parts = [cifar(directory, train=train) for train in (True, False)]
    except (RuntimeError, OSError):
        raise _damaged_cifar(cifar, directory / cifar.base_folder) from None

    def dataset(part: Any) -> Dataset:
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
        return Dataset(name, images, torch.tensor(part.targets), tuple(part.classes), mean, std)

    return Split(*map(dataset, parts))


def _damaged_cifar(cifar: Any, folder: Path) -> InputError:
    """torchvision says only that something is wrong; this names the file."""
    from torchvision.datasets.utils import check_integrity

    for filename, md5 in [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]:
        file = folder / filename
        try:
            if not file.exists():
                return _damaged(file, "is missing")
            if not check_integrity(file, md5):
                return _damaged(file, f"is truncated or corrupted: its md5 is not the official {md5}")
        except OSError as error:
            return InputError(f"cannot read {file} ({error.strerror}); make it a readable file.")
    return InputError(f"{folder} cannot be read; move it away to have it downloaded again.")


DIGITS = tuple("0123456789")

# Per channel, over all pixels of the official training images scaled to [0, 1]: the values that are in common
# use for these two datasets, to four digits.
CIFAR10_STATISTICS = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
CIFAR100_STATISTICS = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)

FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

SOURCES = {
    "mnist": Source("MNIST", partial(_read_idx, "MNIST", DIGITS)),
    "fashion-mnist": Source("FashionMNIST", partial(_read_idx, "FashionMNIST", FASHION)),
    "cifar10": Source("CIFAR10", partial(_read_cifar, "CIFAR10", *CIFAR10_STATISTICS)),
    "cifar100": Source("CIFAR100", partial(_read_cifar, "CIFAR100", *CIFAR100_STATISTICS)),
}
