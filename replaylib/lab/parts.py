"""What a method is put together from, a plan, and what it puts together: network, replay and penalty."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

# A description of a method is read without PyTorch; its parts are made with it.
if TYPE_CHECKING:
    import torch

    from replaylib.conv import ConvEncoder
    from replaylib.nets import Classifier, Network
    from replaylib.penalties import Penalty
    from replaylib.replay import Replay
    from replaylib.scenarios import Stream
    from replaylib.vae import Likelihood


class Parts(NamedTuple):
    """What `replaylib.train` puts together: a network, a source of replay, and a penalty or None."""

    net: Network
    replay: Replay
    penalty: Penalty | None = None


@dataclass(frozen=True)
class Plan:
    """What a method's parts are made from.

    Attributes
    ----------
    hidden : units of the classifier's hidden layers.
    start : a CPU generator of initial parameters. The classifier is drawn first, so that all methods start from one.
    drawing : a generator of replayed samples, on the stream's device.
    backbone : a pre-trained encoder that images pass; each network gets a copy.
    frozen : whether it stays as it is, and is not trained along.
    """

    stream: Stream
    hidden: tuple[int, ...]
    start: torch.Generator
    drawing: torch.Generator
    backbone: ConvEncoder | None = None
    frozen: bool = False

    @property
    def inputs(self) -> int:
        """Units that the first hidden layer reads: of the flattened input, or features of the convolutional layers."""
        return math.prod(self.stream.data.train.shape) if self.backbone is None else self.backbone.units

    @property
    def pixels(self) -> int:
        """Units of an image, also where the data are features of images."""
        return self.stream.data.train.pixels

    @property
    def likelihood(self) -> Likelihood:
        """Bernoulli for intensities in [0, 1], Gaussian for normalised pixels and for features (the paper's choice)."""
        data = self.stream.data.train
        return "gaussian" if data.images.dtype.is_floating_point or data.mean is not None else "bernoulli"

    def classifier(self, **options: float) -> Classifier:
        """The network that all methods share, on the stream's device."""
        from replaylib.nets import Classifier

        settings: dict[str, Any] = {"backbone": copy.deepcopy(self.backbone), "frozen": self.frozen, **options}
        return Classifier(self.inputs, self.hidden, self.stream.outputs, self.start, **settings).to(self.stream.device)
