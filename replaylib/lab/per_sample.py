"""Samples of a stream fetched one by one and collated, as by an ordinary ``DataLoader``: what `Stream.draw` spares."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from replaylib.scenarios import Batch, Stream


class PerSample:
    """A stream whose current samples come from a ``DataLoader``, and which is otherwise as it was.

    Parameters
    ----------
    stream : the stream.
    batch : samples that the loader collates, as many as are then drawn.
    """

    def __init__(self, stream: Stream, batch: int) -> None:
        self._stream, self._batch = stream, batch
        self._loaders: dict[int, Iterator[tuple[Tensor, Tensor]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def draw(self, task: int, n: int, generator: torch.Generator) -> Batch:
        if task not in self._loaders:
            self._loaders = {task: self._forever(task)}
        x, y = (part.to(self._stream.device) for part in next(self._loaders[task]))
        return Batch(x, y, torch.full_like(y, task))

    def _forever(self, task: int) -> Iterator[tuple[Tensor, Tensor]]:
        shuffled = torch.Generator().manual_seed(0)
        rows = self._stream.rows(task)
        # Of a task with fewer samples than a batch, each comes several times: an epoch has at least one whole batch.
        samples = _Samples(self._stream, task, rows.repeat(-(-self._batch // len(rows))))
        while True:
            yield from DataLoader(samples, self._batch, shuffle=True, drop_last=True, generator=shuffled)


class _Samples(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, stream: Stream, task: int, rows: Tensor) -> None:
        self.stream, self.task, self.rows = stream, task, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        row = self.rows[place : place + 1]
        batch = self.stream.batch(row, torch.full_like(row, self.task))
        return batch.x[0], batch.y[0]
