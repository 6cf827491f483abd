"""The measurements of speed: that they count what they say. How fast anything is, is not tested."""

import json
from dataclasses import replace

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import bench, machine, products
from replaylib.lab.experiments import experiment
from replaylib.lab.operations import KINDS, kind_of
from replaylib.lab.per_sample import PerSample
from replaylib.lab.products import operations
from replaylib.lab.protocols import protocol
from replaylib.scenarios import split_stream
from tests.helpers import tiny


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def operations_of(description, data, seeds=1):
    return operations(bench._products_of_a_step(description, data, seeds))


def test_matrix_products_of_a_step_are_those_that_backpropagation_needs(digits):
    e = experiment("split-digits", "class", "none", hidden=(30, 20), batch=16)
    layers = (64 * 30, 30 * 20, 20 * 10)
    # Forward, gradients of all weights, and of all layers' inputs but the first's.
    assert operations_of(e, digits) == 2 * 16 * (2 * sum(layers) + sum(layers[1:]))


def test_seeds_together_multiply_as_much_as_one_by_one(digits):
    e = experiment("split-digits", "class", "rtf", hidden=(30, 20), batch=16)
    assert operations_of(e, digits, seeds=3) == 3 * operations_of(e, digits)


def test_task_incremental_replay_does_not_grow_with_the_number_of_earlier_tasks(digits):
    products = {}
    for tasks in (2, 5):
        e = experiment("split-digits", "task", "bi-r", tasks=tasks, hidden=(30, 20), batch=16)
        products[tasks] = [(a.shape, b.shape) for a, b in bench._products_of_a_step(e, digits, 1)]
    assert products[2] == products[5]


def test_a_measurement_is_of_what_was_asked_for(digits):
    e = experiment("split-digits", "class", "gr", precision="bfloat16", hidden=(30, 20))
    speed = bench.measure(e, digits, seeds=2, steps=3)
    assert (speed.method, speed.dtype, speed.seeds, speed.hidden) == ("gr", "bfloat16", 2, (30, 20))
    assert speed.loader_iterations_per_s is None
    assert speed.iterations_per_s > 0
    assert speed.gflops == pytest.approx(operations_of(e, digits, 2) * speed.iterations_per_s / 1e9)
    assert 0 < speed.matmul_ratio < 2
    assert all(a.dtype == torch.bfloat16 for a, b in bench._products_of_a_step(e, digits, 1) if min(a.shape) > 10)
    with pytest.raises(InputError, match="steps is 0"):
        bench.measure(e, digits, steps=0)


def test_the_data_loader_way_gives_samples_of_the_same_kind(digits):
    stream = protocol("split-digits").stream(digits, "class", 5, 0)
    batch = PerSample(stream, 7).draw(3, 7, torch.Generator())
    assert batch.x.shape == (7, 1, 8, 8)
    assert set(batch.y.tolist()) <= {6, 7}
    assert batch.task.tolist() == [3] * 7
    images = stream.batch(stream.rows(3), torch.full_like(stream.rows(3), 3)).x
    assert all((images == x).flatten(1).all(1).any() for x in batch.x)


def test_the_data_loader_fills_a_batch_that_is_larger_than_a_task():
    stream = split_stream(tiny(), "class", 3)
    samples = PerSample(stream, 23)
    for _ in range(2):
        batch = samples.draw(1, 23, torch.Generator())
        assert len(batch.y) == 23
        assert set(batch.y.tolist()) == {2, 3}


def test_noise_stands_in_for_data_that_would_have_to_be_downloaded():
    noise = bench.stand_in(experiment("permuted-mnist"))
    assert noise.train.shape == (1, 32, 32)
    assert bench.stand_in(experiment("split-digits")).train.name == "digits"


def test_scaling_varies_batch_width_and_tasks():
    varied = bench.scaling(experiment("split-mnist", "class", "bi-r", precision="bfloat16"))
    assert {e.batch for e in varied} == {64, 128, 256, 512}
    assert {e.hidden[0] for e in varied} == {200, 400, 800, 1600}
    assert {e.tasks for e in varied if e.scenario == "task"} == {2, 5, 10, 20}
    assert {e.precision for e in varied} == {"bfloat16"}


