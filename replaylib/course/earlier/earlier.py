"""Functions by the names that they had in `replaylib` when students copied notebooks that call them."""

from replaylib.data.catalogue import load_dataset as load
from replaylib.lab.records import Record
from replaylib.lab.runs import run as trained

__all__ = ["execute", "load", "trained"]


def execute(*given: object, **named: object) -> Record:
    """The record of `replaylib.run`."""
    return trained(*given, **named).record  # type: ignore[arg-type]
