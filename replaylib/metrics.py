"""The accuracy matrix, and what is read from it.

``R[i, j]`` is the accuracy, in percent, on the test data of task j after training on task i: **rows are time, columns
are tasks**, both counted from 0. The diagonal is accuracy right after learning, the last row is what is left at the
end. Above the diagonal are tasks that have not been trained yet; in class-incremental learning their output units do
not exist by then and the entries are nan. Every function takes a square tensor (tasks, tasks), or a stack of them
(..., tasks, tasks), one a seed, and returns a tensor of the leading shape; `InputError` is raised for anything else.
"""

import math

import torch
from torch import Tensor

from replaylib.errors import InputError


def final_accuracy(matrix: Tensor) -> Tensor:
    """ACC: mean final accuracy over all tasks (Lopez-Paz & Ranzato 2017, eq. 2)."""
    return _square(matrix)[..., -1, :].mean(-1)


def backward_transfer(matrix: Tensor) -> Tensor:
    """BWT: mean change of a task's accuracy from just after learning it to the end.

    Negative where there is forgetting. The last task, which nothing followed, does not
    count (Lopez-Paz & Ranzato 2017, eq. 3).
    """
    change = _square(matrix)[..., -1, :] - matrix.diagonal(dim1=-2, dim2=-1)
    return change[..., :-1].mean(-1)


def forward_transfer(matrix: Tensor, untrained: Tensor) -> Tensor:
    """FWT: what earlier tasks gave a task before it was trained (Lopez-Paz & Ranzato 2017, eq. 4).

    Parameters
    ----------
    untrained : (..., tasks) accuracy of the untrained network on each task, in percent.

    Returns nan in class-incremental learning, where a task cannot be chosen before it arrives.
    """
    before = _square(matrix).diagonal(offset=1, dim1=-2, dim2=-1)
    return (before - untrained[..., 1:]).mean(-1)


def forgetting(matrix: Tensor) -> Tensor:
    """Mean drop of a task from the best it ever was before the end to the end.

    The last task does not count, nor do entries from before a task was trained
    (Chaudhry et al. 2018, eq. 3).
    """
    earlier = _square(matrix)[..., :-1, :-1]
    task = torch.arange(earlier.shape[-1], device=earlier.device)
    trained = task[:, None] >= task
    best = earlier.masked_fill(~trained, -math.inf).amax(-2)
    return (best - matrix[..., -1, :-1]).mean(-1)


def sem(values: Tensor) -> float:
    """Standard error of the mean over seeds, (seeds,) -> number; nan for a single seed, whose spread is unknown."""
    return (values.std() / math.sqrt(len(values))).item() if len(values) > 1 else math.nan


def _square(matrix: Tensor) -> Tensor:
    if matrix.dim() < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] < 2:
        problem = f"an accuracy matrix is (tasks, tasks) with at least 2 tasks, not {tuple(matrix.shape)}"
        raise InputError(f"{problem}: give one, or a stack of them")
    return matrix
