"""What several test modules share: small data, slow formulas to compare with, and what stops or watches a training."""

import os
import signal

import torch
from torch.distributions import Normal
from torch.utils._python_dispatch import TorchDispatchMode

from replaylib.data.dataset import Dataset, Split
from replaylib.lab import runs
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.records import Record

#: Methods that can learn images; the other one writes text, see test_text.
ON_IMAGES = [name for name in METHODS if name != "own-text"]


def tiny(classes: int = 6, each: int = 5) -> Split:
    """Images whose every pixel tells which row it is, so that a mix-up shows."""
    labels = torch.arange(classes).repeat_interleave(each)
    images = (torch.arange(classes * each)[:, None] * 4 + torch.arange(4)).to(torch.uint8).view(-1, 1, 2, 2)
    part = Dataset("tiny", images, labels, tuple(f"class {c}" for c in range(classes)))
    return Split(part, part)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-10) -> bool:
    """Equal in shape, and to ten digits."""
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance * 1e-2)


def intensities(*shape: int, seed: int = 9) -> torch.Tensor:
    """In [0, 1], both ends included."""
    return (torch.rand(shape, generator=seeded(seed), dtype=torch.float64) * 1.4 - 0.2).clamp(0, 1)


def slow_layers(layers, a: torch.Tensor, gates: torch.Tensor | None = None) -> torch.Tensor:
    """One sample through gated layers: a (inputs,) -> (units,)."""
    at = 0
    for layer in layers:
        a = layer.weight @ a + layer.bias
        if gates is not None:
            a = gates[at : at + len(a)] * a
        at += len(a)
        a = torch.where(a > 0, a, 0.0)
    return a


def slow_reconstruction(output: torch.Tensor, x: torch.Tensor, likelihood: str) -> torch.Tensor:
    """Summed over the units of one sample: what is averaged is divided by len(x) where it is used."""
    if likelihood == "gaussian":
        return sum((x[i] - output[i]) ** 2 / 2 for i in range(len(x)))
    p = 1 / (1 + torch.exp(-output))
    return -sum(x[i] * torch.log(p[i]) + (1 - x[i]) * torch.log(1 - p[i]) for i in range(len(x)))


def slow_posterior(net, x: torch.Tensor) -> Normal:
    """q(z|x) of one sample, for anything with an encoder and a posterior."""
    h, parts = slow_layers(net.encoder, x), net.posterior
    return Normal(parts.mu.weight @ h + parts.mu.bias, (parts.logvar.weight @ h + parts.logvar.bias).exp().sqrt())


def slow_decode(decoder, z: torch.Tensor, gates: torch.Tensor | None = None) -> torch.Tensor:
    return decoder.output.weight @ slow_layers(decoder.hidden, z, gates) + decoder.output.bias


def assembled(digits, method, scenario, seeds, **options):
    assemblies = [
        runs.assemble(experiment("split-digits", scenario, method, seed, hidden=(20, 16), **options), digits)
        for seed in range(seeds)
    ]
    return [list(parts) for parts in zip(*assemblies, strict=True)]


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: a number that is read, or a shape that depends on values."""

    OPERATIONS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero", "unique_dim")

    def __init__(self):
        super().__init__()
        self.on, self.seen = False, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if self.on and (name in self.OPERATIONS or (name == "index" and any(_is_mask(i) for i in args[1]))):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def _is_mask(index):
    return index is not None and index.dtype == torch.bool


class StopsAt:
    """Stops a training after a step, as a signal does, and says nothing."""

    def __init__(self, task, step):
        self.at = task, step

    def __call__(self, now):
        if (now.task, now.step) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


def bits(results):
    """All that a run leaves behind, but for how long it took and when."""
    return [(net.state_dict(), record.matrix, record.untrained, record.memory_bytes) for net, record in results]


def same(results, others):
    for (weights, *one), (other, *two) in zip(results, others, strict=True):
        assert repr(one) == repr(two)
        assert all(value.equal(other[name]) for name, value in weights.items())
    return True


def record(method="gr", seed=0, last=(40.0, 80.0), **options):
    described = experiment("split-digits", "class", method, seed, tasks=2, iterations=3, **options)
    return Record(
        described,
        ((90.0, float("nan")), last),
        (50.0, float("nan")),
        0,
        1.5,
        "cpu",
        {},
        None,
        "2026-01-01T00:00:00+00:00",
    )


def stub_record(description):
    """A record that took no computing."""
    tasks = description.tasks
    nan = float("nan")
    matrix = tuple(tuple(50.0 + description.seed % 50 if a <= t else nan for a in range(tasks)) for t in range(tasks))
    return Record(description, matrix, (10.0,) * tasks, 0, 1.0, "cpu", {}, None, "2026-01-01T00:00:00+00:00")
