"""Networks of the published scale, trained for the course, in files of a byte a weight that say where they come from.

`tools/trained_networks.py` makes them. Of each the files hold what classifies and what imagines. The encoder that only
the generator's learning needs is left out.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from replaylib.data.dataset import Dataset, Split
from replaylib.data.files import write_tensors
from replaylib.errors import InputError
from replaylib.lab.experiments import Experiment
from replaylib.lab.network_files import find
from replaylib.lab.runs import network
from replaylib.nets import Network

#: A whole number of one byte is at most that.
MOST = 127
SCALE = ".scale"
LEFT_OUT = "recognition"


@dataclass(frozen=True)
class Origin:
    """Where a stored network comes from.

    Attributes
    ----------
    description : the experiment, as `replaylib.lab.experiments.Experiment.as_stored` has it.
    task : after which task it was kept, from 1.
    accuracy : in percent on each task so far, of the network as it was trained.
    stored_accuracy : the same, of the network that the file gives back.
    shape : of an input, (channels, height, width).
    image_difference : mean absolute difference between images that the two imagine from the same codes, of ink in
        [0, 1]; None where it imagines nothing.
    device, versions, commit, date : of the training, as in `replaylib.lab.records.Record`.
    """

    description: dict[str, Any]
    task: int
    accuracy: tuple[float, ...]
    stored_accuracy: tuple[float, ...]
    shape: tuple[int, ...]
    image_difference: float | None
    device: str
    versions: dict[str, str]
    commit: str | None
    date: str

    @property
    def experiment(self) -> Experiment:
        """What was run."""
        return Experiment.from_stored(self.description)

    def __str__(self) -> str:
        one = self.experiment
        return f"{one.method} on {one.protocol} after task {self.task}, seed {one.seed}, {self.date[:10]}"


class Trained(NamedTuple):
    """A stored network, ready to classify and to imagine, and where it comes from."""

    net: Network
    origin: Origin


class Absent(nn.Module):
    """In the place of the layers that were not stored."""

    def forward(self, *given: Any) -> Any:
        raise InputError("this stored network classifies and imagines; what encodes images is not stored: train one")


def by_row(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers as whole ones from -127 to 127, int8 of the same shape, and a float32 scale for each row, (rows,).

    A vector is one row. The error of a number is at most half of its row's scale, the row's largest number over 254.
    """
    rows = tensor.detach().view(1, -1) if tensor.dim() == 1 else tensor.detach()
    scale = rows.abs().amax(1).clamp(min=1e-8) / MOST
    return (rows / scale[:, None]).round().to(torch.int8).view_as(tensor), scale.float()


def from_rows(whole: Tensor, scale: Tensor) -> Tensor:
    """The numbers again, float32, from what `by_row` gave."""
    return (whole.view(len(scale), -1).float() * scale[:, None]).view_as(whole)


def packed(net: Network) -> dict[str, Tensor]:
    """What a file holds of a network: parameters and gates but for `LEFT_OUT`, each as `by_row` gives it."""
    tensors = {}
    for name, value in net.state_dict().items():
        if not name.startswith(f"{LEFT_OUT}."):
            tensors[name], tensors[name + SCALE] = by_row(value)
    return tensors


def unpacked(net: Network, tensors: Mapping[str, Tensor]) -> Network:
    """Give a network the numbers that `packed` made of one, and take out what was not stored.

    Raises
    ------
    InputError : they are of another architecture. The network is then of no use.
    """
    if hasattr(net, LEFT_OUT):
        setattr(net, LEFT_OUT, Absent())
    stored = {name: from_rows(tensors[name], tensors[name + SCALE]) for name in tensors if not name.endswith(SCALE)}
    try:
        net.load_state_dict(stored)
    except RuntimeError as error:
        raise InputError(f"these numbers are of another network: {str(error).splitlines()[-1].strip()}") from error
    return net.eval()


def untrained(description: Experiment, shape: tuple[int, ...]) -> Network:
    """The network of an experiment on ten classes of inputs of a shape, without its data."""
    classes = tuple(map(str, range(10)))
    blank = Dataset(description.dataset, torch.zeros(10, *shape, dtype=torch.uint8), torch.arange(10), classes)
    return network(description, Split(blank, blank))


def write_network(net: Network, origin: Origin, path: Path) -> None:
    """Write a trained network to a file, whole or not at all; raises `InputError` where that is not possible."""
    write_tensors(packed(net), path, {"origin": json.dumps(asdict(origin))}, "choose another folder")


def load_network(method: str, task: int) -> Trained:
    """A network of Split MNIST (class-incremental, 400-400 units, 2,000 steps a task) as it was after a task.

    Parameters
    ----------
    method : ``"gr"``, ``"bi-r"``, or ``"joint"``, a small one that serves as a judge, after the last task alone.
    task : from 1.

    Raises
    ------
    InputError : there is no such network, its file is damaged, or is not there and cannot be fetched.
    """
    return read_network(find(method, task))


def read_network(path: Path) -> Trained:
    """The network that a file holds; raises `InputError` for a file that is damaged or holds none. No code is run."""
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {})["origin"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        lists = {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
        origin = Origin(**{field.name: (said | lists)[field.name] for field in fields(Origin)})
        return Trained(unpacked(untrained(origin.experiment, origin.shape), tensors), origin)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except InputError as error:
        raise InputError(f"{path} is of an experiment that is not known here ({error})") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged or no stored network ({error!r}): restore it") from error
