"""The command ``choose``: hyper-parameters by accuracy on validation data."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence

from replaylib.cli.sweeping import options_of, performed
from replaylib.errors import InputError, counted
from replaylib.lab import choose, failures
from replaylib.lab.choose import Candidate
from replaylib.lab.command_lines import command_of
from replaylib.lab.experiments import Experiment, experiment
from replaylib.lab.options import Value
from replaylib.lab.protocols import protocol
from replaylib.lab.records import Record, no_nan, stored

WARNING = (
    "note: published values of hyper-parameters were chosen on test accuracy (van de Ven et al. 2020), which flatters "
    "them; these were chosen on held-out training data: say which when you compare"
)


def run(options: argparse.Namespace) -> None:
    """``choose``: candidates run on validation data, and a table of them; with ``--test``, the best on test data."""
    if options.plan and options.json:
        raise InputError("--json prints what is chosen, and a plan chooses nothing: leave one of them out")
    if options.test and options.shard:
        raise InputError("--test runs what all shares choose: leave --shard out when all of them have ended")
    given = options_of(options.set)
    scenario = options.scenario or protocol(options.protocol).scenario
    axes = {name: values for name, values in given.items() if len(values) > 1}
    fixed = {name: values[0] for name, values in given.items() if len(values) == 1}
    if not axes:
        axes = choose.published(options.protocol, scenario, options.method)
        print(f"candidates of {choose.SOURCE}: " + ", ".join(f"{len(v)} of {name}" for name, v in axes.items()))

    def candidate_of(values: Mapping[str, Value]) -> Candidate:
        return choose.candidate(
            options.protocol, scenario, options.method, options.seeds, options.validation, values, fixed
        )

    candidates: list[Candidate] = []
    kept: dict[str, Record] = {}
    if options.sampler == "grid":
        candidates = [candidate_of(values) for values in choose.combinations(axes)]
        asked = [e for one in candidates for e in one.experiments]
        kept = performed(counted(len(candidates), "candidate"), asked, options, complain=False)
        if options.plan:
            return
        if options.shard:
            there = stored([options.save])
            kept = {e.id: there[e.id] for e in asked if e.id in there}
            failed = failures.below(options.save)
            left = [e.id for e in asked if e.id not in kept and not (e.id in failed and failed[e.id].settled)]
            if left:
                print(f"nothing is chosen yet: of all shares {counted(len(left), 'run')} are missing")
                return
    else:
        _sample(options, axes, candidate_of, candidates, kept)
    _tell(options, candidates, kept, fixed)


def _sample(
    options: argparse.Namespace,
    axes: Mapping[str, Sequence[Value]],
    candidate_of: Callable[[Mapping[str, Value]], Candidate],
    candidates: list[Candidate],
    kept: dict[str, Record],
) -> None:
    if options.plan or options.shard:
        raise InputError(f"what {options.sampler} asks for depends on what was found: leave --plan and --shard out")
    space = {name: choose.check_range(name, ends) for name, ends in axes.items()}

    def judged(values: Mapping[str, Value]) -> float | None:
        one = candidate_of(values)
        if one not in candidates:  # a sampler may ask for a point again
            candidates.append(one)
        name = f"candidate {candidates.index(one) + 1}, {one}"
        kept.update(performed(name, one.experiments, options, complain=False))
        options.force = False  # a point that is asked for again is there
        ranked = choose.ranked([one], kept)
        return ranked[0][1] if ranked else None

    choose.sampled(space, options.sampler, options.trials, judged)


def _tell(
    options: argparse.Namespace, candidates: list[Candidate], kept: Mapping[str, Record], fixed: Mapping[str, Value]
) -> None:
    rows = choose.ranked(candidates, kept)
    if not rows:
        raise InputError("no candidate has all its seeds: nothing is chosen; see status, or the shares still to run")
    best, accuracy, sem = rows[0]
    left_out = len(candidates) - len(rows)
    test = [experiment(e.protocol, e.scenario, e.method, e.seed, **{**fixed, **best.values}) for e in best.experiments]
    answer: dict[str, object] = {
        "chosen": dict(best.values), "validation_accuracy": accuracy, "sem": sem, "seeds": len(test),
        "candidates": [{**one.values, "validation_accuracy": mean, "sem": error} for one, mean, error in rows],
        "left_out": left_out, "command": _command(test),
    }  # fmt: skip
    accuracies: list[float] = []
    if options.test:
        tested = performed("the chosen one, on test data", test, options)
        accuracies = [tested[e.id].summary()["acc"] for e in test]
        answer["test_accuracy_per_seed"] = accuracies
    if options.json:
        print(json.dumps(no_nan(answer)))
        return
    for one, mean, error in rows:
        print(f"  {mean:6.2f} %{f' +- {error:.2f}' if error and error == error else ''}  {one}")
    if left_out:
        print(f"  left out, for not every seed has ended: {counted(left_out, 'candidate')}")
    print(f"chosen on validation data: {best} ({accuracy:.2f} %, {counted(len(test), 'seed')})")
    if len(rows) > 1 and sem is not None and rows[1][1] > accuracy - sem:
        print(f"{rows[1][0]} is less than a standard error behind: more seeds would tell them apart")
    if options.test:
        mean = sum(accuracies) / len(test)
        print(f"on test data: {mean:.2f} %")
    else:
        print(f"the test data are not read yet; to do so: {answer['command']}, or this command with --test")
    print(WARNING)


def _command(test: list[Experiment]) -> str:
    return command_of(test[0]).rpartition(" --seed ")[0] + " --seeds " + ",".join(str(e.seed) for e in test)
