"""The library's methods, registered as anyone's are, and how a method is found by its name.

Each function makes what it is registered as: a source of replay, a penalty, or all parts of a method. The science is
imported where it is made, so that names can be listed without PyTorch.
"""

from __future__ import annotations

import copy
import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from replaylib.errors import InputError, unknown
from replaylib.lab import register
from replaylib.lab.hyperparameters import BI_R, THREE
from replaylib.lab.parts import Parts, Plan
from replaylib.lab.rows import METHODS, PENALTIES, Method

if TYPE_CHECKING:
    from replaylib.nets import Network
    from replaylib.penalties import Penalty
    from replaylib.replay import Replay

#: Names of combinations that were methods before methods could be combined; records have these.
ALIASES = {"bi-r+si": "bi-r-si"}


@register.replay("none", "train on each task in turn: the lower bound", "McCloskey & Cohen 1989", rehearses=False)
def _none(plan: Plan, net: Network) -> Replay:
    from replaylib.replay import Nothing

    return Nothing()


@register.replay("joint", "all data of all tasks so far: the upper bound", BI_R)
def _joint(plan: Plan, net: Network) -> Replay:
    from replaylib.replay import Everything

    return Everything(plan.stream, plan.drawing)


@register.replay(
    "exact",
    "exact (experience) replay: store some samples of every class and interleave them",
    f"Rolnick et al. 2019; {THREE} (100 a class)",
)
def _exact(plan: Plan, net: Network, per_class: int, policy: str) -> Replay:
    from replaylib.replay import Buffer

    return Buffer(plan.stream, per_class, policy, plan.drawing)


@register.method(
    "nearest-mean",
    "exact replay, tested by the nearest class mean of stored samples' features, as in iCaRL",
    "Rebuffi et al. 2017",
)
def _nearest_mean(plan: Plan, per_class: int, policy: str) -> Parts:
    from replaylib.lab.extra.nearest_mean import Exemplars, NearestMean

    stream = plan.stream
    net = NearestMean(plan.inputs, plan.hidden, stream.outputs, plan.start, copy.deepcopy(plan.backbone))
    return Parts(net.to(stream.device), Exemplars(stream, net, per_class, policy, plan.drawing))


@register.replay("lwf", "learning without forgetting: replay the current task's inputs", "Li & Hoiem 2017")
def _lwf(plan: Plan, net: Network) -> Replay:
    from replaylib.replay import CurrentTask

    return CurrentTask(plan.stream, net, plan.drawing)


@register.replay(
    "lwf-equal",
    "learning without forgetting, old and new weighing the same in every task",
    "this course",
    scenarios=("class",),
    why="where lwf does not grow harder with every task",
)
def _lwf_equal(plan: Plan, net: Network) -> Replay:
    from replaylib.lab.extra.lwf import Weighed

    return Weighed(plan.stream, net, plan.drawing, "equal")


@register.replay("lwf-sum", "learning without forgetting, the plain sum of both losses", THREE)
def _lwf_sum(plan: Plan, net: Network) -> Replay:
    from replaylib.lab.extra.lwf import Weighed

    return Weighed(plan.stream, net, plan.drawing, "sum")


@register.penalty("ewc", "elastic weight consolidation", "Kirkpatrick et al. 2017")
def _ewc(plan: Plan, net: Network, strength: float) -> Penalty:
    from replaylib.penalties import EWC

    return EWC(plan.stream, net, plan.drawing, strength=strength)


@register.penalty("online-ewc", "elastic weight consolidation with one running Fisher diagonal", "Schwarz et al. 2018")
def _online_ewc(plan: Plan, net: Network, strength: float) -> Penalty:
    from replaylib.penalties import EWC

    return EWC(plan.stream, net, plan.drawing, strength=strength, online=True)


@register.penalty("si", "synaptic intelligence", "Zenke, Poole & Ganguli 2017")
def _si(plan: Plan, net: Network, strength: float) -> Penalty:
    from replaylib.penalties import SI

    return SI(net, strength=strength)


@register.method(
    "xdg",
    "context-dependent gating: a random part of the hidden units is off in each task",
    "Masse, Grant & Freedman 2018",
    scenarios=("task",),
    why="because its gates need the task, also when it is tested",
    rehearses=False,
)
def _xdg(plan: Plan, gate_prop: float) -> Parts:
    from replaylib.replay import Nothing

    return Parts(plan.classifier(tasks=plan.stream.tasks, off=gate_prop), Nothing())


def _generative(name: str, summary: str, switches: str, source: str = BI_R, ablation: bool = False) -> Method:
    """Generative replay with the modifications that ``switches`` names."""

    def gated(plan: Plan, noise_dim: int, gate_prop: float) -> Parts:
        return _generative_replay(plan, switches, noise_dim, gate_prop)

    def ungated(plan: Plan, noise_dim: int) -> Parts:
        return _generative_replay(plan, switches, noise_dim)

    on = switches.split("+")
    level = "features" if "internal" in on else "pixels"
    factory = gated if "gating" in on else ungated
    return Method(name, summary, source, factory, level, switches=switches, ablation=ablation)


def _generative_replay(plan: Plan, switches: str, noise_dim: int, gate_prop: float = 0.0) -> Parts:
    from replaylib.brain import Brain
    from replaylib.generative import BrainNet
    from replaylib.replay import Generated

    brain = Brain.from_names(switches) if switches else Brain()
    # A class of the domain-incremental scenario is in every task: there the internal context is the task.
    tasks = plan.stream.tasks if plan.stream.scenario == "domain" else None
    net = BrainNet(
        brain, plan.classifier(), plan.start,
        noise_dim=noise_dim, gate_prop=gate_prop, tasks=tasks, likelihood=plan.likelihood, pixels=plan.pixels,
    ).to(plan.stream.device)  # fmt: skip
    return Parts(net, Generated(plan.stream, net, plan.drawing))


