"""A figure of the paper, as a set of experiments: those that are stored are read, the others run, and all are drawn.

The figures are those of van de Ven, Siegelmann & Tolias (2020, Nature Communications 11:4069), and this course's own
``dial``. What is drawn is what was run here, on the machine and data that the records name; nothing is the paper's own.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from replaylib import figures, imagined, runs
from replaylib.errors import InputError, unknown
from replaylib.experiments import OPTIONS, Experiment, check_seeds, experiment
from replaylib.glyphs import LEVELS
from replaylib.methods import METHODS, Method, method
from replaylib.protocols import protocol
from replaylib.records import Record

#: Steps of all tasks together, where the number of tasks varies: fixed computing, shared out over more and more tasks.
STEPS = 1500


@dataclass(frozen=True)
class Figure:
    """One row of the table `FIGURES`.

    Attributes
    ----------
    methods : as they are drawn, each for all of ``scenarios`` that it can serve.
    protocol : another of the same kind may be put in its place.
    draw : draws a frame of runs, see `replaylib.runs.frame`, and shows the figure.
    variants : what else varies, as fields of an experiment; front ends that a method cannot have are left out, and a
        method that lacks one of the other fields is refused.
    measured : whether what the networks imagine is measured, see `replaylib.imagined`: methods then are generative.
    of_one_method : whether it is drawn of a single method.
    """

    name: str
    summary: str
    protocol: str
    scenarios: tuple[str, ...]
    methods: tuple[str, ...]
    draw: Callable[[pd.DataFrame], None]
    variants: tuple[Mapping[str, float | str], ...] = ({},)
    measured: bool = False
    of_one_method: bool = False

    def experiments(
        self,
        protocol_name: str | None = None,
        seeds: int | None = None,
        methods: Sequence[str] = (),
        iterations: int | None = None,
    ) -> list[Experiment]:
        """All runs of the figure: seed by seed, so that a figure of fewer seeds is there before one of all.

        Parameters
        ----------
        protocol_name, seeds, methods : in the place of the figure's own; seeds 0 to ``seeds`` - 1.
        iterations : steps a task, in the place of the protocol's; a smaller figure where there is no GPU.

        Raises
        ------
        InputError : too few or too many seeds, other iterations for a figure that varies them itself, a method that
            has no part in this figure, several in a figure of one, or a method or protocol that does not allow what is
            measured.
        """
        names = tuple(dict.fromkeys(methods)) or self.methods
        self._check(names)
        p = protocol(protocol_name or self.protocol)
        count = p.seeds if seeds is None else seeds
        check_seeds(count)
        if iterations is not None and any("iterations" in variant for variant in self.variants):
            raise InputError(f"{self.name} shares out its steps over tasks itself: leave iterations out")
        fixed = {} if iterations is None else {"iterations": iterations}
        every = (
            experiment(p.name, scenario, name, seed, **variant, **fixed)  # type: ignore[arg-type]
            for seed in range(count)
            for variant in self.variants
            for scenario in self.scenarios
            for name in names
            if scenario in method(name).scenarios and fits(name, variant)
        )
        # To replay as many samples as a step has of its own is what happens where nothing is said.
        made = list(dict.fromkeys(every))
        if self.measured:
            for description in made:
                imagined.check(description)
        return made

    def _check(self, names: Sequence[str]) -> None:
        if self.of_one_method and len(names) > 1:
            raise InputError(f"{self.name} shows one method, and {len(names)} were asked for: give one of them")
        for name in names:
            if lacking := self._lacking(method(name)):
                takers = ", ".join(m.name for m in METHODS.values() if not self._lacking(m))
                raise InputError(
                    f"{self.name} varies {' and '.join(lacking)}, which {name} has not: take one of {takers}"
                )
            serves = method(name).scenarios
            if not set(self.scenarios) & set(serves):
                found = f"{self.name} is {', '.join(self.scenarios)}-incremental, and {name} serves {', '.join(serves)}"
                raise InputError(f"{found}: take another method, or another figure")

    def _lacking(self, m: Method) -> list[str]:
        """What this figure varies and a method does not have."""
        varied = sorted({field for variant in self.variants for field in variant})
        return [
            field
            for field in varied
            if (field in OPTIONS and field not in m.options) or (field == "replayed" and not m.replay)
        ]


def fits(name: str, variant: Mapping[str, float | str]) -> bool:
    """Whether a method can have the variant's front end: replayed features are of a frozen one, pixels of none."""
    replays, front_end = method(name).replays, variant.get("front_end")
    return not (replays == "features" and front_end == "pixels") and not (replays == "pixels" and front_end == "frozen")


def _bars(frame: pd.DataFrame) -> None:
    scenarios = list(dict.fromkeys(frame["scenario"]))
    height = 0.9 + 0.28 * frame["method"].nunique()
    with figures.figure(1, len(scenarios), height=height, alt=in_words(frame), sharey=False) as axes:
        for ax, scenario in zip([axes] if len(scenarios) == 1 else axes, scenarios, strict=True):
            some = frame[frame["scenario"] == scenario]
            figures.accuracy_by_method(ax, some, lying=True)
            ax.set_title(f"{some['protocol'].iloc[0]}, {scenario}-incremental", size=10)


