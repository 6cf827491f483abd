"""DER++: a store that keeps, beside each sample, what the network answered to it (Buzzega et al. 2020, NeurIPS)."""

import copy

import torch
from torch import Tensor

from replaylib.conv import batch_statistics
from replaylib.lab.extra.nearest_mean import CHUNK
from replaylib.lab.parts import Parts, Plan
from replaylib.nets import Classifier, classification_loss, in_float32
from replaylib.replay import Buffer
from replaylib.scenarios import Batch, Stream


class AnswerKeeper(Classifier):
    """A classifier that learns stored answers: cross-entropy + ``alpha`` times the mean squared error of the logits.

    The published loss has a coefficient for the labels as well, both tuned for each benchmark. Here labels count once,
    as everywhere in this library. Parameters as of `replaylib.nets.Classifier`.
    """

    alpha = 0.5

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """What the network minimises, (n,).

        Of replayed samples ``batch.soft`` (n, outputs) holds logits, -inf for units that
        did not exist yet, and ``batch.temperature`` is 0.
        """
        with batch_statistics(self.learning_backbone):
            h = self.encode(batch.x, batch.task, batch.current)
        logits = in_float32(self.readout(h))
        labels = classification_loss(logits, batch.y, active)
        if batch.soft is None or batch.temperature is None:
            return labels
        known = batch.soft.isfinite()
        error = logits - batch.soft.masked_fill(~known, 0)
        answers = error.square().masked_fill(~known, 0).sum(1) / known.sum(1)
        return labels + self.alpha * answers * (batch.temperature == 0)


class AnswerBuffer(Buffer):
    """A buffer that keeps logits as well, of the network as it was when a sample's task ended.

    (The original stores them while the task is trained.) A replayed sample carries them as ``soft``, at temperature 0.

    Parameters
    ----------
    net : the network that learns; ``stream``, ``per_class``, ``policy``, ``generator`` : see `replaylib.replay.Buffer`.
    """

    state = (*Buffer.state, "logits")

    def __init__(
        self, stream: Stream, net: Classifier, per_class: int, policy: str, generator: torch.Generator
    ) -> None:
        super().__init__(stream, per_class, policy, generator)
        self.net, self.logits = net, torch.empty(0, stream.outputs, device=stream.device)

    def sample(self, n: int) -> Batch | None:
        if not len(self):
            return None
        picks = torch.randint(len(self), (n,), generator=self.generator, device=self.y.device)
        x, soft = self.stream.data.train.inputs(self.images[picks]), self.logits[picks]
        return Batch(x, self.y[picks], self.task[picks], soft, torch.zeros_like(soft[:, 0]))

    @torch.no_grad()
    def end(self, task: int) -> None:
        held, place = (self.task, self.logits), torch.arange(len(self), device=self.y.device)
        self.task = -1 - place  # which of those held before a sample is, wherever it will be put
        super().end(task)
        old = self.task < 0
        was, new = -1 - self.task[old], ~old
        self.task[old] = held[0][was]
        self.logits = self.logits.new_empty(len(self), self.stream.outputs)
        self.logits[old] = held[1][was]
        parts = zip(self.images[new].split(CHUNK), self.task[new].split(CHUNK), strict=True)
        answers = torch.cat([self.net(self.stream.data.train.inputs(images), shown) for images, shown in parts])
        self.logits[new] = answers.masked_fill(~self.stream.active(self.task[new], task + 1), -torch.inf)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored images, their labels, and their logits."""
        return super().nbytes + self.logits.nbytes


def make(plan: Plan, per_class: int, policy: str, alpha: float = 0.5) -> Parts:
    """The parts of DER++: ``per_class`` samples a class, kept by ``policy``; its paper keeps a reservoir."""
    backbone, stream = copy.deepcopy(plan.backbone), plan.stream
    net = AnswerKeeper(plan.inputs, plan.hidden, stream.outputs, plan.start, backbone=backbone, frozen=plan.frozen)
    net.alpha = alpha
    return Parts(net.to(stream.device), AnswerBuffer(stream, net, per_class, policy, plan.drawing))
