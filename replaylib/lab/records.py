"""A record of a run: one JSON file, written once, whole, and never overwritten, that says where it comes from."""

import json
import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from replaylib import metrics
from replaylib.data.files import create, writable
from replaylib.errors import InputError
from replaylib.lab.experiments import Experiment

#: What files of records are called by `write`: an id, whether there are measures, and a number where one was damaged.
OWN_NAME = re.compile(r"[0-9a-f]{12}(-measured)?(-\d+)?")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """One finished run. Accuracies are in percent; matrix orientation as in `replaylib.metrics`; nan is null in JSON.

    Attributes
    ----------
    matrix, untrained : (tasks, tasks) and (tasks,), as nested tuples.
    memory_bytes : training data kept for replay at the end.
    seconds : wall time of training and testing, loading the data apart.
    device : the processor's name; versions : of Python and the packages that compute.
    commit : of the library's checkout, with "+" where files differed from it; None outside a checkout.
    date : when it ended, UTC, ISO 8601.
    measures : of what the network imagines after the last task, see `replaylib.lab.replay_quality`; None where nobody
        asked.
    together : how many seeds were computed as one, this one among them; ``compiled``, whether the loss was compiled.
        Either changes accuracies by rounding.
    """

    experiment: Experiment
    matrix: tuple[tuple[float, ...], ...]
    untrained: tuple[float, ...]
    memory_bytes: int
    seconds: float
    device: str
    versions: dict[str, str]
    commit: str | None
    date: str
    measures: dict[str, float] | None = None
    together: int = 1
    compiled: bool = False

    @property
    def computed_on(self) -> str:
        """The device, and how the run was computed there where that changes accuracies by rounding."""
        seeds = f", {self.together} seeds together" if self.together > 1 else ""
        return f"{self.device}{seeds}{', compiled' if self.compiled else ''}"

    def tensor(self) -> torch.Tensor:
        """The accuracy matrix as a (tasks, tasks) float64 tensor."""
        return torch.tensor(self.matrix, dtype=torch.float64)

    def summary(self) -> dict[str, float]:
        """``acc``, ``bwt``, ``fwt``, ``forgetting``: see `replaylib.metrics`."""
        matrix, untrained = self.tensor(), torch.tensor(self.untrained, dtype=torch.float64)
        return {
            "acc": metrics.final_accuracy(matrix).item(),
            "bwt": metrics.backward_transfer(matrix).item(),
            "fwt": metrics.forward_transfer(matrix, untrained).item(),
            "forgetting": metrics.forgetting(matrix).item(),
        }


def write(record: Record, folder: str | Path) -> Path:
    """Write a record to an existing folder as one JSON file, whole or not at all; an earlier file is never touched.

    One with measures and one of the same experiment without are two files. Where a file of its name cannot be read as
    a record, that one is left as it is, and this one gets a number behind its name.

    Raises
    ------
    InputError : the folder cannot be written, or holds this experiment's record already.
    """
    name, measured, number = record.experiment.id, record.measures is not None, 1
    while (target := _place(Path(folder), name, measured, number)).exists() and not _readable(target):
        number += 1
    return write_new(target, {**asdict(record), "experiment": record.experiment.as_stored()})


def _place(folder: Path, name: str, measured: bool, number: int) -> Path:
    return folder / f"{name}{'-measured' if measured else ''}{f'-{number}' if number > 1 else ''}.json"


def has(folder: Path, name: str, measured: bool = False) -> bool:
    """Whether a folder holds the record of the experiment with that id, under a name that `write` gives."""
    number = 1
    while (path := _place(folder, name, measured, number)).exists():
        if _readable(path):
            return True
        number += 1
    return False


def set_aside(folder: Path, names: Iterable[str]) -> None:
    """Have the records of these ids, wherever below the folder, count no more: ``ID.json.replaced-1`` and so on."""
    due = set(names)
    for path in [path for path in folder.rglob("*.json") if path.stem.partition("-")[0] in due]:
        number = 1
        while (aside := path.with_name(f"{path.name}.replaced-{number}")).exists():
            number += 1
        with suppress(FileNotFoundError):
            path.rename(aside)


def _readable(path: Path) -> bool:
    try:
        read(path)
    except InputError:
        return False
    return True


def write_new(target: Path, content: object) -> Path:
    """Write JSON to a file that is not there yet, whole or not at all; nan becomes null.

    Raises
    ------
    InputError : the folder cannot be written, or there is such a file already.
    """
    try:
        create(target, json.dumps(no_nan(content), indent=1))
    except FileExistsError as error:
        raise InputError(f"{target} exists: what is there is never overwritten; choose another folder") from error
    except OSError as error:
        raise InputError(f"cannot write to {target.parent} ({error.strerror}): choose another folder") from error
    return target


def done(folder: str | Path) -> dict[str, Record]:
    """The records below a folder by their experiments' ids; see `writable`."""
    writable(folder)
    return stored([Path(folder)])


