"""Brain-inspired replay whose imagined samples vary as much as real ones: what is it that they lack?"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from replaylib.brain import Brain
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.lab.extra.slda import Gaussians
from replaylib.lab.parts import Parts, Plan
from replaylib.replay import Generated
from replaylib.scenarios import Batch, Stream

#: Samples of each class that are imagined to see how they vary.
EACH = 500


class WidenedReplay(Generated):
    """Generative replay, its samples changed until their variance within classes is right.

    A test of what imagined samples lack, and no method to be used. The variance is
    that of a covariance which is shared by all classes, and counted from real samples
    when their task ends.

    Parameters
    ----------
    stream : of features (n, d), or of images, whose pixels are taken for features.
    net, generator : see `replaylib.replay.Generated`.
    fill : False: a sample's distance from the mean of its class, as imagined, is
        multiplied; all classes have one factor, which gives the variance of real
        samples, summed over units. True: Gaussian noise is added, with the part of
        the real covariance that the imagined one lacks.

    Raises
    ------
    InputError : a class in several tasks.
    """

    state = (*Generated.state, "real", "mean", "factor", "root")

    def __init__(
        self,
        stream: Stream,
        net: BrainNet,
        generator: torch.Generator,
        fill: bool,
    ) -> None:
        super().__init__(stream, net, generator)
        if stream.scenario == "domain":
            problem = "here a class returns, and varies from task to task"
            raise InputError(f"a mean and a variance for each class, and {problem}")
        units = stream.data.train.images[0].numel()
        self.fill = fill
        self.real = Gaussians(stream.outputs, units, device=stream.device)
        self.mean = torch.zeros_like(self.real.mean)
        self.factor = torch.ones((), device=stream.device)
        self.root = torch.zeros_like(self.real.scatter)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        y, task, noise = super().draw(n)
        added = torch.zeros_like(self.mean[y])
        if self.fill:
            added.normal_(generator=self.generator)
            added = added @ self.root.T
        factor = self.factor.expand(n, 1)
        return y, task, noise, self.mean[y], factor, added

    def complete(self, copy: BrainNet, *drawn: Tensor) -> Batch:  # type: ignore[override]
        y, task, noise, mean, factor, added = drawn
        x = copy.generate(y, task, noise)
        x = mean + factor * (x - mean) + added
        x = x.view(len(x), *self.stream.data.train.shape)
        return self.teacher.label(x, task, copy)

    @torch.no_grad()
    def end(self, task: int) -> None:
        super().end(task)
        rows = self.stream.rows(task)
        batch = self.stream.batch(rows, torch.full_like(rows, task))
        self.real.learn(batch.x.flatten(1), batch.y)
        real = self.real.scatter / self.real.count.sum()

        classes, units = self.mean.shape
        imagined = Gaussians(classes, units, device=self.mean.device)
        net = cast(BrainNet, self.teacher.copy)
        for y, shown in self._classes():
            size = EACH, net.noise_dim
            noise = torch.randn(size, generator=self.generator, device=y.device)
            imagined.learn(net.generate(y, shown, noise), y)
        found = imagined.scatter / imagined.count.sum()
        self.mean = imagined.mean
        if not self.fill:
            self.factor = (real.trace() / found.trace()).sqrt()
            return
        variances, directions = torch.linalg.eigh((real - found).double())
        # Where imagined samples vary more than real ones, nothing can be added.
        root = directions * variances.clamp(min=0).sqrt()
        self.root = root.to(self.mean.dtype)

    def _classes(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each class so far `EACH` times, with the task that shows it: both (EACH,)."""
        for task, classes in enumerate(self.stream.classes[: self.teacher.seen]):
            for place in (classes >= 0).nonzero().flatten():
                unit = task * self.stream.classes.shape[1] + place
                yield unit.repeat(EACH), torch.full_like(unit, task).repeat(EACH)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes of means and covariance of real samples."""
        return self.real.mean.nbytes + self.real.scatter.nbytes


def make(plan: Plan, noise_dim: int, gate_prop: float, fill: bool) -> Parts:
    """The parts of brain-inspired replay with samples that are widened, or, with ``fill``, filled up."""
    net = BrainNet(
        Brain.all(), plan.classifier(), plan.start,
        noise_dim=noise_dim, gate_prop=gate_prop, likelihood=plan.likelihood, pixels=plan.pixels,
    ).to(plan.stream.device)  # fmt: skip
    return Parts(net, WidenedReplay(plan.stream, net, plan.drawing, fill))
