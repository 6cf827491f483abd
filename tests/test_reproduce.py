"""The figures of the paper as sets of experiments, and the command that runs and draws them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from replaylib.cli import planning
from replaylib.cli.main import main
from replaylib.course import figure_files, figures
from replaylib.course.paper_figures import so_far
from replaylib.course.reproduce import FIGURES, draw, figure
from replaylib.errors import InputError
from replaylib.lab import compare, frames, runs
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.records import Record
from replaylib.lab.replay_quality import MEASURES
from replaylib.steps import Diverged

SMALL = ["reproduce", "fig3", "--protocol", "split-digits", "--seeds", "1"]


def test_figures_are_the_published_comparisons():
    for name, count, protocol, seeds in (
        ("fig3", 15, "split-mnist", 20), ("fig6", 8, "permuted-mnist", 5), ("fig7", 17, "split-cifar100", 10),
        ("fig8a", 10, "permuted-mnist", 5), ("fig8", 24, "split-cifar100", 10),
    ):  # fmt: skip
        descriptions = figure(name).experiments()
        assert len(descriptions) == count * seeds == len({e.id for e in descriptions})
        assert {e.protocol for e in descriptions} == {protocol}
        assert [e.seed for e in descriptions] == [seed for seed in range(seeds) for _ in range(count)]
    six = figure("fig7").experiments(seeds=1)
    assert {e.scenario for e in six if e.method == "xdg"} == {"task"}
    assert {(e.backbone, e.method) for e in six if e.backbone == "frozen"} == {
        ("frozen", "bi-r"),
        ("frozen", "bi-r-si"),
    }
    assert {e.method for e in figure("fig8").experiments(seeds=1) if e.backbone == "tuned"} == {
        "gr", "gr+feedback", "gr+conditional", "gr+gating", "gr-distill",
    }  # fmt: skip
    assert len({e.dataset for e in figure("fig7").experiments("split-tiny-imagenet", 2)}) == 1


def test_the_dial_has_bounds_on_pixels_and_on_features():
    descriptions = figure("dial").experiments(seeds=1)
    kinds = {(e.method, e.backbone) for e in descriptions}
    both = {(name, end) for name in ("none", "joint", "exact") for end in (None, "frozen")}
    assert kinds == both | {("gr", None), ("bi-r", "frozen")}
    assert sorted({e.clutter for e in descriptions}) == [0, 0.25, 0.5, 0.75, 1]
    assert len(descriptions) == 5 * len(kinds)


def test_the_dial_of_tasks_takes_as_many_steps_however_many_tasks():
    descriptions = figure("dial-tasks").experiments(seeds=1)
    assert {e.tasks: e.tasks * e.iterations for e in descriptions} == {2: 1500, 5: 1500, 10: 1500}
    assert {e.id for e in descriptions if e.tasks == 5} <= {e.id for e in figure("dial").experiments(seeds=1)}


def test_an_unknown_figure_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean fig6"):
        figure("fig66")
    with pytest.raises(InputError, match="for Permuted MNIST take fig6"):
        figure("fig5")


def test_accuracy_so_far_is_over_the_tasks_that_have_been():
    nan = torch.nan
    assert so_far(torch.tensor([[80.0, nan, nan], [60, 90, nan], [30, 60, 90]])).tolist() == [80, 75, 60]


def test_a_plan_says_how_many_and_how_long_and_runs_nothing(capsys, tmp_path):
    command = [*SMALL, "--save", str(tmp_path / "runs"), "--out", str(tmp_path / "x.svg"), "--methods", "none,joint"]
    assert main([*command, "--plan"]) == 0
    out = capsys.readouterr().out
    assert "fig3: 4 runs, 0 of them stored, 4 to do" in out
    assert "of computing on cpu" in out
    assert not list(tmp_path.iterdir())


def test_a_plan_names_the_seeds_that_are_stored_and_those_that_are_due(capsys):
    command = ["-q", "reproduce", "fig3", "--methods", "none,gr", "--seeds", "4", "--plan"]
    assert main(command) == 0
    lines = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["scenario", "method", "stored", "to do", "about"]
    assert [line[:-1] for line in lines[3:]] == [
        [scenario, method, "3 (seeds 0-2)", "1 (seed 3)"] for scenario in ("task", "class") for method in ("none", "gr")
    ]
    assert all(re.fullmatch(r"\d+(\.\d)? (s|min|h)", line[-1]) for line in lines[3:])


def test_a_plan_says_which_of_the_due_runs_are_stored_in_another_precision(capsys):
    experiments = figure("fig7").experiments(methods=("bi-r",), precision="bfloat16")
    assert {e.precision for e in experiments} == {"bfloat16"}
    due = figure("fig7").experiments(methods=("bi-r",), seeds=4)
    known = {e.id for e in experiments if e.scenario == "class" and e.seed in (1, 3)}
    states = {e.id: "to do" for e in due}
    told = planning.table(due, states, known, {}).splitlines()
    assert re.split(r"  +", told[0])[-1] == "stored in bfloat16"
    assert re.split(r"  +", told[2]) == ["class", "bi-r", "4 (seeds 0-3)", "2 (seeds 1, 3)"]
    assert "bfloat16" not in planning.table(due, states, [], {})


def test_a_plan_tells_runs_apart_by_what_varies_and_by_what_became_of_them():
    runs = [
        experiment(name, "class", "ewc", seed, strength=strength)
        for strength in (1.0, 10.0) for seed in (0, 2) for name in ("split-digits", "permuted-digits")
        if name == "split-digits" or strength == 1
    ]  # fmt: skip
    states = dict(
        zip([e.id for e in runs], ["stored", "failed", "to do", "of other code", "failed", "to do"], strict=True)
    )
    rows = [re.split(r"  +", line) for line in planning.table(runs, states, [], {}).splitlines()]
    assert rows[0] == ["protocol", "scenario", "method", "with", "stored", "failed", "of other code", "to do"]
    assert [row[:4] for row in rows[1:]] == [
        ["split-digits", "class", "ewc", "strength=1"],
        ["split-digits", "class", "ewc", "strength=10"],
        ["permuted-digits", "class", "ewc", "1 (seed 0)"],
    ]
    assert rows[1][4:] == ["1 (seed 0)", "1 (seed 2)"]
    assert rows[2][4:] == ["1 (seed 0)", "1 (seed 2)"]
    assert planning.table([], {}, [], {}) == ""


def test_a_plan_says_what_stands_for_a_setting_that_is_not_given():
    runs = [experiment("split-digits", "class", "gr", precision=precision) for precision in (None, "bfloat16")]
    runs += [experiment("split-digits", "class", "rtf", replayed=replayed) for replayed in (None, 10)]
    table = planning.table(runs, {run.id: "to do" for run in runs}, [], {})
    words = ["precision=float32", "precision=bfloat16", "replayed=default", "replayed=10"]
    assert all(word in table for word in words)


def test_a_plan_of_an_empty_share_and_one_that_forces_say_what_would_be_done(capsys, tmp_path):
    command = [*SMALL, "--save", str(tmp_path / "runs"), "--iterations", "2", "--methods", "none"]
    assert main([*command, "--plan", "--shard", "8/8"]) == 0
    assert "0 runs, 0 of them stored, 0 to do" in capsys.readouterr().out
    assert main([*command, "--out", str(tmp_path / "x.svg")]) == 0
    assert main([*command, "--plan"]) == 0
    assert "2 runs, 2 of them stored, 0 to do" in capsys.readouterr().out
    assert main([*command, "--plan", "--force"]) == 0
    assert "2 runs, 0 of them stored, 2 to do" in capsys.readouterr().out
    assert len([*(tmp_path / "runs").glob("*.json")]) == 2


def test_a_plan_that_is_stopped_says_that_no_run_had_begun(capsys, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("replaylib.cli.planning.seconds_of", stop)
    assert main([*SMALL, "--methods", "none", "--save", str(tmp_path), "--plan"]) == 130
    assert "stopped; no run had been begun" in capsys.readouterr().err


def test_a_plan_needs_no_data_and_says_how_long_all_the_same(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("replaylib.data.downloads._download", lambda *_: pytest.fail("a plan downloads nothing"))
    command = ["reproduce", "fig3", "--seeds", "1", "--iterations", "3", "--methods", "none", "--plan"]
    assert main([*command, "--save", str(tmp_path / "runs"), "--out", str(tmp_path / "x.svg")]) == 0
    out = capsys.readouterr().out
    assert "to do" in out
    assert "of computing on cpu" in out
    assert not list(tmp_path.iterdir())


def test_a_plan_of_data_that_have_to_be_made_says_so(capsys, tmp_path, monkeypatch):
    def missing(description, device="cpu"):
        raise InputError("dataset 'glyphs' is not here: make it")

    monkeypatch.setattr("replaylib.lab.runs.data_of", missing)
    command = [*SMALL, "--save", str(tmp_path / "runs"), "--out", str(tmp_path / "x.svg"), "--methods", "none"]
    assert main([*command, "--plan"]) == 0
    out = capsys.readouterr().out
    assert "2 to do" in out
    assert "how long they take cannot be said here: dataset 'glyphs' is not here" in out
    assert main(command) == 2
    assert "dataset 'glyphs' is not here" in capsys.readouterr().err


def test_a_plan_says_how_long_those_runs_take_that_can_be_timed(capsys, tmp_path, monkeypatch):
    def timed(kind, *_):
        if kind[0].method == "gr":
            raise InputError("dataset 'mine' is not here")
        return 60.0

    monkeypatch.setattr("replaylib.cli.planning.seconds_of", timed)
    assert main(["-q", *SMALL, "--methods", "none,gr", "--save", str(tmp_path), "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "how long 2 of them take cannot be said here: dataset 'mine' is not here"
    assert lines[2].startswith("the others, about 2 min of computing on cpu")
    rows = [re.split(r"  +", line) for line in lines[4:]]
    assert [row[1:] for row in rows if row[1] == "none"] == [["none", "1 (seed 0)", "60 s"]] * 2
    assert [row[1:] for row in rows if row[1] == "gr"] == [["gr", "1 (seed 0)"]] * 2


def test_a_place_where_no_figure_can_be_written_is_found_and_nothing_is_left_there(tmp_path):
    figure_files.check(tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())
    (tmp_path / "y.svg").write_text("before")
    figure_files.check(tmp_path / "y.svg")
    assert (tmp_path / "y.svg").read_text() == "before"
    (tmp_path / "z.svg").mkdir()
    for place in (tmp_path / "z.svg", tmp_path / "no" / "x.svg", Path("/proc/x.svg"), tmp_path / "y.svg" / "x.svg"):
        with pytest.raises(InputError, match=f"cannot write {place}"):
            figure_files.check(place)


def test_stored_runs_are_read_and_the_others_run_and_all_are_drawn(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    command = [*SMALL, "--save", str(folder), "--out", str(tmp_path / "x.svg"), "--methods", "none,joint"]
    ran = []
    real = runs.run_seeds

    def counted(descriptions, data, device, watch=None, **how):
        if watch is None:
            ran.extend(descriptions)
        return real(descriptions, data, device, watch, **how)

    monkeypatch.setattr(runs, "run_seeds", counted)
    assert main([*command[:-1], "none"]) == 0
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "4 runs, 2 of them stored, 2 to do" in out
    assert [e.method for e in ran] == ["none", "none", "joint", "joint"]
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    assert main(command) == 0
    assert "4 of them stored, 0 to do" in capsys.readouterr().out
    assert len(ran) == 4


def test_a_figure_is_not_drawn_without_a_run_that_diverged(capsys, tmp_path, monkeypatch):
    real = runs.run_seeds

    def spoilt(descriptions, data, device, watch=None, **how):
        if descriptions[0].method == "joint":
            raise Diverged(None, 2, 1)
        return real(descriptions, data, device, watch, **how)

    monkeypatch.setattr(runs, "run_seeds", spoilt)
    kept = ["--save", str(tmp_path / "runs"), "--out", str(tmp_path / "x.svg")]
    assert main([*SMALL, "--iterations", "3", "--methods", "joint,none", *kept]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "these runs failed, and only the others are kept: joint, task-incremental, seed 0" in said
    assert set(frames.load_records(tmp_path / "runs")["method"]) == {"none"}
    assert not (tmp_path / "x.svg").exists()


def test_seeds_are_trained_together_where_asked(capsys, tmp_path):
    small = ["--seeds", "2", "--iterations", "3", "--methods", "none,generative-classifier", "--together"]
    kept = ["--save", str(tmp_path / "runs"), "--out", str(tmp_path / "x.svg")]
    assert main([*SMALL, *small, *kept]) == 0
    frame = frames.load_records(tmp_path / "runs")
    assert len(frame) == 8
    assert ((frame["together"] == 2) == (frame["method"] == "none")).all()


@pytest.mark.parametrize("methods", [(), ("gr+feedback+conditional",)])  # the second has no colour of its own
@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_shows_the_mean_of_every_method(name, methods, tmp_path, monkeypatch):
    others = {
        "fig6": "permuted-digits",
        "fig8a": "permuted-digits",
        "dial": "split-glyphs",
        "dial-tasks": "split-glyphs",
    }
    stand_in = others.get(name, "split-digits")
    frame = []
    for e in FIGURES[name].experiments(stand_in, 2, methods):
        acc = int(e.id[:4], 16) % 9000 / 100  # another one for every run
        matrix = tuple(tuple(acc for _ in range(e.tasks)) for _ in range(e.tasks))
        measures = dict.fromkeys(MEASURES, acc) if name == "fig9" else None
        fields = (e, matrix, (0.0,) * e.tasks, 0, 1.0, "cpu", {}, None, "2026-01-01T00:00:00+00:00", measures)
        frame.append(Record(*fields))
    plotted: list[float] = []
    show = figures.show

    def looked_at(drawn):
        for ax in drawn.axes:
            plotted.extend(number for line in ax.lines for number in np.ravel(line.get_data()) if number == number)
            plotted.extend(number for bar in ax.patches for number in (bar.get_width(), bar.get_height()))
            plotted.extend(number for dots in ax.collections for number in np.ravel(dots.get_offsets()))
        show(drawn)

    monkeypatch.setattr(figures, "show", looked_at)
    path = draw(FIGURES[name], frame, tmp_path / "figure.svg")
    assert path.read_text().count("<svg") == 1
    by_group: dict[Experiment, list[float]] = {}
    for record in frame:
        by_group.setdefault(record.experiment.without_seed(), []).append(record.matrix[-1][-1])
    means = [sum(several) / len(several) for several in by_group.values()]
    assert [mean for mean in means if not np.isclose(plotted, mean).any()] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fig77"], "unknown figure 'fig77'"), (["fig3", "--seeds", "0"], "seeds is 0"),
        (["fig3", "--out", "no/such/folder/x.svg"], "cannot write no/such/folder/x.svg"),
        (["fig3", "--protocol", "split-mnits"], "Did you mean split-mnist"),
        (["fig3", "--methods", "gr,jiont"], "Did you mean joint"),
        (["fig3", "--iterations", "0"], "iterations is 0"),
        (["fig3", "--device", "cpu", "--capture"], "steps on a cpu cannot be captured as a CUDA graph"),
        (["fig4", "--methods", "gr,rtf"], "fig4 shows one method, and 2 were asked for"),
        (["fig4", "--methods", "lwf"], "fig4 varies noise_dim, which lwf has not: take one of gr, "),
        (["fig4", "--methods", "none"], "fig4 varies noise_dim and replayed, which none has not: take one of gr, "),
        (["fig6", "--methods", "gr,xdg"], "fig6 is domain-incremental, and xdg serves task: take another method"),
        (["dial", "--seeds", "3-1"], "seeds 3-1 go backwards"), (["fig3", "--hidden", "0"], "hidden is 0"),
        (["fig7", "--encoder", "cifar11"], "Did you mean cifar10"),
        (["fig7", "--encoder", __file__], "is damaged or no encoder"),
        (["dial", "--encoder", "glyphs"], "dial varies backbone itself: leave encoder out"),
        (["fig9", "--methods", "bi-r,slda-replay"], "slda-replay has no auto-encoder"),
        (["dial-tasks", "--iterations", "9"], "dial-tasks varies iterations itself: leave iterations out"),
    ],
)  # fmt: skip
def test_what_cannot_be_reproduced_is_refused_in_one_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_fig4_turns_one_thing_at_a_time_and_takes_fewer_steps_where_asked():
    runs_of = figure("fig4").experiments("split-digits", 1, iterations=7)
    assert {e.iterations for e in runs_of} == {7}
    assert len(runs_of) == len({e.id for e in runs_of})  # 64 are as many as there are of the current task
    assert {(e.replayed, e.noise_dim) for e in runs_of if e.scenario == "class"} == {
        (1, 100), (4, 100), (16, 100), (None, 1), (None, 2), (None, 5), (None, 10), (None, 30), (None, 100),
    }  # fmt: skip


def test_a_figure_can_be_had_smaller_with_seeds_of_ones_own_and_what_is_stored_of_it_counts(capsys):
    small = {"hidden": (400, 400), "iterations": 300, "lr": 1e-3, "batch": 128, "encoder": "cifar10-jpeg-e100"}
    descriptions = figure("fig7").experiments(seeds=(1, 2, 3), methods=("none", "bi-r"), **small)
    assert [e.seed for e in descriptions] == [seed for seed in (1, 2, 3) for _ in range(4)]
    sizes = {(e.hidden, e.iterations, e.lr, e.batch, e.backbone) for e in descriptions}
    assert sizes == {((400, 400), 300, 1e-3, 128, "frozen")}
    command = ["-q", "reproduce", "fig7", "--methods", "none,bi-r", "--seeds", "1-3", "--plan"]
    for name, value in small.items():
        command += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    assert main(command) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    assert ["class", "bi-r", "3 (seeds 1-3)"] in rows
    assert {e.tasks for e in figure("fig6").experiments(seeds=1, tasks=30)} == {30}
    with pytest.raises(InputError, match="unknown option 'clutter'"):
        figure("fig7").experiments(clutter=0.5)
    with pytest.raises(InputError, match="dial-tasks varies tasks itself"):
        figure("dial-tasks").experiments(tasks=3)


def test_what_fig4_says_can_be_taken_can_be_taken():
    with pytest.raises(InputError, match="take one of") as refused:
        figure("fig4").experiments(methods=("xdg",))
    takers = str(refused.value).partition("take one of ")[2].split(", ")
    assert {"gr", "rtf", "bi-r"} <= set(takers)
    assert all(figure("fig4").experiments("split-digits", 1, (name, name)) for name in takers)


def test_times_are_said_as_one_reads_them():
    assert [planning.in_time(s) for s in (3.2, 99, 100, 5999, 12600)] == ["3 s", "99 s", "2 min", "100 min", "3.5 h"]


def test_the_stored_dial_is_whole_and_shows_what_it_is_for():
    frame = frames.published("dial")
    assert sorted(frame["id"]) == sorted(e.id for e in figure("dial").experiments(seeds=3))
    assert not frame["commit"].str.endswith("+").any()
    frame["backbone"] = frame["backbone"].fillna("pixels")

    def kept(name: str, backbone: str, clutter: float) -> float:
        here = frame[(frame["backbone"] == backbone) & (frame["clutter"] == clutter)]
        return compare.share_of_gap(here, name).mean()

    assert kept("gr", "pixels", 0) >= 75
    assert kept("gr", "pixels", 1) < 35
    replayed = [kept("gr", "pixels", level) for level in (0, 0.25, 0.5, 0.75, 1)]
    assert replayed == sorted(replayed, reverse=True)
    assert min(kept("bi-r", "frozen", level) for level in (0, 0.25, 0.5, 0.75, 1)) >= 50
