"""What learns on the book's pages is what the library trains: the same losses, gradients and accuracies."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import live_common
import live_digits
import live_networks
import live_parts
import live_stills_networks
import live_weights
import numpy as np
import pytest
import torch
from torch import Tensor

from replaylib.brain import Brain
from replaylib.data.dataset import Dataset, Split
from replaylib.generative import BrainNet
from replaylib.lab import networks
from replaylib.loop import evaluate, objective
from replaylib.nets import Classifier
from replaylib.penalties import EWC, fisher_diagonal
from replaylib.replay import Buffer, Generated
from replaylib.scenarios import Batch, Stream, split_stream
from replaylib.steps import adam

ROOT = Path(__file__).resolve().parents[1]
LIVE = ROOT / "book" / "_static" / "live"
HIDDEN, LATENT, BATCH, SPRINGS = (40, 30), 8, 16, 100.0
BRAINS = {
    "gr": Brain(),
    "gr+distill": Brain(distill=True),
    "gr+conditional": Brain(conditional=True),
    "feedback+gating": Brain(feedback=True, gating=True),
    "bi-r": Brain.all(),
}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def test_runtime_is_small() -> None:
    assert sum((LIVE / name).stat().st_size for name in ("numbers.js", "net.js")) < 20_000


def test_script_of_digits_holds_the_images_it_was_made_from() -> None:
    ink = live_digits.read(live_digits.OUT.read_text(encoding="utf-8"))
    assert ink.shape == (1500, 14, 14)
    assert ink.max() == 15
    assert live_digits.OUT.stat().st_size < 200_000
    assert (ink == live_digits.images()).all()


def digits() -> Split:
    ink = torch.from_numpy(live_digits.read(live_digits.OUT.read_text(encoding="utf-8")))
    images = (ink.long() * 17).to(torch.uint8)[:, None]
    labels = torch.arange(10).repeat_interleave(150)
    trained = torch.arange(1500) % 150 < 100
    classes = tuple(map(str, range(10)))
    return Split(*(Dataset("digits", images[part], labels[part], classes) for part in (trained, ~trained)))


class Draws:
    """Random numbers that both sides use, in the order in which they are asked for."""

    def __init__(self, seed: int) -> None:
        draws = np.random.default_rng(seed)
        self.uniform = draws.random(200_000, dtype=np.float32)
        self.normal = draws.standard_normal(1_000_000, dtype=np.float32)
        self.used = {"uniform": 0, "normal": 0}

    def below(self, n: int, count: int) -> Tensor:
        start = self.used["uniform"]
        self.used["uniform"] += count
        return torch.from_numpy(np.floor(self.uniform[start : start + count].astype(float) * n).astype(np.int64))

    def noise(self, rows: int, dtype: torch.dtype) -> Tensor:
        start = self.used["normal"]
        self.used["normal"] += rows * LATENT
        return torch.from_numpy(self.normal[start : start + rows * LATENT]).view(rows, LATENT).to(dtype)


def network(method: str, stream: Stream) -> Classifier | BrainNet:
    start = torch.Generator().manual_seed(3)
    classifier = Classifier(196, HIDDEN, stream.outputs, start)
    if method not in BRAINS:
        return classifier
    tasks = stream.tasks if stream.scenario == "domain" else None
    return BrainNet(BRAINS[method], classifier, start, noise_dim=LATENT, gate_prop=0.5, tasks=tasks)


def text(values: Tensor) -> str:
    return base64.b64encode(values.detach().float().contiguous().numpy().tobytes()).decode()


def prefixed(name: str, method: str) -> str:
    return name if method in BRAINS else f"classifier.{name}"


def library(
    method: str, stream: Stream, net: Any, order: list[int], steps: int, lr: float, dtype: torch.dtype
) -> tuple[list[float], list[Tensor], dict[str, Tensor], list[int], Draws]:
    """The loop of `replaylib.train`, with random numbers that are passed in: losses, accuracies, gradients."""
    draws = Draws(5)
    buffer = Buffer(stream, 3, "balanced", stream.generator(2)) if method == "exact" else None
    generated = Generated(stream, net, stream.generator(2)) if method in BRAINS else None
    penalty = EWC(stream, net, stream.generator(2), strength=SPRINGS) if method == "ewc" else None
    optimizer = adam(net.parameters(), lr)
    losses, accuracies = [], []

    def cast(batch: Batch) -> Batch:
        return replace(batch, x=batch.x.to(dtype))

    for seen, task in enumerate(order):
        for _ in range(steps):
            rows = stream.rows(task)
            current = cast(stream.batch(rows[draws.below(len(rows), BATCH)], torch.full((BATCH,), task)))
            old = None
            if buffer is not None and len(buffer):
                picks = draws.below(len(buffer), BATCH)
                x = stream.data.train.inputs(buffer.images[picks])
                old = cast(Batch(x, buffer.y[picks], buffer.task[picks]))
            if generated is not None and seen:
                per_task = stream.classes.shape[1]
                unit = draws.below(seen * per_task, BATCH)
                of, y = unit // per_task, unit % per_task if stream.scenario == "domain" else unit
                with torch.no_grad():
                    old = generated.complete(generated.teacher.copy, y, of, draws.noise(BATCH, dtype))
            samples = BATCH if old is None else 2 * BATCH
            noise = draws.noise(samples, dtype) if method in BRAINS else torch.empty(samples, 0)
            loss = objective(stream, net, task, current, old, noise)
            if penalty is not None and seen:
                loss = loss + penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((loss - penalty()).item() if penalty is not None and seen else loss.item())
        if dtype == torch.float32:
            accuracies.append(evaluate(stream, net, seen + 1))
        for source in (buffer, generated, penalty):
            if source is penalty is not None and dtype == torch.float64:
                batch = cast(stream.batch(stream.rows(task), torch.full_like(stream.rows(task), task)))
                active = stream.active(batch.task, seen + 1)
                penalty.quadratic.add(fisher_diagonal(net, batch.x, batch.task, active))
            elif source is not None:
                source.end(task)
    gradients = {prefixed(name, method): p.grad.clone() for name, p in net.named_parameters()}
    return losses, accuracies, gradients, [] if buffer is None else stored_rows(stream, buffer), draws


def stored_rows(stream: Stream, buffer: Buffer) -> list[int]:
    """The rows, of the 1,500 images, that the buffer holds copies of."""
    everything = stream.data.train.images.flatten(1)
    places = [int((everything == image.flatten()).all(1).nonzero()[0, 0]) for image in buffer.images]
    return [place // 100 * 150 + place % 100 for place in places]


def page(
    folder: Path, method: str, stream: Stream, parameters: dict[str, str], gates: Tensor | None, order: list[int],
    steps: int, lr: float, store: list[int], draws: Draws,
) -> dict[str, Any]:  # fmt: skip
    """The same, by the scripts of the page."""
    brain = BRAINS.get(method)
    every = torch.cat([part.images.view(10, -1, 196) for part in stream.data], dim=1).reshape(-1, 196)
    row = lambda first, last: [[150 * c + k for k in range(first, last)] for c in range(10)]  # noqa: E731
    job = {
        "inputs": 196, "x": text(every.float() / 255), "labels": [k // 150 for k in range(1500)],
        "train": row(0, 100), "test": row(100, 150), "order": order, "steps": steps, "parameters": parameters,
        "open": None if gates is None else text(gates), "uniform": text(torch.from_numpy(draws.uniform)),
        "normal": text(torch.from_numpy(draws.normal)),
        "config": {
            "tasks": stream.classes.tolist(), "scenario": stream.scenario, "hidden": HIDDEN, "latent": LATENT,
            "gateProp": 0.5, "lr": lr, "batch": BATCH, "seed": 1, "store": store,
            "replay": "generated" if brain else "exact" if method == "exact" else "none",
            "springs": SPRINGS if method == "ewc" else 0,
            **({} if brain is None else vars(brain)),
        },
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    command = ["node", str(ROOT / "tests" / "live.cjs"), str(folder / "job.json")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    out: dict[str, Any] = json.loads(ran.stdout)
    assert out["drawn"] == draws.used
    return out


def both(
    folder: Path, method: str, scenario: str, order: list[int], steps: int, lr: float, dtype: torch.dtype
) -> tuple[tuple, dict[str, Any]]:
    stream = split_stream(digits(), scenario, 5)
    net = network(method, stream).to(dtype)
    parameters = {prefixed(name, method): text(p) for name, p in net.named_parameters()}
    gates = getattr(getattr(net, "gates", None), "open", None)
    losses, accuracies, gradients, store, draws = library(method, stream, net, order, steps, lr, dtype)
    out = page(folder, method, stream, parameters, gates, order, steps, lr, store, draws)
    return (losses, accuracies, gradients), out


@needs_node
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("method", ["none", "exact", "ewc", *BRAINS])
def test_losses_and_gradients_are_the_librarys(tmp_path: Path, method: str, scenario: str) -> None:
    """One step, and one with replay after it: in double precision on the library's side, so that 1e-5 is ours.

    The first step is small, for Adam makes whole steps of gradients that are nothing but rounding.
    """
    (losses, _, gradients), out = both(tmp_path, method, scenario, [0, 1], 1, 1e-5, torch.float64)
    assert [step["sum"] for step in out["losses"]] == pytest.approx(losses, abs=1e-5)
    assert out["losses"][1]["replayed"] == (0 if method in ("none", "ewc") else BATCH)
    assert set(out["gradients"]) == set(gradients)
    for name, gradient in gradients.items():
        assert np.abs(np.array(out["gradients"][name]) - gradient.flatten().numpy()).max() < 1e-5, name


@needs_node
@pytest.mark.parametrize("method", ["none", "exact", "ewc", "gr", "bi-r"])
def test_two_hundred_steps_reach_the_librarys_accuracies(tmp_path: Path, method: str) -> None:
    (losses, accuracies, _), out = both(tmp_path, method, "class", [0, 1], 100, 1e-3, torch.float32)
    for on_page, in_library in zip(out["accuracies"], accuracies, strict=True):
        known = ~in_library.isnan()
        assert [value is not None for value in on_page] == known.tolist()
        assert np.abs(np.array(on_page, dtype=float)[known.numpy()] - in_library[known].numpy()).max() <= 1
    assert out["losses"][-1]["sum"] == pytest.approx(losses[-1], rel=0.02)
    assert accuracies[0][0] > 90


@needs_node
def test_stored_network_decodes_on_the_page_as_in_the_library(tmp_path: Path) -> None:
    """And is one that has learned: it recognises nine of ten test images, from weights of one byte."""
    net = live_weights.loaded("codes", live_weights.untrained_codes())
    parameters = {name: text(p) for name, p in net.named_parameters()}
    codes = live_stills_networks.plane()
    config = {"tasks": [list(range(10))], "scenario": "class", "replay": "generated", "feedback": True, "seed": 1}
    config |= {"hidden": live_common.HIDDEN, "latent": 2, "gateProp": 0, "batch": 1}
    job = {"inputs": 196, "x": "", "config": config, "parameters": parameters, "decode": text(codes)}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = ["node", str(ROOT / "tests" / "live.cjs"), str(tmp_path / "job.json")]
    images = np.array(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    with torch.no_grad():
        in_library = net.decode(codes, torch.zeros(len(codes), 10), None).sigmoid().flatten().numpy()
        test = digits().test
        right = net(test.inputs(test.images)).argmax(1) == test.labels
    assert np.abs(images - in_library).max() < 1e-5
    assert right.double().mean() > 0.85


@needs_node
def test_network_of_the_published_scale_decodes_on_the_page_as_in_the_library(tmp_path: Path) -> None:
    live_networks.write(tmp_path)
    codes = torch.randn(30, 100, generator=torch.Generator().manual_seed(0))
    names = ["gr-3", "joint-5"]
    job = {
        "names": names,
        "scripts": [str(tmp_path / f"{name}.js") for name in names],
        "codes": text(codes),
        "count": 30,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = ["node", str(ROOT / "tests" / "live.cjs"), str(tmp_path / "job.json")]
    page = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    net, judge = networks.load_network("gr", 3).net, networks.load_network("joint", 5).net
    assert isinstance(net, BrainNet)
    y = torch.zeros(30, dtype=torch.long)
    images = net.generate(y, y, codes)
    assert np.abs(np.array(page["images"]) - images.flatten().numpy()).max() < 1e-4
    with torch.no_grad():
        assert page["digits"] == judge(images).argmax(1).tolist()
    assert len(set(page["digits"])) > 2


def test_scripts_of_the_networks_weigh_what_the_page_says() -> None:
    weight = sum(len(live_networks.script(name)) for name in live_networks.SCRIPTS)
    said = set(re.findall(r"([\d.]+) MB", (LIVE / "places.js").read_text(encoding="utf-8")))
    assert said == {f"{weight / 1e6:.1f}"}


def test_directive_brings_its_scripts_to_its_page_alone(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text("extensions = ['one']\nhtml_theme = 'basic'\n")
    (tmp_path / "one.py").write_text("import live\ndef setup(app):\n    live.setup(app)\n")
    (tmp_path / "index.rst").write_text("A\n=\n\n.. live:: forget\n\n.. toctree::\n\n   other\n")
    (tmp_path / "other.rst").write_text("B\n=\n\n.. live:: nothing\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(tmp_path), str(tmp_path / "out")]
    paths = {"PYTHONPATH": f"{ROOT / 'book' / '_ext'}:{tmp_path}"}
    built = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **paths})
    assert built.returncode == 0, built.stderr
    assert "other.rst:4: WARNING: there is no live part 'nothing'; there are forget" in built.stderr
    page, other = ((tmp_path / "out" / f"{name}.html").read_text() for name in ("index", "other"))
    assert live_parts.figure("forget") in page
    for name in ("live/live.js", "live/live.css"):
        assert name in page
        assert name not in other
    scripts = tmp_path / "out" / "_static" / "live"
    assert not list(scripts.glob("gr-*.js")), "no page here asks for them"
    (tmp_path / "other.rst").write_text("B\n=\n\n.. live:: places\n")
    subprocess.run(command, check=True, env={**os.environ, **paths})
    for name in live_networks.SCRIPTS:
        assert (scripts / f"{name}.js").read_text() == live_networks.script(name)
    kit = (scripts / "kit.js").read_text()
    assert kit == live_parts.kit()
    lines = {line.strip() for name in live_parts.KIT for line in (LIVE / name).read_text().splitlines()}
    assert set(kit.splitlines()) <= lines
    assert len(kit) < 50_000


@pytest.mark.parametrize("name", live_parts.TITLES)
def test_still_picture_is_well_formed(name: str) -> None:
    """An electronic book takes nothing else."""
    figure = ElementTree.fromstring(live_parts.figure(name))
    assert figure.get("id") == f"live-{name}"
    shown = figure.find("div[@class='live-still']")
    assert shown is not None
    for picture in (*shown.iter("svg"), *shown.iter("img")):
        assert picture.get("aria-label") or picture.get("alt")


def test_still_pictures_are_computed_for_every_part() -> None:
    stored = json.loads((LIVE / "stills.json").read_text(encoding="utf-8"))
    assert set(live_parts.TITLES) <= set(stored)
    assert {name for name in live_parts.TITLES if not (LIVE / f"{name}.js").is_file()} == set()