def _over_tasks(frame: pd.DataFrame) -> None:
    with figures.figure(alt=in_words(frame), height=3.4) as ax:
        for name, some in frame.groupby("method", sort=False):
            each = torch.stack([so_far(torch.tensor(matrix, dtype=torch.float64)) for matrix in some["matrix"]])
            mean, tasks = each.mean(0), range(1, each.shape[1] + 1)
            colour = figures.colour(str(name))
            ax.plot(tasks, mean, label=name, color=colour)
            if len(each) > 1:
                spread = each.std(0) / len(each) ** 0.5
                ax.fill_between(tasks, mean - spread, mean + spread, alpha=0.25, color=colour)
        ax.set(xlabel="tasks so far", ylabel="accuracy on them (%)", ylim=(0, 103), title=frame["protocol"].iloc[0])
        ax.locator_params(axis="x", integer=True)
        ax.legend(ncols=2)


def _amount_and_quality(frame: pd.DataFrame) -> None:
    everything, richest = frame["replayed"].isna(), frame["latent"] == frame["latent"].max()
    amounts = frame[richest].assign(turned=frame["replayed"].fillna(frame["batch"]))
    codes = frame[everything].assign(turned=frame["latent"])
    names = ("replayed samples a step", "numbers in a code")
    with figures.figure(1, 2, height=3.2, alt=in_words(frame), sharey=True) as axes:
        for ax, some, name in zip(axes, (amounts, codes), names, strict=True):
            for scenario, marker in zip(dict.fromkeys(some["scenario"]), "os^", strict=False):
                acc = some[some["scenario"] == scenario].groupby("turned")["acc"]
                ax.errorbar(
                    acc.mean().index, acc.mean(), acc.sem().fillna(0), marker=marker,
                    label=f"{scenario}-incremental",
                )  # fmt: skip
            turned = sorted(some["turned"].unique())
            ax.set(xscale="log", xlabel=name, ylim=(0, 103), xticks=turned, xticklabels=[f"{n:g}" for n in turned])
            ax.minorticks_off()
        axes[0].set_ylabel("accuracy after the last task (%)")
        axes[0].legend(loc="lower right")


def so_far(matrix: torch.Tensor) -> torch.Tensor:
    """Mean accuracy over the tasks so far, after each task: (tasks,), of an accuracy matrix (tasks, tasks)."""
    return torch.stack([row[: task + 1].mean() for task, row in enumerate(matrix)])


def _dial(frame: pd.DataFrame) -> None:
    turned = "tasks" if frame["tasks"].nunique() > 1 else "clutter"
    with figures.figure(1, 2, height=3.2, alt=in_words(frame), sharey=True) as (left, right):
        for ax, title, features in ((left, "pixels", False), (right, "features of a frozen encoder", True)):
            for name, some in frame[frame["front_end"].notna() == features].groupby("method", sort=False):
                acc = some.groupby(turned)["acc"]
                ax.errorbar(
                    acc.mean().index, acc.mean(), acc.sem().fillna(0), marker="o", label=name,
                    color=figures.colour(str(name)),
                )  # fmt: skip
            ax.set(xlabel=turned, ylim=(0, 103), title=title, xticks=sorted(frame[turned].unique()))
            if ax.lines:  # a method may have no run on one of both
                ax.legend(fontsize=8)
        left.set_ylabel("accuracy after the last task (%)")


