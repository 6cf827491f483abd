"""Hyper-parameters chosen on validation data: candidates, and which of them did best. The test part is left unread.

Each candidate is an experiment like any other, with ``validation``, and its runs are records like any others.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch

from replaylib import metrics
from replaylib.errors import InputError, unknown
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.grids import option_of
from replaylib.lab.options import Value
from replaylib.lab.records import Record

#: The grids of van de Ven, Siegelmann & Tolias (2020), as their reference code has them
#: (github.com/GMvandeVen/brain-inspired-replay, compare_*_hyperParams.py); its figures are of test accuracy.
SOURCE = "the reference code of van de Ven et al. 2020"
SAMPLERS = ("grid", "random", "tpe")


def _decades(low: int, high: int) -> tuple[float, ...]:
    return tuple(float(f"1e{power}") for power in range(low, high + 1))


TWENTIETHS = tuple(n / 20 for n in range(1, 20))
TENTHS = tuple(n / 10 for n in range(10))
FIFTHS = tuple(n / 5 for n in range(5))


class Grid(NamedTuple):
    """The published candidates for an option of some methods; ``"*"`` stands for all scenarios."""

    methods: str
    option: str
    protocol: str
    scenario: str
    values: tuple[float, ...]


ABLATED = "bi-r-no-feedback bi-r-no-conditional bi-r-no-distill gr+gating"
#: The first row that fits counts. The published ones of SI also have 0, which is the method without it.
GRIDS = (
    Grid("ewc online-ewc", "strength", "split-mnist", "*", _decades(0, 11)),
    Grid("ewc online-ewc", "strength", "split-cifar100", "*", _decades(0, 12)),
    Grid("ewc online-ewc", "strength", "permuted-mnist", "*", _decades(-3, 6)),
    Grid("si", "strength", "split-mnist", "*", (*(f * d for d in _decades(-3, 3) for f in (1, 5)), 1e4)),
    Grid("si bi-r-si", "strength", "split-cifar100", "task", _decades(-3, 8)),
    Grid("si bi-r-si", "strength", "split-cifar100", "*", _decades(-1, 10)),
    Grid("si bi-r-si", "strength", "permuted-mnist", "*", _decades(-3, 2)),
    Grid("xdg", "gate_prop", "split-mnist", "*", TWENTIETHS),
    Grid("xdg", "gate_prop", "split-cifar100", "*", TWENTIETHS),
    Grid("bi-r-si", "gate_prop", "split-cifar100", "*", FIFTHS),
    Grid(f"bi-r bi-r-no-internal {ABLATED}", "gate_prop", "split-cifar100", "*", TENTHS),
    Grid(f"bi-r bi-r-si {ABLATED}", "gate_prop", "permuted-mnist", "*", FIFTHS),
)


def published(protocol_name: str, scenario: str, name: str) -> dict[str, list[float]]:
    """The published candidates of a method's options; raises `InputError` where there are none."""
    candidates: dict[str, list[float]] = {}
    for row in GRIDS:
        fits = name in row.methods.split() and row.protocol == protocol_name and row.scenario in ("*", scenario)
        if fits and row.option not in candidates:
            candidates[row.option] = list(row.values)
    if not candidates:
        there = ", ".join(dict.fromkeys(row.protocol for row in GRIDS if name in row.methods.split())) or "none"
        raise InputError(
            f"no candidates are published for {name} on {protocol_name}, {scenario}-incremental (of {name}: {there}): "
            "give them with --set, e.g. --set lr=0.001 --set lr=0.0001"
        )
    return candidates


@dataclass(frozen=True)
class Candidate:
    """Values of options, and the experiments that say how good they are: one a seed."""

    values: Mapping[str, Value]
    experiments: tuple[Experiment, ...]

    def accuracies(self, kept: Mapping[str, Record]) -> list[float]:
        """Final accuracies on validation data, in percent, of the seeds whose record is there."""
        return [kept[e.id].summary()["acc"] for e in self.experiments if e.id in kept]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in
                         self.values.items())  # fmt: skip


