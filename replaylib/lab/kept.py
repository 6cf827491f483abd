"""What a page of the book computed before, measures or weights: stored, and made again where it does not fit."""

import json
import os
from collections.abc import Callable, Mapping, Sequence

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from replaylib.data.files import shipped, writable, write_tensors
from replaylib.errors import InputError
from replaylib.lab import machine
from replaylib.lab.experiments import Experiment
from replaylib.nets import Network

#: The folder, of those that come with the library.
FOLDER = "kept"
#: Where this environment variable is set, all is made, and written to `FOLDER`; see `tools/keep.py`.
KEEP = "REPLAYLIB_KEEP"


def kept_or_made(
    name: str,
    descriptions: Sequence[Experiment],
    make: Callable[[], Mapping[str, Tensor]],
    **told: int | float | str,
) -> dict[str, Tensor]:
    """What ``make()`` gave when the book stored it, for the same experiments; made now where that is not stored.

    Parameters
    ----------
    name : of the file.
    descriptions : of what is trained for it: their ids say which protocol, settings and seeds are meant.
    make : trains and measures; it is given by the page, so that its text and what is stored are one.
    told : what else the result depends on, and the ids do not say.

    Raises
    ------
    InputError : a damaged file, or what ``make`` raises.
    """
    about = json.dumps({"experiments": [one.id for one in descriptions], **told}, sort_keys=True)
    path = shipped(FOLDER) / f"{name}.safetensors"
    keep = bool(os.environ.get(KEEP))
    if not keep and path.is_file():
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("about") == about:
                    return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} is damaged ({error}): restore it, or remove it and wait for training") from error
    tensors = {key: value.detach().cpu().contiguous() for key, value in make().items()}
    if keep:
        origin = {
            "versions": json.dumps(machine.versions()),
            "device": machine.device_name(torch.device("cpu")),
            "commit": str(machine.commit()),
            "date": machine.now(),
        }
        writable(path.parent)
        write_tensors(tensors, path, {"about": about, **origin}, "make the folder writable")
    return tensors


def weights(net: Network) -> dict[str, Tensor]:
    """A network's state as half the bytes: numbers in float16, which is enough to look at what it does."""
    state = net.state_dict().items()
    return {name: value.half() if value.is_floating_point() else value for name, value in state}


def network_of(net: Network, state: Mapping[str, Tensor]) -> Network:
    """The network, with the state that `weights` gave."""
    net.load_state_dict(dict(state))
    return net
