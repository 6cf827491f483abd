"""A user's own images: ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``, in a folder or in a zip of one."""

import logging
import os
import tarfile
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from replaylib.data.dataset import Dataset, Split, channel_statistics
from replaylib.data.decode import Read, decoded
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
        ".jp2",
        ".tga",
    }
)
#: Folders and files in which file servers and systems keep thumbnails, notes and what was deleted, in lower case.
NOT_THE_USERS = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "@recently-snapshot", "#snapshot", "$recycle.bin", "lost+found"}
    | {"system volume information", "network trash folder", "temporary items", "thumbs.db", "ehthumbs.db"}
    | {"desktop.ini", "icon\r"}
)
OTHER_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "val", "validation", "valid")  # the first that is there is the test part
LAYOUT = "expected train/<class>/<image> and test/<class>/<image>"
log = logging.getLogger(__name__)


def load_folder(path: Path, size: int = SIZE) -> Split:
    """An image folder, or a zip of one (read without unpacking it), as tensors.

    Classes are the names of the folders in ``train``, sorted; the test part may also be called ``val`` or
    ``validation``. All may lie in outer folders. Hidden files and the thumbnails of file servers are passed over;
    so are files that are not images, which are counted and named in a warning of the logger, and links within a class
    that lead back into the folder. An image is turned as its EXIF data says, cropped at its centre to a square and
    resized; of more than 8 bits a pixel the upper 8 are kept, of as many as the largest value needs. What is
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
        images = decoded(path, [*names[0], *names[1]], read, size)
    labels = [torch.arange(len(classes)).repeat_interleave(_counts(files[part], classes)) for part in files]
    train, test = images.split([len(names[0]), len(names[1])])
    mean, std = channel_statistics(train)
    return Split(
        Dataset(path.stem, train, labels[0], classes, mean, std),
        Dataset(path.stem, test, labels[1], classes, mean, std),
    )


def find(directory: Path) -> dict[str, Path]:
    """The image folders, and zips of one, that lie directly in `directory`, by name without ``.zip``."""
    paths = {}
    try:
        candidates = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError:
        return {}
    for path in sorted(candidates, key=Path.is_dir):  # a folder wins over the zip of the same name
        if path.is_dir() or path.suffix.lower() == ".zip":
            try:
                if _looks_like_image_folder(path):
                    paths[path.stem if path.suffix.lower() == ".zip" else path.name] = path
            except (InputError, OSError):
                continue
    return paths


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
        yield walked(path), lambda name: (path / name).read_bytes()
        return
    unread = f"{path} is an archive that is not read here: unpack it and give the folder, or make it a zip."
    if path.name.lower().endswith(OTHER_ARCHIVES):
        raise InputError(unread)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError):
        if tarfile.is_tarfile(path):
            raise InputError(unread) from None
        raise InputError(f"{path} is not a folder or an intact zip; {LAYOUT} in one, so copy it again.") from None
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); expected an image folder or a zip of one.") from None
    with archive:
        if any(one.flag_bits & 1 for one in archive.infolist()):
            raise InputError(f"{path} is encrypted: unpack it and give the folder.")
        # Some programs on Windows write backslashes, against the format's rules.
        names = {name.replace("\\", "/"): name for name in archive.namelist()}
        yield list(names), lambda name: archive.read(names[name])


def walked(path: Path) -> list[str]:
    """All that a folder holds, as ``a/b/c.jpg`` and, for folders, ``a/b/``: through links, each of them once.

    A link to a folder above it would be walked for ever, and one within a class to another class of the same folder
    would give an image two labels.
    """
    names: list[str] = []
    passed_over: list[str] = []
    root = path.resolve()
    for folder, inner, files in os.walk(path, followlinks=True):
        here = Path(folder)
        relative = PurePosixPath(here.relative_to(path).as_posix())
        above = {place.resolve() for place in (here, *here.parents) if place == path or path in place.parents}
        above |= {*here.resolve().parents}
        followed: list[str] = []
        for name in inner:
            target = (here / name).resolve()
            within = len(relative.parts) >= 2 and (here / name).is_symlink() and root in target.parents
            (passed_over if target in above or within else followed).append(name)
        inner[:] = followed
        names += [f"{relative / name}/" for name in inner] + [f"{relative / name}" for name in files]
    if passed_over:
        log.warning("%s: passed over %d links that lead back into it: %s", path, len(passed_over), passed_over[0])
    return names


def _files_by_part(path: Path, entries: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """For the training part and then the test part: the image files of each class folder, sorted, maybe none."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    visible = [name for name in entries if not ignored(name)]
    outer = _outer(visible)
    passed_over = []
    for name in sorted(visible):
        levels = PurePosixPath(name).parts
        is_folder = name.endswith("/")
        if levels[: len(outer)] == outer and len(levels) >= len(outer) + 2 + (not is_folder):
            files = parts[levels[len(outer)]][_one_form(levels[len(outer) + 1])]
            if is_folder:
                continue
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                files.append(name)
            else:
                passed_over.append(name)
    if passed_over:
        kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in passed_over).most_common(4)
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds)
        told = f"{counted}; {passed_over[0]}" + (" and others" if len(passed_over) > 1 else "")
        log.warning("%s: passed over %d files that are no images known here (%s)", path, len(passed_over), told)
    by_name = {part.casefold(): part for part in parts}
    chosen = []
    for role, accepted in (("training", TRAIN_NAMES), ("test", TEST_NAMES)):
        there = [by_name[name] for name in accepted if name in by_name]
        if not there:
            present = ", ".join((sorted(parts) or sorted({PurePosixPath(name).parts[0] for name in visible}))[:5])
            raise InputError(f"{path} has no {role} part ({present or 'nothing'} found); {LAYOUT}.")
        chosen.append(there[0])
    return {part: dict(parts[part]) for part in chosen}


def _outer(visible: list[str]) -> tuple[str, ...]:
    """The outer folders that the parts lie in, whatever lies beside them; none where that is not clear."""
    places = set()
    for name in visible:
        levels = PurePosixPath(name).parts
        for depth, level in enumerate(levels):
            if level.casefold() in TRAIN_NAMES and (name.endswith("/") or depth + 1 < len(levels)):
                places.add(levels[:depth])
                break
    shallowest = [place for place in places if len(place) == min(map(len, places))]
    return shallowest[0] if len(shallowest) == 1 else ()


def ignored(name: str) -> bool:
    """Whether an entry is hidden, or a system's or file server's own, in whatever case."""
    return any(level.startswith(".") or level.casefold() in NOT_THE_USERS for level in PurePosixPath(name).parts)


def _one_form(name: str) -> str:
    """A name in the one form of Unicode in which systems agree: macOS writes an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def _bare(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


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
        others_of = sorted({*train, *test} - {label})
        if alike := [name for name in others_of if _bare(name) == _bare(label)]:
            raise InputError(
                f"{path}: the classes {label!r} and {alike[0]!r} differ in case or spaces alone: give them one name."
            )
        there, missing = (train_name, test_name) if label in train else (test_name, train_name)
        others = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise InputError(f"{path}: class {label!r}{others} is in {there} but not in {missing}; expected it in both.")
    return tuple(sorted(train))


def _counts(by_class: dict[str, list[str]], classes: tuple[str, ...]) -> Tensor:
    return torch.tensor([len(by_class[label]) for label in classes])