def _quality(frame: pd.DataFrame) -> None:
    frame = frame.assign(of=frame["front_end"].eq("frozen").map({True: "features", False: "pixels"}))
    frame = frame.assign(**pd.DataFrame(frame["measures"].tolist(), index=frame.index))
    panels = [
        # What is asked of a network's own inputs can be compared where these are of one kind.
        *((name, kind) for name in ("log_likelihood", "reconstruction_error") for kind in dict.fromkeys(frame["of"])),
        *((name, "") for name in imagined.MEASURES if name not in ("log_likelihood", "reconstruction_error")),
    ]
    rows = -(-len(panels) // 2)
    words = "; ".join(
        f"{titled(name, kind)}: "
        + ", ".join(f"{m} {v:.4g}" for m, v in some.groupby("method", sort=False)[name].mean().items())
        for name, kind in panels
        for some in [frame[frame["of"] == kind] if kind else frame]
    )
    height = rows * (0.85 + 0.17 * frame["method"].nunique())
    with figures.figure(rows, 2, height=height, alt=f"Quality of replay after the last task. {words}.") as axes:
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax, (name, kind) in zip(axes, panels, strict=False):
            some = frame[frame["of"] == kind] if kind else frame
            figures.by_method(ax, some, name)
            better = "higher" if imagined.MEASURES[name] else "lower"
            ax.set(title=titled(name, kind), xlabel=f"{better} is better")


def titled(name: str, kind: str = "") -> str:
    """One of `replaylib.imagined.MEASURES` as it is written, e.g. ``"log-likelihood of pixels (nats)"``."""
    units = {"log_likelihood": " (nats)", "precision": " (F 1/8)", "recall": " (F 8)"}
    words = name.replace("_likelihood", "-likelihood").replace("_", " ")
    words = words.replace("frechet", "Fréchet").replace("inception", "Inception")
    return f"{words}{f' of {kind}' if kind else ''}{units.get(name, '')}"


def in_words(frame: pd.DataFrame) -> str:
    """What a figure of these runs shows, for who cannot see it: every mean final accuracy."""
    varying = ("scenario", "tasks", "replayed", "latent", "clutter", "front_end", "method")
    means_something = ("replayed", "front_end")  # where nothing was said: all of them, and pixels
    columns = [
        name
        for name in varying
        if name in ("scenario", "method") or frame[name].nunique(dropna=name not in means_something) > 1
    ]
    means = frame.groupby(columns, sort=False, dropna=False)["acc"].mean().reset_index()
    return "Final accuracy: " + "; ".join(
        f"{', '.join(filter(None, (_in_words(name, row[name]) for name in columns)))} {row['acc']:.1f} %"
        for _, row in means.iterrows()
    )


def _in_words(column: str, value: str | float) -> str:
    """One of the values that runs differ in, e.g. ``"4 replayed"``; ``value`` is nan where nothing was said."""
    if value != value:
        return {"front_end": "pixels", "replayed": "all replayed"}.get(column, "")
    return str(value) if isinstance(value, str) else f"{value:g} {column}"


BASELINES = ("none", "joint", "xdg", "ewc", "si", "lwf", "gr", "bi-r")
ADDED = ("gr", "gr+feedback", "gr+conditional", "gr+gating", "gr+internal", "gr-distill")
TAKEN = ("bi-r", "bi-r-no-feedback", "bi-r-no-conditional", "bi-r-no-gating", "bi-r-no-internal", "bi-r-no-distill")

FIGURES = {
    figure.name: figure
    for figure in (
        Figure("fig3", "methods on Split MNIST", "split-mnist", ("task", "class"), BASELINES, _bars),
        Figure(
            "fig4", "how much replay, and how good", "split-mnist", ("task", "class"), ("gr",), _amount_and_quality,
            (*({"replayed": n} for n in (1, 4, 16, 64)), *({"latent": n} for n in (1, 2, 5, 10, 30)), {}),
            of_one_method=True,
        ),
        Figure(
            "fig5", "Permuted MNIST with 100 tasks", "permuted-mnist", ("domain",),
            ("none", "joint", "ewc", "si", "lwf", "gr", "bi-r", "bi-r-si"), _over_tasks,
        ),
        Figure(
            "fig6", "methods on Split CIFAR-100", "split-cifar100", ("task", "class"), (*BASELINES, "bi-r-si"), _bars
        ),
        Figure(
            "fig8", "additions to generative replay, and what brain-inspired replay is without each part",
            "split-cifar100", ("task", "class"), (*ADDED, *TAKEN), _bars,
        ),
        Figure(
            "fig9", "quality of what each of them imagines after all tasks", "split-cifar100", ("class",),
            (*ADDED, *TAKEN), _quality, measured=True,
        ),
        Figure(
            "dial", "glyphs over more and more clutter (this course's own)", "split-glyphs", ("class",),
            ("none", "joint", "exact", "gr", "bi-r"), _dial,
            tuple({"clutter": level, "front_end": end} for level in LEVELS for end in ("pixels", "frozen")),
        ),
        Figure(
            "dial-tasks", "glyphs in more and more tasks, with as many steps in all (this course's own)",
            "split-glyphs", ("class",), ("none", "joint", "exact", "gr", "bi-r"), _dial,
            tuple(
                {"tasks": tasks, "iterations": STEPS // tasks, "front_end": end}
                for tasks in (2, 5, 10) for end in ("pixels", "frozen")
            ),
        ),
    )
}  # fmt: skip


def figure(name: str) -> Figure:
    """The figure of that name; raises `InputError`, with the nearest names, if there is none."""
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    return FIGURES[name]


def draw(chosen: Figure, records: Iterable[Record], path: Path) -> Path:
    """Draw the figure into an SVG file; raises `InputError` where it cannot be written."""
    with figures.caught() as drawn:
        chosen.draw(runs.frame(records))
    try:
        path.write_text(drawn[0]["image/svg+xml"])
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}): choose another place with --out") from error
    return path


def check_writable(path: Path) -> None:
    """Raise `InputError` where no figure could be written, before hours of computing."""
    try:
        with path.open("r+") if path.exists() else tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        advice = "choose a file in a folder that is there, with --out"
        raise InputError(f"cannot write {path} ({error.strerror}): {advice}") from error
