"""What each source of replay keeps, and what it gives back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replaylib.errors import InputError
from replaylib.replay import Buffer, Everything, Nothing
from replaylib.scenarios import permuted_stream, split_stream
from tests.test_scenarios import tiny


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows_of(batch) -> set[int]:
    """Which rows of the tiny dataset a batch shows: a row's first pixel is four times its number."""
    return set((batch.x[:, 0, 0, 0] * 255 / 4).round().int().tolist())


def test_nothing_gives_nothing():
    replay = Nothing()
    replay.end(0)
    assert replay.sample(8) is None
    assert replay.nbytes == 0


def test_everything_replays_all_ended_tasks_and_no_other():
    stream = split_stream(tiny(), "class", 3)
    replay = Everything(stream, generator())
    assert replay.sample(4) is None
    replay.end(0)
    assert rows_of(replay.sample(500)) == set(range(10))
    replay.end(1)
    batch = replay.sample(1000)
    assert rows_of(batch) == set(range(20))
    assert batch.y.equal(batch.task * 2 + batch.y % 2)
    assert replay.nbytes == 20 * (4 + 8)


def test_everything_shows_each_sample_as_its_task_did():
    stream = permuted_stream(tiny(), "domain", 3, seed=2)
    replay = Everything(stream, generator())
    replay.end(0)
    replay.end(1)
    batch = replay.sample(200)
    row = (batch.x.flatten(1).amin(1) * 255 / 4).round().long()
    assert batch.x.equal(stream.batch(row, batch.task).x)
    assert set(batch.task.tolist()) == {0, 1}


@given(budget=st.integers(1, 8), seed=st.integers(0, 20))
@settings(deadline=None)
def test_a_balanced_buffer_keeps_its_budget_of_every_class(budget, seed):
    stream = split_stream(tiny(), "class", 3)
    buffer = Buffer(stream, budget, "balanced", generator(seed))
    for task in range(3):
        assert (buffer.sample(4) is None) == (task == 0)
        buffer.end(task)
        kept = torch.bincount(buffer.y, minlength=6)
        assert kept.tolist() == [min(budget, 5)] * (2 * task + 2) + [0] * (4 - 2 * task)
    assert len(set(buffer.images[:, 0, 0, 0].tolist())) == len(buffer)  # no sample stands twice
    assert rows_of(buffer.sample(2000)) == {int(i) // 4 for i in buffer.images[:, 0, 0, 0]}


def test_a_buffer_holds_copies_with_the_right_labels_and_counts_their_bytes():
    split = tiny()
    stream = split_stream(split, "task", 3, seed=4)
    buffer = Buffer(stream, 3, "balanced", generator())
    for task in range(3):
        buffer.end(task)
    row = buffer.images[:, 0, 0, 0].long() // 4
    assert buffer.y.equal(stream.targets(row, buffer.task))
    assert buffer.nbytes == 18 * (4 + 8)  # one byte a pixel, eight a label
    before = buffer.images.clone()
    split.train.images.zero_()  # the tasks' own data are gone
    assert buffer.images.equal(before)


def test_domain_and_permuted_streams_keep_the_budget_of_each_class_of_each_task():
    domain = Buffer(split_stream(tiny(), "domain", 3), 2, "balanced", generator())
    permuted = Buffer(permuted_stream(tiny(), "domain", 2), 2, "balanced", generator())
    for task in range(2):
        domain.end(task)
        permuted.end(task)
    assert len(domain) == 2 * 2 * 2
    assert len(permuted) == 2 * 6 * 2


def test_a_reservoir_fills_up_at_once_and_then_thins_out():
    buffer = Buffer(split_stream(tiny(), "class", 3), 2, "reservoir", generator())
    sizes = []
    for task in range(3):
        buffer.end(task)
        sizes.append(len(buffer))
    assert sizes == [10, 12, 12]  # 2 samples x 6 classes; a task has but 10


def test_a_reservoir_keeps_every_sample_that_passed_with_the_same_probability():
    stream = split_stream(tiny(), "class", 3)
    kept = torch.zeros(30)
    for seed in range(600):
        buffer = Buffer(stream, 1, "reservoir", generator(seed))
        for task in range(3):
            buffer.end(task)
        kept[buffer.images[:, 0, 0, 0].long() // 4] += 1
    # 6 of 30 are kept: a binomial of mean 120 and standard deviation 9.8; 4.5 deviations for 30 looks
    assert (kept - 120).abs().max() < 44
    early, middle, late = (kept[i : i + 10].sum().item() for i in (0, 10, 20))
    assert max(early, middle, late) - min(early, middle, late) < 250


def test_the_generator_alone_decides():
    stream = split_stream(tiny(), "class", 3)
    for policy in Buffer.POLICIES:
        one, two, three = (Buffer(stream, 2, policy, generator(seed)) for seed in (1, 1, 2))
        for buffer in (one, two, three):
            buffer.end(0)
            buffer.end(1)
        assert one.images.equal(two.images)
        assert not one.images.equal(three.images)
        assert one.sample(50).x.equal(two.sample(50).x)


def test_a_buffer_that_cannot_be_is_refused():
    stream = split_stream(tiny(), "class", 3)
    with pytest.raises(InputError, match="nothing would be stored"):
        Buffer(stream, 0, "balanced", generator())
    with pytest.raises(InputError, match="balanced or reservoir"):
        Buffer(stream, 1, "ring", generator())
