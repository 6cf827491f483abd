"""How good is replay: how likely real images are under the generator, and how its images compare with real ones.

The likelihood and the reconstruction ask a model about real images. The other scores compare two sets of images in the
feature space of a judge, a classifier trained on real ones (van de Ven et al. 2020, Fig. 9). Wherever ``chunk`` is a
parameter, it is how many images go through a network at once, and bounds the memory; no result depends on it.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from replaylib.errors import InputError
from replaylib.loop import train
from replaylib.nets import Classifier
from replaylib.replay import Everything
from replaylib.scenarios import Stream

CHUNK = 10_000


class LatentModel(Protocol):
    """An encoder q(z|x) and a decoder p(x|z), with ``noise_dim`` units z.

    ``x`` (n, \\*shape); ``y`` (n,) int64 is the class that a conditional or gated model is told, or None; ``noise``
    (n, noise_dim), standard normal, picks z from q(z|x).
    """

    noise_dim: int

    def log_weight(self, x: Tensor, y: Tensor | None, noise: Tensor) -> Tensor:
        """log p(x|z) + log p(z) - log q(z|x) in nats, (n,)."""

    def reconstruct(self, x: Tensor, y: Tensor | None, noise: Tensor) -> Tensor:
        """What the decoder makes of z, (n, pixels), in the units of x."""


@torch.no_grad()
def log_likelihood(
    model: LatentModel,
    x: Tensor,
    generator: torch.Generator,
    *,
    y: Tensor | None = None,
    samples: int = 500,
    chunk: int = CHUNK,
) -> Tensor:
    """log p(x) of each image by importance sampling: log 1/S sum_s p(x, z_s) / q(z_s|x), z_s from q(z|x).

    On average too small, and less so the more samples (Burda, Grosse & Salakhutdinov 2016, eq. 8 and theorem 1).

    Parameters
    ----------
    x : (n, \\*shape) float, images as the model takes them.
    generator : draws z, on the images' device.
    y : (n,) int64, the class that the model is told for each image.
    samples : S, how many z an image; an image with one of them counts as one image of a chunk.

    Returns (n,) float64, in nats. Raises `InputError` for no images, images that are not float, labels that are not
    one int64 an image, and numbers below 1.
    """
    _check(x, y, samples=samples, chunk=chunk)
    n = len(x)
    total = torch.full((n,), -torch.inf, dtype=torch.float64, device=x.device)
    at_once = max(1, chunk // n)
    for done in range(0, samples, at_once):
        k = min(at_once, samples - done)
        # One draw for each s, whatever the chunk: else the chunk would decide which random numbers an image gets.
        noise = torch.cat([_noise(model, x, generator) for _ in range(k)])
        rows = torch.arange(n, device=x.device).repeat(k)
        weights = [
            model.log_weight(x[chunk_rows], None if y is None else y[chunk_rows], part)
            for chunk_rows, part in zip(rows.split(chunk), noise.split(chunk), strict=True)
        ]
        total = torch.logaddexp(total, torch.cat(weights).double().view(k, n).logsumexp(0))
    return total - math.log(samples)


@torch.no_grad()
def reconstruction_error(
    model: LatentModel, x: Tensor, generator: torch.Generator, *, y: Tensor | None = None, chunk: int = CHUNK
) -> Tensor:
    """Mean squared error a pixel of each image's reconstruction from one z of q(z|x).

    Takes and raises what `log_likelihood` does. Returns (n,), in the squared units of x. (The reference code of van de
    Ven et al. 2020, Fig. 9, decodes the mean of q(z|x) instead, and reports half of the square.)
    """
    _check(x, y, chunk=chunk)
    noise = _noise(model, x, generator)
    errors = [
        (model.reconstruct(x[part], None if y is None else y[part], noise[part]) - x[part].flatten(1)).square().mean(1)
        for part in torch.arange(len(x), device=x.device).split(chunk)
    ]
    return torch.cat(errors)


def judge(
    stream: Stream,
    generator: torch.Generator,
    *,
    hidden: tuple[int, ...] = (400, 400),
    iterations: int = 2000,
    batch: int = 128,
    lr: float = 1e-3,
) -> Classifier:
    """The network in whose feature space replay is judged: trained on the real images of all tasks, interleaved.

    Its ``encode(x)`` gives features (n, hidden[-1]), and calling it logits (n, classes). ``stream`` is
    class-incremental; ``generator`` decides the start and the samples; the rest is as in `replaylib.train`.
    Raises `InputError` for another scenario, and what `train` and `Classifier` raise.
    """
    if stream.scenario != "class":
        problem = f"the stream's scenario is {stream.scenario!r}, where an output unit is not one class"
        raise InputError(f"{problem}: judge replay with a stream of scenario 'class'")
    # Networks start on the CPU and samples are drawn where the data are: one generator serves neither everywhere.
    seeds = torch.randint(2**62, (3,), generator=generator, device=generator.device).tolist()
    inputs = math.prod(stream.data.train.shape)
    net = Classifier(inputs, hidden, stream.outputs, torch.Generator().manual_seed(seeds[0])).to(stream.device)
    sampling, replaying = (stream.generator(seed) for seed in seeds[1:])
    train(stream, net, Everything(stream, replaying), sampling, iterations=iterations, batch=batch, lr=lr)
    return net


def inception_score(logits: Tensor) -> float:
    """exp E KL(p(y|x) || p(y)), 1 to the number of classes: each image clearly of one class, all classes as often.

    From the judge's logits (n, classes) of generated images (Salimans et al. 2016, section 4). Raises `InputError`
    for fewer than 2 samples, another shape, and numbers that are not finite.
    """
    log_p = _checked(logits, "logits").log_softmax(1)
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp().item()


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """``|m_r - m_g|^2 + tr(C_r + C_g - 2 (C_r C_g)^(1/2))``, the squared distance of Heusel et al. 2017, eq. 6.

    ``real`` (n, d) and ``generated`` (m, d) are features with means m and covariances C (divisors n - 1 and m - 1);
    the result is in their squared units and computed in float64. The fewer the samples the larger it is: compare like
    with like. Raises `InputError` for fewer than 2 samples, shapes that do not match, and features that are not finite.
    """
    pair = _pair(real, generated)
    means = [features.mean(0) for features in pair]
    # With C = R'R, R from a QR decomposition of the centred features, the eigenvalues of C_r C_g are the squared
    # singular values of R_r R_g', and the trace of its root is their plain sum. A matrix root of the product turns
    # complex by rounding and fails where C is singular (as wherever a ReLU unit is dead), and the root of an
    # eigenvalue that should be 0 but is 1e-16 is off by 1e-8.
    roots = [
        torch.linalg.qr((features - mean) / math.sqrt(len(features) - 1), mode="r").R
        for features, mean in zip(pair, means, strict=True)
    ]
    overlap = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    spread = roots[0].square().sum() + roots[1].square().sum() - 2 * overlap
    return ((means[0] - means[1]).square().sum() + spread.clamp(min=0)).item()


def precision_recall(
    real: Tensor, generated: Tensor, *, seed: int, clusters: int = 20, angles: int = 1001, runs: int = 10
) -> tuple[Tensor, Tensor]:
    """Precision and recall of the generated against the real distribution, a curve (Sajjadi et al. 2018, algorithm 1).

    Both sets are clustered together (k-means), P and Q are the shares of the real and of the generated samples in each
    cluster, precision is sum min(l P, Q) and recall sum min(P, Q / l), at the slopes l = tan(i / (angles + 1) pi / 2).

    Parameters
    ----------
    real, generated : (n, d) features, as many of each: the larger set would draw the clusters to itself.
    seed : of the k-means. ``runs`` : how many clusterings the curve is averaged over.

    Returns precision, which rises along the curve, and recall, which falls: (angles,) float64, from 0 to 1. Raises
    `InputError` as `frechet_distance` does, for unequal numbers of samples or fewer of them than clusters, and for
    numbers below 1.
    """
    from sklearn.cluster import MiniBatchKMeans  # scikit-learn takes seconds to import, and few need it

    n, features = len(real), torch.cat(_pair(real, generated)).numpy()
    _positive(clusters=clusters, angles=angles, runs=runs)
    if len(generated) != n or clusters > n:
        problem = f"{n} real and {len(generated)} generated samples for {clusters} clusters"
        raise InputError(f"{problem}: give as many of each, and no fewer than clusters")
    # From one stream, and not seed, seed + 1, ...: neighbouring seeds would share most of their runs.
    seeds = torch.randint(2**31, (runs,), generator=torch.Generator().manual_seed(seed)).tolist()
    fits = (MiniBatchKMeans(clusters, n_init=10, random_state=one).fit(features) for one in seeds)
    labels = torch.stack([torch.from_numpy(fit.labels_).long() for fit in fits])
    p, q = (
        torch.stack([run.bincount(minlength=clusters) for run in part])[:, None].double() / n
        for part in labels.split(n, 1)
    )
    slopes = (torch.arange(1, angles + 1, dtype=torch.float64) / (angles + 1) * (math.pi / 2)).tan()[:, None]
    return torch.minimum(slopes * p, q).sum(2).mean(0), torch.minimum(p, q / slopes).sum(2).mean(0)


def f_score(precision: Tensor, recall: Tensor, beta: float) -> float:
    """The best F_beta, 0 to 1, on a curve of (angles,) each: beta 8 weighs recall, 1/8 precision (Sajjadi et al. 2018).

    Raises `InputError` for a beta that is not above 0, and for curves of different or no length.
    """
    if not beta > 0:
        raise InputError(f"beta is {beta}: give a number above 0, e.g. 8 for recall and 1/8 for precision")
    if precision.shape != recall.shape or precision.dim() != 1 or not len(precision):
        shapes = f"{tuple(precision.shape)} and {tuple(recall.shape)}"
        raise InputError(f"precision and recall of shapes {shapes}: give one curve, (angles,) each")
    p, r = precision.double(), recall.double()
    # Where both are 0, so is F: any positive denominator says so.
    return ((1 + beta**2) * p * r / (beta**2 * p + r).clamp(min=1e-300)).max().item()


def variance_within(x: Tensor, labels: Tensor) -> float:
    """The variance of samples within a class, summed over units: the mean over classes of which there are two or more.

    ``x`` (n, \\*shape) float, ``labels`` (n,) int64; the result is in the squared units of x. Relative to that of real
    samples it says whether generated ones are all near the average of their class. Raises `InputError` for a shape or
    type of these that is another, and where no class has two samples.
    """
    _check(x, labels)
    units = x.flatten(1).double()
    each = [units[labels == c] for c in labels.unique()]
    if not (several := [of_one.var(0).sum() for of_one in each if len(of_one) > 1]):
        raise InputError(f"{len(x)} samples of {len(each)} classes: a variance takes two of one class")
    return torch.stack(several).mean().item()


class Quality(NamedTuple):
    """How good generated images are, in a judge's eyes.

    ``inception_score``, 1 to the number of classes, higher is better; ``frechet_distance``, from 0 up, lower is better;
    ``precision`` (F_1/8: do they look real) and ``recall`` (F_8: is every kind there), 0 to 1, higher is better.
    """

    inception_score: float
    frechet_distance: float
    precision: float
    recall: float


@torch.no_grad()
def assess(judge: Classifier, real: Tensor, generated: Tensor, *, seed: int, chunk: int = CHUNK) -> Quality:
    """Every score of generated images that needs no likelihood, from the features and logits of a `judge`.

    ``real`` and ``generated`` (n, \\*shape) float are as many images, on the judge's device; the real ones are best
    new to both the judge and the generator. ``seed`` is that of the k-means, see `precision_recall`. Raises
    `InputError` for images that are not float or do not have as many pixels, and what the scores raise.
    """
    for images in (real, generated):
        _check(images, None, chunk=chunk)
    if (pixels := real[0].numel()) != (imagined_pixels := generated[0].numel()):
        raise InputError(
            f"real images have {pixels} pixels and generated ones {imagined_pixels}: give images of one size"
        )
    features = [torch.cat([judge.encode(part) for part in images.split(chunk)]) for images in (real, generated)]
    logits = torch.cat([judge(part) for part in generated.split(chunk)])
    curve = precision_recall(*features, seed=seed)
    scores = inception_score(logits), frechet_distance(*features)
    return Quality(*scores, precision=f_score(*curve, 1 / 8), recall=f_score(*curve, 8))


def _noise(model: LatentModel, x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(len(x), model.noise_dim, generator=generator, device=x.device, dtype=x.dtype)


def _positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"{name} is {number}: give 1 or more")


def _check(x: Tensor, y: Tensor | None, **numbers: int) -> None:
    _positive(**numbers)
    if x.dim() < 2 or not len(x) or not x.is_floating_point():
        problem = f"images of shape {tuple(x.shape)} and type {x.dtype}"
        raise InputError(f"{problem}: give (n, *shape) float, at least one, as Dataset.inputs makes them")
    if y is not None and (y.shape != x.shape[:1] or y.dtype != torch.int64):
        problem = f"labels of shape {tuple(y.shape)} and type {y.dtype} for {len(x)} images"
        raise InputError(f"{problem}: give one int64 label an image, or none")


def _checked(values: Tensor, name: str) -> Tensor:
    if values.dim() != 2 or len(values) < 2 or not values.shape[1]:
        raise InputError(f"{name} of shape {tuple(values.shape)}: give (n, d) of at least 2 samples")
    if not values.isfinite().all():
        raise InputError(f"{name} are not all finite numbers: look for what diverged, the generator or the judge")
    return values.detach().cpu().double()


def _pair(real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    pair = _checked(real, "real features"), _checked(generated, "generated features")
    if pair[0].shape[1] != pair[1].shape[1]:
        widths = f"real features are {real.shape[1]} wide, generated ones {generated.shape[1]}"
        raise InputError(f"{widths}: take both from one judge")
    return pair
