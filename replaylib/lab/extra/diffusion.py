"""A small diffusion model as the generator (Ho et al. 2020; DDGR: Gao & Liu 2023; Masip et al. 2023)."""

import math
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from replaylib.lab.parts import Parts, Plan
from replaylib.nets import Classifier, Network, linear, target_loss
from replaylib.replay import Generated
from replaylib.scenarios import Batch


class Denoiser(Network):
    """A classifier, and a network beside it that takes the noise out of features of a given class.

    Features x and noise e are mixed as x_t = cos(pi t / 2) x + sin(pi t / 2) e, t uniform in [0, 1]. The network learns
    the velocity cos(pi t / 2) e - sin(pi t / 2) x (Salimans & Ho 2022), and so knows both x and e. It imagines in
    ``passes`` steps from noise alone, without drawing more on the way (DDIM, Song et al. 2021). Its two hidden layers
    are as wide as the classifier's last.

    Parameters
    ----------
    classifier : the part that is tested.
    generator : a CPU generator of first weights.
    scale : the features' standard deviation, by which they are divided.
    passes : steps from noise to a sample.
    """

    frequencies: Tensor

    def __init__(self, classifier: Classifier, generator: torch.Generator, scale: float, passes: int) -> None:
        super().__init__()
        self.classifier, self.scale, self.passes = classifier, scale, passes
        hidden = classifier.hidden.units[-1]
        self.inputs, self.classes = classifier.hidden.inputs, classifier.readout.out_features
        self.noise_dim = self.inputs + 1
        self.register_buffer("frequencies", math.pi * torch.arange(1.0, 17.0))
        self.context = linear(self.classes + 32, hidden, generator)
        self.layers = torch.nn.ModuleList(
            linear(a, b, generator) for a, b in ((self.inputs, hidden), (hidden, hidden), (hidden, self.inputs))
        )

    @property
    def path(self) -> list[torch.nn.Module]:
        return self.classifier.path

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """Logits, (n, outputs)."""
        logits: Tensor = self.classifier(x, task)
        return logits

    def velocity(self, mixed: Tensor, angle: Tensor, y: Tensor) -> Tensor:
        """(n, d), for mixtures (n, d) at angles pi t / 2 (n, 1) of classes y (n,)."""
        waves = 2 / math.pi * angle * self.frequencies
        context = self.context(torch.cat([F.one_hot(y, self.classes), waves.sin(), waves.cos()], dim=1))
        a = (self.layers[0](mixed) + context).relu()
        velocity: Tensor = self.layers[2]((self.layers[1](a) + context).relu())
        return velocity

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """Classification, and the mean squared error of the velocity: (n,).

        ``noise`` (n, d + 1) is standard normal; the last column decides t.
        """
        x, e = batch.x.flatten(1) / self.scale, noise[:, :-1]
        angle = math.pi / 2 * torch.special.ndtr(noise[:, -1:])
        mixed = angle.cos() * x + angle.sin() * e
        error = self.velocity(mixed, angle, batch.y) - (angle.cos() * e - angle.sin() * x)
        logits = self.classifier(batch.x, batch.task)
        return target_loss(logits, batch, active) + error.square().mean(1)

    @torch.no_grad()
    def generate(self, y: Tensor, task: Tensor, noise: Tensor) -> Tensor:
        """Imagined features (n, d) of classes ``y`` (n,), from ``noise`` (n, d + 1)."""
        mixed = noise[:, :-1]
        t = torch.linspace(1, 0, self.passes + 1, device=noise.device)
        for now, then in pairwise(math.pi / 2 * t):
            v = self.velocity(mixed, now.expand(len(y), 1), y)
            x = now.cos() * mixed - now.sin() * v
            e = now.sin() * mixed + now.cos() * v
            mixed = then.cos() * x + then.sin() * e
        return mixed * self.scale


class DiffusionReplay(Generated):
    """`replaylib.replay.Generated`, but for the denoiser, which learns samples under the class that was asked for.

    For the classifier they stand for what the previous network makes of them.
    """

    state = Generated.state

    def complete(self, copy: Network, *drawn: Tensor) -> Batch:
        return replace(super().complete(copy, *drawn), y=drawn[0])


def make(plan: Plan, passes: int = 6) -> Parts:
    """The parts of replay from a diffusion model. It is fully connected: for features, (n, d), or small images."""
    data = plan.stream.data.train
    net = Denoiser(plan.classifier(), plan.start, data.inputs(data.images).std().item(), passes)
    return Parts(net.to(plan.stream.device), DiffusionReplay(plan.stream, net, plan.drawing, soft=True))
