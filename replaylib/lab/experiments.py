"""An experiment is a frozen description, validated, with a stable id. It says what to compute and holds no result.

Each field is declared once, with what it can be and what it says: the command line, the checks, what a run prints, and
the columns of a frame of records are derived from these declarations.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from replaylib.data.known import IMAGE_SIZE
from replaylib.errors import POLICIES, PRECISIONS, SCENARIOS, InputError, unknown
from replaylib.lab import contents
from replaylib.lab.methods import method
from replaylib.lab.options import SEED, Option, Value
from replaylib.lab.protocols import BACKBONES, PROTOCOLS, protocol
from replaylib.lab.rows import takers_of
from replaylib.lab.streams import ORDERS
from replaylib.lab.tables import OPTIMIZERS, STREAMS


def told(
    help: str,
    kind: type = float,
    within: str = "",
    *,
    usual: str | None = None,
    stored_as: str = "",
    by_method: bool = False,
    **more: Any,
) -> Any:
    """A field that is an `Option`, None by default.

    ``usual`` is what None stands for; ``stored_as`` the name under which the field is stored, and counts for the id,
    where it has been renamed since; ``by_method`` says that methods take it as an option.
    """
    about = {"usual": usual, "stored_as": stored_as, "by_method": by_method}
    return field(default=None, metadata={"option": Option(help, kind, within, **more), **about})


def needed(help: str, kind: type = str, within: str = "", **more: Any) -> Any:
    """A field that is an `Option` and has a value in every experiment; the protocol has one where none is chosen."""
    return field(metadata={"option": Option(help, kind, within, **more)})


def derived(help: str) -> Any:
    """A field that `experiment` finds out, and nobody chooses."""
    return field(default=None, metadata={"option": Option(help, str), "derived": True})


def _streams() -> tuple[str, ...]:
    return tuple(STREAMS)


def _optimizers() -> tuple[str, ...]:
    return tuple(OPTIMIZERS)


@dataclass(frozen=True)
class Experiment:
    """Everything that decides what one training run computes. Make it with `experiment`, which fills in the protocol's.

    ``encoder`` names a pre-trained encoder, see `replaylib.lab.encoders`, and ``backbone`` what is done with it:
    ``"frozen"``, its features take the place of the images, or ``"tuned"``, it learns with all other layers. Both are
    None where fully connected layers read pixels. ``clutter`` is how much there is behind glyphs; None: other data.
    ``replayed`` is how many samples are replayed a step; None: as many as there are of the current task. ``own`` holds
    the options that a method declares for itself, as pairs, sorted by name; it can be given as a mapping.

    Raises
    ------
    InputError : a number outside its range, or a combination that makes no sense.
    """

    protocol: str = needed("what is held fixed, see list", choices=lambda: PROTOCOLS)
    scenario: str = needed("one of: " + ", ".join(SCENARIOS), choices=tuple(SCENARIOS))
    method: str = needed("a method, or one and a penalty, e.g. exact+ewc; see list")
    dataset: str = needed("other data: a name from 'list', an image folder, a zip of one, an .npz or a .csv")
    seed: int = needed(SEED.help, SEED.kind, SEED.within)
    tasks: int = needed("number of tasks", int, "[2, 1000]")
    hidden: tuple[int, ...] = needed("units of the hidden layers", tuple, "[1, 10000]", example="400,400")
    lr: float = needed("learning rate", float, "(0, 1]", example="0.001")
    batch: int = needed("current samples a step", int, "[1, 65536]")
    iterations: int = needed("steps a task", int, "[1, 10000000]")
    per_class: int | None = told(
        "exact replay: stored samples a class", int, "[1, 1000000]", by_method=True, stored_as="budget"
    )
    policy: str | None = told("exact replay: " + " or ".join(POLICIES), str, choices=POLICIES, by_method=True)
    strength: float | None = told("EWC's lambda, SI's c", float, "(0, inf)", example="100", by_method=True)
    gate_prop: float | None = told("fraction of units that a context switches off", float, "[0, 1)", by_method=True)
    noise_dim: int | None = told(
        "units of the generator's code z", int, "[1, 10000]", by_method=True, stored_as="latent"
    )
    precision: str | None = told("of layers' products", str, choices=PRECISIONS, usual="float32")
    clutter: float | None = told("glyphs: from 0 (plain) to 1 (over photographs)", float, "[0, 1]")
    encoder: str | None = told(
        "a pre-trained encoder, frozen unless pixels are replayed: one of 'list', or a file that 'pretrain' wrote", str
    )
    backbone: str | None = told(
        "what is done with it: " + " or ".join(BACKBONES), str,
        choices=tuple(BACKBONES), usual="none", stored_as="front_end",
    )  # fmt: skip
    replayed: int | None = told("replayed samples a step (default: as many)", int, "[1, 65536]")
    samples: int | None = told(
        "generative classifier: importance samples at testing (default: its own few)", int, "[1, 1000000]",
        by_method=True,
    )  # fmt: skip
    stream: str | None = told(
        "another kind of stream than the protocol's: " + ", ".join(STREAMS), str, choices=_streams
    )
    optimizer: str | None = told("how parameters are moved", str, choices=_optimizers, usual="adam")
    class_order: str | None = told(
        "in which classes arrive: random, or as labels are (default: as the protocol says)", str, choices=ORDERS
    )
    validation: float | None = told(
        "hold out this share of each class's training part, and test on it in the place of the test part", float,
        "(0, 1)", example="0.1",
    )  # fmt: skip
    image_size: int | None = told(
        "height and width that the images of a folder are resized to (default: 32)", int, "[4, 1024]"
    )
    data_digest: str | None = derived("the beginning of the SHA-256 of data that are not the library's")
    encoder_digest: str | None = derived("the beginning of the SHA-256 of an encoder that is not the library's")
    own: tuple[tuple[str, Value], ...] | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            if (option := f.metadata.get("option")) is None:
                continue
            value = getattr(self, f.name)
            if value is not None or f.default is MISSING:
                # 1 and 1.0 are one description, with one id; so are what is usual, said and unsaid.
                checked = option.check(f.name, value)
                object.__setattr__(self, f.name, None if checked == f.metadata.get("usual") else checked)
        # What the published rule gives anyway is not said.
        if self.class_order == ("labels" if self.seed == 0 else "random"):
            object.__setattr__(self, "class_order", None)
        self._check_method()
        self._check_data()

    def _check_method(self) -> None:
        m = method(self.method)
        object.__setattr__(self, "method", m.name)
        own = {name: taken.option for name, taken in m.takes.items() if taken.option is not None}
        given = dict(self.own or {})
        m.check(self.scenario, {name: getattr(self, name) for name in OPTIONS} | given)
        missing = [name for name, taken in m.takes.items() if self.options.get(name) is None and not taken.optional]
        if missing:
            raise InputError(f"method {self.method} needs {', '.join(missing)}: use experiment(), which fills them in")
        checked = sorted((name, option.check(name, given[name])) for name, option in own.items())
        object.__setattr__(self, "own", tuple(checked) or None)
        if self.replayed is not None and not m.rehearses:
            raise InputError(f"method {self.method} replays nothing: leave replayed out")

    def _check_data(self) -> None:
        if self.clutter is not None and self.dataset != "glyphs":
            raise InputError(f"{self.dataset} has no clutter: leave it out, or use split-glyphs")
        if self.image_size == IMAGE_SIZE:
            object.__setattr__(self, "image_size", None)
        if (self.encoder is None) != (self.backbone is None):
            raise InputError("encoder and backbone go together: say which encoder, and whether it is frozen or tuned")
        if self.backbone == "tuned" and method(self.method).level == "features":
            raise InputError(f"{self.method} learns the features of an encoder that does not change: make it frozen")

    @property
    def options(self) -> dict[str, Any]:
        """The method's options, by name; None for those of `OPTIONS` that it does not take."""
        return {name: getattr(self, name) for name in OPTIONS} | dict(self.own or {})

    def facts(self) -> dict[str, object]:
        """All that it says, by name, a method's own options beside those of all experiments: a row of a frame."""
        return {name: getattr(self, name) for name in NAMES} | dict(self.own or {})

    def said(self) -> dict[str, object]:
        """As `facts`, with what is usual in the place of None: what a person is shown."""
        return {name: USUAL.get(name) if value is None else value for name, value in self.facts().items()}

    def without_seed(self) -> Experiment:
        """What experiments that differ in their seed alone have in common."""
        return replace(self, seed=0, class_order=None if self.class_order == "random" else self.class_order)

    def as_stored(self) -> dict[str, object]:
        """The description as records and checkpoints hold it, under the names that fields have there."""
        described = {STORED_AS.get(name, name): getattr(self, name) for name in NAMES}
        return described | ({"own": dict(self.own)} if self.own else {})

    @classmethod
    def from_stored(cls, described: Mapping[str, Any]) -> Experiment:
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


