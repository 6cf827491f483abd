"""Generative replay and the modifications that make it brain-inspired (van de Ven, Siegelmann & Tolias 2020, Methods).

A network that learns with generative replay classifies and imagines. `Brain` says which modifications it has; each has
one section below, and `BrainNet` puts them together. `Brain()` is plain generative replay: a classifier, and beside it
a separate variational auto-encoder, trained on the same samples. `Brain.all()` is brain-inspired replay, BI-R.

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

from replaylib.conv import as_two_batches, batch_statistics
from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError, unknown
from replaylib.nets import Classifier, Gates, Hidden, Network, in_float32, target_loss
from replaylib.scenarios import Batch
from replaylib.vae import (
    Decoder,
    Likelihood,
    Posterior,
    StandardNormal,
    log_likelihood,
    log_normal,
    mean_of,
    reconstruction_loss,
    reparameterise,
)


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
        products, and no (n, C, noise_dim) tensor is made.
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
    `BrainNet`.

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


# All together ---------------------------------------------------------------------------------------------------------


class BrainNet(Network):
    """A classifier and the generator that imagines for it.

    Parameters
    ----------
    brain : which modifications it has.
    classifier : the part that is tested; made before, so that every method starts from the same one.
    generator : a CPU generator that everything else is drawn from.
    noise_dim : units of z.
    gate_prop : fraction of the decoder's hidden units that a context switches off.
    tasks : how many there are, if the internal context is the task (domain-incremental: a class is in every task);
        None if it is the class.
    likelihood : see `replaylib.vae.VAE`.
    pixels : of an *image*, channels counted; the variational loss is divided by it, also where x are features.

    Raises
    ------
    InputError : no latent unit, or ``gate_prop`` outside [0, 1).
    """

    noise_dim: int
    pixels: int

    def __init__(
        self,
        brain: Brain,
        classifier: Classifier,
        generator: torch.Generator,
        *,
        noise_dim: int = 100,
        gate_prop: float = 0.0,
        tasks: int | None = None,
        likelihood: Likelihood = "bernoulli",
        pixels: int | None = None,
    ) -> None:
        super().__init__()
        if noise_dim < 1:
            raise InputError(f"noise_dim is {noise_dim}: a code z has 1 unit or more")
        image = None if classifier.backbone is None else classifier.backbone.shape
        inputs = math.prod(image) if image else classifier.hidden.inputs
        classes = classifier.readout.out_features
        hidden = classifier.hidden.units
        self.brain, self.noise_dim, self.likelihood = brain, noise_dim, likelihood
        self.pixels = pixels or inputs
        self.classifier = classifier
        self.recognition = Recognition(classifier, brain.feedback, noise_dim, generator)
        self.prior = ClassModes(classes, noise_dim, generator) if brain.conditional else StandardNormal()
        self.decoder = Decoder(noise_dim, hidden, inputs, generator, image)
        # Transposed convolutions have running statistics as well.
        self.pure = classifier.pure and self.decoder.mirror is None
        units = self.decoder.hidden.units
        self.gates = ContextGates(classes, tasks, units, gate_prop, generator) if brain.gating else None

    @property
    def path(self) -> list[nn.Module]:
        """The layers between input and logits, which EWC and SI protect: the decoder and the prior are not among them.

        SI on every parameter ruins brain-inspired replay (van de Ven et al. 2020, Methods).
        """
        return self.classifier.path

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """Logits, (n, outputs): classifying reads h, before z, and is not gated."""
        logits: Tensor = self.classifier(x, task)
        return logits

    def recognise(self, x: Tensor, current: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, (n, outputs), and mu and logvar of q(z|x), (n, noise_dim), for inputs (n, \\*shape)."""
        h = self.classifier.encode(x, current=current)
        return in_float32(self.classifier.readout(h)), *self.recognition(x, h, current)

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """What the network minimises, (n,); ``noise`` (n, noise_dim) is standard normal.

        The variational loss is divided by the pixels of an image, as the reconstruction
        loss is by the units of x.
        """
        class_probs = self.known_classes(batch.y, batch.soft)
        both = (self.classifier.backbone, self.recognition.backbone)
        learning = () if self.classifier.frozen else both
        with batch_statistics(*learning, self.decoder.mirror):
            logits, mu, logvar = self.recognise(batch.x, batch.current)
            z = reparameterise(mu, logvar, noise)
            output = self.decode(z, class_probs, batch.task, batch.current)
        target = batch.x.flatten(1)
        reconstruction = reconstruction_loss(output, target, self.likelihood)
        variational = self.prior.divergence(mu, logvar, z, class_probs) / self.pixels
        return target_loss(logits, batch, active) + reconstruction + variational

    @torch.no_grad()
    def generate(self, y: Tensor, task: Tensor, noise: Tensor) -> Tensor:
        """Imagined samples, (n, inputs), of classes ``y`` (n,) as task ``task`` (n,) shows them.

        What the network has no use for makes no difference: without modes and gates, all depends on the noise alone.
        """
        z = self.prior.draw(y, noise)
        return mean_of(self.decode(z, self.known_classes(y), task), self.likelihood)

    def known_classes(self, y: Tensor, soft: Tensor | None = None) -> Tensor:
        """class_probs, (n, C): the soft targets if there are any, and otherwise one-hot."""
        if soft is not None:
            return soft
        weight = self.classifier.readout.weight
        return F.one_hot(y, len(weight)).to(weight.dtype)

    def reconstruct(self, x: Tensor, y: Tensor | None, noise: Tensor, task: Tensor | None = None) -> Tensor:
        """x decoded from a z drawn from q(z|x), (n, inputs), with the gates of its class ``y`` (n,)."""
        _, mu, logvar = self.recognise(x)
        z = reparameterise(mu, logvar, noise)
        return mean_of(self.decode(z, self._class_probs(x, y), task), self.likelihood)

    def log_weight(self, x: Tensor, y: Tensor | None, noise: Tensor, task: Tensor | None = None) -> Tensor:
        """log p(x|z) + log p(z) - log q(z|x), (n,) nats, at z = mu + sigma * noise, with the mode and gates of y.

        ``y`` (n,) int64 is needed by a network that imagines by class, which raises `InputError` if it is None.
        """
        _, mu, logvar = self.recognise(x)
        z, class_probs = reparameterise(mu, logvar, noise), self._class_probs(x, y)
        output = self.decode(z, class_probs, task)
        # Where modes are narrow, the squares that log_prob multiplies out cancel: in float32 by whole nats.
        prior = self.prior.log_prob(z.double(), class_probs.double()).to(z.dtype)
        return log_likelihood(output, x.flatten(1), self.likelihood) + prior - log_normal(z, mu, logvar)

    def _class_probs(self, x: Tensor, y: Tensor | None) -> Tensor:
        if y is None and (self.brain.conditional or (self.gates is not None and self.gates.tasks is None)):
            raise InputError("this network imagines by class: say of which class each sample is")
        return self.known_classes(x.new_zeros(len(x), dtype=torch.long) if y is None else y)

    def decode(self, z: Tensor, class_probs: Tensor, task: Tensor | None, current: int | None = None) -> Tensor:
        """Logits or means of x, (n, inputs), from z (n, noise_dim), with the gates of each internal context."""
        x: Tensor = self.decoder(z, None if self.gates is None else self.gates.for_samples(class_probs, task), current)
        return x
