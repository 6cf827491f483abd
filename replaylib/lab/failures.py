"""What is kept of a run that failed, why and how often it was tried: a file beside the records, ``ID.failed``, in JSON.

A run that diverges does so again: it is not tried a second time. Another error may be of the machine's, and is tried
`TRIES` times in all. What is refused for what a user can mend is tried whenever it is asked for.
"""

import json
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from replaylib.data.files import replacing
from replaylib.errors import InputError
from replaylib.lab import contents, machine
from replaylib.lab.experiments import Experiment
from replaylib.steps import Diverged

#: How often a run is tried that ends in an error, before it is left.
TRIES = 3
SUFFIX = ".failed"


@dataclass(frozen=True)
class Failure:
    """One experiment that could not be computed.

    Attributes
    ----------
    kind : ``"diverged"``, ``"refused"`` (an `InputError`) or ``"error"``.
    error : in a line; ``trace``: where it arose, of an ``"error"`` alone.
    tries : how often it has ended so, with the same library, packages and files of the user's own.
    """

    experiment: Experiment
    kind: str
    error: str
    trace: str
    tries: int
    versions: dict[str, str]
    commit: str | None
    date: str

    @property
    def settled(self) -> bool:
        """Whether it is not tried again: with the same library, packages and files of the user's own."""
        often = self.kind == "diverged" or (self.kind == "error" and self.tries >= TRIES)
        return often and (self.versions, self.commit) == (_versions(self.experiment), machine.commit())

    def __str__(self) -> str:
        e = self.experiment
        return f"{e.method}, {e.scenario}-incremental, seed {e.seed}, id {e.id}: {self.error}"


def of(experiment: Experiment, error: BaseException, folder: Path | None = None) -> Failure:
    """The failure of an experiment that has just raised; with a folder, it is kept there, if that can be written."""
    diverged = isinstance(error, Diverged)
    kind = "diverged" if diverged else "refused" if isinstance(error, InputError) else "error"
    line = str(error).partition("\n")[0]
    if isinstance(error, Diverged):
        line = f"diverged in task {error.task}, step {error.step}"
    elif kind == "error":
        line = f"{type(error).__name__}: {line}"
    trace = "".join(traceback.format_exception(error)) if kind == "error" else ""
    failure = Failure(experiment, kind, line, trace, 1, _versions(experiment), machine.commit(), machine.now())
    before = None if folder is None else read(folder, experiment.id)
    if before and all(getattr(before, name) == getattr(failure, name) for name in ("kind", "versions", "commit")):
        failure = replace(failure, tries=before.tries + 1)
    if folder is not None:
        # Where it cannot be kept, it is still said; and a folder that cannot be written stops the sweep elsewhere.
        with suppress(InputError), replacing(folder / f"{experiment.id}{SUFFIX}", "") as part:
            part.write_text(json.dumps({**asdict(failure), "experiment": experiment.as_stored()}, indent=1))
    return failure


def _versions(experiment: Experiment) -> dict[str, str]:
    with suppress(Exception):  # the encoder may be what failed
        return machine.versions() | contents.code_of(experiment)
    return machine.versions()


def read(folder: Path, name: str) -> Failure | None:
    """What is kept of the failure of the experiment with that id; None where there is none, or it is damaged."""
    try:
        raw = json.loads((folder / f"{name}{SUFFIX}").read_text())
        described = Experiment.from_stored(raw["experiment"])
        return Failure(**{one.name: raw[one.name] for one in fields(Failure)} | {"experiment": described})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kept(folder: Path, names: Iterable[str]) -> list[Failure]:
    """What is kept of the failures of the experiments with these ids."""
    return [failure for failure in (read(folder, name) for name in names) if failure is not None]


def below(folder: Path) -> dict[str, Failure]:
    """The failures below a folder, by the ids of their experiments."""
    by_name = {path.stem: read(path.parent, path.stem) for path in sorted(folder.rglob(f"*{SUFFIX}"))}
    return {name: failure for name, failure in by_name.items() if failure is not None}


def discard(folder: Path, names: Iterable[str]) -> None:
    """Forget the failures of these experiments: they are stored, or shall be tried anew."""
    for name in names:
        with suppress(OSError):
            (folder / f"{name}{SUFFIX}").unlink()
