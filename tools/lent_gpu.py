"""The runs that are worth most on a GPU that is there for some minutes: in order of worth, each saved as it ends.

    python tools/lent_gpu.py --list
    python tools/lent_gpu.py --minutes 9 --save FOLDER

Nothing that is in FOLDER already, or among the published runs, is run again: what one call leaves undone, the next
does. A group of seeds that would not end within the time is given up as soon as its pace says so.
"""

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from replaylib.data.dataset import Split
from replaylib.data.files import writable
from replaylib.errors import InputError, unknown
from replaylib.lab import frames, records, replay_quality, runs
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.methods import method
from replaylib.lab.options import seeds_of
from replaylib.lab.sweeps import loader, surviving
from replaylib.loop import Training
from replaylib.nets import Network

#: Steps after which the pace is known, and how many it is known from: in the first task, where it is a lower bound, and
#: in the second, in which replay has begun.
SETTLED, TIMED = 200, 200
#: Seconds that a group needs at its start, and for each of its tests, on top of its steps; a guess on the safe side.
BEGINNING, TESTING = 3.0, 0.3

MIDDLE = {"hidden": (1000, 1000), "iterations": 1000, "lr": 3e-4, "batch": 128}
ABLATIONS = ("bi-r-no-conditional", "bi-r-no-gating", "bi-r-no-distill", "bi-r-no-feedback")
ADDITIONS = ("gr", "gr+feedback", "gr+conditional", "gr+gating", "gr-distill")
BFLOAT16 = {"precision": "bfloat16"}


@dataclass(frozen=True)
class Item:
    """Runs of one protocol and scenario: every method with every seed; a method's seeds are trained together.

    With ``measured``, what the networks imagine is judged as well, see `replaylib.lab.replay_quality`.
    """

    name: str
    protocol: str
    scenario: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    measured: bool = False

    def groups(self) -> Iterator[list[Experiment]]:
        """The experiments that differ in their seed alone, a list for each method."""
        for name in self.methods:
            options = dict(self.options)
            # What is published of a method that replays pixels is with an encoder that learns, but for the ablations.
            if options.get("backbone") == "frozen" and method(name).level == "pixels":
                del options["backbone"]
            yield [experiment(self.protocol, self.scenario, name, seed, **options) for seed in self.seeds]


def items(seeds: Sequence[int] = (1, 2, 3), encoder: str | None = None) -> tuple[Item, ...]:
    """What is worth running, the most valuable first.

    ``seeds`` are those of CIFAR-100, each with an order of classes of its own, and ``encoder`` is what its images pass.
    """
    cifar = tuple(seeds)
    coded = {} if encoder is None else {"encoder": encoder}
    frozen = {"backbone": "frozen", **coded}
    published = {**frozen, **BFLOAT16}
    return (
        Item("published", "split-cifar100", "class", ("bi-r", "none", "joint", "gr+internal"), cifar, published),
        Item("published-si", "split-cifar100", "class", ("bi-r-si", "lwf-sum", "lwf-equal", "lwf"), cifar, published),
        Item(
            "middle", "split-cifar100", "class",
            ("none", "joint", "exact", "nearest-mean", "lwf", "lwf-equal", "lwf-sum", "ewc", "si", "gr+internal",
             "bi-r", "bi-r-si", *ABLATIONS), cifar, {**MIDDLE, **frozen},
        ),
        Item(
            "quality", "split-cifar100", "class", ("bi-r", "gr+internal", *ABLATIONS), cifar,
            {**MIDDLE, **frozen}, measured=True,
        ),
        Item(
            "published-tuned", "split-cifar100", "class", ("none", "joint"), cifar,
            {"backbone": "tuned", **coded, **BFLOAT16},
        ),
        Item("middle-pixels", "split-cifar100", "class", (*ADDITIONS, "bi-r-no-internal"), cifar, {**MIDDLE, **coded}),
        Item(
            "permuted", "permuted-mnist", "domain",
            ("bi-r", "gr", "none", "joint", "bi-r-no-gating", "gr+gating", "bi-r-no-conditional", "bi-r-no-feedback",
             "bi-r-no-distill", "gr+conditional", "gr+feedback", "gr-distill"), (0, 1, 2, 3, 4),
            {"tasks": 30, "hidden": (400, 400), "iterations": 2000, "batch": 128},
        ),
        Item("published-ablations", "split-cifar100", "class", ABLATIONS, cifar, published),
        Item(
            "mnist", "split-mnist", "class",
            ("none", "joint", "exact", "nearest-mean", "lwf", "ewc", "si", "gr", "gr-distill", "rtf", "bi-r"),
            tuple(range(10)),
        ),
        Item(
            "mnist-task", "split-mnist", "task", ("none", "joint", "lwf", "ewc", "si", "xdg", "gr", "bi-r"),
            tuple(range(10)),
        ),
        Item(
            "published-pixels", "split-cifar100", "class", ("gr", "bi-r-no-internal"), cifar[:1],
            {**coded, **BFLOAT16},
        ),
        Item(
            "middle-task", "split-cifar100", "task",
            ("none", "joint", "exact", "lwf", "ewc", "si", "xdg", "gr+internal", "bi-r"), cifar, {**MIDDLE, **frozen},
        ),
    )  # fmt: skip


