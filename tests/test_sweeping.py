"""Many runs as somebody types them: the command `sweep`, shares of a set of runs, what is run again and what is not."""

import json
import sys
from collections import Counter

import pytest
import torch

from replaylib.cli.main import main
from replaylib.cli.sweeping import options_of
from replaylib.errors import InputError
from replaylib.lab import frames, grids, records, register, runs
from replaylib.lab.methods import METHODS
from tests.helpers import stub_record

SMALL = ["--set", "iterations=3", "--set", "hidden=8"]


@pytest.fixture
def stub(monkeypatch):
    """Runs that take no time, and how often each was made."""
    ran = Counter()

    def run_seeds(group, *_, **__):
        ran.update(description.id for description in group)
        return [(torch.nn.Identity(), stub_record(description)) for description in group]

    monkeypatch.setattr(runs, "run_seeds", run_seeds)
    monkeypatch.setattr("replaylib.cli.planning.seconds_of", lambda *_: 1.0)
    return ran


def test_1500_runs_over_40_shares_are_each_done_once_and_none_is_missing(tmp_path, stub, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(
        'protocols = "split-digits"\nscenarios = ["task", "class"]\nmethods = ["none", "joint", "gr"]\nseeds = 250\n'
    )
    whole, _ = grids.experiments(grids.read(file))
    assert len(whole) == len({e.id for e in whole}) == 1500
    counts = []
    for part in range(1, 41):
        before = sum(stub.values())
        assert main(["-q", "sweep", str(file), "--save", str(tmp_path / "runs"), "--shard", f"{part}/40"]) == 0
        counts.append(sum(stub.values()) - before)
    assert set(stub.values()) == {1}
    assert stub.keys() == {e.id for e in whole}
    assert {path.stem for path in (tmp_path / "runs").iterdir()} == stub.keys()
    assert max(counts) - min(counts) <= 1
    assert "share 40 of 40: 37 runs, 0 of them stored, 37 to do" in capsys.readouterr().out
    assert main(["sweep", str(file), "--save", str(tmp_path / "runs"), "--plan"]) == 0
    assert "1500 runs, 1500 of them stored, 0 to do" in capsys.readouterr().out


def test_a_run_that_cannot_be_timed_stops_no_other(tmp_path, stub, capsys, monkeypatch):
    def seconds_of(*_):
        raise ZeroDivisionError("of a method's own\nand more")

    monkeypatch.setattr("replaylib.cli.planning.seconds_of", seconds_of)
    command = ["sweep", "split-digits", "--methods", "none,gr", *SMALL, "--save", str(tmp_path)]
    assert main(command) == 0
    assert "cannot be said here: of a method's own\n" in capsys.readouterr().out
    assert set(stub) == {path.stem for path in tmp_path.glob("*.json")}
    assert len(stub) >= 2


def test_a_sweep_is_all_combinations_of_what_is_given(tmp_path, stub, capsys):
    command = ["sweep", "split-digits,permuted-digits", "--methods", "none,xdg", "--scenarios", "task,domain"]
    command += ["--seeds", "4-5", "--set", "lr=0.1", "--set", "lr=0.01", *SMALL, "--save", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "left out: xdg, which does not serve domain-incremental learning" in out
    assert "24 runs, 0 of them stored, 24 to do" in out
    frame = frames.load_records(tmp_path)
    assert Counter(zip(frame["method"], frame["scenario"], strict=True)) == {
        ("none", "task"): 8, ("none", "domain"): 8, ("xdg", "task"): 8,
    }  # fmt: skip
    assert set(frame["lr"]) == {0.1, 0.01}
    assert set(frame["seed"]) == {4, 5}
    assert set(frame["hidden"]) == {(8,)}


def test_tables_below_also_have_what_stands_above():
    table = {
        "protocols": "split-digits", "scenario": "class", "methods": ["none", "gr"], "seeds": [3, 7], "iterations": 5,
        "also": [{"methods": "si", "strength": [0.1, 1]}, {"method": "gr", "hidden": [[5], [6, 6]], "seeds": "7"}],
    }  # fmt: skip
    descriptions, left = grids.experiments(table)
    assert left == []
    assert {e.iterations for e in descriptions} == {5}
    assert Counter((e.method, e.strength, e.hidden) for e in descriptions) == {
        ("none", None, (100, 100)): 2, ("gr", None, (100, 100)): 2, ("si", 0.1, (100, 100)): 2,
        ("si", 1.0, (100, 100)): 2, ("gr", None, (5,)): 7, ("gr", None, (6, 6)): 7,
    }  # fmt: skip
    assert [e.seed for e in descriptions] == sorted(e.seed for e in descriptions)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "a sweep needs protocols"),
        ({"protocols": "split-mnits"}, "Did you mean split-mnist"),
        ({"protocols": 3}, "protocols is 3: expected a name"),
        ({"protocols": "split-digits", "seeds": 1.5}, "seeds is 1.5: expected how many"),
        ({"protocols": "split-digits", "seeds": "1-x"}, "seeds is '1-x'"),
        ({"protocols": "split-digits", "methds": "gr"}, "unknown entry 'methds'. Did you mean methods"),
        ({"protocols": "split-digits", "lr": [0.1, 2]}, "lr is 2: expected a number above 0"),
        ({"protocols": "split-digits", "lr": []}, "lr is an empty list"),
        ({"protocols": "split-digits", "scenarios": "clas"}, "Did you mean class"),
        ({"protocols": "split-digits", "also": 3}, r"write \[\[also\]\]"),
    ],
)
def test_a_table_that_cannot_be_used_names_its_entry(table, says):
    with pytest.raises(InputError, match=says) as refused:
        grids.experiments(table)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.toml"], "cannot read none.toml (No such file or directory)"),
        (["bad.toml"], "bad.toml is not TOML"),
        (["split-digits", "--set", "lr"], "--set lr: write name=value"),
        (["split-digits", "--set", "lrr=1"], "Did you mean lr"),
        (["split-digits", "--set", "lr=x"], "'x': expected a number"),
        (["split-digits", "--shard", "5/4"], "share 5/4: give one from 1/4 to 4/4"),
        (["split-digits", "--shard", "5"], "share '5': expected which of how many, e.g. 4/40"),
        (["split-digits", "--workers", "0"], "workers is 0"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(arguments, says, capsys, tmp_path, monkeypatch, stub):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("seeds = = 3")
    assert main(["sweep", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_force_runs_what_is_stored_anew_and_sets_the_old_record_aside(tmp_path, stub, capsys):
    command = ["sweep", "split-digits", "--seeds", "2", "--save", str(tmp_path)]
    assert main(command) == main(command) == 0
    assert set(stub.values()) == {1}
    assert main([*command, "--force"]) == main([*command, "--force"]) == 0
    assert set(stub.values()) == {3}
    assert len(frames.load_records(tmp_path)) == 2
    assert len(list(tmp_path.glob("*.json.replaced-[12]"))) == 4
    assert main(["run", "split-digits", "--seeds", "2", "--save", str(tmp_path), "--force"]) == 0
    assert set(stub.values()) == {4}


OWN = """
from replaylib import METHODS, register

@register.method("mine", "as the classifier alone")
def mine(plan):
    return METHODS["none"].make(plan)
"""


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_stored_run_of_other_code_is_named_and_not_returned(command, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(register.FILES, raising=False)
    small = [command, "split-digits", *(SMALL if command == "sweep" else ["--iterations", "3", "--hidden", "8"])]
    small += ["--methods" if command == "sweep" else "--method", "mine", "--save", str(tmp_path / "runs")]
    file = tmp_path / "mine.py"

    def again():
        METHODS.pop("mine", None)
        for name in [name for name in sys.modules if name.startswith("replaylib_with_")]:
            del sys.modules[name]
        return main(["--with", str(file), *small])

    file.write_text(OWN)
    assert again() == again() == 0
    file.write_text(OWN + "# another\n")
    capsys.readouterr()
    assert again() == 2
    out, err = capsys.readouterr()
    assert "is of other code (method mine was mine.py" in err.splitlines()[-1]
    assert "ACC" not in out
    assert "--force runs it anew" in err
    (name,) = (path.stem for path in (tmp_path / "runs").glob("*.json"))
    before = json.loads((tmp_path / "runs" / f"{name}.json").read_text())
    small.append("--force")
    assert again() == 0
    after = json.loads((tmp_path / "runs" / f"{name}.json").read_text())
    assert after["versions"] != before["versions"]
    METHODS.pop("mine", None)


def test_a_share_of_seeds_is_run_and_a_figure_is_drawn_when_all_shares_are_there(tmp_path, stub, capsys):
    command = ["run", "split-digits", "--seeds", "5", "--save", str(tmp_path)]
    seeds = []
    for part in (1, 2, 3):
        assert main([*command, "--shard", f"{part}/3"]) == 0
        seeds += capsys.readouterr().out.splitlines()[0].partition("seeds ")[2].split(", ")
    assert sorted(seeds) == ["0", "1", "2", "3", "4"]
    assert set(stub.values()) == {1}
    assert main([*command, "--shard", "40/40"]) == 0
    assert "share 40 of 40 holds none of these seeds" in capsys.readouterr().err

    figure = ["reproduce", "fig3", "--protocol", "split-digits", "--seeds", "1", "--methods", "none,joint"]
    figure += ["--save", str(tmp_path / "figure"), "--out", str(tmp_path / "x.svg")]
    assert main([*figure, "--shard", "1/2"]) == 0
    assert not (tmp_path / "x.svg").exists()
    assert main([*figure, "--shard", "2/2"]) == 0
    assert "is not drawn before other shares have stored 2 runs" in capsys.readouterr().out
    assert main(figure) == 0
    assert (tmp_path / "x.svg").exists()
    assert len(records.stored([tmp_path / "figure"])) == 4


def test_a_value_that_is_given_twice_counts_once():
    assert options_of(["lr=0.1", "lr=0.1", "lr=0.01", "hidden=10,10", "hidden=10,10"]) == {
        "lr": [0.1, 0.01], "hidden": [[10, 10]],
    }  # fmt: skip


def test_a_sweep_without_a_run_says_so(capsys, tmp_path):
    asked = ["sweep", "split-digits", "--methods", "xdg", "--scenarios", "class", "--save", str(tmp_path), "--plan"]
    assert main(asked) == 2
    assert "no run is left: choose methods that serve these scenarios" in capsys.readouterr().err
