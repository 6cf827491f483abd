"""Where the course's trained networks lie: in a checkout or, fetched once and checked, in the data directory."""

import hashlib
import json
import re
import urllib.request
from http.client import HTTPException
from importlib import metadata
from pathlib import Path

from replaylib.data.downloads import PATIENCE
from replaylib.data.files import replacing, shipped, writable
from replaylib.data.known import data_directory
from replaylib.errors import InputError

FOLDER = "networks"
SUFFIX = ".safetensors"
#: In a checkout. They are as large as the rest of the library, which is installed without them.
IN_CHECKOUT = Path(__file__).resolve().parents[2] / "book" / FOLDER
#: The SHA-256 of each file, which comes with the library.
DIGESTS = "networks.json"
ARCHIVE = re.compile(r"(https://github\.com/[^/]+/[^/]+)/archive/(?:refs/(?:heads|tags)/)?(.+)\.zip")


def find(method: str, task: int) -> Path:
    """The file of the network of a method as it was after a task (from 1), fetched if need be.

    Raises
    ------
    InputError : there is no such network, or it could not be fetched.
    """
    name = f"{method}-{task}"
    known = digests()
    if name not in known:
        raise InputError(f"there is no stored network {method} after task {task}: there are {', '.join(known)}")
    own = data_directory() / FOLDER / f"{name}{SUFFIX}"
    for path in (IN_CHECKOUT / own.name, own):
        if path.is_file():
            return path
    if (address := repository()) is None:
        raise InputError(
            f"the course's trained networks come with its repository, not with the installed library: copy "
            f"book/{FOLDER} from there to {own.parent}"
        )
    return fetch(f"{address}/book/{FOLDER}/{own.name}", known[name], own)


def digests() -> dict[str, str]:
    """The SHA-256 of every network's file, by its name without suffix."""
    by_name: dict[str, str] = json.loads(shipped(DIGESTS).read_text(encoding="utf-8"))
    return by_name


def repository() -> str | None:
    """Where the files lie of the repository that the library was installed from; None if it was not from GitHub."""
    try:  # what the installer noted: https://packaging.python.org/en/latest/specifications/direct-url/
        said = json.loads(metadata.distribution("replaylib").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    matched = ARCHIVE.fullmatch(str(said.get("url", "")))
    return f"{matched[1]}/raw/{matched[2]}" if matched else None


def fetch(address: str, digest: str, target: Path) -> Path:
    """Fetch a file, whole and with this SHA-256 or not at all; raises `InputError` where that is not possible."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            content: bytes = answer.read()
    except (OSError, HTTPException) as error:
        raise InputError(f"could not fetch {address} ({error}): check the network and try again") from error
    if (actual := hashlib.sha256(content).hexdigest()) != digest:
        raise InputError(
            f"{address} is not the file that this version knows (SHA-256 {actual[:12]}...): update replaylib"
        )
    writable(target.parent, "set REPLAYLIB_DATA to another folder")
    with replacing(target, "set REPLAYLIB_DATA to another folder") as part:
        part.write_bytes(content)
    return target
