"""DER++: a reservoir whose samples keep the logits they had (Buzzega et al. 2020, NeurIPS, Algorithm 2)."""

from typing import Annotated

import torch
import torch.nn.functional as F

from replaylib import Option, Parts, Plan, register
from replaylib.nets import classification_loss

Weight = Annotated[float, Option("weight in the loss", within="[0, inf)")]
Size = Annotated[int, Option("samples that the reservoir holds", within="[1, 1000000]")]
DRAWN = 32  # samples of the task that enter it a step, and that are drawn from it, twice


@register.method("der-plus-plus", "a reservoir whose samples keep the logits they had", "Buzzega et al. 2020")
def der(plan: Plan, reservoir: Size = 200, alpha: Weight = 0.5, beta: Weight = 0.5) -> Parts:
    dark = DarkExperience(plan, plan.classifier(), reservoir, alpha, beta)
    return Parts(dark.net, dark, dark)  # it stores, as replay does, and adds to the loss, as a penalty does


class DarkExperience:
    state = ("held", "task", "generator")  # what changes in training, so that a stopped run can go on

    def __init__(self, plan, net, size, alpha, beta):
        self.stream, self.generator, self.net = plan.stream, plan.drawing, net
        self.size, self.alpha, self.beta, self.task = size, alpha, beta, 0
        self.held = self.seen_now(0)

    @torch.no_grad()
    def seen_now(self, n):
        now = self.stream.draw(self.task, n, self.generator)
        key = torch.rand(n, generator=self.generator, device=now.y.device)
        return now.x, now.y, now.task, self.net(now.x, now.task), key

    def __call__(self):
        if len(self.held[0]) == 0:
            return torch.zeros((), device=self.stream.device)
        (x, _, x_task, logits, _), (again, y, task, _, _) = self.pick(), self.pick()
        active = self.stream.active(task, self.task + 1)
        labels = classification_loss(self.net(again, task), y, active).mean()
        return self.alpha * F.mse_loss(self.net(x, x_task), logits) + self.beta * labels

    def pick(self):
        rows = torch.randint(len(self.held[0]), (DRAWN,), generator=self.generator, device=self.stream.device)
        return tuple(part[rows] for part in self.held)

    def step(self):
        both = [torch.cat(pair) for pair in zip(self.held, self.seen_now(DRAWN), strict=True)]
        smallest = both[-1].argsort()[: self.size]  # random keys: a uniform sample of all that ever passed
        self.held = tuple(part[smallest] for part in both)

    def begin(self, task):
        self.task = task

    def end(self, task):
        pass

    def sample(self, n):
        return None

    @property
    def nbytes(self):
        return sum(part.nbytes for part in self.held)
