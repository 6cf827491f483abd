"""What each command can be told. Nothing here needs PyTorch: help and completion are there at once.

What describes an experiment is declared in `replaylib.lab.experiments`, or by a method for itself; here it becomes
options of the command line.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from replaylib.cli.declared_folders import command, results, status
from replaylib.cli.telling import DEVICE, HIDDEN, SEEDS, Command, add, anew, many_runs, names, path, reader, shown
from replaylib.errors import PRECISIONS, SCENARIOS
from replaylib.lab.claims import share_of
from replaylib.lab.experiments import CHOSEN, DECLARED, USUAL
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import PROTOCOLS
from replaylib.lab.watchers import WATCHERS

#: What describes an experiment, as the command line has it: there a precision can be found by measuring.
TOLD = DECLARED | {
    "precision": replace(
        DECLARED["precision"],
        help=f"of layers' products: {', '.join(PRECISIONS)} or auto, bfloat16 where it is measured to pay",
    )
}


def run(sub: argparse.ArgumentParser) -> None:
    """The options of ``run``: those of every experiment, and those that registered methods have of their own."""
    sub.add_argument("protocol", help="one of: " + ", ".join(PROTOCOLS))
    sub.add_argument("--scenario", help="one of: " + ", ".join(SCENARIOS))
    known = ", ".join(METHODS)
    sub.add_argument(
        "--method", default="none", help=f"one of: {known}; or one and a penalty, exact+ewc (default: none)"
    )
    seeds = sub.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seeds", type=SEEDS, default=(0,), metavar="N", help="the first N, a range, 3-12, or a list, 7,9 (default: 1)"
    )
    sub.add_argument("--shard", type=reader(share_of), metavar="K/N", help="of these seeds, the K-th of N shares")
    seeds.add_argument("--seed", type=one_seed, dest="seeds", default=argparse.SUPPRESS, metavar="N", help="this one")
    for name in CHOSEN:
        add(sub, name, TOLD[name], USUAL.get(name, ""))
    own = {name: taken for m in METHODS.values() for name, taken in m.takes.items() if taken.option is not None}
    for name, taken in own.items():
        if taken.option is not None:
            add(sub, name, taken.option, str(taken.default))
    sub.set_defaults(own=tuple(own))
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument(
        "--together", action=argparse.BooleanOptionalAction,
        help="train all seeds as one tensor program (default: on a GPU)",
    )  # fmt: skip
    sub.add_argument(
        "--compile", action=argparse.BooleanOptionalAction,
        help="compile the loss first, which takes half a minute or more and makes steps at most some 20 %% shorter, "
        "see bench (default: in a long run on a CPU with a C++ compiler)",
    )  # fmt: skip
    sub.add_argument("--capture", action="store_true", help="on a GPU, replay a task's steps as one CUDA graph")
    sub.add_argument("--save", type=path, metavar="FOLDER", help="keep a record a seed here; those there are not rerun")
    anew(sub)
    sub.add_argument(
        "--log", type=path, metavar="FOLDER",
        help="write loss and accuracy over steps here, as CSV and, where it is installed, for TensorBoard",
    )  # fmt: skip
    sub.add_argument(
        "--watch", type=names, default=(), metavar="A,B",
        help="who looks on while it is trained: " + ", ".join(WATCHERS),
    )  # fmt: skip
    sub.add_argument("--weights", action="store_true", help="with --save: keep each trained network as well")
    sub.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def one_seed(text: str) -> tuple[int, ...]:
    """One seed, as a tuple of it."""
    return (reader(DECLARED["seed"].parse)(text),)


def pretrain(sub: argparse.ArgumentParser) -> None:
    """The options of ``pretrain``, with its defaults."""
    from replaylib.lab.pretrain import NOT_MIRRORED, Settings

    defaults = Settings()
    sub.add_argument("dataset", help="a name from 'list', an image folder, or a zip of one")
    sub.add_argument("--epochs", type=int, default=defaults.epochs, metavar="N", help="(default: %(default)s)")
    sub.add_argument("--lr", type=float, default=defaults.lr, metavar="X", help="of Adam (default: %(default)s)")
    sub.add_argument(
        "--batch", type=int, default=defaults.batch, metavar="N", help="images a step (default: %(default)s)"
    )
    sub.add_argument("--seed", type=int, default=defaults.seed, metavar="N", help="(default: %(default)s)")
    sub.add_argument(
        "--hidden", type=HIDDEN, default=defaults.hidden, metavar="N,N",
        help="units of the layers between encoder and read-out, which are not kept (default: 2000,2000)",
    )  # fmt: skip
    sub.add_argument(
        "--crop", type=int, default=defaults.crop, metavar="N",
        help="move images by up to N pixels (default: %(default)s)",
    )  # fmt: skip
    sub.add_argument(
        "--flip", action=argparse.BooleanOptionalAction,
        help=f"mirror half of the images (default: for all data but {', '.join(NOT_MIRRORED)}, in which a mirror image "
        "is another symbol)",
    )  # fmt: skip
    sub.add_argument("--precision", default=defaults.precision, help="float32 (default) or bfloat16")
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument(
        "--out", type=path, metavar="FILE",
        help="where to write, a name for --encoder (default: <dataset>.safetensors in the folder encoders of the data "
        "directory, where --encoder finds it as <dataset>)",
    )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="print where the encoder comes from as one JSON object")


def reproduce(sub: argparse.ArgumentParser) -> None:
    """The options of ``reproduce``, with the figures there are."""
    from replaylib.course.reproduce import FIGURES, SETTINGS

    sub.description = (
        "Runs the experiments behind a figure and draws it: "
        + "; ".join(f"{f.name}, {f.summary}" for f in FIGURES.values())
        + ". --tasks, --hidden and the like take the place of the protocol's values. "
        "First it says how many runs there are and about how long they take. Runs that are stored, in FOLDER or "
        "with the library, are not run again."
    )
    sub.add_argument("figure", help="one of: " + ", ".join(FIGURES))
    sub.add_argument("--protocol", help="another protocol in the place of the figure's own")
    sub.add_argument("--methods", type=names, default=(), metavar="A,B", help="these alone")
    sub.add_argument(
        "--seeds", type=SEEDS, metavar="N",
        help="the first N, a range, 3-12, or a list, 7,9 (default: as many as the protocol has)",
    )  # fmt: skip
    for name in SETTINGS:
        add(sub, name, TOLD[name], USUAL.get(name, ""))
    sub.add_argument("--save", type=path, default=Path("runs"), metavar="FOLDER", help="of records (default: runs)")
    sub.add_argument("--out", type=path, metavar="FILE", help="an SVG file (default: <figure>.svg)")
    many_runs(sub)


def sweep(sub: argparse.ArgumentParser) -> None:
    """The options of ``sweep``."""
    sub.add_argument("runs", help="a TOML file that describes the runs, or protocols, A,B")
    sub.add_argument("--scenarios", type=names, default=(), metavar="A,B", help="(default: the protocol's)")
    sub.add_argument("--methods", type=names, default=(), metavar="A,B", help="(default: none)")
    sub.add_argument("--seeds", type=SEEDS, metavar="N", help="the first N, a range, 3-12, or a list, 7,9 (default: 1)")
    sub.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="an option as of run; again: several values"
    )
    sub.add_argument("--save", type=path, metavar="FOLDER", help="of records (default: the file's save, or runs)")
    many_runs(sub)


def choose(sub: argparse.ArgumentParser) -> None:
    """The options of ``choose``."""
    sub.add_argument("protocol", help="one of: " + ", ".join(PROTOCOLS))
    sub.add_argument("--scenario", help="one of: " + ", ".join(SCENARIOS))
    sub.add_argument("--method", required=True, help="as for run")
    sub.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE",
        help="an option as of run; again: several values to choose from (default: the paper's candidates)",
    )  # fmt: skip
    sub.add_argument("--seeds", type=SEEDS, default=(0,), metavar="N", help="as for run (default: 1)")
    sub.add_argument(
        "--validation", type=reader(DECLARED["validation"].parse), default=0.1, metavar="X",
        help="share of each class's training part that is held out, to choose by (default: %(default)s)",
    )  # fmt: skip
    sub.add_argument(
        "--sampler", choices=("grid", "random", "tpe"), default="grid",
        help="all combinations, or --trials of them between the lowest and highest values given, by Optuna",
    )  # fmt: skip
    sub.add_argument("--trials", type=int, default=20, metavar="N", help="of random and tpe (default: %(default)s)")
    sub.add_argument("--test", action="store_true", help="when the choice is made, run it on the test data")
    sub.add_argument("--save", type=path, default=Path("runs"), metavar="FOLDER", help="of records (default: runs)")
    sub.add_argument("--json", action="store_true", help="print one JSON object, after the lines of the runs")
    many_runs(sub)


def bench(sub: argparse.ArgumentParser) -> None:
    """The options of ``bench``."""
    sub.add_argument("protocol", nargs="?", default="split-mnist", help="as for run (default: split-mnist)")
    sub.add_argument("--scenario", help="as for run")
    sub.add_argument("--methods", type=names, default=("none", "gr", "bi-r"), metavar="A,B", help="as for run")
    sub.add_argument("--seeds", type=HIDDEN, default=(1,), metavar="N,N", help="seeds trained together (default: 1)")
    sub.add_argument("--precision", type=names, default=PRECISIONS[:1], metavar="A,B", help="as for run")
    sub.add_argument("--steps", type=int, default=50, metavar="N", help="steps that are timed (default: 50)")
    sub.add_argument("--no-loader", action="store_true", help="leave out the data loader, which is slow")
    sub.add_argument("--compile", action="store_true", help="also time each step with its loss compiled")
    sub.add_argument("--capture", action="store_true", help="on a GPU, also time each step as a CUDA graph")
    sub.add_argument("--operations", action="store_true", help="on a CPU, also show what a step spends its time on")
    sub.add_argument("--scaling", action="store_true", help="also vary batch, width and number of tasks")
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument("--save", type=path, metavar="FOLDER", help="keep the measurements in a new file here")
    sub.add_argument("--json", action="store_true", help="print a list of JSON objects instead of the table")


COMMANDS = {
    "run": Command(
        "train and test one method on one protocol, over several seeds",
        "Train and test one method on one protocol. What is not given is as the protocol has it.",
        run, "replaylib.cli.running:run", "run split-digits --scenario class --method exact --seeds 3",
    ),
    "pretrain": Command(
        "pre-train a convolutional encoder as part of a classifier",
        "Trains a classifier of images and keeps its convolutional layers in a file, which other experiments use. A "
        "run that was stopped goes on where it was when the same command is given again.",
        pretrain, "replaylib.cli.commands:pretrain_encoder", "pretrain cifar10 --epochs 100 --precision bfloat16",
    ),
    "reproduce": Command(
        "run what a figure of the paper shows, and draw it", "", reproduce, "replaylib.cli.reproducing:reproduce",
        "reproduce fig7 --protocol split-cifar100 --seeds 1 --plan",
    ),
    "sweep": Command(
        "run protocols x methods x scenarios x seeds, here or by many workers",
        "Runs what is not stored yet of all combinations of what is given. Several such commands can share a folder.",
        sweep, "replaylib.cli.sweeping:sweep_all", "sweep split-digits --methods none,exact,bi-r --seeds 5 --workers 2",
    ),
    "choose": Command(
        "choose hyper-parameters by accuracy on held-out training data",
        "Runs each candidate on a part of the training data that is held out, and shows which did best. The test data "
        "are not read until the choice is made, and then with --test alone.",
        choose, "replaylib.cli.choosing:run", "choose split-digits --method ewc --set strength=1 --set strength=1000",
    ),
    "list": Command(
        "the protocols, scenarios, methods and datasets there are",
        "Shows the protocols, scenarios, methods and datasets there are.", shown, "replaylib.cli.showing:show",
    ),
    "bench": Command(
        "how fast a training step is, beside its matrix products alone and a data loader",
        "Times training steps, each beside plain products of the same matrices in the same run.",
        bench, "replaylib.cli.commands:time_steps", "bench split-mnist --methods gr,bi-r --seeds 1,5",
    ),
    "results": Command(
        "the runs in a folder as a table; methods or folders compared seed by seed",
        "Shows the runs below a folder, a row an experiment with the mean over its seeds, and compares two methods, or "
        "two folders, over the seeds that both have.",
        results, "replaylib.cli.stored:results", "results runs --where scenario=class --compare gr,bi-r",
    ),
    "status": Command(
        "how many runs of a folder are done, running, stopped, failed or due",
        "Shows how many runs of a folder are done, which some process has now, which were stopped, and which failed.",
        status, "replaylib.cli.stored:status", "status runs",
    ),
    "command": Command(
        "the command line that runs a stored experiment again",
        "Prints the command line of a stored run; where and when it was made goes to the standard error.",
        command, "replaylib.cli.stored:command", "command 0123456789ab --folder runs",
    ),
    "info": Command(
        "versions, device, folders: what to send along with a question",
        "Shows versions, device and folders: what to send along with a question.",
        shown, "replaylib.cli.commands:describe_machine",
    ),
}  # fmt: skip