#: The switches of `replaylib.brain.Brain`, in its order.
SWITCHES = ("feedback", "conditional", "gating", "internal", "distill")
VDV = "van de Ven & Tolias 2018"
#: Units of a layer of each model of the published generative classifier (van de Ven, Li & Tolias 2021), at most.
MODEL_UNITS = 85

for _row in (
    _generative("gr", "generative replay, with a separate generator", "", "Shin et al. 2017"),
    _generative("gr-distill", "generative replay with distillation", "distill", VDV),
    _generative("rtf", "replay-through-feedback, with distillation", "feedback+distill", VDV),
    _generative("bi-r", "brain-inspired replay: all four modifications, and distillation", "+".join(SWITCHES)),
):
    METHODS.add(_row.name, _row, _generative)


def with_penalty(base: Method, penalty: Method, name: str) -> Method:
    """A method and a penalty as one method; raises `InputError` where they do not go together."""
    if base.penalised:
        raise InputError(f"{base.name} has a penalty already: {name} would have two; combine one with a method")
    if both := set(base.takes) & set(penalty.takes):
        raise InputError(f"{base.name} and {penalty.name} both have an option {min(both)}: they do not combine")

    def make(plan: Plan, **options: Any) -> Parts:
        parts: Parts = base.make(plan, **{option: value for option, value in options.items() if option in base.takes})
        own = {option: value for option, value in options.items() if option in penalty.takes}
        return parts._replace(penalty=penalty.make(plan, parts.net, **own))

    return replace(
        base,
        name=name,
        summary=f"{base.summary}; and {penalty.summary}",
        source=f"{base.source}; {penalty.source}",
        make=make,
        switches=None,
        penalised=True,
        scenarios=tuple(scenario for scenario in base.scenarios if scenario in penalty.scenarios),
        like=dict.fromkeys(base.takes, base.name) | dict.fromkeys(penalty.takes, penalty.name),
        taken=(*base.takes.values(), *penalty.takes.values()),
    )


_bi_r_si = with_penalty(METHODS["bi-r"], PENALTIES["si"], "bi-r-si")
METHODS.add(
    "bi-r-si",
    replace(_bi_r_si, summary="brain-inspired replay with synaptic intelligence", source=BI_R, like={}),
    with_penalty,
)

for _row in (
    *(
        _generative(f"gr+{name}", f"generative replay, one addition: {name}", name)
        for name in SWITCHES if name != "distill"
    ),
    *(
        _generative(
            f"bi-r-no-{name}", f"brain-inspired replay, one ablation: no {name}",
            "+".join(one for one in SWITCHES if one != name), ablation=True,
        )
        for name in SWITCHES
    ),
):  # fmt: skip
    METHODS.add(_row.name, _row, _generative)


@register.method(
    "generative-classifier",
    "a generative model for each class, and Bayes' rule; no replay",
    "van de Ven, Li & Tolias 2021",
    level="features",
    scenarios=("task", "class"),
    why="where a class comes back in every task and its model would forget",
    rehearses=False,
)
def _generative_classifier(plan: Plan, noise_dim: int, samples: int | None = None) -> Parts:
    from replaylib.lab.extra.generative_classifier import GenerativeClassifier
    from replaylib.replay import Nothing

    # A fifth of the units each: ten of them have about as many parameters as one network with replay through feedback.
    hidden = tuple(max(1, min(MODEL_UNITS, units // 5)) for units in plan.hidden)
    if plan.stream.data.train.images.dim() == 2:  # of features, as published, one layer
        hidden = hidden[-1:]
    net = GenerativeClassifier(
        plan.inputs, hidden, noise_dim, plan.stream.outputs, plan.start, likelihood=plan.likelihood,
        **({} if samples is None else {"samples": samples}),
    )  # fmt: skip
    return Parts(net.to(plan.stream.device), Nothing())


def method(name: str) -> Method:
    """The method of that name: one of `METHODS`, a combination of modifications, ``"gr+a+b"``, or one with a penalty.

    Any registered penalty goes with any method that has none, as the last of the name: ``"exact+ewc"``.

    Raises
    ------
    InputError : there is none, with the nearest names; or the combination has another name: in `METHODS`, or with its
        parts in the order of `Brain`'s.
    """
    register.files()
    name = ALIASES.get(name, name)
    if name in METHODS:
        return METHODS[name]
    base, _, last = name.rpartition("+")
    if base and last in PENALTIES:
        if base == "none":
            raise InputError(f"write method {name} as {last}: one name for one combination")
        return with_penalty(method(base), PENALTIES[last], name)
    if name.startswith("gr+"):
        return _modified(name)
    if base in METHODS:
        raise unknown("penalty", last, PENALTIES)
    raise unknown("method", name, METHODS)


def _modified(name: str) -> Method:
    from replaylib.brain import Brain

    brain = Brain.from_names(name.removeprefix("gr+"))
    own = next((m.name for m in METHODS.values() if m.switches is not None and m.brain == brain), f"gr+{brain}")
    if name != own:
        raise InputError(f"write method {name} as {own}: one name for one combination")
    return _generative(name, f"generative replay with {brain}", str(brain))


importlib.import_module("replaylib.lab.extra")  # registers what came later, after what is above
