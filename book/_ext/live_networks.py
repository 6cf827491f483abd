"""The course's stored networks as scripts, which a live part loads when a reader asks.

Scripts, because a page that was opened as a file can fetch nothing else.
"""

import base64
import json
from pathlib import Path

from safetensors.numpy import load_file

STORED = Path(__file__).resolve().parents[1] / "networks"
#: The live part that loads them.
PART = "places"
#: The script of each, and the part of the network that it holds.
SCRIPTS = {"joint-5": ("hidden.", "readout."), **{f"gr-{task}": ("decoder.",) for task in range(1, 6)}}


def script(name: str, folder: Path = STORED) -> str:
    """One of `SCRIPTS`: whole numbers of one byte and a scale for each row, as `tools/live_weights.py` writes them."""
    tensors = load_file(folder / f"{name}.safetensors")
    chosen = [key for key in tensors if key.startswith(SCRIPTS[name]) and not key.endswith(".scale")]
    said = {
        key: {"whole": text(tensors[key].tobytes()), "scale": text(tensors[f"{key}.scale"].tobytes())} for key in chosen
    }
    return f'(self.replayData ||= {{}})["{name}"] =\n{json.dumps(said)};\n'


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def write(folder: Path) -> None:
    """Write all of them to a folder of the site."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCRIPTS:
        (folder / f"{name}.js").write_text(script(name), encoding="utf-8")
