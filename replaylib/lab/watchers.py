"""The library's watchers: what looks on while a run is trained, by name, and changes nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from replaylib.lab.tables import WATCHERS

if TYPE_CHECKING:
    from replaylib.lab.experiments import Experiment
    from replaylib.loop import Training

#: How often in a task `loss` says something.
TIMES = 10


def loss(group: Sequence[Experiment]) -> Callable[[Training], None]:
    """The loss of the last step, ten times a task, as a line on the standard error."""
    from replaylib.data.progress import Bar

    every = max(1, group[0].iterations // TIMES)

    def watch(now: Training) -> None:
        if now.step % every == 0:
            said = ", ".join(f"{value:.4f}" for value in now.loss.tolist())
            Bar.write(f"task {now.task + 1}, step {now.step}: loss {said}", file=sys.stderr)

    return watch


WATCHERS.add(loss.__name__, loss, loss)
