"""Each score against a closed form or its slow formula, and the judge on real digits and on noise."""

import math

import pytest
import scipy.linalg
import torch
from torch.distributions import MultivariateNormal

from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab.quality import (
    assess,
    f_score,
    frechet_distance,
    inception_score,
    judge,
    log_likelihood,
    precision_recall,
    reconstruction_error,
    variance_within,
)
from replaylib.scenarios import split_stream

PIXELS, LATENT, CLASSES = 6, 2, 3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


class LinearGaussian:
    """z ~ N(0, I), x ~ N(W z + b_y, s^2 I), so that p(x) is known; q(z|x) is the posterior, moved and widened."""

    noise_dim = LATENT

    def __init__(self, moved=0.0, widened=1.0):
        self.w, self.b, self.s = normal(PIXELS, LATENT, seed=1), 2 * normal(CLASSES, PIXELS, seed=2), 0.5
        precision = torch.eye(LATENT, dtype=torch.float64) + self.w.T @ self.w / self.s**2
        self.cov = precision.inverse()
        self.moved, self.most_rows, self.most_noise = moved, 0, 0
        self.root = widened * torch.linalg.cholesky(self.cov)

    def mean(self, y):
        return self.b[0] if y is None else self.b[y]

    def posterior(self, x, y):
        mean = (x.flatten(1) - self.mean(y)) @ self.w @ self.cov / self.s**2 + self.moved
        return MultivariateNormal(mean, scale_tril=self.root)

    def log_weight(self, x, y, noise):
        self.most_rows = max(self.most_rows, len(x))
        # of all that is in memory, not only of the part that this call gets
        self.most_noise = max(self.most_noise, noise.untyped_storage().nbytes() // (8 * LATENT))
        q = self.posterior(x, y)
        z = q.mean + noise @ self.root.T
        eye = torch.eye(PIXELS, dtype=torch.float64)
        likelihood = MultivariateNormal(z @ self.w.T + self.mean(y), self.s**2 * eye).log_prob(x.flatten(1))
        return likelihood + torch.distributions.Normal(0, 1).log_prob(z).sum(1) - q.log_prob(z)

    def reconstruct(self, x, y, noise):
        self.most_rows = max(self.most_rows, len(x))
        q = self.posterior(x, y)
        return (q.mean + noise @ self.root.T) @ self.w.T + self.mean(y)

    def exact(self, x, y):
        cov = self.w @ self.w.T + self.s**2 * torch.eye(PIXELS, dtype=torch.float64)
        return MultivariateNormal(self.mean(y).expand(len(x), -1), cov).log_prob(x.flatten(1))


X, Y = normal(7, 1, 2, 3, seed=3), torch.tensor([0, 1, 2, 0, 1, 2, 1])


@pytest.mark.parametrize("y", [None, Y])
def test_with_the_exact_posterior_one_sample_gives_the_exact_likelihood(y):
    model = LinearGaussian()
    got = log_likelihood(model, X, seeded(), y=y, samples=1)
    torch.testing.assert_close(got, model.exact(X, y), rtol=1e-10, atol=1e-10)
    assert got.shape == (7,)


def test_with_another_q_the_likelihood_is_too_small_and_less_so_the_more_samples():
    model = LinearGaussian(moved=0.2, widened=1.5)
    x, y = X.repeat(100, 1, 1, 1), Y.repeat(100)
    exact = model.exact(x, y).mean()
    few, medium = (log_likelihood(model, x, seeded(), y=y, samples=s).mean() for s in (1, 8))
    assert few < exact - 0.3
    assert few + 0.1 < medium < exact
    many = log_likelihood(model, X, seeded(), y=Y, samples=20_000, chunk=7000)
    torch.testing.assert_close(many, model.exact(X, Y), rtol=0, atol=0.05)


def test_the_likelihood_equals_its_formula_and_depends_on_the_seed_not_on_the_chunk():
    model = LinearGaussian(moved=0.5)
    noise = [torch.randn(7, LATENT, generator=generator, dtype=torch.float64) for generator in [seeded(4)] * 5]
    weights = torch.stack([model.log_weight(X, Y, draw).exp() for draw in noise])
    for chunk in (1, 3, 7, 8, 16, 10_000):
        model.most_rows = model.most_noise = 0
        got = log_likelihood(model, X, seeded(4), y=Y, samples=5, chunk=chunk)
        torch.testing.assert_close(got, weights.mean(0).log(), rtol=1e-12, atol=1e-12)
        assert model.most_rows <= chunk
        assert model.most_noise <= max(chunk, 7)
    assert not got.allclose(log_likelihood(model, X, seeded(5), y=Y, samples=5))


def test_the_likelihood_of_an_image_whose_probability_underflows_is_finite():
    model = LinearGaussian()
    far = X + 100
    assert model.exact(far, None).max() < -800
    torch.testing.assert_close(log_likelihood(model, far, seeded(), samples=3), model.exact(far, None))


def test_reconstruction_error_is_the_mean_square_a_pixel_in_chunks():
    model = LinearGaussian()
    noise = torch.randn(7, LATENT, generator=seeded(4), dtype=torch.float64)
    outputs = model.reconstruct(X, Y, noise)
    slow = [
        sum((a - b) ** 2 for a, b in zip(*both, strict=True)) / 6 for both in zip(outputs, X.flatten(1), strict=True)
    ]
    model.most_rows = 0
    got = reconstruction_error(model, X, seeded(4), y=Y, chunk=3)
    torch.testing.assert_close(got, torch.stack(slow))
    assert model.most_rows == 3
    assert not got.allclose(reconstruction_error(model, X, seeded(4)))


def test_inception_score_closed_forms():
    assert inception_score(torch.zeros(5, 4)) == pytest.approx(1)
    assert inception_score(1000.0 * torch.eye(4).repeat(3, 1)) == pytest.approx(4)
    assert inception_score(torch.tensor([[1000.0, 0.0, 0.0]]).repeat(6, 1)) == pytest.approx(1)
    # (0.9, 0.1) and (0.1, 0.9): the marginal is even, and the divergence log 2 less the entropy
    logits = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64).log() + 7
    assert inception_score(logits) == pytest.approx(2 * 0.9**0.9 * 0.1**0.1)


