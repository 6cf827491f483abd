"""The network of generative replay: a classifier and what imagines for it, with the modifications that `Brain` names.

Each modification is a section of `replaylib.brain`; here they are put together (van de Ven, Siegelmann & Tolias 2020,
Methods). Symbols are those of that file.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.brain import Brain, ClassModes, ContextGates, Recognition
from replaylib.conv import batch_statistics
from replaylib.errors import InputError
from replaylib.nets import Classifier, Network, in_float32, target_loss
from replaylib.scenarios import Batch
from replaylib.vae import (
    Decoder,
    Likelihood,
    StandardNormal,
    log_likelihood,
    log_normal,
    mean_of,
    reconstruction_loss,
    reparameterise,
)


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
