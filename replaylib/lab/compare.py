"""What one modification does: to what is imagined, to accuracy, seed by seed, and to what a method costs."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import fields

import pandas as pd
import torch
from torch import Tensor

from replaylib.brain import Brain
from replaylib.data.dataset import Split
from replaylib.errors import InputError, unknown
from replaylib.generative import BrainNet
from replaylib.lab import bench, frames, runs
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.methods import method
from replaylib.nets import Classifier
from replaylib.scenarios import SCENARIOS, Batch, Stream


def mean_sem(values: Iterable[float], digits: int = 2) -> str:
    """The mean over seeds and its standard error, ``"94.93 ± 1.14"``; of one value the value alone, of none nothing."""
    numbers = [float(value) for value in values]
    if not numbers:
        return ""
    mean = f"{statistics.fmean(numbers):.{digits}f}"
    if len(numbers) == 1:
        return mean
    # A table's cell or a line never ends between the two.
    return f"{mean}\u00a0±\u00a0{statistics.stdev(numbers) / math.sqrt(len(numbers)):.{digits}f}"


def imagine(net: BrainNet, stream: Stream, each: int, generator: torch.Generator) -> Batch:
    """``each`` imagined samples of every class, class by class, in the order of the output units.

    The targets of the batch are the classes that were asked for: a network without modes and gates takes no notice of
    them. ``generator`` draws the noise, on the stream's device. Raises `InputError` where a class is in every task.
    """
    if stream.scenario == "domain":
        raise InputError("domain-incremental, every class is in every task: say of which, and use net.generate")
    y = torch.arange(stream.outputs, device=stream.device).repeat_interleave(each)
    task = y // stream.classes.shape[1]
    noise = torch.randn(len(y), net.noise_dim, generator=generator, device=stream.device)
    return Batch(net.generate(y, task, noise).view(len(y), *stream.data.train.shape), y, task)


@torch.no_grad()
def judged(judge: Classifier, judged_on: Stream, imagined: Batch, stream: Stream) -> Tensor:
    """What a judge takes imagined samples for: (classes, classes) in percent, a row for each class that was asked for.

    Rows and columns are the dataset's labels, so that networks of all seeds can be compared. Where every sample is what
    was asked for, only the diagonal is not zero; the mean of a column is the class's share of all that is imagined.

    Parameters
    ----------
    judge, judged_on : a network as `replaylib.lab.quality.judge` makes it, and the stream that it was trained on.
    imagined, stream : as `imagine` gives, at least one sample of each class, and the stream of its network.
    """
    asked = stream.classes.flatten()[imagined.y]
    seen = judged_on.classes.flatten()[judge(imagined.x).argmax(1)]
    classes = len(stream.data.train.classes)
    counts = (asked * classes + seen).bincount(minlength=classes**2).view(classes, classes).double().cpu()
    return 100 * counts / counts.sum(1, keepdim=True)


def of_switch(frame: pd.DataFrame, switch: str) -> pd.DataFrame:
    """Every pair of methods in a frame of runs that differ in one switch of `Brain` alone, compared seed by seed.

    Runs with one seed share the order of classes and the first weights, so that their difference is less a matter of
    chance than the two accuracies.

    Returns a row for each pair that has seeds in common, the fewest switches first: ``without`` and ``with``, the
    methods' names; ``acc_without`` and ``acc_with``, mean final accuracy (%) over those seeds; ``gain`` and ``sem``,
    mean and standard error of the difference (percentage points); ``gains``, the difference for each seed; ``seeds``,
    how many.

    Parameters
    ----------
    frame : as `replaylib.lab.frames.frame` gives, runs of one protocol and scenario.
    switch : a field of `replaylib.brain.Brain`, e.g. ``"feedback"``.

    Raises
    ------
    InputError : an unknown switch, runs of several protocols or scenarios, or a seed that stands twice.
    """
    known = [field.name for field in fields(Brain)]
    if switch not in known:
        raise unknown("modification", switch, known)
    kinds = frame[["protocol", "scenario"]].drop_duplicates()
    if len(kinds) > 1:
        raise InputError(f"these runs are of {len(kinds)} protocols or scenarios: compare those of one")
    if frame.duplicated(["method", "seed"]).any():
        raise InputError("a method has two runs with one seed: leave those with other options out")
    brains = {name: brain for name in frame["method"].unique() if (brain := method(name).brain) is not None}
    wide = frame.pivot(index="seed", columns="method", values="acc")
    rows = []
    for without, off in brains.items():
        for added, on in brains.items():
            if _differ_in(off, on) != {switch} or not getattr(on, switch):
                continue
            pair = wide[[without, added]].dropna()
            gains = pair[added] - pair[without]
            if len(gains):
                rows.append(
                    {
                        "without": without, "with": added, "acc_without": pair[without].mean(),
                        "acc_with": pair[added].mean(), "gain": gains.mean(), "sem": gains.sem(),
                        "gains": tuple(gains), "seeds": len(gains), "_on": len(str(off).split("+")) if str(off) else 0,
                    }
                )  # fmt: skip
    columns = ["without", "with", "acc_without", "acc_with", "gain", "sem", "gains", "seeds", "_on"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["_on", "without"], ignore_index=True).drop(columns="_on")


def _differ_in(a: Brain, b: Brain) -> set[str]:
    return {field.name for field in fields(Brain) if getattr(a, field.name) != getattr(b, field.name)}


def share_of_gap(frame: pd.DataFrame, method_name: str) -> pd.Series:
    """How much of what can be kept a method keeps: percent of the way from *none* to *joint*, by seed.

    Bounds and method differ in the method alone, so that the share says nothing of how hard the problem is.

    Parameters
    ----------
    frame : as `replaylib.lab.frames.frame` gives, runs of one protocol, scenario, dial and backbone; of other methods,
        none is looked at. Seeds that the three do not share are left out.

    Raises
    ------
    InputError : one of the three has no run, two with one seed, another backbone, or no seed in common with the others.
    """
    three = (method_name, "none", "joint")
    compared = frame[frame["method"].isin(three)]
    if compared.duplicated(["method", "seed"]).any():
        raise InputError("a method has two runs with one seed: leave those with other options out")
    if "backbone" in compared and compared["backbone"].fillna("none").nunique() > 1:
        raise InputError(f"{', '.join(three)} differ in their backbone: a share needs bounds on the same one")
    by_seed = compared.pivot(index="seed", columns="method", values="acc")
    wide = by_seed.reindex(columns=list(dict.fromkeys(three))).dropna()
    if wide.empty:
        raise InputError(f"{', '.join(three)} have no seed in common: a share of the gap needs runs of all three")
    return 100 * (wide[method_name] - wide["none"]) / (wide["joint"] - wide["none"])


def stored(protocol_name: str, switch: str) -> pd.DataFrame:
    """`of_switch` for the runs that the book shows, one scenario after the other, which the column ``scenario`` names.

    Only runs at the protocol's and the method's own values count: of what differs in more, no seed is compared.
    """
    frame = frames.book()
    frame = frame[frame["protocol"] == protocol_name].reset_index(drop=True)
    own = [
        run["id"] == experiment(protocol_name, run["scenario"], run["method"], run["seed"]).id
        for _, run in frame.iterrows()
    ]
    frame = frame.loc[own]
    tables = [
        of_switch(frame[frame["scenario"] == scenario], switch).assign(scenario=scenario) for scenario in SCENARIOS
    ]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def own_options(frame: pd.DataFrame) -> pd.Series:
    """Of each run whether its options are those that its method has in the protocol and scenario: (runs,) bool."""
    columns = (frame[name].astype(str) for name in ("method", "protocol", "scenario"))
    kinds = list(zip(*columns, strict=True))
    own = {kind: method(kind[0]).settle(kind[2], {}, kind[1]) for kind in set(kinds)}
    same = [
        all(run[option] == value for option, value in own[kind].items())
        for kind, (_, run) in zip(kinds, frame.iterrows(), strict=True)
    ]
    return pd.Series(same, index=frame.index, dtype=bool)


def at_scales(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Final accuracy (%) as text, mean ± SEM and in brackets the number of seeds: a row a method, a column a scale.

    A scale is so many steps a task with networks of so many units, the shortest first. Only runs with a method's own
    options count, see `own_options`; rows are in the order of ``methods``, without those that have no run. A method
    whose encoder is not frozen has its backbone beside its name.

    Parameters
    ----------
    frame : as `replaylib.lab.frames.frame` gives, runs of one protocol and scenario.
    """
    compared = frame[frame["method"].isin(methods)]
    compared = compared[own_options(compared)]
    scales = sorted(set(zip(compared["iterations"].tolist(), compared["hidden"].tolist(), strict=True)))
    columns = [f"{steps:,} steps, {'-'.join(map(str, units))} units" for steps, units in scales]
    rows = {}
    for name in methods:
        for end, part in compared[compared["method"] == name].groupby(compared["backbone"].fillna("pixels")):
            at = [part[(part["iterations"] == steps) & (part["hidden"] == units)]["acc"] for steps, units in scales]
            cells = [f"{mean_sem(acc, 1)} ({len(acc)})" if len(acc) else "" for acc in at]
            rows[name if end == "frozen" else f"{name}, {end}"] = cells
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def in_words(table: pd.DataFrame) -> str:
    """The rows of `of_switch` or `stored` as a table in Markdown; an empty string if there are none."""
    if table.empty:
        return ""
    several = "scenario" in table
    lines = [
        f"|{' scenario |' if several else ''} without | with | without (%) | with (%) | gain (points) | seeds |",
        f"|{'---|' if several else ''}---|---|---|---|---|---|",
    ]
    for _, row in table.iterrows():
        gain = f"{row['gain']:+.1f} ± {row['sem']:.1f}" if row["seeds"] > 1 else f"{row['gain']:+.1f}"
        first = f" {row['scenario']} |" if several else ""
        accuracies = f"{row['acc_without']:.1f} | {row['acc_with']:.1f}"
        lines.append(f"|{first} {row['without']} | {row['with']} | {accuracies} | {gain} | {row['seeds']} |")
    return "\n".join(lines)


def costs(descriptions: Sequence[Experiment], data: Split, *, steps: int = 6, repeats: int = 3) -> pd.DataFrame:
    """What methods cost, a row each: parameters, bytes and time, the last as a ratio to the first method's.

    The columns are ``parameters`` (numbers that are learned), ``bytes`` (of all that a trained network consists of, its
    gates included) and ``time`` (of a step, relative); the index is the method.

    Parameters
    ----------
    descriptions : the methods to compare, the one to compare with first.
    data : the protocol's, or `replaylib.lab.bench.stand_in` for it.
    steps, repeats : see `replaylib.lab.bench.relative_times`.
    """
    nets = [runs.network(description, data) for description in descriptions]
    return pd.DataFrame(
        {
            "parameters": [sum(p.numel() for p in net.parameters()) for net in nets],
            "bytes": [sum(value.nbytes for value in net.state_dict().values()) for net in nets],
            "time": bench.relative_times(descriptions, data, steps=steps, repeats=repeats),
        },
        index=pd.Index([description.method for description in descriptions], name="method"),
    )
