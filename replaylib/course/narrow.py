"""A figure drawn again for a narrow screen: panels wrap and letters stay large; and letters that can be read."""

import colorsys
import math
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType

#: Inches; the text of a phone 360 pixels wide.
WIDTH = 3.4
#: Points; ten pixels.
SMALLEST = 7.5
#: Inches that a panel needs to stand beside another: one that shows only an image, and any other.
IMAGE, PANEL = 0.55, 2.5
#: Of words, the part that others may cover.
COVERED = 0.15
#: Between letters and their ground (WCAG 2.2, AA).
CONTRAST = 4.5


def luminance(colour: ColorType) -> float:
    """Relative luminance (WCAG 2.2) of any of matplotlib's colours, from 0, black, to 1, white."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: ColorType, other: ColorType) -> float:
    """The contrast ratio (WCAG 2.2) of two colours, from 1 to 21."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def ink(colour: ColorType) -> tuple[float, float, float]:
    """A colour, made darker until letters in it can be read on white."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    while contrast(colorsys.hls_to_rgb(hue, lightness, saturation), "white") < CONTRAST:
        lightness -= 0.01
    return colorsys.hls_to_rgb(hue, lightness, saturation)


def make_legible(drawn: Figure) -> None:
    """Darken coloured letters on white; on the cells of a heat map write in black or white, whichever is clearer."""
    on_cells = {text for ax in drawn.axes for text in _write_on_cells(ax)}
    for text in _texts(drawn):
        # White letters are written on something dark, which is not looked for here.
        if text not in on_cells and 1.2 < contrast(text.get_color(), "white") < CONTRAST:
            text.set_color(ink(text.get_color()))


def rearrange(drawn: Figure) -> bool:
    """Make a figure that was drawn as wide as the book's text as narrow as a phone; it stays that way.

    Returns whether it can be: false if words that stood apart, as in the boxes of a diagram, now cover each other.
    """
    apart = _covering(drawn)
    panels = [ax for ax in drawn.axes if ax.get_subplotspec() is not None and ax.get_visible()]
    titles = {ax.title for ax in panels}
    for text in _texts(drawn):
        text.set_fontsize(max(SMALLEST, 0.85 * float(text.get_fontsize())))
        text.set_wrap(text.get_wrap() or text in titles)
    wide, height = drawn.get_size_inches()
    if len({_place(ax).get_gridspec() for ax in panels}) == 1:
        wrapped = _wrap(panels, height)
        # Images keep their shape, and would leave an empty place above and below.
        shrinks = wrapped == height and all(ax.images and ax.get_aspect() == 1 for ax in panels)
        height = max(0.8, 1.2 * height * WIDTH / wide) if shrinks else wrapped
    drawn.set_size_inches(WIDTH, height)
    drawn.draw_without_rendering()
    for ax in panels:
        _turn_crowded_ticks(ax)
        _move_wide_legend(ax)
    return not _covering(drawn) - apart


def _covering(drawn: Figure) -> set[tuple[Text, Text]]:
    """The pairs of words within a panel of which one covers a good part of the other, boxes around them included."""
    pairs = set()
    for ax in drawn.axes:
        boxes = []
        for text in ax.texts:
            around = text.get_bbox_patch()
            if text.get_text().strip() and text.get_visible():
                boxes.append((text, around.get_window_extent() if around else text.get_window_extent()))
        for (one, left), (other, right) in combinations(boxes, 2):
            both = Bbox.intersection(left, right)
            if both is not None:
                smaller = min(left.width * left.height, right.width * right.height)
                if both.width * both.height > COVERED * smaller:
                    pairs.add((one, other))
    return pairs


def _texts(drawn: Figure) -> Iterator[Text]:
    yield from (text for text in drawn.findobj(Text) if isinstance(text, Text) and text.get_text().strip())


def _write_on_cells(ax: Axes) -> Iterator[Text]:
    """Colour what is written on a heat map, and name it."""
    for mesh in (collection for collection in ax.collections if isinstance(collection, QuadMesh)):
        mesh.update_scalarmappable()
        rows, columns = (corners - 1 for corners in np.shape(mesh.get_coordinates())[:2])
        cells = np.asarray(mesh.get_facecolor())
        if len(cells) != rows * columns:
            continue
        for text in ax.texts:
            column, row = (math.floor(place) for place in text.get_position())
            if text.get_transform() == ax.transData and 0 <= row < rows and 0 <= column < columns:
                cell = tuple(cells[row * columns + column, :3])
                text.set_color("black" if contrast(cell, "black") > contrast(cell, "white") else "white")
                yield text


def _place(ax: Axes) -> SubplotSpec:
    place = ax.get_subplotspec()
    assert place is not None
    return place


def _wrap(panels: list[Axes], height: float) -> float:
    """Give panels, row by row, places in a grid of fewer columns; returns the figure's new height in inches."""
    old = _place(panels[0]).get_gridspec()
    needed = IMAGE if all(ax.images and not ax.axison for ax in panels) else PANEL
    columns = max(1, min(old.ncols, math.floor(WIDTH / needed)))
    columns = math.ceil(old.ncols / math.ceil(old.ncols / columns))  # rows that are even: of ten, five and five
    if columns == old.ncols or any(len(_place(ax).rowspan) * len(_place(ax).colspan) > 1 for ax in panels):
        return height
    rows = math.ceil(len(panels) / columns)
    new = GridSpec(rows, columns, figure=panels[0].get_figure(root=True))
    for number, ax in enumerate(panels):
        ax.set_subplotspec(new[number // columns, number % columns])
        # Axes that share a scale show its numbers at the outside only, and there is a new outside.
        if len(ax.get_shared_y_axes().get_siblings(ax)) > 1 and number % columns == 0:
            ax.tick_params(labelleft=True)
            ax.set_ylabel(ax.get_ylabel() or panels[number // old.ncols * old.ncols].get_ylabel())
        if len(ax.get_shared_x_axes().get_siblings(ax)) > 1:
            ax.tick_params(labelbottom=True)
    return height / old.nrows * rows


def _turn_crowded_ticks(ax: Axes) -> None:
    """Turn names along the horizontal axis that would run into each other."""
    labels = [label for label in ax.get_xticklabels() if label.get_text() and label.get_visible()]
    boxes = [label.get_window_extent() for label in labels]
    if ax.axison and any(one.x1 + 2 > other.x0 for one, other in pairwise(boxes)):
        for label in labels:
            label.set(rotation=60, ha="right", rotation_mode="anchor")


def _move_wide_legend(ax: Axes) -> None:
    """Put a legend that covers much of a panel below the figure."""
    legend = ax.get_legend()
    if legend is None:
        return
    box, panel = legend.get_window_extent(), ax.get_window_extent()
    if box.width * box.height < 0.25 * panel.width * panel.height and box.width < 0.6 * panel.width:
        return
    size, words = legend.get_texts()[0].get_fontsize(), [text.get_text() for text in legend.get_texts()]
    handles = [handle for handle in legend.legend_handles if handle is not None]
    title = legend.get_title().get_text()
    legend.remove()
    columns = 2 if max(map(len, words)) < 22 else 1
    below = ax.get_figure(root=True).legend(handles, words, loc="outside lower center", frameon=False, ncols=columns)  # type: ignore[union-attr]
    below.set_title(title)
    for text in (*below.get_texts(), below.get_title()):
        text.set_fontsize(size)
