"""Methods of the years after 2020, against slow formulas."""

import math
from functools import partial

import pytest
import torch

from replaylib import Dataset, InputError, Split, Stream, experiment, split_stream, train
from replaylib.lab import resume, runs, streams
from replaylib.lab.extra import SAMPLES, changed, der, diffusion, slda, translated
from replaylib.lab.methods import Parts, Plan
from replaylib.scenarios import Batch

FEATURES = 6
NAMES = ("der++", "slda-replay", "diffusion-replay", "real-replay", "translated-replay", "bi-r-changed")
ON_FEATURES = {"split-glyphs": "frozen"}


def features(shift: float = 4.0) -> Split:
    """Four classes of correlated Gaussian features, told apart by their means."""
    g = torch.Generator().manual_seed(0)
    mix = torch.randn(FEATURES, FEATURES, generator=g)

    def part(n: int) -> Dataset:
        labels = torch.arange(4).repeat_interleave(n)
        means = shift * torch.eye(4, FEATURES)
        x = means[labels] + torch.randn(len(labels), FEATURES, generator=g) @ mix / 2
        return Dataset("gaussian", x, labels, tuple("abcd"), image_units=12)

    return Split(part(200), part(50))


def stream_of(scenario: str = "class") -> Stream:
    return split_stream(features(), scenario, 2)


def parts_of(make, stream: Stream, **options) -> Parts:
    return make(Plan(stream, (16,), torch.Generator().manual_seed(0), stream.generator(1)), **options)


@pytest.mark.parametrize(
    ("make", "options"),
    [(der.make, {"per_class": 5, "policy": "reservoir"}), (slda.make, {}), (diffusion.make, {}), (translated.make, {})],
)
def test_each_is_trained_and_remembers_the_first_task(make, options: dict) -> None:
    stream = stream_of()
    net, replay, _ = parts_of(make, stream, **options)
    result = train(stream, net, replay, stream.generator(2), iterations=150, batch=32, lr=5e-3)
    assert result.matrix[1, 0] > 60  # without replay it is 0
    assert result.matrix[1, 1] > 60


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", ["split-digits", "split-glyphs"])
def test_each_is_a_method_by_name_on_pixels_and_on_features(name: str, protocol: str) -> None:
    described = experiment(protocol, "class", name, iterations=2, hidden=(8,), backbone=ON_FEATURES.get(protocol))
    _, record = runs.run(described)
    assert record.experiment.method == name
    assert (record.memory_bytes > 0) == (name != "diffusion-replay")
    assert len(record.matrix) == described.tasks


@pytest.mark.parametrize(
    ("name", "own", "part"),
    [
        ("der++", {"alpha": 0.25}, lambda parts: parts.net.alpha),
        ("slda-replay", {"covariance": "own"}, lambda parts: ("shared", "own")[not parts.replay.model.shared]),
        ("diffusion-replay", {"passes": 3}, lambda parts: parts.net.passes),
        ("bi-r-changed", {"changed": "filled"}, lambda parts: parts.replay.samples),
    ],
)
def test_options_of_its_own_reach_each(name: str, own: dict, part) -> None:
    described = experiment("split-digits", "class", name, hidden=(8,), **own)
    assert part(runs.assemble(described, runs.data_of(described))[1]) == next(iter(own.values()))
    assert described.id != experiment("split-digits", "class", name, hidden=(8,)).id
    with pytest.raises(InputError, match=next(iter(own))):
        experiment("split-digits", "class", "exact", **own)


