"""A small share of old data in each batch, as in continual pre-training of language models (Ibrahim et al. 2024)."""

import torch
import torch.nn.functional as F

from replaylib.errors import InputError
from replaylib.replay import Everything
from replaylib.scenarios import Batch, Stream


class Share(Everything):
    """Some samples of everything so far, whose weight in the loss is a share of all, whatever the number of tasks.

    Old samples are drawn uniformly, share / (1 - share) for each new one, so that every sample of a step weighs about
    the same, as if old and new were one batch.

    Parameters
    ----------
    stream, generator : see `replaylib.replay.Everything`.
    share : of a step's samples, and of its loss, that is old; above 0 and below 1.

    Raises
    ------
    InputError : another share.
    """

    state = (*Everything.state, "seen")

    def __init__(self, stream: Stream, generator: torch.Generator, share: float) -> None:
        if not 0 < share < 1:
            raise InputError(f"share is {share:g}: give what part of each step is old, above 0 and below 1")
        super().__init__(stream, generator)
        self.odds, self.seen = share / (1 - share), 0

    def sample(self, n: int) -> Batch | None:
        batch = super().sample(max(1, round(self.odds * n)))
        if batch is None:
            return None
        # The objective has 1/t for new samples and 1 - 1/t for these. What is left in common, 1/t, Adam does not see.
        weight = self.odds / self.seen
        soft = weight * F.one_hot(batch.y, self.stream.outputs).to(batch.x.dtype)
        return Batch(batch.x, batch.y, batch.task, soft, torch.ones_like(soft[:, 0]))

    def end(self, task: int) -> None:
        super().end(task)
        self.seen = task + 1
