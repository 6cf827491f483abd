"""The live parts of the book in a real browser, opened as files: they train, say so, and can be used by keys alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import live_parts
import pytest

from tests import chromium
from tests.live_site import accuracies, built_site, click, idle, ready, said

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("chromium"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def page() -> Iterator[chromium.Page]:
    with chromium.page() as opened:
        yield opened


def test_a_reader_trains_forgets_and_replays(page: chromium.Page, site: Path) -> None:
    ready(page, site, "forget")
    assert page.run("[...document.querySelectorAll('fieldset button')].every((b) => b.matches(':disabled'))")
    page.run("document.querySelectorAll('input[type=radio]')[0].click()")
    click(page, "Train 0 and 1")
    idle(page)
    assert int(accuracies(page)[0]) > 90
    click(page, "Train 2 and 3")
    idle(page)
    first, second, *unmet = accuracies(page)
    assert int(first) < 20
    assert int(second) > 80
    assert unmet == ["–"] * 3
    assert "your guess, nearly all of them, was not what happened" in said(page)
    logit = page.run("document.querySelector('.live-row.live-chosen .live-number').textContent")
    click(page, "Replay 3 of each")
    idle(page)
    assert int(accuracies(page)[0]) > 60
    assert "accuracy is: 0 and 1" in said(page)
    after = page.run("document.querySelector('.live-row.live-chosen .live-number').textContent")
    assert float(after.replace("−", "-")) > float(logit.replace("−", "-"))
    assert page.errors == []
    assert [address for address in page.requests if not address.startswith(("file:", "blob:", "data:"))] == []


def test_playground_compares_two_methods_from_its_address(page: chromium.Page, site: Path) -> None:
    ready(
        page, site, "playground", "#tasks=2&scenario=task&steps=50&lr=0.003&seed=0&a=none&b=generated,conditional,0.5"
    )
    settings = page.run("[...document.querySelectorAll('.live-part select')].map((list) => list.value)")
    assert settings == ["own", "2", "task", "none", "generated"]
    switched = page.run("[...document.querySelectorAll('[type=checkbox]')].map((box) => box.checked)")
    assert switched == [False, True, False, False]
    page.run("document.querySelector('input[type=radio]').click()")
    click(page, "Train both")
    idle(page)
    sides = "[...document.querySelectorAll('.live-side')]"
    for matrix in page.run(f"{sides}.map((side) => [...side.querySelectorAll('td')].map((c) => c.textContent))"):
        corner, first, empty, again, second = matrix
        assert (corner, empty) == ("", "")
        assert all(int(value) > 60 for value in (first, again, second))
    assert page.run("document.querySelectorAll('.live-side .live-panel canvas').length") == 10
    assert "right on" in said(page)
    page.run("document.querySelectorAll('[type=checkbox]')[0].click()")
    assert "b=generated,feedback,conditional,0.5" in page.run("location.hash")
    assert page.run("document.querySelector('figure.live a').getAttribute('href') === location.hash")
    rates = page.run("[...document.querySelectorAll('.live-side .live-note')].map((one) => parseInt(one.textContent))")
    assert min(rates) > 0
    page.run("document.querySelector('figure.live .live-buttons a').click()")
    page.wait("/Copied|address bar/.test(document.querySelector('.live-buttons [role=status]').textContent)")
    assert page.errors == []


def test_playground_says_how_far_it_came_when_stopped(page: chromium.Page, site: Path) -> None:
    ready(page, site, "playground", "#tasks=2&scenario=class&steps=400&lr=0.001&seed=0&a=none&b=generated,feedback,0.5")
    page.run("document.querySelector('input[type=radio]').click()")
    first = page.run("document.querySelector('.live-side caption').textContent")
    page.run(
        "const list = document.querySelector('.live-side select'); list.value = 'joint';"
        " list.dispatchEvent(new Event('change'))"
    )
    assert first.startswith("A, no replay")
    assert page.run("document.querySelector('.live-side caption').textContent").startswith("A, joint training")
    page.run("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Train both').focus()")
    click(page, "Train both")
    assert page.run("document.activeElement.textContent") == "Stop"
    page.wait("document.querySelectorAll('.live-side polyline, .live-curves polyline').length === 2")
    click(page, "Stop")
    page.wait("/^Stopped before/.test(document.querySelector('.live-status').textContent)")
    assert re.search(r"\(generative replay \+ feedback, 1 of 2 tasks begun\) on \d+ %\.$", said(page))
    assert re.search(
        r"training steps, \d+ of 800 so far", page.run("document.querySelector('.live-curves').textContent")
    )
    assert "NaN" not in page.run("document.querySelector('figure.live').textContent")
    assert page.errors == []


def test_one_network_sits_three_exams(page: chromium.Page, site: Path) -> None:
    ready(page, site, "exams")
    page.run("document.querySelector('input[type=radio]').click()")
    click(page, "Train all five pairs, 100 steps each")
    page.wait("/Your guess/.test(document.querySelector('.live-status').textContent)")
    exam, place, pair = page.run(
        "[...document.querySelectorAll('.live-part tbody tr')].map((row) => parseInt(row.lastElementChild.textContent))"
    )
    assert exam < place < pair
    page.wait("/competes?/.test(document.querySelectorAll('.live-status')[1].textContent)")
    page.run("[...document.querySelectorAll('input[type=radio]')].at(-1).click()")
    assert "Only 0 and 1 compete" in page.run("document.querySelectorAll('.live-status')[1].textContent")
    assert page.run("document.querySelectorAll('.live-row.live-off').length") == 8
    assert page.errors == []


def test_a_store_is_filled_and_compared(page: chromium.Page, site: Path) -> None:
    ready(page, site, "store")
    page.run("document.querySelector('input[type=radio]').click()")
    train = "Train with this store, and with five random ones"
    assert page.run(f"[...document.querySelectorAll('button')].find((b) => b.textContent === '{train}').disabled")
    page.run("[...document.querySelectorAll('.live-pick')].slice(0, 12).forEach((pick) => pick.click())")
    assert "The store is full" in said(page)
    assert page.run("document.querySelectorAll('.live-pick[aria-pressed=true]').length") == 10
    click(page, train)
    page.wait("/Your guess/.test(document.querySelector('.live-status').textContent)")
    old, new, both = map(int, accuracies(page))
    assert 0 < old < 90
    assert new > 60
    assert abs(both - (old + new) / 2) <= 1
    assert page.errors == []


def test_everything_is_reached_by_keys(page: chromium.Page, site: Path) -> None:
    ready(page, site, "forget")
    page.run("document.body.focus()")
    page.press("Tab")
    page.press(" ")  # the first answer
    seen = []
    for _ in range(25):
        page.press("Tab")
        seen.append(page.run("document.activeElement.textContent || document.activeElement.getAttribute('aria-label')"))
        if seen[-1] == "Train 0 and 1":
            page.press("Enter")
            idle(page)
            assert int(accuracies(page)[0]) > 90
        if seen[-1] and seen[-1].startswith("Draw a digit"):
            page.press(" ")
            page.press("ArrowDown", 4)
            assert "takes the drawing for" in page.run("document.querySelector('.live-part').textContent")
            break
    assert {"Train 0 and 1", "Train 8 and 9", "Start again"} <= set(seen)
    assert seen[-1].startswith("Draw a digit")


def test_without_workers_the_page_trains_itself(page: chromium.Page, site: Path) -> None:
    page.ask("Page.addScriptToEvaluateOnNewDocument", source="delete window.Worker")
    ready(page, site, "forget")
    assert page.run("typeof Worker") == "undefined"
    page.run("document.querySelectorAll('input[type=radio]')[0].click()")
    click(page, "Train 0 and 1")
    idle(page)
    assert int(accuracies(page)[0]) > 90
    assert page.errors == []


def test_a_finger_draws(page: chromium.Page, site: Path) -> None:
    ready(page, site, "forget", width=390)
    page.run("document.querySelectorAll('input[type=radio]')[0].click()")
    click(page, "Train 0 and 1")
    idle(page)
    click(page, "Clear the drawing")
    page.run("document.querySelector('.live-pad').scrollIntoView({ block: 'center' })")
    x, y = page.run(
        "(() => { const at = document.querySelector('.live-pad').getBoundingClientRect(); return [at.x, at.y]; })()"
    )
    where = page.run("scrollY")
    for kind, across in (("touchStart", [80]), ("touchMove", [82, 84, 86]), ("touchEnd", [])):
        for step, at in enumerate(across or [None]):
            points = [] if at is None else [{"x": x + at, "y": y + 40 + 30 * step}]
            page.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    page.wait("/takes the drawing for a/.test(document.querySelector('.live-part').textContent)")
    assert page.run("scrollY") == where, "the page moved under the finger"


def test_a_drawing_is_seen_as_the_images_are(page: chromium.Page, site: Path) -> None:
    """Size and place as in MNIST: whatever was drawn where, ten pixels high and in the middle."""
    ready(page, site, "forget")
    seen = page.run(
        """(() => { let x = null; const pad = replayLive.pad(14, (ink) => (x = ink)); document.body.append(pad.element);
        const box = pad.element.getBoundingClientRect();
        const at = (type, x, y) => pad.element.dispatchEvent(new PointerEvent(type, { clientX: box.left + x,
            clientY: box.top + y, buttons: 1, pointerId: 1 }));
        pad.element.setPointerCapture = () => {};
        at('pointerdown', 30, 20); at('pointermove', 30, 60); return Array.from(x); })()"""
    )
    rows = [sum(seen[14 * k : 14 * k + 14]) for k in range(14)]
    columns = [sum(seen[k::14]) for k in range(14)]
    inked = [k for k, ink in enumerate(rows) if ink > 0.2]
    assert 9 <= inked[-1] - inked[0] + 1 <= 11
    for ink in (rows, columns):
        assert sum(k * value for k, value in enumerate(ink)) / sum(ink) == pytest.approx(6.5, abs=0.6)


@pytest.mark.parametrize("name", live_parts.TITLES)
@pytest.mark.parametrize("width", [390, 1440])
def test_parts_fit_the_page_and_are_named(page: chromium.Page, site: Path, name: str, width: int) -> None:
    ready(page, site, name, width=width)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    unnamed = page.run(
        """[...document.querySelectorAll('.live-part :is(button, input, select, canvas, svg)')].filter((one) =>
        !(one.ariaHidden === 'true' || one.getAttribute('aria-label') ||
        one.closest('label')?.textContent.trim() || one.textContent.trim()))
        .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    assert page.run("document.querySelector('figure.live').getAttribute('aria-label')") == live_parts.TITLES[name]
    assert page.run("document.querySelectorAll('.live-part [role=status][aria-live=polite]').length") >= 1


@pytest.mark.parametrize("name", live_parts.TITLES)
def test_still_picture_stands_without_scripts_and_in_print(page: chromium.Page, site: Path, name: str) -> None:
    still = live_parts.still(name)
    assert re.search(r"\d", still)
    assert "<table" in still or "<svg" in still or "<img" in still
    ready(page, site, name)
    shown = "getComputedStyle(document.querySelector('{}')).display !== 'none'"
    assert not page.run(shown.format(".live-still"))
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.run(shown.format(".live-still"))
    assert not page.run(shown.format(".live-part"))
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.ask("Emulation.setEmulatedMedia", media="screen")
    page.open(site / f"{name}.html")
    page.wait("document.querySelector('.live-still') && document.readyState === 'complete'")
    assert page.run(shown.format(".live-still"))
    assert page.run("document.querySelector('.live-part') === null")
