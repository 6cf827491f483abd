"""A trained network in a file: parameters and buffers (gates, class means) alone, with a description of the run."""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from replaylib._version import __version__
from replaylib.data.files import write_tensors
from replaylib.errors import InputError
from replaylib.lab.experiments import Experiment
from replaylib.nets import Network

#: What a part of a network was called when earlier checkpoints were written.
RENAMED = re.compile(r"\bfront\.")


def save_weights(net: Network, description: Experiment, path: str | Path) -> Path:
    """Write a network's state to a safetensors file, whole or not at all; a file that is there is replaced.

    Raises
    ------
    InputError : the file cannot be written.
    """
    target = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    about = {"replaylib": __version__, "experiment": json.dumps(description.as_stored())}
    write_tensors(state, target, about, "choose another folder")
    return target


def describe(path: str | Path) -> Experiment:
    """The experiment that a checkpoint's network was trained in; raises `InputError` as `load_weights` does."""
    return _read(path)[1]


def load_weights(net: Network, path: str | Path) -> Experiment:
    """Give a network the state that a file holds; returns the experiment that it was trained in.

    Make the network first, for example with `replaylib.lab.runs.network`. It is left as it was unless all fits. No code
    in the file is run.

    Raises
    ------
    InputError : no such file, a damaged one, one that is no checkpoint, or one of another architecture.
    """
    state, description = _read(path)
    own = net.state_dict()
    for name in sorted(own.keys() | state.keys()):
        held, needed = (tuple(part[name].shape) if name in part else None for part in (state, own))
        if held != needed:
            differs = f"{name} is {held or 'missing'} in the file and {needed or 'missing'} in the network"
            run = f"{description.method} on {description.protocol}, hidden {description.hidden}"
            raise InputError(f"{path} holds a network of another architecture ({differs}): make one as for {run}")
    spoilt = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if spoilt:
        raise InputError(f"{path} holds numbers that are not finite, in {spoilt[0]}: use an earlier checkpoint")
    net.load_state_dict(state)
    return description


def _read(path: str | Path) -> tuple[dict[str, torch.Tensor], Experiment]:
    if not Path(path).is_file():
        raise InputError(f"{path} is not a file: give a checkpoint, as 'run --weights' writes them")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})["experiment"])
            names = {RENAMED.sub("backbone.", name): name for name in file.keys()}  # noqa: SIM118
            state = {today: file.get_tensor(name) for today, name in names.items()}
            return state, Experiment.from_stored(described)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except InputError as error:
        raise InputError(f"{path} is of an experiment that is not known here ({error})") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged or no checkpoint ({error}): remove it or restore it") from error
