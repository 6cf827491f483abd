"""The command ``list``: it shows what has a name, and needs no PyTorch for it."""

import argparse
import json
from collections.abc import Callable

from replaylib.data import known
from replaylib.errors import SCENARIOS
from replaylib.lab.encoder_files import described
from replaylib.lab.hyperparameters import SETTINGS
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import BACKBONES, PROTOCOLS
from replaylib.lab.tables import DATASETS, ENCODERS, OPTIMIZERS, STREAMS, WATCHERS


def show(options: argparse.Namespace) -> None:
    """``list``: everything that has a name."""
    tables = {
        "protocols": {
            p.name: f"{p.dataset}, {p.tasks} {p.kind} tasks, {p.iterations} steps each, {'-'.join(map(str, p.hidden))}"
            f" hidden units ({p.source})"
            for p in PROTOCOLS.values()
        },
        "scenarios": SCENARIOS,
        "backbones (by default frozen for methods that replay features, otherwise as the protocol says)": {
            **BACKBONES,
            **{p.name: f"encoder {p.encoder}, {p.backbone}" for p in PROTOCOLS.values() if p.encoder},
        },
        "methods": {m.name: f"{m.summary} ({m.source})" for m in METHODS.values()},
        "options (* is any; the first line that fits)": {
            f"{s.option} of {s.methods} in {s.protocol}, {s.scenario}": f"{s.value}, {s.source}" for s in SETTINGS
        },
        "streams": {name: _in_a_line(make) for name, make in STREAMS.items()},
        "watchers": {name: _in_a_line(make) for name, make in WATCHERS.items()},
        "optimizers": {name: _in_a_line(make) for name, make in OPTIMIZERS.items()},
        "datasets": known.names() | {name: _in_a_line(make) for name, make in DATASETS.items()},
        "encoders": described() | {name: f"{row.summary}, registered" for name, row in ENCODERS.items()},
    }
    print(json.dumps(tables) if options.json else "\n\n".join(columns(title, rows) for title, rows in tables.items()))


def _in_a_line(make: Callable[..., object]) -> str:
    """The first line of what a function says of itself."""
    return (make.__doc__ or "registered").strip().splitlines()[0]


def columns(title: str, rows: dict[str, str]) -> str:
    """A title, and below it each name with its text."""
    width = max(map(len, rows), default=0)
    return "\n".join([f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in rows.items())])
