"""Train the networks whose weights the live parts show, and write them as scripts: a byte a weight, a scale a row.

    python tools/live_weights.py           # writes book/_static/live/codes.js and brain.js; takes two minutes

codes : a classifier with replay through feedback whose code z has two numbers, trained on all ten digits together.
brain : a network with brain-inspired replay, trained on five pairs of digits, one pair after another.
"""

import base64
import json
import sys

import numpy as np
import torch
from live_common import BATCH, HIDDEN, LR, classifier, digits
from live_digits import OUT
from torch import Tensor

from replaylib.brain import Brain
from replaylib.generative import BrainNet
from replaylib.lab import networks
from replaylib.loop import train
from replaylib.nets import Classifier
from replaylib.replay import Generated
from replaylib.scenarios import Batch, split_stream
from replaylib.steps import adam

LATENT, GATE_PROP = 32, 0.7


def codes(steps: int = 6000, seed: int = 0) -> BrainNet:
    """All digits at once, with a code of two numbers."""
    data = digits().train
    net = untrained_codes()
    draws = torch.Generator().manual_seed(seed + 1)
    optimizer = adam(net.parameters(), LR)
    active = torch.ones(64, 10, dtype=torch.bool)
    for _ in range(steps):
        rows = torch.randint(len(data), (64,), generator=draws)
        batch = Batch(data.inputs(data.images[rows]), data.labels[rows], torch.zeros_like(rows))
        loss = net.losses(batch, active, torch.randn(64, 2, generator=draws)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def brain(steps: int = 400, seed: int = 1) -> BrainNet:
    """Five pairs one after another, with brain-inspired replay."""
    stream = split_stream(digits(), "class", 5)
    start = torch.Generator().manual_seed(seed)
    net = BrainNet(Brain.all(), classifier(stream, start), start, noise_dim=LATENT, gate_prop=GATE_PROP)
    draws = stream.generator(seed)
    result = train(stream, net, Generated(stream, net, draws), draws, iterations=steps, batch=BATCH, lr=LR)
    print(f"brain: final accuracy {result.matrix[-1].mean():.1f} %")
    return net


def packed(net: BrainNet) -> dict[str, dict[str, str]]:
    """Every parameter, and the gates, as whole numbers from -127 to 127 and a scale for each row."""
    tensors: dict[str, Tensor] = dict(net.named_parameters())
    if net.gates is not None:
        tensors["open"] = net.gates.open
    return {name: row_by_row(tensor.detach()) for name, tensor in tensors.items()}


def row_by_row(tensor: Tensor) -> dict[str, str]:
    whole, scale = networks.by_row(tensor)
    return {"whole": text(whole.numpy()), "scale": text(scale.numpy())}


def text(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def stored(name: str) -> dict[str, Tensor]:
    """What `packed` wrote to a script, as numbers again: one row after another."""
    said = json.loads(OUT.with_name(f"{name}.js").read_text(encoding="utf-8").partition(" =\n")[2].rstrip().rstrip(";"))
    tensors = {}
    for key, parts in said.items():
        whole = torch.from_numpy(np.frombuffer(base64.b64decode(parts["whole"]), np.int8).copy())
        scale = torch.from_numpy(np.frombuffer(base64.b64decode(parts["scale"]), np.float32).copy())
        tensors[key] = networks.from_rows(whole, scale)
    return tensors


def loaded(name: str, net: BrainNet) -> BrainNet:
    """A network with the stored weights, as the page has them."""
    tensors = stored(name)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(tensors[key].view_as(parameter))
        if net.gates is not None:
            net.gates.open.copy_(tensors["open"].view_as(net.gates.open))
    return net


def untrained_codes() -> BrainNet:
    start = torch.Generator().manual_seed(0)
    return BrainNet(Brain(feedback=True), Classifier(digits().train.pixels, HIDDEN, 10, start), start, noise_dim=2)


NETWORKS = {"codes": codes, "brain": brain}


if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        target = OUT.with_name(f"{name}.js")
        note = f"/* Weights trained on the digits of the page; made by tools/live_weights.py ({name}). */"
        said = json.dumps(packed(NETWORKS[name]()))
        target.write_text(f"{note}\n(self.replayData ||= {{}}).{name} =\n{said};\n", encoding="utf-8")
        print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