class OutOfTime(InputError):
    """The group would not end before its time is up; its seeds are not tried one by one either."""


class Clock:
    """Gives up a group as soon as its pace says that it would not end by ``deadline``.

    Parameters
    ----------
    deadline : of `time.perf_counter`.
    group : the experiments that are trained together.
    """

    def __init__(self, deadline: float, group: Sequence[Experiment]) -> None:
        self.deadline, self.first, self.count = deadline, group[0], len(group)
        self.began = 0.0
        self.pace: float | None = None

    def __call__(self, now: Training) -> None:
        task, step = now.task, now.step
        if task < 2 and step in (SETTLED, SETTLED + TIMED):
            _wait(now.net)
            if step == SETTLED:
                self.began = time.perf_counter()
            else:
                self.pace = (time.perf_counter() - self.began) / TIMED
                left = (self.first.tasks - task) * self.first.iterations - step
                tests = TESTING * self.count * (self.first.tasks - task)
                if time.perf_counter() + left * self.pace + tests > self.deadline:
                    raise OutOfTime(
                        f"given up, {1000 * self.pace:.2f} ms a step: {left * self.pace + tests:.0f} s more"
                    )
        if step % 500 == 0 and time.perf_counter() > self.deadline:
            raise OutOfTime("given up, the time is up")


def _wait(net: Network) -> None:
    if next(net.parameters()).is_cuda:
        torch.cuda.synchronize()


def run(
    item: Item,
    folder: Path,
    deadline: float,
    device: str,
    load: Callable[[Experiment], Split],
    say: Callable[[str], None],
) -> None:
    """Run what is due of an item, and save each record as its group ends."""
    for whole in item.groups():
        there = {**records.stored([folder], item.measured), **({} if item.measured else _published())}
        due = [description for description in whole if description.id not in there]
        if not due:
            say(f"{item.name}: {whole[0].method}: stored")
            continue
        if time.perf_counter() + BEGINNING > deadline:
            say(f"{item.name}: {due[0].method}: no time left")
            continue
        data = load(due[0])
        start: runs.Start | None = (first := runs.assemble(due[0], data))
        net = first.parts.net
        captured = device == "cuda" and net.capturable
        for group in [due] if net.pure else [[one] for one in due]:
            for line in _run_group(item, group, folder, deadline, device, data, captured=captured, start=start):
                say(line)
            start = None


