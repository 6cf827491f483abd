"""Where something was computed, and with what: the device, the versions of packages, the library's commit."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from replaylib._version import __version__

CHECKOUT = Path(__file__).resolve().parents[2]


def now() -> str:
    """The time, to a second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def device_name(device: torch.device) -> str:
    """What computes, e.g. ``"cpu (x86_64, 2 threads)"`` or a GPU's product name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a run computes."""
    packages = ("torch", "numpy", "scikit-learn")
    installed = {name: metadata.version(name) for name in packages}
    return {"replaylib": __version__, "python": platform.python_version(), **installed}


@cache
def commit() -> str | None:
    """The library's git commit, with "+" appended where tracked files differ from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(CHECKOUT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != CHECKOUT:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
