"""Figures for narrow screens: panels wrap, letters have ten pixels and enough contrast, nothing runs into anything."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.text import Text

from replaylib.course import figures, narrow


def panels(drawn) -> list[tuple[int, int]]:
    places = [ax.get_subplotspec() for ax in drawn.axes if ax.get_subplotspec()]
    return [(place.rowspan.start, place.colspan.start) for place in places]


@pytest.fixture
def drawings(monkeypatch):
    """Figures drawn in a block of `figures.figure`, each as it is once it has been shown for the book."""
    monkeypatch.setenv(figures.FOR_THE_BOOK, "1")
    shown = []
    rearrange = narrow.rearrange

    def keep(drawn):
        shown.append(drawn)
        return rearrange(drawn)

    monkeypatch.setattr(narrow, "rearrange", keep)
    with figures.caught() as bundles:
        yield shown, bundles


def test_two_plots_stand_below_each_other_and_keep_their_height(drawings):
    with figures.figure(1, 2, height=3, alt="Two.") as (left, right):
        left.plot([1, 2])
        right.plot([2, 1])
    shown, [bundle] = drawings
    assert panels(shown[0]) == [(0, 0), (1, 0)]
    assert list(shown[0].get_size_inches()) == [narrow.WIDTH, 6]
    wide, small = (float(re.findall(r'width="([\d.]+)pt"', bundle[key])[0]) for key in (figures.SVG, "narrow"))
    assert (wide, small) == pytest.approx((72 * figures.WIDTH, 72 * narrow.WIDTH))


def test_ten_images_become_two_rows_of_five(drawings):
    with figures.figure(1, 10, height=1.25, alt="Ten.") as axes:
        figures.images(axes, torch.rand(10, 1, 8, 8))
    assert panels(drawings[0][0]) == [(row, column) for row in range(2) for column in range(5)]


def test_a_shared_axis_shows_its_numbers_at_the_new_outside(drawings):
    with figures.figure(1, 2, height=3, alt="Two.", sharey=True) as (left, right):
        left.plot([1, 2])
        left.set_ylabel("accuracy")
        right.plot([2, 1])
    below = drawings[0][0].axes[1]
    assert below.get_ylabel() == "accuracy"
    assert any(label.get_visible() and label.get_text() for label in below.get_yticklabels())


def test_letters_have_ten_pixels(drawings):
    with figures.figure(alt="One.") as ax:
        ax.plot([1, 2], label="a")
        ax.legend(fontsize=4)
        ax.set_title("title", size=6)
    assert min(text.get_fontsize() for text in drawings[0][0].findobj(Text) if text.get_text()) >= narrow.SMALLEST


def test_names_that_would_run_into_each_other_are_turned(drawings):
    with figures.figure(alt="Bars.") as ax:
        ax.bar([f"a long name {number}" for number in range(6)], range(6))
    boxes = [label.get_rotation() for label in drawings[0][0].axes[0].get_xticklabels()]
    assert set(boxes) == {60}


def test_a_legend_as_wide_as_the_panel_goes_below_it(drawings):
    with figures.figure(alt="Lines.") as ax:
        for number in range(3):
            ax.plot([1, 2], label=f"a method with quite a long name {number}")
        ax.legend()
    [drawn] = drawings[0]
    assert drawn.axes[0].get_legend() is None
    assert [text.get_text()[-1] for text in drawn.legends[0].get_texts()] == ["0", "1", "2"]


@pytest.mark.parametrize(("words", "fits"), [("box", True), ("a box with quite a few words", False)])
def test_a_diagram_whose_boxes_would_cover_each_other_stays_wide(drawings, words, fits):
    with figures.figure(alt="Boxes.") as ax:
        for place in (0.2, 0.75):
            ax.text(place, 0.5, words, ha="center", bbox={"boxstyle": "round"})
    assert ("narrow" in drawings[1][0]) == fits


def test_without_the_book_a_figure_is_drawn_once(monkeypatch):
    monkeypatch.delenv(figures.FOR_THE_BOOK, raising=False)
    with figures.caught() as bundles, figures.figure(alt="One.") as ax:
        ax.plot([1, 2])
    assert set(bundles[0]) == {figures.SVG, "text/plain"}


def test_letters_on_a_heat_map_can_be_read_on_every_cell():
    drawn, ax = plt.subplots()
    figures.accuracy_matrix(ax, torch.arange(100.0).reshape(10, 10))
    narrow.make_legible(drawn)
    cells = ax.collections[0].get_facecolor()
    assert len(ax.texts) == 100
    assert (
        min(narrow.contrast(text.get_color(), tuple(cell[:3])) for text, cell in zip(ax.texts, cells, strict=True))
        >= 4.5
    )
    plt.close(drawn)


def test_coloured_letters_are_darkened_and_white_ones_left():
    drawn, ax = plt.subplots()
    texts = [ax.text(0, 0, "x", color=colour) for colour in (*figures.PALETTE, "0.6", "white", "black")]
    narrow.make_legible(drawn)
    *coloured, white, black = (text.get_color() for text in texts)
    assert min(narrow.contrast(colour, "white") for colour in coloured) >= 4.5
    assert (white, black) == ("white", "black")
    plt.close(drawn)


def test_contrast_is_that_of_the_guidelines():
    assert narrow.contrast("black", "white") == pytest.approx(21)
    assert narrow.contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