_DECLARED = [f for f in fields(Experiment) if "option" in f.metadata]
#: Its fields by name, but for ``own``.
NAMES = tuple(f.name for f in _DECLARED)
#: What each of them is declared to be.
DECLARED: dict[str, Option] = {f.name: f.metadata["option"] for f in _DECLARED}
#: What None stands for, where there is a word for it.
USUAL: dict[str, str] = {f.name: f.metadata["usual"] for f in _DECLARED if f.metadata.get("usual")}
#: The names under which fields are stored, where they have been renamed since.
STORED_AS: dict[str, str] = {f.name: f.metadata["stored_as"] for f in _DECLARED if f.metadata.get("stored_as")}
#: The fields that methods take as options.
OPTIONS = tuple(f.name for f in _DECLARED if f.metadata.get("by_method"))
#: What can be chosen in the place of the protocol's and the method's values.
CHOSEN = tuple(
    f.name for f in _DECLARED
    if f.name not in ("protocol", "scenario", "method", "seed") and not f.metadata.get("derived")
)  # fmt: skip


def experiment(
    protocol_name: str, scenario: str | None = None, method_name: str = "none", seed: int = 0, **chosen: object
) -> Experiment:
    """The description of a run: the protocol's and the method's values, and whatever is given here in their place.

    ``backbone`` is one of `replaylib.lab.protocols.BACKBONES`. Where the protocol has an encoder, methods that replay
    features and ablations of brain-inspired replay have it frozen by default, and others as the protocol says; an
    encoder given is frozen, but for methods that replay pixels and are no such ablation.

    Parameters
    ----------
    chosen : fields of `Experiment` and the method's own options, by name; None leaves the value as it is.

    Raises
    ------
    InputError : an unknown name, a scenario or an option that the method does not take, or what `Experiment` refuses.
    """
    p, m = protocol(protocol_name), method(method_name)
    given = {name: value for name, value in chosen.items() if value is not None}
    own = {name: given.pop(name) for name in m.takes if name not in DECLARED and name in given}
    scenario = p.scenario if scenario is None else scenario
    if strange := [name for name in given if name not in CHOSEN]:
        m.check(scenario, dict.fromkeys([name for name in strange if takers_of(name)], ""))
        raise unknown("option", strange[0], [*CHOSEN, *m.takes])
    options = {name: m.setting(name, p.name, scenario) for name in m.takes} | own
    options = {name: value for name, value in options.items() if value is not None}
    described: dict[str, Any] = {
        "dataset": p.dataset, "tasks": p.tasks, "hidden": p.hidden, "lr": p.lr, "batch": p.batch,
        "iterations": p.iterations, "protocol": p.name, "scenario": scenario, "method": m.name, "seed": seed,
        **{name: value for name, value in options.items() if name in DECLARED},
        **given,
        "own": {name: value for name, value in options.items() if name not in DECLARED},
    }  # fmt: skip
    described.setdefault("class_order", p.order if given.get("stream", p.kind) != "permuted" else None)
    described["data_digest"] = contents.of_data(described["dataset"])
    if described["dataset"] == "glyphs":
        described.setdefault("clutter", 0.0)
    described["backbone"] = backbone = _backbone(given, p.name, m.name)
    if backbone != "none":
        described.setdefault("encoder", p.encoder)
        described["encoder_digest"] = contents.of_encoder(described["encoder"])
    if described.get("replayed") == described["batch"]:
        del described["replayed"]
    return Experiment(**described)


