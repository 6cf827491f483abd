"""The command ``run``: one method on one protocol, over several seeds."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from replaylib import metrics
from replaylib.cli.commands import device_named, units
from replaylib.errors import InputError
from replaylib.lab import checkpoints, resume, runs
from replaylib.lab.capture import check_capturable
from replaylib.lab.experiments import OPTIONS, Experiment, check_seeds, experiment
from replaylib.lab.fast import LONG, pays_to_compile
from replaylib.lab.log import Log
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import BACKBONES, PROTOCOLS
from replaylib.lab.records import Record, done, no_nan, write
from replaylib.loop import Training
from replaylib.names import PRECISIONS
from replaylib.replay import Buffer
from replaylib.scenarios import SCENARIOS
from replaylib.steps import Diverged

#: Of an option's earlier name: it still works, and no help mentions it.
EARLIER: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}


def add_run(commands: Any) -> None:
    """Add ``run`` to a parser's subparsers."""
    run = commands.add_parser(
        "run",
        help="train and test one method on one protocol, over several seeds",
        description="Train and test one method on one protocol. What is not given is as the protocol has it.",
        epilog="Example: python -m replaylib run split-digits --scenario class --method exact --seeds 3",
        allow_abbrev=False,
    )
    run.set_defaults(command=_run)
    run.add_argument("protocol", help="one of: " + ", ".join(PROTOCOLS))
    run.add_argument("--scenario", help="one of: " + ", ".join(SCENARIOS))
    run.add_argument("--method", default="none", help="one of: " + ", ".join(METHODS) + " (default: none)")
    run.add_argument("--dataset", help="other data: a name from 'list', an image folder, or a zip of one")
    run.add_argument("--seeds", type=int, default=1, metavar="N", help="run seeds 0 to N-1 (default: 1)")
    run.add_argument("--tasks", type=int, metavar="N", help="number of tasks")
    run.add_argument("--hidden", type=units, metavar="N,N", help="units of the hidden layers")
    run.add_argument("--lr", type=float, metavar="X", help="learning rate of Adam")
    run.add_argument("--batch", type=int, metavar="N", help="current samples a step")
    run.add_argument("--replayed", type=int, metavar="N", help="replayed samples a step (default: as many)")
    run.add_argument("--iterations", type=int, metavar="N", help="steps a task")
    run.add_argument("--per-class", type=int, metavar="N", help="exact replay: stored samples a class (default: 100)")
    run.add_argument("--budget", dest="per_class", type=int, **EARLIER)
    run.add_argument("--policy", help="exact replay: " + " or ".join(Buffer.POLICIES) + " (default: balanced)")
    run.add_argument("--strength", type=float, metavar="X", help="EWC's lambda, SI's c (default: see list)")
    run.add_argument("--gate-prop", type=float, metavar="X", help="fraction of units that a context switches off")
    run.add_argument("--noise-dim", type=int, metavar="N", help="units of the generator's code z")
    run.add_argument("--latent", dest="noise_dim", type=int, **EARLIER)
    run.add_argument("--samples", type=int, metavar="N", help="generative classifier: importance samples at testing")
    run.add_argument("--clutter", type=float, metavar="X", help="glyphs: from 0 (plain) to 1 (over photographs)")
    run.add_argument("--encoder", help="a pre-trained encoder: a name from 'list', or a file that 'pretrain' wrote")
    run.add_argument("--backbone", help="what is done with it: " + " or ".join(BACKBONES) + " (default: see list)")
    run.add_argument("--front-end", dest="backbone", type=lambda end: {"pixels": "none"}.get(end, end), **EARLIER)
    run.add_argument("--precision", help="of layers' products: " + " or ".join(PRECISIONS) + " (default: float32)")
    run.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    run.add_argument(
        "--together", action=argparse.BooleanOptionalAction,
        help="train all seeds as one tensor program (default: on a GPU)",
    )  # fmt: skip
    run.add_argument(
        "--compile", action=argparse.BooleanOptionalAction,
        help="compile the loss first, which takes half a minute or more and makes steps at most some 20 %% shorter, "
        f"see bench (default: on a CPU with a C++ compiler, from {LONG:,} steps on)",
    )  # fmt: skip
    run.add_argument("--capture", action="store_true", help="on a GPU, replay a task's steps as one CUDA graph")
    run.add_argument("--save", type=Path, metavar="FOLDER", help="keep a record a seed here; those there are not rerun")
    run.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="with --save: keep an unfinished run, and go on with it when the same command is given (default)",
    )  # fmt: skip
    run.add_argument(
        "--log", type=Path, metavar="FOLDER",
        help="write loss and accuracy over steps here, as CSV and, where it is installed, for TensorBoard",
    )  # fmt: skip
    run.add_argument("--weights", action="store_true", help="with --save: keep each trained network as well")
    run.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def _run(options: argparse.Namespace) -> None:
    device = device_named(options.device)
    check_seeds(options.seeds)
    if options.weights and not options.save:
        raise InputError("--weights says what to keep and --save where: give --save FOLDER as well")
    given = (
        "dataset", "tasks", "hidden", "lr", "batch", "iterations", "precision", "clutter", "encoder", "backbone",
        "replayed", *OPTIONS,
    )  # fmt: skip
    experiments = [
        experiment(
            options.protocol, options.scenario, options.method, seed, **{name: getattr(options, name) for name in given}
        )
        for seed in range(options.seeds)
    ]
    kept: dict[str, Record] = done(options.save) if options.save else {}
    first, due = experiments[0], [e for e in experiments if e.id not in kept]
    if options.weights:
        _say_which_have_no_weights([e for e in experiments if e.id in kept], options.save)
    groups = [[e] for e in due]
    # A terminal wants a bar that moves; a log wants few lines.
    pace = 0.1 if sys.stderr.isatty() else 10
    if due:
        split = runs.data_of(first, device)
        start = runs.network(first, split)  # refuses what does not fit
        # On a CPU it saves little with networks of the published size, and a stopped run would lose every seed.
        if options.together or (options.together is None and device == "cuda" and start.pure):
            groups = [due]
        if options.capture:
            check_capturable([start], torch.device(device))
        compiled = options.compile
        if compiled is None and max(map(len, groups)) == 1:
            # Of all seeds, also those that are done: a run that goes on is computed as it was begun.
            steps = sum(e.tasks * e.iterations for e in experiments)
            if compiled := pays_to_compile(start, steps, torch.device(device)):
                print(f"{steps:,} steps: compiling the loss first (--no-compile: leave it)", file=sys.stderr)
    with tqdm(total=sum(e.tasks * e.iterations for e in due), unit="step", mininterval=pace, disable=not due) as bar:
        for some in groups:
            before, log = bar.n, Log(options.log, some, _say) if options.log else None

            def watch(
                now: Training, before: int = before, some: list[Experiment] = some, log: Log | None = log
            ) -> None:
                if now.step == 1 or not bar.desc:
                    which = f"seed {some[0].seed}" if len(some) == 1 else f"{len(some)} seeds together"
                    bar.set_description(f"{which}, task {now.task + 1}/{first.tasks}", refresh=False)
                steps = now.task * first.iterations + now.step
                bar.update(before + steps * len(some) - bar.n)
                if log:
                    log(now)

            try:
                made = runs.trained_together(
                    some, split, device, watch, compiled=bool(compiled), captured=options.capture,
                    unfinished=options.save if options.resume else None, say=_say,
                )  # fmt: skip
            except Diverged as stopped:
                raise _with_last_good_state(stopped, some[stopped.place], options.save) from stopped
            finally:
                if log:
                    log.close()
            for net, record in made:
                kept[record.experiment.id] = record
                if options.weights:
                    checkpoints.save(net, record.experiment, options.save / f"{record.experiment.id}.safetensors")
                if options.save:
                    write(record, options.save)
            if options.save:
                resume.discard(options.save, some)
    records = [kept[e.id] for e in experiments]
    print(json.dumps(summary(records)) if options.json else _table(records))


