"""MAS, memory aware synapses (Aljundi et al. 2018, ECCV): weights that the output is sensitive to move less."""

import torch

from replaylib import register
from replaylib.penalties import Quadratic

SAMPLES = 500  # of each task, from which importance is estimated


@register.penalty("mas", "memory aware synapses: importance from the output's sensitivity", "Aljundi et al. 2018")
def mas(plan, net, strength: float = 1.0):
    return MAS(plan, net, strength)


class MAS:
    state = ("quadratic", "generator")

    def __init__(self, plan, net, strength):
        self.stream, self.generator, self.net, self.strength = plan.stream, plan.drawing, net, strength
        self.quadratic = Quadratic([p for layer in net.path for p in layer.parameters()])

    def __call__(self):
        return self.strength * self.quadratic()

    def end(self, task):
        batch = self.stream.draw(task, SAMPLES, self.generator)
        importance = [torch.zeros_like(p) for p in self.quadratic.parameters]
        for x, x_task in zip(batch.x.split(1), batch.task.split(1), strict=True):  # |gradient| of each sample, Eq. 3
            norm = self.net(x, x_task).square().sum()
            gradients = torch.autograd.grad(norm, self.quadratic.parameters, allow_unused=True)
            for total, gradient in zip(importance, gradients, strict=True):
                if gradient is not None:
                    total += gradient.abs() / SAMPLES
        old = self.quadratic.importance
        self.quadratic.replace([a + b for a, b in zip(old, importance, strict=True)])

    def begin(self, task):
        pass

    def step(self):
        pass
