"""A user's own images: ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``, in a folder or in a zip of one."""

import io
import logging
import os
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from replaylib.data.dataset import Dataset, Split, channel_statistics
from replaylib.data.known import IMAGE_SIZE as SIZE
from replaylib.errors import InputError

LARGEST = 1024
SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".avif",
    }
)
#: Folders in which file servers and systems keep thumbnails and notes of their own.
NOT_THE_USERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "val", "validation", "valid")  # the first that is there is the test part
LAYOUT = "expected train/<class>/<image> and test/<class>/<image>"
BATCH = 256  # images a thread decodes at a time

Read = Callable[[str], bytes]
log = logging.getLogger(__name__)


def load(path: Path, size: int = SIZE) -> Split:
    """An image folder, or a zip of one (read without unpacking it), as tensors.

    Classes are the names of the folders in ``train``, sorted; the test part may also be called ``val`` or
    ``validation``. All may lie in one outer folder. Hidden files and the thumbnails of file servers are passed over;
    so are files that are not images, which are counted and named in a warning of the logger. An image is turned as its
    EXIF data says, cropped at its centre to a square and resized; of 16 bits a channel the upper 8 are kept. What is
    transparent becomes white where what is visible is dark, in all images together, and black where it is light; the
    logger says which. Images are RGB, or grey if every one of them is. Mean and std are those of the training part.

    Parameters
    ----------
    path : the folder or zip.
    size : height and width of the images, in pixels.

    Returns
    -------
    Split of (n, 3, size, size) uint8, or (n, 1, size, size) where all images are grey.

    Raises
    ------
    InputError : if `path` does not hold at least two classes, the same ones in both parts, of readable images.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 4 <= size <= LARGEST:
        raise InputError(f"image size {size!r}; expected a whole number of pixels from 4 to {LARGEST}.")
    with _opened(path) as (entries, read):
        files = _files_by_part(path, entries)
        classes = _checked_classes(path, files)
        names = [[name for label in classes for name in files[part][label]] for part in files]
        images = _decoded(path, [*names[0], *names[1]], read, size)
    labels = [torch.arange(len(classes)).repeat_interleave(_counts(files[part], classes)) for part in files]
    train, test = images.split([len(names[0]), len(names[1])])
    mean, std = channel_statistics(train)
    return Split(
        Dataset(path.stem, train, labels[0], classes, mean, std),
        Dataset(path.stem, test, labels[1], classes, mean, std),
    )


def find(directory: Path) -> dict[str, Path]:
    """The image folders, and zips of one, that lie directly in `directory`, by name without ``.zip``."""
    found = {}
    try:
        candidates = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError:
        return {}
    for path in sorted(candidates, key=Path.is_dir):  # a folder wins over the zip of the same name
        if path.is_dir() or path.suffix.lower() == ".zip":
            try:
                if _looks_like_image_folder(path):
                    found[path.stem if path.suffix.lower() == ".zip" else path.name] = path
            except (InputError, OSError):
                continue
    return found


def _looks_like_image_folder(path: Path) -> bool:
    if path.is_dir():
        inner = [child.name for child in path.iterdir() if child.is_dir()]
    else:
        with _opened(path) as (entries, _):
            inner = list({name.split("/", 1)[0] for name in entries})
            if len(inner) == 1:
                inner = list({name.split("/", 2)[1] for name in entries if "/" in name})
    return any(name.casefold() in TRAIN_NAMES for name in inner)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Read]]:
    """The entries of a folder or zip, as ``a/b/c.jpg`` and, for folders, ``a/b/``, and a function that reads one."""
    if path.is_dir():
        yield _entries(path), lambda name: (path / name).read_bytes()
        return
    if path.name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")):
        raise InputError(
            f"{path} is an archive that is not read here: unpack it and give the folder, or make it a zip."
        )
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError):
        raise InputError(f"{path} is not a folder or an intact zip; {LAYOUT} in one, so copy it again.") from None
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); expected an image folder or a zip of one.") from None
    with archive:
        # Some programs on Windows write backslashes, against the format's rules.
        names = {name.replace("\\", "/"): name for name in archive.namelist()}
        yield list(names), lambda name: archive.read(names[name])


def _entries(path: Path) -> list[str]:
    found = []
    for folder, inner, files in os.walk(path, followlinks=True):
        # A link to a folder that holds it would be walked for ever.
        above = {Path(folder).resolve(), *Path(folder).resolve().parents}
        inner[:] = [name for name in inner if Path(folder, name).resolve() not in above]
        relative = PurePosixPath(Path(folder).relative_to(path).as_posix())
        found += [f"{relative / name}/" for name in inner] + [f"{relative / name}" for name in files]
    return found


def _files_by_part(path: Path, entries: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """For the training part and then the test part: the image files of each class folder, sorted, maybe none."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    visible = [name for name in entries if not _ignored(name)]
    depth = _depth_of_parts(visible)
    passed_over = []
    for name in sorted(visible):
        levels = PurePosixPath(name).parts[depth:]
        is_folder = name.endswith("/")
        if len(levels) >= 2 + (not is_folder):
            files = parts[levels[0]][_one_form(levels[1])]
            if is_folder:
                continue
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                files.append(name)
            else:
                passed_over.append(name)
    if passed_over:
        named = ", ".join(passed_over[:3]) + (", ..." if len(passed_over) > 3 else "")
        log.warning("%s: passed over %d files that are no images known here: %s", path, len(passed_over), named)
    by_name = {part.casefold(): part for part in parts}
    chosen = []
    for role, accepted in (("training", TRAIN_NAMES), ("test", TEST_NAMES)):
        there = [by_name[name] for name in accepted if name in by_name]
        if not there:
            folders = ", ".join(sorted(parts)[:5]) or "no folders with images"
            raise InputError(f"{path} has no {role} part ({folders} found); {LAYOUT}.")
        chosen.append(there[0])
    return {part: dict(parts[part]) for part in chosen}


