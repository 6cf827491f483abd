"""Data of one's own as tensors: from arrays, from an .npz or a .csv file, or from datasets of torchvision.

Files are read without running code: an .npz with objects in it is refused.
"""

import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from replaylib.data.dataset import Dataset, Split, for_validation
from replaylib.errors import InputError

#: What an .npz file holds.
PARTS = ("x_train", "y_train", "x_test", "y_test")
#: The columns of a .csv file that are no numbers of a sample: its label, and whether it is to train or to test on.
LABEL, PART = "label", "part"
#: Of each class, what is tested on where there is no test part, and the seed that it is drawn with.
HELD_OUT, SEED = 0.2, 0
#: From so many rows on, whole numbers that are each one apart are no chance.
FEWEST_NUMBERED = 8

log = logging.getLogger(__name__)


def from_arrays(
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
) -> Split:
    """Two arrays of samples and two of labels as a dataset.

    Where there is no test part, a fifth of each class is held out and tested on, drawn with seed 0; the logger says so.

    Parameters
    ----------
    x_train, x_test : uint8 images, (n, height, width), (n, height, width, channels) or (n, channels, height, width)
        where there are 1 or 3 channels; or numbers, (n, d), a row a sample.
    y_train, y_test : (n,), whole numbers or names; both parts have the same labels, sorted.
    classes : names of the labels, in their order; by default the labels themselves.

    Raises
    ------
    InputError : shapes or types that are none of these, or other ones in the other part; nan; fewer than two labels; a
        label to test on that is not trained on; another number of names than of labels.
    """
    if (x_test is None) != (y_test is None):
        raise InputError(f"{name} has only one of samples and labels to test on: give both or neither")
    labels, codes = np.unique(_whole(name, y_train), return_inverse=True)
    if len(labels) < 2:
        raise InputError(f"{name} has {len(labels)} labels to train on: expected two or more to tell apart")
    if x_test is None or y_test is None:
        return _with_test_part(name, x_train, codes, labels.tolist() if classes is None else classes)
    tested = _whole(name, y_test)
    if strange := sorted(set(tested.ravel().tolist()) - set(labels.tolist())):
        raise InputError(
            f"{name} has label {strange[0]!r} to test on and none such to train on: give both parts the same"
        )
    if classes is not None and len(classes) != len(labels):
        raise InputError(f"{name} has {len(labels)} labels and {len(classes)} names of classes: give one for each")
    named = tuple(map(str, labels if classes is None else classes))
    parts = ((x_train, codes), (x_test, np.searchsorted(labels, tested)))
    train, test = (Dataset(name, _samples(name, x), _codes(y), named) for x, y in parts)
    if train.shape != test.shape:
        shapes = f"{train.shape} to train on and {test.shape} to test on"
        raise InputError(f"{name} has samples of shape {shapes}: give both parts the same")
    return Split(train, test)


def _with_test_part(name: str, x: ArrayLike, codes: Any, classes: Sequence[str]) -> Split:
    whole = Dataset(name, _samples(name, x), _codes(codes), tuple(map(str, classes)))
    held = for_validation(Split(whole, whole), HELD_OUT, SEED)
    log.warning(
        "%s has no test part: %d of its %d samples, a fifth of each class drawn with seed %d, are tested on",
        name, len(held.test), len(whole), SEED,
    )  # fmt: skip
    return held


def _whole(name: str, y: ArrayLike) -> np.ndarray:
    """Labels as whole numbers or names, (n,), from those or from one column of them, as Keras gives them."""
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        advice = "; of one-hot rows take argmax(1)" if array.ndim == 2 else ""
        raise InputError(f"{name} has labels of shape {array.shape}: expected one for each sample, (n,){advice}")
    if array.dtype.kind == "f":
        if not (np.isfinite(array) & (array == np.rint(array))).all():
            raise InputError(f"{name} has labels with nan or fractions: expected whole numbers or names")
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuUb":
        raise InputError(f"{name} has labels of type {array.dtype}: expected whole numbers or names")
    return array


def _codes(y: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(y).astype(np.int64))


def _samples(name: str, x: ArrayLike) -> Tensor:
    array = np.asarray(x)
    if array.dtype == np.uint8 and array.ndim == 3:
        array = array[:, None]
    elif array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] in (1, 3) and 0 not in array.shape[1:]:
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.ndim == 2 and array.dtype.kind in "fiu":
        with np.errstate(over="ignore"):  # what becomes infinite is refused, with its rows, by `Dataset`
            return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    given = f"samples of shape {array.shape} and type {array.dtype}"
    if array.dtype == np.uint8 and array.ndim == 4:
        raise InputError(f"{name} has {given}: expected pixels of 1 or 3 channels, none for what is transparent")
    if array.ndim in (3, 4) and array.dtype.kind in "fiub":
        advice = "make them uint8, 0 to 255, or flatten each to a row of numbers"
        raise InputError(f"{name} has {given}: images are uint8; {advice}")
    raise InputError(f"{name} has {given}: expected uint8 images, (n, height, width[, channels]), or numbers, (n, d)")