def _say_which_have_no_weights(stored: list[Experiment], folder: Path) -> None:
    there = {path.stem for path in folder.rglob("*.safetensors")}
    without = ", ".join(str(e.seed) for e in stored if e.id not in there)
    if without:
        found = f"seeds {without}: the record is stored and the network is not, and they are not run again"
        print(f"{found}; for their networks, give another folder with --save", file=sys.stderr)


def _say(line: str) -> None:
    tqdm.write(f"replaylib: {line}", file=sys.stderr)


def _with_last_good_state(stopped: Diverged, description: Experiment, folder: Path | None) -> InputError:
    """The error, which also says where the network is kept as it was before the step that would have spoilt it."""
    if folder is None:
        return stopped
    path = checkpoints.save(stopped.net, description, folder / f"{description.id}-stopped.safetensors")
    return InputError(f"{stopped}; the network before that step is kept in {path}")


def summary(records: list[Record]) -> dict[str, Any]:
    """What ``run --json`` prints of one experiment's seeds. Accuracies in percent; null where there is no value."""
    first = records[0].experiment
    matrices = torch.stack([record.tensor() for record in records])
    acc = metrics.final_accuracy(matrices)
    described: dict[str, Any] = {
        "protocol": first.protocol, "scenario": first.scenario, "method": first.method, "dataset": first.dataset,
        "seeds": len(records), "tasks": first.tasks, "hidden": first.hidden, "lr": first.lr, "batch": first.batch,
        "iterations": first.iterations, "replayed": first.replayed, **first.options, "clutter": first.clutter,
        "encoder": first.encoder, "backbone": first.backbone or "none",
        "precision": first.precision or "float32",
    }  # fmt: skip
    measured = {
        "acc": acc.mean().item(),
        "acc_sem": metrics.sem(acc),
        "acc_per_seed": acc.tolist(),
        "bwt": metrics.backward_transfer(matrices).mean().item(),
        "forgetting": metrics.forgetting(matrices).mean().item(),
        "matrix": matrices.mean(0).tolist(),
        "memory_bytes": max(record.memory_bytes for record in records),
        "seconds": sum(record.seconds for record in records),
        "device": records[0].device,
        "ids": [record.experiment.id for record in records],
    }
    return {name: no_nan(value) for name, value in {**described, **measured}.items()}


def _table(records: list[Record]) -> str:
    found = summary(records)
    width = range(found["tasks"])
    shown = found["matrix"] if found["tasks"] <= 12 else []
    lines = [
        f"{found['protocol']} ({found['dataset']}), {found['scenario']}-incremental, {found['method']}, "
        f"seeds {', '.join(str(record.experiment.seed) for record in records)}",
        "accuracy in %, a row after each task, a column for each task's test data:" if shown else "",
        *(["            " + "".join(f"{f'task {task + 1}':>9}" for task in width)] if shown else []),
        *(
            f"after task {t + 1:<2}" + "".join("        -" if a is None else f"{a:9.2f}" for a in row)
            for t, row in enumerate(shown)
        ),
        f"ACC {found['acc']:.2f} %" + (f" +- {found['acc_sem']:.2f} (SEM)" if found["acc_sem"] is not None else ""),
        f"BWT {found['bwt']:.2f}, forgetting {found['forgetting']:.2f}, "
        f"{found['memory_bytes']:,} bytes kept for replay, {found['seconds']:.0f} s on {found['device']}",
    ]
    return "\n".join(line for line in lines if line)
