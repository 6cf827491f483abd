"""The files of the page *Your own method* do what the page says, from outside the library."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.lab import encoders, register, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.parts import Plan
from replaylib.lab.rows import PENALTIES
from replaylib.lab.tables import ENCODERS, STREAMS, WATCHERS
from replaylib.scenarios import split_stream
from tests.helpers import tiny

FILES = Path(__file__).resolve().parents[1] / "book" / "your_own_method"
SHORT = {"iterations": 12, "hidden": (16, 16)}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setenv(register.FILES, "")
    for file in sorted(FILES.glob("*.py")):
        register.file(file)
    yield
    for name in ("der-plus-plus", "mas"):
        for table in (METHODS, PENALTIES):
            table.pop(name, None)
    ENCODERS.pop("resnet18", None)
    WATCHERS.pop("drift", None)
    for name in ("6-3-1", "blurry", "turned", "noisier"):
        STREAMS.pop(name, None)
    for name in [name for name in sys.modules if name.startswith("replaylib_with_")]:
        del sys.modules[name]


def test_der_is_one_file_of_at_most_50_lines_of_code():
    assert sum(1 for line in (FILES / "der.py").read_text().splitlines() if line.strip()) <= 50


def parts(name, **options):
    stream = split_stream(tiny(), "class", 3)
    plan = Plan(stream, (5,), torch.Generator().manual_seed(0), torch.Generator().manual_seed(1))
    return METHODS[name].make(plan, **options)


def test_der_holds_as_many_as_asked_with_the_logits_that_the_network_gave():
    net, dark, penalty = parts("der-plus-plus", reservoir=40, alpha=0.5, beta=0.5)
    assert dark is penalty
    assert dark() == 0
    dark.begin(0)
    dark.step()
    x, _, task, logits, _ = dark.held
    torch.testing.assert_close(logits, net(x, task))
    for _ in range(5):
        dark.step()
    assert len(dark.held[0]) == 40
    assert dark.nbytes > 0


def test_der_is_the_sum_of_two_losses():
    _, dark, _ = parts("der-plus-plus", reservoir=40, alpha=0.0, beta=0.0)
    dark.step()
    assert dark() == 0
    dark.alpha = 2.0
    with torch.no_grad():
        assert dark().item() == pytest.approx(0, abs=1e-9)  # the network has not moved since
        dark.net.readout.bias += 1
        assert dark().item() == pytest.approx(2.0)


def test_mas_is_the_mean_absolute_gradient_of_the_squared_output():
    net, _, penalty = parts("mas", strength=3.0)
    state = penalty.generator.get_state()
    penalty.end(0)
    penalty.generator.set_state(state)
    batch = penalty.stream.draw(0, 500, penalty.generator)
    slow = torch.zeros_like(net.readout.weight)
    for x in batch.x:
        net.zero_grad()
        (net(x[None]) ** 2).sum().backward()
        slow += net.readout.weight.grad.abs() / 500
    importance = penalty.quadratic.importance[-2]
    torch.testing.assert_close(importance, slow)
    with torch.no_grad():
        assert penalty() == 0
        net.readout.weight += 0.1
        assert penalty().item() == pytest.approx(3.0 * 0.01 * slow.sum().item(), rel=1e-3)


@pytest.mark.parametrize("method", ["der-plus-plus", "mas", "exact+mas", "lwf+mas"])
def test_each_runs_as_an_experiment(method):
    record = runs.run(experiment("split-digits", "class", method, **SHORT)).record
    assert 0 < record.summary()["acc"] <= 100
    own = [name for name in record.versions if name.startswith("method ")]
    assert len(own) == 1


def test_the_command_line_knows_them_and_their_options(capsys):
    arguments = ["run", "split-digits", "--method", "der-plus-plus", "--alpha", "0.3", "--iterations", "4", "--json"]
    assert main(["--with", str(FILES / "der.py"), *arguments, "-q"]) == 0
    assert '"alpha": 0.3' in capsys.readouterr().out
    assert main(["--with", str(FILES / "der.py"), *arguments, "--beta", "-1"]) == 2
    assert "beta is -1: expected a number from 0 on and finite" in capsys.readouterr().err
    assert main(["list"]) == 0
    assert "memory aware synapses" in capsys.readouterr().out


def test_a_resnet_is_a_frozen_backbone_of_512_features():
    encoder = encoders.load_encoder("resnet18")
    assert encoder.net.units == 512
    assert len(encoder.digest) == 64
    described = experiment("split-glyphs", "class", "none", encoder="resnet18", iterations=2, hidden=(8,))
    assert (described.backbone, described.encoder) == ("frozen", "resnet18")
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(
        encoder.net(images)[:1], encoder.net(images[:1])
    )  # evaluation mode: no image depends on another


def stream_of(name, tasks, scenario="class"):
    return STREAMS.find(name)(load_dataset("digits"), scenario, tasks, 0, None)


def test_tasks_may_be_of_any_size():
    stream = stream_of("6-3-1", 3)
    assert [stream.batch(stream.rows(t), torch.full_like(stream.rows(t), t)).y.unique().numel() for t in range(3)] == [
        6, 3, 1,
    ]  # fmt: skip
    assert [stream_of("uneven", n).active(torch.tensor([0]), n).sum().item() for n in (3, 10)] == [10, 10]
    assert stream_of("uneven", 10).classes.shape == (10, 1)


def test_a_blurred_border_is_a_tenth_of_the_next_task():
    stream = stream_of("blurry", 5)
    batch = stream.draw(1, 5000, stream.generator(0))
    assert set(batch.y.tolist()) == {2, 3, 4, 5}
    early = batch.y > 3
    assert abs(early.float().mean() - 0.1) < 4.5 * (0.09 / 5000) ** 0.5
    assert batch.task.equal(1 + early.long())
    assert stream.active(batch.task[:1], 2).sum() == 6
    assert set(stream.draw(4, 500, stream.generator(0)).y.tolist()) == {8, 9}


def test_domains_are_turned_or_noisier():
    turned, noisier = (stream_of(name, 4, "domain") for name in ("turned", "noisier"))
    rows = torch.arange(6)
    for task in range(4):
        x = turned.batch(rows, torch.full_like(rows, task)).x
        assert x.equal(turned.data.train.inputs(turned.data.train.images[rows]).rot90(task, (2, 3)))
    images = noisier.data.train.images.float()
    every = torch.arange(len(images))
    away = [(noisier.raw(every, torch.full_like(every, t)).float() - images).abs().mean().item() for t in range(4)]
    assert away[0] == 0
    assert away == sorted(away)
    assert noisier.raw(rows, rows * 0 + 2).equal(noisier.raw(rows, rows * 0 + 2))


@pytest.mark.parametrize(
    ("stream", "scenario", "tasks"),
    [("6-3-1", "class", 3), ("6-3-1", "domain", 3), ("uneven", "class", 10), ("uneven", "task", 3),
     ("blurry", "class", 5), ("turned", "domain", 4), ("noisier", "domain", 3)],
)  # fmt: skip
@pytest.mark.parametrize("method", ["exact", "bi-r"])
def test_each_stream_is_learned_with_each_kind_of_replay(stream, scenario, tasks, method):
    described = experiment("split-digits", scenario, method, stream=stream, tasks=tasks, iterations=40, hidden=(32, 32))
    record = runs.run(described).record
    assert record.tensor().shape == (tasks, tasks)
    assert record.tensor().diagonal().mean() > 100 / 6  # above guessing
    own = "streams.py" if stream != "uneven" else None
    assert record.versions.get(f"stream {stream}", "").split(" ")[0] == (own or "")


def test_a_watcher_has_a_name_on_the_command_line_and_changes_nothing(capsys):
    run = ["run", "split-digits", "--iterations", "10", "--hidden", "8", "--json", "-q"]
    matrices = []
    for watch in ([], ["--watch", "drift,loss"]):
        assert main([*run, *watch]) == 0
        out, err = capsys.readouterr()
        *said, last = out.splitlines()
        matrices.append(json.loads(last)["matrix"])
    assert matrices[0] == matrices[1]
    moved = [float(line.rpartition(" ")[2]) for line in said]
    assert len(moved) == 5
    assert min(moved) > 0
    assert len(re.findall(r"^task \d, step \d+: loss \d+\.\d{4}$", err, re.M)) == 50
    assert main([*run, "--watch", "drif"]) == 2
    assert "unknown watcher 'drif'. Did you mean drift?" in capsys.readouterr().err


VIT = """
import torch
from torch import nn
from torchvision.models import VisionTransformer

