"""What a modification does: the right pairs are compared, seed by seed, and costs are counted, not guessed."""

import dataclasses
import math

import pandas as pd
import pytest
import torch

from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import compare, frames
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.runs import assemble
from replaylib.scenarios import Batch, split_stream


def frame(**accuracies):
    rows = [
        {"protocol": "split-digits", "scenario": "class", "method": method, "seed": seed, "acc": acc}
        for method, runs in accuracies.items()
        for seed, acc in enumerate(runs)
        if acc is not None
    ]
    return pd.DataFrame(rows)


def test_pairs_differ_in_the_switch_alone_and_are_compared_seed_by_seed():
    runs = {"bi-r": [90.0, 80.0], "bi-r-no-gating": [88.0, 79.0], "gr": [40.0, 60.0, 10.0], "gr+gating": [50.0, 80.0]}
    others = {"gr-distill": [1.0, 2.0], "none": [20.0, 20.0], "bi-r-si": [0.0, 0.0], "gr+feedback": [3.0, 4.0]}
    table = compare.of_switch(frame(**runs, **others), "gating")
    assert list(zip(table["without"], table["with"], strict=True)) == [("gr", "gr+gating"), ("bi-r-no-gating", "bi-r")]
    assert list(table["gains"]) == [(10.0, 20.0), (2.0, 1.0)]
    assert list(table["gain"]) == [15.0, 1.5]
    assert table["sem"][0] == pytest.approx(5.0)
    assert list(table["seeds"]) == [2, 2]
    # Of the three runs of gr, those count that have a partner.
    assert table["acc_without"][0] == 50.0
    words = compare.in_words(table)
    assert "| gr | gr+gating | 50.0 | 65.0 | +15.0 ± 5.0 | 2 |" in words


def test_a_combination_that_has_no_name_of_its_own_is_compared_too():
    table = compare.of_switch(frame(**{"gr+feedback+gating": [5.0], "gr+gating": [3.0]}), "feedback")
    assert list(table["gain"]) == [2.0]
    assert math.isnan(table["sem"][0])
    assert "| +2.0 | 1 |" in compare.in_words(table)


def test_no_pair_no_row():
    table = compare.of_switch(frame(gr=[1.0], none=[2.0]), "gating")
    assert table.empty
    assert "gain" in table
    assert compare.in_words(table) == ""
    # Nor is there one where the two have no seed in common.
    assert compare.of_switch(frame(gr=[1.0], **{"gr+gating": [None, 2.0]}), "gating").empty


def test_what_cannot_be_compared_is_refused():
    both = frame(gr=[1.0], **{"gr+gating": [2.0]})
    with pytest.raises(InputError, match="unknown modification 'gate'"):
        compare.of_switch(both, "gate")
    with pytest.raises(InputError, match="2 protocols or scenarios"):
        compare.of_switch(pd.concat([both, both.assign(scenario="task")]), "gating")
    with pytest.raises(InputError, match="two runs with one seed"):
        compare.of_switch(pd.concat([both, both]), "gating")


def test_a_mean_is_written_with_its_spread_where_there_is_one():
    assert compare.mean_sem(torch.tensor([1.0, 2.0, 3.0]), 1) == "2.0\u00a0±\u00a00.6"
    assert compare.mean_sem([5.0]) == "5.00"
    assert compare.mean_sem([]) == ""


def test_the_share_of_the_gap_is_that_of_each_seed():
    runs = frame(none=[20.0, 10.0, 0.0], joint=[70.0, 90.0, 90.0], gr=[45.0, 90.0], exact=[99.0])
    assert compare.share_of_gap(runs, "gr").to_dict() == {0: 50.0, 1: 100.0}
    assert compare.share_of_gap(runs, "joint").tolist() == [100.0, 100.0, 100.0]
    with pytest.raises(InputError, match="bi-r, none, joint have no seed in common"):
        compare.share_of_gap(runs, "bi-r")
    with pytest.raises(InputError, match="two runs with one seed"):
        compare.share_of_gap(pd.concat([runs, runs]), "gr")
    runs["backbone"] = ["tuned" if name == "gr" else None for name in runs["method"]]
    with pytest.raises(InputError, match="gr, none, joint differ in their backbone"):
        compare.share_of_gap(runs, "gr")
    assert compare.share_of_gap(runs[runs["method"] != "gr"], "joint").tolist() == [100.0, 100.0, 100.0]


def test_a_method_knows_its_modifications():
    assert str(METHODS["rtf"].brain) == "feedback+distill"
    assert str(METHODS["gr"].brain) == ""
    assert METHODS["bi-r-si"].brain is METHODS["none"].brain is None


def test_costs_are_those_of_the_networks_that_are_trained():
    data = load_dataset("digits")
    shared = {"hidden": (30, 20), "batch": 8, "noise_dim": 5}
    plain, fed, gated = (
        experiment("split-digits", "class", name, **shared) for name in ("gr", "gr+feedback", "gr+gating")
    )
    table = compare.costs([plain, fed, gated], data, steps=1, repeats=1)
    encoder = 64 * 30 + 30 + 30 * 20 + 20
    posterior, decoder = 2 * (20 * 5 + 5), 5 * 20 + 20 + 20 * 30 + 30 + 30 * 64 + 64
    assert list(table.index) == ["gr", "gr+feedback", "gr+gating"]
    assert table["parameters"]["gr"] == 2 * encoder + 20 * 10 + 10 + posterior + decoder
    assert table["parameters"]["gr"] - table["parameters"]["gr+feedback"] == encoder
    assert table["parameters"]["gr+gating"] == table["parameters"]["gr"]
    # Gates are not learned, but kept: one number for each class and hidden unit of the decoder.
    assert table["bytes"]["gr+gating"] - table["bytes"]["gr"] == 4 * 10 * (20 + 30)
    assert table["time"]["gr"] == 1
    assert (table["time"] > 0).all()
    with pytest.raises(InputError, match="0 repeats"):
        compare.costs([plain], data, repeats=0)


