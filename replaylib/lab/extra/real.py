"""Real samples of earlier tasks, newly labelled by the previous network: a reference for generative replay."""

import torch
from torch import Tensor

from replaylib.errors import InputError
from replaylib.lab.parts import Parts, Plan
from replaylib.nets import Network
from replaylib.replay import Everything, Taught
from replaylib.scenarios import Stream


class RealReplay(Taught):
    """Draws from all earlier data, newly labelled by the previous network.

    A reference for generative replay with soft targets, whose generator gives back
    its training data and nothing new; no method to be used, for it needs all of
    them.

    Parameters
    ----------
    stream : where the samples come from.
    net : the network that learns.
    generator : draws the samples, on the stream's device.
    """

    state = (*Taught.state, "past")

    def __init__(
        self,
        stream: Stream,
        net: Network,
        generator: torch.Generator,
    ) -> None:
        super().__init__(stream, net, generator, soft=True)
        self.past = Everything(stream, generator)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """Samples (n, \\*shape) of tasks that have ended, and the task (n,) of each.

        Raises `InputError` before one has ended.
        """
        batch = self.past.sample(n)
        if batch is None:
            raise InputError("no task has ended: there is nothing to replay yet")
        return batch.x, batch.task

    def end(self, task: int) -> None:
        self.past.end(task)
        super().end(task)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes of the training data that are kept."""
        return self.past.nbytes


def make(plan: Plan) -> Parts:
    """The parts of replay of real samples with the previous network's labels."""
    net = plan.classifier()
    return Parts(net, RealReplay(plan.stream, net, plan.drawing))
