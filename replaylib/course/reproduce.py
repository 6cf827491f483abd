"""A figure of the paper, as a set of experiments: those that are stored are read, the others run, and all are drawn.

The figures are those of van de Ven, Siegelmann & Tolias (2020, Nature Communications 11:4069), and this course's own
``dial``. What is drawn is what was run here, on the machine and data that the records name; nothing is the paper's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from replaylib.course import figure_files, paper_figures
from replaylib.data.glyphs import LEVELS
from replaylib.errors import InputError, unknown
from replaylib.lab import frames, replay_quality
from replaylib.lab.experiments import OPTIONS, Experiment, experiment
from replaylib.lab.methods import METHODS, Method, method
from replaylib.lab.options import check_seeds
from replaylib.lab.protocols import protocol
from replaylib.lab.records import Record

#: Steps of all tasks together, where the number of tasks varies: fixed computing, shared out over more and more tasks.
STEPS = 1500
#: What of an experiment a figure can be given in the place of its protocol's values.
SETTINGS = ("tasks", "hidden", "lr", "batch", "iterations", "precision", "encoder")


@dataclass(frozen=True)
class Figure:
    """One row of the table `FIGURES`.

    Attributes
    ----------
    methods : as they are drawn, each for all of ``scenarios`` that it can serve.
    protocol : another of the same kind may be put in its place.
    draw : draws a frame of runs, see `replaylib.lab.frames.frame`, and shows the figure.
    variants : what else varies, as fields of an experiment; backbones that a method cannot have are left out, and a
        method that lacks one of the other fields is refused.
    measured : whether what the networks imagine is measured, see `replaylib.lab.replay_quality`: methods then are
        generative.
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
        seeds: int | Sequence[int] | None = None,
        methods: Sequence[str] = (),
        **chosen: object,
    ) -> list[Experiment]:
        """All runs of the figure: seed by seed, so that a figure of fewer seeds is there before one of all.

        Parameters
        ----------
        protocol_name, seeds, methods : in the place of the figure's own; seeds are which, or how many from 0 on.
        chosen : those of `SETTINGS` by name, in the place of the protocol's; None leaves the value as it is.

        Raises
        ------
        InputError : too few or too many seeds, a value for what the figure varies itself, a method that has no part in
            this figure, several in a figure of one, or a method or protocol that does not allow what is measured.
        """
        names = tuple(dict.fromkeys(methods)) or self.methods
        self._check(names)
        p = protocol(protocol_name or self.protocol)
        if seeds is None:
            seeds = p.seeds
        check_seeds(seeds if isinstance(seeds, int) else len(seeds))
        if isinstance(seeds, int):
            seeds = range(seeds)
        fixed = {name: value for name, value in chosen.items() if value is not None}
        if strange := [name for name in fixed if name not in SETTINGS]:
            raise unknown("option", strange[0], SETTINGS)
        for name in fixed:
            # Whether there is an encoder is what a figure varies by its backbone.
            if (of := "backbone" if name == "encoder" else name) in self._varied:
                raise InputError(f"{self.name} varies {of} itself: leave {name} out")
        every = (
            experiment(p.name, scenario, name, seed, **variant, **fixed)
            for seed in seeds
            for variant in self.variants
            for scenario in self.scenarios
            for name in names
            if scenario in method(name).scenarios and fits(name, variant)
        )
        # To replay as many samples as a step has of its own is what happens where nothing is said.
        descriptions = list(dict.fromkeys(every))
        if self.measured:
            for description in descriptions:
                replay_quality.check(description)
        return descriptions

    @property
    def _varied(self) -> list[str]:
        """The fields of `variants`."""
        return sorted({field for variant in self.variants for field in variant})

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
                mismatch = (
                    f"{self.name} is {', '.join(self.scenarios)}-incremental, and {name} serves {', '.join(serves)}"
                )
                raise InputError(f"{mismatch}: take another method, or another figure")

    def _lacking(self, m: Method) -> list[str]:
        """What this figure varies and a method does not have."""
        return [
            field
            for field in self._varied
            if (field in OPTIONS and field not in m.takes) or (field == "replayed" and not m.rehearses)
        ]


