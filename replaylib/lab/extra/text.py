"""A small network that writes: it learns one collection of text after another, and is kept by what it writes itself.

LAMOL (Sun, Ho & Lee 2020) and self-synthesised rehearsal (Huang et al. 2024) do so with large language models; here a
network sees ten characters and predicts the next (Bengio et al. 2003). It is no method of `replaylib.lab.methods`,
whose streams are of images with classes and whose networks are measured by the share that they name right: text is
measured in bits a character, and what is replayed is written one character after another.
"""

import copy
import re
import sysconfig
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.errors import unknown
from replaylib.nets import linear

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
#: Characters that the network sees.
WINDOW = 10
MODULES = ("argparse", "ast", "csv", "datetime", "json/decoder", "statistics")
WAYS = {
    "none": "each collection in turn",
    "a few percent": "of each batch a small share is old text, stored",
    "self-written": "as much as there is new text is written by the previous network, and labelled by it",
    "joint": "as much old text, stored, as there is new text",
}


def collections() -> dict[str, str]:
    """Prose, code and names that every Python brings along; they differ a little from one version to the next.

    Prose is the language reference as `pydoc_data` holds it, code some modules of the standard library, and names those
    of characters in Unicode.
    """
    library = Path(sysconfig.get_path("stdlib"))
    names = (unicodedata.name(chr(code), "") for code in range(0x2FFF))
    return {
        "prose": re.sub(r"\s+", " ", " ".join(topics[key] for key in sorted(topics))),
        "code": "\n".join((library / f"{module}.py").read_text("utf-8") for module in MODULES),
        "names": "\n".join(name for name in names if name),
    }


def numbers(text: str) -> Tensor:
    """A text's characters as their places in `ALPHABET`, (n,) int64; others are left out."""
    place = {character: k for k, character in enumerate(ALPHABET)}
    return torch.tensor([place[c] for c in text if c in place])


def letters(text: Tensor) -> str:
    """The text that `numbers` makes (n,) of."""
    return "".join(ALPHABET[c] for c in text.tolist())


class Writer(nn.Module):
    """Scores of the next character from the kind of text and the last `WINDOW` characters.

    Parameters
    ----------
    kinds : how many kinds of text there are; each has a character of its own, after those of `ALPHABET`.
    generator : a CPU generator of first weights.
    units, size : of the hidden layer, and of the vector that stands for a character.
    """

    def __init__(self, kinds: int, generator: torch.Generator, units: int = 256, size: int = 12) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(ALPHABET) + kinds, size)
        nn.init.normal_(self.letters.weight, generator=generator)
        self.hidden = linear(size * (WINDOW + 1), units, generator)
        self.next = linear(units, len(ALPHABET), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, V) for a kind and ten characters (n, 1 + WINDOW)."""
        scores: Tensor = self.next(self.hidden(self.letters(x).flatten(1)).relu())
        return scores


def excerpts(text: Tensor, kind: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``n`` times a kind and ten characters (n, 1 + WINDOW), and what follows (n,), of texts (..., length)."""
    rows = text.view(-1, text.shape[-1])
    start = torch.randint(rows.shape[1] - WINDOW, (n, 1), generator=generator)
    row = torch.randint(len(rows), (n, 1), generator=generator)
    part = rows[row, start + torch.arange(WINDOW + 1)]
    return torch.cat([torch.full((n, 1), len(ALPHABET) + kind), part[:, :-1]], 1), part[:, -1]


@torch.no_grad()
def write(
    net: Writer,
    kind: int,
    n: int,
    length: int,
    generator: torch.Generator,
    temperature: float = 1.0,
) -> Tensor:
    """``n`` texts of a kind, (n, length), drawn character by character.

    A temperature below 1 favours likely characters.
    """
    text = torch.full((n, WINDOW), ALPHABET.index(" "))
    front = torch.full((n, 1), len(ALPHABET) + kind)
    for _ in range(length):
        p = (net(torch.cat([front, text[:, -WINDOW:]], 1)) / temperature).softmax(1)
        text = torch.cat([text, torch.multinomial(p, 1, generator=generator)], 1)
    return text[:, WINDOW:]


@torch.no_grad()
def bits(net: Writer, text: Tensor, kind: int, n: int = 8000) -> float:
    """Bits a character on ``n`` excerpts of a text (length,) of a kind, the same at every call."""
    x, y = excerpts(text, kind, n, torch.Generator().manual_seed(0))
    return F.cross_entropy(net(x), y).item() / torch.tensor(2.0).log().item()


def learn_in_turn(
    way: str,
    texts: Sequence[Tensor],
    held_out: Sequence[Tensor],
    seed: int,
    *,
    steps: int = 150,
    batch: int = 128,
    share: float = 0.03,
) -> tuple[list[Writer], Tensor]:
    """One text after another, in one of `WAYS`; the network after each, and bits on each held-out text after each.

    Parameters
    ----------
    texts, held_out : to learn and to test on, (length,) each, one of each kind.
    seed : decides the first weights and all that is drawn.
    steps, batch : a text, and excerpts of the new one a step (Adam, rate 0.003).
    share : of a batch that is old text, with ``"a few percent"``; there old and new together are a batch.

    Returns
    -------
    networks, one a text, and bits (texts, texts): a row after each, a column for each.

    Raises
    ------
    InputError : another way.
    """
    if way not in WAYS:
        raise unknown("way", way, WAYS)
    generator = torch.Generator().manual_seed(seed)
    net = Writer(len(texts), generator)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3, fused=True)
    after, table = [], []
    for new, text in enumerate(texts):
        old, past = copy.deepcopy(net), list(texts[:new])
        if way == "self-written":
            past = [write(old, kind, 150, 120, generator) for kind in range(new)]
        few = way == "a few percent"
        n = 0 if way == "none" or not new else max(1, round(share * batch)) if few else batch
        weight = n / batch if few or not n else new / (new + 1)
        for _ in range(steps):
            x, y = excerpts(text, new, batch - n * few, generator)
            if n:
                kind = int(torch.randint(new, (1,), generator=generator))
                again, known = excerpts(past[kind], kind, n, generator)
                target = _answers(old, again) if way == "self-written" else known
                scores = net(torch.cat([x, again]))
                loss = (1 - weight) * F.cross_entropy(scores[:-n], y) + weight * F.cross_entropy(scores[-n:], target)
            else:
                loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        after.append(copy.deepcopy(net))
        table.append([bits(net, one, kind) for kind, one in enumerate(held_out)])
    return after, torch.tensor(table)


@torch.no_grad()
def _answers(net: Writer, x: Tensor) -> Tensor:
    return net(x).softmax(1)