def gaussian(mean, root, n=50, seed=0):
    """Features whose mean is exactly ``mean`` and whose covariance is exactly ``root' root``."""
    white = normal(n, len(root), seed=seed)
    white = torch.linalg.qr(white - white.mean(0)).Q * math.sqrt(n - 1)
    return mean + white @ root


def test_frechet_distance_in_one_dimension_and_for_diagonal_covariances():
    real = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)  # mean 0, variance 2
    generated = torch.tensor([[2.0], [8.0]], dtype=torch.float64)  # mean 5, variance 18
    assert frechet_distance(real, generated) == pytest.approx(5**2 + (math.sqrt(18) - math.sqrt(2)) ** 2)
    m, s, t = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, -2, 0.5], [1.0, 2, 3], [4.0, 0.5, 3]))
    generated = gaussian(m, t.diag(), n=80, seed=1)
    want = (m.square().sum() + (s - t).square().sum()).item()
    assert frechet_distance(gaussian(0 * m, s.diag()), generated) == pytest.approx(want)


def test_frechet_distance_equals_the_formula_with_a_matrix_root():
    real, generated = normal(40, 5, seed=1) @ normal(5, 5, seed=2), 1 + normal(30, 5, seed=3) @ normal(5, 5, seed=4)
    a, b = real.T.cov(), generated.T.cov()
    root = scipy.linalg.sqrtm((a @ b).numpy()).real.trace()
    want = (real.mean(0) - generated.mean(0)).square().sum() + a.trace() + b.trace() - 2 * root
    assert frechet_distance(real, generated) == pytest.approx(want.item(), rel=1e-9)
    assert frechet_distance(generated, real) == pytest.approx(want.item(), rel=1e-9)
    turn = torch.linalg.qr(normal(5, 5, seed=5)).Q
    assert frechet_distance(3 + real @ turn, 3 + generated @ turn) == pytest.approx(want.item(), rel=1e-9)


@pytest.mark.parametrize("n", [30, 6])
def test_frechet_distance_where_covariances_are_singular(n):
    # two dead units, and for n = 6 fewer samples than features
    live = torch.tensor([1.0, 1, 1, 1, 1, 1, 0, 0], dtype=torch.float64)
    real, generated = 1e3 * normal(n, 8, seed=1) * live, 1e3 * normal(n, 8, seed=2) * live
    assert frechet_distance(real, real.flip(0)) == pytest.approx(0, abs=1e-7)
    assert all(frechet_distance(real * scale, real * scale) >= 0 for scale in range(1, 20))
    assert frechet_distance(real, real + 2) == pytest.approx(8 * 4, abs=1e-6)
    got = frechet_distance(real, generated)
    assert got == pytest.approx(frechet_distance(real[:, :6], generated[:, :6]))
    assert got > 1e5
    assert frechet_distance(real, 0 * real) == pytest.approx((real.mean(0).square().sum() + real.var(0).sum()).item())


