"""Descriptions of experiments: stable ids, and nothing described that cannot be run."""

import dataclasses
import json
import math
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replaylib.errors import InputError
from replaylib.lab.experiments import CHOSEN, NAMES, Experiment, experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.options import seeds_of
from replaylib.lab.protocols import PROTOCOLS


def test_ids_are_stable_across_versions_of_the_library():
    # Written down once: records that exist must keep their ids. A change here orphans every stored run.
    assert experiment("split-mnist", "class", "none").id == "0607484d7efb"
    assert experiment("split-mnist", "class", "exact", 2, per_class=10, policy="reservoir").id == "51fc95dd870a"


def test_equal_descriptions_have_one_id_whatever_type_their_numbers_have():
    for option in ({"gate_prop": 0}, {"strength": 1}):
        (name, value), *_ = option.items()
        description = experiment("split-digits", "class", "bi-r-si", **{name: value})
        assert description.id == experiment("split-digits", "class", "bi-r-si", **{name: float(value)}).id
    numpy = experiment("split-digits", "class", "exact", np.int64(3), hidden=(np.int64(50),), per_class=np.int64(7))
    assert numpy.id == experiment("split-digits", "class", "exact", 3, hidden=(50,), per_class=7).id


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": 100}, "hidden is 100: expected whole numbers, each from 1 to 10000, e.g. 400,400"),
        ({"hidden": "400"}, "hidden is '400': expected whole numbers"),
        ({"hidden": (50.5,)}, "hidden is 50.5: expected whole numbers, each from 1"),
        ({"iterations": 2.5}, "iterations is 2.5: expected a whole number"),
        ({"batch": True}, "batch is True: expected a whole number"),
        ({"lr": "0.1"}, "lr is '0.1': expected a number"),
    ],
)
def test_values_of_another_type_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        experiment("split-digits", "class", "none", **changes)


def test_every_field_counts_for_the_id_and_none_does_not():
    base = experiment("split-digits", "class", "exact")
    changes = {
        "protocol": "split-mnist", "scenario": "task", "method": "none", "dataset": "mnist", "seed": 1, "tasks": 2,
        "hidden": (100,), "lr": 0.1, "batch": 7, "iterations": 7, "per_class": 7, "policy": "reservoir",
    }  # fmt: skip
    others = {"strength": 0.5, "gate_prop": 0.5, "noise_dim": 7, "precision": "bfloat16", "replayed": 3}
    seen = {"clutter": 0.5, "encoder": "mine", "backbone": "tuned"}
    later = {"stream", "optimizer", "class_order", "validation", "data_digest", "encoder_digest", "image_size"}
    assert set(changes) | set(others) | set(seen) | {"samples"} | later == set(NAMES)
    tested = experiment("split-digits", "class", "generative-classifier")
    assert dataclasses.replace(tested, samples=7).id != tested.id
    facts = {
        "stream": "uneven", "optimizer": "sgd", "class_order": "random", "validation": 0.1, "data_digest": "a",
        "encoder_digest": "a", "image_size": 14,
    }  # fmt: skip
    assert facts.keys() == later
    ids = {dataclasses.replace(base, **{name: value}).id for name, value in facts.items()}
    assert len(ids | {base.id}) == 1 + len(facts)
    ids = {base.id}
    for name, value in changes.items():
        options = {"per_class": None, "policy": None} if name == "method" else {}
        ids.add(dataclasses.replace(base, **{name: value}, **options).id)
    assert len(ids) == 1 + len(changes)
    gated = experiment("split-digits", "class", "bi-r-si")
    other = [dataclasses.replace(gated, **{name: value}).id for name, value in others.items()]
    assert len({gated.id, *other}) == 1 + len(others)
    glyphs = experiment("split-glyphs", "class", "exact", backbone="frozen")
    other = [dataclasses.replace(glyphs, **{name: value}).id for name, value in seen.items()]
    assert len({glyphs.id, *other}) == 4
    assert experiment("split-digits", "class", "bi-r-si", precision="float32") == gated
    assert experiment("split-digits", "class", "exact", per_class=100, policy="balanced") == base


@settings(deadline=None)  # the first of a protocol reads its data
@given(
    name=st.sampled_from(sorted(PROTOCOLS)),
    served=st.sampled_from([(m.name, scenario) for m in METHODS.values() for scenario in m.scenarios]),
    seed=st.integers(0, 2**31 - 1),
    lr=st.floats(1e-12, 1),
)
def test_a_description_survives_json(name, served, seed, lr):
    method, scenario = served
    e = experiment(name, scenario, method, seed, lr=lr)
    assert Experiment.from_stored(json.loads(json.dumps(e.as_stored()))) == e
    assert Experiment.from_stored(json.loads(json.dumps(e.as_stored()))).id == e.id