def _backbone(given: Mapping[str, Any], protocol_name: str, method_name: str) -> Any:
    """What is done with the encoder, where there is one."""
    p, m, encoder = protocol(protocol_name), method(method_name), given.get("encoder")
    chosen = given.get("backbone")
    if chosen is not None and not isinstance(chosen, str):
        return chosen  # which `Experiment` refuses
    if chosen is None:
        if encoder is not None:
            return "tuned" if m.level == "pixels" and not m.ablation else "frozen"
        if p.encoder is None:
            return "none"
        return "frozen" if m.level == "features" or (m.ablation and p.backbone != "none") else p.backbone
    if chosen == "none" and encoder is not None:
        raise InputError(f"backbone none has no encoder, and {encoder} was given: leave one of them out")
    if chosen != "none" and chosen in BACKBONES and encoder is None and p.encoder is None:
        raise InputError(f"{p.name} has no encoder of its own: name one, or leave the backbone out")
    return chosen


def _with_chosen(function: Any) -> None:
    """Say in the signature and the documentation what can be chosen, from the declarations."""
    own = inspect.signature(function)
    before = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in CHOSEN]
    function.__signature__ = own.replace(parameters=[*before, *named, *list(own.parameters.values())[len(before) :]])
    listed = "\n".join(f"    {name} : {DECLARED[name].help}." for name in CHOSEN)
    function.__doc__ = function.__doc__.replace("    chosen : fields", f"{listed}\n    chosen : fields")


_with_chosen(experiment)
