"""The book's pictures: one palette, one style, and never a picture without words for who cannot see it."""

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from replaylib.course import narrow
from replaylib.errors import InputError

SVG = "image/svg+xml"
#: The variable in the environment with which the book has each figure drawn for narrow screens as well.
FOR_THE_BOOK = "REPLAYLIB_FOR_THE_BOOK"
#: Inches; the width of the book's text, so that a figure's letters are read at the size they are drawn.
WIDTH = 6.8
#: Safe for the common kinds of colour blindness (Okabe & Ito's, as seaborn names it).
PALETTE = sns.color_palette("colorblind")
#: A method keeps its colour through the whole book. Those since 2020 have what each adds to, darker.
COLOURS = {
    "none": PALETTE[7],
    "joint": PALETTE[0],
    "exact": PALETTE[1],
    "nearest-mean": sns.desaturate(PALETTE[1], 0.4),
    "lwf": PALETTE[8],
    **{name: sns.desaturate(PALETTE[8], part) for name, part in (("lwf-equal", 0.4), ("lwf-sum", 0.7))},
    "ewc": PALETTE[5],
    "online-ewc": sns.desaturate(PALETTE[5], 0.4),
    "si": PALETTE[6],
    "xdg": PALETTE[9],
    "der++": tuple(0.55 * part for part in PALETTE[1]),
    "slda-replay": tuple(0.6 * part for part in PALETTE[9]),
    "diffusion-replay": tuple(0.5 * part for part in PALETTE[4]),
    **{"real-replay": sns.desaturate(PALETTE[0], 0.7), "translated-replay": sns.desaturate(PALETTE[9], 0.5)},
    "replay-share": sns.desaturate(PALETTE[1], 0.7),
    "own-text": tuple(0.5 * part for part in PALETTE[2]),
    "generative-classifier": sns.desaturate(PALETTE[0], 0.4),
    "gr": PALETTE[2],
    "gr-distill": sns.desaturate(PALETTE[2], 0.4),
    "rtf": PALETTE[4],
    **{"bi-r": PALETTE[3], "bi-r-changed": sns.desaturate(PALETTE[3], 0.7)},
    "bi-r-si": sns.desaturate(PALETTE[3], 0.4),
    # What was added to one and what was taken from the other look like what they started from.
    **{f"gr+{name}": PALETTE[2] for name in ("feedback", "conditional", "gating", "internal")},
    **{f"bi-r-no-{name}": PALETTE[3] for name in ("feedback", "conditional", "gating", "internal", "distill")},
}
#: Of methods that have none of their own, combinations of modifications for example.
NEUTRAL = (0.3, 0.3, 0.3)
#: From dark (0) to light (100): evenly spaced for the eye, in grey too.
ACCURACY_COLOURS = "cividis"

_STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("notebook", font_scale=0.9),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.prop_cycle": plt.cycler(color=PALETTE),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "svg.hashsalt": "replaylib",  # same figure, same bytes
}

_taker: ContextVar[Callable[[Figure], object] | None] = ContextVar("taker", default=None)


def colour(method: str) -> tuple[float, float, float]:
    """A method's colour, red, green and blue in [0, 1], whatever follows a comma; grey for one that has none."""
    return COLOURS.get(method.partition(",")[0], NEUTRAL)


@contextmanager
def figure(rows: int = 1, columns: int = 1, height: float = 2.8, alt: str = "", **options: object) -> Iterator:
    """Draw in the book's style and show what was drawn, with its alternative text, when the block ends.

    ::

        with figure(1, 2, alt="Accuracy falls from 99 to 0 %.") as (left, right):
            left.plot(...)

    Parameters
    ----------
    rows, columns : of panels; the block gets one Axes, or a flat array of them.
    height : inches, of the whole figure.
    alt : what the figure shows, in a sentence or two; may be set later, by ``ax.figure.set_label(text)``.
    options : passed on to ``matplotlib.pyplot.subplots``, e.g. ``sharey=True``.

    Raises
    ------
    InputError : no alternative text.
    """
    with mpl.rc_context(_STYLE):
        drawn, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)  # type: ignore[call-overload]
        drawn.set_label(alt)
        try:
            yield axes[0, 0] if axes.size == 1 else axes.ravel()
            show(drawn)
        finally:
            plt.close(drawn)


def show(drawn: Figure) -> None:
    """Display a figure as SVG, its label as alternative text; raises `InputError` if it has none."""
    alt = str(drawn.get_label()).strip()
    if not alt:
        raise InputError("this figure has no alternative text: say in alt= what it shows, for who cannot see it")
    narrow.make_legible(drawn)
    if take := _taker.get():
        take(drawn)
        return
    bundle = _bundle(drawn)
    more = {"narrow": bundle.pop("narrow")} if "narrow" in bundle else {}
    display(bundle, raw=True, metadata={SVG: {"alt": alt, **more}})


