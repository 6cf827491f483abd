"""Convolutional layers: the encoder that complex images pass before any hidden layer, and the decoder that mirrors it.

Both are those of van de Ven, Siegelmann & Tolias (2020, Methods): 16, 32, 64, 128 and 256 channels; 32x32 pixels become
256 channels of 2x2, 1024 features.
"""

import math

import torch
from torch import Tensor, nn

from replaylib.errors import InputError

CHANNELS = (16, 32, 64, 128, 256)
STRIDES = (1, 2, 2, 2, 2)


def drawn(layer: nn.Conv2d | nn.ConvTranspose2d, generator: torch.Generator) -> nn.Module:
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
            layers.append(drawn(nn.Conv2d(inputs, channels, 3, stride, padding=1), generator))
            if channels != CHANNELS[-1]:
                layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            inputs = channels
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shape = tuple(shape)
        # Filters that lie channel by channel take half the time on a processor.
        self.to(memory_format=torch.channels_last)

    @property
    def maps(self) -> tuple[int, int, int]:
        """(channels, height, width) of the features; 3x3 filters with stride 2 round a half up."""
        height, width = (math.ceil(side / math.prod(STRIDES)) for side in self.shape[1:])
        return CHANNELS[-1], height, width

    @property
    def units(self) -> int:
        """How many features an image has."""
        return math.prod(self.maps)

    def forward(self, x: Tensor) -> Tensor:
        """Features, (n, units), of images (n, \\*shape)."""
        maps: Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return maps.flatten(1)
