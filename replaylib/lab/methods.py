"""The table from a method's name to its parts, and the hyper-parameters that each was published with."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple

import torch

from replaylib.brain import Brain, BrainNet
from replaylib.conv import ConvEncoder
from replaylib.errors import InputError, unknown
from replaylib.generative import GenerativeClassifier
from replaylib.lab.hyperparameters import BI_R, SETTINGS, THREE
from replaylib.lab.protocols import PROTOCOLS
from replaylib.nets import Classifier, NearestMean, Network
from replaylib.penalties import EWC, SI, Penalty
from replaylib.replay import Buffer, CurrentTask, Everything, Exemplars, Generated, Nothing, Replay
from replaylib.scenarios import SCENARIOS, Stream
from replaylib.vae import Likelihood

Option = int | float | str | None


class Parts(NamedTuple):
    """What `replaylib.train` puts together: a network, a source of replay, and a penalty or None."""

    net: Network
    replay: Replay
    penalty: Penalty | None = None


@dataclass(frozen=True)
class Plan:
    """What a method's parts are made from.

    Attributes
    ----------
    hidden : units of the classifier's hidden layers.
    start : a CPU generator of initial parameters. The classifier is drawn first, so that all methods start from one.
    drawing : a generator of replayed samples, on the stream's device.
    backbone : a pre-trained encoder that images pass; each network gets a copy.
    frozen : whether it stays as it is, and is not trained along.
    """

    stream: Stream
    hidden: tuple[int, ...]
    start: torch.Generator
    drawing: torch.Generator
    backbone: ConvEncoder | None = None
    frozen: bool = False

    @property
    def inputs(self) -> int:
        """Units that the first hidden layer reads: of the flattened input, or features of the convolutional layers."""
        return math.prod(self.stream.data.train.shape) if self.backbone is None else self.backbone.units

    @property
    def pixels(self) -> int:
        """Units of an image, also where the data are features of images."""
        return self.stream.data.train.pixels

    @property
    def likelihood(self) -> Likelihood:
        """Bernoulli for intensities in [0, 1], Gaussian for normalised pixels and for features (the paper's choice)."""
        data = self.stream.data.train
        return "bernoulli" if data.images.dtype == torch.uint8 and data.mean is None else "gaussian"

    def classifier(self, **options: float) -> Classifier:
        """The network that all methods share, on the stream's device."""
        made: dict[str, Any] = {"backbone": copy.deepcopy(self.backbone), "frozen": self.frozen, **options}
        return Classifier(self.inputs, self.hidden, self.stream.outputs, self.start, **made).to(self.stream.device)


@dataclass(frozen=True)
class Method:
    """One row of the table `METHODS`.

    Attributes
    ----------
    make : makes its parts from a plan and the options named in ``options``.
    options : the names of the options that it takes; `SETTINGS` has their values.
    level : ``"features"`` or ``"pixels"`` if it generates either and cannot but do so where there is an encoder.
    ablation : whether it is brain-inspired replay without one of its parts. Where its protocol has an encoder, that is
        frozen as in brain-inspired replay, also where pixels are replayed through it.
    scenarios : those that it can serve; ``why`` it cannot serve the others.
    brain : generative replay's modifications; None for a method that replays otherwise, or not by replay alone.
    rehearses : whether it interleaves samples of earlier tasks with those of the current one.
    optional : the names of further options, which it settles itself where nobody says and `SETTINGS` has no value.
    """

    name: str
    summary: str
    source: str
    make: Callable[..., Parts]
    options: tuple[str, ...] = ()
    level: str = ""
    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    why: str = ""
    brain: Brain | None = None
    rehearses: bool = True
    ablation: bool = False
    optional: tuple[str, ...] = ()

    def settle(self, scenario: str, chosen: dict[str, Option], protocol: str = "split-mnist") -> dict[str, Option]:
        """The options to run with: the protocol's published ones, and what was chosen (not None) in their place.

        Raises
        ------
        InputError : an option that this method does not take, or a scenario that it cannot serve.
        """
        if scenario not in SCENARIOS:
            raise unknown("scenario", scenario, SCENARIOS)
        if scenario not in self.scenarios:
            serves = ", ".join(self.scenarios)
            raise InputError(f"{self.name} cannot serve the {scenario} scenario, {self.why}: it serves {serves}")
        for option, value in chosen.items():
            if value is not None and option not in (*self.options, *self.optional):
                takers = ", ".join(m.name for m in METHODS.values() if option in (*m.options, *m.optional))
                raise InputError(f"method {self.name} has no {option}: leave it out, or use {takers}")
        every = dict.fromkeys((*chosen, *self.options, *self.optional))
        settled = {
            option: chosen[option] if chosen.get(option) is not None else self.setting(option, protocol, scenario)
            for option in every
        }
        return {name: value for name, value in settled.items() if value is not None or name in chosen}

    def setting(self, option: str, protocol: str, scenario: str) -> Option:
        """An option's value in a protocol, from the first row of `SETTINGS` that fits; None if it takes no such one."""
        if option not in (*self.options, *self.optional):
            return None
        fitting = [s for s in SETTINGS if s.fits(self.name, option, protocol, scenario)]
        if own := [s.value for s in fitting if s.protocol == protocol]:
            return own[0]
        # A quick protocol stands in for a published one, and takes its values; but for what makes a run long.
        published = next((p.name for p in PROTOCOLS.values() if p.quick == protocol), protocol)
        if option in self.optional and published != protocol:
            return None
        if published in PROTOCOLS:
            published = PROTOCOLS[published].settings or published
        return next((s.value for s in SETTINGS if s.fits(self.name, option, published, scenario)), None)


def _none(plan: Plan) -> Parts:
    return Parts(plan.classifier(), Nothing())


def _joint(plan: Plan) -> Parts:
    return Parts(plan.classifier(), Everything(plan.stream, plan.drawing))


def _exact(plan: Plan, per_class: int, policy: str) -> Parts:
    return Parts(plan.classifier(), Buffer(plan.stream, per_class, policy, plan.drawing))


def _nearest_mean(plan: Plan, per_class: int, policy: str) -> Parts:
    backbone = copy.deepcopy(plan.backbone)
    net = NearestMean(plan.inputs, plan.hidden, plan.stream.outputs, plan.start, backbone).to(plan.stream.device)
    return Parts(net, Exemplars(plan.stream, net, per_class, policy, plan.drawing))


def _lwf(plan: Plan, weighing: str = "replay") -> Parts:
    net = plan.classifier()
    return Parts(net, CurrentTask(plan.stream, net, plan.drawing, weighing))


def _ewc(plan: Plan, strength: float, online: bool = False) -> Parts:
    net = plan.classifier()
    return Parts(net, Nothing(), EWC(plan.stream, net, plan.drawing, strength=strength, online=online))


def _si(plan: Plan, strength: float) -> Parts:
    net = plan.classifier()
    return Parts(net, Nothing(), SI(net, strength=strength))


def _xdg(plan: Plan, gate_prop: float) -> Parts:
    return Parts(plan.classifier(tasks=plan.stream.tasks, off=gate_prop), Nothing())


def _generative_replay(
    brain: Brain, plan: Plan, noise_dim: int, gate_prop: float = 0.0, strength: float | None = None
) -> Parts:
    # A class of the domain-incremental scenario is in every task: there the internal context is the task.
    tasks = plan.stream.tasks if plan.stream.scenario == "domain" else None
    net = BrainNet(
        brain, plan.classifier(), plan.start,
        noise_dim=noise_dim, gate_prop=gate_prop, tasks=tasks, likelihood=plan.likelihood, pixels=plan.pixels,
    ).to(plan.stream.device)  # fmt: skip
    penalty = None if strength is None else SI(net, strength=strength)
    return Parts(net, Generated(plan.stream, net, plan.drawing), penalty)


#: Units of a layer of each model of the published generative classifier (van de Ven, Li & Tolias 2021), at most.
MODEL_UNITS = 85


def _generative_classifier(plan: Plan, noise_dim: int, samples: int | None = None) -> Parts:
    # A fifth of the units each: ten of them have about as many parameters as one network with replay through feedback.
    hidden = tuple(max(1, min(MODEL_UNITS, units // 5)) for units in plan.hidden)
    if plan.stream.data.train.images.dim() == 2:  # of features, as published, one layer
        hidden = hidden[-1:]
    net = GenerativeClassifier(
        plan.inputs, hidden, noise_dim, plan.stream.outputs, plan.start, likelihood=plan.likelihood,
        **({} if samples is None else {"samples": samples}),
    )  # fmt: skip
    return Parts(net.to(plan.stream.device), Nothing())


def _brain(
    name: str, summary: str, brain: Brain, source: str = BI_R, si: bool = False, ablation: bool = False
) -> Method:
    options = ("noise_dim", *(("gate_prop",) if brain.gating else ()), *(("strength",) if si else ()))
    level = "features" if brain.internal else "pixels"
    make = partial(_generative_replay, brain)
    return Method(name, summary, source, make, options, level, brain=None if si else brain, ablation=ablation)


def _table() -> tuple[Method, ...]:
    full = Brain.all()
    switches = [field.name for field in fields(Brain)]
    return (
        Method("none", "train on each task in turn: the lower bound", "McCloskey & Cohen 1989", _none, rehearses=False),
        Method("joint", "all data of all tasks so far: the upper bound", BI_R, _joint),
        Method(
            "exact", "exact (experience) replay: store some samples of every class and interleave them",
            f"Rolnick et al. 2019; {THREE} (100 a class)", _exact, ("per_class", "policy"),
        ),
        Method(
            "nearest-mean", "exact replay, tested by the nearest class mean of stored samples' features, as in iCaRL",
            "Rebuffi et al. 2017", _nearest_mean, ("per_class", "policy"),
        ),
        Method("lwf", "learning without forgetting: replay the current task's inputs", "Li & Hoiem 2017", _lwf),
        Method(
            "lwf-equal", "learning without forgetting, old and new weighing the same in every task",
            "this course", partial(_lwf, weighing="equal"), scenarios=("class",),
            why="where lwf does not grow harder with every task",
        ),
        Method(
            "lwf-sum", "learning without forgetting, the plain sum of both losses", THREE,
            partial(_lwf, weighing="sum"),
        ),
        Method("ewc", "elastic weight consolidation", "Kirkpatrick et al. 2017", _ewc, ("strength",), rehearses=False),
        Method(
            "online-ewc", "elastic weight consolidation with one running Fisher diagonal", "Schwarz et al. 2018",
            partial(_ewc, online=True), ("strength",), rehearses=False,
        ),
        Method("si", "synaptic intelligence", "Zenke, Poole & Ganguli 2017", _si, ("strength",), rehearses=False),
        Method(
            "xdg", "context-dependent gating: a random part of the hidden units is off in each task",
            "Masse, Grant & Freedman 2018", _xdg, ("gate_prop",), scenarios=("task",),
            why="because its gates need the task, also when it is tested", rehearses=False,
        ),
        _brain("gr", "generative replay, with a separate generator", Brain(), "Shin et al. 2017"),
        _brain("gr-distill", "generative replay with distillation", Brain(distill=True), "van de Ven & Tolias 2018"),
        _brain(
            "rtf", "replay-through-feedback, with distillation", Brain(feedback=True, distill=True),
            "van de Ven & Tolias 2018",
        ),
        _brain("bi-r", "brain-inspired replay: all four modifications, and distillation", full),
        _brain("bi-r-si", "brain-inspired replay with synaptic intelligence", full, si=True),
        *(
            _brain(f"gr+{name}", f"generative replay, one addition: {name}", Brain.from_names(name))
            for name in switches if name != "distill"
        ),
        *(
            _brain(
                f"bi-r-no-{name}", f"brain-inspired replay, one ablation: no {name}",
                replace(full, **{name: False}), ablation=True,
            )
            for name in switches
        ),
        Method(
            "generative-classifier", "a generative model for each class, and Bayes' rule; no replay",
            "van de Ven, Li & Tolias 2021", _generative_classifier, ("noise_dim",), "features", ("task", "class"),
            "where a class comes back in every task and its model would forget", rehearses=False, optional=("samples",),
        ),
    )  # fmt: skip


METHODS = {method.name: method for method in _table()}


def method(name: str) -> Method:
    """The method of that name, which is one of `METHODS` or any other combination of modifications, ``"gr+a+b"``.

    Raises
    ------
    InputError : there is none, with the nearest names; or the combination has another name: in `METHODS`, or with its
        parts in the order of `Brain`'s.
    """
    if name in METHODS:
        return METHODS[name]
    if not name.startswith("gr+"):
        raise unknown("method", name, METHODS)
    brain = Brain.from_names(name.removeprefix("gr+"))
    own = next((m.name for m in METHODS.values() if m.brain == brain), f"gr+{brain}")
    if name != own:
        raise InputError(f"write method {name} as {own}: one name for one combination")
    return _brain(name, f"generative replay with {brain}", brain)
