"""A prediction before a result, in a real browser: what waits, is compared and is kept, all of it by keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from replaylib.course import predictions
from replaylib.errors import InputError
from tests import chromium

QUESTION = "How accurate is it on each task at the end?"
TRUTH = {"task 1": 0.0, "task 2": 96.04}
PAGE = """<!doctype html><meta charset="utf-8"><section><h2>At the end</h2>
<div class="cell">{asked}</div><p id="between">It ends so.</p><div class="cell" id="figure">a figure</div>
<p id="after">And so on.</p></section>"""


@pytest.fixture
def page() -> Iterator[chromium.Page]:
    if chromium.PROGRAM is None:
        pytest.skip("Chromium is not installed")
    with chromium.page() as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    html = PAGE.format(asked=predictions.ask(QUESTION, TRUTH).data)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    return tmp_path / "page.html"


def opened(page: chromium.Page, path: Path, width: int = 1000) -> None:
    page.open(path, width=width)
    page.wait("document.querySelector('.predict output') && document.readyState === 'complete'")


def waits(page: chromium.Page) -> dict[str, bool]:
    return {
        name: page.run(f"getComputedStyle(document.getElementById('{name}')).display === 'none'")
        for name in ("between", "figure", "after")
    }


def said(page: chromium.Page) -> str:
    text: str = page.run("document.querySelector('.predict [aria-live]').textContent")
    return text


@pytest.mark.xdist_group("chromium")
def test_by_keys_alone_a_reader_predicts_and_then_sees_the_run(page: chromium.Page, path: Path) -> None:
    opened(page, path)
    assert waits(page) == {"between": True, "figure": True, "after": False}
    assert "96" not in page.run("document.body.innerText")
    page.press("Tab")
    page.press("ArrowRight", 20)
    page.press("Tab")
    page.press("ArrowLeft", 10)
    page.press("Tab")
    page.press("Enter")
    assert waits(page) == {"between": False, "figure": False, "after": False}
    words = "task 1: you 70 %, the run 0 %; task 2: you 40 %, the run 96 %. On average you are 63 points away."
    assert said(page).replace("\xa0", " ") == words
    assert page.run("document.querySelectorAll('.predict .run').length") == 2
    assert page.errors == []


@pytest.mark.xdist_group("chromium")
def test_an_answer_is_there_on_return_and_can_be_given_again(page: chromium.Page, path: Path) -> None:
    opened(page, path)
    page.run("document.querySelectorAll('.predict input')[0].value = 10")
    page.run("document.querySelector('.predict button').click()")
    opened(page, path)
    assert said(page).startswith("task 1: you 10")
    assert not waits(page)["figure"]
    page.run("[...document.querySelectorAll('.predict button')].at(-1).click()")
    assert waits(page)["figure"]
    page.run("document.querySelectorAll('.predict button')[1].click()")
    assert not waits(page)["figure"]
    assert said(page) == ""


@pytest.mark.xdist_group("chromium")
def test_nothing_waits_in_print_or_without_scripts_and_a_phone_shows_all_of_it(page: chromium.Page, path: Path) -> None:
    opened(page, path, width=360)
    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.run("Math.min(...[...document.querySelectorAll('.predict input')].map((i) => i.clientWidth))") > 200
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert not waits(page)["figure"]
    page.ask("Emulation.setEmulatedMedia", media="")
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.open(path)
    page.wait("document.readyState === 'complete' && !document.querySelector('.predict output')")
    assert not waits(page)["figure"]


def test_what_is_asked_is_text_and_never_markup() -> None:
    html = predictions.ask("Is a < b & c?", {'<b onload="x">': 1.0}).data
    assert "Is a &lt; b &amp; c?" in html
    assert "<b onload" not in html


@pytest.mark.parametrize(
    ("question", "truth", "ends", "words"),
    [
        (" ", {"a": 1.0}, {}, "has no question"),
        (QUESTION, {}, {}, "asks for 0 numbers"),
        (QUESTION, {str(i): 1.0 for i in range(13)}, {}, "asks for 13 numbers"),
        (QUESTION, {"a": float("nan")}, {}, "'a' is nan, which is not between 0 and 100"),
        (QUESTION, {"a": 120.0}, {}, "'a' is 120, which is not between 0 and 100"),
        (QUESTION, {"a": 1.0}, {"low": 5, "high": 5}, "sliders from 5 to 5"),
    ],
)
def test_what_cannot_be_asked_is_refused(question: str, truth: dict, ends: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        predictions.ask(question, truth, **ends)
