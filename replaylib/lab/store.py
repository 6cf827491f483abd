"""Thousands of records in a folder as one frame: a row a run, without its matrix, from an index that follows the files.

The index is an SQLite file in the user's cache folder, one for each folder of records. It holds what was read from each
file beside the file's size and time; a file that changed is read again, and one that went is forgotten. Where it cannot
be kept, all files are read.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import platformdirs

from replaylib import metrics
from replaylib._version import __version__
from replaylib.errors import InputError, unknown
from replaylib.lab import records
from replaylib.lab.experiments import Experiment
from replaylib.lab.records import OWN_NAME, Record

if TYPE_CHECKING:
    from torch import Tensor

#: What `summaries` has of a record beside its experiment.
FACTS = ("id", "acc", "bwt", "fwt", "forgetting", "memory_bytes", "seconds", "device", "commit", "date", "file")
#: What is known of a file: its time and size, its row if it is a record, and otherwise why it is none.
Seen = tuple[tuple[int, int], dict[str, object] | None, str]
#: What a row of a table of experiments always says.
KEYS = ("protocol", "scenario", "method")


def summaries(folder: str | Path) -> pd.DataFrame:
    """The records below a folder, a row each, each experiment once: its description, and `FACTS`.

    What is passed over, and why, is as in `replaylib.lab.records.below`.

    Raises
    ------
    InputError : no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds records of runs")
    rows: list[dict[str, object]] = []
    seen: dict[object, tuple[str, object]] = {}
    passed_over = []
    for path, row, reason in _indexed(root):
        if row is None:
            passed_over += [reason] * bool(reason)
            continue
        if row["id"] in seen:
            first, measured = seen[row["id"]]
            # A record with measures beside one without is no copy, and no other run.
            passed_over += [records.same_experiment(path, first)] * (row["measured"] == measured)
            continue
        seen[row["id"]] = path, row["measured"]
        row["file"] = path
        rows.append(row)
    records.name_what_was_passed_over(passed_over)
    described = [one.name for one in fields(Experiment)]
    return pd.DataFrame(rows, columns=[*described, *FACTS])


def _row(record: Record) -> dict[str, object]:
    described = {one.name: getattr(record.experiment, one.name) for one in fields(Experiment)}
    return {
        **described, "id": record.experiment.id, "measured": record.measures is not None, **record.summary(),
        "memory_bytes": record.memory_bytes, "seconds": record.seconds, "device": record.computed_on,
        "commit": record.commit, "date": record.date,
    }  # fmt: skip


def _look(path: Path) -> tuple[dict[str, object] | None, str]:
    """The row of a file, or why there is none; the reason is empty for a file that is no record."""
    if not records.means_to_be_a_record(path):
        return None, ""
    try:
        return _row(records.read(path)), ""
    except InputError as error:
        return None, str(error)


def _indexed(root: Path) -> Iterator[tuple[str, dict[str, object] | None, str]]:
    """Each JSON file below the folder, those with a record's own name first, as `_look` sees it."""
    files = dict(_walk(root))
    known = _Index(root)
    before = known.rows()
    fresh: dict[str, Seen] = {}
    for name, stamp in files.items():
        # What was no record may be one by now without a change: with its method registered.
        if before.get(name, ((), None, ""))[::2] != (stamp, ""):
            fresh[name] = (stamp, *_look(root / name))
    known.update(fresh, [name for name in before if name not in files])
    now = {**before, **fresh}
    for name in sorted(files, key=lambda name: (not OWN_NAME.fullmatch(os.path.basename(name)[:-5]), name)):
        _, row, reason = now[name]
        yield name, row, reason


def _walk(root: Path | str, inside: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """The JSON files below a folder by their paths within it, each with its time and size."""
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as entries:  # a folder for half a file goes again
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.endswith(".json") and entry.is_file():
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield inside + entry.name, (stat.st_mtime_ns, stat.st_size)
            elif entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{inside}{entry.name}{os.sep}")


class _Index:
    """What was read of each file of a folder; empty, and kept nowhere, where the cache folder cannot be used."""

    def __init__(self, root: Path) -> None:
        # Another version may read other things from the same files; so may one that refuses what this number's did not.
        key = hashlib.sha256(f"{__version__} 2 {[f.name for f in fields(Experiment)]} {root.resolve()}".encode())
        self.path = platformdirs.user_cache_path("replaylib") / "index" / f"{key.hexdigest()[:24]}.sqlite"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS files "
                "(name TEXT PRIMARY KEY, time INTEGER, size INTEGER, row TEXT, reason TEXT)"
            )
            yield database

    def rows(self) -> dict[str, Seen]:
        try:
            with self._opened() as database:
                every = database.execute("SELECT name, time, size, row, reason FROM files").fetchall()
        except (sqlite3.Error, OSError):
            self._forget()
            return {}
        # One call for all is several times as fast as one for each.
        decoded = json.loads("[" + ",".join(row for *_, row, _ in every) + "]")
        return {
            name: ((time, size), _tuples(row), reason)
            for (name, time, size, _, reason), row in zip(every, decoded, strict=True)
        }

    def update(self, fresh: Mapping[str, Seen], gone: Sequence[str]) -> None:
        if not fresh and not gone:
            return
        new = [(name, *stamp, json.dumps(row), reason) for name, (stamp, row, reason) in fresh.items()]
        with contextlib.suppress(sqlite3.Error, OSError), self._opened() as database, database:
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", new)
            database.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in gone])

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()