def _run_group(
    item: Item, group: list[Experiment], folder: Path, deadline: float, device: str, data: Split, **how: Any
) -> Iterator[str]:
    clock = Clock(deadline, group)
    began = time.perf_counter()
    failed: dict[str, list[Experiment]] = {}

    def fail(one: Experiment, error: Exception) -> None:
        failed.setdefault(f"{type(error).__name__}: {str(error).splitlines()[0][:300]}", []).append(one)

    for members, trained in surviving(group, data, device, fail, lambda members: clock, **how):
        for net, record in trained:
            if item.measured:
                try:
                    record = replay_quality.measure(net.to(device), record, data)
                except Exception as error:
                    fail(record.experiment, error)  # what was trained is stored, and the next seed is measured
            records.write(record, folder)
        accuracies = ", ".join(f"{run.record.summary()['acc']:.2f}" for run in trained)
        pace = "" if clock.pace is None else f", {1000 * clock.pace:.2f} ms a step"
        took = f"{time.perf_counter() - began:.1f} s"
        yield f"{item.name}: {group[0].method} x {len(members)}: {accuracies}{pace}, {took}"
    yield from (f"{item.name}: {group[0].method} x {len(runs)}: {why}" for why, runs in failed.items())


def _published() -> dict[str, Any]:
    return dict.fromkeys(frames.book().index)


def check(device: str) -> str:
    """Whether steps as CUDA graphs, for two seeds together, end as without them: the largest difference found."""
    worst = []
    for name in ("none", "exact", "bi-r-si", "gr"):
        group = [experiment("split-digits", "class", name, seed, iterations=30) for seed in (0, 1)]
        plain, captured = (
            [run.net.state_dict() for run in runs.run_seeds(group, None, device, captured=graph)]
            for graph in (False, True)
        )
        differences = [
            (a[key].float() - b[key].float()).abs().max().item()
            for a, b in zip(plain, captured, strict=True) for key in a
        ]  # fmt: skip
        worst.append(f"{name} {max(differences):.1e}")
    return "largest difference of a parameter with and without CUDA graphs: " + ", ".join(worst)


def _minutes(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=_minutes, default=9, help="to end within, above 0 (default: 9)")
    parser.add_argument("--save", type=Path, help="folder of records; those in it are not run again")
    parser.add_argument("--only", metavar="NAME,NAME", help="items of the list, in this order")
    parser.add_argument("--seeds", default="1,2,3", help="of CIFAR-100, as for replaylib run (default: 1,2,3)")
    parser.add_argument("--encoder", help="of CIFAR-100 (default: the protocol's)")
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu to try the list out, unchecked")
    parser.add_argument("--list", action="store_true", help="say what would be run, in order")
    options = parser.parse_args()
    began = time.perf_counter()
    try:
        every = {item.name: item for item in items(seeds_of(options.seeds), options.encoder)}
        for item in every.values():
            list(item.groups())
    except InputError as error:
        parser.error(str(error))
    check_too = ["check"] if options.device != "cpu" else []
    names = options.only.split(",") if options.only else [*check_too, *every]
    if strange := [name for name in names if name not in ("check", *every)]:
        parser.error(str(unknown("item", strange[0], ["check", *every])))
    if options.list:
        for name in names:
            named = every.get(name)
            print(f"{name}: {named.protocol}, {named.scenario}: {', '.join(named.methods)}" if named else name)
        return 0

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - began:6.1f} s] {line}", flush=True)

    if options.save is None and names != ["check"]:
        parser.error("--save FOLDER is needed: records are stored there as they come")
    try:
        load = loader(options.device)
        torch.empty(0, device=options.device)
        if options.save is not None:
            writable(options.save)
    except (InputError, RuntimeError, AssertionError) as error:  # PyTorch names what it lacks by one of the last two
        parser.error(str(error).partition("\n")[0])
    failed = 0
    for name in names:
        try:
            if name == "check":
                say(check(options.device))
            else:
                run(every[name], options.save, began + 60 * options.minutes, options.device, load, say)
        except InputError as error:  # what one item lacks stops no other
            say(f"{name}: {error}")
            failed += 1
        except KeyboardInterrupt:
            say("stopped; what has ended is stored")
            return 130
    say(f"done, but for {failed} that could not be run" if failed else "done")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
