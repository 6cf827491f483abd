"""The files of the page *Your own method* do what the page says, from outside the library."""

import sys
from pathlib import Path

import pytest
import torch

from replaylib.cli.main import main
from replaylib.lab import encoders, register, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.parts import Plan
from replaylib.lab.rows import PENALTIES
from replaylib.lab.tables import ENCODERS
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
    found = penalty.quadratic.importance[-2]
    torch.testing.assert_close(found, slow)
    with torch.no_grad():
        assert penalty() == 0
        net.readout.weight += 0.1
        assert penalty().item() == pytest.approx(3.0 * 0.01 * slow.sum().item(), rel=1e-3)


@pytest.mark.parametrize("method", ["der-plus-plus", "mas", "exact+mas", "lwf+mas"])
def test_each_runs_as_an_experiment(method):
    record = runs.trained(experiment("split-digits", "class", method, **SHORT))[1]
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
    found = encoders.load("resnet18")
    assert found.net.units == 512
    assert len(found.digest) == 64
    described = experiment("split-glyphs", "class", "none", encoder="resnet18", iterations=2, hidden=(8,))
    assert (described.backbone, described.encoder) == ("frozen", "resnet18")
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(
        found.net(images)[:1], found.net(images[:1])
    )  # evaluation mode: no image depends on another
