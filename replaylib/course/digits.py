"""The small problem that the assignments build on: split digits, and a network that classifies and imagines them."""

import torch

from replaylib.brain import Brain
from replaylib.generative import BrainNet
from replaylib.lab.protocols import in_profile
from replaylib.nets import Classifier
from replaylib.scenarios import Stream


class DigitsNet(BrainNet):
    """A classifier of ten digits, and beside it a variational auto-encoder."""

    @property
    def latent(self) -> int:
        """Units of a code, codes being (n, latent): the name that notebooks handed out earlier use for `noise_dim`."""
        return self.noise_dim


def new_stream() -> Stream:
    """Split digits: five tasks of two classes each, class-incremental."""
    protocol = in_profile("split-digits")
    return protocol.stream(protocol.load(), "class", protocol.tasks, 0)


def new_network(seed: int, hidden: tuple[int, ...] = (100, 100), latent: int = 20) -> DigitsNet:
    """A fresh network, whose first weights the seed decides."""
    generator = torch.Generator().manual_seed(seed)
    return DigitsNet(Brain(), Classifier(64, hidden, 10, generator), generator, noise_dim=latent)


def opinionated_network(seed: int, hidden: tuple[int, ...] = (20,), latent: int = 4) -> DigitsNet:
    """An untrained network whose imagined images differ as much as a trained one's, and get different labels from it.

    A fresh network imagines grey and takes all of it for one class, so that a label tells nothing.
    """
    net = new_network(seed, hidden, latent)
    noise = torch.randn(500, latent, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in net.decoder.parameters():
            parameter.mul_(6)
        net.classifier.readout.bias.sub_(net(net.decoder(noise).sigmoid()).mean(0))
    return net
