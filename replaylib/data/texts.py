"""Text as images: which character follows ten others is a choice among classes, so that all methods can learn it.

A sample shows one character a row, as a single white pixel; its class is the character that follows, in its collection.
"""

import hashlib
import re
import sysconfig
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from replaylib.data.dataset import Split

NAME = "python-text"
KINDS = ("prose", "code", "names")
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
#: Characters that a sample shows, in the rows after the first, which says the collection.
WINDOW = 10
MODULES = ("argparse", "ast", "csv", "datetime", "json/decoder", "statistics")
#: Samples of each collection, from evenly spaced places: of its first nine tenths to train on, of the last to test on.
TRAIN, TEST = 20_000, 2_000


@cache
def collections() -> dict[str, str]:
    """Prose, code and names that every Python brings along; they differ a little from one version to the next.

    Prose is the language reference as `pydoc_data` holds it, code some modules of the standard library, and names those
    of characters in Unicode. All are in the characters of `ALPHABET`; others are left out.
    """
    from pydoc_data.topics import topics  # half a megabyte, which most commands do not need

    library = Path(sysconfig.get_path("stdlib"))
    names = (unicodedata.name(chr(code), "") for code in range(0x2FFF))
    whole = (
        re.sub(r"\s+", " ", " ".join(topics[key] for key in sorted(topics))),
        "\n".join((library / f"{module}.py").read_text("utf-8") for module in MODULES),
        "\n".join(name for name in names if name),
    )
    known = set(ALPHABET)
    return {kind: "".join(c for c in text if c in known) for kind, text in zip(KINDS, whole, strict=True)}


@cache
def digest() -> str:
    """The SHA-256 of all collections: which Python's they are."""
    return hashlib.sha256("\0".join(collections().values()).encode()).hexdigest()


def numbers(text: str) -> "Tensor":
    """A text's characters as their places in `ALPHABET`, (n,) int64; others are left out."""
    import torch

    place = {character: k for k, character in enumerate(ALPHABET)}
    return torch.tensor([place[c] for c in text if c in place])


def letters(text: "Tensor") -> str:
    """The text that `numbers` makes (n,) of."""
    return "".join(ALPHABET[c] for c in text.tolist())


def shown(kind: "Tensor", characters: "Tensor") -> "Tensor":
    """Samples (n, 1, 1 + WINDOW, columns) uint8 of texts of kinds (n,), from their last characters (n, WINDOW).

    A row has a column for each character of `ALPHABET`, and after them one for each collection, in which the first row
    has its pixel.
    """
    import torch

    columns = torch.cat([len(ALPHABET) + kind[:, None], characters], 1)
    images = torch.zeros(*columns.shape, len(ALPHABET) + len(KINDS), dtype=torch.uint8, device=kind.device)
    return images.scatter_(2, columns[..., None], 255)[:, None]


def python_text() -> "Split":
    """The three `collections`, of each 20,000 samples to train on and 2,000 to test on, but for rare answers.

    A class is a character in a collection, in the order of `KINDS`, then of `ALPHABET`. One that follows less than
    twice in training or never in testing has no samples.
    """
    import torch

    from replaylib.data.dataset import Dataset, Split

    images: list[list[Tensor]] = [[], []]
    labels: list[list[Tensor]] = [[], []]
    for kind, text in enumerate(collections().values()):
        every = numbers(text)
        cut = 9 * len(every) // 10
        for place, part, n in ((0, every[:cut], TRAIN), (1, every[cut:], TEST)):
            start = torch.arange(n) * (len(part) - WINDOW) // n
            windows = part[start[:, None] + torch.arange(WINDOW + 1)]
            images[place].append(shown(torch.full((n,), kind), windows[:, :-1]))
            labels[place].append(len(ALPHABET) * kind + windows[:, -1])
    classes = tuple(f"{kind} {character!r}" for kind in KINDS for character in ALPHABET)
    train, test = (torch.cat(one).bincount(minlength=len(classes)) for one in labels)
    kept = (train > 1) & (test > 0)
    pairs = [(torch.cat(x), torch.cat(y)) for x, y in zip(images, labels, strict=True)]
    return Split(*(Dataset(NAME, x[kept[y]], y[kept[y]], classes) for x, y in pairs))
