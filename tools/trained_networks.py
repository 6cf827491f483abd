"""Train the networks of the published scale that the course shows, and write them to book/networks, a byte a weight.

    python tools/trained_networks.py FOLDER [gr bi-r joint]

Split MNIST as published, class-incremental, seed 0 (digits arrive in their usual order), kept after each task:
generative replay, brain-inspired replay, and a small network trained on all tasks together, a judge of what the others
imagine. FOLDER keeps them as they were trained, in float32, with the record of each run; what lies there already is not
trained again. Half an hour on one processor. MNIST is looked for as everywhere, see `replaylib.load_dataset`.
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch

from replaylib import BrainNet, InputError, Network, Split, Training, evaluate, experiment, runs
from replaylib.data.files import replacing, shipped, writable
from replaylib.lab import network_files, networks, records
from replaylib.lab.checkpoints import load_weights, save_weights
from replaylib.lab.experiments import Experiment
from replaylib.lab.protocols import protocol

SEED = 0
METHODS = {
    "gr": experiment("split-mnist", "class", "gr", SEED),
    "bi-r": experiment("split-mnist", "class", "bi-r", SEED),
    "joint": experiment("split-mnist", "class", "joint", SEED, hidden=(100,)),
}
#: Codes from which both, the trained network and the stored one, imagine an image.
CODES = 1000


def place(folder: Path, method: str, task: int) -> Path:
    """Of the network as it was after a task, from 1."""
    return folder / f"{method}-{task}.safetensors"


def train(description: Experiment, folder: Path, data: Split) -> records.Record:
    """Run an experiment, keep its network after each task, and its record; what is there already is read."""
    there = records.done(folder)
    if description.id in there:
        return there[description.id]

    def watch(now: Training) -> None:
        if now.step == description.iterations:
            save_weights(now.net, description, place(folder, description.method, now.task + 1))

    _, record = runs.run(description, data, "cpu", watch)
    records.write(record, folder)
    return record


@torch.no_grad()
def imagined(net: Network, classes: int) -> torch.Tensor:
    """Images of all classes so far in turn, (`CODES`, pixels), the same codes for every network."""
    assert isinstance(net, BrainNet)
    noise = torch.randn(CODES, net.noise_dim, generator=torch.Generator().manual_seed(0))
    y = torch.arange(CODES) % classes
    return net.generate(y, y // 2, noise)


def store(record: records.Record, task: int, folder: Path, target: Path, data: Split) -> networks.Origin:
    """Write one network a byte a weight, with what that changed of its accuracies and of its images."""
    description = record.experiment
    stream = protocol(description.protocol).stream(data, "class", description.tasks, SEED)
    net = runs.network(description, data)
    load_weights(net, place(folder, description.method, task))
    again = networks.unpacked(runs.network(description, data), networks.packed(net))
    difference = None
    if isinstance(net, BrainNet):
        difference = (imagined(net, 2 * task) - imagined(again, 2 * task)).abs().mean().item()
    accuracy = evaluate(stream, net, seen=task)[:task]
    expected = torch.tensor(record.matrix[task - 1][:task], dtype=torch.float64)
    if not torch.allclose(accuracy, expected, atol=0.02):  # another processor may decide one image otherwise
        raise InputError(f"{place(folder, description.method, task)} is not the network of its record: empty {folder}")
    origin = networks.Origin(
        description=description.as_stored(),
        task=task,
        accuracy=tuple(accuracy.tolist()),
        stored_accuracy=tuple(evaluate(stream, again, seen=task)[:task].tolist()),
        shape=tuple(data.train.shape),
        image_difference=difference,
        device=record.device,
        versions=record.versions,
        commit=record.commit,
        date=record.date,
    )
    networks.write_network(net, origin, place(target, description.method, task))
    return origin


def write_digests() -> None:
    """The SHA-256 of every file, for those who fetch one."""
    stored = sorted(network_files.IN_CHECKOUT.glob(f"*{network_files.SUFFIX}"))
    said = {
        path.name.removesuffix(network_files.SUFFIX): hashlib.sha256(path.read_bytes()).hexdigest() for path in stored
    }
    with replacing(shipped(network_files.DIGESTS), "make the folder writable") as part:
        part.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the course's networks of the published scale, and store them.")
    parser.add_argument("folder", type=Path, help="where they are kept as they were trained")
    parser.add_argument("methods", nargs="*", choices=[*METHODS, []], help="those to store again; all by default")
    options = parser.parse_args()
    writable(options.folder)
    writable(network_files.IN_CHECKOUT)
    data = runs.data_of(METHODS["gr"])
    for method in options.methods or METHODS:
        description = METHODS[method]
        record = train(description, options.folder, data)
        for task in range(1, description.tasks + 1) if method != "joint" else [description.tasks]:
            origin = store(record, task, options.folder, network_files.IN_CHECKOUT, data)
            said = ", ".join(
                f"{was:.2f} ({now:.2f})" for was, now in zip(origin.accuracy, origin.stored_accuracy, strict=True)
            )
            print(f"{origin}: accuracy (stored) {said} %; images differ by {origin.image_difference or 0:.5f}")
    write_digests()


if __name__ == "__main__":
    main()
