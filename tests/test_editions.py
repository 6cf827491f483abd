"""The other editions: one document with links that hold, an EPUB that a reader can parse, slides with what teaches."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import editions
import pages
import pytest
import slides
from epub import write_epub

KATEX = (
    '<div class="math" id="equation-a"><span class="katex-display"><span class="katex"><span class="katex-mathml">'
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mi>x</mi></math></span>'
    '<span class="katex-html">x</span></span></span><span class="eqno">(1.1)</span></div>'
)
FIRST = f"""<html><head><link rel="stylesheet" href="../_static/book.css?v=1"></head>
<body><article class="bd-article"><section id="one">
<h1>1. One<a class="headerlink" href="#one">#</a></h1>
<section id="q"><h2>The question</h2><p>Some text.</p><p><strong>What is lost?</strong></p>{KATEX}
<figure><picture><source srcset="../_images/n.svg">
<img alt="A &amp; b" src="../_images/a.svg" loading="lazy" width="1"></picture>
<figcaption><p>A line.</p></figcaption></figure>
<div class="self-check"><p class="question">Why?</p><ul><li>
<details class="right"><summary>Yes</summary><p>So.<br></p></details></li></ul></div>
<p>See <a class="reference" href="02_two.html#z">two</a>, <a href="#q">here</a>,
<a href="01_one.ipynb">notebook</a>.</p>
<script>alert(1)</script></section></section></article></body></html>"""
SECOND = '<html><body><article><section id="z"><h1>2. Two</h1><p>End.</p></section></article></body></html>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in {
        "chapters/01_one.html": FIRST,
        "chapters/02_two.html": SECOND,
        "_images/a.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
        "index.html": "<!-- editions --><!-- end of editions -->",
        "book/intro.html": "<!-- editions --><!-- end of editions -->",
        "_static/book.css": "",
        "_static/vendor/katex/katex-swap.min.css": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def both(site: Path) -> list[editions.Page]:
    return editions.read(site, ["chapters/01_one", "chapters/02_two"])


def test_one_document_has_each_anchor_once_and_links_to_them(both):
    html = "".join(article.decode() for article in editions.on_paper(both))
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    links = re.findall(r' href="#([^"]+)"', html)
    assert sorted(links) == ["chapters-01_one--q", "chapters-02_two--z"]
    assert set(links) <= set(ids)
    assert 'src="_images/a.svg"' in html
    assert '<details class="right" open="">' in html
    assert not re.search("lazy|<script|<source", html)


def test_one_document_has_the_styles_of_all_pages(both):
    assert editions.all_styles(both) == ["_static/book.css"]


def test_epub_is_whole(site, both):
    path = write_epub(site / "book.epub", site, both, "Replay & more", "Us", "https://a.org/")
    with zipfile.ZipFile(path) as book:
        names = book.namelist()
        assert names[0] == "mimetype"
        assert book.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert book.read("mimetype") == b"application/epub+zip"
        package = ElementTree.fromstring(book.read("book/package.opf"))
        listed = {item.get("href"): item for item in package.iter("{http://www.idpf.org/2007/opf}item")}
        assert {f"book/{href}" for href in listed} == set(names) - {
            "mimetype",
            "META-INF/container.xml",
            "book/package.opf",
        }
        assert listed["chapters-01_one.xhtml"].get("properties") == "mathml"
        texts = {name: book.read(name).decode() for name in names if name.endswith(".xhtml")}
    for text in texts.values():
        ElementTree.fromstring(text.replace("<!DOCTYPE html>", ""))
    first = texts["book/chapters-01_one.xhtml"]
    assert "<mi>x</mi>" in first
    assert "katex-html" not in first
    assert 'href="chapters-02_two.xhtml#z"' in first
    assert "notebook" in first
    assert "ipynb" not in first
    assert '<img alt="A &amp; b" src="images/a.svg"/>' in first


def test_slides_hold_question_formula_figure_and_self_check(site, both):
    index = slides.write_slides(site / "slides", both, "Replay")
    deck = (site / "slides" / "01_one.html").read_text(encoding="utf-8")
    shown = re.findall(r'<section class="slide[^"]*">(.*?)</section>', deck, re.S)
    assert [re.sub(r"<[^>]+>", "", slide).split()[0] for slide in shown] == ["1.", "The", "The", "The", "The"]
    assert "What is lost?" in shown[1]
    assert "katex-display" in shown[2]
    assert 'src="../_images/a.svg"' in shown[3]
    assert "<summary>Yes</summary>" in shown[4]
    assert "Some text" not in deck
    assert '<link rel="stylesheet" href="../_static/book.css" />' in deck
    assert '<a href="01_one.html">1. One</a>' in index.read_text(encoding="utf-8")


def test_first_page_offers_the_editions_that_are_there(site):
    (site / "replay.epub").touch()
    editions.offer(site)
    assert '<a href="replay.epub">an EPUB</a>.' in (site / "index.html").read_text()
    assert '<a href="../replay.epub">an EPUB</a>.' in (site / "book/intro.html").read_text()
    (site / "replay.epub").unlink()
    editions.offer(site)
    assert "EPUB" not in (site / "index.html").read_text()


def test_without_a_built_book_it_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="build the book first"):
        editions.read(tmp_path, ["chapters/01_one"])


@pytest.mark.skipif(pages.browser_path() is None, reason="no Chromium here")
def test_pdf_has_an_outline_and_links(site, both):
    path = editions.write_pdf(site, both, "Replay")
    data = path.read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/Outlines" in data
    assert b"/StructTreeRoot" in data
    assert not (site / "whole-book.html").exists()
