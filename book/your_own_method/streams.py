"""Streams of one's own: tasks of unequal size, borders that are blurred, and domains that are turned or noisy."""

from dataclasses import dataclass, field

import torch

from replaylib import Stream, register, split_stream
from replaylib.scenarios import class_order


@register.stream("6-3-1")
def unequal(data, scenario, tasks, seed, order):
    """Ten classes in three tasks of six, three and one; how many tasks are asked for makes no difference."""
    classes = class_order(10, seed, order).to(data.train.labels.device).split([6, 3, 1])
    return Stream(scenario, data, torch.nn.utils.rnn.pad_sequence(classes, batch_first=True, padding_value=-1))


class Blurry(Stream):
    """A tenth of each task's samples are of the next one, whose classes take part a task earlier."""

    def draw(self, task, n, generator):
        early = torch.rand(n, generator=generator, device=self.device) < 0.1
        pairs = [super(Blurry, self).draw(t, n, generator) for t in (task, min(task + 1, self.tasks - 1))]
        rows = torch.arange(n, device=self.device) + n * early
        return type(pairs[0])(*(torch.cat(both)[rows] for both in zip(*(one.tensors() for one in pairs), strict=True)))

    def active(self, task, seen):
        return super().active(task, min(seen + 1, self.tasks))


@register.stream("blurry")
def blurry(data, scenario, tasks, seed, order):
    """Classes shared out over tasks whose borders are blurred."""
    return Blurry(scenario, data, split_stream(data, scenario, tasks, seed, order).classes)


def all_classes(data, tasks):
    return torch.arange(len(data.train.classes), device=data.train.labels.device).expand(tasks, -1)


@register.stream("turned")
def turned(data, scenario, tasks, seed, order):
    """Every task has all classes, and shows them a quarter turn further: square images."""
    pixels = torch.arange(data.train.images[0, 0].numel(), device=data.train.labels.device)
    turns = [pixels.view(data.train.shape[1:]).rot90(task).flatten() for task in range(tasks)]
    return Stream(scenario, data, all_classes(data, tasks), torch.stack(turns))


@dataclass(frozen=True, eq=False)
class Noisy(Stream):
    """Each task shows the images with more noise than the one before; an image has the same noise in all of them."""

    noise: dict = field(default_factory=dict)

    def raw(self, rows, task, part="train"):
        images = super().raw(rows, task, part)
        return (images + self.noise[part][rows] * task.view(-1, 1, 1, 1)).clamp(0, 255).to(torch.uint8)


@register.stream("noisier")
def noisier(data, scenario, tasks, seed, order):
    """Every task has all classes, under more noise than the task before."""
    drawn = torch.Generator().manual_seed(seed)
    noise = {name: 20 * torch.randn(part.images.shape, generator=drawn) for name, part in data._asdict().items()}
    noise = {name: values.to(data.train.labels.device) for name, values in noise.items()}
    return Noisy(scenario, data, all_classes(data, tasks), noise=noise)