def stored(folders: Iterable[Path], measured: bool = False) -> dict[str, Record]:
    """The records below several folders, by the ids of their experiments; a folder that is not there holds none.

    With ``measured``, those that `replaylib.lab.replay_quality` made alone. What cannot be read is passed over, see
    `below`.
    """
    every = (record for folder in folders for record in below(folder))
    return {record.experiment.id: record for record in every if record.measures is not None or not measured}


def below(folder: Path) -> Iterator[Record]:
    """The records below a folder, whatever their files are called, each experiment once.

    Other JSON files, such as those of ``bench``, are none. A file that has the name of a record, or describes an
    experiment as one does, and cannot be read as one (damaged, of a method that is not registered here, of a newer
    version) is passed over, and so is a copy of a record; the logger names each with the reason.
    """
    return (record for _, record in paths_below(folder))


def paths_below(folder: Path) -> Iterator[tuple[Path, Record]]:
    """As `below`, each record with its file."""
    first: dict[tuple[str, bool], Path] = {}
    passed_over: list[str] = []
    for path in _files_below(folder):
        if not means_to_be_a_record(path):
            continue
        try:
            record = read(path)
        except InputError as error:
            passed_over.append(str(error))
            continue
        key = (record.experiment.id, record.measures is None)
        if key in first:
            passed_over.append(same_experiment(path, first[key]))
            continue
        first[key] = path
        yield path, record
    name_what_was_passed_over(passed_over)


def same_experiment(path: str | Path, first: str | Path) -> str:
    """What is said of a second record of an experiment."""
    return f"{path} is of the same experiment as {first}, which counts once"


def name_what_was_passed_over(reasons: list[str]) -> None:
    """A warning of the logger for each of the first three, and how many more there are."""
    for reason in reasons[:3]:
        log.warning("passed over: %s", reason)
    if len(reasons) > 3:
        log.warning("passed over: %d more files", len(reasons) - 3)


def _files_below(folder: Path) -> list[Path]:
    """JSON files, those with a record's own name first, so that of copies the original counts."""
    files = [path for path in folder.rglob("*.json") if not any(part.startswith(".") for part in _inside(path, folder))]
    return sorted(files, key=lambda path: (not OWN_NAME.fullmatch(path.stem), path))


def _inside(path: Path, folder: Path) -> tuple[str, ...]:
    return path.relative_to(folder).parts


def means_to_be_a_record(path: Path) -> bool:
    """Whether a file has the name of a record, or describes an experiment as one does."""
    if OWN_NAME.fullmatch(path.stem):
        return True
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "experiment" in content and "matrix" in content


def read(path: str | Path) -> Record:
    """The record in one file; raises `InputError` where the file is damaged or no record."""
    try:
        raw = json.loads(Path(path).read_text())
        if "together" not in raw:
            raw |= _said_by_device(raw["device"])
        nan = float("nan")
        record = Record(
            **{
                **{field.name: raw[field.name] for field in fields(Record) if field.name != "measures"},
                "experiment": Experiment.from_stored(raw["experiment"]),
                "matrix": tuple(tuple(nan if x is None else x for x in row) for row in raw["matrix"]),
                "untrained": tuple(nan if x is None else x for x in raw["untrained"]),
                "measures": _numbers(raw.get("measures")),
            }
        )
        _check(record)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error
    except InputError as error:
        raise InputError(f"{path} describes an experiment that is not known here ({error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged or no record of a run ({error!r}): restore it") from error
    return record


def _said_by_device(device: str) -> dict[str, object]:
    """Fields that are younger than some records, in which the device's name says what they say."""
    match = re.fullmatch(r"(.*?)(?:, (\d+) seeds together)?(, compiled)?", device, re.DOTALL)
    assert match is not None
    return {"device": match[1], "together": int(match[2] or 1), "compiled": match[3] is not None}


def _check(record: Record) -> None:
    """Raise ValueError unless accuracies are percentages, as many as tasks ask for, and all else is of its kind."""
    tasks = record.experiment.tasks
    rows = (*record.matrix, record.untrained)
    if len(rows) != tasks + 1 or any(len(row) != tasks for row in rows):
        raise ValueError(f"accuracies of other than {tasks} tasks")
    if any(not (math.isnan(value) or 0 <= value <= 100) for row in rows for value in row):
        raise ValueError("an accuracy outside 0 to 100 %")
    if not math.isfinite(record.seconds) or record.memory_bytes < 0:
        raise ValueError("time or memory that is no number")
    texts = (record.device, record.date, *record.versions, *record.versions.values())
    if not all(isinstance(text, str) for text in texts) or not isinstance(record.commit, str | None):
        raise ValueError("device, date, commit or versions that are no text")
    if not isinstance(record.together, int) or not isinstance(record.compiled, bool):
        raise ValueError("together that is no number, or compiled that is neither true nor false")


def _numbers(raw: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if raw is None else {name: float(value) for name, value in raw.items()}


def no_nan(value: Any) -> Any:
    """JSON has no nan: null in its place."""
    if isinstance(value, dict):
        return {key: no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [no_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
