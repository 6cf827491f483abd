"""The book's pictures: what is drawn is what was given, and nothing is shown without words."""

import math

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from replaylib.course import figures
from replaylib.errors import InputError


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(figures, "display", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


def test_a_figure_is_shown_as_svg_with_its_alternative_text(shown):
    with figures.figure(alt="a line that rises") as ax:
        ax.plot([0, 1])
    ((bundle,), options) = shown[0]
    assert bundle["image/svg+xml"].startswith("<?xml")
    assert bundle["text/plain"] == "a line that rises"
    assert options == {"raw": True, "metadata": {"image/svg+xml": {"alt": "a line that rises"}}}
    assert not plt.get_fignums()


def test_alternative_text_may_come_from_the_run_but_must_come(shown):
    with figures.figure(1, 2) as (left, right):
        left.figure.set_label(f"{40 + 2} per cent")
        right.plot([0, 1])
    assert shown[0][0][0]["text/plain"] == "42 per cent"
    with pytest.raises(InputError, match="no alternative text"), figures.figure(alt="  ") as ax:
        ax.plot([0, 1])
    assert len(shown) == 1
    assert not plt.get_fignums()


def test_a_figure_that_fails_shows_nothing_and_leaves_nothing_open(shown):
    with pytest.raises(ZeroDivisionError), figures.figure(alt="never seen"):
        1 / 0  # noqa: B018
    assert not shown
    assert not plt.get_fignums()


def test_same_figure_same_bytes(shown):
    for _ in range(2):
        with figures.figure(alt="matrix") as ax:
            figures.accuracy_matrix(ax, torch.eye(3) * 100)
    assert shown[0] == shown[1]


def test_the_style_stays_in_the_book(shown):
    before = dict(plt.rcParams)
    with figures.figure(alt="x") as ax:
        ax.plot([0, 1])
    assert dict(plt.rcParams) == before


def test_the_matrix_shows_rows_as_time_and_leaves_nan_blank(shown):
    matrix = torch.tensor([[99.0, math.nan], [12.0, 88.0]])
    with figures.figure(alt="matrix") as ax:
        figures.accuracy_matrix(ax, matrix)
        assert {(t.get_position(), t.get_text()) for t in ax.texts} == {
            ((0.5, 0.5), "99"), ((0.5, 1.5), "12"), ((1.5, 1.5), "88"),
        }  # fmt: skip
        assert ax.get_xlabel() == "tested on task"
        assert ax.get_ylabel() == "after training on task"


def test_bars_are_means_over_seeds_and_dots_are_seeds(shown):
    frame = pd.DataFrame({"method": ["none", "none", "joint", "joint"], "acc": [10.0, 30.0, 80.0, 100.0]})
    with figures.figure(alt="bars") as ax:
        figures.accuracy_by_method(ax, frame, chance=10)
        assert [bar.get_height() for bar in ax.patches] == [20.0, 90.0]
        dots = sorted(float(y) for points in ax.collections for _, y in points.get_offsets())
        assert dots == [10.0, 30.0, 80.0, 100.0]
    with figures.figure(alt="lying bars") as ax:
        figures.accuracy_by_method(ax, frame, chance=10, lying=True)
        assert [bar.get_width() for bar in ax.patches] == [20.0, 90.0]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "joint"]


def test_a_method_without_a_colour_of_its_own_is_drawn_as_well(shown):
    frame = pd.DataFrame({"method": ["gr", "gr+feedback+conditional"], "acc": [10.0, 30.0]})
    with figures.figure(1, 2, alt="bars and dots") as (bars, dots):
        figures.accuracy_by_method(bars, frame)
        figures.by_method(dots, frame, "acc")
    assert len(shown) == 1


def test_memory_curves_show_the_mean_of_each_budget(shown):
    frame = pd.DataFrame({"per_class": [1, 1, 10, 10], "acc": [40.0, 60.0, 80.0, 90.0]})
    with figures.figure(alt="curve") as ax:
        figures.accuracy_by_memory(ax, frame)
        assert ax.lines[0].get_xydata().tolist() == [[1.0, 50.0], [10.0, 85.0]]
        assert ax.get_xscale() == "log"


