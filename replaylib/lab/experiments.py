"""An experiment is a frozen description, validated, with a stable id. It says what to compute and holds no result."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any

from replaylib.errors import InputError, unknown
from replaylib.lab.methods import method
from replaylib.lab.protocols import BACKBONES, protocol
from replaylib.nets import Gates
from replaylib.penalties import check_strength
from replaylib.replay import Buffer
from replaylib.scenarios import SCENARIOS

#: The fields of an experiment that methods take as options.
OPTIONS = ("per_class", "policy", "strength", "gate_prop", "noise_dim", "samples")
#: The names under which fields are stored, and count for the id, where they have been renamed since.
STORED_AS = {"per_class": "budget", "noise_dim": "latent", "backbone": "front_end"}
#: Those of its fields that are no whole numbers.
NUMBERS = ("lr", "strength", "gate_prop", "clutter")
#: What an experiment can do with an encoder; without one, both fields are None.
WITH_ENCODER = ("frozen", "tuned")


@dataclass(frozen=True)
class Experiment:
    """Everything that decides what one training run computes. Make it with `experiment`, which fills in the protocol's.

    ``encoder`` names a pre-trained encoder, see `replaylib.lab.encoders`, and ``backbone`` what is done with it:
    ``"frozen"``, its features take the place of the images, or ``"tuned"``, it learns with all other layers. Both are
    None where fully connected layers read pixels. ``clutter`` is how much there is behind glyphs; None: other data.
    ``replayed`` is how many samples are replayed a step; None: as many as there are of the current task. ``samples`` is
    how many importance samples the generative classifier is tested with; None: its own few.

    Raises
    ------
    InputError : a number outside its range, or a combination that makes no sense.
    """

    protocol: str
    scenario: str
    method: str
    dataset: str
    seed: int
    tasks: int
    hidden: tuple[int, ...]
    lr: float
    batch: int
    iterations: int
    per_class: int | None = None
    policy: str | None = None
    strength: float | None = None
    gate_prop: float | None = None
    noise_dim: int | None = None
    precision: str | None = None
    clutter: float | None = None
    encoder: str | None = None
    backbone: str | None = None
    replayed: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        protocol(self.protocol)
        hidden: object = self.hidden
        if isinstance(hidden, str) or not isinstance(hidden, Iterable):
            raise InputError(f"hidden is {hidden!r}: give the units of each hidden layer, e.g. (400, 400)")
        object.__setattr__(self, "hidden", tuple(hidden))
        # 1 and 1.0 are one description, with one id.
        for name in NUMBERS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _number(name, value))
        if self.scenario not in SCENARIOS:
            raise unknown("scenario", self.scenario, SCENARIOS)
        for name, low, high in (
            ("seed", 0, 2**31 - 1), ("tasks", 2, 1000), ("batch", 1, 65_536), ("iterations", 1, 10_000_000),
        ):  # fmt: skip
            self._whole(name, low, high)
        if not 0 < self.lr <= 1:
            raise InputError(f"lr is {self.lr:g}: a learning rate lies above 0 and is at most 1, e.g. 0.001")
        if not self.hidden:
            raise InputError("hidden is empty: give the units of at least one hidden layer, e.g. 400,400")
        object.__setattr__(self, "hidden", tuple(_within("hidden", units, 1, 10_000) for units in self.hidden))
        if self.precision not in (None, "bfloat16"):
            raise InputError(f"unknown precision {self.precision!r}: choose bfloat16, or leave it out for float32")
        m = method(self.method)
        m.settle(self.scenario, self.options)
        missing = [name for name in m.options if getattr(self, name) is None]
        if missing:
            raise InputError(f"method {self.method} needs {', '.join(missing)}: use experiment(), which fills them in")
        if self.per_class is not None and self.policy is not None:
            self._whole("per_class", 1, 1_000_000)
            Buffer.check(self.per_class, self.policy)
        if self.strength is not None:
            check_strength(self.strength)
        if self.gate_prop is not None:
            Gates.check(self.gate_prop)
        if self.noise_dim is not None:
            self._whole("noise_dim", 1, 10_000)
        if self.samples is not None:
            self._whole("samples", 1, 1_000_000)
        if self.replayed is not None:
            self._whole("replayed", 1, 65_536)
            if not m.rehearses:
                raise InputError(f"method {self.method} replays nothing: leave replayed out")

        self._check_data()

    def _whole(self, name: str, low: int, high: int) -> None:
        object.__setattr__(self, name, _within(name, getattr(self, name), low, high))

    def _check_data(self) -> None:
        if self.clutter is not None:
            if self.dataset != "glyphs":
                raise InputError(f"{self.dataset} has no clutter: leave it out, or use split-glyphs")
            if not 0 <= self.clutter <= 1:
                raise InputError(f"clutter is {self.clutter:g}: expected a number from 0 to 1")
        if (self.encoder is None) != (self.backbone is None):
            raise InputError("encoder and backbone go together: say which encoder, and whether it is frozen or tuned")
        if self.backbone is None:
            return
        if self.backbone not in WITH_ENCODER:
            raise unknown("backbone", self.backbone, WITH_ENCODER)
        if method(self.method).level == "features" and self.backbone != "frozen":
            raise InputError(f"{self.method} learns the features of an encoder that does not change: make it frozen")

    @property
    def options(self) -> dict[str, Any]:
        """The method's options, by name; None for those that it does not take."""
        return {name: getattr(self, name) for name in OPTIONS}

    def as_stored(self) -> dict[str, Any]:
        """The description as records and checkpoints hold it, under the names of `STORED_AS`."""
        return {STORED_AS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_stored(cls, described: Mapping[str, Any]) -> "Experiment":
        """The experiment that a stored description, `as_stored`, is of. Names of today are taken as well."""
        today = {stored: name for name, stored in STORED_AS.items()}
        return cls(**{today.get(name, name): value for name, value in described.items()})

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on the description alone, not on when or where it runs.

        Fields that are None do not count, so that a field added later leaves the ids of earlier experiments alone.
        """
        described = {name: value for name, value in self.as_stored().items() if value is not None}
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]


def check_seeds(count: int) -> None:
    """Raise `InputError` unless so many seeds, 0 to count - 1, can be asked for at once."""
    _within("seeds", count, 1, 1000)


def _within(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise InputError(f"{name} is {value!r}: expected a whole number from {low} to {high}")
    return int(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} is {value!r}: expected a number")
    return float(value)


def experiment(
    protocol_name: str,
    scenario: str | None = None,
    method_name: str = "none",
    seed: int = 0,
    *,
    dataset: str | None = None,
    tasks: int | None = None,
    hidden: tuple[int, ...] | None = None,
    lr: float | None = None,
    batch: int | None = None,
    iterations: int | None = None,
    per_class: int | None = None,
    policy: str | None = None,
    strength: float | None = None,
    gate_prop: float | None = None,
    noise_dim: int | None = None,
    precision: str | None = None,
    clutter: float | None = None,
    encoder: str | None = None,
    backbone: str | None = None,
    replayed: int | None = None,
    samples: int | None = None,
) -> Experiment:
    """The description of a run: the protocol's and the method's values, and whatever is given here in their place.

    ``backbone`` is one of `replaylib.lab.protocols.BACKBONES`. Where the protocol has an encoder, methods that replay
    features and ablations of brain-inspired replay have it frozen by default, and others as the protocol says; an
    encoder given is frozen, but for methods that replay pixels and are no such ablation.

    Raises
    ------
    InputError : an unknown name, a scenario or an option that the method does not take, or what `Experiment` refuses.
    """
    p = protocol(protocol_name)
    dataset = p.dataset if dataset is None else dataset
    if backbone is None:
        level = method(method_name).level
        if encoder is not None:
            backbone = "tuned" if level == "pixels" and not method(method_name).ablation else "frozen"
        elif p.encoder is not None:
            unchanging = level == "features" or (method(method_name).ablation and p.backbone != "none")
            backbone = "frozen" if unchanging else p.backbone
        else:
            backbone = "none"
    if backbone not in BACKBONES:
        raise unknown("backbone", backbone, BACKBONES)
    if backbone == "none" and encoder is not None:
        raise InputError(f"backbone none has no encoder, and {encoder} was given: leave one of them out")
    if backbone != "none" and encoder is None and p.encoder is None:
        raise InputError(f"{p.name} has no encoder of its own: name one, or leave the backbone out")
    if clutter is None and dataset == "glyphs":
        clutter = 0.0
    scenario = p.scenario if scenario is None else scenario
    chosen = {
        "per_class": per_class, "policy": policy, "strength": strength, "gate_prop": gate_prop, "noise_dim": noise_dim,
        "samples": samples,
    }  # fmt: skip
    options: dict[str, Any] = method(method_name).settle(scenario, chosen, p.name)
    return Experiment(
        protocol=p.name,
        scenario=scenario,
        method=method_name,
        dataset=dataset,
        seed=seed,
        tasks=p.tasks if tasks is None else tasks,
        hidden=p.hidden if hidden is None else hidden,
        lr=p.lr if lr is None else lr,
        batch=p.batch if batch is None else batch,
        iterations=p.iterations if iterations is None else iterations,
        precision=None if precision == "float32" else precision,
        clutter=clutter,
        encoder=None if backbone == "none" else encoder or p.encoder,
        backbone=None if backbone == "none" else backbone,
        replayed=None if replayed == (p.batch if batch is None else batch) else replayed,
        **options,
    )
