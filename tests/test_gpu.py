"""What a GPU would refuse, found where there is none: see `gpu_double`."""

from dataclasses import replace

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.data.dataset import Split
from replaylib.lab import bench, checkpoints, replay_quality, runs, sweeps
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.pretrain import Settings, pretrain
from tests.gpu_double import GPU, gpu
from tests.helpers import ON_IMAGES

SMALL = {"iterations": 2, "hidden": (12, 8), "batch": 8}


@pytest.fixture(autouse=True)
def on_a_gpu():
    with gpu():
        yield


@pytest.mark.parametrize("method", ON_IMAGES)
def test_every_method_trains_and_is_tested_there(method):
    described = experiment("split-digits", METHODS[method].scenarios[0], method, **SMALL)
    net, record = runs.run(described, load_dataset("digits"), "cuda")
    assert record.device == "a GPU's double"
    assert next(net.parameters()).device.type == "cpu"


@pytest.mark.parametrize("method", ["joint", "exact", "lwf", "ewc", "bi-r-si"])
def test_so_do_many_seeds_at_once(method):
    described = [experiment("split-digits", "class", method, seed, **SMALL) for seed in range(2)]
    assert len(runs.run_seeds(described, load_dataset("digits"), "cuda")) == 2


@pytest.mark.parametrize(
    ("protocol", "scenario", "method", "options"),
    [("permuted-digits", "domain", "bi-r", {}), ("split-glyphs", "task", "bi-r", {"precision": "bfloat16"}),
     ("split-glyphs", "class", "gr", {"backbone": "tuned"}), ("split-text", "domain", "own-text", {})],
)  # fmt: skip
def test_so_do_other_data(protocol, scenario, method, options):
    runs.run(experiment(protocol, scenario, method, **SMALL, **options), device="cuda")


def test_what_is_imagined_is_measured_there():
    for protocol in ("split-digits", "split-glyphs"):
        described = experiment(protocol, "class", "bi-r", **SMALL)
        data = runs.data_of(described, "cuda")
        net, record = runs.run(described, data, "cuda")
        record = replay_quality.measure(net.to("cuda"), record, data)
        assert set(record.measures) > set(replay_quality.MEASURES)


def test_steps_are_timed_there():
    described = experiment("split-digits", "class", "gr", **SMALL)
    data = Split(*(part.to("cuda") for part in load_dataset("digits")))
    assert bench.measure(described, data, steps=3, loader=True).device == "a GPU's double"
    assert sweeps.seconds_of([described], data, "cuda") > 0


def test_an_encoder_is_pretrained_there():
    images = Split(*(part.to("cuda") for part in load_dataset("glyphs-pretraining")))
    few = Split(*(replace(part, images=part.images[:40], labels=part.labels[:40]) for part in images))
    encoder, origin = pretrain(few, Settings(epochs=1, batch=20, hidden=(12,)))
    assert origin.device == "a GPU's double"
    assert next(encoder.parameters()).device.type == "cpu"


def test_the_command_line_takes_the_gpu_by_itself(capsys, tmp_path):
    kept = ["--save", str(tmp_path / "runs")]
    short = ["--iterations", "2", "--seeds", "2"]
    assert main(["run", "split-digits", "--method", "gr", "--weights", *short, *kept]) == 0
    assert "a GPU's double, 2 seeds together" in capsys.readouterr().out
    described = experiment("split-digits", "class", "gr", iterations=2)
    net = runs.network(described, load_dataset("digits", "cuda"))
    assert checkpoints.load_weights(net, tmp_path / "runs" / f"{described.id}.safetensors") == described
    assert next(net.parameters()).device == GPU
    drawn = ["--methods", "none,bi-r", "--out", str(tmp_path / "x.svg")]
    assert main(["reproduce", "fig3", "--protocol", "split-digits", *drawn, *short, *kept]) == 0
    assert "of computing on a GPU's double" in capsys.readouterr().out


def test_the_double_can_fail():
    here, there = torch.ones(3), torch.ones(3, device="cuda")
    assert (here.device.type, there.device, here.to("cuda").device) == ("cpu", GPU, GPU)
    assert torch.nn.Linear(2, 2).to("cuda")(torch.zeros(1, 2, device="cuda")).device == GPU
    assert there.cpu().device.type == here.device.type
    assert (there[0].cpu() + here).device.type == "cpu"
    for mixed in (lambda: here + there, lambda: torch.cat([here, there]), lambda: there @ here):
        with pytest.raises(RuntimeError, match="expected all tensors on cuda:0"):
            mixed()
    for where, generator in (("cuda", "cpu"), ("cpu", "cuda")):
        assert torch.Generator(generator).manual_seed(0).device.type == generator
        with pytest.raises(RuntimeError, match="generator is not on the device"):
            torch.randn(3, device=where, generator=torch.Generator(generator))
    with pytest.raises(TypeError, match=r"use Tensor\.cpu"):
        there.numpy()