def _tuples(row: dict[str, object] | None) -> dict[str, object] | None:
    """A row as it was before JSON made lists of its tuples."""
    for name in ("hidden", "own"):  # of a hundred thousand rows, no other value is looked at
        if row is not None and isinstance(row.get(name), list):
            row[name] = _tuple(row[name])
    return row


def _tuple(value: object) -> object:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def where(frame: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The rows for which all conditions, ``"column=value"``, hold, as text; a method's own option is a column too.

    Raises
    ------
    InputError : a condition without ``=``, or of an unknown column.
    """
    chosen = pd.Series(True, frame.index)
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign:
            raise InputError(f"condition {condition!r}: write column=value, e.g. method=bi-r")
        chosen &= _column(frame, name).map(partial(_is_written, value))
    return frame[chosen]


def _is_written(text: str, value: object) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            return float(text) == value
    return as_text(value) == text


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name in frame:
        return frame[name]
    own = [dict(options) if isinstance(options, tuple) else {} for options in frame.get("own", ())]
    if name not in (known := set().union(*own)):
        raise unknown("column", name, [*map(str, frame.columns), *known])
    return pd.Series([options.get(name) for options in own], frame.index, object)


def as_text(value: object) -> str:
    """A setting as one writes it: the shortest text that is this number and no other; nothing for None and nan."""
    if isinstance(value, tuple):  # of numbers; or of a method's own options, each its name and its value
        return ",".join("=".join(map(as_text, one)) if isinstance(one, tuple) else str(one) for one in value)
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    return str(value)


def groups(frame: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """The runs of each experiment, its seeds: what it is, in text, `KEYS` and whatever else varies, and its rows."""
    described = [one.name for one in fields(Experiment) if one.name not in ("seed", *KEYS)]
    # What is not said of an order of classes follows from the seed; where it says no more than that, it is no setting.
    usual = frame["seed"].map(lambda seed: "labels" if seed == 0 else "random")
    frame = frame.assign(class_order=frame["class_order"].where(frame["class_order"].notna(), usual))
    if (frame.groupby([*KEYS, "seed"])["class_order"].nunique() == 1).all():
        described.remove("class_order")
    varied = [name for name in described if frame[name].drop_duplicates().map(as_text).nunique() > 1]
    keys = [*KEYS, *varied]
    frame = frame.sort_values([*keys, "seed"], key=_sortable)
    for values, runs in frame.groupby([frame[name].map(as_text) for name in keys], sort=False):
        yield dict(zip(keys, map(str, values), strict=True)), runs


def _sortable(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.map(as_text)


def by_method(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error of final accuracy, and mean forgetting, of the seeds of each experiment: a row each."""
    rows = [
        {
            **described, "accuracy (%)": runs["acc"].mean(), "SEM": runs["acc"].sem(),
            "forgetting": runs["forgetting"].mean(), "seeds": len(runs),
        }
        for described, runs in groups(frame)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def common(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Final accuracy of the seeds that both frames have, by seed: columns ``a`` and ``b``.

    Raises
    ------
    InputError : a seed stands twice in a frame, or none is in both.
    """
    for frame in (first, second):
        if frame["seed"].duplicated().any():
            raise InputError("a seed stands twice: choose runs that differ in the seed alone, with --where")
    both = first.set_index("seed")["acc"].to_frame("a").join(second.set_index("seed")["acc"].rename("b"), how="inner")
    if both.empty:
        raise InputError("these runs have no seed in common: nothing can be compared")
    return both


def paired(both: pd.DataFrame) -> dict[str, float]:
    """How much higher final accuracy is in ``b``, over the seeds of both, see `common`.

    Returns ``mean`` and ``sem`` of the differences (percentage points), ``low`` and ``high``, the ends of the 95 %
    confidence interval, and ``p``, of a paired two-sided t-test (Student 1908); the last three are nan for one seed.
    ``seeds`` is how many; ``p`` is nan as well where all differences are 0.
    """
    from scipy import stats

    gains = both["b"] - both["a"]
    mean, sem, n = float(gains.mean()), float(metrics.sem(_tensor(gains))), len(gains)
    reach = float(stats.t.ppf(0.975, n - 1)) * sem if n > 1 else float("nan")
    p = float(stats.ttest_rel(both["b"], both["a"]).pvalue) if n > 1 else float("nan")
    return {"mean": mean, "sem": sem, "low": mean - reach, "high": mean + reach, "p": p, "seeds": n}


def _tensor(values: pd.Series) -> "Tensor":
    import torch

    return torch.tensor(values.to_numpy(), dtype=torch.float64)