@pytest.mark.parametrize(
    ("e", "earlier"),
    [
        (experiment("split-digits", "class", "exact", per_class=7), {"budget": 7, "front_end": None, "latent": None}),
        (experiment("split-glyphs", "class", "gr", backbone="tuned", noise_dim=5), {"latent": 5, "front_end": "tuned"}),
    ],
)
def test_fields_renamed_since_are_stored_under_their_earlier_names(e, earlier):
    assert earlier.items() <= e.as_stored().items()
    today = dataclasses.asdict(e)
    assert not today.keys() & {"budget", "latent", "front_end"}
    assert Experiment.from_stored(today) == e


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": -1}, "seed is -1: expected a whole number from 0"),
        ({"tasks": 1}, "tasks is 1"),
        ({"batch": 0}, "batch is 0"),
        ({"iterations": -5}, "iterations is -5"),
        ({"lr": 0.0}, "expected a number above 0 and at most 1"),
        ({"lr": math.nan}, "expected a number above 0 and at most 1"),
        ({"lr": 7.0}, "expected a number above 0 and at most 1"),
        ({"hidden": ()}, "hidden is empty: expected whole numbers"),
        ({"hidden": (100, 0)}, "hidden is 0"),
        ({"hidden": (10**9,)}, "hidden is 1000000000"),
        ({"per_class": 5}, "method none has no per_class: leave it out, or use exact"),
        ({"policy": "reservoir"}, "method none has no policy"),
        ({"strength": 1.0}, "method none has no strength: leave it out, or use ewc, online-ewc, si"),
        ({"method_name": "si", "strength": 0.0}, "strength is 0: expected a number above 0 and finite"),
        ({"method_name": "si", "strength": math.inf}, "strength is inf"),
        ({"method_name": "bi-r", "gate_prop": 1.0}, "gate_prop is 1: expected a number from 0 and below 1"),
        ({"method_name": "bi-r", "gate_prop": math.nan}, "gate_prop is nan"),
        ({"method_name": "gr", "gate_prop": 0.5}, "method gr has no gate_prop"),
        ({"method_name": "gr", "noise_dim": 0}, "noise_dim is 0"),
        ({"precision": "float16"}, "unknown precision 'float16'. Did you mean bfloat16"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        experiment("split-digits", "class", **{"method_name": "none"} | changes)


@pytest.mark.parametrize(
    ("protocol", "method", "given", "expected"),
    [
        ("split-mnist", "bi-r", {}, (None, None, None)),
        ("split-mnist", "bi-r", {"encoder": "mine"}, (None, "mine", "frozen")),
        ("split-glyphs", "gr", {}, (0.0, None, None)),
        ("split-glyphs", "joint", {"clutter": 0.5}, (0.5, None, None)),
        ("split-glyphs", "joint", {"clutter": 0.5, "backbone": "frozen"}, (0.5, "glyphs", "frozen")),
        ("split-glyphs", "bi-r", {"clutter": 1.0}, (1.0, "glyphs", "frozen")),
        ("split-glyphs", "bi-r", {"backbone": "none"}, (0.0, None, None)),
        ("split-glyphs", "bi-r", {"dataset": "cifar10"}, (None, "glyphs", "frozen")),
        ("split-glyphs", "gr", {"encoder": "mine"}, (0.0, "mine", "tuned")),
        ("split-cifar100", "none", {}, (None, "cifar10-jpeg-e100", "tuned")),
        ("split-cifar100", "gr", {}, (None, "cifar10-jpeg-e100", "tuned")),
        ("split-cifar100", "gr+internal", {}, (None, "cifar10-jpeg-e100", "frozen")),
        ("split-cifar100", "joint", {"backbone": "frozen"}, (None, "cifar10-jpeg-e100", "frozen")),
        ("split-cifar100", "gr+gating", {}, (None, "cifar10-jpeg-e100", "tuned")),
        ("split-cifar100", "bi-r-no-internal", {}, (None, "cifar10-jpeg-e100", "frozen")),
        ("split-glyphs", "bi-r-no-internal", {}, (0.0, None, None)),
        ("split-cifar100", "joint", {"backbone": "none"}, (None, None, None)),
        ("split-tiny-imagenet", "bi-r-si", {}, (None, "cifar10-jpeg", "frozen")),
    ],
)
def test_what_is_done_with_an_encoder_is_said_and_has_the_published_default(protocol, method, given, expected):
    e = experiment(protocol, "class", method, **given)
    assert (e.clutter, e.encoder, e.backbone) == expected


@pytest.mark.parametrize(
    ("protocol", "method", "given", "says"),
    [
        ("split-mnist", "none", {"clutter": 0.5}, "mnist has no clutter"),
        ("split-glyphs", "none", {"clutter": 1.5}, "clutter is 1.5: expected a number from 0 to 1"),
        ("split-glyphs", "none", {"clutter": math.nan}, "clutter is nan"),
        ("split-glyphs", "none", {"backbone": "melted"}, "unknown backbone 'melted'"),
        ("split-mnist", "none", {"backbone": "frozen"}, "split-mnist has no encoder of its own"),
        ("split-mnist", "none", {"backbone": "none", "encoder": "mine"}, "backbone none has no encoder"),
        ("split-glyphs", "bi-r", {"backbone": "tuned"}, "bi-r learns the features of an encoder that does not"),
        ("split-glyphs", "generative-classifier", {"backbone": "tuned"}, "make it frozen"),
    ],
)
def test_what_cannot_be_done_with_an_encoder_is_refused(protocol, method, given, says):
    with pytest.raises(InputError, match=says):
        experiment(protocol, "class", method, **given)


def test_an_encoder_and_what_is_done_with_it_go_together():
    with pytest.raises(InputError, match="encoder and backbone go together"):
        dataclasses.replace(experiment("split-mnist"), encoder="mine")


def test_a_description_without_its_methods_options_is_refused():
    with pytest.raises(InputError, match="method si needs strength"):
        dataclasses.replace(experiment("split-digits", "class", "none"), method="si")


def test_unknown_names_bring_the_nearest():
    for arguments, near in (
        (("split-minst",), "split-mnist"),
        (("split-digits", "clss"), "class"),
        (("split-digits", "class", "exat"), "exact"),
    ):
        with pytest.raises(InputError, match=f"Did you mean {near}"):
            experiment(*arguments)


def test_what_replays_nothing_has_no_number_of_replayed_samples():
    with pytest.raises(InputError, match="method ewc replays nothing: leave replayed out"):
        experiment("split-digits", "class", "ewc", replayed=4)
    with pytest.raises(InputError, match="replayed is 0: expected a whole number from 1"):
        experiment("split-digits", "class", "gr", replayed=0)
    assert experiment("split-digits", "class", "gr", replayed=64) == experiment("split-digits", "class", "gr")
    assert experiment("split-digits", "class", "gr", replayed=64, batch=8).replayed == 64


#: Descriptions that are tried: REPLAYLIB_EXAMPLES=10000 tries the many that a release should have seen.
EXAMPLES = int(os.environ.get("REPLAYLIB_EXAMPLES", "100"))
DRAWN = st.one_of(
    st.none(), st.integers(-2, 2**32), st.floats(allow_nan=True), st.booleans(), st.text(max_size=4),
    st.sampled_from(["task", "random", "sgd", "uneven", "tuned", "bfloat16", "balanced", "digits"]),
    st.lists(st.integers(-1, 20_000), max_size=3),
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(
    name=st.sampled_from([name for name in PROTOCOLS if name != "split-tiny-imagenet"]),
    method=st.sampled_from([*METHODS, "exact+ewc", "bi-r+si", "lwf+si"]),
    scenario=st.sampled_from(["task", "domain", "class"]),
    seed=st.integers(0, 5),
    chosen=st.dictionaries(st.sampled_from(CHOSEN), DRAWN, max_size=3),
)
def test_what_is_accepted_comes_back_with_its_id_and_what_is_refused_is_named(name, method, scenario, seed, chosen):
    refused = ""
    try:
        described = experiment(name, scenario, method, seed, **chosen)
    except InputError as error:
        refused = str(error)
    if refused:
        words = {*chosen, *(field.replace("_", " ") for field in chosen), "scenario"}
        assert any(word in refused for word in words), (chosen, refused)
        return
    back = Experiment.from_stored(json.loads(json.dumps(described.as_stored())))
    assert back == described
    assert back.id == described.id


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("3-5", (3, 4, 5)), ("7,9,1-2", (7, 9, 1, 2))])
def test_seeds_are_a_number_a_range_or_a_list(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "", "5-3", "a", "1-2000", "1,,2"])
def test_other_seeds_are_refused(text):
    with pytest.raises(InputError, match="seed"):
        seeds_of(text)


def test_seed_0_has_a_random_order_where_labels_are_sorted_by_meaning():
    assert experiment("split-cifar100").class_order == "random"
    assert experiment("split-cifar100", class_order="labels").class_order is None
    assert experiment("split-cifar100", seed=1).class_order is experiment("split-mnist").class_order is None
    assert len({experiment("split-cifar100", seed=seed).without_seed() for seed in range(3)}) == 1


def test_an_option_of_another_method_is_told_apart_from_one_that_no_method_has():
    with pytest.raises(InputError, match="method bi-r has no changed: leave it out, or use bi-r-changed"):
        experiment("split-digits", "class", "bi-r", changed="real")
    with pytest.raises(InputError, match="unknown option 'chnged'"):
        experiment("split-digits", "class", "bi-r", chnged="real")