def test_pictures_grey_and_coloured(shown):
    with figures.figure(1, 2, alt="two pictures") as axes:
        figures.images(axes, torch.zeros(2, 1, 8, 8, dtype=torch.uint8), ["a", "b"])
        assert [ax.get_title() for ax in axes] == ["a", "b"]
    with figures.figure(1, 1, alt="a picture") as ax:
        figures.images([ax], torch.rand(1, 3, 8, 8))
        assert ax.images[0].get_array().shape == (8, 8, 3)
    assert len(shown) == 2


def test_methods_keep_their_colours_and_every_method_has_one():
    from replaylib.lab.methods import METHODS

    assert set(figures.COLOURS) == set(METHODS)
    # Additions and ablations share the colour of what they are one step from.
    distinct = [name for name in METHODS if not name.startswith(("gr+", "bi-r-no-"))]
    assert len({figures.colour(name) for name in distinct}) == len(distinct)
    assert figures.colour("gr+feedback+conditional") not in figures.COLOURS.values()


def test_rows_of_images_are_one_raster_with_every_picture_in_its_place(shown):
    ink = torch.zeros(2, 1, 2, 3)
    ink[1] = 1
    colour = torch.zeros(3, 3, 2, 3)
    colour[2, 0] = 2.0  # red, and more than there is
    with figures.figure(alt="rows") as ax:
        figures.rows_of_images(ax, {"ink": ink, "none yet": ink[:0]}, ["a", "b"])
        (drawn,) = ax.images
        canvas = drawn.get_array()
        assert canvas.shape == (2 * 3 + 1, 2 * 4 + 1, 3)
        assert (canvas[1:3, 1:4] == 1).all()  # nothing drawn: paper
        assert (canvas[1:3, 5:8] == 0).all()  # ink
        assert (canvas[4:] == 1).all()
        assert canvas[0, 0, 0] == canvas[1, 4, 0] == 0.88
        assert [label.get_text() for label in ax.get_yticklabels()] == ["ink", "none yet"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]
        assert list(ax.get_xticks()) == [2, 6]
        assert list(ax.get_yticks()) == [1.5, 4.5]
    assert shown[0][0][0]["image/svg+xml"].count("<image") == 1
    with figures.figure(alt="colour") as ax:
        figures.rows_of_images(ax, {"": colour})
        canvas = ax.images[0].get_array()
        assert (canvas[1:3, 1:4] == 0).all()
        assert (canvas[1:3, 9:12] == torch.tensor([1.0, 0, 0]).numpy()).all()


def test_bytes_and_fractions_look_alike():
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    assert figures._colours(pixels) == pytest.approx(figures._colours(pixels / 255))
    assert figures._colours(pixels)[0, 0, :, 0].tolist() == pytest.approx([1, 0.8, 0])


@pytest.mark.parametrize(
    ("rows", "columns", "problem"),
    [
        ({}, [], "no row"),
        ({"real": torch.zeros(0, 1, 2, 2)}, [], "at least one"),
        ({"real": torch.zeros(2, 1, 2, 2), "made": torch.zeros(2, 1, 2, 3)}, [], "'made': .2, 1, 2, 3."),
        ({"real": torch.zeros(2, 4)}, [], "'real': .2, 4."),
        ({"real": torch.zeros(2, 2, 4, 4)}, [], "1 or 3 channels"),
        ({"real": torch.zeros(2, 1, 2, 2)}, ["a"], "1 column titles for rows of up to 2"),
    ],
)
def test_rows_that_cannot_be_drawn_are_refused(shown, rows, columns, problem):
    with pytest.raises(InputError, match=problem), figures.figure(alt="never seen") as ax:
        figures.rows_of_images(ax, rows, columns)
    assert not shown


def test_gains_are_drawn_for_each_seed_with_their_mean(shown):
    table = pd.DataFrame(
        {"without": ["gr"], "with": ["gr+gating"], "gain": [15.0], "sem": [5.0], "gains": [(10.0, 20.0)]}
    )
    with figures.figure(alt="gains") as ax:
        figures.gains(ax, table)
        assert list(ax.lines[0].get_xdata()) == [10.0, 20.0]
        assert list(ax.lines[1].get_xdata()) == [15.0]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["gr\n→ gr+gating"]
