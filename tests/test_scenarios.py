"""The three scenarios, and what each task of a stream shows."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError
from replaylib.scenarios import SCENARIOS, Stream, class_order, permuted_stream, split_stream
from tests.helpers import tiny


@pytest.mark.parametrize(
    ("scenario", "outputs", "targets", "active"),
    [
        ("task", 6, [0, 1, 2, 3, 4, 5], [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]]),
        ("domain", 2, [0, 1, 0, 1, 0, 1], [[1, 1], [1, 1]]),
        ("class", 6, [0, 1, 2, 3, 4, 5], [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0]]),
    ],
)
def test_a_scenario_is_its_targets_and_its_active_units(scenario, outputs, targets, active):
    stream = split_stream(tiny(), scenario, tasks=3)
    rows = torch.arange(0, 30, 5)  # one sample of each class
    assert stream.outputs == outputs
    assert stream.targets(rows, torch.tensor([0, 0, 1, 1, 2, 2])).tolist() == targets
    # a batch that mixes a sample of the first and one of the second task, when two tasks have arrived
    assert stream.active(torch.tensor([0, 1]), seen=2).int().tolist() == active


@given(scenario=st.sampled_from(sorted(SCENARIOS)), tasks=st.sampled_from([2, 3]), seed=st.integers(0, 50))
def test_every_target_is_active_and_every_sample_has_one_task(scenario, tasks, seed):
    stream = split_stream(tiny(), scenario, tasks, seed)
    assert torch.cat([stream.rows(t) for t in range(tasks)]).sort().values.equal(torch.arange(30))
    for t in range(tasks):
        batch = stream.batch(stream.rows(t), torch.full((30 // tasks,), t))
        assert stream.active(batch.task, seen=t + 1).gather(1, batch.y[:, None]).all()
        assert batch.x.shape == (30 // tasks, 1, 2, 2)
        assert batch.y.unique().numel() == 6 // tasks


def test_units_are_drawn_evenly_with_the_tasks_that_they_stand_for():
    generator = torch.Generator().manual_seed(0)
    for scenario in ("task", "class"):
        y, task = split_stream(tiny(), scenario, 3).draw_units(2, 4000, generator)
        assert task.equal(y // 2)
        assert (y.bincount(minlength=6)[:4] / 4000 - 1 / 4).abs().max() < 0.03
    y, task = split_stream(tiny(), "domain", 3).draw_units(2, 4000, generator)
    shares = torch.stack([y == 0, y == 1, task == 0, task == 1]).float().mean(1)
    assert (shares - 1 / 2).abs().max() < 0.03
    assert 0.2 < ((y == 0) & (task == 0)).float().mean() < 0.3  # one does not decide the other


def test_the_first_seed_keeps_label_order_and_others_shuffle():
    assert class_order(10, 0).tolist() == list(range(10))
    orders = {tuple(class_order(10, seed).tolist()) for seed in range(20)}
    assert len(orders) == 20
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert class_order(10, 7).equal(class_order(10, 7))


def test_permuted_tasks_show_the_same_pixels_in_an_order_of_their_own():
    stream = permuted_stream(tiny(), "domain", tasks=3, seed=1)
    rows = torch.tensor([4, 4, 4])
    raw = stream.raw(rows, torch.tensor([0, 1, 2])).flatten(1)
    assert all(row.sort().values.tolist() == [16, 17, 18, 19] for row in raw)
    expected = torch.stack([(16 + stream.permutations[t]).to(torch.uint8) for t in range(3)])
    assert raw.equal(expected)
    assert stream.rows(2).numel() == 30
    assert stream.outputs == 6
    assert permuted_stream(tiny(), "class", 3).outputs == 18


def test_all_channels_share_a_tasks_permutation():
    images = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2).repeat(2, 3, 1, 1)
    part = Dataset("rgb", images, torch.tensor([0, 1]), ("a", "b"))
    raw = permuted_stream(Split(part, part), "domain", 2, seed=3).raw(torch.tensor([0]), torch.tensor([1]))[0]
    assert raw[0].equal(raw[1])
    assert raw[0].equal(raw[2])


def test_draws_follow_the_generator_and_stay_in_their_task():
    stream = split_stream(tiny(), "class", 3)
    first, again, other = (stream.draw(1, 64, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert first.x.equal(again.x)
    assert not first.x.equal(other.x)
    assert set(first.y.tolist()) == {2, 3}
    assert first.task.eq(1).all()


@pytest.mark.parametrize("tasks", [-1, 0, 1, 4, 7])
def test_tasks_that_do_not_fit_are_refused_with_those_that_do(tasks):
    with pytest.raises(InputError, match="choose one of 2, 3, 6"):
        split_stream(tiny(), "class", tasks)


def test_one_class_a_task_makes_sense_only_where_classes_are_told_apart_across_tasks():
    assert split_stream(tiny(), "class", 6).tasks == 6
    for scenario in ("task", "domain"):
        with pytest.raises(InputError, match="nothing to tell apart"):
            split_stream(tiny(), scenario, 6)


def test_a_class_without_samples_is_refused():
    whole = tiny().train
    lacking = dataclasses.replace(whole, images=whole.images[:-5], labels=whole.labels[:-5])
    for split, part in ((Split(lacking, whole), "train"), (Split(whole, lacking), "test")):
        for make in (split_stream, permuted_stream):
            with pytest.raises(InputError, match=f"tiny has no sample to {part} on of class class 5"):
                make(split, "class", 3)
        assert Stream("class", split, torch.tensor([[0, 1], [2, 3]])).tasks == 2  # it is not asked for


def test_an_unknown_scenario_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean class"):
        split_stream(tiny(), "clas", 2)


def test_features_have_no_pixels_to_permute():
    part = Dataset("features", torch.zeros(2, 5), torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(InputError, match="features, not images"):
        permuted_stream(Split(part, part), "domain", 2)
