"""Data of one's own as tensors: from arrays, from an .npz file, or from datasets of torchvision."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError

#: What an .npz file holds.
PARTS = ("x_train", "y_train", "x_test", "y_test")


def from_arrays(
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    classes: Sequence[str] | None = None,
) -> Split:
    """Two arrays of samples and two of labels as a dataset.

    Parameters
    ----------
    x_train, x_test : uint8 images, (n, height, width), (n, height, width, channels) or (n, channels, height, width)
        where there are 1 or 3 channels; or numbers, (n, d), a row a sample.
    y_train, y_test : (n,), whole numbers or names; both parts have the same labels, sorted.
    classes : names of the labels, in their order; by default the labels themselves.

    Raises
    ------
    InputError : shapes or types that are none of these, a label to test on that is not trained on, or as many names as
        there are not labels.
    """
    labels, codes = np.unique(np.asarray(y_train), return_inverse=True)
    tested = np.asarray(y_test)
    if strange := sorted(set(tested.ravel().tolist()) - set(labels.tolist())):
        raise InputError(
            f"{name} has label {strange[0]!r} to test on and none such to train on: give both parts the same"
        )
    if classes is not None and len(classes) != len(labels):
        raise InputError(f"{name} has {len(labels)} labels and {len(classes)} names of classes: give one for each")
    named = tuple(map(str, labels if classes is None else classes))
    parts = ((x_train, codes), (x_test, np.searchsorted(labels, tested)))
    return Split(*(Dataset(name, _samples(name, x), _labels(name, y), named) for x, y in parts))


def _labels(name: str, y: Any) -> Tensor:
    if np.ndim(y) != 1:
        raise InputError(f"{name} has labels of shape {np.shape(y)}: expected one for each sample, (n,)")
    return torch.from_numpy(np.ascontiguousarray(y).astype(np.int64))


def _samples(name: str, x: ArrayLike) -> Tensor:
    array = np.asarray(x)
    if array.dtype == np.uint8 and array.ndim == 3:
        array = array[:, None]
    elif array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.dtype == np.uint8 and array.ndim == 4:
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.ndim == 2 and array.dtype.kind in "fiu":
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    found = f"samples of shape {array.shape} and type {array.dtype}"
    raise InputError(f"{name} has {found}: expected uint8 images, (n, height, width[, channels]), or numbers, (n, d)")


def from_npz(path: str | Path) -> Split:
    """The arrays ``x_train``, ``y_train``, ``x_test``, ``y_test`` of an .npz file, see `from_arrays`; no code is run.

    Raises
    ------
    InputError : no such file, a damaged one, or one that lacks an array.
    """
    file = Path(path).expanduser()
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if missing := [part for part in PARTS if part not in arrays]:
                raise InputError(f"{path} has no array {missing[0]}: expected {', '.join(PARTS)}")
            return from_arrays(file.stem, *(arrays[part] for part in PARTS))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is damaged or no .npz of numbers ({error}): write it with numpy.savez") from error
    except Exception as error:  # zipfile and zlib raise their own
        raise InputError(f"{path} is damaged ({error}): write it anew with numpy.savez") from error


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