CENTRES = 100 * torch.eye(4, dtype=torch.float64)


def modes(counts, spread=1.0, seed=0):
    """Well separated clusters, of ``counts`` samples each."""
    centres = CENTRES.repeat_interleave(torch.tensor(counts), 0)
    return centres + spread * normal(*centres.shape, seed=seed)


def test_precision_and_recall_of_equal_and_of_disjoint_distributions():
    same = precision_recall(modes([40, 20, 20, 20]), modes([40, 20, 20, 20], seed=1), seed=0, clusters=4)
    assert f_score(*same, 8) == pytest.approx(1)
    assert f_score(*same, 1 / 8) == pytest.approx(1)
    apart = precision_recall(modes([50, 50, 0, 0]), modes([0, 0, 50, 50]), seed=0, clusters=4)
    assert [curve.abs().max().item() for curve in apart] == [0, 0]
    assert f_score(*apart, 8) == f_score(*apart, 1 / 8) == 0


def test_a_generator_of_half_the_modes_is_precise_and_recalls_one_half():
    precision, recall = precision_recall(modes([25] * 4), modes([50, 50, 0, 0], seed=1), seed=0, clusters=4)
    slopes = torch.tensor([math.tan(i / 1002 * math.pi / 2) for i in range(1, 1002)], dtype=torch.float64)
    torch.testing.assert_close(precision, (slopes / 2).clamp(max=1))
    torch.testing.assert_close(recall, (1 / slopes).clamp(max=1 / 2))
    assert f_score(precision, recall, 8) == pytest.approx(65 * 0.5 / 64.5, abs=1e-3)
    swapped = precision_recall(modes([50, 50, 0, 0], seed=1), modes([25] * 4), seed=0, clusters=4)
    assert swapped[0].max().item() == pytest.approx(1 / 2)
    assert swapped[1].max().item() == pytest.approx(1)


def test_precision_and_recall_equal_their_slow_formulas_averaged_over_clusterings():
    from sklearn.cluster import MiniBatchKMeans

    real, generated, n, clusters, angles, runs = normal(60, 3), 0.5 + normal(60, 3, seed=1), 60, 5, 9, 4
    got = precision_recall(real, generated, seed=3, clusters=clusters, angles=angles, runs=runs)
    precision, recall = [0.0] * angles, [0.0] * angles
    for seed in torch.randint(2**31, (runs,), generator=seeded(3)).tolist():
        fit = MiniBatchKMeans(clusters, n_init=10, random_state=seed).fit(torch.cat([real, generated]).numpy())
        for i in range(angles):
            slope = math.tan((i + 1) / (angles + 1) * math.pi / 2)
            for c in range(clusters):
                p, q = (fit.labels_[:n] == c).mean(), (fit.labels_[n:] == c).mean()
                precision[i] += min(slope * p, q) / runs
                recall[i] += min(p, q / slope) / runs
    assert got[0].tolist() == pytest.approx(precision)
    assert got[1].tolist() == pytest.approx(recall)
    assert got[0].equal(precision_recall(real, generated, seed=3, clusters=clusters, angles=angles, runs=runs)[0])
    assert not got[0].equal(precision_recall(real, generated, seed=4, clusters=clusters, angles=angles, runs=runs)[0])


def test_variance_within_is_the_mean_over_classes_of_two_or_more_and_blind_to_their_means():
    x = torch.tensor([[0.0, 0], [2, 4], [10, 10], [10, 14], [10, 12], [99, 99]])
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    assert variance_within(x, labels) == pytest.approx(((2 + 8) + (0 + 4)) / 2)
    assert variance_within((x + 100 * labels[:, None]).view(6, 1, 2), labels) == pytest.approx(7)


def test_f_score_is_the_best_of_the_curve_by_hand():
    precision, recall = torch.tensor([0.0, 0.2, 0.6]), torch.tensor([0.0, 0.8, 0.3])
    assert f_score(precision, recall, 1) == pytest.approx(2 * 0.6 * 0.3 / 0.9)
    assert f_score(precision, recall, 2) == pytest.approx(5 * 0.2 * 0.8 / (4 * 0.2 + 0.8))