def _depth_of_parts(visible: list[str]) -> int:
    """0, or 1 where all folders lie in one outer folder, whatever files lie beside it."""
    outermost = {PurePosixPath(name).parts[0] for name in visible if "/" in name}
    return int(len(outermost) == 1 and next(iter(outermost)).casefold() not in TRAIN_NAMES + TEST_NAMES)


def _ignored(name: str) -> bool:
    return any(level.startswith(".") or level in NOT_THE_USERS for level in PurePosixPath(name).parts)


def _one_form(name: str) -> str:
    """A name in the one form of Unicode in which systems agree: macOS writes an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def _checked_classes(path: Path, files: dict[str, dict[str, list[str]]]) -> tuple[str, ...]:
    (train_name, train), (test_name, test) = files.items()
    for part, by_class in files.items():
        for label, inside in by_class.items():
            if not inside:
                raise InputError(f"{path}: the class folder {part}/{label} holds no image; fill it or remove it.")
    if len(train) < 2:
        raise InputError(f"{path}: {train_name} holds one class ({next(iter(train))}); expected at least two folders.")
    if differing := sorted(train.keys() ^ test.keys()):
        label = differing[0]
        if alike := [name for name in differing[1:] if name.casefold() == label.casefold()]:
            raise InputError(
                f"{path}: the classes {label!r} and {alike[0]!r} differ in case alone: give them one name."
            )
        there, missing = (train_name, test_name) if label in train else (test_name, train_name)
        others = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise InputError(f"{path}: class {label!r}{others} is in {there} but not in {missing}; expected it in both.")
    return tuple(sorted(train))


def _counts(by_class: dict[str, list[str]], classes: tuple[str, ...]) -> Tensor:
    return torch.tensor([len(by_class[label]) for label in classes])


def _decoded(path: Path, names: list[str], read: Read, size: int) -> Tensor:
    """(n, channels, size, size) uint8. Threads help, for Pillow decodes without holding the interpreter's lock."""
    images = np.empty((len(names), size, size, 3), np.uint8)
    grey = np.empty(len(names), bool)
    clear: dict[int, np.ndarray] = {}

    def decode(start: int) -> int:
        rows = range(start, min(start + BATCH, len(names)))
        for row in rows:
            images[row], grey[row], behind = _image(path, names[row], read, size)
            if behind is not None:
                clear[row] = behind
        return len(rows)

    pool = ThreadPoolExecutor()
    try:
        with tqdm(total=len(names), desc=f"reading {path.name}", unit=" images", disable=None, leave=False) as bar:
            for done in pool.map(decode, range(0, len(names), BATCH)):
                bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)
    if clear:
        _put_behind(path, images, clear)
    channels = 1 if grey.all() else 3
    return torch.from_numpy(images[..., :channels]).permute(0, 3, 1, 2).contiguous()


def _put_behind(path: Path, images: np.ndarray, clear: dict[int, np.ndarray]) -> None:
    """Put white behind what is transparent, in place, where what is visible is dark; it is black already."""
    visible = sum((255 - behind).sum(dtype=np.int64) for behind in clear.values())
    light = sum(images[row].mean(-1).sum() for row in clear)
    dark = bool(light < 0.5 * visible)
    if dark:
        for row, behind in clear.items():
            images[row] = np.minimum(images[row].astype(np.int32) + behind[..., None], 255)
    colour, because = ("white", "dark") if dark else ("black", "light")
    log.warning("%s: %d images are transparent; %s is behind what is %s", path, len(clear), colour, because)


def _image(path: Path, name: str, read: Read, size: int) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """One image on black as (size, size, 3) uint8, whether it is grey, and (size, size) uint8 how transparent it is."""
    try:
        with Image.open(io.BytesIO(read(name))) as image:
            grey = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16")
            if image.mode == "F":
                raise ValueError("numbers that are no shades of grey")
            image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a fraction of its size, as is enough
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = Image.fromarray((np.asarray(upright).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
            clear = None
            if upright.has_transparency_data:
                premultiplied = ImageOps.fit(
                    upright.convert("RGBA").convert("RGBa"), (size, size), Image.Resampling.BICUBIC
                )
                seen = np.asarray(premultiplied)
                if (seen[..., 3] < 255).any():
                    clear = 255 - seen[..., 3]
                return seen[..., :3], grey, clear
            square = ImageOps.fit(upright.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
            return np.asarray(square), grey, clear
    except Exception as error:  # on broken files Pillow and zipfile raise exceptions of nearly every kind
        reason = str(error).splitlines()[0].replace(repr(name), "").strip() if str(error) else type(error).__name__
        if reason.startswith("cannot identify image file"):
            reason = "not an image"
        raise InputError(f"{path}: cannot read the image {name} ({reason}); replace or remove it.") from None
