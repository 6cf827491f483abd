"""The book's search index: every section of a page, every term of the glossary, every name of the library's pages."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import course
from bs4 import BeautifulSoup, Tag
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx

#: What is on a page and not its text: code, controls, formulas, whose letters find nothing, and what is only heard.
NO_TEXT = (
    "pre, script, style, button, form, svg, .cell_input, .katex, .headerlink, .toctree-wrapper, .moved-control, "
    ".moved-still, .self-check .verdict, noscript, summary.cell-source"
)
HEADINGS = ["h1", "h2", "h3"]


def plain(element: Tag) -> str:
    return re.sub(r"\s+", " ", element.get_text(" ")).replace(" ,", ",").replace(" .", ".").strip()


def kind_of(page: str) -> str:
    if course.chapter_number(page) is not None:
        return "chapter"
    return "library" if page.startswith("book/api") else "page"


def sections(page: str, html: str) -> Iterator[dict[str, str]]:
    """What a search can find on a page: `url`, the page's `title`, `heading`, `text` and `kind`."""
    article = BeautifulSoup(html, "html.parser").find("article")
    if not isinstance(article, Tag):
        return
    for waste in article.select(NO_TEXT):
        waste.decompose()
    top = article.find("h1")
    title, kind = plain(top) if isinstance(top, Tag) else page, kind_of(page)
    for names in article.select("dl.glossary, dl.py"):
        for name in names.find_all("dt", id=True, recursive=False):
            meaning = name.find_next_sibling("dd")
            text = plain(meaning) if isinstance(meaning, Tag) else ""
            called = "".join(part.get_text() for part in name.select(".sig-prename, .sig-name"))  # not its arguments
            heading = called.strip() or plain(name)
            role = "term" if "glossary" in (names.get("class") or ()) else kind
            yield {"url": f"{page}.html#{name['id']}", "title": title, "heading": heading, "text": text, "kind": role}
        names.decompose()
    parts = article.select("section[id]")
    for section in reversed(parts):  # those inside others first, which then are no more part of these
        heading_tag = section.find(HEADINGS)
        if not isinstance(heading_tag, Tag):
            continue
        heading = plain(heading_tag)
        anchor = "" if heading_tag.name == "h1" else f"#{section['id']}"
        heading_tag.decompose()
        text = plain(section)
        section.decompose()
        if text or not anchor:
            yield {"url": f"{page}.html{anchor}", "title": title, "heading": heading, "text": text, "kind": kind}


def engine(scripts: Path) -> MiniRacer:
    """MiniSearch and what the book takes for a word, in a JavaScript engine, with `indexed(sections)`."""
    loaded = MiniRacer()
    loaded.eval("var self = globalThis;")  # as in a browser, where MiniSearch's file looks for it
    for name in ("minisearch.js", "words.js"):
        loaded.eval((scripts / name).read_text(encoding="utf-8"))
    loaded.eval(
        "var indexed = (all) => { const made = new MiniSearch(BOOK_SEARCH); made.addAll(all); "
        "return JSON.stringify(made); }"
    )
    return loaded


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write `_static/search-index.js`: the index, and the texts that the excerpts are from."""
    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    indexed: list[dict[str, Any]] = []
    for page in course.listed(Path(app.srcdir)):
        path = out / f"{page}.html"
        if path.is_file():
            indexed += sections(page, path.read_text(encoding="utf-8"))
    for number, section in enumerate(indexed):
        section["id"] = number
    index = engine(out / "_static" / "search").call("indexed", indexed)
    texts = json.dumps([section["text"] for section in indexed], ensure_ascii=False)
    content = f"var BOOK_INDEX = {{ index: {index}, texts: {texts} }};\n"
    (out / "_static" / "search-index.js").write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_index, priority=800)
