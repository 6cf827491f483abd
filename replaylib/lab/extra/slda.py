"""One Gaussian for each class in feature space: as a classifier (SLDA: Hayes & Kanan 2020), and replayed."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from replaylib.data.dataset import Split
from replaylib.errors import InputError
from replaylib.lab.parts import Parts, Plan
from replaylib.nets import Network
from replaylib.replay import Taught
from replaylib.scenarios import Stream

#: Part of the covariance that is replaced by its mean variance in every direction, so that it can be inverted.
SHRINKAGE = 0.01


def check_each_class_once(stream: Stream, stored: str) -> None:
    """Raise `InputError` where a class is in several tasks, and what is ``stored`` of it would change."""
    if stream.scenario == "domain":
        raise InputError(
            f"{stored} is stored when its task ends, and in a domain-incremental stream a class returns: "
            "choose --scenario class or task"
        )


class Gaussians:
    """A mean for each class and one covariance for all, updated task by task and exact whatever the order.

    Parameters
    ----------
    classes, features : how many of each.
    shared : False: no covariance between features, and variances of each class's own.
    """

    state = ("count", "mean", "scatter")

    def __init__(self, classes: int, features: int, shared: bool = True, device: torch.device | None = None) -> None:
        self.shared, self.count = shared, torch.zeros(classes, device=device)
        self.mean = torch.zeros(classes, features, device=device)
        self.scatter = torch.zeros(features, features if shared else classes, device=device).T.contiguous()

    @classmethod
    def of(cls, stream: Stream, shared: bool = True) -> "Gaussians":
        """Those of a stream's classes, none learned yet; raises `InputError` where a class is in several tasks."""
        check_each_class_once(stream, "a Gaussian for each class")
        return cls(stream.outputs, math.prod(stream.data.train.shape), shared, stream.device)

    def learn(self, x: Tensor, y: Tensor) -> None:
        """Take in features x (n, d) of classes y (n,); all samples of a class come at once."""
        for c in y.unique().tolist():
            own = x[y == c]
            self.count[c], self.mean[c] = len(own), own.mean(0)
            rest = own - self.mean[c]
            self.scatter[... if self.shared else c] += rest.T @ rest if self.shared else rest.square().sum(0)

    def covariance(self) -> Tensor:
        """(d, d), shrunk by `SHRINKAGE`; without sharing the variances of each class, (C, d)."""
        if not self.shared:
            return self.scatter / self.count.clamp(min=1)[:, None]
        full = self.scatter / self.count.sum()
        if not full.any():
            raise InputError(
                "nothing varies within the classes of the training part: Gaussians need more samples of each"
            )
        return (1 - SHRINKAGE) * full + SHRINKAGE * full.diagonal().mean() * torch.eye(len(full), device=full.device)

    def root(self) -> Tensor:
        """What turns standard normal noise into deviations from a mean: (d, d), or (C, d) without sharing."""
        covariance = self.covariance()
        return torch.linalg.cholesky(covariance) if self.shared else covariance.sqrt()

    def draw(self, y: Tensor, root: Tensor, generator: torch.Generator) -> Tensor:
        """A sample of each class of y (n,): (n, d). ``root`` is that of now or of an earlier time."""
        noise = torch.randn(len(y), self.mean.shape[1], generator=generator, device=y.device)
        return self.mean[y] + (noise @ root.T if self.shared else noise * root[y])

    def scores(self, x: Tensor) -> Tensor:
        """Log-density of each class, (n, C), up to what they have in common; -inf for a class not yet learned."""
        weight = torch.linalg.solve(self.covariance(), self.mean.T)
        scores = x @ weight - 0.5 * (self.mean.T * weight).sum(0)
        return scores.masked_fill(self.count == 0, -torch.inf)


class GaussianReplay(Taught):
    """Draws samples from the Gaussians of earlier classes; the previous network says what they stand for.

    Parameters
    ----------
    stream : of features (n, d), or of images, whose pixels are taken for features.
    net, generator : see `replaylib.replay.Generated`.
    shared : see `Gaussians`.

    Raises
    ------
    InputError : a class in several tasks.
    """

    state = (*Taught.state, "model", "root")

    def __init__(self, stream: Stream, net: Network, generator: torch.Generator, shared: bool = True) -> None:
        super().__init__(stream, net, generator, soft=True)
        self.model = Gaussians.of(stream, shared)
        self.root = self.model.scatter

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """Samples (n, d), and the task (n,) that each stands for."""
        y, task = self.stream.draw_units(self.teacher.seen, n, self.generator)
        return self.model.draw(y, self.root, self.generator), task

    def end(self, task: int) -> None:
        batch = self.stream.whole(task)
        self.model.learn(batch.x.flatten(1), batch.y)
        self.root = self.model.root()
        super().end(task)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes of means and covariance: they are computed from training data, and kept in their place."""
        return self.model.mean.nbytes + self.model.scatter.nbytes


def drawn(data: Split, seed: int) -> Split:
    """The training samples replaced by as many draws from one Gaussian a class, with the covariance of all; test as is.

    ``seed`` decides the draws. Raises `InputError` for data that are no features (n, d).
    """
    train = data.train
    if train.images.dim() != 2:
        advice = "choose --backbone frozen, and an --encoder if the protocol has none of its own"
        raise InputError(f"{train.name} holds images, whose classes are no Gaussians: {advice}")
    model = Gaussians(len(train.classes), train.images.shape[1], device=train.images.device)
    model.learn(train.images, train.labels)
    generator = torch.Generator(train.images.device).manual_seed(seed)
    return data._replace(train=replace(train, images=model.draw(train.labels, model.root(), generator)))


def make(plan: Plan, covariance: str = "shared") -> Parts:
    """The parts of replay from one Gaussian a class; ``"own"``: with its own variances, otherwise one covariance."""
    net = plan.classifier()
    return Parts(net, GaussianReplay(plan.stream, net, plan.drawing, covariance == "shared"))
