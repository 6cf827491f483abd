"""Methods that others are compared with, one file each: a class or two, most with ``make``, which puts one together.

Those of the years after generative replay are registered here, without PyTorch, as anyone's are.
"""

from __future__ import annotations

from typing import Annotated

from replaylib.lab import register
from replaylib.lab.options import Option
from replaylib.lab.parts import Parts, Plan


@register.method(
    "der++",
    "exact replay that also keeps what the network answered, its logits (dark experience replay)",
    "Buzzega et al. 2020",
)
def _der(
    plan: Plan,
    per_class: int,
    policy: str,
    alpha: Annotated[float, Option("weight of the stored logits beside the labels", within="[0, inf)")] = 0.5,
) -> Parts:
    from replaylib.lab.extra.der import make

    return make(plan, per_class, policy, alpha)


@register.method(
    "slda-replay",
    "replay drawn from one Gaussian for each class, those of streaming linear discriminant analysis",
    "Hayes & Kanan 2020, for its Gaussians; this course, for their replay",
    level="features",
    scenarios=("task", "class"),
    why="where a class comes back in every task and has no single Gaussian",
)
def _slda_replay(
    plan: Plan,
    covariance: Annotated[str, Option("of the Gaussians", str, choices=("shared", "own"))] = "shared",
) -> Parts:
    from replaylib.lab.extra.slda import make

    return make(plan, covariance)


@register.method(
    "diffusion-replay",
    "generative replay by a small diffusion model beside the classifier, with distillation",
    "Gao & Liu 2023, with convolutions and on images",
    level="features",
)
def _diffusion_replay(
    plan: Plan, passes: Annotated[int, Option("steps from noise to a sample", int, within="[1, 1000]")] = 6
) -> Parts:
    from replaylib.lab.extra.diffusion import make

    return make(plan, passes)
