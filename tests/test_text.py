"""Text as a dataset, a stream, a protocol and methods, against slow formulas."""

import math
import re

import pytest
import torch

from replaylib import Dataset, InputError, Split, Stream, experiment, split_stream
from replaylib.data import texts
from replaylib.data.texts import ALPHABET, KINDS, WINDOW
from replaylib.lab import contents, resume, runs
from replaylib.lab.extra import share, text
from replaylib.lab.protocols import protocol
from replaylib.loop import objective
from replaylib.nets import Classifier
from replaylib.replay import Everything
from tests.helpers import tiny

LETTERS = len(ALPHABET)
P = protocol("split-text")


@pytest.fixture(scope="module")
def data() -> Split:
    return P.load()


@pytest.fixture(scope="module")
def stream(data: Split) -> Stream:
    return P.stream(data, "domain", 3, 0, "labels")


class Alphabet(Classifier):
    """Sure that the letter after the last one follows, or the next after that which can."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(math.prod(stream.data.train.shape), (1,), stream.outputs, torch.Generator())

    def forward(self, x: torch.Tensor, task: torch.Tensor | None = None) -> torch.Tensor:
        last = x[:, 0, -1, :LETTERS].argmax(1, keepdim=True)
        return -50.0 * ((torch.arange(self.readout.out_features) - last - 1) % LETTERS)


def following(letter: str, possible: list[str]) -> str:
    """The first possible letter after one, in the order of the alphabet and round it."""
    after = ALPHABET[ALPHABET.index(letter) + 1 :] + ALPHABET
    return next(other for other in after if other in possible)


def possible_in(stream: Stream, task: int, seen: int) -> list[str]:
    return [ALPHABET[u % LETTERS] for u in stream.active(torch.tensor([task]), seen)[0].nonzero()[:, 0].tolist()]


def read(image: torch.Tensor) -> tuple[int, str]:
    """The kind and the characters of a sample (1, rows, columns), pixel by pixel."""
    rows = [[column for column, pixel in enumerate(row) if pixel] for row in image[0].tolist()]
    assert all(len(row) == 1 for row in rows)
    (kind,), *characters = rows
    return kind - LETTERS, "".join(ALPHABET[c] for (c,) in characters)


def test_a_text_survives_as_numbers_and_other_characters_are_left_out() -> None:
    assert texts.letters(texts.numbers("for x in y:\n\tprint(é)")) == "for x in y:\nprint()"


def test_every_python_brings_three_collections() -> None:
    collections = texts.collections()
    assert tuple(collections) == KINDS
    assert min(len(one) for one in collections.values()) > 100_000
    assert set("".join(collections.values())) <= set(ALPHABET)
    assert "def " in collections["code"]
    assert collections["names"].isupper()


def test_a_sample_is_a_stretch_of_its_text_and_its_class_what_follows(data: Split) -> None:
    collections = list(texts.collections().values())
    picks = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:40]
    for part, ends in ((data.train, "train"), (data.test, "test")):
        for row in picks[picks < len(part)]:
            kind, shown = read(part.images[row])
            label = part.labels[row].item()
            cut = 9 * len(collections[kind]) // 10
            half = collections[kind][:cut] if ends == "train" else collections[kind][cut:]
            assert shown + ALPHABET[label % LETTERS] in half
            assert part.classes[label] == f"{KINDS[kind]} {ALPHABET[label % LETTERS]!r}"


def test_a_class_has_samples_in_both_parts_or_in_none(data: Split) -> None:
    train, test = (part.labels.bincount(minlength=len(part.classes)) for part in data)
    assert ((train > 1) == (test > 0)).all()
    assert ((train > 0) == (test > 0)).all()
    assert all(len(part) > 0.97 * n * len(KINDS) for part, n in zip(data, (texts.TRAIN, texts.TEST), strict=True))


@pytest.mark.parametrize(("scenario", "outputs"), [("domain", LETTERS), ("task", 3 * LETTERS), ("class", 3 * LETTERS)])
def test_a_task_is_a_collection_and_a_unit_a_character(data: Split, scenario: str, outputs: int) -> None:
    stream = P.stream(data, scenario, 3, 5)  # another order of collections
    assert stream.outputs == outputs
    batch = stream.draw(1, 60, torch.Generator().manual_seed(0))
    kind = text.kinds_of(stream, batch.task).unique().item()
    units = 0 if scenario == "domain" else LETTERS
    assert [read(x)[0] for x in batch.x] == [kind] * 60
    assert stream.active(batch.task, 2).gather(1, batch.y[:, None]).all()
    assert (batch.y - units).min() >= 0
    first = stream.rows(1)[0]
    assert stream.targets(first[None], torch.tensor([1])) % LETTERS == data.train.labels[first] % LETTERS


def test_other_data_and_more_collections_are_refused(data: Split) -> None:
    with pytest.raises(InputError, match="tiny has no collections of text"):
        P.stream(tiny(), "domain", 3, 0)
    with pytest.raises(InputError, match="3 collections of text, prose, code, names: ask for 2 to 3 tasks"):
        P.stream(data, "domain", 4, 0)


def test_bits_are_the_mean_surprise_at_what_follows(stream: Stream) -> None:
    net = Classifier(math.prod(stream.data.train.shape), (4,), stream.outputs, torch.Generator().manual_seed(0))
    rows = stream.rows(1, "test")
    assert len(rows) > 1000
    batch = stream.batch(rows, torch.full_like(rows, 1), "test")
    possible = stream.active(batch.task[:1], 3)[0].nonzero()[:, 0].tolist()
    slow = 0.0
    for x, y in zip(batch.x[:, None], batch.y.tolist(), strict=True):
        scores = net(x)[0].detach().double()
        slow -= math.log2(scores[y].exp() / sum(scores[u].exp() for u in possible)) / len(rows)
    measured = text.bits(net, stream, 3)
    assert measured.shape == (3,)
    assert measured[1].item() == pytest.approx(slow, rel=1e-4)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    assert text.bits(net, stream, 3).tolist() == pytest.approx([math.log2(len(possible))] * 3)


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_what_is_written_follows_the_networks_probabilities(data: Split, scenario: str) -> None:
    """A network that always says the next letter writes those that there are, in order."""
    stream = P.stream(data, scenario, 3, 0, "labels")
    written = text.write(Alphabet(stream), stream, torch.tensor([2, 0]), 3, 50, torch.Generator().manual_seed(0))
    assert written.shape == (2, 50)
    for task, one in zip((2, 0), written, strict=True):
        letters = " " + texts.letters(one)
        possible = possible_in(stream, task, 3)
        assert [following(letter, possible) for letter in letters[:-1]] == list(letters[1:])


def test_a_low_temperature_writes_what_is_likeliest(stream: Stream) -> None:
    net = Classifier(math.prod(stream.data.train.shape), (8,), stream.outputs, torch.Generator().manual_seed(0))
    kind, so_far = torch.tensor([1]), " " * WINDOW
    for _ in range(4):
        x = stream.data.train.inputs(texts.shown(kind, texts.numbers(so_far)[None, -WINDOW:]))
        likeliest = net(x).masked_fill(~stream.active(kind, 3), -torch.inf).argmax()
        so_far += ALPHABET[likeliest]
    written = text.write(net, stream, kind, 3, 4, torch.Generator().manual_seed(0), temperature=1e-4)
    assert texts.letters(written[0]) == so_far[WINDOW:]


def test_own_text_is_replayed_with_the_previous_networks_answers(stream: Stream) -> None:
    net = Alphabet(stream)
    replay = text.OwnText(stream, net, torch.Generator().manual_seed(0))
    assert replay.sample(3) is None
    replay.end(0)
    replay.end(1)
    batch = replay.sample(200)
    assert batch.task.unique().tolist() == [0, 1]
    for x, task, y in zip(batch.x, batch.task, batch.y, strict=True):
        kind, shown = read(x)
        assert kind == task
        letters = shown.lstrip(" ") or " "
        possible = possible_in(stream, 0, 2)
        assert [following(letter, possible) for letter in letters] == [*letters[1:], ALPHABET[y]]
    expected = (net(batch.x) / batch.temperature[:, None]).masked_fill(~stream.active(batch.task, 2), -torch.inf)
    torch.testing.assert_close(batch.soft, expected.softmax(1))
    assert replay.nbytes == 0
    with pytest.raises(InputError, match="tiny is no text that a network could write: use split-text"):
        text.OwnText(split_stream(tiny(), "class", 3), net, torch.Generator())


@pytest.mark.parametrize(("part", "task"), [(0.05, 1), (0.05, 2), (0.5, 2)])
def test_a_share_of_a_step_is_old_and_of_its_loss(part: float, task: int) -> None:
    """The loss is that of one batch in which ``part`` of the weight is on old samples, divided by how many tasks."""
    g = torch.Generator().manual_seed(0)
    images = Dataset(
        "some", torch.randint(256, (90, 1, 2, 2), generator=g).to(torch.uint8), torch.arange(90) % 6, tuple("abcdef")
    )
    stream = split_stream(Split(images, images), "class", 3)
    net = Classifier(4, (7,), 6, g)
    replay = share.Share(stream, torch.Generator().manual_seed(1), part)
    assert replay.sample(20) is None
    for ended in range(task):
        replay.end(ended)
    old, new = replay.sample(38), stream.draw(task, 38, g)
    assert len(old.y) == round(38 * part / (1 - part))
    assert set(old.task.tolist()) == set(range(task))

    def surprise(x: torch.Tensor, y: int) -> torch.Tensor:
        return -net(x[None])[0, : 2 * (task + 1)].log_softmax(0)[y]

    means = [sum(surprise(x, y) for x, y in zip(b.x, b.y.tolist(), strict=True)) / len(b.y) for b in (new, old)]
    slow = ((1 - part) * means[0] + part * means[1]) / (1 - part) / (task + 1)
    torch.testing.assert_close(objective(stream, net, task, new, old, torch.empty(38 + len(old.y), 0)), slow)
    everything = Everything(stream, torch.Generator().manual_seed(1))
    for ended in range(task):
        everything.end(ended)
    assert replay.nbytes == everything.nbytes > 0
    torch.testing.assert_close(everything.sample(len(old.y)).x, old.x)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1])
def test_a_share_is_part_of_a_step(wrong: float) -> None:
    with pytest.raises(InputError, match="share is"):
        share.Share(split_stream(tiny(), "class", 3), torch.Generator(), wrong)
    with pytest.raises(InputError, match="share is"):
        experiment("split-text", method_name="replay-share", share=wrong)


def test_old_text_is_forgotten_and_kept_by_a_share_of_it_and_by_own_text(data: Split) -> None:
    def run(method: str) -> torch.Tensor:
        described = experiment("split-text", method_name=method, tasks=2, class_order="random", seed=ORDER)
        return torch.tensor(runs.run(described, data).record.matrix)

    ends = {method: run(method) for method in ("none", "replay-share", "own-text")}
    learned, left = ends["none"][0, 0], ends["none"][1, 0]
    assert learned > 25
    assert left < learned / 2
    assert min(ends[method][1, 0] for method in ("replay-share", "own-text")) > (learned + left) / 2
    assert min(one[1, 1] for one in ends.values()) > 25


#: A seed whose random order has prose or code first, and then names, which are all in capitals.
ORDER = next(s for s in range(1, 99) if torch.randperm(3, generator=torch.Generator().manual_seed(s))[1] == 2)


def test_a_stopped_run_goes_on_with_the_text_that_was_written(
    data: Split, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = experiment("split-text", method_name="own-text", iterations=4)
    whole = runs.run(described, data)

    def stop(now) -> None:
        if (now.task, now.step) == (2, 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        runs.run_seeds([described], data, watch=stop, unfinished=tmp_path)
    [again] = runs.run_seeds([described], data, unfinished=tmp_path, say=lambda line: None)
    assert again.record.matrix == whole.record.matrix
    for one, other in zip(again.net.parameters(), whole.net.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_an_id_says_which_pythons_text_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "digest", lambda: "0123456789abcdef")
    described = experiment("split-text", method_name="own-text", seed=3)
    assert described.data_digest == "0123456789ab"
    assert described.id == "eded2cb9b1f2"
    assert experiment("split-text", method_name="replay-share", share=0.05).id == "506098da65fd"
    monkeypatch.setattr(texts, "digest", lambda: "another0another0")
    assert experiment("split-text", method_name="own-text", seed=3).id != described.id
    with pytest.raises(InputError, match="data python-text changed since this experiment was described"):
        runs.data_of(described)
    assert re.fullmatch("[0-9a-z]{12}", contents.of_data("python-text"))
