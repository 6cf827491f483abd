"""The commands about folders of records, as somebody types them."""

import json
import shlex

import pandas as pd
import pytest

from replaylib.cli.main import main
from replaylib.lab import failures, records, resume, store
from replaylib.lab.claims import Claims
from tests.helpers import record


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for seed in range(3):
        records.write(record("gr", seed, (40.0 + seed, 80.0)), tmp_path / "runs")
        records.write(record("none", seed, (0.0, 90.0 + seed**2)), tmp_path / "runs")
    return tmp_path / "runs"


def said(capsys, *arguments):
    status = main([str(one) for one in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_results_are_a_row_an_experiment(folder, capsys):
    status, out, _ = said(capsys, "results", folder)
    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 3
    (gr,) = (line for line in lines if " gr " in line)
    assert gr.split()[-4:] == ["60.50", "0.29", "49.00", "3"]
    status, out, _ = said(capsys, "results", folder, "--where", "method=none", "--runs", "--json")
    assert {row["seed"] for row in json.loads(out)} == {0, 1, 2}


def test_two_methods_and_two_folders_are_compared(folder, capsys, tmp_path):
    status, out, _ = said(capsys, "results", folder, "--compare", "none,gr")
    assert status == 0
    assert out.startswith("gr - none: +14.67 points +- ")
    assert "paired t-test, two-sided), over 3 common seeds" in out
    (tmp_path / "other").mkdir()
    records.write(record("gr", 1, (50.0, 80.0)), tmp_path / "other")
    status, out, _ = said(capsys, "results", folder, "--where", "method=gr", "--against", tmp_path / "other")
    assert out.strip().endswith("other - " + str(folder) + ": +4.50 points, over 1 common seed")


def test_tables_are_exported(folder, capsys, tmp_path):
    assert said(capsys, "results", folder, "--csv", tmp_path / "t.csv", "--latex", tmp_path / "t.tex") == (0, "", "")
    assert set(pd.read_csv(tmp_path / "t.csv")["method"]) == {"gr", "none"}
    latex = (tmp_path / "t.tex").read_text()
    assert latex.startswith(r"\begin{tabular}{lll")
    assert r"accuracy (\%)" in latex
    assert "60.50 & 0.29 & 49.00 & 3 \\\\" in latex


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["results", "none"], "none is not a folder"),
        (["results", "runs", "--where", "method=bi-r"], "no run in runs is like that"),
        (["results", "runs", "--compare", "gr"], "give two methods, A,B"),
        (["results", "runs", "--compare", "gr,bi-r"], "there is no run of bi-r to compare"),
        (["command", "0123456789ab"], "there is no run 0123456789ab in"),
        (["status", "none"], "none is not a folder"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(capsys, arguments, says):
    status, out, err = said(capsys, *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_command_of_a_stored_run_is_printed(folder, capsys):
    described = record("gr", 2).experiment
    status, out, err = said(capsys, "command", described.id, "--folder", folder)
    assert status == 0
    words = shlex.split(out)
    assert words[:5] == ["python", "-m", "replaylib", "run", "split-digits"]
    assert words[-2:] == ["--seed", "2"]
    assert "commit unknown" in err


def test_status_says_what_is_done_running_stopped_failed_and_due(folder, capsys, tmp_path):
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(
        'protocols = "split-digits"\nscenarios = "class"\nmethods = ["gr", "none"]\nseeds = 6\n'
        "tasks = 2\niterations = 3"
    )
    gr = [record("gr", seed).experiment for seed in range(6)]
    failures.of(gr[3], ZeroDivisionError("of one's own"), folder)
    failures.of(gr[2], ZeroDivisionError("before it was stored"), folder)
    state = resume.path_of(folder, [gr[4]])
    state.parent.mkdir(parents=True)
    state.touch()
    with Claims(folder) as claims:
        claims.take(gr[5].id)
        status, out, _ = said(capsys, "status", folder)
        assert status == 0
        assert out.splitlines() == [
            f"{folder}: 6 done, 1 running, 1 stopped, 1 failed", f"running: {gr[5].id}",
            f"stopped: {gr[4].id}, and the command that began it goes on with it",
            f"failed: gr, class-incremental, seed 3, id {gr[3].id}: ZeroDivisionError: of one's own (tried again when "
            "asked for)",
        ]  # fmt: skip
        _, out, _ = said(capsys, "status", folder, "--of", sweep, "--json")
    answer = json.loads(out)
    assert {name: len(ids) for name, ids in answer.items()} == {
        "done": 6, "running": 1, "stopped": 1, "failed": 1, "due": 3,
    }  # fmt: skip
    assert set(answer["due"]) == {record("none", seed).experiment.id for seed in (3, 4, 5)}
    _, _, err = said(capsys, "results", folder)
    assert f"in no row: 1 run of this folder that failed (python -m replaylib status {folder})" in err
