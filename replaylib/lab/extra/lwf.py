"""Learning without forgetting, with the previous network's answers weighing otherwise than in all other replay."""

from dataclasses import replace

import torch
from torch import Tensor

from replaylib.errors import unknown
from replaylib.nets import TEMPERATURE, Network
from replaylib.replay import CurrentTask
from replaylib.scenarios import Batch, Stream

#: The loss of task t, but for the scale 1/t, which Adam does not see. CE is of the labels, KD the cross-entropy with
#: the previous network's answers at temperature T, averaged over the tasks that samples stand for.
WEIGHINGS = {
    "replay": "CE + (t - 1) T^2 KD, as all replay with soft targets: van de Ven, Siegelmann & Tolias 2020",
    "equal": "CE + T^2 KD",
    "sum": "CE + KD, or CE + (t - 1) KD where there are no new classes: van de Ven, Tuytelaars & Tolias 2022",
}


class Weighed(CurrentTask):
    """`replaylib.replay.CurrentTask` with a choice of how much the previous network's answers count beside the labels.

    Parameters
    ----------
    stream, net, generator : as `replaylib.replay.CurrentTask` has them.
    weighing : one of `WEIGHINGS`; ``"replay"`` is what `replaylib.replay.CurrentTask` does.

    Raises
    ------
    InputError : another weighing.
    """

    state = CurrentTask.state

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator, weighing: str) -> None:
        super().__init__(stream, net, generator)
        if weighing not in WEIGHINGS:
            raise unknown("weighing", weighing, WEIGHINGS)
        self.weighing = weighing

    def complete(self, copy: Network, *drawn: Tensor) -> Batch:
        batch = super().complete(copy, *drawn)
        return batch if batch.soft is None else replace(batch, soft=batch.soft / self.share)

    @property
    def share(self) -> float:
        """What the soft targets are divided by: the objective gives replayed samples a weight of (1 - 1/t) T^2."""
        tasks = self.teacher.seen if self.stream.scenario == "class" or self.weighing == "equal" else 1
        return {"replay": 1.0, "equal": tasks, "sum": tasks * TEMPERATURE**2}[self.weighing]