def test_the_command_prints_a_table_or_rows(capsys):
    command = ["bench", "split-digits", "--methods", "none,rtf", "--seeds", "1,2", "--steps", "2"]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["method"], row["seeds"]) for row in rows] == [("none", 1), ("none", 2), ("rtf", 1), ("rtf", 2)]
    wanted = {"protocol", "method", "device", "dtype", "seeds", "iterations_per_s", "gflops", "matmul_ratio", "peak_mb"}
    assert wanted <= set(rows[0])
    assert rows[0]["loader_iterations_per_s"] > 0
    assert main([*command, "--no-loader"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_what_a_step_spends_its_time_on_adds_up_and_is_shown(capsys):
    command = ["bench", "split-digits", "--methods", "none,bi-r", "--steps", "3", "--no-loader", "--operations"]
    assert main([*command, "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        assert sum(row["operations"].values()) == pytest.approx(100)
        assert row["operations"].keys() == {*KINDS, "rest"}
        assert row["operations"]["compiled"] == 0
        for kind in ("products", "optimizer", "losses", "activations", "norms", "samples"):
            assert row["operations"][kind] > 0, kind
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [kind for kind in KINDS if kind != "compiled"]
    assert lines[3].split() == ["method", *kinds, "rest"]
    assert lines[5].split()[0] == "bi-r"


def test_operations_of_several_measurements_can_be_told_apart(digits):
    measured = bench.measure(experiment("split-digits", "class", "none"), digits, steps=1, by_operation=True)
    several = [measured, replace(measured, batch=7), replace(measured, compiled=True, hidden=(9,))]
    head, *rows = bench.table_of_operations(several).splitlines()
    assert head.split()[:3] == ["method", "batch", "hidden"]
    assert [row.split("  ")[0] for row in map(str.strip, rows)][2].startswith("none, compiled")
    assert len(set(rows)) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::addmm", "products"),
        ("aten::mul_", "arithmetic"),
        ("aten::_log_softmax_backward_data", "losses"),
        ("aten::log_sigmoid_forward", "losses"),
        ("aten::sigmoid", "activations"),
        ("Optimizer.step#Adam.step", "optimizer"),
        ("aten::index_select", "samples"),
        ("aten::threshold_backward", "activations"),
        ("aten::abs", "arithmetic"),
        ("aten::_foreach_sub_", "arithmetic"),
        ("aten::masked_fill_", "copies"),
        ("aten::linalg_vector_norm", "norms"),
        ("aten::convolution_backward", "products"),
        ("graph_0_cpp_fused_add_mul_relu_1", "compiled"),
        ("cpp_fused_binary_cross_entropy_mul_0", "compiled"),
        ("## Call CompiledFxGraph fnlptrjttpw5 ##", "compiled"),
        ("", "rest"),
        ("aten::expand", "rest"),
        ("aten::nonzero", "rest"),
        ("aten::zeros", "rest"),
        ("aten::as_strided", "rest"),
        ("Optimizer.zero_grad#Adam.zero_grad", "rest"),
    ],
)
def test_an_operation_has_a_kind(name, kind):
    assert kind_of(name) == kind


def test_measurements_are_kept_with_the_command_that_made_them(tmp_path, capsys):
    command = ["bench", "split-digits", "--methods", "none", "--steps", "1", "--no-loader", "--json"]
    assert main([*command, "--save", str(tmp_path / "new")]) == 0
    (file,) = (tmp_path / "new").iterdir()
    kept = json.loads(file.read_text())
    assert kept["rows"] == json.loads(capsys.readouterr().out)
    assert kept["command"].startswith("python -m replaylib bench split-digits --methods none")
    assert kept["date"][:10] == file.name[:10]
    assert kept["versions"] == machine.versions()
    (tmp_path / "file").touch()
    assert main([*command, "--save", str(tmp_path / "file")]) == 2
    assert "cannot write to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--methods", "nonne"], "Did you mean none"),
        (["--seeds", "0"], "seeds is 0"),
        (["--seeds", "x"], "whole numbers"),
        (["--precision", "float16"], "unknown precision 'float16'"),
        (["--steps", "0"], "steps is 0"),
        (["--methods", "generative-classifier", "--seeds", "2"], "train seeds one by one"),
    ],
)
def test_a_bench_that_makes_no_sense_is_refused(arguments, says, capsys):
    assert main(["bench", "split-digits", *arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("single", "half", "chosen"), [(2, 1, "bfloat16"), (1.2, 1, "float32"), (1, 9, "float32")])
def test_the_precision_that_pays_is_that_of_the_faster_products(monkeypatch, single, half, chosen):
    def seconds(operands, *_):
        return half if operands[0][0].dtype == torch.bfloat16 else single

    monkeypatch.setattr(products, "seconds_of", seconds)
    assert products.precision_that_pays(torch.device("cpu")) == (chosen, single / half)


def test_a_run_and_a_figure_take_the_precision_that_pays(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("replaylib.cli.commands.precision_that_pays", lambda device: ("bfloat16", 2.04))
    small = ["--seeds", "1", "--iterations", "2", "--precision", "auto", "--save", str(tmp_path)]
    assert main(["run", "split-digits", *small]) == 0
    assert "precision: bfloat16; products in bfloat16 are 2.04 times as fast here" in capsys.readouterr().err
    (record,) = (json.loads(file.read_text()) for file in tmp_path.glob("*.json"))
    assert record["experiment"]["precision"] == "bfloat16"
    figure = ["-q", "reproduce", "fig3", "--protocol", "split-digits", "--methods", "none", "--plan"]
    assert main([*figure, *small]) == 0
    told = capsys.readouterr()
    assert "2 runs, 1 of them stored, 1 to do" in told.out  # class-incremental has just been run
    assert "precision" not in told.err
    for others in (["--scheduler", "tcp://127.0.0.1:1"], ["--shard", "1/2"]):
        assert main([*figure, *small, *others]) == 2
        assert "others take part" in capsys.readouterr().err
