"""The generative classifier: no replay, no forgetting, one generative model for each class."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from replaylib.errors import InputError
from replaylib.nets import Network
from replaylib.scenarios import Batch
from replaylib.vae import VAE, Likelihood

#: Codes that are decoded at once at testing.
ROWS = 20_000


class GenerativeClassifier(Network):
    """A variational auto-encoder for each class; a sample's class is the one that makes it most likely, by Bayes' rule.

    (van de Ven, Li & Tolias 2021, CVPR Workshop on Continual Learning.) Each learns from the samples of its own class
    alone, so that what arrives later cannot disturb it. Classes are taken to be equally probable.

    Parameters
    ----------
    inputs, hidden, noise_dim, likelihood : of each auto-encoder, see `replaylib.vae.VAE`. Its two losses are both
        divided by the inputs, also where these are features: what is minimised is what samples are tested by, as
        published.
    classes : how many.
    generator : a CPU generator; also draws, once, the noise with which samples are tested.
    samples : importance samples for each sample and class at testing.

    Raises
    ------
    InputError : fewer than 1 importance sample.
    """

    test_noise: Tensor
    pure = capturable = False

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        noise_dim: int,
        classes: int,
        generator: torch.Generator,
        *,
        likelihood: Likelihood = "bernoulli",
        samples: int = 16,
    ) -> None:
        super().__init__()
        if samples < 1:
            raise InputError(f"samples is {samples}: a likelihood is estimated from 1 importance sample or more")
        self.noise_dim = noise_dim
        self.models: Sequence[VAE] = nn.ModuleList(  # type: ignore[assignment]
            VAE(inputs, hidden, noise_dim, generator, likelihood) for _ in range(classes)
        )
        self.register_buffer("test_noise", torch.randn(samples, noise_dim, generator=generator))

    def scores(self, x: Tensor, task: Tensor) -> Tensor:
        """log p(x|y) of each class, (n, classes), by importance sampling.

        All samples and classes share their noise, so that a network always gives the same answer.
        """
        return torch.stack([self._log_likelihood(model, x) for model in self.models], dim=1)

    def _log_likelihood(self, model: VAE, x: Tensor) -> Tensor:
        at_once = max(1, ROWS // len(x))
        weights = torch.cat([model.log_weights(x, noise) for noise in self.test_noise.split(at_once)])
        return weights.logsumexp(0) - math.log(len(weights))

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """As `scores`: there are no logits besides."""
        return self.scores(x, x.new_zeros(len(x), dtype=torch.long) if task is None else task)

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """The negative ELBO of each sample under its own class's model, (n,); ``noise`` (n, noise_dim) standard normal.

        Models of absent classes take no part, and so have no gradient: one of zero would still let the optimizer's
        momentum move them. This looks at the labels, and is the one loss here that waits for the device.
        """
        losses = noise.new_zeros(len(noise))
        for y in batch.y.unique().tolist():
            of_class = (batch.y == y).nonzero()[:, 0]
            losses = losses.index_add(0, of_class, self.models[y].loss(batch.x[of_class], noise[of_class]))
        return losses
