"""What each figure of the paper shows of a frame of runs, and the same in words for who cannot see it.

Frames are as `replaylib.lab.frames.frame` gives; each function draws one and shows it, see `figures.figure`.
"""

import pandas as pd
import torch

from replaylib.course import figures
from replaylib.lab import replay_quality

#: What is said below a measure, by whether more of it is better.
BETTER = {True: "higher is better", False: "lower is better", None: ""}


def bars(frame: pd.DataFrame) -> None:
    """Final accuracy by method, a panel for each scenario."""
    scenarios = list(dict.fromkeys(frame["scenario"]))
    height = 0.9 + 0.28 * frame["method"].nunique()
    with figures.figure(1, len(scenarios), height=height, alt=in_words(frame), sharey=False) as axes:
        for ax, scenario in zip([axes] if len(scenarios) == 1 else axes, scenarios, strict=True):
            part = frame[frame["scenario"] == scenario]
            figures.accuracy_by_method(ax, part, lying=True)
            ax.set_title(f"{part['protocol'].iloc[0]}, {scenario}-incremental", size=10)


def over_tasks(frame: pd.DataFrame) -> None:
    """Mean accuracy on the tasks so far, after each task: a line and its standard error for each method."""
    with figures.figure(alt=in_words(frame), height=3.4) as ax:
        for name, runs in frame.groupby("method", sort=False):
            each = torch.stack([so_far(torch.tensor(matrix, dtype=torch.float64)) for matrix in runs["matrix"]])
            mean, tasks = each.mean(0), range(1, each.shape[1] + 1)
            colour = figures.colour(str(name))
            ax.plot(tasks, mean, label=name, color=colour)
            if len(each) > 1:
                spread = each.std(0) / len(each) ** 0.5
                ax.fill_between(tasks, mean - spread, mean + spread, alpha=0.25, color=colour)
        ax.set(xlabel="tasks so far", ylabel="accuracy on them (%)", ylim=(0, 103), title=frame["protocol"].iloc[0])
        ax.locator_params(axis="x", integer=True)
        ax.legend(ncols=2)


def amount_and_quality(frame: pd.DataFrame) -> None:
    """Final accuracy against how many samples are replayed, and against the length of the generator's code (Fig. 4)."""
    everything, richest = frame["replayed"].isna(), frame["noise_dim"] == frame["noise_dim"].max()
    amounts = frame[richest].assign(turned=frame["replayed"].fillna(frame["batch"]))
    codes = frame[everything].assign(turned=frame["noise_dim"])
    names = ("replayed samples a step", "numbers in a code")
    with figures.figure(1, 2, height=3.2, alt=in_words(frame), sharey=True) as axes:
        for ax, varied, name in zip(axes, (amounts, codes), names, strict=True):
            for scenario, marker in zip(dict.fromkeys(varied["scenario"]), "os^", strict=False):
                acc = varied[varied["scenario"] == scenario].groupby("turned")["acc"]
                ax.errorbar(
                    acc.mean().index, acc.mean(), acc.sem().fillna(0), marker=marker,
                    label=f"{scenario}-incremental",
                )  # fmt: skip
            turned = sorted(varied["turned"].unique())
            ax.set(xscale="log", xlabel=name, ylim=(0, 103), xticks=turned, xticklabels=[f"{n:g}" for n in turned])
            ax.minorticks_off()
        axes[0].set_ylabel("accuracy after the last task (%)")
        axes[0].legend(loc="lower right")


def so_far(matrix: torch.Tensor) -> torch.Tensor:
    """Mean accuracy over the tasks so far, after each task: (tasks,), of an accuracy matrix (tasks, tasks)."""
    return torch.stack([row[: task + 1].mean() for task, row in enumerate(matrix)])