def fits(name: str, variant: Mapping[str, float | str]) -> bool:
    """Whether a method can have the variant's backbone: replayed features are of a frozen one, pixels of none."""
    level, backbone = method(name).level, variant.get("backbone")
    return not (level == "features" and backbone == "none") and not (level == "pixels" and backbone == "frozen")


BASELINES = ("none", "joint", "xdg", "ewc", "si", "lwf", "gr", "bi-r")
ADDED = ("gr", "gr+feedback", "gr+conditional", "gr+gating", "gr+internal", "gr-distill")
TAKEN = ("bi-r", "bi-r-no-feedback", "bi-r-no-conditional", "bi-r-no-gating", "bi-r-no-internal", "bi-r-no-distill")

FIGURES = {
    figure.name: figure
    for figure in (
        Figure("fig3", "methods on Split MNIST", "split-mnist", ("task", "class"), BASELINES, paper_figures.bars),
        Figure(
            "fig4", "how much replay, and how good", "split-mnist", ("task", "class"), ("gr",),
            paper_figures.amount_and_quality,
            (*({"replayed": n} for n in (1, 4, 16, 64)), *({"noise_dim": n} for n in (1, 2, 5, 10, 30)), {}),
            of_one_method=True,
        ),
        Figure(
            "fig6", "Permuted MNIST with 100 tasks", "permuted-mnist", ("domain",),
            ("none", "joint", "ewc", "si", "lwf", "gr", "bi-r", "bi-r-si"), paper_figures.over_tasks,
        ),
        Figure(
            "fig7", "methods on Split CIFAR-100", "split-cifar100", ("task", "class"),
            (*BASELINES, "bi-r-si"), paper_figures.bars,
        ),
        Figure(
            "fig8a", "additions to generative replay, and brain-inspired replay without each part, on Permuted MNIST",
            "permuted-mnist", ("domain",), tuple(name for name in (*ADDED, *TAKEN) if "internal" not in name),
            paper_figures.over_tasks,
        ),
        Figure(
            "fig8", "the same on Split CIFAR-100 (Fig. 8B and C)",
            "split-cifar100", ("task", "class"), (*ADDED, *TAKEN), paper_figures.bars,
        ),
        Figure(
            "fig9", "quality of what each of them imagines after all tasks", "split-cifar100", ("class",),
            (*ADDED, *TAKEN), paper_figures.quality, measured=True,
        ),
        Figure(
            "dial", "glyphs over more and more clutter (this course's own)", "split-glyphs", ("class",),
            ("none", "joint", "exact", "gr", "bi-r"), paper_figures.dial,
            tuple({"clutter": level, "backbone": end} for level in LEVELS for end in ("none", "frozen")),
        ),
        Figure(
            "dial-tasks", "glyphs in more and more tasks, with as many steps in all (this course's own)",
            "split-glyphs", ("class",), ("none", "joint", "exact", "gr", "bi-r"), paper_figures.dial,
            tuple(
                {"tasks": tasks, "iterations": STEPS // tasks, "backbone": end}
                for tasks in (2, 5, 10) for end in ("none", "frozen")
            ),
        ),
    )
}  # fmt: skip


def figure(name: str) -> Figure:
    """The figure of that name; raises `InputError`, with the nearest names, if there is none."""
    if name == "fig5":
        raise InputError(
            "Fig. 5 of the paper draws the modifications: for Permuted MNIST take fig6 (once called fig5 here), for "
            "Split CIFAR-100 fig7 (once called fig6)"
        )
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    return FIGURES[name]


def draw(chosen: Figure, records: Iterable[Record], path: Path) -> Path:
    """Draw the figure into a file, see `figure_files.into`; raises `InputError` where it cannot be written."""
    with figure_files.into(path):
        chosen.draw(frames.frame(records))
    return path
