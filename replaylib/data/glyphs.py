"""Images that this library draws itself: symbols of a font under random changes, over clutter cut from photographs.

`clutter` is a dial from 0, bright symbols on a plain dark ground, where pixels are easily modelled, to 1, symbols
of any colour over photographs at full contrast, where most of an image's pixels say nothing about its class.
Everything needed is installed with Matplotlib (DejaVu Sans) and scikit-learn (two photographs).
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from replaylib.data.dataset import Dataset, Split
from replaylib.data.symbols import FIELD, FIELD_EXTENT, SYMBOLS, distance_field, symbol_name
from replaylib.errors import InputError

PIXELS = 32
MOST_PER_CLASS = 10_000
CHUNK = 1024  # images drawn at a time
RESERVED = 20  # the first symbols: experiments use them, and nothing is pre-trained on them
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of clutter, that an encoder is pre-trained on

# Textured parts of the photographs: (photograph, left, top, right, bottom) in pixels. What training images are cut
# from and what test images are cut from do not overlap, also once the photographs are halved (the edges are even).
REGIONS = {
    "train": (("china", 60, 40, 230, 426), ("china", 352, 270, 482, 426), ("flower", 170, 80, 324, 426)),
    "test": (("china", 232, 100, 352, 426), ("china", 482, 150, 640, 426), ("flower", 326, 80, 450, 360)),
}
CUT = (40, 100)  # sides of the squares cut from a photograph, in its pixels


def glyphs(
    classes: int = 20,
    train_per_class: int = 300,
    test_per_class: int = 50,
    clutter: float = 0.0,
    first: int = 0,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Split:
    """Images of symbols, each class one symbol, the same for the same arguments to the last byte.

    The images of a class depend on its symbol, `clutter` and `seed`, not on the other classes. Test images are
    other random draws than training images, over other parts of the photographs.

    Parameters
    ----------
    classes : how many symbols.
    train_per_class, test_per_class : images of each symbol.
    clutter : in [0, 1]: how far colours, contrast, background, position and shape vary.
    first : symbols of `SYMBOLS` to skip, e.g. to pre-train an encoder on symbols that an experiment does not use.
    seed : of every random choice; 0 or more.
    device : where the finished images shall be; they are drawn on the CPU.

    Returns
    -------
    Split of (classes * per_class, 3, 32, 32) uint8, ordered by class.

    Raises
    ------
    InputError : if a number is out of its range, or more symbols are asked for than there are.
    """
    _check_whole("first", first, 0, len(SYMBOLS) - 2)
    _check_whole("classes", classes, 2, len(SYMBOLS) - first, f"; there are {len(SYMBOLS)} symbols, {first} skipped")
    _check_whole("train_per_class", train_per_class, 1, MOST_PER_CLASS)
    _check_whole("test_per_class", test_per_class, 1, MOST_PER_CLASS)
    _check_whole("seed", seed, 0, 2**32 - 1)
    if isinstance(clutter, bool) or not isinstance(clutter, int | float) or not 0 <= clutter <= 1:
        raise InputError(f"glyphs: clutter is {clutter!r}; expected a number from 0 to 1.")

    symbols = SYMBOLS[first : first + classes]
    chosen = tuple(symbol_name(symbol) for symbol in symbols)

    def draw_part(part: str, per_class: int) -> Dataset:
        images = torch.cat([_draw(symbol, part, per_class, float(clutter), seed) for symbol in symbols])
        labels = torch.arange(classes).repeat_interleave(per_class)
        return Dataset(dataset_name(clutter), images, labels, chosen).to(device)

    with _one_thread():
        return Split(draw_part("train", train_per_class), draw_part("test", test_per_class))


def dataset_name(clutter: float) -> str:
    """What glyphs over so much clutter are called: ``"glyphs"`` alone where there is none."""
    return f"glyphs, clutter {clutter:g}" if clutter else "glyphs"


def glyphs_pretraining(classes: int = 60, train_per_class: int = 300, test_per_class: int = 50, seed: int = 0) -> Split:
    """Symbols to pre-train an encoder on: none of the first `RESERVED`, which experiments use, at all of `LEVELS`.

    Parameters
    ----------
    classes : how many symbols.
    train_per_class, test_per_class : images of each, in equal parts of each level of clutter; whole multiples of it.
    seed : as in `glyphs`.

    Raises
    ------
    InputError : as `glyphs`, or a number of images that cannot be divided by the number of levels.
    """
    for name, count in (("train_per_class", train_per_class), ("test_per_class", test_per_class)):
        if isinstance(count, int) and count % len(LEVELS):
            raise InputError(f"glyphs: {name} is {count}; expected a multiple of the {len(LEVELS)} levels of clutter.")
    parts = [
        glyphs(classes, train_per_class // len(LEVELS), test_per_class // len(LEVELS), clutter, RESERVED, seed)
        for clutter in LEVELS
    ]

    def joined(pieces: Iterable[Dataset]) -> Dataset:
        datasets = list(pieces)
        images, labels = (torch.cat([getattr(d, part) for d in datasets]) for part in ("images", "labels"))
        return Dataset("glyphs-pretraining", images, labels, datasets[0].classes)

    return Split(*(joined(levels) for levels in zip(*parts, strict=True)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Drawing is thousands of small operations: on busy cores, threads wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_whole(name: str, value: int, low: int, high: int, remark: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"glyphs: {name} is {value!r}; expected a whole number from {low} to {high}{remark}.")


class _Draws(NamedTuple):
    """One row of uniform numbers in [0, 1) for each image, one column for each choice, in this order."""

    turn: np.ndarray
    size: np.ndarray
    shear: np.ndarray
    weight: np.ndarray
    across: np.ndarray
    down: np.ndarray
    contrast: np.ndarray
    hue: np.ndarray
    saturation: np.ndarray
    region: np.ndarray
    cut: np.ndarray
    cut_across: np.ndarray
    cut_down: np.ndarray
    flip_across: np.ndarray
    flip_down: np.ndarray
    background_contrast: np.ndarray


def _draw(symbol: str, part: str, count: int, clutter: float, seed: int) -> Tensor:
    """(count, 3, 32, 32) uint8."""
    numbers = np.random.default_rng([seed, ord(symbol), int(part == "test")]).random((count, len(_Draws._fields)))
    chunks = []
    for start in range(0, count, CHUNK):
        draws = _Draws(*numbers[start : start + CHUNK].T)
        coverage = _coverage(symbol, draws, clutter)
        background = _background(part, draws, clutter)
        colour = _symbol_colour(background, draws, clutter)
        image = background + coverage * (colour - background)
        chunks.append(image.mul_(255).round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(chunks)


def _between(low: float | np.ndarray, high: float | np.ndarray, draw: np.ndarray) -> np.ndarray:
    return low + (high - low) * draw


def _column(values: np.ndarray) -> Tensor:
    """(n,) float64 -> (n, 1, 1) float32, to meet (n, rows, columns)."""
    return torch.from_numpy(values.astype(np.float32)).view(-1, 1, 1)


def _coverage(symbol: str, draws: _Draws, clutter: float) -> Tensor:
    """How much of each pixel the symbol covers: (n, 1, 32, 32) in [0, 1]."""
    field, half_width, half_height = distance_field(symbol)
    angle = np.deg2rad(_between(-1, 1, draws.turn) * (8 + 17 * clutter))
    shear = _between(-1, 1, draws.shear) * (0.06 + 0.16 * clutter)
    cos, sin = np.cos(angle), np.sin(angle)
    # symbol to image: shear, then turn
    xx, xy, yx, yy = cos, cos * shear - sin, sin, sin * shear + cos
    reach_x = half_width * abs(xx) + half_height * abs(xy)
    reach_y = half_width * abs(yx) + half_height * abs(yy)
    room = PIXELS / 2 - 1.5  # a heavy stroke reaches beyond the outline
    size = np.minimum(_between(22 - 4 * clutter, 24 + 2 * clutter, draws.size), room / np.maximum(reach_x, reach_y))
    shift = 1 + 4 * clutter
    move_x = _between(-1, 1, draws.across) * np.minimum(shift, room - size * reach_x)
    move_y = _between(-1, 1, draws.down) * np.minimum(shift, room - size * reach_y)
    # image to symbol, the way in which pixels are looked up; the determinant of shear and turn is 1
    pixel = torch.arange(PIXELS, dtype=torch.float32) - (PIXELS - 1) / 2
    x, y = pixel.view(1, 1, -1) - _column(move_x), pixel.view(1, -1, 1) - _column(move_y)
    to_grid = 2 / (FIELD_EXTENT * size)
    across = x * _column(yy * to_grid) - y * _column(xy * to_grid)
    down = y * _column(xx * to_grid) - x * _column(yx * to_grid)
    grid = torch.stack([across, down], dim=3)
    distance = functional.grid_sample(
        field.expand(len(size), 1, FIELD, FIELD), grid, padding_mode="border", align_corners=False
    )
    weight = _between(0.0, 0.3, draws.weight) + clutter * _between(-0.1, 0.5, draws.weight)
    return (distance * _column(size).unsqueeze(1) + _column(weight + 0.5).unsqueeze(1)).clamp_(0, 1)


@cache
def _photographs() -> dict[str, Tensor]:
    """The photographs at half their size, (1, 3, 213, 320) in [0, 1]: less noise, and cuts that fit 32 pixels."""
    from sklearn.datasets import load_sample_image  # scikit-learn takes seconds to import, and clutter 0 needs none

    photographs = {}
    for name in ("china", "flower"):
        pixels = torch.from_numpy(load_sample_image(f"{name}.jpg").copy()).permute(2, 0, 1).unsqueeze(0)
        photographs[name] = functional.avg_pool2d(pixels.to(torch.float32).div_(255), 2)
    return photographs


@cache
def _atlas(part: str) -> tuple[Tensor, np.ndarray]:
    """The regions of one part side by side, (1, 3, rows, columns), and left, top, right, bottom of each in it."""
    pieces = []
    for photograph, left, top, right, bottom in REGIONS[part]:
        pieces.append(_photographs()[photograph][..., top // 2 : bottom // 2, left // 2 : right // 2])
    rows = max(piece.shape[2] for piece in pieces)
    edges = np.cumsum([0, *(piece.shape[3] for piece in pieces)])
    atlas = torch.cat([functional.pad(piece, (0, 0, 0, rows - piece.shape[2])) for piece in pieces], dim=3)
    tops, bottoms = np.zeros(len(pieces)), np.array([piece.shape[2] for piece in pieces])
    return atlas, np.stack([edges[:-1], tops, edges[1:], bottoms], axis=1)


def _background(part: str, draws: _Draws, clutter: float) -> Tensor:
    """(n, 3, 32, 32): plain dark at clutter 0, a piece of a photograph at 1."""
    dark = 0.06
    count = len(draws.region)
    if clutter == 0:
        return torch.full((count, 3, PIXELS, PIXELS), dark)
    atlas, bounds = _atlas(part)
    left, top, right, bottom = bounds[(draws.region * len(bounds)).astype(int)].T
    half = _between(CUT[0] / 4, CUT[1] / 4, draws.cut)  # the photographs are at half size
    inset = half + 0.5  # bilinear sampling looks half a pixel further
    middle_x = _between(left + inset, right - inset, draws.cut_across)
    middle_y = _between(top + inset, bottom - inset, draws.cut_down)
    flip_x, flip_y = np.sign(draws.flip_across - 0.5), np.sign(draws.flip_down - 0.5)
    height, width = atlas.shape[2:]
    unit = ((torch.arange(PIXELS, dtype=torch.float32) + 0.5) * (2 / PIXELS)) - 1
    x = unit.view(1, 1, -1) * _column(flip_x * half * 2 / width) + _column(middle_x * 2 / width - 1)
    y = unit.view(1, -1, 1) * _column(flip_y * half * 2 / height) + _column(middle_y * 2 / height - 1)
    grid = torch.stack([x.expand(-1, PIXELS, -1), y.expand(-1, -1, PIXELS)], dim=3)
    # All pieces come from one picture: as one tall grid over it, it is not copied for each of them.
    flat = functional.grid_sample(atlas, grid.view(1, -1, PIXELS, 2), padding_mode="border", align_corners=False)
    piece = flat.view(3, count, PIXELS, PIXELS).transpose(0, 1)
    contrast = _column(_between(0.8, 1.4, draws.background_contrast)).unsqueeze(1)
    lively = ((piece - 0.5) * contrast + 0.5).clamp_(0, 1)
    return dark + clutter * (lively - dark)


def _symbol_colour(background: Tensor, draws: _Draws, clutter: float) -> Tensor:
    """(n, 3, 1, 1): as much lighter or darker than its background as `draws.contrast` says, in any hue."""
    weights = np.array([0.299, 0.587, 0.114])  # luminance of red, green and blue (ITU-R BT.601)
    surroundings = background.numpy().astype(np.float64).mean((2, 3)) @ weights
    difference = _between(0.9 - 0.45 * clutter, 0.9, draws.contrast)
    luminance = np.clip(surroundings + np.where(surroundings > 0.5, -difference, difference), 0.03, 0.97)
    phase = 2 * math.pi * (draws.hue[:, None] + np.array([0, 1, 2]) / 3)
    hue = np.cos(phase)
    hue -= (hue @ weights)[:, None]
    colour = luminance[:, None] + 0.5 * clutter * draws.saturation[:, None] * hue
    return torch.from_numpy(np.clip(colour, 0, 1).astype(np.float32)).view(-1, 3, 1, 1)
