"""The book's search finds sections, terms and names, by several words, with typing errors, and numbers."""

import hashlib
import json
from pathlib import Path

import course
import pytest
import search
from py_mini_racer import MiniRacer

SCRIPTS = course.ROOT / "book" / "_static" / "search"
CHAPTER = """
<nav>catastrophe</nav><article><section id="gating"><h1>10. Gating<a class="headerlink" href="#gating">#</a></h1>
<p>Gates close units.</p>
<section id="the-idea"><h2>The idea</h2><p>A network forgets: 19.9 %. Compare <em>bi-r</em>.</p>
<div class="cell_input"><pre>catastrophe = 1</pre></div>
<section id="more"><h3>More</h3><p>The hippocampus replays.</p></section></section></section></article>"""
GLOSSARY = """
<article><section id="glossary"><h1>Glossary</h1><dl class="simple glossary">
<dt id="term-Gating">Gating<a class="headerlink">#</a></dt>
<dd><p>Some units are silent for a class.</p></dd></dl></section></article>"""
LIBRARY = """
<article><section id="brain"><h1>Networks</h1><dl class="py class">
<dt class="sig" id="brain.gating"><span class="sig-prename">brain.</span>
<span class="sig-name">gating</span><span>(units)</span></dt>
<dd><p>Gating of units.</p></dd></dl></section></article>"""


@pytest.fixture(scope="module")
def sections() -> list[dict[str, str]]:
    pages = {"chapters/10_gating": CHAPTER, "book/glossary": GLOSSARY, "book/api/networks": LIBRARY}
    return [section for page, html in pages.items() for section in search.sections(page, html)]


@pytest.fixture(scope="module")
def engine(sections: list[dict[str, str]]) -> MiniRacer:
    loaded = search.engine(SCRIPTS)
    index = loaded.call("indexed", [{**section, "id": number} for number, section in enumerate(sections)])
    loaded.eval(f"var loaded = MiniSearch.loadJS({index}, BOOK_SEARCH);")
    loaded.eval("var urls = (query) => JSON.stringify(BOOK_SEARCH.find(loaded, query).map((one) => one.url));")
    return loaded


def test_sections_terms_and_names_have_their_own_addresses(sections: list[dict[str, str]]) -> None:
    assert {section["url"]: (section["kind"], section["heading"]) for section in sections} == {
        "chapters/10_gating.html": ("chapter", "10. Gating"),
        "chapters/10_gating.html#the-idea": ("chapter", "The idea"),
        "chapters/10_gating.html#more": ("chapter", "More"),
        "book/glossary.html": ("page", "Glossary"),
        "book/glossary.html#term-Gating": ("term", "Gating"),
        "book/api/networks.html": ("library", "Networks"),
        "book/api/networks.html#brain.gating": ("library", "brain.gating"),
    }


def test_text_is_what_a_section_says_without_code_and_without_the_sections_in_it(
    sections: list[dict[str, str]],
) -> None:
    texts = {section["url"]: section["text"] for section in sections}
    assert texts["chapters/10_gating.html"] == "Gates close units."
    assert texts["chapters/10_gating.html#the-idea"] == "A network forgets: 19.9 %. Compare bi-r."


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("gating", "chapters/10_gating.html"),
        ("19.9", "chapters/10_gating.html#the-idea"),
        ("bi-r", "chapters/10_gating.html#the-idea"),
        ("what does the hipocampus", "chapters/10_gating.html#more"),
        ("silent", "book/glossary.html#term-Gating"),
        ("brain.gating", "book/api/networks.html#brain.gating"),
    ],
)
def test_search_finds(engine: MiniRacer, query: str, first: str) -> None:
    assert json.loads(engine.call("urls", query))[0] == first


@pytest.mark.parametrize("query", ["19.8", "catastrophe", "the"])
def test_search_does_not_find_what_is_not_there(engine: MiniRacer, query: str) -> None:
    assert json.loads(engine.call("urls", query)) == []


def test_chapters_come_before_the_glossary_and_that_before_the_library(engine: MiniRacer) -> None:
    first, second, *_, last = json.loads(engine.call("urls", "gating"))
    assert [first, second] == ["chapters/10_gating.html", "book/glossary.html#term-Gating"]
    assert last == "book/api/networks.html#brain.gating"


def test_search_engine_is_the_one_its_note_names() -> None:
    digest = hashlib.sha256((SCRIPTS / "minisearch.js").read_bytes()).hexdigest()
    assert digest in Path(SCRIPTS / "README.md").read_text(encoding="utf-8")
