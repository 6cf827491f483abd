"""The live parts that look into a network, in a real browser: its codes, its springs, its gates, its nights."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import chromium
from tests.live_site import built_site, click, ready, said

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


def test_a_reader_walks_through_the_codes(page: chromium.Page, site: Path) -> None:
    ready(page, site, "z")
    page.run("document.querySelector('input[type=radio]').click()")
    place = "document.querySelector('.live-status').textContent"
    before = page.run(place)
    page.run("""(() => { const [across] = document.querySelectorAll('input[type=range]'); across.focus(); })()""")
    page.press("ArrowRight", 15)
    page.wait(f"{place}.includes('z = (1.5, 0.0) decodes to')")
    assert page.run(place) != before
    click(page, "Walk from 0 to 1")
    last = "[...document.querySelectorAll('.live-status')].at(-1).textContent"
    page.wait(f"/You guessed/.test({last})")
    way = re.search(r"takes what it draws for ([\d, ]+)\.", page.run(last))
    assert way
    assert way[1].startswith("0")
    assert way[1].endswith("1")
    click(page, "Train on, 300 steps")
    page.wait(f"/After 300 more steps with β = 1/.test({last})")
    assert page.errors == []


def test_the_plane_of_codes_changes_hands(page: chromium.Page, site: Path) -> None:
    ready(page, site, "owners")
    page.run("document.querySelector('input[type=radio]').click()")
    click(page, "Train five tasks, 150 steps each")
    page.wait("/Your guess/.test(document.querySelector('.live-status').textContent)", 120)
    label = "document.querySelector('.live-plane').getAttribute('aria-label')"
    shares = [int(share) for share in re.findall(r"(\d+) %", page.run(label))]
    assert len(shares) == 5
    assert 98 <= sum(shares) <= 102
    page.run("[...document.querySelectorAll('input[type=radio]')].find((one) => one.value === '0').click()")
    page.run("[...document.querySelectorAll('.live-controls input[type=radio]')][0].click()")
    assert "after task 1. Share of the plane that the network takes for each pair: 0 and 1 100 %" in page.run(label)
    assert page.errors == []


LAST = "[...document.querySelectorAll('.live-part > .live-status')].at(-1).textContent"


def test_codes_of_the_published_scale_are_compared_over_the_tasks(page: chromium.Page, site: Path) -> None:
    ready(page, site, "places")
    page.run("document.body.focus()")
    page.press("Tab")
    page.press(" ")  # the first answer
    assert not any("gr-" in address for address in page.requests), "loaded before anybody asked"
    page.press("Tab")
    page.press("Enter")
    page.wait(f"/Your guess, /.test({LAST})")
    kept, first = map(int, re.findall(r"(\d+) %", page.run(LAST))[:2])
    assert 0 <= kept <= first <= 60
    assert page.run("document.activeElement === document.querySelector('.live-controls input[type=range]')")
    page.press("ArrowLeft", 4)
    page.wait(f"/^After task 1/.test({LAST})")
    [whole] = map(int, re.findall(r"(\d+) %", page.run(LAST)))
    assert whole > 90
    label = page.run("document.querySelector('.live-plane').getAttribute('aria-label')")
    assert f"after task 1. Share of them in which the judge sees each pair of digits: 0 and 1: {whole} %" in label
    before = said(page)
    page.run("document.querySelectorAll('.live-controls input[type=range]')[1].focus()")
    page.press("ArrowRight", 12)
    page.wait("document.querySelector('.live-controls input[type=range] ~ output')")
    assert said(page) != before
    assert re.fullmatch(r"In this code the judge sees, after tasks 1 to 5: (\d, ){4}\d\.", said(page))
    assert page.run("document.querySelectorAll('.live-five canvas').length") == 5
    assert page.errors == []
    assert [address for address in page.requests if not address.startswith(("file:", "blob:", "data:"))] == []


def test_a_network_that_cannot_be_loaded_is_said_and_asked_for_again(
    page: chromium.Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = built_site(tmp_path_factory.mktemp("broken"))
    whole = (site / "live" / "gr-3.js").rename(site / "live" / "away.js")
    ready(page, site, "places")
    page.run("document.querySelector('input[type=radio]').click()")
    click(page, "Load the networks (3.6 MB)")
    page.wait(f"/Only 3 of 6 networks could be loaded/.test({LAST})")
    whole.rename(site / "live" / "gr-3.js")
    click(page, "Try again")
    page.wait(f"/Your guess, /.test({LAST})")
    assert sum("gr-1.js" in address for address in page.requests) == 1, "what was there was loaded again"


def test_springs_hold_what_they_are_on(page: chromium.Page, site: Path) -> None:
    ready(page, site, "springs")
    page.run("document.querySelector('input[type=radio]').click()")

    def trained(strength: int) -> list[str]:
        """The row of the strength that the slider is moved to."""
        page.run(
            f"(() => {{ const slider = document.querySelector('input[type=range]'); slider.value = {strength};"
            "slider.dispatchEvent(new Event('input')); })()"
        )
        click(page, "Train on 2 and 3")
        page.wait("!document.querySelector('.live-controls').disabled")
        row = f"document.querySelectorAll('.live-part tbody tr')[{strength}]"
        cells: list[str] = page.run(f"[...{row}.querySelectorAll('td')].map((cell) => cell.textContent)")
        return cells

    free = trained(0)
    assert int(free[0]) < 20
    assert int(free[1]) > 80
    page.run("document.querySelector('input[type=checkbox]').click()")
    held = trained(6)
    assert int(held[0]) > int(free[0]) + 20
    assert float(held[3].replace("−", "-")) < float(free[3].replace("−", "-"))
    assert page.errors == []


def test_gates_decide_what_is_imagined(page: chromium.Page, site: Path) -> None:
    ready(page, site, "dreams")
    page.run("document.querySelector('input[type=radio]').click()")
    page.wait("/Your guess/.test(document.querySelector('.live-status').textContent)")
    assert "takes 0 for a 4 and 24 for a 7" in said(page)
    gates = "document.querySelectorAll('.live-part select')[1]"
    page.run(f"(() => {{ {gates}.value = '4'; {gates}.dispatchEvent(new Event('change')); }})()")
    page.wait("/takes 24 for a 4/.test(document.querySelector('.live-status').textContent)")
    page.run("document.querySelector('.live-unit').focus()")
    page.press("ArrowRight", 2)
    page.press("Enter")
    page.wait("document.querySelectorAll('.live-unit')[2].dataset.unit === 'silenced'")
    assert page.errors == []


def test_a_timetable_is_lived_through(page: chromium.Page, site: Path) -> None:
    ready(page, site, "night")
    page.run("document.querySelector('input[type=radio]').click()")
    ends = []
    for name in ("none", "late"):
        page.run(
            f"(() => {{ const list = document.querySelector('.live-part select'); list.value = '{name}';"
            "list.dispatchEvent(new Event('change')); })()"
        )
        click(page, "Live through the five days")
        page.wait("/blocks of sleep/.test(document.querySelector('.live-status').textContent)")
        ends.append(int(re.findall(r"(\d+) % at the end", said(page))[0]))
        page.run("document.querySelector('.live-block').click()")
        assert page.run("document.querySelector('.live-part select').value") == "own"
    assert ends[1] > ends[0] + 20
    assert page.errors == []
