"""Where files lie that come with the library; writing one whole or not at all, and finding out whether one can."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from replaylib.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

#: How file systems without hard links (FAT, some of those in user space) say so.
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV}


#: Bytes that `writable` writes, more than a record has.
PROBE = 65_536


def shipped(folder: str) -> Path:
    """A folder of results that come with the library, ``"runs"`` for example: in a checkout, or as installed."""
    library = Path(__file__).resolve().parents[1]
    in_checkout = library.parent / "book" / "results"
    return (in_checkout if in_checkout.is_dir() else library / "published") / folder


def writable(folder: str | Path, advice: str = "choose another folder") -> None:
    """Make a folder, and raise `InputError` if it cannot be written; ``advice`` says what to do.

    To be called before computing starts, so that hours of it are not lost for want of a place to put them.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))  # a full disk takes an empty file
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise InputError(f"cannot write to {folder} ({reason}): {advice}") from error


@contextmanager
def replacing(target: Path, advice: str) -> Iterator[Path]:
    """Gives the path of a file to write in the place of ``target``, which it takes when the block ends.

    Raises
    ------
    InputError : it cannot be written; ``advice`` says what to do. A file that is there is then left as it was.
    """
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, suffix=".part") as folder:
            part = Path(folder) / "part"
            yield part
            os.replace(part, target)
    except OSError as error:
        raise InputError(f"cannot write {target} ({error.strerror}): {advice}") from error


def write_tensors(tensors: "dict[str, Tensor]", target: Path, about: dict[str, str], advice: str) -> None:
    """Write tensors and a text about them to a safetensors file, whole or not at all; one that is there is replaced.

    Raises
    ------
    InputError : it cannot be written; ``advice`` says what to do.
    """
    import safetensors.torch  # and PyTorch with it, which help on the command line does without

    # safetensors reports a full disk with an error of its own, and Python's own writing with the system's reason.
    with replacing(target, advice) as part:
        part.write_bytes(safetensors.torch.save(tensors, about))


def create(target: Path, text: str) -> None:
    """Write a file that is not there yet. Where the file system has hard links, nobody ever sees a part of it.

    Raises
    ------
    FileExistsError : there is such a file; it is left as it is.
    OSError : it cannot be written; nothing is left behind.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, suffix=".part") as folder:
        part = Path(folder) / "part"  # made as any file is, so that the same people may read it
        with part.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, target)  # unlike a rename, fails where there is a file already
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            _create_in_place(target, text)


def _create_in_place(target: Path, text: str) -> None:
    with target.open("x") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            target.unlink()
            raise
