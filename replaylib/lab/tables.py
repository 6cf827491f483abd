"""What is registered, by name, and by which file: `replaylib.lab.register` fills these tables."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from replaylib.errors import InputError, unknown

if TYPE_CHECKING:
    from torch import nn

    from replaylib.data.dataset import Split
    from replaylib.loop import Watch
    from replaylib.scenarios import Stream
    from replaylib.steps import MakeOptimizer

LIBRARY = Path(__file__).resolve().parents[1]

Row = TypeVar("Row")


class Table(dict[str, Row]):
    """What is registered of one kind, by name, and where each of them was registered.

    Parameters
    ----------
    kind : what a name names, for error messages.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.origins: dict[str, str] = {}

    def add(self, name: str, row: Row, made_by: Callable[..., object]) -> None:
        """Give a name to a row. Run again, a notebook's cell puts its new row in the place of its old one.

        Raises
        ------
        InputError : the name is the library's, or another file's, or no name.
        """
        origin = origin_of(made_by)
        if not name or set(name) & set(" ,/") or name.startswith("+"):
            raise InputError(f"{name!r} names no {self.kind}: use letters, digits and hyphens, e.g. my-{self.kind}")
        if name in self and (not origin or origin.split()[0] != self.origins[name].partition(" ")[0]):
            by = self.origins[name] or "the library"
            raise InputError(f"there is a {self.kind} {name} already, from {by}: give yours another name")
        self[name], self.origins[name] = row, origin

    def find(self, name: str) -> Row:
        """The row of that name; raises `InputError`, with the nearest names, if there is none."""
        if name not in self:
            raise unknown(self.kind, name, self)
        return self[name]


def origin_of(made_by: Callable[..., object]) -> str:
    """The file in which a function was written and the beginning of its SHA-256; empty for the library's own.

    Of a cell of a notebook, the digest is the cell's.
    """
    function = inspect.unwrap(getattr(made_by, "func", made_by))
    try:
        path = Path(inspect.getsourcefile(function) or "").resolve()
    except TypeError:
        return "unknown"
    if path.is_relative_to(LIBRARY):
        return ""
    if path.is_file():
        return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    try:
        source = "".join(inspect.findsource(function)[0])
    except OSError:
        return "unknown"
    return f"notebook {hashlib.sha256(source.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Backbone:
    """One registered backbone: ``make`` gives a module, (n, \\*shape) images -> (n, units) features, with its weights.

    ``shape`` is that of the images it takes, ``mean`` and ``std`` what they, in [0, 1], are normalised with.
    """

    make: "Callable[[], nn.Module]"
    summary: str
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


#: Functions of (data, scenario, tasks, seed, order) that give a `replaylib.scenarios.Stream`.
STREAMS: "Table[Callable[..., Stream]]" = Table("stream")
#: Functions that give a `replaylib.data.dataset.Split`.
DATASETS: "Table[Callable[[], Split]]" = Table("dataset")
#: What images can pass first, beside the encoders in files.
ENCODERS: Table[Backbone] = Table("encoder")
#: Functions of the experiments that are trained as one, which give a watch, see `replaylib.train`.
WATCHERS: "Table[Callable[..., Watch]]" = Table("watcher")
#: Functions of (parameters, lr) that give an optimizer.
OPTIMIZERS: "Table[MakeOptimizer]" = Table("optimizer")