from replaylib import register


@register.backbone("tiny-vit", "a vision transformer", shape=(3, 32, 32))
def backbone():
    net = VisionTransformer(image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)
    net.load_state_dict(torch.load("WEIGHTS", weights_only=True))
    net.heads = nn.Identity()
    return net
"""


def test_a_vision_transformer_with_weights_from_a_file_is_a_backbone_frozen_or_tuned(tmp_path):
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    net = VisionTransformer(image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "vit.py").write_text(VIT.replace("WEIGHTS", str(tmp_path / "weights.pt")))
    register.file(tmp_path / "vit.py")
    try:
        loaded = encoders.load_encoder("tiny-vit").net
        net.heads = torch.nn.Identity()
        images = torch.rand(3, 3, 32, 32)
        torch.testing.assert_close(loaded(images), net.eval()(images))
        for backbone, method in (("frozen", "bi-r"), ("tuned", "exact")):
            short = {"iterations": 2, "hidden": (8,), "tasks": 2}
            described = experiment("split-glyphs", "class", method, encoder="tiny-vit", backbone=backbone, **short)
            trained = runs.run(described).net
            before, after = loaded.state_dict(), trained.state_dict()
            moved = [
                not after[f"backbone.{name}"].equal(value) for name, value in before.items() if backbone == "tuned"
            ]
            assert any(moved) == (backbone == "tuned")
    finally:
        ENCODERS.pop("tiny-vit", None)
