"""Methods that others are compared with, one file each: a class or two, most with ``make``, which puts one together.

Those of the years after generative replay are registered here, without PyTorch, as anyone's are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from replaylib.lab import register
from replaylib.lab.options import Option
from replaylib.lab.parts import Parts, Plan

#: How samples of ``bi-r-changed`` are changed, see `replaylib.lab.extra.changed.ChangedReplay`.
SAMPLES = ("stretched", "filled", "noisy", "gaussian", "real")

if TYPE_CHECKING:
    from replaylib.nets import Network
    from replaylib.replay import Replay


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
    "Hayes & Kanan 2020, for its Gaussians; Zhu et al. 2021 and Zhang et al. 2023 replay from others like them",
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


@register.method(
    "real-replay",
    "real samples of all earlier tasks, newly labelled by the previous network: a reference for generative replay",
    "this course",
    level="features",
)
def _real_replay(plan: Plan) -> Parts:
    from replaylib.lab.extra.real import make

    return make(plan)


@register.method(
    "translated-replay",
    "the current task's samples, moved from their class's mean to that of an earlier class, newly labelled",
    "after Petit et al. 2023 (FeTrIL), who take the nearest new class, true labels and a linear classifier",
    level="features",
    scenarios=("task", "class"),
    why="where a class comes back in every task and has no single mean",
)
def _translated_replay(plan: Plan) -> Parts:
    from replaylib.lab.extra.translated import make

    return make(plan)


@register.method(
    "bi-r-changed",
    "brain-inspired replay whose imagined samples are changed, or replaced: a test of what they lack",
    "this course",
    level="features",
    scenarios=("task", "class"),
    why="where a class comes back in every task and varies from one to the next",
)
def _changed(
    plan: Plan,
    noise_dim: int,
    gate_prop: float,
    changed: Annotated[str, Option("how: " + ", ".join(SAMPLES), str, choices=SAMPLES)] = "stretched",
) -> Parts:
    from replaylib.lab.extra.changed import make

    return make(plan, noise_dim, gate_prop, changed)


@register.replay(
    "replay-share",
    "a small share of each step is old data, from a store of everything, and weighs no more (continual pre-training)",
    "Ibrahim et al. 2024, for language models: 5 %, and more where the new differs more",
)
def _replay_share(
    plan: Plan, net: Network, share: Annotated[float, Option("of a step that is old", within="(0, 1)")] = 0.05
) -> Replay:
    from replaylib.lab.extra.share import Share

    return Share(plan.stream, plan.drawing, share)


@register.replay(
    "own-text",
    "replay of text that the previous network writes, with its probabilities as targets; no text is stored",
    "Sun, Ho & Lee 2020; Huang et al. 2024, with large language models",
)
def _own_text(plan: Plan, net: Network) -> Replay:
    from replaylib.lab.extra.text import OwnText

    return OwnText(plan.stream, net, plan.drawing)
