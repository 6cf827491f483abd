"""The look at the built pages finds what is wrong with a page, and finds nothing where nothing is."""

from pathlib import Path

import pages
import pytest

pytestmark = [
    pytest.mark.skipif(pages.browser_path() is None, reason="no Chromium here"),
    pytest.mark.xdist_group("chromium"),
]
WORDS = (
    "A page with more than twenty words, which a reader can read at any width, in light and in dark, without a script. "
    * 2
)
HEAD = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>x</title><body>'
WIDE = '<img alt="a" width="500" height="9" src="data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E">'
FORMULA = '<span class="katex-display"><span class="katex" style="display: block; width: 30rem">x</span></span>'


def faults(folder: Path, body: str, widths: tuple[int, ...] = (390,)) -> list[str]:
    (folder / "index.html").write_text(f"{HEAD}<main><article>{body}</article></main></body></html>", encoding="utf-8")
    pages.sent.cache_clear()
    return sorted(pages.look(folder, widths=widths, schemes=("light",)).faults)


def test_a_good_page_has_no_faults(tmp_path):
    assert faults(tmp_path, f"<p>{WORDS}</p>", pages.WIDTHS) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (f'<div style="overflow: hidden">{WIDE}</div>', "figures cut off at 390"),
        (f'<div style="overflow-x: auto">{FORMULA}</div>', "equations cut off at 390"),
        ('<div style="width: 500px">wide</div>', "wider than the screen at 390"),
        ('<p style="color: #999">pale words</p>', "too pale, light: 'pale words'"),
        ('<img src="data:,">', "image without alternative text"),
        ('<img alt="a" src="https://example.org/a.png">', "asks another host: https://example.org/a.png"),
        ('<img alt="a" src="gone.png">', "missing: "),
        ("<script>nothing.there()</script>", "script error: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(tmp_path, body, fault):
    messages = faults(tmp_path, f"<p>{WORDS}</p>{body}")
    assert [text for text in messages if text.startswith(fault)], messages


def test_what_scrolls_and_shows_it_is_not_cut_off(tmp_path):
    body = f'<div data-scrolls style="overflow: auto">{WIDE}</div>'
    assert faults(tmp_path, f"<p>{WORDS}</p>{body}") == []


def test_a_heavy_page_is_found(tmp_path):
    (tmp_path / "big.png").write_bytes(bytes(range(256)) * 1500)
    assert faults(tmp_path, f'<p>{WORDS}</p><img alt="a" src="big.png">') == ["heavy: 384 KB in 2 requests"]


def test_text_that_only_a_script_writes_is_missed(tmp_path):
    assert faults(tmp_path, f"<script>document.querySelector('article').innerHTML += '{WORDS}'</script>") == [
        "no text without JavaScript"
    ]


def test_the_built_book_has_no_faults():
    site = pages.ROOT / "_build" / "html"
    if not (site / "index.html").is_file():
        pytest.skip("the book is not built here: make book")
    report = pages.look(site, "^(index|chapters/0[15]|book/(results|glossary))", widths=(390, 1440))
    assert report.faults == {}


def test_page_that_a_script_keeps_from_answering_is_late(tmp_path):
    script = "<script>for (const end = performance.now() + 4200; performance.now() < end; );</script>"
    (tmp_path / "index.html").write_text(f"{HEAD}<main><p>{WORDS}</p></main>{script}</body></html>", encoding="utf-8")
    report = pages.look(tmp_path, slow=True)
    assert "answers after more than 4 s on a slow network" in report.faults
    (row,) = report.rows
    assert row["text"] > 0
    assert row["answers"] > 4.2