def _bundle(drawn: Figure) -> dict[str, str]:
    bundle = {SVG: _svg(drawn), "text/plain": str(drawn.get_label()).strip()}
    if FOR_THE_BOOK in os.environ and narrow.rearrange(drawn):
        bundle["narrow"] = _svg(drawn)
    return bundle


def _svg(drawn: Figure) -> str:
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@contextmanager
def taken(by: Callable[[Figure], object]) -> Iterator[None]:
    """Give each figure of a block to a function instead of displaying it."""
    token = _taker.set(by)
    try:
        yield
    finally:
        _taker.reset(token)


@contextmanager
def caught() -> Iterator[list[dict[str, str]]]:
    """Collect a block's figures, SVG and words by MIME type; for the book also as "narrow" that for a narrow screen."""
    held: list[dict[str, str]] = []
    with taken(lambda drawn: held.append(_bundle(drawn))):
        yield held


def accuracy_matrix(ax: Axes, matrix: Tensor, title: str = "", bar: bool = True) -> None:
    """Draw an accuracy matrix (tasks, tasks), in percent: rows are time, columns tasks; nan stays blank."""
    values = matrix.numpy(force=True)
    names = np.arange(1, len(values) + 1)
    few = len(values) <= 10
    sns.heatmap(
        values, ax=ax, vmin=0, vmax=100, cmap=ACCURACY_COLOURS, annot=few, fmt=".0f", square=True, cbar=bar,
        cbar_kws={"label": "accuracy (%)"}, xticklabels=names if few else 10, yticklabels=names if few else 10,
    )  # fmt: skip
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="tested on task", ylabel="after training on task", title=title)


def accuracy_curves(ax: Axes, steps: Sequence[int], curves: Tensor, names: Sequence[str], task_length: int) -> None:
    """Draw accuracy (%) on several tasks while tasks of ``task_length`` steps go by, a line a task.

    Parameters
    ----------
    curves : (len(steps), tasks), nan where a task cannot be tested yet.
    """
    for number, name in enumerate(names):
        ax.plot(steps, curves[:, number], label=name)
    for start in range(0, max(steps) + 1, task_length):
        ax.axvline(start, color="0.85", linewidth=1, zorder=0)
    ax.set(xlabel="training step", ylabel="accuracy (%)", ylim=(-3, 103), xlim=(0, max(steps)))


def by_method(ax: Axes, frame: pd.DataFrame, column: str) -> None:
    """Draw any column of a frame of runs: for each method a dot a seed, and a diamond and a bar for mean and SEM.

    The axis need not begin at zero: places are compared, and not the lengths of bars.
    """
    table = frame.groupby("method", sort=False)[column].agg(["mean", "sem"])
    for place, (name, row) in enumerate(table.iterrows()):
        each = frame[frame["method"] == name][column]
        ax.plot(each, [place] * len(each), "o", color="0.15", markersize=2.5, alpha=0.6)
        ax.errorbar(row["mean"], place, xerr=row["sem"], fmt="D", color=colour(str(name)), markersize=4.5, capsize=2)
    ax.set_yticks(range(len(table)), list(table.index))
    ax.set(ylim=(len(table) - 0.5, -0.5))


def accuracy_by_method(ax: Axes, frame: pd.DataFrame, chance: float | None = None, lying: bool = False) -> None:
    """Draw final accuracy, a bar a method (mean, SEM) and a dot a seed, from a frame as `frames.load_records` gives.

    Parameters
    ----------
    chance : accuracy (%) of guessing, marked by a dotted line.
    lying : bars lie, with the names of many methods beside them, rather than stand.
    """
    palette = {name: colour(name) for name in frame["method"].unique()}
    name, value = ("y", "x") if lying else ("x", "y")
    shared = {"data": frame, name: "method", value: "acc", "ax": ax}
    sns.barplot(**shared, hue="method", palette=palette, errorbar="se", legend=False, alpha=0.75)
    sns.stripplot(**shared, color="0.15", size=3.5, jitter=0.12)
    if chance is not None:
        line, place = (ax.axvline, (chance, 1.0)) if lying else (ax.axhline, (0.99, chance))
        line(chance, color="0.3", linestyle=":", linewidth=1)
        along = ("data", "axes fraction") if lying else ("axes fraction", "data")
        words = f"guessing ({chance:.0f} %)"
        ax.annotate(words, place, xycoords=along, ha="center" if lying else "right", va="bottom", size=8)
    label = "accuracy (%)" if lying else "accuracy after the last task (%)"
    ax.set(**{f"{name}label": "", f"{value}label": label, f"{value}lim": (0, 103)})


