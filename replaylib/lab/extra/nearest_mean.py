"""Exact replay, tested by the nearest class mean of stored samples' features (iCaRL: Rebuffi et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from replaylib.conv import ConvEncoder
from replaylib.nets import Classifier
from replaylib.replay import Buffer
from replaylib.scenarios import Stream

#: Stored samples that go through the network at once, when a task has ended.
CHUNK = 2_500
#: A score below that of any class that has a mean: two vectors of length 1 are at most 2 apart.
NOWHERE = -3.0


class NearestMean(Classifier):
    """A classifier that is tested by the nearest class mean of normalised features (iCaRL: Rebuffi et al. 2017, Eq. 2).

    It is trained as any other, through its read-out. The means are those of stored samples, see
    `Exemplars`, are normalised as well, and are part of the network's state.
    """

    means: Tensor

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        outputs: int,
        generator: torch.Generator,
        backbone: ConvEncoder | None = None,
    ) -> None:
        super().__init__(inputs, hidden, outputs, generator, backbone=backbone)
        self.register_buffer("means", torch.zeros(outputs, hidden[-1]))

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer's activity, scaled to length 1: (n, hidden[-1])."""
        return F.normalize(self.encode(x))

    def scores(self, x: Tensor, task: Tensor) -> Tensor:
        """Minus the distance of features from each class mean, (n, outputs); `NOWHERE` for a class without a mean."""
        without = (self.means == 0).all(1)
        return (-torch.cdist(self.features(x), self.means)).masked_fill(without, NOWHERE)


class Exemplars(Buffer):
    """A `Buffer` that also tells a `NearestMean` network what its classes look like, when a task has ended.

    Parameters
    ----------
    stream, per_class, policy, generator : see `Buffer`.
    net : the network that learns, and classifies by the means that are computed here.
    """

    state = Buffer.state

    def __init__(
        self, stream: Stream, net: NearestMean, per_class: int, policy: str, generator: torch.Generator
    ) -> None:
        super().__init__(stream, per_class, policy, generator)
        self.net = net

    @torch.no_grad()
    def end(self, task: int) -> None:
        super().end(task)
        inputs = self.stream.data.train.inputs
        features = torch.cat([self.net.features(inputs(images)) for images in self.images.split(CHUNK)])
        total = torch.zeros_like(self.net.means).index_add_(0, self.y, features)
        count = self.y.bincount(minlength=len(total))[:, None]
        self.net.means.copy_(F.normalize(total / count.clamp(min=1)))
