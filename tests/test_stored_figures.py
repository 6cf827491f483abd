"""A figure of what is in a folder of records: what is plotted is what the records say, and the file is of its kind."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from replaylib.cli.main import main
from replaylib.course import figures, stored_figures
from replaylib.errors import InputError
from replaylib.lab import records, store
from replaylib.lab.experiments import experiment
from tests.helpers import record

ACCURACIES = {"gr": (60.0, 60.5, 61.0), "none": (45.0, 45.5, 47.0)}
BEGINS = {"png": b"\x89PNG\r\n", "pdf": b"%PDF-1.", "svg": b"<?xml"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for method, several in ACCURACIES.items():
        for seed, acc in enumerate(several):
            records.write(record(method, seed, (acc - 10, acc + 10)), tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def drawn(monkeypatch):
    """What each figure shows: of each panel the title, the names and, of each name, its bar, its error and its dots."""
    seen = []
    show = figures.show

    def looked_at(figure):
        panels = []
        for ax in figure.axes:
            names = [label.get_text() for label in ax.get_yticklabels()]
            bars = [bar.get_width() for bar in ax.patches]
            errors = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
            dots = [sorted(np.asarray(each.get_offsets())[:, 0]) for each in ax.collections if len(each.get_offsets())]
            panels.append({"title": ax.get_title(), "names": names, "bars": bars, "errors": errors, "dots": dots})
        seen.append({"panels": panels, "alt": figure.get_label()})
        show(figure)

    monkeypatch.setattr(figures, "show", looked_at)
    return seen


@pytest.mark.parametrize("kind", BEGINS)
def test_bars_are_means_errors_are_sem_and_dots_are_seeds(folder, tmp_path, drawn, capsys, kind):
    assert main(["results", str(folder), "--figure", str(tmp_path / f"f.{kind}")]) == 0
    assert capsys.readouterr().out == ""
    ((panel,),) = [one["panels"] for one in drawn]
    assert panel["title"] == "split-digits, class-incremental"
    assert panel["names"] == ["gr", "none"]
    for method, bar, error, dots in zip(*(panel[name] for name in ("names", "bars", "errors", "dots")), strict=True):
        each = pd.Series(ACCURACIES[method])
        assert bar == pytest.approx(each.mean())
        assert error == pytest.approx((each.mean() - each.sem(), each.mean() + each.sem()))
        assert dots == pytest.approx(sorted(each))
    assert "gr 60.5 % ± 0.3 over 3 seeds, none 45.8 % ± 0.6 over 3 seeds" in drawn[0]["alt"]
    content = (tmp_path / f"f.{kind}").read_bytes()
    assert content.startswith(BEGINS[kind])
    assert kind != "svg" or b"gr 60.5 %" in content  # its words stand in the file


def test_what_differs_among_the_runs_of_a_method_is_named_and_scenarios_have_a_panel_each(folder, tmp_path, drawn):
    records.write(record("gr", 0, (10.0, 30.0), hidden=(20, 20)), folder)
    by_task = experiment("split-digits", "task", "none", 0, tasks=2, iterations=3)
    records.write(dataclasses.replace(record("none", 0, (50.0, 80.0)), experiment=by_task), folder)
    stored_figures.accuracies(store.summaries(folder), tmp_path / "f.svg")
    ((first, second),) = [one["panels"] for one in drawn]
    names = [name.replace("\N{NO-BREAK SPACE}", " ") for name in first["names"]]
    assert dict(zip(names, first["bars"], strict=True)) == pytest.approx(
        {"gr,\nhidden 20,20": 20.0, "gr,\nhidden 100,100": 60.5, "none": np.mean(ACCURACIES["none"])}
    )
    assert (second["title"], second["names"], second["bars"]) == ("split-digits, task-incremental", ["none"], [65.0])
    assert figures.colour(names[0]) == figures.colour("gr") != figures.colour("none")


def test_two_that_are_compared_are_drawn_over_their_common_seeds(folder, tmp_path, drawn, capsys):
    records.write(record("none", 7, (0.0, 0.0)), folder)
    assert main(["results", str(folder), "--compare", "none,gr", "--figure", "f.png", "--csv", "f.csv"]) == 0
    assert capsys.readouterr().out.endswith("over 3 common seeds\n")
    ((above, below),) = [one["panels"] for one in drawn]
    assert above["names"] == ["none", "gr"]
    assert above["bars"] == pytest.approx([np.mean(ACCURACIES["none"]), 60.5])
    gains = np.subtract(ACCURACIES["gr"], ACCURACIES["none"])
    row = pd.read_csv("f.csv").iloc[0]
    assert (row["mean"], row["seeds"]) == pytest.approx((gains.mean(), 3))
    assert below["title"].startswith(f"{gains.mean():+.2f} points, 95 % confidence interval {row['low']:+.2f} to ")
    assert "gr is higher by +14.67 points" in drawn[0]["alt"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--figure", "f.jpg"], "f.jpg cannot hold a figure: give a name that ends in .svg, .png, .pdf"),
        (["--figure", "f"], "f cannot hold a figure"),
        (["--figure", "no/such/f.png"], "cannot write no/such/f.png (No such file or directory)"),
        (["--figure", "f.png", "--where", "method=bi-r"], "no run in"),
        (["--figure", "f.png", "--compare", "gr,gr"], "gr is compared with itself"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(folder, capsys, tmp_path, arguments, says):
    assert main(["results", str(folder), *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "f.png").exists()


def test_a_folder_without_records_and_more_bars_than_can_be_read_are_refused(folder, capsys, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert main(["results", str(tmp_path / "empty"), "--figure", "f.png"]) == 2
    assert "there is no run in" in capsys.readouterr().err
    monkeypatch.setattr(stored_figures, "MOST", 1)
    with pytest.raises(InputError, match="2 bars are more than one figure shows"):
        stored_figures.accuracies(store.summaries(folder), tmp_path / "f.svg")


def test_nothing_is_drawn_and_nothing_loaded_that_draws_unless_asked(folder):
    code = (
        "import sys; from replaylib.cli.main import main; main(['results', 'runs']); "
        "print([name for name in ('matplotlib', 'seaborn', 'IPython') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
