"""A figure in a file: in which formats, and whether one can be written there."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from replaylib.course import figures
from replaylib.data.files import replacing
from replaylib.errors import InputError

ADVICE = "choose a file in a folder that is there"
#: Endings of files, and where such a file says in words what it shows. None holds the time.
WORDS = {".svg": "Description", ".png": "Description", ".pdf": "Subject"}
_NO_TIME = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
#: Dots an inch of what is made of dots.
DOTS = 200


def check(path: Path) -> None:
    """Raise `InputError` where no figure could be written, before hours of computing."""
    _format(path)
    try:
        with path.open("r+") if path.exists() else tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}): {ADVICE}") from error


@contextmanager
def into(path: Path) -> Iterator[None]:
    """Write the figure that the block draws to a file, as its ending says, instead of displaying it.

    Its alternative text stands in the file.

    Raises
    ------
    InputError : another ending than those of `WORDS`, or it cannot be written; a file that is there stays as it was.
    """
    ending = _format(path)

    def write(drawn: Figure) -> None:
        about: dict[str, Any] = {**_NO_TIME.get(ending, {}), WORDS[ending]: str(drawn.get_label())}
        with replacing(path, ADVICE) as part:
            drawn.savefig(part, format=ending[1:], metadata=about, dpi=DOTS)

    with figures.taken(write):
        yield


def _format(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in WORDS:
        raise InputError(f"{path} cannot hold a figure: give a name that ends in {', '.join(WORDS)}")
    return ending
