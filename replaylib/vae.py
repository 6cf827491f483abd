"""A variational auto-encoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014) and its losses.

x -> h = enc(x) -> q(z|x) = N(mu(h), diag exp(logvar(h))) -> z -> x. All losses are one number a sample, (n,).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.conv import ConvEncoder, DeconvDecoder, as_two_batches
from replaylib.errors import InputError
from replaylib.nets import Hidden, in_float32, linear

Likelihood = Literal["bernoulli", "gaussian"]


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mu + sigma * noise: distributed as q(z|x), differentiable in mu and logvar.

    All are (n, noise_dim).
    """
    return mu + (logvar / 2).exp() * noise


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, diag exp(logvar)), summed over the last dimension."""
    return -0.5 * (logvar + (z - mu) ** 2 / logvar.exp() + math.log(2 * math.pi)).sum(-1)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp(logvar)) || N(0, I)), (n,), in closed form.

    (Kingma & Welling 2014, Appendix B.)
    """
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def reconstruction_loss(output: Tensor, x: Tensor, likelihood: Likelihood) -> Tensor:
    """How far the decoder's output is from x, averaged over the units of x: (n,).

    Parameters
    ----------
    output, x : (n, inputs); for ``"bernoulli"`` the output holds logits, and the loss is binary cross-entropy with the
        intensities of x in [0, 1]; for ``"gaussian"`` it holds means, and the loss is half the squared error.
    """
    if likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(output, x, reduction="none").mean(1)
    return 0.5 * ((x - output) ** 2).mean(1)


