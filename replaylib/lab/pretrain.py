"""Pre-training: a classifier of photographs or symbols whose first layers become the encoder of other experiments.

As published (van de Ven, Siegelmann & Tolias 2020, Methods): the encoder and two hidden layers of 2000 units, Adam,
random crops and mirror images, which are made here for a whole batch at once, on the device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.conv import ConvEncoder
from replaylib.data.dataset import Dataset, Split, channel_statistics
from replaylib.data.files import replacing
from replaylib.errors import PRECISIONS, InputError
from replaylib.lab.encoders import Origin
from replaylib.lab.machine import commit, device_name, now, versions
from replaylib.nets import Hidden, linear
from replaylib.steps import adam, products_in

#: Datasets in which a mirror image is not one of its class: a mirrored R is no R.
NOT_MIRRORED = ("digits", "glyphs", "glyphs-pretraining", "mnist")
#: Seconds between two states that a stopped pre-training goes on from.
KEEP_EVERY = 60.0

Watch = Callable[[int, int, Tensor], None]


@dataclass(frozen=True)
class Settings:
    """How to pre-train.

    Attributes
    ----------
    epochs : how often each image is seen.
    lr, batch : of Adam, and images a step; the last images of an epoch that fill no batch are left out.
    seed : of parameters, the order of images, crops and mirror images.
    hidden : units of the layers between encoder and read-out.
    crop : zeros on each side of an image, of which a random part of the image's own size is cut out; 0 for none.
    flip : mirror half of the images, left to right.
    precision : of the layers' products, see `replaylib.steps.products_in`.

    Raises
    ------
    InputError : a number out of its range.
    """

    epochs: int = 100
    lr: float = 1e-4
    batch: int = 256
    seed: int = 0
    hidden: tuple[int, ...] = (2000, 2000)
    crop: int = 4
    flip: bool = True
    precision: str = "float32"

    def __post_init__(self) -> None:
        ranges = {"epochs": (1, 100_000), "batch": (2, 65_536), "seed": (0, 2**31 - 1), "crop": (0, 64)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}: expected a whole number from {low} to {high}")
        if not 0 < self.lr <= 1:
            raise InputError(f"lr is {self.lr:g}: a learning rate lies above 0 and is at most 1, e.g. 0.0001")
        if self.precision not in PRECISIONS:
            raise InputError(f"unknown precision {self.precision!r}: choose {' or '.join(PRECISIONS)}")


def augment(images: Tensor, crop: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image moved by up to ``crop`` pixels in both directions, zeros moving in, and mirrored with probability 1/2.

    (In the reference code the image's own border is mirrored into what is left free, in the place of zeros.)

    Parameters
    ----------
    images : (n, channels, h, w), any type; the result has the same shape and type, and its memory channel by channel.
    generator : on the images' device.
    """
    n, _, height, width = images.shape
    device = images.device
    down, across = torch.randint(2 * crop + 1, (2, n, 1), generator=generator, device=device)
    rows = torch.arange(height, device=device) + down
    columns = torch.arange(width, device=device).expand(n, -1)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = columns + across
    padded = F.pad(images, [crop] * 4)
    image = torch.arange(n, device=device)[:, None, None]
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class _Classifier(nn.Module):
    """The encoder, hidden layers and a read-out."""

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...], classes: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.encoder = ConvEncoder(generator, shape)
        self.hidden = Hidden((self.encoder.units, *hidden), generator)
        self.readout = linear(hidden[-1], classes, generator)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.hidden(self.encoder(x)))
        return logits


