"""Image files as tensors of one size: what is transparent, what has more than 8 bits a pixel, and what is broken."""

import io
import logging
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from replaylib.data.progress import Bar
from replaylib.errors import InputError

BATCH = 256  # images a thread decodes at a time

#: Gives the bytes of a file by its name.
Read = Callable[[str], bytes]
log = logging.getLogger(__name__)


def decoded(path: Path, names: list[str], read: Read, size: int) -> Tensor:
    """The images of these names, which ``read`` gives, as (n, channels, size, size) uint8; see `folders.load_folder`.

    Threads help, for Pillow decodes without holding the interpreter's lock. ``path`` is what messages name. Raises
    `InputError` for an image that cannot be read.
    """
    images = np.empty((len(names), size, size, 3), np.uint8)
    grey = np.empty(len(names), bool)
    clear: dict[int, np.ndarray] = {}
    deep: dict[int, tuple[np.ndarray, int]] = {}

    def decode(start: int) -> int:
        rows = range(start, min(start + BATCH, len(names)))
        for row in rows:
            one = _image(path, names[row], read, size)
            images[row], grey[row] = one.pixels, one.grey
            if one.clear is not None:
                clear[row] = one.clear
            if one.deep is not None:
                deep[row] = one.deep
        return len(rows)

    pool = ThreadPoolExecutor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # each large image is cut down at once
        try:
            with Bar(total=len(names), desc=f"reading {path.name}", unit=" images", disable=None, leave=False) as bar:
                for done in pool.map(decode, range(0, len(names), BATCH)):
                    bar.update(done)
        finally:
            pool.shutdown(cancel_futures=True)
    if clear:
        _put_behind(path, images, clear)
    if deep:
        _put_upper_bits(path, images, deep)
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


def _put_upper_bits(path: Path, images: np.ndarray, deep: dict[int, tuple[np.ndarray, int]]) -> None:
    """Of pixels with more than 8 bits, put the upper 8 in place: of as many as the largest value in any image needs.

    Instruments write 10 or 12 bits into 16; the upper 8 of those 16 would be all but black.
    """
    largest = max(value for _, value in deep.values())
    bits = max(8, largest.bit_length())
    for row, (pixels, _) in deep.items():
        images[row] = (pixels >> (bits - 8))[..., None]
    log.warning("%s: %d images have more than 8 bits a pixel, up to %d: divided by %d", path, len(deep), largest,
                2 ** (bits - 8))  # fmt: skip


class _Decoded(NamedTuple):
    """One image, ``size`` x ``size``: on black as (size, size, 3) uint8, and whether it is grey.

    ``clear`` is how transparent it is, (size, size) uint8; ``deep`` its pixels where they have more than 8 bits,
    (size, size) uint16, and the largest before it was resized.
    """

    pixels: np.ndarray
    grey: bool
    clear: np.ndarray | None = None
    deep: tuple[np.ndarray, int] | None = None


def _image(path: Path, name: str, read: Read, size: int) -> _Decoded:
    try:
        with Image.open(io.BytesIO(read(name))) as image:
            grey = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
            if image.mode == "F":
                raise ValueError("numbers that are no shades of grey")
            image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a fraction of its size, as is enough
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                values = np.asarray(upright).astype(np.int64).clip(0, 65535)
                fitted = ImageOps.fit(
                    Image.fromarray(values.astype(np.float32)), (size, size), Image.Resampling.BICUBIC
                )
                largest = int(values.max())
                pixels = np.rint(np.asarray(fitted)).clip(0, largest).astype(np.uint16)
                return _Decoded(np.zeros((size, size, 3), np.uint8), True, deep=(pixels, largest))
            if upright.has_transparency_data:
                premultiplied = ImageOps.fit(
                    upright.convert("RGBA").convert("RGBa"), (size, size), Image.Resampling.BICUBIC
                )
                seen = np.asarray(premultiplied)
                clear = 255 - seen[..., 3] if (seen[..., 3] < 255).any() else None
                return _Decoded(seen[..., :3], grey, clear)
            square = ImageOps.fit(upright.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
            return _Decoded(np.asarray(square), grey)
    except Exception as error:  # on broken files Pillow and zipfile raise exceptions of nearly every kind
        reason = str(error).splitlines()[0].replace(repr(name), "").strip() if str(error) else type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        if isinstance(error, Image.DecompressionBombError):
            reason = "more pixels than Pillow decodes, some 180 million: make it smaller"
        if reason.startswith("cannot identify image file"):
            reason = "not an image"
        raise InputError(f"{path}: cannot read the image {name} ({reason}); replace or remove it.") from None
