"""What each source of replay keeps, and what it gives back."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replaylib.brain import Brain
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.lab.extra.lwf import WEIGHINGS, Weighed
from replaylib.lab.extra.nearest_mean import Exemplars, NearestMean
from replaylib.loop import objective
from replaylib.nets import Classifier
from replaylib.replay import Buffer, CurrentTask, Everything, Generated, Nothing, Teacher
from replaylib.scenarios import SCENARIOS, Batch, Stream, permuted_stream, split_stream
from tests.helpers import tiny


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


@given(per_class=st.integers(1, 8), seed=st.integers(0, 20))
@settings(deadline=None)
def test_a_balanced_buffer_keeps_its_budget_of_every_class(per_class, seed):
    stream = split_stream(tiny(), "class", 3)
    buffer = Buffer(stream, per_class, "balanced", generator(seed))
    for task in range(3):
        assert (buffer.sample(4) is None) == (task == 0)
        buffer.end(task)
        kept = torch.bincount(buffer.y, minlength=6)
        assert kept.tolist() == [min(per_class, 5)] * (2 * task + 2) + [0] * (4 - 2 * task)
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


# Batches --------------------------------------------------------------------------------------------------------------


def hard(n: int, first: int) -> Batch:
    y = torch.arange(n) % 4
    return Batch(torch.arange(first, first + n).float()[:, None], y, y + 10)


def test_current_samples_come_first_and_stay_hard_among_hard_ones():
    both = hard(3, 0).with_replay(hard(2, 50))
    assert both.x[:, 0].tolist() == [0, 1, 2, 50, 51]
    assert both.y.tolist() == [0, 1, 2, 0, 1]
    assert both.task.tolist() == [10, 11, 12, 10, 11]
    assert both.soft is None
    assert both.temperature is None


def test_nothing_replayed_changes_nothing():
    batch = hard(3, 0)
    assert batch.with_replay(None) is batch


def test_a_hard_target_among_soft_ones_is_certain_and_at_temperature_one():
    soft = torch.tensor([[0.5, 0.2, 0.3, 0.0], [0.0, 0.9, 0.1, 0.0]])
    replayed = replace(hard(2, 50), soft=soft, temperature=torch.tensor([2.0, 3.0]))
    both = hard(3, 0).with_replay(replayed)
    assert both.soft.equal(torch.cat([torch.eye(4)[:3], soft]))
    assert both.temperature.tolist() == [1, 1, 1, 2, 3]
    assert both.y.tolist() == [0, 1, 2, 0, 1]


# The teacher ----------------------------------------------------------------------------------------------------------

UNITS = {
    "task": lambda task, seen: {2 * task, 2 * task + 1},
    "domain": lambda task, seen: {0, 1},
    "class": lambda task, seen: set(range(2 * seen)),
}


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_teacher_chooses_among_the_units_of_tasks_that_have_ended(scenario, soft):
    stream = split_stream(tiny(), scenario, 3)
    net = Classifier(4, (8,), stream.outputs, generator())
    teacher = Teacher(stream, net, soft)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.5 * torch.randn(p.shape, generator=generator(1))
    teacher.end(0)
    teacher.end(1)
    x, task = 3 * torch.randn(20, 1, 2, 2, generator=generator(2)), torch.arange(20) % 2
    batch = teacher.label(x, task)
    assert batch.x.equal(x)
    assert batch.task.equal(task)
    for n in range(20):
        units = sorted(UNITS[scenario](int(task[n]), 2))
        logits = net(x[n : n + 1])[0]
        assert batch.y[n] == units[logits[units].argmax()]
        if soft:
            p = torch.zeros(stream.outputs)
            p[units] = torch.softmax(logits[units] / 2, 0)
            assert torch.allclose(batch.soft[n], p, atol=1e-6)
            assert (batch.soft[n] > 0).nonzero()[:, 0].tolist() == units
    assert (batch.soft is None) == (batch.temperature is None) == (not soft)
    if soft:
        assert batch.temperature.tolist() == [2.0] * 20


def test_a_teacher_knows_what_the_network_knew_when_the_task_ended():
    stream = split_stream(tiny(), "class", 3)
    net = Classifier(4, (8,), 6, generator())
    teacher, x, task = Teacher(stream, net, soft=True), torch.randn(9, 4, generator=generator(2)), torch.zeros(9).long()
    teacher.end(0)
    before = teacher.label(x, task)
    with torch.no_grad():
        for p in net.parameters():
            p += 1
    assert teacher.label(x, task).soft.equal(before.soft)
    teacher.end(0)
    after = teacher.label(x, task)
    assert not after.soft.equal(before.soft)
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        assert not teacher.label(x, task).soft.requires_grad
        (teacher.copy(x).sum() + net(x).sum()).backward()
    assert all(p.grad is None and not p.requires_grad for p in teacher.copy.parameters())
    assert all(p.grad is not None for p in net.parameters())
    parameters = {p.data_ptr() for p in net.state_dict().values()}
    assert parameters.isdisjoint(p.data_ptr() for p in teacher.copy.state_dict().values())


# Learning without forgetting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_current_tasks_inputs_stand_for_what_the_previous_network_sees_in_them(scenario):
    stream = split_stream(tiny(), scenario, 3)
    replay = CurrentTask(stream, Classifier(4, (8,), stream.outputs, generator()), generator(1))
    assert replay.sample(4) is None
    for task in (0, 1):
        replay.end(task)
        batch = replay.sample(300)
        assert rows_of(batch) == set(range(10 * (task + 1), 10 * (task + 2)))
        assert set(batch.task.tolist()) == set(range(task + 1))
        allowed = [UNITS[scenario](t, task + 1) for t in batch.task.tolist()]
        assert all({*row.nonzero()[:, 0].tolist()} == units for row, units in zip(batch.soft, allowed, strict=True))
    assert abs(batch.task.float().mean() - 0.5) < 0.13  # each earlier task as often: 4.5 standard errors
    assert replay.nbytes == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_weighing_of_learning_without_forgetting_is_its_formula(scenario):
    stream = split_stream(tiny(), scenario, 3)
    net = Classifier(4, (8,), stream.outputs, generator())
    sources = {weighing: Weighed(stream, net, generator(1), weighing) for weighing in WEIGHINGS}
    for task in (0, 1):
        for replay in sources.values():
            replay.end(task)
        seen = task + 2
        current = stream.draw(task + 1, 5, generator(2))
        labels = objective(stream, net, task + 1, current, None, torch.zeros(10, 0))
        for weighing, replay in sources.items():
            old = replay.sample(5)
            active = stream.active(old.task, seen)
            whole = seen * objective(stream, net, task + 1, current, old, torch.zeros(10, 0))
            taught = stream.active(old.task, task + 1)
            said = (net(old.x) / 2).masked_fill(~taught, -torch.inf).softmax(1)
            log_p = (net(old.x) / 2).masked_fill(~active, -torch.inf).log_softmax(1).masked_fill(~active, 0)
            kd = -(said * log_p).sum(1).mean()
            weight = {"replay": 4.0 * (seen - 1), "equal": 4.0, "sum": 1.0}[weighing]
            if weighing == "sum" and scenario != "class":
                weight = seen - 1.0
            torch.testing.assert_close(whole, labels + weight * kd)
    with pytest.raises(InputError, match="Did you mean equal"):
        Weighed(stream, net, generator(), "equel")


# Generative replay ----------------------------------------------------------------------------------------------------


def generated(scenario: str, names: str = "feedback+conditional+gating+distill", seed: int = 1) -> Generated:
    stream = split_stream(tiny(), scenario, 3)
    tasks = 3 if scenario == "domain" else None
    start = generator()
    classifier = Classifier(4, (8, 7), stream.outputs, start)
    net = BrainNet(Brain.from_names(names), classifier, start, noise_dim=3, gate_prop=0.5, tasks=tasks)
    return Generated(stream, net, generator(seed))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("names", ["", "distill", "feedback+conditional+gating", "feedback+conditional+gating+distill"])
def test_imagined_samples_are_images_of_classes_seen_so_far(scenario, names):
    replay = generated(scenario, names)
    assert replay.sample(4) is None
    for seen in (1, 2, 3):
        replay.end(seen - 1)
        batch = replay.sample(300)
        assert batch.x.shape == (300, 1, 2, 2)
        assert batch.x.dtype == torch.float32
        assert batch.x.min() >= 0
        assert batch.x.max() <= 1
        assert set(batch.task.tolist()) == set(range(seen))
        allowed = [UNITS[scenario](t, seen) for t in batch.task.tolist()]
        assert all(y in units for y, units in zip(batch.y.tolist(), allowed, strict=True))
        assert (batch.soft is not None) == ("distill" in names)
        if batch.soft is not None:
            assert all({*p.nonzero()[:, 0].tolist()} == units for p, units in zip(batch.soft, allowed, strict=True))
            assert batch.soft.argmax(1).equal(batch.y)
    assert not batch.x.requires_grad
    assert replay.nbytes == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_sample_is_imagined_from_a_class_and_labelled_by_what_it_looks_like(scenario):
    replay = generated(scenario)
    replay.end(0)
    replay.end(1)
    asked = []
    teacher = replay.teacher.copy
    generate = teacher.generate
    teacher.generate = lambda y, task, noise: asked.append((y, task, noise)) or generate(y, task, noise)
    batch = replay.sample(400)
    (y, task, noise), *more = asked
    assert not more
    assert task.equal(batch.task)
    assert batch.x.flatten(1).equal(generate(y, task, noise))
    assert noise.shape == (400, 3)
    assert set(y.tolist()) == ({0, 1} if scenario == "domain" else {0, 1, 2, 3})
    if scenario != "domain":
        assert task.equal(y // 2)  # it stands for the task of its class
    for unit in range(4 if scenario != "domain" else 2):  # drawn uniformly: 4.5 standard deviations
        expected = 400 / (4 if scenario != "domain" else 2)
        assert abs((y == unit).sum() - expected) < 4.5 * expected**0.5
    assert not batch.y.equal(y)  # the class it was imagined from is not its target
    assert batch.y.equal(replay.teacher.label(batch.x, batch.task).y)


def test_imagination_is_the_previous_networks_and_follows_the_generator():
    one, two, three = (generated("class", seed=seed) for seed in (1, 1, 2))
    for replay in (one, two, three):
        replay.end(0)
    with torch.no_grad():
        for p in two.teacher.net.parameters():
            p += 1  # what is learned since
    first = one.sample(20)
    assert first.x.equal(two.sample(20).x)
    assert not first.x.equal(three.sample(20).x)
    assert not first.x.equal(one.sample(20).x)


# Exemplars ------------------------------------------------------------------------------------------------------------


def test_the_means_are_those_of_the_stored_samples_normalised_features(monkeypatch):
    monkeypatch.setattr("replaylib.lab.extra.nearest_mean.CHUNK", 4)
    stream = split_stream(tiny(), "class", 3)
    net = NearestMean(4, (8,), 6, generator())
    at_once = []
    net.hidden.register_forward_hook(lambda layers, inputs, output: at_once.append(len(output)))
    replay = Exemplars(stream, net, 3, "balanced", generator(1))
    for task in range(2):
        with torch.no_grad():
            net.hidden[0].bias += 0.1  # it has learned since: the means are taken anew
        replay.end(task)
        slow = torch.zeros(6, 8)
        for c in range(2 * task + 2):
            total = torch.zeros(8)
            for image in replay.images[replay.y == c]:
                h = net.encode(image[None].float() / 255)[0].detach()
                total += h / h.norm() / 3
            slow[c] = total / total.norm()
        assert torch.allclose(net.means, slow, atol=1e-6)
    assert max(at_once) == 4
    assert net.means[:4].norm(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert not net.means.requires_grad


def test_a_network_that_does_not_imagine_is_no_generator():
    stream = split_stream(tiny(), "class", 3)
    net = Classifier(4, (5,), stream.outputs, torch.Generator())
    with pytest.raises(InputError, match="a Classifier does not imagine samples: give it generate"):
        Generated(stream, net, torch.Generator())


def uneven(order=((0, 1, 2), (3, 4, -1))):
    return Stream("class", tiny(), torch.tensor(order))


def test_a_reservoir_of_uneven_tasks_holds_no_more_than_its_classes():
    buffer = Buffer(uneven(), 2, "reservoir", generator())
    for task in range(2):
        buffer.end(task)
    assert len(buffer) == 2 * 5


def test_an_empty_store_takes_no_room_where_it_is_kept():
    assert Buffer(uneven(), 2, "balanced", generator()).images.untyped_storage().nbytes() == 0


def test_a_class_without_exemplars_is_never_the_nearest():
    net = NearestMean(4, (8,), 3, generator())
    net.means.copy_(torch.eye(3, 8) * torch.tensor([1.0, 0, 1])[:, None])
    scores = net.scores(torch.rand(5, 4), torch.zeros(5, dtype=torch.long))
    assert (scores[:, 1] < scores[:, [0, 2]].min(1).values).all()
    assert scores.isfinite().all(), "it still wins where no class is known, over units that are not active"


def test_whether_tasks_have_equally_many_classes():
    assert not uneven().even
    assert uneven(((0, 1, 2), (3, 4, 5))).even