def dial(frame: pd.DataFrame) -> None:
    """Final accuracy against clutter, or against the number of tasks where that varies: on pixels, and on features."""
    turned = "tasks" if frame["tasks"].nunique() > 1 else "clutter"
    with figures.figure(1, 2, height=3.2, alt=in_words(frame), sharey=True) as (left, right):
        for ax, title, features in ((left, "pixels", False), (right, "features of a frozen encoder", True)):
            for name, runs in frame[frame["backbone"].notna() == features].groupby("method", sort=False):
                acc = runs.groupby(turned)["acc"]
                ax.errorbar(
                    acc.mean().index, acc.mean(), acc.sem().fillna(0), marker="o", label=name,
                    color=figures.colour(str(name)),
                )  # fmt: skip
            ax.set(xlabel=turned, ylim=(0, 103), title=title, xticks=sorted(frame[turned].unique()))
            if ax.lines:  # a method may have no run on one of both
                ax.legend(fontsize=8)
        left.set_ylabel("accuracy after the last task (%)")


def quality(frame: pd.DataFrame) -> None:
    """What `replaylib.lab.replay_quality` measures of each run, a panel for each measure (Fig. 9)."""
    frame = frame.assign(of=frame["backbone"].eq("frozen").map({True: "features", False: "pixels"}))
    frame = frame.assign(**pd.DataFrame(frame["measures"].tolist(), index=frame.index))
    panels = [
        # What is asked of a network's own inputs can be compared where these are of one kind.
        *((name, kind) for name in ("log_likelihood", "reconstruction_error") for kind in dict.fromkeys(frame["of"])),
        *((name, "") for name in replay_quality.MEASURES if name not in ("log_likelihood", "reconstruction_error")),
        # Records made before there were such measures lack them.
        *((name, "") for name in replay_quality.OF_LABELS if name in frame and frame[name].notna().all()),
    ]
    rows = -(-len(panels) // 2)
    words = "; ".join(
        f"{titled(name, kind)}: "
        + ", ".join(f"{m} {v:.4g}" for m, v in part.groupby("method", sort=False)[name].mean().items())
        for name, kind in panels
        for part in [frame[frame["of"] == kind] if kind else frame]
    )
    height = rows * (0.85 + 0.17 * frame["method"].nunique())
    with figures.figure(rows, 2, height=height, alt=f"Quality of replay after the last task. {words}.") as axes:
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax, (name, kind) in zip(axes, panels, strict=False):
            part = frame[frame["of"] == kind] if kind else frame
            figures.by_method(ax, part, name)
            ax.set(title=titled(name, kind), xlabel=BETTER[replay_quality.MEASURES.get(name)])


def titled(name: str, kind: str = "") -> str:
    """One of the measures of `replaylib.lab.replay_quality` in words, e.g. ``"log-likelihood of pixels (nats)"``."""
    if name in replay_quality.OF_LABELS:
        return replay_quality.OF_LABELS[name]
    units = {"log_likelihood": " (nats)", "precision": " (F 1/8)", "recall": " (F 8)"}
    words = name.replace("_likelihood", "-likelihood").replace("_", " ")
    words = words.replace("frechet", "Fréchet").replace("inception", "Inception")
    return f"{words}{f' of {kind}' if kind else ''}{units.get(name, '')}"


def in_words(frame: pd.DataFrame) -> str:
    """What a figure of these runs shows, for who cannot see it: every mean final accuracy."""
    varying = ("scenario", "tasks", "replayed", "noise_dim", "clutter", "backbone", "method")
    means_something = ("replayed", "backbone")  # where nothing was said: all of them, and pixels
    columns = [
        name
        for name in varying
        if name in ("scenario", "method") or frame[name].nunique(dropna=name not in means_something) > 1
    ]
    means = frame.groupby(columns, sort=False, dropna=False)["acc"].mean().reset_index()
    return "Final accuracy: " + "; ".join(
        f"{', '.join(filter(None, (_value(name, row[name]) for name in columns)))} {row['acc']:.1f} %"
        for _, row in means.iterrows()
    )


def _value(column: str, value: str | float) -> str:
    """One of the values that runs differ in, e.g. ``"4 replayed"``; ``value`` is nan where nothing was said."""
    if value != value:
        return {"backbone": "pixels", "replayed": "all replayed"}.get(column, "")
    return str(value) if isinstance(value, str) else f"{value:g} {column}"
