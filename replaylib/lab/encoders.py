"""Pre-trained encoders in files: what one was trained on and how well, and the features that a frozen one gives.

An encoder is called by its name, for example ``"glyphs"``: that of a file that comes with the library, or else of one
in the folder ``encoders`` of the data directory; or by the path of a file. ``python -m replaylib pretrain`` makes them.
"""

import copy
import hashlib
import json
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from replaylib.brain import internal
from replaylib.conv import ConvEncoder
from replaylib.data.dataset import Split
from replaylib.data.files import write_tensors
from replaylib.errors import InputError
from replaylib.lab.encoder_files import FOLDER as FOLDER
from replaylib.lab.encoder_files import SUFFIX as SUFFIX
from replaylib.lab.encoder_files import Origin, find
from replaylib.lab.encoder_files import files as files
from replaylib.lab.tables import ENCODERS, Backbone


class Pretrained(NamedTuple):
    """A pre-trained encoder, in evaluation mode, its origin, and the SHA-256 of its file in hexadecimal.

    Of a registered one, the digest is that of its weights, and its origin what it was registered with.
    """

    net: ConvEncoder
    origin: Origin | Backbone
    digest: str


class Registered(nn.Module):
    """A registered backbone as the networks here take one: (n, \\*shape) images give (n, units) features.

    Raises
    ------
    InputError : it takes no such images, or gives anything else than a row of numbers for each.
    """

    def __init__(self, name: str, net: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net, self.shape = net.eval(), shape
        try:
            with torch.no_grad():
                given = net(torch.zeros(2, *shape))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"backbone {name} fails on images of shape {shape} ({reason}): give the shape it takes"
            ) from error
        if not isinstance(given, Tensor) or given.ndim != 2 or len(given) != 2:
            output = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise InputError(f"backbone {name} gives {output} for 2 images: expected (2, units), flattened or pooled")
        self.units = given.shape[1]

    @property
    def layers(self) -> list[nn.Module]:
        """The layers that have parameters of their own."""
        return [one for one in self.net.modules() if list(one.parameters(recurse=False))]

    def forward(self, x: Tensor) -> Tensor:
        """Features, (n, units)."""
        features: Tensor = self.net(x)
        return features


def _registered(name: str) -> Pretrained:
    row = ENCODERS[name]
    if name not in _nets_of_rows or _nets_of_rows[name].origin is not row:
        _nets_of_rows[name] = _make(name, row)
    return _nets_of_rows[name]


# By name: one that draws its weights at random is made once, and is the same for all runs of this process.
_nets_of_rows: dict[str, Pretrained] = {}


def _make(name: str, row: Backbone) -> Pretrained:
    net = Registered(name, row.make(), row.shape)
    digest = hashlib.sha256()
    for key, value in net.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return Pretrained(cast(ConvEncoder, net.requires_grad_(False)), row, digest.hexdigest())


def save_encoder(net: ConvEncoder, origin: Origin, path: str | Path) -> Path:
    """Write an encoder to a safetensors file, whole or not at all; a file that is there is replaced.

    Raises
    ------
    InputError : the file cannot be written.
    """
    target = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    write_tensors(state, target, {"encoder": json.dumps(asdict(origin))}, "choose another place with --out")
    return target


def load_encoder(name: str) -> Pretrained:
    """An encoder by name or path, on the CPU. No code in the file is run.

    Raises
    ------
    InputError : no such encoder, or a file that is damaged or holds something else.
    """
    if name in ENCODERS:
        return _registered(name)
    path = find(name)
    return _read(path, path.stat().st_mtime_ns)


def check(name: str) -> None:
    """Raise `InputError` where there is no such encoder, neither registered nor in a file."""
    if name not in ENCODERS:
        find(name)


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
        raise InputError(f"{path} is damaged or no encoder ({reason}): give a file that 'pretrain' wrote") from error
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
    origin = load_encoder(encoder).origin
    colours = origin.shape[0]
    if split.train.shape == (1, *origin.shape[1:]) and colours > 1:
        wide = (part.images.expand(-1, colours, -1, -1).contiguous() for part in split)
        split = Split(
            *(replace(part, images=images, mean=None, std=None) for part, images in zip(split, wide, strict=True))
        )
    if split.train.shape != origin.shape:
        problem = f"{split.train.name} has samples of shape {split.train.shape}"
        raise InputError(f"encoder {encoder} takes images of shape {origin.shape}, and {problem}: use another encoder")
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
    prepared, pretrained = normalised(split, encoder), load_encoder(encoder)
    known: dict[tuple[str, int], tuple[Split, Tensor]] = _computed.setdefault(split.train.images, {})
    key = (pretrained.digest, id(split.test.images))
    if key not in known:
        device = split.train.images.device
        # The test images are kept along with it: their id would otherwise go to others.
        known[key] = internal(prepared, copy.deepcopy(pretrained.net).to(device)), split.test.images
    # The same images may have come with other labels.
    each = zip(known[key][0], split, strict=True)
    return Split(*(replace(seen, name=p.name, labels=p.labels, classes=p.classes) for seen, p in each))
