"""What the course quotes, and how it stands beside our own runs."""

import pandas as pd
import pytest

from replaylib.course import published
from replaylib.errors import InputError
from replaylib.lab.methods import method
from replaylib.lab.protocols import protocol


def test_every_value_is_of_a_method_that_serves_its_scenario_and_stands_once():
    kinds = [(one.protocol, one.scenario, one.year, one.method) for one in published.ACCURACIES]
    assert len(kinds) == len(set(kinds))
    for one in published.ACCURACIES:
        protocol(one.protocol)
        assert one.scenario in method(one.method).scenarios
        assert one.year in published.SOURCES
        assert 0 < one.mean < 100 and 0 < one.sem < 2  # noqa: PT018


def test_a_share_of_the_gap_lies_between_the_bounds():
    values = published.find("split-cifar100", "class", 2021)
    assert published.share_of_gap(values, "bi-r") == pytest.approx(100 * (21.51 - 7.96) / (54.08 - 7.96))
    assert published.share_of_gap(values, "joint") is None
    assert published.share_of_gap(values, "exact") is None
    with pytest.raises(InputError, match="nothing of split-digits, class-incremental, is known from 2021"):
        published.find("split-digits", "class", 2021)


def test_stored_runs_stand_beside_published_ones():
    runs = published.benchmark()
    table = published.beside(runs, (2021, 2022))
    assert table.loc["bi-r", "2021 (%)"] == "21.51\u00a0±\u00a00.25"
    assert table.loc["gr+internal", "2022 (%)"] == ""
    assert list(table.index) == list(runs.groupby("method")["acc"].mean().sort_values().index)
    assert float(table.loc["none", "here (%)"].split()[0]) == pytest.approx(
        runs[runs["method"] == "none"]["acc"].mean(), abs=0.05
    )


def test_a_published_method_without_a_run_gets_a_row_when_asked_for():
    runs = published.benchmark()
    table = published.beside(runs, (2022,), also=("lwf-sum", "bi-r"))
    assert list(table.index) == [*runs["method"].unique(), "lwf-sum"]
    assert list(table.loc["lwf-sum"])[:3] == ["", "", "25.57\u00a0±\u00a00.27"]
    assert table.loc["bi-r"].equals(published.beside(runs, (2022,)).loc["bi-r"])


def test_runs_of_another_precision_are_apart():
    for iterations, usual, other in ((5000, "bfloat16", "float32"), (300, "float32", "bfloat16")):
        runs = published.benchmark(iterations)
        assert set(runs["precision"].fillna("float32")) == {usual}
        assert published.benchmark(iterations, other).empty


def test_differences_are_taken_seed_by_seed():
    runs = published.benchmark()
    table = published.differences(runs, (("bi-r", "none"), ("none", "bi-r"), ("bi-r", "xdg")))
    assert list(table.index) == ["bi-r - none", "none - bi-r"]
    assert list(table["same sign"]) == ["yes", "yes"]
    wide = runs.pivot(index="seed", columns="method", values="acc")
    gains = (wide["bi-r"] - wide["none"]).dropna()
    assert table.loc["bi-r - none", "points"] == f"{gains.mean():+.1f} ± {gains.sem():.1f}"
    rows = [("a", 0, 1.0), ("a", 1, 5.0), ("b", 0, 2.0), ("b", 1, 3.0), ("b", 2, 9.0)]
    table = published.differences(pd.DataFrame(rows, columns=["method", "seed", "acc"]), (("a", "b"),))
    assert dict(table.loc["a - b"]) == {
        "points": "+0.5 ± 1.5", "seeds": "2", "mean / SEM": "0.3", "same sign": "no",
    }  # fmt: skip
    equal = published.differences(pd.DataFrame(rows[:2] * 2, columns=["method", "seed", "acc"]).assign(
        method=["a", "a", "b", "b"]), (("a", "b"),))  # fmt: skip
    assert equal.loc["a - b", "mean / SEM"] == ""


def test_brain_inspired_replay_is_above_replay_of_features_at_the_published_scale():
    runs = published.benchmark()
    assert float(published.differences(runs, (("bi-r", "gr+internal"),))["mean / SEM"].iloc[0]) > 2
    assert float(published.differences(runs, (("bi-r-si", "bi-r"),))["mean / SEM"].iloc[0]) > 2
