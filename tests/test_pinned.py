"""What every method computes is what it computed before: accuracies of three seeds each, against stored ones.

``accuracies.json`` holds them with the machine they were made on. On such a machine, where every sum is rounded as it
was there, the same test images are named right, one by one. Another processor or PyTorch rounds otherwise, and
an image at a boundary may fall on its other side: there a task's accuracy may differ by a few images, and no more.
``python -m tests.test_pinned`` writes the file anew, for a change that is meant to change results.
"""

import json
import platform
from pathlib import Path

import pytest
import torch

from replaylib.data.catalogue import load_dataset
from replaylib.lab import runs
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from tests.helpers import ON_IMAGES

STORED = Path(__file__).with_name("accuracies.json")
SEEDS, STEPS = range(3), 15
#: Images of a task's 70 or so that may be named otherwise on another machine.
FEW = 4


def machine() -> dict[str, str]:
    """What decides how sums are rounded."""
    capability = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "machine": platform.machine(), "instructions": capability}


def accuracies(method: str, together: bool) -> list[list[list[float | None]]]:
    """The accuracy matrix of each seed in %, null where a task has no output units yet, and above it the untrained."""
    scenario = METHODS[method].scenarios[-1]
    described = [experiment("split-digits", scenario, method, seed, iterations=STEPS) for seed in SEEDS]
    groups = [described] if together else [[one] for one in described]
    data = load_dataset("digits")
    records = [run.record for group in groups for run in runs.run_seeds(group, data, "cpu")]
    rows = [[record.untrained, *record.matrix] for record in records]
    return [[[None if a != a else round(a, 6) for a in row] for row in one] for one in rows]


STACKED = ("none", "exact", "lwf", "ewc", "bi-r-si")
CASES = [(method, False) for method in ON_IMAGES] + [(method, True) for method in STACKED]


def name_of(method: str, together: bool) -> str:
    return f"{method} together" if together else method


@pytest.mark.parametrize(("method", "together"), CASES, ids=[name_of(*case) for case in CASES])
def test_accuracies_are_those_of_before(method, together):
    stored = json.loads(STORED.read_text())
    computed, known = accuracies(method, together), stored["accuracies"][name_of(method, together)]
    if stored["machine"] == machine() and torch.get_num_threads() == 1:
        assert computed == known
        return
    for one, other in zip(computed, known, strict=True):
        now, before = (torch.tensor([[-1.0 if a is None else a for a in row] for row in m]) for m in (one, other))
        assert torch.allclose(now, before, rtol=0, atol=100 * FEW / 70)


def test_every_method_has_learned_something_by_then():
    stored = json.loads(STORED.read_text())["accuracies"]
    assert {name.removesuffix(" together") for name in stored} == set(ON_IMAGES)
    # Of two classes, after the first task: with most units off, as in XdG, some seeds have not begun to by then.
    assert all(sum(one[1][0] for one in seeds) / len(seeds) > 60 for seeds in stored.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    table = {name_of(*case): accuracies(*case) for case in CASES}
    STORED.write_text(json.dumps({"machine": machine(), "accuracies": table}) + "\n")
