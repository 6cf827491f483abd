"""The command line that runs an experiment again."""

import shlex

from replaylib.errors import InputError
from replaylib.lab.experiments import CHOSEN, USUAL, Experiment, experiment
from replaylib.lab.store import as_text


def command_of(description: Experiment) -> str:
    """The command that runs an experiment again: all that differs from its protocol's and method's own values is given.

    The command is tried, by describing what it would run: raises `InputError` where it would run something else.
    """
    given = [description.protocol]
    options: dict[str, object] = {"scenario": description.scenario, "method": description.method}
    # What None stands for, where it has to be said because the protocol's own value is another.
    words = {**USUAL, "class_order": "labels" if description.seed == 0 else "random"}
    chosen: dict[str, object] = {}
    for name, value in description.facts().items():
        if name not in CHOSEN and name not in dict(description.own or {}):
            continue
        own = experiment(description.protocol, description.scenario, description.method, description.seed, **chosen)
        if own.facts()[name] != value:
            chosen[name] = words.get(name) if value is None else value
    again = experiment(description.protocol, description.scenario, description.method, description.seed, **chosen)
    if again.id != description.id:
        raise InputError(f"experiment {description.id} cannot be described by options alone: use replaylib.experiment")
    for name, value in {**options, **chosen, "seed": description.seed}.items():
        flag = name.replace("_", "-")
        given += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", as_text(value)]
    return f"python -m replaylib run {shlex.join(given)}"