def log_likelihood(output: Tensor, x: Tensor, likelihood: Likelihood) -> Tensor:
    """log p(x|z) in nats, (n,): minus the *sum* over units of what `reconstruction_loss` averages.

    A Gaussian unit has variance 1 and its constant counts; a Bernoulli unit's intensity is taken for a probability.
    """
    units = x.shape[1]
    constant = 0.5 * math.log(2 * math.pi) * units if likelihood == "gaussian" else 0.0
    return -units * reconstruction_loss(output, x, likelihood) - constant


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I), summed over the last dimension."""
    return log_normal(z, torch.zeros_like(z), torch.zeros_like(z))


class StandardNormal(nn.Module):
    """The prior of a plain variational auto-encoder, N(0, I), the same for every class."""

    def draw(self, y: Tensor, noise: Tensor) -> Tensor:
        """z ~ p(z): the noise itself; the classes ``y`` make no difference."""
        return noise

    def log_prob(self, z: Tensor, class_probs: Tensor) -> Tensor:
        """log p(z), (n,)."""
        return log_standard_normal(z)

    def divergence(self, mu: Tensor, logvar: Tensor, z: Tensor, class_probs: Tensor) -> Tensor:
        """KL(q(z|x) || p(z)), (n,), in closed form."""
        return kl_to_standard_normal(mu, logvar)


class Decoder(nn.Module):
    """z -> hidden layers with ReLU -> one unit for each unit of x, in the reverse order of the encoder's layers.

    Parameters
    ----------
    noise_dim : units of z.
    hidden : units of the *encoder's* hidden layers, e.g. (400, 400).
    outputs : units of x.
    generator : a CPU generator.
    image : (channels, height, width) of x, where transposed convolutions make it: the mirror image of an encoder's
        convolutional layers, after one more hidden layer, of as many units as there are features. That layer has no
        gates, as in the reference code of van de Ven et al. (2020).
    """

    def __init__(
        self,
        noise_dim: int,
        hidden: tuple[int, ...],
        outputs: int,
        generator: torch.Generator,
        image: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.hidden = Hidden((noise_dim, *reversed(hidden)), generator)
        self.features = None if image is None else Hidden((hidden[0], ConvEncoder.units_of(image)), generator)
        self.output = linear(hidden[0], outputs, generator) if image is None else DeconvDecoder(generator, image).eval()

    @property
    def mirror(self) -> nn.Module | None:
        """The transposed convolutions, if it has any."""
        return self.output if isinstance(self.output, DeconvDecoder) else None

    def forward(self, z: Tensor, gates: Tensor | None = None, current: int | None = None) -> Tensor:
        """Logits or means of x, (n, outputs); ``gates`` as in `replaylib.nets.Hidden`, of the hidden layers alone.

        ``current``, see `replaylib.scenarios.Batch.current`, is for batch normalisation of transposed convolutions.
        """
        a = self.hidden(z, gates)
        if self.features is not None:
            a = self.features(a)
        return in_float32(as_two_batches(self.output, a, None if self.mirror is None else current))


class VAE(nn.Module):
    """A plain variational auto-encoder, symmetric: standard normal prior, no gates, knows nothing of classes.

    Parameters
    ----------
    inputs : units of the flattened input.
    hidden : units of the encoder's hidden layers; the decoder has the same in reverse.
    noise_dim : units of z.
    generator : a CPU generator.
    likelihood : ``"bernoulli"`` for intensities in [0, 1], ``"gaussian"`` for anything else.
    pixels : of an *image*, channels counted; the variational loss is divided by it, also where x are features.

    Raises
    ------
    InputError : unknown likelihood, or a layer of less than one unit.
    """

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        noise_dim: int,
        generator: torch.Generator,
        likelihood: Likelihood = "bernoulli",
        pixels: int | None = None,
    ) -> None:
        super().__init__()
        if likelihood not in ("bernoulli", "gaussian"):
            raise InputError(f"unknown likelihood {likelihood!r}: choose bernoulli or gaussian")
        if noise_dim < 1:
            raise InputError(f"noise_dim is {noise_dim}: a code z has 1 unit or more")
        self.noise_dim, self.likelihood, self.pixels = noise_dim, likelihood, pixels or inputs
        self.encoder = Hidden((inputs, *hidden), generator)
        self.posterior = Posterior(hidden[-1], noise_dim, generator)
        self.decoder = Decoder(noise_dim, hidden, inputs, generator)

    def loss(self, x: Tensor, noise: Tensor) -> Tensor:
        """Minus the evidence lower bound (ELBO) in nats, divided by the pixels: (n,).

        (Where x are features, the two terms are divided by the number of features
        and by that of pixels.)

        ``x`` (n, \\*shape), ``noise`` (n, noise_dim) standard normal.
        """
        x = x.flatten(1)
        mu, logvar = self.posterior(self.encoder(x))
        output = self.decoder(reparameterise(mu, logvar, noise))
        reconstruction = reconstruction_loss(output, x, self.likelihood)
        return reconstruction + kl_to_standard_normal(mu, logvar) / self.pixels

    def reconstruct(self, x: Tensor, y: Tensor | None, noise: Tensor) -> Tensor:
        """x decoded from a z that was drawn from q(z|x): (n, inputs); ``y`` makes no difference."""
        mu, logvar = self.posterior(self.encoder(x.flatten(1)))
        return mean_of(self.decoder(reparameterise(mu, logvar, noise)), self.likelihood)

    def log_weight(self, x: Tensor, y: Tensor | None, noise: Tensor) -> Tensor:
        """log p(x|z) + log p(z) - log q(z|x) at z = mu + sigma * noise, (n,): the importance weight of one sample."""
        x = x.flatten(1)
        mu, logvar = self.posterior(self.encoder(x))
        z = reparameterise(mu, logvar, noise)
        reconstructed = log_likelihood(self.decoder(z), x, self.likelihood)
        return reconstructed + log_standard_normal(z) - log_normal(z, mu, logvar)

    def log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        """As `log_weight`, with each row of ``noise`` (S, noise_dim) for every one of x: (S, n)."""
        x = x.flatten(1)
        mu, logvar = self.posterior(self.encoder(x))
        z = reparameterise(mu, logvar, noise[:, None])  # (S, n, noise_dim)
        output = self.decoder(z.flatten(0, 1))
        reconstructed = log_likelihood(output, x.repeat(len(noise), 1), self.likelihood).view(len(noise), -1)
        return reconstructed + log_standard_normal(z) - log_normal(z, mu, logvar)

    def generate(self, noise: Tensor) -> Tensor:
        """New samples, (n, inputs), from z = noise (n, noise_dim), standard normal."""
        return mean_of(self.decoder(noise), self.likelihood)


class Posterior(nn.Module):
    """h (n, hidden) -> mu and logvar, both (n, noise_dim), of q(z|x). (In the reference code logvar has no bias.)"""

    def __init__(self, hidden: int, noise_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.mu = linear(hidden, noise_dim, generator)
        self.logvar = linear(hidden, noise_dim, generator)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return in_float32(self.mu(h)), in_float32(self.logvar(h))


def mean_of(output: Tensor, likelihood: Likelihood) -> Tensor:
    """The mean of p(x|z), from a decoder's output: what is replayed is the mean, without pixel noise."""
    return output.sigmoid() if likelihood == "bernoulli" else output
