"""Many experiments in a few words: protocols x methods x scenarios x seeds x values of options, from a TOML file.

An example of such a file::

    protocols = ["split-mnist"]
    scenarios = ["task", "class"]
    methods = ["none", "gr", "bi-r"]
    seeds = "0-9"

    [[also]]
    methods = ["ewc"]
    strength = [1, 100, 10000]

What stands above holds for each table ``also``, but for what that says itself; where ``methods`` stands above, it is a
set of experiments of its own. A single value need not be a list.
"""

import tomllib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from replaylib.errors import SCENARIOS, InputError, unknown
from replaylib.lab.experiments import CHOSEN, DECLARED, Experiment, experiment
from replaylib.lab.methods import METHODS, method
from replaylib.lab.options import SEED, Option, Value, check_seeds, seeds_of
from replaylib.lab.protocols import protocol

#: What is in a file beside options of experiments.
AXES = ("protocols", "scenarios", "methods", "seeds")
#: Singular words are taken as well.
ALSO_CALLED = {"protocol": "protocols", "scenario": "scenarios", "method": "methods", "seed": "seeds"}


def read(path: Path) -> dict[str, object]:
    """The table in a TOML file; raises `InputError` where there is none."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): give a TOML file that describes a sweep") from error
    except ValueError as error:
        raise InputError(f"{path} is not TOML ({error}): mend it") from error


def experiments(table: Mapping[str, object]) -> tuple[list[Experiment], list[str]]:
    """The experiments that a table describes, each once, seed by seed; and the methods that were left out of scenarios.

    A method is left out of a scenario that it does not serve.

    Raises
    ------
    InputError : an entry that is none, or a value or combination that an experiment cannot have.
    """
    above = {name: value for name, value in _named(table).items() if name != "also"}
    also = table.get("also", [])
    if not isinstance(also, list) or not all(isinstance(one, Mapping) for one in also):
        raise InputError("also is no table: write [[also]] and its entries below")
    parts = [above | _named(one) for one in also]
    if "methods" in above or not also:
        parts.insert(0, above)
    by_id: dict[str, tuple[int, Experiment]] = {}
    left: dict[str, None] = {}
    for part in parts:
        for entry in _part(part):
            if isinstance(entry, str):
                left[entry] = None
            else:
                by_id.setdefault(entry.id, (entry.seed, entry))
    return [entry for _, entry in sorted(by_id.values(), key=lambda pair: pair[0])], list(left)


def _named(table: Mapping[str, object]) -> dict[str, object]:
    options = {*CHOSEN, *(name for m in METHODS.values() for name in m.takes)}
    named = {ALSO_CALLED.get(name, name): value for name, value in table.items()}
    if strange := [name for name in named if name not in {*AXES, "also", "save", *options}]:
        raise unknown("entry", strange[0], [*AXES, "also", "save", *options])
    return {name: value for name, value in named.items() if name != "save"}


def _part(table: Mapping[str, object]) -> Iterator[Experiment | str]:
    if "protocols" not in table:
        raise InputError('a sweep needs protocols, e.g. protocols = ["split-mnist"]; see list')
    axes = {name: values_of(name, value) for name, value in table.items() if name not in AXES}
    for seed in _seeds(table.get("seeds", 1)):
        for protocol_name in _words("protocols", table["protocols"]):
            p = protocol(protocol_name)
            for scenario in _words("scenarios", table.get("scenarios", p.scenario)):
                if scenario not in SCENARIOS:
                    raise unknown("scenario", scenario, SCENARIOS)
                for name in _words("methods", table.get("methods", "none")):
                    if scenario not in method(name).scenarios:
                        yield f"{name}, which does not serve {scenario}-incremental learning"
                        continue
                    for values in product(*axes.values()):
                        yield experiment(p.name, scenario, name, seed, **dict(zip(axes, values, strict=True)))


def option_of(name: str) -> Option:
    """The declaration of an option, of all experiments or of a method; raises `InputError` for another name."""
    if name in CHOSEN:
        return DECLARED[name]
    own = {key: taken.option for m in METHODS.values() for key, taken in m.takes.items() if taken.option is not None}
    if name not in own:
        raise unknown("option", name, [*CHOSEN, *own])
    return own[name]


def values_of(name: str, value: object) -> list[Value]:
    """The values of an option that a table has: a list of them, or one; one of several numbers is a list itself."""
    option = option_of(name)
    values: list[object] = [value]
    if isinstance(value, list) and (option.kind is not tuple or any(isinstance(one, list) for one in value)):
        values = value
    if not values:
        raise InputError(f"{name} is an empty list: expected {option.expected()}, or several such")
    return [option.check(name, one) for one in values]


def _words(name: str, value: object) -> list[str]:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) for word in words):
        raise InputError(f"{name} is {value!r}: expected a name or a list of names")
    return [str(word) for word in words]


def _seeds(value: object) -> tuple[int, ...]:
    if isinstance(value, list):
        check_seeds(len(value))
        return tuple(SEED.check("seed", one) for one in value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f'seeds is {value!r}: expected how many, a range or a list, e.g. 5, "3-12" or [7, 9]')
    return seeds_of(str(value))
