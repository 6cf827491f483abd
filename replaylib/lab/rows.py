"""The row that a method is in the tables `METHODS` and `PENALTIES`, and the options that its function declares."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from replaylib.errors import SCENARIOS, InputError, unknown
from replaylib.lab.hyperparameters import SETTINGS
from replaylib.lab.options import Option, Value
from replaylib.lab.protocols import PROTOCOLS
from replaylib.lab.tables import Table

if TYPE_CHECKING:
    from replaylib.brain import Brain


@dataclass(frozen=True)
class Method:
    """One registered method.

    Attributes
    ----------
    make : makes its parts, `replaylib.lab.parts.Parts`, from a `replaylib.lab.parts.Plan` and its options. In the table
        of penalties it makes the penalty alone, from a plan, the network and the options.
    level : ``"features"`` or ``"pixels"`` if it generates either and cannot but do so where there is an encoder.
    ablation : whether it is brain-inspired replay without one of its parts. Where its protocol has an encoder, that is
        frozen as in brain-inspired replay, also where pixels are replayed through it.
    scenarios : those that it can serve; ``why`` it cannot serve the others.
    switches : generative replay's modifications, as `replaylib.brain.Brain.from_names` reads them; None for one that
        replays otherwise, or not by replay alone.
    rehearses : whether it interleaves samples of earlier tasks with those of the current one.
    penalised : whether it has a penalty.
    like : whose published values its options have, where they are not its own.
    """

    name: str
    summary: str
    source: str
    make: Callable[..., Any]
    level: str = ""
    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    why: str = ""
    switches: str | None = None
    rehearses: bool = True
    ablation: bool = False
    penalised: bool = False
    like: dict[str, str] = field(default_factory=dict)
    taken: tuple["Taken", ...] | None = None

    @cached_property
    def takes(self) -> dict[str, "Taken"]:
        """Its options by name, as ``make`` declares them."""
        return {one.name: one for one in (parameters(self.make, 1) if self.taken is None else self.taken)}

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(self.takes)

    @property
    def brain(self) -> "Brain | None":
        """Generative replay's modifications, see ``switches``."""
        from replaylib.brain import Brain

        return None if self.switches is None else Brain.from_names(self.switches) if self.switches else Brain()

    def check(self, scenario: str, chosen: Mapping[str, Value]) -> None:
        """Raise `InputError` for a scenario that it cannot serve, or an option, not None, that it does not take."""
        if scenario not in SCENARIOS:
            raise unknown("scenario", scenario, SCENARIOS)
        if scenario not in self.scenarios:
            serves = ", ".join(self.scenarios)
            raise InputError(f"{self.name} cannot serve the {scenario} scenario, {self.why}: it serves {serves}")
        for option, value in chosen.items():
            if value is not None and option not in self.takes:
                takers = ", ".join(takers_of(option))
                advice = f", or use {takers}" if takers else ""
                raise InputError(f"method {self.name} has no {option}: leave it out{advice}")

    def settle(self, scenario: str, chosen: Mapping[str, Value], protocol: str = "split-mnist") -> dict[str, Value]:
        """The options to run with: the protocol's published ones, and what was chosen (not None) in their place.

        Raises
        ------
        InputError : what `check` refuses.
        """
        self.check(scenario, chosen)
        settled = {
            name: chosen[name] if chosen.get(name) is not None else self.setting(name, protocol, scenario)
            for name in dict.fromkeys((*chosen, *self.takes))
        }
        return {name: value for name, value in settled.items() if value is not None or name in chosen}

    def setting(self, option: str, protocol: str, scenario: str) -> Value:
        """The value that an option has in a protocol where nothing is chosen; None if it takes no such option.

        It is the one that the method declares, or else that of the first row of `SETTINGS` that fits.
        """
        if option not in self.takes:
            return None
        if (declared := self.takes[option].default) is not None:
            return declared
        whose = self.like.get(option, self.name)
        fitting = [s for s in SETTINGS if s.fits(whose, option, protocol, scenario)]
        if own := [s.value for s in fitting if s.protocol == protocol]:
            return own[0]
        # A quick protocol stands in for a published one, and takes its values; but for what makes a run long.
        row = PROTOCOLS.get(protocol)
        if self.takes[option].optional and row is not None and row.quick is None:
            return None
        published = (row and row.settings) or protocol
        return next((s.value for s in SETTINGS if s.fits(whose, option, published, scenario)), None)


@dataclass(frozen=True)
class Taken:
    """One option of a method: its name, its declaration (None: an option of all experiments), its default if any.

    ``optional`` is one that the method settles itself where nobody says, and no published value is known.
    """

    name: str
    option: Option | None = None
    default: Value = None
    optional: bool = False


def parameters(make: Callable[..., object], given: int) -> tuple[Taken, ...]:
    """The options that a function declares: its parameters after the first ``given``, which it gets from the library.

    One that all experiments know, ``per_class`` for example, is named and no more. One of its own is declared where it
    is named, ``alpha: Annotated[float, Option("weight of the stored logits", within="[0, inf)")] = 0.5``.
    """
    bound = set(getattr(make, "keywords", {}))
    function = getattr(make, "func", make)
    skipped = given + len(getattr(make, "args", ()))
    return tuple(
        Taken(
            one.name, _declared(function, one), None if one.default is one.empty else one.default, one.default is None
        )
        for one in list(inspect.signature(function).parameters.values())[skipped:]
        if one.name not in bound
    )


def _declared(function: Callable[..., object], one: inspect.Parameter) -> Option | None:
    hint = one.annotation
    if isinstance(hint, str) and "Annotated" in hint:  # from __future__ import annotations
        hint = eval(hint, getattr(function, "__globals__", {}))
    if get_origin(hint) is not Annotated:
        return None
    kind, *extras = get_args(hint)
    declared = next((extra for extra in extras if isinstance(extra, Option)), None)
    if declared is not None and one.default is one.empty:
        raise InputError(f"option {one.name} of {function.__name__} has no default: give it one")
    if declared is not None and declared.kind is not (get_origin(kind) or kind):
        declared = Option(declared.help, get_origin(kind) or kind, declared.within, declared.choices, declared.example)
    if declared is not None:
        declared.check(one.name, one.default)
    return declared


METHODS: Table[Method] = Table("method")
PENALTIES: Table[Method] = Table("penalty")


def takers_of(option: str) -> list[str]:
    """The names of the methods that take an option."""
    return [m.name for m in METHODS.values() if option in m.takes]
