"""Where encoders lie, and what one says of its origin: the beginning of its file, read without PyTorch."""

import json
import struct
from dataclasses import dataclass, fields
from pathlib import Path

from replaylib.data.files import shipped
from replaylib.data.known import data_directory
from replaylib.errors import InputError, unknown

FOLDER = "encoders"
SUFFIX = ".safetensors"
#: Bytes that a description may have: what claims more is no encoder.
LONGEST = 1_000_000


@dataclass(frozen=True)
class Origin:
    """Where an encoder comes from.

    Attributes
    ----------
    dataset : as the library names it; ``classes`` of it, ``images`` to train on.
    shape : of an image, (channels, height, width).
    mean, std : per channel, what images in [0, 1] are normalised with before they enter.
    epochs, lr, batch, seed, hidden, crop, flip, precision : see `replaylib.lab.pretrain.pretrain`.
    accuracy : in percent, on the dataset's test part, of the classifier whose first layers the encoder was.
    seconds, device, versions, commit, date : as in `replaylib.lab.records.Record`.
    """

    dataset: str
    classes: int
    images: int
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    epochs: int
    lr: float
    batch: int
    seed: int
    hidden: tuple[int, ...]
    crop: int
    flip: bool
    precision: str
    accuracy: float
    seconds: float
    device: str
    versions: dict[str, str]
    commit: str | None
    date: str

    def __str__(self) -> str:
        trained = f"{self.epochs} epochs on {self.dataset} ({self.classes} classes, {self.images:,} images)"
        return f"{trained}, test accuracy {self.accuracy:.1f} %, {self.date[:10]}"


def find(name: str) -> Path:
    """The file of an encoder, by name or path; raises `InputError`, with the nearest names, where there is none."""
    if name.endswith(SUFFIX) or Path(name).name != name:
        if not Path(name).expanduser().is_file():
            raise InputError(f"there is no encoder {name}: give a file that 'pretrain' wrote, or one of {_known()}")
        return Path(name).expanduser()
    there = files()
    if name not in there:
        raise unknown("encoder", name, there, f"Known: {_known()}, or make one: python -m replaylib pretrain DATASET.")
    return there[name]


def files() -> dict[str, Path]:
    """The encoders that can be called by name. One that comes with the library goes before one of the user's."""
    folders = (data_directory() / FOLDER, shipped(FOLDER))
    return {path.name.removesuffix(SUFFIX): path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))}


def _known() -> str:
    return ", ".join(files()) or "none yet"


def described() -> dict[str, str]:
    """A line about each encoder that can be called by name; of a damaged one, the line says that it is."""
    return {name: _in_words(path) for name, path in files().items()}


def _in_words(path: Path) -> str:
    try:
        return str(origin_of(path))
    except InputError as error:  # one damaged file hides nothing else
        return str(error)


def origin_of(path: Path) -> Origin:
    """Where the encoder in a file comes from; raises `InputError` where the file does not say."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST:
                raise ValueError("no description at its beginning")
            about = json.loads(json.loads(file.read(length))["__metadata__"]["encoder"])
        lists = {key: tuple(value) for key, value in about.items() if isinstance(value, list)}
        return Origin(**{field.name: (about | lists)[field.name] for field in fields(Origin)})
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise InputError(f"{path} is damaged or no encoder ({error!r}): give a file that 'pretrain' wrote") from error
