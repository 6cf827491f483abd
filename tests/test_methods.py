"""The table of methods."""

import pytest
import torch

from replaylib.errors import InputError
from replaylib.methods import METHODS, Method, method
from replaylib.replay import Buffer, Everything, Nothing
from replaylib.scenarios import split_stream
from tests.test_scenarios import tiny


def test_a_method_makes_its_source_of_replay():
    stream = split_stream(tiny(), "class", 3)
    made = {name: m.replay(stream, torch.Generator(), **dict(m.options)) for name, m in METHODS.items()}
    assert {name: type(replay) for name, replay in made.items()} == {
        "none": Nothing, "exact": Buffer, "joint": Everything,
    }  # fmt: skip
    assert (made["exact"].budget, made["exact"].policy) == (100, "balanced")


def test_options_are_the_defaults_unless_chosen():
    assert method("exact").settle("class", {"budget": None, "policy": None}) == {"budget": 100, "policy": "balanced"}
    assert method("exact").settle("class", {"budget": 5}) == {"budget": 5, "policy": "balanced"}
    assert method("none").settle("class", {"budget": None, "policy": None}) == {"budget": None, "policy": None}


def test_an_option_that_a_method_does_not_take_is_refused():
    with pytest.raises(InputError, match="method joint has no budget: leave it out, or use exact"):
        method("joint").settle("class", {"budget": 5})


def test_a_scenario_that_a_method_cannot_serve_is_refused():
    gated = Method("gated", "", "", Nothing, scenarios=("task",))
    assert gated.settle("task", {}) == {}
    with pytest.raises(InputError, match="gated cannot serve the class scenario: it serves task"):
        gated.settle("class", {})
    with pytest.raises(InputError, match="unknown scenario"):
        gated.settle("taks", {})


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean joint"):
        method("jiont")
