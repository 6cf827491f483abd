"""Make the images of the book's live parts: MNIST digits at 14x14 pixels and 16 levels of ink, a script of some 80 KB.

They are the first of each class in the library's dataset mnist-5k. A page that is opened as a file
can fetch no data, and can load a script: so that is what they are.

    python tools/live_digits.py            # writes book/_static/live/digits.js
"""

import base64
import json
import zlib
from pathlib import Path

import numpy as np

from replaylib.data.catalogue import load_dataset

OUT = Path(__file__).resolve().parents[1] / "book" / "_static" / "live" / "digits.js"
TRAIN, TEST = 100, 50  # images a class
SIDE = 14
LEVELS = 15  # of ink: four bits a pixel
NOTE = "/* MNIST (LeCun et al. 1998): {train} of each digit to train on, {test} to test on; by tools/live_digits.py. */"


def images() -> np.ndarray:
    """The first images of each class, (10 * (TRAIN + TEST), SIDE, SIDE) ink from 0 to LEVELS, class after class."""
    data = load_dataset("mnist-5k").train
    pixels, labels = data.images.numpy(), data.labels.numpy()
    rows = np.concatenate([np.flatnonzero(labels == label)[: TRAIN + TEST] for label in range(10)])
    halves = pixels[rows].reshape(len(rows), SIDE, 28 // SIDE, SIDE, 28 // SIDE).mean(axis=(2, 4))
    return np.rint(halves * (LEVELS / 255)).astype(np.uint8)


def script(ink: np.ndarray) -> str:
    """The images as a script: two pixels a byte, deflated, in base64."""
    pairs = ink.reshape(-1, 2)
    packed = zlib.compress((pairs[:, 0] << 4 | pairs[:, 1]).tobytes(), 9)
    said = {
        "side": SIDE, "train": TRAIN, "test": TEST, "levels": LEVELS, "deflated": base64.b64encode(packed).decode(),
    }  # fmt: skip
    return f"{NOTE.format(train=TRAIN, test=TEST)}\n(self.replayData ||= {{}}).digits =\n{json.dumps(said)};\n"


def read(text: str) -> np.ndarray:
    """What `script` made, as images again."""
    said = json.loads(text.partition("digits =\n")[2].rstrip().rstrip(";"))
    packed = np.frombuffer(zlib.decompress(base64.b64decode(said["deflated"])), np.uint8)
    return np.stack([packed >> 4, packed & 15], axis=1).reshape(-1, said["side"], said["side"])


if __name__ == "__main__":
    OUT.write_text(script(images()), encoding="utf-8")
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")