@pytest.mark.parametrize(
    ("name", "own"),
    [*((name, {}) for name in NAMES), *(("bi-r-changed", {"changed": samples}) for samples in ("filled", "real"))],
)
def test_each_goes_on_where_it_was_stopped(name: str, own: dict, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a sample's answers, or a Gaussian, were kept before."""
    described = experiment("split-digits", "class", name, iterations=6, hidden=(8,), **own)
    whole = runs.run(described).net.state_dict()

    def stop(now) -> None:
        if (now.task, now.step) == (2, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        runs.run_seeds([described], watch=stop, unfinished=tmp_path)
    ((net, _),) = runs.run_seeds([described], unfinished=tmp_path, say=print)
    assert all(value.equal(whole[key]) for key, value in net.state_dict().items())


# DER++


def test_loss_of_stored_answers_is_the_slow_formula() -> None:
    stream = stream_of()
    net, _, _ = parts_of(der.make, stream, per_class=5, policy="reservoir")
    x, y, task = torch.randn(3, FEATURES), torch.tensor([0, 1, 3]), torch.tensor([0, 0, 1])
    stored = torch.tensor([[1.0, -1.0, -math.inf, -math.inf], [0.5, 2.0, -math.inf, -math.inf]])
    new = Batch(x[2:], y[2:], task[2:])
    batch = new.with_replay(Batch(x[:2], y[:2], task[:2], stored, torch.zeros(2)))
    losses = net.losses(batch, torch.ones(3, 4, dtype=torch.bool), torch.empty(3, 0))
    logits = net(batch.x)
    slow = [-logits[i].log_softmax(0)[batch.y[i]] for i in range(3)]
    for i in (1, 2):
        slow[i] = slow[i] + 0.5 * ((logits[i, 0] - stored[i - 1, 0]) ** 2 + (logits[i, 1] - stored[i - 1, 1]) ** 2) / 2
    torch.testing.assert_close(losses, torch.stack(slow))
    losses.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("policy", ["balanced", "reservoir"])
def test_answers_stay_with_their_samples(policy: str) -> None:
    """Whatever the reservoir throws out or moves, a sample keeps what was answered when its task ended."""
    stream = stream_of()
    net, replay, _ = parts_of(der.make, stream, per_class=3, policy=policy)
    answered = {}
    with torch.no_grad():
        for task in range(2):
            replay.end(task)
            own = replay.images[replay.task == task]
            answered |= {tuple(x.tolist()): z for x, z in zip(own, net(own), strict=True)}
            for p in net.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(task)))
    assert len(replay) == len(replay.logits) == 12
    units = {0: 2, 1: 4}
    for x, task, z in zip(replay.images, replay.task.tolist(), replay.logits, strict=True):
        torch.testing.assert_close(z[: units[task]], answered[tuple(x.tolist())][: units[task]])
        assert z[units[task] :].eq(-math.inf).all()
    assert replay.nbytes == replay.images.nbytes + replay.y.nbytes + 12 * 4 * 4


# One Gaussian a class