def from_npz(path: str | Path) -> Split:
    """The arrays ``x_train``, ``y_train``, ``x_test``, ``y_test`` of an .npz file, see `from_arrays`.

    Those to test on may both be missing.

    Raises
    ------
    InputError : no such file, a damaged one, one that lacks an array or holds objects, or what `from_arrays` raises.
    """
    file = Path(path).expanduser()
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            there = PARTS if set(PARTS[2:]) & set(arrays) else PARTS[:2]
            if missing := [part for part in there if part not in arrays]:
                listed = ", ".join(sorted(arrays)[:6]) or "nothing"
                raise InputError(f"{path} has no array {missing[0]} ({listed} found): expected {', '.join(PARTS)}")
            return from_arrays(file.stem, *(arrays[part] for part in there))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    except InputError:
        raise
    except ValueError as error:
        if "allow_pickle" in str(error) and zipfile.is_zipfile(file):
            raise InputError(f"{path} holds Python objects, which are not read: store arrays of numbers") from error
        reason = str(error) if zipfile.is_zipfile(file) else "it is no zip"
        raise InputError(f"{path} is damaged or no .npz of numbers ({reason}): write it with numpy.savez") from error
    except Exception as error:  # zipfile and zlib raise their own
        raise InputError(f"{path} is damaged ({error}): write it anew with numpy.savez") from error


def from_csv(path: str | Path) -> Split:
    """A table, a row a sample: numbers, a column ``label``, maybe a column ``part``, which says ``train`` or ``test``.

    The first row names the columns. The numbers are taken as they are: none is scaled. A column that numbers the rows,
    as spreadsheets and pandas write one, is left out, and the logger says so: where rows are sorted by label, the label
    could be read from it. Only an empty cell is a missing value: ``NA`` and ``None`` are names of classes like others.

    Raises
    ------
    InputError : no such file, no such column, something else than numbers, or what `from_arrays` raises.
    """
    import pandas as pd  # it takes a while to import

    file = Path(path).expanduser()
    try:
        table = pd.read_csv(file, skipinitialspace=True, keep_default_na=False, na_values=[""])
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    except ValueError as error:  # pandas' own are of this kind, and so is text that is no UTF-8
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no table with commas ({reason}): write it anew, in UTF-8") from error
    if LABEL not in table:
        first_row = ", ".join(map(str, table.columns[:6]))
        for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if len(table.columns) == 1 and LABEL in first_row.split(mark):
                raise InputError(f"{path} separates its columns by {called}: write it anew with commas, 1.5 not 1,5")
        raise InputError(f"{path} has no column {LABEL} (its first row: {first_row}): name the columns there")
    if table[LABEL].isna().any():
        line = int(table[LABEL].isna().to_numpy().argmax()) + 2
        raise InputError(f"{path} has no {LABEL} in line {line}: give one or leave the line out")
    numbers = table.drop(columns=[name for name in (LABEL, PART) if name in table])
    for column in numbers:
        if (wrong := pd.to_numeric(numbers[column], errors="coerce").isna()).any():
            row = int(wrong.to_numpy().argmax())
            value = repr(str(numbers[column].iloc[row])) if pd.notna(numbers[column].iloc[row]) else "nothing"
            raise InputError(f"{path} has {value} in line {row + 2}, column {column}: expected a number")
    for column in [name for name in numbers if _numbers_the_rows(name, numbers[name].to_numpy(np.float64))]:
        log.warning("%s: column %s numbers the rows and is left out", path, column)
        numbers = numbers.drop(columns=column)
    if numbers.empty:
        raise InputError(f"{path} has {len(table)} rows of {numbers.shape[1]} numbers: expected one or more of each")
    x, y = numbers.to_numpy(np.float32), table[LABEL].to_numpy()
    y = y if y.dtype.kind in "iufb" else y.astype(str)
    if PART not in table:
        return from_arrays(file.stem, x, y)
    if strange := sorted(set(table[PART].astype(str)) - {"train", "test"}):
        raise InputError(f"{path} has {strange[0]!r} in column {PART}: expected train or test")
    train = (table[PART] == "train").to_numpy()
    return from_arrays(file.stem, x[train], y[train], x[~train], y[~train])


def _numbers_the_rows(name: Any, values: np.ndarray) -> bool:
    """Whether a column, (n,), is no measurement: whole numbers one apart, or, where it has no name, all different."""
    rows = len(values)
    if rows < FEWEST_NUMBERED or (values != np.rint(values)).any() or len(np.unique(values)) < rows:
        return False
    return str(name).startswith("Unnamed: ") or values.max() - values.min() == rows - 1


def from_torchvision(train: Any, test: Any, name: str = "") -> Split:
    """Two datasets of torchvision, or any two sequences of (image, label), as one dataset.

    Images are PIL images or uint8 arrays of one size; a transformation of theirs is not applied to pixels here: give
    none. ``name`` is by default that of the class of ``train``.

    Raises
    ------
    InputError : images of several sizes, or something else than images.
    """
    called = name or type(train).__name__.lower()
    parts: list[np.ndarray] = []
    for part in (train, test):
        pairs = [part[i] for i in range(len(part))]
        shapes = {np.shape(image) for image, _ in pairs}
        if len(shapes) != 1:
            raise InputError(f"{called} has images of {len(shapes)} shapes: resize them to one, with a transform")
        parts += [np.stack([np.asarray(image) for image, _ in pairs]), np.array([int(label) for _, label in pairs])]
    x_train, y_train, x_test, y_test = parts
    return from_arrays(called, x_train, y_train, x_test, y_test, getattr(train, "classes", None))