@pytest.fixture(scope="module")
def digits():
    stream = split_stream(load_dataset("digits"), "class", 5)
    return stream, judge(stream, seeded(), hidden=(64, 32), iterations=120, batch=64)


def test_a_judge_knows_the_real_classes_of_every_task(digits):
    stream, net = digits
    test = stream.data.test
    right = net(test.inputs(test.images)).argmax(1) == test.labels
    assert right.double().mean() > 0.9
    assert net.encode(test.inputs(test.images)).shape == (len(test), 32)


def test_a_judge_is_its_generators_doing():
    stream = split_stream(load_dataset("digits"), "class", 5)
    for lr in (0, 1e-3):  # the start alone, and trained
        nets = [judge(stream, seeded(seed), hidden=(8,), iterations=2, lr=lr) for seed in (0, 0, 1)]
        first, again, other = (net.encode(torch.ones(1, 64)) for net in nets)
        assert first.equal(again)
        assert not first.equal(other)


def test_real_images_are_judged_better_than_noise_and_than_half_the_classes(digits):
    stream, net = digits
    train, test = stream.data
    real, other = test.inputs(test.images), train.inputs(train.images[: len(test)])
    half = train.inputs(train.images[train.labels < 5][: len(test)])
    noise = torch.rand(real.shape, generator=seeded())
    good, poor, partial = (assess(net, real, generated, seed=0) for generated in (other, noise, half))
    assert 5 < good.inception_score <= 10
    assert good.inception_score > 1.2 * max(poor.inception_score, partial.inception_score)
    assert good.frechet_distance < 0.2 * min(poor.frechet_distance, partial.frechet_distance)
    assert min(good.precision, good.recall) > 0.9
    assert max(poor.precision, poor.recall) < 0.5
    assert partial.precision > 0.9 > 0.8 > partial.recall
    flat = assess(net, real, other.flatten(1), seed=0, chunk=100)
    assert flat == pytest.approx(good, rel=1e-3)


FEATURES = normal(10, 4)
REFUSED = [
    (lambda: judge(split_stream(load_dataset("digits"), "domain", 5), seeded()), "scenario is 'domain'"),
    (lambda: log_likelihood(LinearGaussian(), X[:0], seeded()), "at least one"),
    (lambda: log_likelihood(LinearGaussian(), X.byte(), seeded()), "give .* float"),
    (lambda: log_likelihood(LinearGaussian(), X, seeded(), y=Y[:3]), "labels of shape"),
    (lambda: log_likelihood(LinearGaussian(), X, seeded(), samples=0), "samples is 0"),
    (lambda: reconstruction_error(LinearGaussian(), X, seeded(), chunk=0), "chunk is 0"),
    (lambda: inception_score(torch.zeros(1, 3)), "at least 2 samples"),
    (lambda: inception_score(torch.tensor([[0.0, 1.0], [0.0, math.inf]])), "finite"),
    (lambda: frechet_distance(FEATURES[:1], FEATURES), "real features .* at least 2 samples"),
    (lambda: frechet_distance(FEATURES, FEATURES[:, :3]), "4 wide, generated ones 3"),
    (lambda: frechet_distance(FEATURES, FEATURES * math.nan), "generated features are not all finite"),
    (lambda: precision_recall(FEATURES, FEATURES[:8], seed=0, clusters=2), "10 real and 8 generated"),
    (lambda: precision_recall(FEATURES, FEATURES, seed=0), "20 clusters"),
    (lambda: precision_recall(FEATURES, FEATURES, seed=0, clusters=2, angles=0), "angles is 0"),
    (lambda: f_score(FEATURES[0], FEATURES[1], 0), "beta is 0"),
    (lambda: f_score(FEATURES[0], FEATURES[1, :2], 8), "one curve"),
]


@pytest.mark.parametrize(("call", "problem"), REFUSED)
def test_bad_input_is_refused_in_one_line(call, problem):
    with pytest.raises(InputError, match=problem) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_images_of_another_size_or_number_are_refused(digits):
    real = torch.rand(30, 1, 8, 8, generator=seeded())
    with pytest.raises(InputError, match="64 pixels and generated ones 49"):
        assess(digits[1], real, real[..., 1:, 1:], seed=0)
    with pytest.raises(InputError, match="30 real and 25 generated"):
        assess(digits[1], real, real[:25], seed=0)
