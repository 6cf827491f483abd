import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from replaylib.data import catalogue
from replaylib.data import glyphs as module
from replaylib.data.glyphs import glyphs
from replaylib.data.symbols import SYMBOLS, distance_field, symbol_name
from replaylib.errors import InputError

DISTINCT = 100  # how many symbols are promised not to look alike

FINGERPRINT = """
import hashlib, torch
from replaylib.data.glyphs import glyphs
for threads in (1, 3):
    torch.set_num_threads(threads)
    split = glyphs(3, 40, 7, clutter=0.7, seed=5)
    print(hashlib.sha256(split.train.images.numpy().tobytes() + split.test.images.numpy().tobytes()).hexdigest())
"""


def test_a_split_has_the_shape_asked_for():
    train, test = catalogue.load_dataset("glyphs", classes=3, train_per_class=5, test_per_class=2, clutter=0.5)
    assert (train.images.shape, test.images.shape) == ((15, 3, 32, 32), (6, 3, 32, 32))
    assert train.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert train.classes == ("A", "star", "capital omega")


def test_another_process_draws_the_same_bytes_with_any_number_of_threads():
    split = glyphs(3, 40, 7, clutter=0.7, seed=5)
    here = hashlib.sha256(split.train.images.numpy().tobytes() + split.test.images.numpy().tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True, timeout=120)
    assert there.stdout.split() == [here, here]


def test_drawing_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    glyphs(2, 1, 1)
    assert torch.get_num_threads() == before


@settings(max_examples=10, deadline=None)
@given(
    clutter=st.floats(0, 1),
    classes=st.integers(2, 5),
    first=st.integers(0, 3),
    per_class=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_class_does_not_change_with_the_company_it_keeps(clutter, classes, first, per_class, seed):
    part = glyphs(classes, per_class, 1, clutter=clutter, first=first, seed=seed).train
    more = glyphs(first + classes + 1, per_class, 1, clutter=clutter, seed=seed).train
    assert torch.equal(part.images, more.images[first * per_class : (first + classes) * per_class])
    assert part.classes == more.classes[first : first + classes]


def test_more_images_of_a_class_begin_with_the_same_ones(monkeypatch):
    few = glyphs(2, 3, 1, clutter=1.0).train.images
    monkeypatch.setattr(module, "CHUNK", 4)
    many = glyphs(2, 11, 1, clutter=1.0).train.images
    assert torch.equal(many.view(2, 11, 3, 32, 32)[:, :3], few.view(2, 3, 3, 32, 32))


def test_seeds_parts_and_images_differ():
    train, test = glyphs(2, 20, 20, clutter=0.0)
    other = glyphs(2, 20, 20, clutter=0.0, seed=1).train
    images = {image.numpy().tobytes() for part in (train, test, other) for image in part.images}
    assert len(images) == 3 * 40


def test_at_clutter_0_symbols_are_bright_and_whole_on_a_plain_dark_ground():
    images = glyphs(len(SYMBOLS), 2, 1).train.images
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    edges = torch.cat([images[:, 0, [0, -1], :], images[:, 0, :, [0, -1]].transpose(1, 2)], dim=1)
    assert edges.unique().tolist() == [round(0.06 * 255)]
    assert (images[:, 0].flatten(1).amax(1) > 150).all()


@pytest.mark.parametrize("clutter", [0.25, 0.5, 1.0])
def test_symbols_are_not_clipped(clutter):
    rng = np.random.default_rng(0)
    draws = module._Draws(*rng.random((len(module._Draws._fields), 200)))
    for symbol in "A■∫→":
        coverage = module._coverage(symbol, draws, clutter)[:, 0]
        assert coverage[:, [0, -1], :].max() < 0.35, symbol
        assert coverage[:, :, [0, -1]].max() < 0.35, symbol
        assert (coverage.amax((1, 2)) > 0.6).all(), symbol


def test_clutter_is_a_dial():
    spread = [
        glyphs(4, 30, 1, clutter=clutter).train.images.float().std(0).mean().item() for clutter in (0, 0.25, 0.5, 1)
    ]
    assert spread == sorted(spread)
    near, nearer = (
        (glyphs(4, 30, 1, clutter=0.5).train.images.float() - glyphs(4, 30, 1, clutter=0.5 + step).train.images.float())
        for step in (0.02, 0.002)
    )
    assert nearer.abs().mean() < near.abs().mean() < 10


def test_symbols_stand_out_from_their_background_at_clutter_1():
    rng = np.random.default_rng(0)
    draws = module._Draws(*rng.random((len(module._Draws._fields), 500)))
    background = module._background("train", draws, 1.0)
    colour = module._symbol_colour(background, draws, 1.0)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    difference = ((colour - background.mean((2, 3), keepdim=True)) * weights).sum(1).abs().flatten()
    assert difference.min() > 0.3


def test_training_and_test_images_are_cut_from_regions_that_do_not_overlap():
    for photograph, left, top, right, bottom in module.REGIONS["train"]:
        for other, *edges in module.REGIONS["test"]:
            apart = edges[0] >= right or edges[2] <= left or edges[1] >= bottom or edges[3] <= top
            assert photograph != other or apart
            assert all(edge % 2 == 0 for edge in (left, top, right, bottom, *edges)), "halving would mix neighbours"


def test_every_symbol_is_in_the_font_once_and_has_a_name_of_its_own():
    assert len(SYMBOLS) == len(set(SYMBOLS)) >= 200
    names = [symbol_name(symbol) for symbol in SYMBOLS]
    assert len(set(names)) == len(names)
    blank = distance_field("\U0010ffff")[0]  # drawn as the font's box for what it does not have
    assert not any(torch.equal(distance_field(symbol)[0], blank) for symbol in SYMBOLS)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("A", "A"),
        ("5", "5"),
        ("α", "alpha"),
        ("Ω", "capital omega"),
        ("λ", "lambda"),
        ("Ж", "cyrillic zhe"),
        ("←", "leftwards arrow"),
        ("★", "star"),
        ("♞", "chess knight"),
        ("∑", "summation"),
    ],
)
def test_names_read_well(symbol, name):
    assert symbol_name(symbol) == name