def gains(ax: Axes, table: pd.DataFrame) -> None:
    """Draw what a modification changes (percentage points), a row for each comparison that `compare.of_switch` made.

    A dot a seed; a diamond and a bar for their mean and its standard error; left of the line is a loss.
    """
    for place, (_, row) in enumerate(table.iterrows()):
        ax.plot(row["gains"], [place] * len(row["gains"]), "o", color="0.15", markersize=3.5, alpha=0.6)
        # Beside the dots, not upon them.
        mean, error, drawn_in = row["gain"], row["sem"], colour(row["with"])
        ax.errorbar(mean, place + 0.2, xerr=error, fmt="D", color=drawn_in, markersize=6, capsize=3)
    ax.axvline(0, color="0.3", linestyle=":", linewidth=1)
    names = [f"{row['without']}\n→ {row['with']}" for _, row in table.iterrows()]
    ax.set_yticks(range(len(table)), names)
    ax.set(xlabel="gain (percentage points)", ylim=(len(table) - 0.5, -0.5))


def accuracy_by_memory(ax: Axes, frame: pd.DataFrame, x: str = "per_class", label: str = "", **style: object) -> None:
    """Draw final accuracy against a column such as ``per_class``, mean and SEM over seeds, on a logarithmic axis."""
    sns.lineplot(frame, x=x, y="acc", errorbar="se", err_style="bars", marker="o", ax=ax, label=label or None, **style)
    ax.set(xscale="log", ylabel="accuracy after the last task (%)", ylim=(0, 103))


def images(axes: Sequence[Axes], pictures: Tensor, titles: Sequence[str] = ()) -> None:
    """Draw pictures (n, channels, height, width), uint8 or float32 in [0, 1], one in each of n axes."""
    for number, (ax, picture) in enumerate(zip(axes, pictures.cpu(), strict=True)):
        if picture.shape[0] == 1:
            ax.imshow(picture[0].numpy(), cmap="gray_r")
        else:
            ax.imshow(picture.permute(1, 2, 0).numpy())
        ax.set_axis_off()
        if titles:
            ax.set_title(titles[number], size=9)


def rows_of_images(ax: Axes, rows: Mapping[str, Tensor], columns: Sequence[str] = ()) -> None:
    """Draw rows of small pictures, such as real, reconstructed and generated ones, each row titled at its left.

    All of them are one image of as many pixels as they have together, so that hundreds cost a page next to nothing.

    Parameters
    ----------
    rows : title -> pictures (n, channels, height, width), uint8 or float in [0, 1] (values outside are cut off); one
        channel is drawn as ink on paper, three as red, green and blue. All pictures are of one size; rows may be of
        different lengths.
    columns : titles above the columns; none, or one for each picture of the longest row.

    Raises
    ------
    InputError : no pictures, pictures of different sizes, neither 1 nor 3 channels, or too few or many titles.
    """
    sizes = {tuple(pictures.shape[1:]) for pictures in rows.values()}
    longest = max((len(pictures) for pictures in rows.values()), default=0)
    if len(sizes) != 1 or not longest or len(size := sizes.pop()) != 3 or size[0] not in (1, 3):
        shapes = ", ".join(f"{title!r}: {tuple(pictures.shape)}" for title, pictures in rows.items()) or "no row"
        raise InputError(f"{shapes}: give pictures (n, 1 or 3 channels, height, width), all of one size, at least one")
    if columns and len(columns) != longest:
        raise InputError(f"{len(columns)} column titles for rows of up to {longest} pictures: give one for each column")
    height, width = size[1:]
    gap = max(1, width // 12)
    high, wide = height + gap, width + gap
    canvas = np.ones((len(rows) * high + gap, longest * wide + gap, 3))
    for row, pictures in enumerate(rows.values()):
        canvas[row * high : (row + 1) * high + gap, : len(pictures) * wide + (gap if len(pictures) else 0)] = 0.88
        for column, picture in enumerate(_colours(pictures)):
            top, left = row * high + gap, column * wide + gap
            canvas[top : top + height, left : left + width] = picture
    # Pixel by pixel, as they are, whatever the size on the page.
    ax.imshow(canvas, interpolation="none")
    ax.set_xticks([column * wide + gap + (width - 1) / 2 for column in range(len(columns))], columns)
    ax.set_yticks([row * high + gap + (height - 1) / 2 for row in range(len(rows))], list(rows))
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    sns.despine(ax=ax, left=True, bottom=True)


def _colours(pictures: Tensor) -> np.ndarray:
    """Pictures as (n, height, width, 3) in [0, 1]; those of one channel as ink on paper."""
    values = pictures.detach().cpu().numpy()
    values = values / 255 if values.dtype == np.uint8 else values.clip(0, 1)
    colours = np.repeat(1 - values, 3, axis=1) if values.shape[1] == 1 else values
    return np.asarray(colours.transpose(0, 2, 3, 1))
