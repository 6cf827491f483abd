"""Text that a network writes itself, replayed: a network that predicts the next character needs no other generator.

LAMOL (Sun, Ho & Lee 2020) and self-synthesised rehearsal (Huang et al. 2024) do so with large language models; here the
classifier that all methods share sees ten characters (`replaylib.data.texts`) and names the next (Bengio et al. 2003).
"""

import math

import torch
from torch import Tensor

from replaylib.data.texts import ALPHABET, KINDS, WINDOW, shown
from replaylib.errors import InputError
from replaylib.nets import Network
from replaylib.replay import Taught
from replaylib.scenarios import Stream

#: Texts that are written of each earlier collection, and characters of each.
TEXTS, LENGTH = 120, 120


def kinds_of(stream: Stream, task: Tensor) -> Tensor:
    """Which of `KINDS` tasks (n,) are of: (n,) int64."""
    return stream.classes.amax(1)[task] // len(ALPHABET)


@torch.no_grad()
def write(
    net: Network,
    stream: Stream,
    task: Tensor,
    seen: int,
    length: int,
    generator: torch.Generator,
    temperature: float = 1.0,
) -> Tensor:
    """Texts of tasks (n,), one each: the characters' places in `ALPHABET`, (n, length).

    Each text begins after spaces. Its characters are drawn one by one among the units
    that are active when ``seen`` tasks have arrived; a temperature below 1 favours
    likely ones.
    """
    kind, active = kinds_of(stream, task), stream.active(task, seen)
    text = torch.full((len(task), WINDOW), ALPHABET.index(" "), device=task.device)
    for _ in range(length):
        x = stream.data.train.inputs(shown(kind, text[:, -WINDOW:]))
        scores = net(x, task).masked_fill(~active, -torch.inf) / temperature
        unit = torch.multinomial(scores.softmax(1), 1, generator=generator)
        text = torch.cat([text, unit % len(ALPHABET)], 1)
    return text[:, WINDOW:]


@torch.no_grad()
def bits(net: Network, stream: Stream, seen: int) -> Tensor:
    """Bits a character on the test part of each task, (tasks,), among the units active when ``seen`` have arrived."""
    every = []
    for number in range(stream.tasks):
        rows = stream.rows(number, "test")
        batch = stream.batch(rows, torch.full_like(rows, number), "test")
        scores = net(batch.x, batch.task).masked_fill(~stream.active(batch.task, seen), -torch.inf)
        every.append(-scores.log_softmax(1).gather(1, batch.y[:, None]).mean() / math.log(2))
    return torch.stack(every)


class OwnText(Taught):
    """Replays what the network, as it was when the last task ended, writes then, and labels with its probabilities.

    Parameters
    ----------
    stream : of text, see `replaylib.data.texts`.
    net, generator : see `replaylib.replay.Generated`.

    Raises
    ------
    InputError : a stream of anything else.
    """

    state = (*Taught.state, "text")

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator) -> None:
        shape, wanted = stream.data.train.shape, (1, 1 + WINDOW, len(ALPHABET) + len(KINDS))
        if shape != wanted or stream.classes.shape[1] != len(ALPHABET):
            raise InputError(f"{stream.data.train.name} is no text that a network could write: use split-text")
        super().__init__(stream, net, generator, soft=True)
        self.text = torch.empty(0, TEXTS, LENGTH, dtype=torch.long, device=stream.device)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """Samples of what was written, and the task (n,) that each is of."""
        device = self.text.device
        task, row = (torch.randint(k, (n,), generator=self.generator, device=device) for k in self.text.shape[:2])
        start = torch.randint(LENGTH - WINDOW + 1, (n, 1), generator=self.generator, device=device)
        text = self.text[task[:, None], row[:, None], start + torch.arange(WINDOW, device=device)]
        return self.stream.data.train.inputs(shown(kinds_of(self.stream, task), text)), task

    def end(self, task: int) -> None:
        super().end(task)
        if task + 1 == self.stream.tasks:  # nothing follows that it could be replayed with
            return
        each = torch.arange(task + 1, device=self.text.device).repeat_interleave(TEXTS)
        written = write(self.teacher.copy, self.stream, each, task + 1, LENGTH, self.generator)
        self.text = written.view(task + 1, TEXTS, LENGTH)
