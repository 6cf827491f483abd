"""The table from a method's name to its parts."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from replaylib.errors import InputError, unknown
from replaylib.replay import Buffer, Everything, Nothing, Replay
from replaylib.scenarios import SCENARIOS, Stream


@dataclass(frozen=True)
class Method:
    """One row of the table `METHODS`.

    Attributes
    ----------
    replay : makes its source of replay for a stream, from a generator and the options named in ``options``.
    options : the options it takes, with their defaults.
    scenarios : those that it can serve.
    """

    name: str
    summary: str
    source: str
    replay: Callable[..., Replay]
    options: tuple[tuple[str, int | str], ...] = ()
    scenarios: tuple[str, ...] = tuple(SCENARIOS)

    def settle(self, scenario: str, chosen: dict[str, int | str | None]) -> dict[str, int | str | None]:
        """The options to run with: the defaults, and what was chosen (not None) in their place.

        Raises
        ------
        InputError : an option that this method does not take, or a scenario that it cannot serve.
        """
        if scenario not in SCENARIOS:
            raise unknown("scenario", scenario, SCENARIOS)
        if scenario not in self.scenarios:
            raise InputError(f"{self.name} cannot serve the {scenario} scenario: it serves {', '.join(self.scenarios)}")
        defaults = dict(self.options)
        for option, value in chosen.items():
            if value is not None and option not in defaults:
                takers = ", ".join(m.name for m in METHODS.values() if option in dict(m.options))
                raise InputError(f"method {self.name} has no {option}: leave it out, or use {takers}")
        return {
            option: defaults.get(option) if chosen.get(option) is None else chosen[option]
            for option in chosen | defaults
        }


def _nothing(stream: Stream, generator: torch.Generator) -> Replay:
    return Nothing()


def _buffer(stream: Stream, generator: torch.Generator, budget: int, policy: str) -> Replay:
    return Buffer(stream, budget, policy, generator)


METHODS = {
    method.name: method
    for method in (
        Method("none", "train on each task in turn: the lower bound", "McCloskey & Cohen 1989", _nothing),
        Method(
            "exact",
            "exact (experience) replay: store some samples of every class and interleave them",
            "Rolnick et al. 2019; van de Ven, Tuytelaars & Tolias 2022 (100 a class)",
            _buffer,
            (("budget", 100), ("policy", "balanced")),
        ),
        Method("joint", "all data of all tasks so far: the upper bound", "van de Ven et al. 2020", Everything),
    )
}


def method(name: str) -> Method:
    """The method of that name; raises `InputError`, with the nearest names, if there is none."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