def test_means_and_covariance_are_those_of_all_data_at_once() -> None:
    stream = stream_of()
    _, replay, _ = parts_of(slda.make, stream)
    for task in range(2):
        replay.end(task)
    x, y = stream.data.train.images, stream.data.train.labels
    within = torch.zeros(FEATURES, FEATURES)
    for row, label in zip(x, y, strict=True):
        rest = row - x[y == label].mean(0)
        within += torch.outer(rest, rest) / len(x)
    shrunk = 0.99 * within + 0.01 * within.diagonal().mean() * torch.eye(FEATURES)
    torch.testing.assert_close(replay.model.covariance(), shrunk, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(replay.model.mean[3], x[y == 3].mean(0))


def test_scores_choose_the_class_of_highest_density() -> None:
    stream = stream_of()
    _, replay, _ = parts_of(slda.make, stream)
    replay.end(0)
    x = stream.data.test.images[:30]
    scores = replay.model.scores(x)
    assert scores[:, 2:].eq(-math.inf).all()
    normal = torch.distributions.MultivariateNormal
    densities = [normal(replay.model.mean[c], replay.model.covariance()).log_prob(x) for c in (0, 1)]
    torch.testing.assert_close(scores[:, 0] - scores[:, 1], densities[0] - densities[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_drawn_has_the_mean_and_spread_of_its_class(shared: bool) -> None:
    stream = stream_of("task")
    net, _, _ = parts_of(slda.make, stream)
    replay = slda.GaussianReplay(stream, net, stream.generator(0), shared)
    replay.end(0)
    x, task = replay.draw(20_000)
    assert task.eq(0).all()
    own = stream.data.train.images[stream.rows(0)]
    torch.testing.assert_close(x.mean(0), own.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(x.std(0), own.std(0), atol=0.15, rtol=0.05)


def test_a_class_that_returns_has_no_single_gaussian() -> None:
    with pytest.raises(InputError, match="a class returns: choose"):
        parts_of(slda.make, stream_of("domain"))


def test_a_drawn_stream_trains_on_draws_and_tests_on_real_samples() -> None:
    data = features()
    one, again, other = (slda.drawn(data, seed) for seed in (0, 0, 1))
    assert one.test is data.test
    assert one.train.images.equal(again.train.images)
    assert not one.train.images.equal(other.train.images)
    for c in range(4):
        own, real = (part.images[part.labels == c] for part in (one.train, data.train))
        torch.testing.assert_close(own.mean(0), real.mean(0), atol=0.5, rtol=0)
    assert one.train.labels is data.train.labels
    drawn, real = slda.Gaussians(4, FEATURES), slda.Gaussians(4, FEATURES)
    for model, part in ((drawn, one.train), (real, data.train)):
        model.learn(part.images, part.labels)
    torch.testing.assert_close(
        drawn.covariance(), real.covariance(), atol=0.15 * real.covariance().max().item(), rtol=0
    )
    stream = streams.drawn(data, "class", 2, 0, None)
    assert stream.data.train.images.equal(one.train.images)
    assert stream.classes.equal(split_stream(data, "class", 2, 0).classes)


def test_a_drawn_stream_is_of_features() -> None:
    described = experiment("split-digits", "class", "none", stream="drawn")
    with pytest.raises(InputError, match=r"digits holds images.*choose --backbone frozen, and an --encoder"):
        runs.stream_of(described, runs.data_of(described))


# Translated samples


def test_samples_of_the_current_task_are_moved_from_mean_to_mean() -> None:
    stream = stream_of()
    _, replay, _ = parts_of(translated.make, stream)
    replay.end(0)
    x, task = replay.draw(4000)
    assert task.eq(0).all()
    images, labels = stream.data.train.images, stream.data.train.labels
    means = torch.stack([images[labels == c].mean(0) for c in range(4)])
    classes = stream.classes
    moves = [means[old] - means[new] for old in classes[0] for new in classes[1]]
    allowed = torch.cat([images[labels == new] + move for new in classes[1] for move in moves])
    assert torch.cdist(x, allowed, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max() < 1e-4
    torch.testing.assert_close(x.mean(0), means[classes[0]].mean(0), atol=0.1, rtol=0)
    assert replay.nbytes == 4 * 4 * FEATURES


def test_after_the_last_task_there_is_nothing_to_move() -> None:
    stream = stream_of()
    _, replay, _ = parts_of(translated.make, stream)
    for task in range(stream.tasks):
        replay.end(task)
    with pytest.raises(InputError, match="the last task has ended"):
        replay.draw(3)


# Changed samples


def changed_to(samples: str) -> tuple:
    """A stream, replay after training, what it drew, and the samples that it made of that."""
    stream = stream_of()
    net, replay, _ = parts_of(changed.make, stream, noise_dim=4, gate_prop=0.0, samples=samples)
    train(stream, net, replay, stream.generator(2), iterations=100, batch=32, lr=5e-3)
    drawn = replay.draw(8000)
    return stream, replay, drawn, replay.complete(replay.teacher.copy, *drawn).x


@pytest.mark.parametrize("samples", ["stretched", "filled", "noisy"])
def test_changed_samples_vary_within_their_class_as_is_said(samples: str) -> None:
    _, replay, drawn, x = changed_to(samples)
    y, mean = drawn[0], drawn[3]
    plain = replay.teacher.copy.generate(*drawn[:3])
    for unit in range(4):
        torch.testing.assert_close(mean[y == unit][0], plain[y == unit].mean(0), atol=0.3, rtol=0)
    torch.testing.assert_close(replay.root, replay.root.T)  # no choice of eigenvectors is left in it
    rest, plain = x - mean, plain - mean
    widened, narrow, real = (part.T @ part / len(part) for part in (rest, plain, residuals(replay)))
    if samples == "stretched":
        torch.testing.assert_close(widened.trace(), real.trace(), atol=0, rtol=0.1)
        torch.testing.assert_close(rest[y == 0], replay.factor * plain[y == 0])
        return
    lacking, directions = torch.linalg.eigh(real - narrow)
    assert lacking.min() < 0 < lacking.max()
    along = [(directions.T @ covariance @ directions).diagonal() for covariance in (widened, narrow, real)]
    added = along[0] - along[1]
    tolerance = {"atol": 0.1 * real.diagonal().max().item(), "rtol": 0}
    if samples == "filled":
        torch.testing.assert_close(along[0][lacking > 0], along[2][lacking > 0], **tolerance)
        torch.testing.assert_close(added[lacking <= 0], torch.zeros(int((lacking <= 0).sum())), **tolerance)
    else:
        torch.testing.assert_close(added, lacking.clamp(min=0).mean().expand(FEATURES), **tolerance)


@pytest.mark.parametrize("samples", ["stretched", "filled", "noisy"])
def test_changed_intensities_stay_between_0_and_1(samples: str) -> None:
    described = experiment("split-digits", "class", "bi-r-changed", changed=samples, iterations=40, hidden=(30,))
    data = runs.data_of(described)
    stream, parts, sampling = runs.assemble(described, data)
    train(stream, parts.net, parts.replay, sampling, iterations=40, batch=32, lr=5e-3)
    drawn = parts.replay.draw(500)
    x = parts.replay.complete(parts.replay.teacher.copy, *drawn).x
    assert (x.min(), x.max()) == (0, 1)  # some would lie outside


def residuals(replay) -> torch.Tensor:
    """Real training samples less the mean of their class."""
    data = replay.stream.data.train
    return torch.cat([data.images[data.labels == c] - data.images[data.labels == c].mean(0) for c in range(4)])


def test_samples_of_a_gaussian_in_the_place_of_imagined_ones_have_the_real_means_and_covariance() -> None:
    stream, replay, drawn, x = changed_to("gaussian")
    y = drawn[0]
    images, labels = stream.data.train.images, stream.data.train.labels
    for unit, c in enumerate(stream.classes.flatten().tolist()):
        torch.testing.assert_close(x[y == unit].mean(0), images[labels == c].mean(0), atol=0.2, rtol=0)
    rest = x - drawn[3]
    real = replay.real.covariance()
    torch.testing.assert_close(rest.T @ rest / len(rest), real, atol=0.1 * real.diagonal().max().item(), rtol=0)


def test_real_samples_in_the_place_of_imagined_ones_are_real() -> None:
    stream, replay, drawn, x = changed_to("real")
    images = stream.data.train.images
    assert torch.cdist(x, images, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max() < 1e-6
    task = stream.classes[drawn[1]]
    nearest = stream.data.train.labels[torch.cdist(x, images).argmin(1)]
    assert (task == nearest[:, None]).any(1).all()
    assert replay.nbytes == images.nbytes + stream.data.train.labels.nbytes


def test_gaussians_of_classes_in_which_nothing_varies_are_refused() -> None:
    model = slda.Gaussians(2, FEATURES)
    model.learn(torch.eye(2, FEATURES), torch.arange(2))  # one sample a class
    with pytest.raises(InputError, match="nothing varies within the classes"):
        model.root()


@pytest.mark.parametrize(
    "make",
    [translated.make, *(partial(changed.make, noise_dim=4, gate_prop=0.0, samples=samples) for samples in SAMPLES)],
)
def test_a_class_that_returns_has_no_single_mean(make) -> None:
    with pytest.raises(InputError, match="a class returns: choose"):
        parts_of(make, stream_of("domain"))


# Diffusion


def test_a_perfect_velocity_leads_from_noise_to_the_sample() -> None:
    """With one sample a class the right velocity is known, and every noise ends at that sample."""
    stream = stream_of()
    net, _, _ = parts_of(diffusion.make, stream)
    target = torch.arange(4.0 * FEATURES).view(4, FEATURES)

    def velocity(mixed: torch.Tensor, angle: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = target[y] / net.scale
        return angle.cos() * (mixed - angle.cos() * x) / angle.sin() - angle.sin() * x

    net.velocity = velocity
    y = torch.tensor([0, 3, 2])
    samples = net.generate(y, y // 2, torch.randn(3, net.noise_dim))
    torch.testing.assert_close(samples, target[y], rtol=1e-4, atol=1e-3)


def test_loss_of_a_perfect_velocity_is_the_classifiers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stream_of()
    net, _, _ = parts_of(diffusion.make, stream)
    batch = stream.draw(0, 5, stream.generator(3))
    active, noise = stream.active(batch.task, 1), torch.randn(5, net.noise_dim)
    t = torch.distributions.Normal(0.0, 1.0).cdf(noise[:, -1:])
    right = (math.pi * t / 2).cos() * noise[:, :-1] - (math.pi * t / 2).sin() * batch.x / net.scale
    monkeypatch.setattr(net, "velocity", lambda mixed, angle, y: right)
    alone = net.classifier.losses(batch, active, torch.empty(5, 0))
    torch.testing.assert_close(net.losses(batch, active, noise), alone)


def test_imagined_samples_go_by_the_class_asked_for() -> None:
    stream = stream_of()
    _, replay, _ = parts_of(diffusion.make, stream)
    replay.end(0)
    batch = replay.sample(50)
    assert batch.y.unique().tolist() == [0, 1]
    torch.testing.assert_close(batch.soft.sum(1), torch.ones(50))
    assert batch.soft[:, 2:].eq(0).all()
