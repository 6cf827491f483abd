"""Generative replay and the modifications that make it brain-inspired (van de Ven, Siegelmann & Tolias 2020, Methods).

A network that learns with generative replay classifies and imagines. `Brain` says which modifications it has; each has
one section below, and `replaylib.generative.BrainNet` puts them together. `Brain()` is plain generative replay: a
classifier, and beside it a separate variational auto-encoder, trained on the same samples. `Brain.all()` is
brain-inspired replay, BI-R.

Symbols: x input, h = enc(x) last hidden layer, y class, z latent, C classes, pi (n, C) what is known of a sample's
class: one-hot where it is known, the previous network's soft targets where the sample was replayed with distillation.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.conv import as_two_batches
from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError, unknown
from replaylib.nets import Classifier, Gates, Hidden
from replaylib.vae import Posterior, log_normal, reparameterise


@dataclass(frozen=True)
class Brain:
    """Five independent switches; all 32 combinations can be trained, in every scenario.

    Attributes
    ----------
    feedback : replay-through-feedback: the generator is merged into the classifier.
    conditional : conditional replay: the prior has one mode for each class.
    gating : gating by internal context: a class (or task) switches part of the decoder off.
    internal : internal replay: features of a frozen backbone are replayed, not pixels. Where the network has no
        backbone, as on MNIST, it changes nothing.
    distill : replayed samples are learned with the previous network's soft targets, not with its first choice.
    """

    feedback: bool = False
    conditional: bool = False
    gating: bool = False
    internal: bool = False
    distill: bool = False

    @classmethod
    def all(cls) -> "Brain":
        """Brain-inspired replay: every switch on."""
        return cls(*(True for _ in fields(cls)))

    @classmethod
    def from_names(cls, names: str) -> "Brain":
        """The switches named in, for example, ``"feedback+gating"``; raises `InputError` for any other name."""
        known = [field.name for field in fields(cls)]
        chosen = [name for name in names.split("+") if name]
        for name in chosen:
            if name not in known:
                raise unknown("modification", name, known)
        return replace(cls(), **dict.fromkeys(chosen, True))

    def __str__(self) -> str:
        return "+".join(field.name for field in fields(self) if getattr(self, field.name))


# 1. Replay-through-feedback -------------------------------------------------------------------------------------------
#
# loss = reconstruction + variational + classification, all through one encoder: the
# classifier's hidden layers are the generator's as well, and the decoder is its
# feedback pathway. Without it the generator has an encoder of its own, and the same sum
# of losses trains two networks side by side: they share no parameter, and Adam scales
# each by itself.


class Recognition(nn.Module):
    """How an input is taken in by the generator: x -> h -> mu and logvar of q(z|x).

    With ``feedback`` h is the classifier's last hidden layer, before its read-out;
    without, that of an encoder of the same size and its own.
    """

    def __init__(
        self,
        classifier: Classifier,
        feedback: bool,
        noise_dim: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        widths = (classifier.hidden.inputs, *classifier.hidden.units)
        self.encoder = None if feedback else Hidden(widths, generator)
        # Both begin with the same pre-trained layers, and go their own ways.
        self.backbone = None if feedback else copy.deepcopy(classifier.backbone)
        self.posterior = Posterior(widths[-1], noise_dim, generator)

    def forward(
        self, x: Tensor, h: Tensor, current: int | None = None
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """mu and logvar, both (n, noise_dim).

        For inputs (n, \\*shape) and the classifier's activity h (n, hidden) for them.
        """
        if self.encoder is not None:
            front = self.backbone
            seen = x.flatten(1) if front is None else as_two_batches(front, x, current)
            h = self.encoder(seen)
        mu, logvar = self.posterior(h)
        return mu, logvar


# 2. Conditional replay ------------------------------------------------------------------------------------------------
#
# p(z|y) = N(m_y, diag exp(s_y)) in the place of N(0, I): a mode for each class, from
# which its samples are imagined.


class ClassModes(nn.Module):
    """The prior with one mode for each class.

    Means m and log-variances s, both (C, noise_dim), are learned, and start from
    N(0, 1).
    """

    def __init__(
        self,
        classes: int,
        noise_dim: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(classes, noise_dim, generator=generator))
        self.logvar = nn.Parameter(torch.randn(classes, noise_dim, generator=generator))

    def draw(self, y: Tensor, noise: Tensor) -> Tensor:
        """z ~ p(z|y), (n, noise_dim), for classes y (n,)."""
        return reparameterise(self.mean[y], self.logvar[y], noise)

    def log_prob(self, z: Tensor, class_probs: Tensor) -> Tensor:
        """logsumexp_c (log pi_c + log p(z|c)), (n,), with pi = class_probs.

        That is log p(z|y) where class_probs are one-hot.

        The square in log p(z|c) is multiplied out, so that all classes take two matrix
        products, and no (n, C, noise_dim) tensor is made. In float32 its terms cancel:
        the error is some 1e-6 of them, 1e-4 nat where modes start, and grows with the
        square of the distance of z and the modes from 0 over the modes' width.
        """
        mean, logvar = self.mean.to(z.dtype), self.logvar.to(z.dtype)
        precision = (-logvar).exp()
        # The terms cancel, which the few digits of bfloat16 would not survive.
        with torch.autocast(z.device.type, enabled=False):
            square = z**2 @ precision.T - 2 * z @ (mean * precision).T
            square = square + (mean**2 * precision).sum(1)
        log_p = -0.5 * (square + logvar.sum(1) + z.shape[1] * math.log(2 * math.pi))
        return (class_probs.log() + log_p).logsumexp(1)

    def divergence(
        self,
        mu: Tensor,
        logvar: Tensor,
        z: Tensor,
        class_probs: Tensor,
    ) -> Tensor:
        """log q(z|x) - log p(z), (n,), at the one z that was drawn.

        For a mixture there is no closed form.
        """
        return log_normal(z, mu, logvar) - self.log_prob(z, class_probs)


# 3. Gating by internal context ----------------------------------------------------------------------------------------
#
# relu(g_y * (W a + b)) in every decoder layer but the last, `replaylib.nets.Hidden`:
# g_y is a fixed random binary vector for each class y. While imagining, and for current
# samples, it is that of the class; for replayed samples with soft targets it is their
# mixture, pi @ g.


class ContextGates(Gates):
    """The gates of a decoder, for each class; for each of ``tasks`` tasks where given.

    Domain-incremental, a class is in every task, and the internal context is the task:
    that of a replayed sample is the one that it was imagined for.
    """

    def __init__(
        self,
        classes: int,
        tasks: int | None,
        units: Sequence[int],
        off: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__(classes if tasks is None else tasks, units, off, generator)
        self.tasks = tasks

    def for_samples(self, class_probs: Tensor, task: Tensor | None) -> Tensor:
        """The gates of each sample, (n, sum(units)).

        From class_probs (n, C) or, by task, from ``task`` (n,) int64. Raises
        `InputError` if the task decides and is None.
        """
        if self.tasks is None:
            return self(class_probs)
        if task is None:
            problem = "this network's internal context is the task"
            raise InputError(f"{problem}: say of which task each sample is")
        return self(F.one_hot(task, self.tasks).to(class_probs.dtype))


# 4. Internal replay ---------------------------------------------------------------------------------------------------
#
# x are the features of a frozen backbone: the generator reconstructs these, half the
# squared error, and never a pixel.


@torch.no_grad()
def internal(split: Split, backbone: nn.Module, chunk: int = 1000) -> Split:
    """The dataset as a frozen backbone sees it, computed once: float32 features.

    How many units an image had is kept, for the variational loss is divided by it: see
    `replaylib.generative.BrainNet`.

    Parameters
    ----------
    backbone : (n, channels, height, width) -> (n, d) or anything that can be flattened
        to it; put into eval mode.
    chunk : images at a time.

    Raises
    ------
    InputError : the data are features already.
    """
    if split.train.images.dim() != 4:
        problem = f"{split.train.name} holds features already"
        raise InputError(f"{problem}: internal replay needs no backbone for it")
    backbone.eval()

    def seen_by_front(data: Dataset) -> Dataset:
        parts = data.images.split(chunk)
        seen = torch.cat([backbone(data.inputs(part)).flatten(1) for part in parts])
        pixels = data.pixels
        return Dataset(data.name, seen, data.labels, data.classes, image_units=pixels)

    return Split(*map(seen_by_front, split))


# 5. Distillation ------------------------------------------------------------------------------------------------------
#
# A replayed sample's target is what the previous network says of it at temperature 2, `replaylib.nets.soft_targets`;
# its loss is `replaylib.nets.distillation_loss`. Who asks the previous network is `replaylib.replay.Teacher`.
