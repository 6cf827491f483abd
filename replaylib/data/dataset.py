"""What a dataset is: two tensors on the device, and the names of its classes."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from replaylib.errors import InputError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (or features) and labels as two tensors on one device; a batch is an index, never a loop.

    Images stay ``uint8`` until a batch of them is needed: a quarter of the memory, and a replay buffer that
    copies them pays one byte a pixel and channel.

    Parameters
    ----------
    name : what the dataset is called, wherever its results appear.
    images : (n, channels, height, width) uint8, or (n, d) float32 where they are features of a frozen encoder.
    labels : (n,) int64, indices into `classes`.
    classes : the names of the classes, in the order of their labels.
    mean, std : per channel, of images scaled to [0, 1]; None where inputs are only scaled.
    image_units : of features, the units (channels, rows and columns) of the images that they were computed from.

    Raises
    ------
    InputError : if the parts do not fit together.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_units: int | None = None

    def __post_init__(self) -> None:
        kinds = {(torch.uint8, 4), (torch.float32, 2)}
        if (self.images.dtype, self.images.ndim) not in kinds:
            raise self._wrong(
                f"images of shape {tuple(self.images.shape)} and type {self.images.dtype}",
                "(n, channels, height, width) uint8 or (n, features) float32",
            )
        if self.labels.dtype != torch.int64 or self.labels.ndim != 1:
            raise self._wrong(f"labels of shape {tuple(self.labels.shape)} and type {self.labels.dtype}", "(n,) int64")
        if len(self.images) != len(self.labels) or len(self.images) == 0:
            raise self._wrong(
                f"{len(self.images)} images and {len(self.labels)} labels", "as many of each, at least one"
            )
        if self.images.device != self.labels.device:
            raise self._wrong(f"images on {self.images.device}, labels on {self.labels.device}", "one device")
        low, high = (int(label) for label in torch.aminmax(self.labels))
        if low < 0 or high >= len(self.classes):
            raise self._wrong(f"labels from {low} to {high}", f"0 to {len(self.classes) - 1}, one for each class name")
        if self.images.dtype == torch.float32:
            spoilt = (~self.images.isfinite().all(1)).sum().item()
            if spoilt:
                raise self._wrong(f"nan or infinity in {spoilt} of {len(self.images)} rows", "finite features")
        channels = self.images.shape[1] if self.images.ndim == 4 else 0
        if (self.mean is None) != (self.std is None):
            raise self._wrong("only one of mean and std", "both or neither")
        if self.mean is not None and self.std is not None:
            if not len(self.mean) == len(self.std) == channels:
                raise self._wrong(
                    f"{len(self.mean)} means and {len(self.std)} stds", f"one for each of {channels} channels"
                )
            if min(self.std) <= 0:
                raise self._wrong(f"std {self.std}", "positive numbers")

    def _wrong(self, fault: str, expected: str) -> InputError:
        return InputError(f"dataset {self.name!r} has {fault}; expected {expected}.")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (channels, height, width), or (d,) for features."""
        return tuple(self.images.shape[1:])

    @property
    def pixels(self) -> int:
        """Units of an image, channels counted: also where the data are features of images, if it is known of them."""
        return self.image_units or math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Memory of the two tensors, in bytes."""
        return self.images.nbytes + self.labels.nbytes

    def to(self, device: str | torch.device) -> "Dataset":
        """The same dataset on another device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def inputs(self, images: Tensor) -> Tensor:
        """What a network takes, from raw images of this dataset or of a buffer that holds copies of them.

        Parameters
        ----------
        images : (batch, channels, height, width) uint8, on the dataset's device; features are returned as they are.

        Returns
        -------
        (batch, channels, height, width) float32 in [0, 1], or normalised per channel where `mean` and `std` are given.
        """
        if images.dtype != torch.uint8:
            return images
        scaled = images.to(torch.float32).div_(255)
        if self._normalisation is None:
            return scaled
        mean, std = self._normalisation
        return scaled.sub_(mean).div_(std)

    @cached_property
    def _normalisation(self) -> tuple[Tensor, Tensor] | None:
        # Kept on the device: made anew for every batch it would be a transfer a batch on a GPU.
        if self.mean is None or self.std is None:
            return None
        mean, std = (torch.tensor(values, device=self.images.device).view(-1, 1, 1) for values in (self.mean, self.std))
        return mean, std


class Split(NamedTuple):
    """The training and the test part of one dataset."""

    train: Dataset
    test: Dataset


def for_validation(split: Split, share: float, seed: int) -> Split:
    """A share of each class's training part, drawn with a seed, in the place of the test part, which is not read.

    At least one sample of a class is held out and at least one is left to train on; what is held out is not trained on.

    Parameters
    ----------
    share : of each class, above 0 and below 1.

    Raises
    ------
    InputError : another share, or a class with a single sample.
    """
    if not 0 < share < 1:
        raise InputError(f"validation is {share:g}: hold out a share of the training part above 0 and below 1")
    train = split.train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)).to(train.labels.device)
    held = torch.zeros(len(train), dtype=torch.bool, device=train.labels.device)
    for label, name in enumerate(train.classes):
        rows = order[train.labels[order] == label]
        if len(rows) == 1:
            raise InputError(f"{train.name} has one sample of class {name} to train on: none can be held out")
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        held[rows[:count]] = True
    return Split(*(replace(train, images=train.images[rows], labels=train.labels[rows]) for rows in (~held, held)))


def pad(split: Split, pixels: int) -> Split:
    """Images with `pixels` rows and columns of zeros added on each side.

    Permuted MNIST uses 28x28 digits padded to 32x32: ``pad(load_dataset("mnist"), 2)``.

    Parameters
    ----------
    split : both parts hold images, (n, channels, height, width) uint8.
    pixels : how many to add on each side; 0 or more.

    Raises
    ------
    InputError : if `pixels` is negative or the split holds features.
    """
    if pixels < 0:
        raise InputError(f"cannot pad by {pixels} pixels; expected 0 or more.")
    if split.train.images.ndim != 4:
        raise InputError(f"dataset {split.train.name!r} holds features, which cannot be padded; expected images.")
    return Split(*(replace(part, images=functional.pad(part.images, [pixels] * 4)) for part in split))


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std per channel of images scaled to [0, 1]; std 1 for a channel that never varies."""
    total = torch.zeros(images.shape[1], dtype=torch.float64, device=images.device)
    squares = torch.zeros_like(total)
    for chunk in images.split(4096):  # all at once as float32 would take four times the images' own memory
        scaled = chunk.to(torch.float32).div_(255)
        total += scaled.sum((0, 2, 3), dtype=torch.float64)
        squares += scaled.square_().sum((0, 2, 3), dtype=torch.float64)
    count = images.numel() / images.shape[1]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    std[std < 1e-6] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())
