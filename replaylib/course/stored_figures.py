"""What is in a folder of records as a figure in a file: accuracy by method, and two of them compared."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from replaylib.course import figure_files, figures
from replaylib.errors import InputError
from replaylib.lab import store

#: Bars that can still be read in one figure.
MOST = 80
_AXIS = "accuracy after the last task (%)\nmean and SEM, and a dot a seed"


def accuracies(frame: pd.DataFrame, path: Path) -> None:
    """Draw final accuracy, a bar an experiment (mean, SEM) and a dot a seed, a panel for each protocol and scenario.

    Parameters
    ----------
    frame : a row a run, as `replaylib.lab.store.summaries` gives.
    path : as `figure_files.into` takes.

    Raises
    ------
    InputError : more than `MOST` bars, or the file cannot be written.
    """
    panels = {
        f"{protocol}, {scenario}-incremental": named(panel)
        for (protocol, scenario), panel in frame.groupby(["protocol", "scenario"])
    }
    bars = [panel["method"].unique() for panel in panels.values()]
    if (several := sum(map(len, bars))) > MOST:
        raise InputError(f"{several} bars are more than one figure shows ({MOST}): ask for less with --where")
    words = "; ".join(f"{title}: {_in_words(panel)}" for title, panel in panels.items())
    heights = [0.45 + sum(0.14 + 0.15 * len(name.splitlines()) for name in names) for names in bars]
    with (
        figure_files.into(path),
        figures.figure(
            len(bars),
            1,
            height=0.5 + sum(heights),
            alt=f"Accuracy after the last task. {words}.",
            height_ratios=heights,
        ) as axes,
    ):
        axes = [axes] if len(bars) == 1 else axes
        for ax, (title, panel) in zip(axes, panels.items(), strict=True):
            figures.accuracy_by_method(ax, panel, lying=True)
            ax.set_title(title, size=10)
            ax.set_xlabel("")
            ax.tick_params(axis="y", labelsize=8)
        axes[-1].set_xlabel(_AXIS)


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The same runs, in ``method`` its name followed by what else differs among the runs of that method."""
    parts = []
    for method, runs in frame.groupby("method"):
        for described, seeds in store.groups(runs):
            varied = (
                f"{name}\N{NO-BREAK SPACE}{value}"
                for name, value in described.items()
                if name not in store.KEYS and value
            )
            lines = textwrap.wrap(", ".join(varied), 36)
            parts.append(seeds.assign(method=str(method) + (",\n" + "\n".join(lines) if lines else "")))
    return pd.concat(parts)


def comparison(first: str, second: str, both: pd.DataFrame, difference: Mapping[str, float], path: Path) -> None:
    """Draw two sides' final accuracy over their common seeds and, below, how much higher the second one's is.

    Parameters
    ----------
    both : as `replaylib.lab.store.common` gives; ``difference`` is what `replaylib.lab.store.paired` says of the two.
    path : as `figure_files.into` takes.

    Raises
    ------
    InputError : the file cannot be written.
    """
    sides = pd.concat(
        [pd.DataFrame({"method": name, "acc": both[side]}) for name, side in ((first, "a"), (second, "b"))]
    )
    gain = {"gains": (both["b"] - both["a"]).tolist(), "gain": difference["mean"], "sem": difference["sem"]}
    words = f"{difference['mean']:+.2f} points"
    if len(both) > 1:
        low, high, p = (difference[name] for name in ("low", "high", "p"))
        words += f", 95 % confidence interval {low:+.2f} to {high:+.2f}, p = {p:.2g}"
    alt = f"Accuracy after the last task: {_in_words(sides)}. Seed by seed, {second} is higher by {words}."
    with (
        figure_files.into(path),
        figures.figure(2, 1, height=3.4, alt=alt, height_ratios=(3, 2)) as (above, below),
    ):
        figures.accuracy_by_method(above, sides, lying=True)
        above.set_xlabel(_AXIS)
        figures.gains(below, pd.DataFrame([{**gain, "without": first, "with": second}]))
        below.set_title(words, size=10)
        below.set_xlabel("gain (percentage points), mean and SEM, and a dot a seed")


def _in_words(frame: pd.DataFrame) -> str:
    table = frame.groupby("method", sort=False)["acc"].agg(["mean", "sem", "size"])
    return ", ".join(
        f"{str(name).replace(chr(10), ' ')} {row['mean']:.1f} %"
        + (f" ± {row['sem']:.1f} over {row['size']:.0f} seeds" if row["size"] > 1 else "")
        for name, row in table.iterrows()
    )
