"""Brain-inspired replay of other samples than its own: what is it that those lack?"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from replaylib.brain import Brain
from replaylib.generative import BrainNet
from replaylib.lab.extra.slda import Gaussians
from replaylib.lab.parts import Parts, Plan
from replaylib.replay import Everything, Generated
from replaylib.scenarios import Batch, Stream

#: Samples of each class that are imagined to see how they vary.
EACH = 500


class ChangedReplay(Generated):
    """Generative replay whose samples are changed, or replaced, before it labels them.

    A test of what imagined samples lack, and no method to be used. The network, its
    losses and the rule for labels are those of generative replay; labels change with
    the samples, and so do later generators, for they learn from these samples. What
    is known of real samples is counted when their task ends: a mean for each class,
    and one covariance within classes for all.

    Parameters
    ----------
    stream : of features (n, d), or of images, whose pixels are taken for features.
    net, generator : see `replaylib.replay.Generated`.
    samples : ``"stretched"``: imagined ones, whose distance from the mean of what is
        imagined of their class is multiplied by one factor for all; it gives the
        variance within classes of real samples, summed over units. ``"filled"``:
        imagined ones and Gaussian noise, which has the part of the real covariance
        that they lack: they vary more than real ones where they did so before.
        ``"noisy"``: as much noise, summed over units, but equal in all directions.
        ``"gaussian"``: drawn from the real means and covariance, as
        `replaylib.lab.extra.slda.GaussianReplay` does. ``"real"``: real ones.

    Raises
    ------
    InputError : a class in several tasks.
    """

    state = (*Generated.state, "real", "past", "mean", "factor", "root")

    def __init__(
        self,
        stream: Stream,
        net: BrainNet,
        generator: torch.Generator,
        samples: str,
    ) -> None:
        super().__init__(stream, net, generator)
        self.samples = samples
        self.real = Gaussians.of(stream)
        self.past = Everything(stream, generator)
        self.mean = torch.zeros_like(self.real.mean)
        own = samples in ("stretched", "filled", "noisy")
        self.factor = torch.full((), float(own), device=stream.device)
        self.root = torch.zeros_like(self.real.scatter)

    def draw(self, n: int) -> tuple[Tensor, ...]:
        y, task, noise = super().draw(n)
        centre, factor = self.mean[y], self.factor.expand(n, 1)
        added = torch.zeros_like(centre)
        if self.samples in ("filled", "noisy", "gaussian"):
            added.normal_(generator=self.generator)
            added = added @ self.root.T
        if self.samples == "real" and (batch := self.past.sample(n)):
            centre, task = batch.x.flatten(1), batch.task
        return y, task, noise, centre, factor, added

    def complete(self, copy: BrainNet, *drawn: Tensor) -> Batch:  # type: ignore[override]
        y, task, noise, centre, factor, added = drawn
        x = copy.generate(y, task, noise)
        x = centre + factor * (x - centre) + added
        if copy.likelihood == "bernoulli":
            x = x.clamp(0, 1)  # outside, the loss of an intensity has no lower bound
        x = x.view(len(x), *self.stream.data.train.shape)
        return self.teacher.label(x, task, copy)

    @torch.no_grad()
    def end(self, task: int) -> None:
        super().end(task)
        self.past.end(task)
        batch = self.stream.whole(task)
        self.real.learn(batch.x.flatten(1), batch.y)
        if self.samples == "gaussian":
            self.mean, self.root = self.real.mean, self.real.root()
        elif self.samples != "real":
            self._compare()

    def _compare(self) -> None:
        """What is to be done to imagined samples, from how they and real ones vary."""
        classes, units = self.mean.shape
        imagined = Gaussians(classes, units, device=self.mean.device)
        net = cast(BrainNet, self.teacher.copy)
        for y, shown in self._classes():
            size = EACH, net.noise_dim
            noise = torch.randn(size, generator=self.generator, device=y.device)
            imagined.learn(net.generate(y, shown, noise), y)
        self.mean = imagined.mean
        own = imagined.scatter / imagined.count.sum()
        real = self.real.scatter / self.real.count.sum()
        if self.samples == "stretched":
            self.factor = (real.trace() / own.trace()).sqrt()
            return
        variances, directions = torch.linalg.eigh((real - own).double())
        # Where imagined samples vary more than real ones, nothing can be added.
        variances = variances.clamp(min=0)
        if self.samples == "noisy":
            variances = variances.mean().expand_as(variances)
        # The symmetric root does not depend on which eigenvectors are found of equal variances.
        self.root = (directions * variances.sqrt() @ directions.T).to(self.mean.dtype)

    def _classes(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each class so far `EACH` times, and the task that shows it: both (EACH,)."""
        for task, classes in enumerate(self.stream.classes[: self.teacher.seen]):
            for place in (classes >= 0).nonzero().flatten():
                unit = task * self.stream.classes.shape[1] + place
                yield unit.repeat(EACH), torch.full_like(unit, task).repeat(EACH)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes of the real samples, or of their means and covariance, of which not all may be used."""
        if self.samples == "real":
            return self.past.nbytes
        return self.real.mean.nbytes + self.real.scatter.nbytes


def make(plan: Plan, noise_dim: int, gate_prop: float, samples: str) -> Parts:
    """The parts of brain-inspired replay with samples that are changed."""
    net = BrainNet(
        Brain.all(), plan.classifier(), plan.start,
        noise_dim=noise_dim, gate_prop=gate_prop, likelihood=plan.likelihood, pixels=plan.pixels,
    ).to(plan.stream.device)  # fmt: skip
    return Parts(net, ChangedReplay(plan.stream, net, plan.drawing, samples))
