"""The table of methods."""

import dataclasses
import itertools

import pytest
import torch

from replaylib.brain import Brain
from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError
from replaylib.lab.extra.changed import ChangedReplay
from replaylib.lab.extra.der import AnswerBuffer
from replaylib.lab.extra.diffusion import DiffusionReplay
from replaylib.lab.extra.lwf import Weighed
from replaylib.lab.extra.nearest_mean import Exemplars
from replaylib.lab.extra.real import RealReplay
from replaylib.lab.extra.share import Share
from replaylib.lab.extra.slda import GaussianReplay
from replaylib.lab.extra.translated import TranslatedReplay
from replaylib.lab.hyperparameters import SETTINGS
from replaylib.lab.methods import METHODS, Method, Parts, Plan, method
from replaylib.lab.protocols import PROTOCOLS
from replaylib.penalties import EWC, SI
from replaylib.replay import Buffer, CurrentTask, Everything, Generated, Nothing
from replaylib.scenarios import SCENARIOS, Stream, split_stream
from tests.helpers import ON_IMAGES, tiny


def parts(name: str, stream: Stream) -> Parts:
    start, drawing = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    m = method(name)
    return m.make(Plan(stream, (4,), start, drawing), **m.settle(stream.scenario, {}))


def test_a_method_makes_its_source_of_replay():
    task, by_class = (split_stream(tiny(), scenario, 3) for scenario in ("task", "class"))
    assemblies = {name: parts(name, task if "task" in method(name).scenarios else by_class) for name in ON_IMAGES}
    sources = {
        "none": Nothing, "exact": Buffer, "joint": Everything, "nearest-mean": Exemplars, "lwf": CurrentTask,
        "lwf-equal": Weighed, "lwf-sum": Weighed, "ewc": Nothing, "online-ewc": Nothing, "si": Nothing,
        "xdg": Nothing, "generative-classifier": Nothing, "der++": AnswerBuffer, "slda-replay": GaussianReplay,
        "diffusion-replay": DiffusionReplay, "real-replay": RealReplay, "translated-replay": TranslatedReplay,
        "bi-r-changed": ChangedReplay, "replay-share": Share,
    }  # fmt: skip
    assert {name: type(assemblies[name].replay) for name in assemblies} == {
        name: sources.get(name, Generated) for name in assemblies
    }
    penalties = {"ewc": EWC, "online-ewc": EWC, "si": SI, "bi-r-si": SI}
    assert {name: type(assemblies[name].penalty) for name in assemblies} == {
        name: penalties.get(name, type(None)) for name in assemblies
    }
    assert (assemblies["exact"].replay.per_class, assemblies["exact"].replay.policy) == (100, "balanced")
    weighings = {"lwf-equal": "equal", "lwf-sum": "sum"}
    assert {name: assemblies[name].replay.weighing for name in weighings} == weighings
    assert (assemblies["ewc"].penalty.online, assemblies["online-ewc"].penalty.online) == (False, True)


def test_the_named_combinations_are_what_their_names_say():
    stream = split_stream(tiny(), "class", 3)
    switches = {name: str(parts(name, stream).net.brain) for name in METHODS if name.startswith(("gr", "rtf", "bi-r"))}
    everything = "feedback+conditional+gating+internal+distill"
    assert switches == {
        "gr": "", "gr-distill": "distill", "rtf": "feedback+distill", "bi-r": everything, "bi-r-si": everything,
        "bi-r-changed": everything,
        "gr+feedback": "feedback", "gr+conditional": "conditional", "gr+gating": "gating", "gr+internal": "internal",
        "bi-r-no-feedback": "conditional+gating+internal+distill",
        "bi-r-no-conditional": "feedback+gating+internal+distill",
        "bi-r-no-gating": "feedback+conditional+internal+distill",
        "bi-r-no-internal": "feedback+conditional+gating+distill",
        "bi-r-no-distill": "feedback+conditional+gating+internal",
    }  # fmt: skip