def test_the_first_symbols_do_not_look_alike():
    """No two are correlated, slightly blurred and turned as far as clutter 1 turns them, as look-alikes are."""
    turns = np.full((len(module._Draws._fields), 7), 0.5)
    turns[0] = np.linspace(0, 0.999, 7)
    ink = np.stack([module._coverage(symbol, module._Draws(*turns), 1.0)[:, 0].numpy() for symbol in SYMBOLS])
    ink = gaussian_filter(ink, (0, 0, 1, 1)).reshape(len(SYMBOLS), 7, -1)
    ink -= ink.mean(2, keepdims=True)
    ink /= np.linalg.norm(ink, axis=2, keepdims=True)
    alike = np.einsum("ip,jkp->ijk", ink[:, 3], ink).max(2)
    np.fill_diagonal(alike, 0)
    threshold = 0.92
    for one, other in ("γY", "♣♠", "ΛA"):
        assert alike[SYMBOLS.index(one), SYMBOLS.index(other)] > threshold, "the measure misses look-alikes"
    first = alike[:DISTINCT, :DISTINCT]
    one, other = np.unravel_index(first.argmax(), first.shape)
    assert first.max() < threshold, f"{SYMBOLS[one]} and {SYMBOLS[other]} look alike: {first.max():.3f}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes is 1"),
        ({"classes": len(SYMBOLS) + 1}, f"there are {len(SYMBOLS)} symbols"),
        ({"classes": 20, "first": len(SYMBOLS) - 10}, "whole number from 2 to 10"),
        ({"first": -1}, "first is -1"),
        ({"train_per_class": 0}, "train_per_class is 0"),
        ({"test_per_class": 10**9}, "test_per_class is 1000000000"),
        ({"train_per_class": 2.5}, "train_per_class is 2.5"),
        ({"clutter": 1.01}, "clutter is 1.01"),
        ({"clutter": -0.1}, "clutter is -0.1"),
        ({"clutter": float("nan")}, "clutter is nan"),
        ({"clutter": "much"}, "clutter is 'much'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": True}, "seed is True"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message) as error:
        glyphs(**options)
    assert "\n" not in str(error.value)
