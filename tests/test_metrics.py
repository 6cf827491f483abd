"""Each metric against its formula, written out over plain lists."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replaylib import metrics
from replaylib.errors import InputError

MATRIX = torch.tensor([[90.0, 20.0, 10.0], [60.0, 80.0, 30.0], [40.0, 85.0, 70.0]], dtype=torch.float64)


def test_metrics_of_a_matrix_worked_out_by_hand():
    assert metrics.final_accuracy(MATRIX).item() == pytest.approx((40 + 85 + 70) / 3)
    assert metrics.backward_transfer(MATRIX).item() == pytest.approx(((40 - 90) + (85 - 80)) / 2)
    assert metrics.forward_transfer(MATRIX, torch.tensor([50.0, 15.0, 12.0])).item() == pytest.approx((5 + 18) / 2)
    # the second task got better after it was learned, so that its forgetting is negative: 80 - 85
    assert metrics.forgetting(MATRIX).item() == pytest.approx(((90 - 40) + (80 - 85)) / 2)


def test_forgetting_is_measured_from_the_best_not_from_the_first():
    matrix = torch.tensor([[50.0, 0, 0], [90.0, 60.0, 0], [20.0, 60.0, 70.0]])
    assert metrics.forgetting(matrix).item() == pytest.approx((90 - 20 + 0) / 2)
    assert metrics.backward_transfer(matrix).item() == pytest.approx((20 - 50 + 0) / 2)


@given(tasks=st.integers(2, 6), seed=st.integers(0, 1000))
def test_metrics_equal_their_slow_formulas_and_take_a_stack_of_seeds(tasks, seed):
    stack = 100 * torch.rand(4, tasks, tasks, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    untrained = 100 * torch.rand(4, tasks, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    for s in range(4):
        r, b, last = stack[s].tolist(), untrained[s].tolist(), tasks - 1
        acc = sum(r[last]) / tasks
        bwt = sum(r[last][j] - r[j][j] for j in range(last)) / last
        fwt = sum(r[j - 1][j] - b[j] for j in range(1, tasks)) / last
        forgot = sum(max(r[i][j] for i in range(j, last)) - r[last][j] for j in range(last)) / last
        assert metrics.final_accuracy(stack)[s].item() == pytest.approx(acc)
        assert metrics.backward_transfer(stack)[s].item() == pytest.approx(bwt)
        assert metrics.forward_transfer(stack, untrained)[s].item() == pytest.approx(fwt)
        assert metrics.forgetting(stack)[s].item() == pytest.approx(forgot)


def test_what_does_not_exist_yet_does_not_spoil_what_does():
    matrix = MATRIX.clone()
    matrix[0, 1:] = matrix[1, 2] = math.nan
    for read in (metrics.final_accuracy, metrics.backward_transfer, metrics.forgetting):
        assert read(matrix).equal(read(MATRIX))
    assert metrics.forward_transfer(matrix, torch.zeros(3)).isnan()


def test_sem_is_the_sample_standard_deviation_over_root_n_and_unknown_for_one_seed():
    assert metrics.sem(torch.tensor([1.0, 2.0, 3.0])) == pytest.approx(1 / math.sqrt(3))
    assert math.isnan(metrics.sem(torch.tensor([5.0])))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1)])
def test_what_is_no_accuracy_matrix_is_refused(shape):
    with pytest.raises(InputError, match="accuracy matrix is"):
        metrics.final_accuracy(torch.zeros(shape))
