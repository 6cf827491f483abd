"""Hyper-parameters chosen on validation data."""

import json
import sys
from collections import Counter

import pytest
import torch

from replaylib.cli.main import main
from replaylib.errors import InputError
from replaylib.lab import choose, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.hyperparameters import BI_R, SETTINGS
from replaylib.steps import Diverged
from tests.helpers import stub_record


@pytest.fixture
def stub(monkeypatch):
    """Runs that take no time: on validation data 0.01 is the best learning rate, on test data another would be."""
    ran = Counter()

    def run_seeds(group, *_, **__):
        (e,) = group
        ran[e.validation] += 1
        if e.lr > 0.5:
            raise Diverged(None, 1, 1)
        distance = abs(e.lr - 0.01) if e.validation else abs(e.lr - 0.5)
        record = stub_record(e)
        matrix = tuple(tuple(v if v != v else 90 - 100 * distance + e.seed for v in row) for row in record.matrix)
        return [(torch.nn.Identity(), type(record)(**{**vars(record), "matrix": matrix}))]

    monkeypatch.setattr(runs, "run_seeds", run_seeds)
    monkeypatch.setattr("replaylib.cli.planning.seconds_of", lambda *_: 1.0)
    return ran


SMALL = ["-q", "choose", "split-digits", "--method", "gr", "--set", "iterations=3", "--seeds", "2"]


def last_json(capsys):
    out = capsys.readouterr().out
    return json.loads(out[out.index("{") :])


def test_the_best_on_validation_data_is_chosen_and_the_test_data_are_read_when_asked(tmp_path, stub, capsys):
    command = [*SMALL, "--save", str(tmp_path / "runs"), *(f"--set=lr={lr}" for lr in (0.5, 0.01, 0.001, 0.9))]
    assert main([*command, "--json"]) == 0
    answer = last_json(capsys)
    assert answer["chosen"] == {"lr": 0.01}
    assert answer["validation_accuracy"] == 90.5
    assert [one["lr"] for one in answer["candidates"]] == [0.01, 0.001, 0.5]
    assert answer["left_out"] == 1  # which diverged
    assert stub == {0.1: 8}
    words = answer["command"].split()[3:]
    assert main([*words, "--save", str(tmp_path / "test"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lr"] == 0.01
    assert stub == {0.1: 8, None: 2}
    assert main([*command, "--test"]) == 0
    out = capsys.readouterr().out
    assert "chosen on validation data: lr 0.01 (90.50 %, 2 seeds)" in out
    assert "on test data: 41.50 %" in out
    assert "published values of hyper-parameters were chosen on test accuracy" in out
    assert stub == {0.1: 8, None: 4}


def test_a_plan_has_nothing_chosen_to_print_as_json(tmp_path, stub, capsys):
    command = [*SMALL, "--save", str(tmp_path / "runs"), "--set=lr=0.1", "--set=lr=0.2", "--plan"]
    assert main([*command, "--json"]) == 2
    assert "a plan chooses nothing: leave one of them out" in capsys.readouterr().err
    assert main(command) == 0
    assert not stub


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_asks_between_the_ends_and_the_same_command_computes_nothing_anew(sampler, tmp_path, stub, capsys):
    command = [*SMALL, "--save", str(tmp_path), "--set", "lr=0.0001", "--set", "lr=0.5", "--sampler", sampler]
    command += ["--trials", "12", "--json"]
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(answer["candidates"]) == 12
    rates = [one["lr"] for one in answer["candidates"]]
    assert all(0.0001 <= rate <= 0.5 for rate in rates)
    assert min(rates) < 0.005  # by factors
    assert abs(answer["chosen"]["lr"] - 0.01) == min(abs(rate - 0.01) for rate in rates)
    assert stub == {0.1: 24}
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == answer
    assert stub == {0.1: 24}


def test_candidates_of_the_paper_are_taken_where_none_are_given(tmp_path, stub, capsys):
    command = ["-q", "choose", "split-mnist", "--method", "ewc", "--scenario", "class", "--save", str(tmp_path)]
    assert main([*command, "--plan"]) == 0
    out = capsys.readouterr().out
    assert "12 of strength" in out
    assert "12 candidates: 12 runs" in out


def test_each_published_value_of_the_paper_is_among_its_candidates():
    checked = 0
    for row in choose.GRIDS:
        for setting in SETTINGS:
            if setting.protocol != row.protocol or setting.option != row.option or BI_R not in setting.source:
                continue
            if row.scenario in ("*", setting.scenario) and set(setting.methods.split()) <= set(row.methods.split()):
                assert setting.value in row.values
                checked += 1
        for name in row.methods.split():
            experiment(row.protocol, None if name != "xdg" else "task", name, **{row.option: row.values[0]})
    assert checked >= 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "lr=0.1"], "no candidates are published for gr on split-digits"),
        (["--set", "strength=1", "--set", "strength=2"], "strength"),
        (["--set", "lr=0.1", "--set", "lr=0.01", "--sampler", "tpe"], "lr has 0.1, 0.01: a sampler needs the lowest"),
        (["--set", "lr=0.1", "--set", "lr=0.2", "--validation", "1"], "validation"),
        (["--set", "lr=0.01", "--set", "lr=0.1", "--sampler", "tpe", "--plan"], "leave --plan and --shard out"),
        (["--set", "lr=0.9", "--set", "lr=0.8"], "no candidate has all its seeds"),
    ],
)
def test_what_cannot_be_chosen_is_said_in_one_line(arguments, says, tmp_path, stub, capsys):
    assert main([*SMALL, "--save", str(tmp_path), *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_without_optuna_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'replaylib\[search\]'"):
        choose.sampled({"lr": (0.1, 0.2)}, "tpe", 1, lambda _: 1.0)


def test_a_share_chooses_nothing_before_all_have_ended(tmp_path, stub, capsys):
    command = [
        *SMALL,
        "--save",
        str(tmp_path / "runs"),
        "--set=lr=0.1",
        "--set=lr=0.01",
        "--set=lr=0.9",
    ]  # 0.9 diverges
    assert main([*command, "--shard", "1/2"]) == 0
    assert "nothing is chosen yet: of all shares 3 runs are missing" in capsys.readouterr().out
    assert main([*command, "--shard", "2/2"]) == 0
    assert "chosen on validation data: lr 0.01" in capsys.readouterr().out
    assert main([*command, "--shard", "2/2", "--test"]) == 2
    assert "leave --shard out" in capsys.readouterr().err


def test_a_point_that_a_sampler_asks_for_again_is_one_candidate(tmp_path, stub, capsys):
    pytest.importorskip("optuna")
    command = ["-q", "choose", "split-digits", "--method", "exact", "--seeds", "2", "--save", str(tmp_path / "runs")]
    command += ["--set=iterations=3", "--set=policy=balanced", "--set=policy=reservoir", "--sampler", "random"]
    assert main([*command, "--trials", "12", "--json"]) == 0
    assert sorted(one["policy"] for one in last_json(capsys)["candidates"]) == ["balanced", "reservoir"]