def test_any_other_combination_has_one_name():
    assembly = parts("gr+feedback+gating", split_stream(tiny(), "class", 3))
    assert assembly.net.brain == Brain(feedback=True, gating=True)
    with pytest.raises(InputError, match=r"as gr\+feedback\+gating: one name for one combination"):
        method("gr+gating+feedback")
    with pytest.raises(InputError, match="Did you mean gating"):
        method("gr+gatting")
    for other, known in (("gr+", "gr"), ("gr+distill", "gr-distill"), ("gr+feedback+distill", "rtf")):
        with pytest.raises(InputError, match=f"as {known}: one name"):
            method(other)
    # Under the other name the ablation would run without its published fraction of gated units.
    with pytest.raises(InputError, match="as bi-r-no-distill: one name"):
        method("gr+feedback+conditional+gating+internal")


def test_published_hyper_parameters_come_with_the_protocol_and_its_stand_in():
    settled = lambda name, protocol, scenario: method(name).settle(scenario, {}, protocol)  # noqa: E731
    assert settled("ewc", "split-mnist", "task") == {"strength": 1e9}
    assert settled("ewc", "split-mnist", "class") == {"strength": 1e5}
    assert settled("si", "split-mnist", "task") == settled("si", "split-digits", "task") == {"strength": 10.0}
    assert settled("si", "split-mnist", "class") == {"strength": 0.1}
    for name, split_mnist, permuted, cifar in (("ewc", 1e10, 1.0, 1000.0), ("si", 5e4, 10.0, 500.0)):
        assert settled(name, "split-mnist", "domain") == {"strength": split_mnist}
        assert settled(name, "permuted-mnist", "domain") == {"strength": permuted}
        assert settled(name, "split-cifar100", "domain") == {"strength": cifar}
    assert settled("xdg", "split-mnist", "task") == {"gate_prop": 0.9}
    assert settled("bi-r", "split-mnist", "class") == {"noise_dim": 100, "gate_prop": 0.8}
    assert settled("bi-r-si", "permuted-mnist", "domain") == {"noise_dim": 100, "gate_prop": 0.8, "strength": 1.0}
    assert settled("gr", "split-mnist", "class") == {"noise_dim": 100}


def test_settings_of_split_cifar100_are_the_published_ones_and_tiny_imagenet_takes_them():
    published = {
        ("ewc", "strength"): (1.0, 1000.0), ("online-ewc", "strength"): (1.0, 1000.0), ("si", "strength"): (1.0, 100.0),
        ("bi-r-si", "strength"): (1e8, 1e8), ("bi-r-si", "gate_prop"): (0.6, 0.6), ("bi-r", "gate_prop"): (0.7, 0.0),
        ("bi-r-no-distill", "gate_prop"): (0.8, 0.0), ("bi-r-no-feedback", "gate_prop"): (0.7, 0.3),
        ("bi-r-no-conditional", "gate_prop"): (0.6, 0.0), ("bi-r-no-internal", "gate_prop"): (0.9, 0.8),
        ("gr+gating", "gate_prop"): (0.7, 0.1),
    }  # fmt: skip
    for name in ("split-cifar100", "split-tiny-imagenet", "split-glyphs"):
        for (m, option), values in published.items():
            for scenario, value in zip(("class", "task"), values, strict=True):
                assert method(m).settle(scenario, {}, name)[option] == value, (m, option, scenario)
        assert method("xdg").settle("task", {}, name) == {"gate_prop": 0.7}


def test_the_generative_classifier_is_the_published_one_but_where_runs_are_quick():
    settled = lambda protocol: method("generative-classifier").settle("class", {}, protocol)  # noqa: E731
    assert settled("split-cifar100") == settled("split-tiny-imagenet") == {"noise_dim": 20, "samples": 10_000}
    assert settled("split-mnist") == {"noise_dim": 5, "samples": 10_000}
    assert settled("split-digits") == settled("split-glyphs") == {"noise_dim": 5}
    assert method("generative-classifier").settle("class", {"samples": 7}, "split-glyphs")["samples"] == 7

    def units(hidden: tuple[int, ...], stream: Stream, **options: int) -> tuple[tuple[int, ...], int]:
        start, drawing = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
        assembly = method("generative-classifier").make(Plan(stream, hidden, start, drawing), noise_dim=5, **options)
        return assembly.net.models[0].encoder.units, len(assembly.net.test_noise)

    images = tiny()
    flat = Split(*(Dataset("f", p.images.flatten(1).float(), p.labels, p.classes, image_units=99) for p in images))
    features, pixels = split_stream(flat, "class", 3), split_stream(images, "class", 3)
    assert units((2000, 2000), features, samples=30) == ((85,), 30)
    assert units((400, 400), pixels) == ((80, 80), 16)
    assert units((100, 100), pixels) == ((20, 20), 16)