def pretrain(
    split: Split, settings: Settings, keep: Path | None = None, watch: Watch | None = None
) -> tuple[ConvEncoder, Origin]:
    """Train a classifier and hand out its encoder, on the CPU, with where it comes from.

    Where the data have no normalisation of their own, theirs per channel is computed.

    Parameters
    ----------
    split : images, on the device that computes. The test part is only looked at in the end.
    keep : a file for the state of training, written at times and for the caller to remove. Where it is there already,
        and of the same settings and data, training goes on from it.
    watch : called as ``watch(epoch, step, loss)`` after every step; both count from 1.

    Raises
    ------
    InputError : data that are no images, fewer than a batch, or not finite in training; ``keep`` damaged, of other
        settings, or of another kind of device.
    """
    train = split.train
    if train.images.ndim != 4:
        raise InputError(f"{train.name} holds features: an encoder is pre-trained on images")
    if len(train) < settings.batch:
        raise InputError(f"{train.name} has {len(train)} images to train on: choose a batch of at most that many")
    if train.mean is None or train.std is None:
        mean, std = channel_statistics(train.images)
    else:
        mean, std = train.mean, train.std
    split = Split(*(Dataset(part.name, part.images, part.labels, part.classes, mean, std) for part in split))
    device = train.images.device
    net = _Classifier(train.shape, settings.hidden, len(train.classes), settings.seed).to(device)
    optimizer = adam(net.parameters(), settings.lr)
    generator = torch.Generator(device).manual_seed(settings.seed)
    # As long as nothing depends on how many epochs there will be, one may ask for more, or fewer, when going on.
    about = f"{replace(settings, epochs=1)} {train.name} {tuple(train.images.shape)}"
    state = _State(keep, about, net, optimizer, generator)
    done, seconds = state.restore()
    if done > settings.epochs:
        raise InputError(f"{keep} has trained for {done} epochs already: ask for as many or more, or remove it")
    for epoch in range(done, settings.epochs):
        began = time.perf_counter()
        _epoch(net, split.train, settings, optimizer, generator, epoch + 1, watch)
        seconds += time.perf_counter() - began
        state.keep(epoch + 1, seconds)
    accuracy = _accuracy(net, split.test, settings.precision)
    origin = Origin(
        dataset=train.name, classes=len(train.classes), images=len(train), shape=train.shape, mean=mean, std=std,
        epochs=settings.epochs, lr=settings.lr, batch=settings.batch, seed=settings.seed, hidden=settings.hidden,
        crop=settings.crop, flip=settings.flip, precision=settings.precision,
        accuracy=accuracy, seconds=seconds, device=device_name(device), versions=versions(), commit=commit(),
        date=now(),
    )  # fmt: skip
    return net.encoder.cpu().eval(), origin


def _epoch(
    net: _Classifier,
    data: Dataset,
    settings: Settings,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    epoch: int,
    watch: Watch | None,
) -> None:
    device = data.images.device
    order = torch.randperm(len(data), generator=generator, device=device)
    net.train()
    loss = torch.zeros((), device=device)
    for step in range(len(data) // settings.batch):
        rows = order[step * settings.batch : (step + 1) * settings.batch]
        x = data.inputs(augment(data.images[rows], settings.crop, settings.flip, generator))
        with products_in(settings.precision, device):
            loss = F.cross_entropy(net(x).float(), data.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if watch:
            watch(epoch, step + 1, loss.detach())
    if not loss.isfinite():
        raise InputError(f"pre-training: the loss is not finite in epoch {epoch}; use a smaller learning rate")


@torch.no_grad()
def _accuracy(net: _Classifier, data: Dataset, precision: str, chunk: int = 1000) -> float:
    net.eval()
    right = torch.zeros((), dtype=torch.long, device=data.images.device)
    for images, labels in zip(data.images.split(chunk), data.labels.split(chunk), strict=True):
        with products_in(precision, images.device):
            right += (net(data.inputs(images)).argmax(1) == labels).sum()
    return 100 * right.item() / len(data)


class _State:
    """The state of a pre-training in a file, from which it goes on if it was stopped."""

    def __init__(
        self,
        path: Path | None,
        about: str,
        net: _Classifier,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> None:
        self.path, self.about = path, about
        self.net, self.optimizer, self.generator = net, optimizer, generator
        self.last = time.monotonic()

    def restore(self) -> tuple[int, float]:
        """How many epochs are done and the seconds that they took; 0 and 0 where there is nothing to go on from."""
        if self.path is None or not self.path.exists():
            return 0, 0.0
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            if state["about"] != self.about:
                raise InputError(f"{self.path} is the state of a pre-training with other settings: remove it")
            here = self.generator.device.type
            # Generators of two kinds have nothing in common. States from before there was this entry may be of either.
            kept = state.get("device", here)
            if kept != here:
                found_on = f"{self.path} is the state of a pre-training on {kept}, and this one is on {here}"
                raise InputError(f"{found_on}: go on with --device {kept}, or begin another with --out")
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.generator.set_state(state["generator"])
            return state["epochs"], state["seconds"]
        except InputError:
            raise
        except Exception as error:  # a damaged file can fail in PyTorch in nearly any way
            raise InputError(f"{self.path} is damaged: remove it to begin anew") from error

    def keep(self, epochs: int, seconds: float) -> None:
        if self.path is None or time.monotonic() - self.last < KEEP_EVERY:
            return
        state = {
            "about": self.about, "device": self.generator.device.type, "epochs": epochs, "seconds": seconds,
            "net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }  # fmt: skip
        with replacing(self.path, "choose another place with --out") as part:
            torch.save(state, part)
        self.last = time.monotonic()
