"""The classifier that every method trains: fully connected hidden layers, then one output unit a class."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from replaylib.errors import InputError


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A fully connected layer whose weights and biases are uniform in +-1/sqrt(inputs), drawn from ``generator``.

    This is PyTorch's own default distribution, which the published experiments use; PyTorch draws it from the global
    random state, which would tie one network's start to whatever ran before it.
    """
    layer = nn.Linear(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


class Classifier(nn.Module):
    """Hidden layers with ReLU (the encoder), then a linear read-out: x -> h = enc(x) -> logits.

    Parameters
    ----------
    inputs : units of the flattened input, e.g. 784.
    hidden : units of each hidden layer, e.g. (400, 400).
    outputs : output units, see `replaylib.scenarios.Stream.outputs`.
    generator : a CPU generator; two networks made from equal generator states are equal bit for bit.

    Raises
    ------
    InputError : no hidden layer, or a layer of less than one unit.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = (inputs, *hidden)
        if not hidden or min((*widths, outputs)) < 1:
            raise InputError(f"layers of {hidden or 'no'} units: give at least one hidden layer, of 1 unit or more")
        self.hidden = nn.ModuleList(linear(a, b, generator) for a, b in pairwise(widths))
        self.readout = linear(widths[-1], outputs, generator)

    def encode(self, x: Tensor) -> Tensor:
        """The last hidden layer's activity, (n, hidden[-1]), for inputs (n, \\*shape)."""
        h = x.flatten(1)
        for layer in self.hidden:
            h = layer(h).relu()
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (n, outputs), of all output units, active or not."""
        logits: Tensor = self.readout(self.encode(x))
        return logits
