"""Pre-trained encoders in files: what one was trained on and how well, and the features that a frozen one gives.

An encoder is called by its name, for example ``"glyphs"``: that of a file that comes with the library, or else of one
in the folder ``encoders`` of the data directory; or by the path of a file. ``python -m replaylib pretrain`` makes them.
"""

import copy
import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from replaylib.brain import internal
from replaylib.conv import ConvEncoder
from replaylib.data.catalogue import data_directory
from replaylib.data.dataset import Split
from replaylib.data.files import replacing, shipped
from replaylib.errors import InputError, unknown

FOLDER = "encoders"
SUFFIX = ".safetensors"


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


class Pretrained(NamedTuple):
    """A pre-trained encoder, in evaluation mode, its origin, and the SHA-256 of its file in hexadecimal."""

    net: ConvEncoder
    origin: Origin
    digest: str


def save(net: ConvEncoder, origin: Origin, path: str | Path) -> Path:
    """Write an encoder to a safetensors file, whole or not at all; a file that is there is replaced.

    Raises
    ------
    InputError : the file cannot be written.
    """
    target = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with replacing(target, "choose another place with --out") as part:
        save_file(state, part, {"encoder": json.dumps(asdict(origin))})
    return target


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


def load(name: str) -> Pretrained:
    """An encoder by name or path, on the CPU. No code in the file is run.

    Raises
    ------
    InputError : no such encoder, or a file that is damaged or holds something else.
    """
    path = find(name)
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> Pretrained:
    try:
        content = path.read_bytes()
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["encoder"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        lists = {key: tuple(value) for key, value in about.items() if isinstance(value, list)}
        origin = Origin(**{field.name: (about | lists)[field.name] for field in fields(Origin)})
        net = ConvEncoder(torch.Generator(), origin.shape)
        net.load_state_dict(state)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise InputError(f"{path} is damaged or no encoder ({reason}): remove it or restore it") from error
    if not all(value.isfinite().all() for value in state.values()):
        raise InputError(f"{path} holds numbers that are not finite: remove it and pre-train again")
    return Pretrained(net.eval().requires_grad_(False), origin, hashlib.sha256(content).hexdigest())


def normalised(split: Split, encoder: str) -> Split:
    """The data as an encoder takes them: normalised as those were that it was trained on, grey ones in all its colours.

    (The reference code normalises by the statistics of the data themselves, which the encoder has never seen.)

    Raises
    ------
    InputError : the data are not images of the shape that it was trained on.
    """
    origin = load(encoder).origin
    colours = origin.shape[0]
    if split.train.shape == (1, *origin.shape[1:]) and colours > 1:
        wide = (part.images.expand(-1, colours, -1, -1).contiguous() for part in split)
        split = Split(
            *(replace(part, images=images, mean=None, std=None) for part, images in zip(split, wide, strict=True))
        )
    if split.train.shape != origin.shape:
        found = f"{split.train.name} has samples of shape {split.train.shape}"
        raise InputError(f"encoder {encoder} takes images of shape {origin.shape}, and {found}: use another encoder")
    return Split(*(replace(part, mean=origin.mean, std=origin.std) for part in split))


# What was computed, by the images themselves: runs of many seeds share it, and it goes when they go.
_computed: WeakIdKeyDictionary = WeakIdKeyDictionary()


def features(split: Split, encoder: str) -> Split:
    """The data as a frozen encoder sees them, (n, units) float32: computed once for the same images.

    The encoder is in evaluation mode: what an image gives depends on no other image. See `replaylib.brain.internal`.

    Raises
    ------
    InputError : no such encoder, or the data are not images of the shape that it was trained on.
    """
    prepared, found = normalised(split, encoder), load(encoder)
    known: dict[tuple[str, int], tuple[Split, Tensor]] = _computed.setdefault(split.train.images, {})
    key = (found.digest, id(split.test.images))
    if key not in known:
        device = split.train.images.device
        # The test images are kept along with it: their id would otherwise go to others.
        known[key] = internal(prepared, copy.deepcopy(found.net).to(device)), split.test.images
    return known[key][0]
