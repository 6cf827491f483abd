"""Convolutional layers: the encoder that complex images pass before any hidden layer, and the decoder that mirrors it.

Both are those of van de Ven, Siegelmann & Tolias (2020, Methods): 16, 32, 64, 128 and 256 channels; 32x32 pixels become
256 channels of 2x2, 1024 features.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from replaylib.errors import InputError

CHANNELS = (16, 32, 64, 128, 256)
STRIDES = (1, 2, 2, 2, 2)


def initialised(layer: nn.Conv2d | nn.ConvTranspose2d, generator: torch.Generator) -> nn.Module:
    """The layer, its weights and biases uniform in +-1/sqrt(fan in) from ``generator``: PyTorch's own distribution.

    Of a transposed convolution PyTorch takes the output channels for the fan in; so do the published experiments.
    """
    bound = 1 / math.sqrt(layer.weight[0].numel())
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


class ConvEncoder(nn.Module):
    """Five layers of 3x3 filters, each but the first halving the image: (n, channels, h, w) -> (n, units).

    Batch normalisation and ReLU follow each layer but the last, which has neither: what it gives may be negative, and
    is not on the scale of a batch. In training mode a batch is normalised by its own statistics, in evaluation mode by
    the running ones.

    Parameters
    ----------
    generator : a CPU generator; encoders made from equal generator states are equal bit for bit.
    shape : (channels, height, width) of an image.

    Raises
    ------
    InputError : the shape is not that of an image.
    """

    def __init__(self, generator: torch.Generator, shape: tuple[int, ...] = (3, 32, 32)) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"data of shape {tuple(shape)}: a convolutional encoder takes (channels, height, width)")
        layers: list[nn.Module] = []
        inputs = shape[0]
        for channels, stride in zip(CHANNELS, STRIDES, strict=True):
            layers.append(initialised(nn.Conv2d(inputs, channels, 3, stride, padding=1), generator))
            if channels != CHANNELS[-1]:
                layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            inputs = channels
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shape = tuple(shape)
        # Filters that lie channel by channel take half the time on a processor.
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def units_of(shape: tuple[int, ...]) -> int:
        """How many features an image of (channels, height, width) has; filters with stride 2 round a half up."""
        return CHANNELS[-1] * math.prod(math.ceil(side / math.prod(STRIDES)) for side in shape[1:])

    @property
    def units(self) -> int:
        """How many features an image has."""
        return self.units_of(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Features, (n, units), of images (n, \\*shape)."""
        maps: Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return maps.flatten(1)


class DeconvDecoder(nn.Module):
    """The encoder's mirror image: (n, units) features -> (n, pixels), the units of an image of ``shape``, flattened.

    Four transposed convolutions of 4x4 filters double the image, each followed by batch normalisation and ReLU; a last
    one of 3x3 gives the image's channels, and nothing follows it.

    Parameters
    ----------
    generator : a CPU generator.
    shape : (channels, height, width) of an image.

    Raises
    ------
    InputError : a height or width that cannot be halved four times.
    """

    def __init__(self, generator: torch.Generator, shape: tuple[int, ...] = (3, 32, 32)) -> None:
        halved = math.prod(STRIDES)
        if len(shape) != 3 or shape[1] % halved or shape[2] % halved:
            raise InputError(
                f"images of shape {tuple(shape)}: to be decoded, height and width are multiples of {halved}"
            )
        super().__init__()
        self.maps = CHANNELS[-1], shape[1] // halved, shape[2] // halved
        layers: list[nn.Module] = []
        for inputs, outputs in zip(CHANNELS[:0:-1], CHANNELS[-2::-1], strict=True):
            layers.append(initialised(nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1), generator))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
        layers.append(initialised(nn.ConvTranspose2d(CHANNELS[0], shape[0], 3, 1, padding=1), generator))
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor) -> Tensor:
        """Images, (n, pixels), from features (n, units)."""
        maps = features.view(-1, *self.maps).contiguous(memory_format=torch.channels_last)
        image: Tensor = self.layers(maps)
        return image.flatten(1)


def as_two_batches(module: nn.Module, x: Tensor, current: int | None) -> Tensor:
    """``module(x)``, the first ``current`` rows and the others each as a batch of their own; None: all as one."""
    if current is None or current == len(x):
        one: Tensor = module(x)
        return one
    return torch.cat([module(part) for part in (x[:current], x[current:])])


@contextmanager
def batch_statistics(*modules: nn.Module | None) -> Iterator[None]:
    """Within it, these modules' layers normalise a batch by its own statistics, and their running ones follow."""
    there = [module for module in modules if module is not None]
    for module in there:
        module.train()
    try:
        yield
    finally:
        for module in there:
            module.eval()
