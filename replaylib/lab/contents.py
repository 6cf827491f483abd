"""What is in the data, the encoders and the code that an experiment names: digests of those that can change."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from replaylib.data import texts
from replaylib.data.files import shipped
from replaylib.data.known import DOWNLOADS, EMBEDDED, MADE, data_directory
from replaylib.errors import InputError
from replaylib.lab.tables import DATASETS, ENCODERS

if TYPE_CHECKING:
    from replaylib.lab.experiments import Experiment

#: What `code_of` is of: the first words of its names.
PARTS = ("method", "protocol", "stream", "dataset", "encoder", "optimizer")
#: Hexadecimal digits of a SHA-256 that are kept.
DIGITS = 12
ENCODER = ".safetensors"


def of_data(name: object) -> str | None:
    """The digest of the files of data that are the user's own: an image folder, or one file.

    So has text, which is the installed Python's. None for what else the library knows by name, whose content its own
    checks or its code decide; for what is registered, see `replaylib.lab.register.origins`; and for what is not there,
    which is said when it is loaded.
    """
    if name == texts.NAME:
        return texts.digest()[:DIGITS]
    if not isinstance(name, str) or name in {*EMBEDDED, *DOWNLOADS, *MADE, *DATASETS}:
        return None
    path = _path(name)
    if path is None or not path.exists():
        return None
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
    else:
        from replaylib.data import folders

        # Through links, as images are read: what lies behind one is part of the data.
        for name in sorted(name for name in folders.walked(path) if not name.endswith("/")):
            file = path / name
            if file.is_file() and not folders.ignored(name):
                digest.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def _path(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.name != name or path.exists():
        return path
    from replaylib.data import folders

    return folders.find(data_directory()).get(name)


def of_encoder(name: object) -> str | None:
    """The digest of an encoder's file where it does not come with the library; None if it does, or is not there."""
    if not isinstance(name, str) or name in ENCODERS or (shipped("encoders") / f"{name}{ENCODER}").is_file():
        return None
    from replaylib.lab import encoders

    try:
        return hashlib.sha256(encoders.find(name).read_bytes()).hexdigest()[:DIGITS]
    except InputError:
        return None


def check(dataset: str, data_digest: str | None, encoder: str | None, encoder_digest: str | None) -> None:
    """Raise `InputError` where data or an encoder are no longer what an experiment was described with."""
    for kind, name, then, now in (
        ("data", dataset, data_digest, of_data(dataset)),
        ("encoder", encoder, encoder_digest, of_encoder(encoder)),
    ):
        if then is not None and now is not None and then != now:
            raise InputError(
                f"{kind} {name} changed since this experiment was described ({then} was its digest, now {now}): "
                "describe it anew"
            )


def encoder_version(name: str | None) -> dict[str, str]:
    """Which file an encoder came from: the beginning of its SHA-256; nothing where there is none."""
    from replaylib.lab import encoders

    return {} if name is None else {f"encoder {name}": encoders.load_encoder(name).digest[:DIGITS]}


def code_of(d: "Experiment") -> dict[str, str]:
    """What a run depends on that its description only names: its encoder's file, and files of the user's own.

    See `encoder_version` and `replaylib.lab.register.origins`; a record has them among its ``versions``.
    """
    from replaylib.lab import register

    return encoder_version(d.encoder) | register.origins(
        d.method, protocol=d.protocol, stream=d.stream, dataset=d.dataset, encoder=d.encoder, optimizer=d.optimizer
    )


def changed(d: "Experiment", versions: Mapping[str, str]) -> str:
    """What of `code_of` is another now than in a stored run's versions, in words; empty where nothing is."""
    now = code_of(d)
    then = {part: version for part, version in versions.items() if part.partition(" ")[0] in PARTS}
    return ", ".join(
        f"{part} was {then.get(part, 'the library itself')} and is {now.get(part, 'the library itself')} now"
        for part in {**then, **now}
        if then.get(part) != now.get(part)
    )