def test_dreams_are_some_of_every_class_and_the_same_for_the_same_noise():
    data = load_dataset("digits")
    stream, (net, *_), _ = assemble(experiment("split-digits", "class", "gr+conditional", hidden=(30, 20)), data)
    dreams = compare.imagine(net, stream, 3, torch.Generator().manual_seed(0))
    assert dreams.x.shape == (30, 1, 8, 8)
    assert dreams.y.bincount().tolist() == [3] * 10
    assert dreams.task.tolist() == (dreams.y // 2).tolist()
    again = compare.imagine(net, stream, 3, torch.Generator().manual_seed(0))
    assert torch.equal(dreams.x, again.x)
    domain = split_stream(data, "domain", 5)
    with pytest.raises(InputError, match="every class is in every task"):
        compare.imagine(net, domain, 3, torch.Generator())


def test_a_judge_and_a_dreamer_with_other_orders_of_classes_speak_of_the_same_labels():
    data = load_dataset("digits")
    own, other = split_stream(data, "class", 5, seed=0), split_stream(data, "class", 5, seed=3)
    # Whatever it is asked for, this network draws its first class, and the judge knows.
    label = int(other.classes.flatten()[0])
    unit = (own.classes.flatten() == label).nonzero().item()
    y = torch.arange(10).repeat_interleave(2)
    always = torch.nn.functional.one_hot(torch.full((20,), unit), 10).float()
    table = compare.judged(lambda x: always, own, Batch(torch.zeros(20, 1, 8, 8), y, y // 2), other)
    assert table[:, label].tolist() == [100.0] * 10
    assert table.sum() == 1000
    # And one who tells the classes apart finds each where it was asked for.
    asked = other.classes.flatten()[y]
    units = torch.stack([(own.classes.flatten() == one).nonzero()[0, 0] for one in asked])
    told = torch.nn.functional.one_hot(units, 10).float()
    table = compare.judged(lambda x: told, own, Batch(torch.zeros(20, 1, 8, 8), y, y // 2), other)
    assert torch.equal(table, 100 * torch.eye(10, dtype=torch.float64))


def test_of_stored_runs_those_at_the_methods_own_values_are_compared():
    table = compare.stored("split-mnist", "feedback")
    published = frames.published().query("protocol == 'split-mnist' and scenario == 'class' and method == 'rtf'")
    row = table.query("scenario == 'class' and without == 'gr-distill'").iloc[0]
    assert row["with"] == "rtf"
    assert row["acc_with"] == pytest.approx(published.query("seed < @row.seeds")["acc"].mean())
    assert f"| class | gr-distill | rtf | {row['acc_without']:.1f} |" in compare.in_words(table)
    assert compare.stored("split-digits", "distill").empty


def test_a_runs_options_are_its_methods_own_or_not():
    described = [
        experiment("split-digits", "class", "none"), experiment("split-digits", "class", "si"),
        experiment("split-digits", "class", "si", strength=7.0), experiment("split-digits", "task", "si", strength=0.1),
        experiment("split-digits", "class", "exact", per_class=3),
        experiment("split-digits", "class", "exact", policy="reservoir"), experiment("split-digits", "class", "bi-r"),
        experiment("split-digits", "class", "bi-r", noise_dim=7),
    ]  # fmt: skip
    runs = pd.DataFrame([dataclasses.asdict(one) for one in described], index=range(5, 13))
    own = compare.own_options(runs)
    assert own.tolist() == [True, True, False, False, False, False, True, False]
    assert list(own.index) == list(runs.index)


def test_accuracies_stand_by_method_and_scale_the_shortest_first():
    def ran(name, seed, acc, steps=300, units=(400, 400), **options):
        one = experiment("split-cifar100", "class", name, seed, iterations=steps, hidden=units, **options)
        return {**dataclasses.asdict(one), "acc": acc}

    runs = pd.DataFrame(
        [
            ran("joint", 0, 30.0, 5000, (2000, 2000), backbone="frozen"), ran("joint", 0, 20.0, backbone="frozen"),
            ran("joint", 1, 22.0, backbone="frozen"), ran("gr", 0, 7.0), ran("bi-r", 0, 9.0),
            ran("bi-r-si", 0, 8.0, strength=10.0), ran("none", 0, 6.0),
        ]
    )  # fmt: skip
    table = compare.at_scales(runs, ["bi-r-si", "bi-r", "gr", "joint"])
    assert list(table.columns) == ["300 steps, 400-400 units", "5,000 steps, 2000-2000 units"]
    assert table.index.tolist() == ["bi-r", "gr, tuned", "joint"]
    assert table.loc["joint"].tolist() == ["21.0\u00a0±\u00a01.0 (2)", "30.0 (1)"]
    assert table.loc["gr, tuned"].tolist() == ["7.0 (1)", ""]