def candidate(
    protocol_name: str,
    scenario: str | None,
    name: str,
    seeds: Sequence[int],
    validation: float,
    values: Mapping[str, Value],
    fixed: Mapping[str, Value],
) -> Candidate:
    """One candidate: ``values`` beside what is ``fixed``, on a share of the training data that is held out."""
    given = {**fixed, **values, "validation": validation}
    return Candidate(dict(values), tuple(experiment(protocol_name, scenario, name, seed, **given) for seed in seeds))


def combinations(axes: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    """Every combination of the values of several options."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def ranked(candidates: Sequence[Candidate], kept: Mapping[str, Record]) -> list[tuple[Candidate, float, float | None]]:
    """Candidates all of whose seeds ended, the best first: mean and standard error of their accuracies, in percent.

    Of equal ones, that comes first which was given first.
    """
    rows = []
    for one in candidates:
        accuracies = torch.tensor(one.accuracies(kept), dtype=torch.float64)
        if len(accuracies) == len(one.experiments):
            rows.append((one, accuracies.mean().item(), metrics.sem(accuracies)))
    return sorted(rows, key=lambda row: -row[1])


def sampled(
    space: Mapping[str, tuple[Any, ...]],
    sampler: str,
    trials: int,
    judged: Callable[[Mapping[str, Value]], float | None],
) -> None:
    """Have ``judged`` say how good ``trials`` points of a space are, which a sampler of Optuna chooses.

    Parameters
    ----------
    space : of each option its lowest and highest value, or, for words, all of them. A range of numbers above 0 that
        spans more than a factor of 100 is searched by factors.
    sampler : ``"random"``, or ``"tpe"`` (Bergstra et al. 2011), which looks near what was good. Both start from seed 0:
        the same command asks for the same points, whose records are there.
    judged : gives an accuracy; None where there is none, as of a run that diverged.

    Raises
    ------
    InputError : Optuna is not installed; an unknown sampler, or a range that is none.
    """
    if sampler not in SAMPLERS[1:]:
        raise unknown("sampler", sampler, SAMPLERS)
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise InputError(f"sampler {sampler} needs Optuna ({error}): pip install 'replaylib[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna_sampler = (
        optuna.samplers.RandomSampler(seed=0) if sampler == "random" else optuna.samplers.TPESampler(seed=0)
    )
    study = optuna.create_study(direction="maximize", sampler=optuna_sampler)
    for _ in range(trials):
        trial = study.ask()
        accuracy = judged({name: _asked(trial, name, ends) for name, ends in space.items()})
        study.tell(trial, accuracy, state=None if accuracy is not None else optuna.trial.TrialState.FAIL)


def check_range(name: str, ends: Sequence[Any]) -> tuple[Any, ...]:
    """The ends of a range, or words to choose from, as `sampled` takes them; raises `InputError` for others."""
    option = option_of(name)
    values = tuple(option.check(name, one) for one in ends)
    numbers = option.kind in (int, float)
    if len(values) < 2 or (numbers and (len(values) != 2 or values[0] >= values[1])):
        wanted = "the lowest and the highest, e.g. lr=0.0001 and lr=0.01" if numbers else "two words or more"
        raise InputError(f"{name} has {', '.join(map(str, ends))}: a sampler needs {wanted}")
    if option.kind is tuple:
        raise InputError(f"{name} is no single number or word: choose it with --sampler grid")
    return values


def _asked(trial: Any, name: str, ends: tuple[Any, ...]) -> Any:
    if isinstance(ends[0], str | bool):
        return trial.suggest_categorical(name, ends)
    low, high = ends
    by_factors = low > 0 and high / low > 100
    suggest = trial.suggest_int if option_of(name).kind is int else trial.suggest_float
    return suggest(name, low, high, log=by_factors)