def test_settings_of_permuted_mnist_are_the_published_ones():
    published = {
        "bi-r": 0.8, "bi-r-si": 0.8, "bi-r-no-feedback": 0.8, "bi-r-no-conditional": 0.0, "bi-r-no-distill": 0.6,
        "gr+gating": 0.2,
    }  # fmt: skip
    for name in ("permuted-mnist", "permuted-digits"):
        for m, gate_prop in published.items():
            assert method(m).settle("domain", {}, name)["gate_prop"] == gate_prop, m


def test_features_keep_the_number_of_pixels_that_the_variational_loss_is_divided_by():
    images = tiny()
    parts_of = lambda part: Dataset("f", part.images.flatten(1).float(), part.labels, part.classes, image_units=99)  # noqa: E731
    stream = split_stream(Split(*map(parts_of, images)), "class", 3)
    assert parts("bi-r", stream).net.pixels == 99
    # The generative classifier has the two losses in the proportion in which it is tested, as published.
    classifier = parts("generative-classifier", stream).net
    assert {model.pixels for model in classifier.models} == {images.train.images[0].numel()}
    assert parts("bi-r", split_stream(images, "class", 3)).net.pixels == images.train.images[0].numel()


def test_every_option_of_every_method_has_a_value_and_a_source_everywhere():
    for m in METHODS.values():
        for name, scenario in itertools.product(PROTOCOLS, m.scenarios):
            assert None not in m.settle(scenario, {}, name).values()
    assert all(setting.source for setting in SETTINGS)
    # No row is hidden by those before it.
    anywhere = list(itertools.product([*METHODS, "gr+feedback+gating"], [*PROTOCOLS, "another"], SCENARIOS))
    for setting in SETTINGS:
        first = (next((s for s in SETTINGS if s.fits(m, setting.option, *where)), None) for m, *where in anywhere)
        assert setting in first, setting


def test_in_the_domain_incremental_scenario_the_context_is_the_task():
    stream = split_stream(tiny(), "domain", 3)
    assert parts("bi-r", stream).net.gates.open.shape == (3, 4)
    assert parts("bi-r", split_stream(tiny(), "class", 3)).net.gates.open.shape == (6, 4)


def test_pixels_in_0_to_1_are_bernoulli_and_all_else_gaussian():
    images = tiny()
    normalised = Split(*(dataclasses.replace(part, mean=(0.5,), std=(0.2,)) for part in images))
    assert parts("gr", split_stream(images, "class", 3)).net.likelihood == "bernoulli"
    assert parts("gr", split_stream(normalised, "class", 3)).net.likelihood == "gaussian"


def test_options_are_the_defaults_unless_chosen():
    assert method("exact").settle("class", {"per_class": None, "policy": None}) == {
        "per_class": 100,
        "policy": "balanced",
    }
    assert method("exact").settle("class", {"per_class": 5}) == {"per_class": 5, "policy": "balanced"}
    assert method("none").settle("class", {"per_class": None, "policy": None}) == {"per_class": None, "policy": None}


def test_an_option_that_a_method_does_not_take_is_refused():
    with pytest.raises(InputError, match="method joint has no per_class: leave it out, or use exact"):
        method("joint").settle("class", {"per_class": 5})


def test_a_scenario_that_a_method_cannot_serve_is_refused():
    gated = Method("gated", "", "", Nothing, scenarios=("task",), why="for want of it")
    assert gated.settle("task", {}) == {}
    with pytest.raises(InputError, match="gated cannot serve the class scenario, for want of it: it serves task"):
        gated.settle("class", {})
    for name, scenario in (("xdg", "class"), ("xdg", "domain"), ("generative-classifier", "domain")):
        with pytest.raises(InputError, match=f"{name} cannot serve the {scenario} scenario, (because|where)"):
            method(name).settle(scenario, {})
    with pytest.raises(InputError, match="unknown scenario"):
        gated.settle("taks", {})


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean joint"):
        method("jiont")
