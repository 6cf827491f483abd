"""The book as an EPUB 3: pages in XHTML, formulas in MathML, everything that a page folds away open."""

import copy
import posixpath
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from bs4 import BeautifulSoup, Tag
from built_page import Page

TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
UNREADABLE = "script, noscript, style, button, form, source, .headerlink, .katex-html, .moved-control, details.hide"
XHTML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en"><head><title>{title}</title>'
    '<link rel="stylesheet" type="text/css" href="book.css"/></head><body>{body}</body></html>\n'
)
STYLE = """\
body { line-height: 1.5 }
img { max-width: 100% }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.75em }
table { border-collapse: collapse; font-size: 0.85em }
th, td { padding: 0.2em 0.6em; border-bottom: 1px solid #999; text-align: left }
figcaption, .moved-still { font-size: 0.85em }
.admonition, .self-check, .solution { margin: 1em 0; padding: 0.2em 1em; border-left: 0.2em solid #0f5bc4 }
.admonition-title, .question, .summary { font-weight: bold }
.eqno { float: right }
polyline { fill: none; stroke: #333; stroke-width: 2 }
svg text { font-size: 12px }
"""


def xhtml(page: Page, files: dict[str, str], images: dict[str, str]) -> str:
    """A page as a document of the EPUB; the images that it shows are added to `images`, site's path -> its name there.

    Parameters
    ----------
    files : page of the site -> its file in the EPUB.
    """
    article = copy.copy(page.article)
    for waste in article.select(UNREADABLE):
        waste.decompose()
    soup = BeautifulSoup("", "html.parser")
    for katex in article.select(".katex"):
        formula = katex.find("math")
        if isinstance(formula, Tag):
            shown = katex.find_parent(class_="katex-display")
            (shown or katex).replace_with(formula.extract())
    for details in article.select("details"):
        for summary in details.find_all("summary", recursive=False):
            summary.name = "p"
            summary["class"] = "summary"
            for inner in summary.select("p"):
                inner.unwrap()
        details.name = "div"
        details.attrs = {name: value for name, value in details.attrs.items() if name in ("id", "class")}
    for image in article.select("img[src]"):
        source = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), str(image["src"])))
        if str(image["src"]).startswith("data:"):
            continue
        images[source] = f"images/{posixpath.basename(source)}"
        tag = soup.new_tag("img", attrs={"src": images[source], "alt": str(image.get("alt", ""))})
        image.replace_with(tag)
    for picture in article.select("picture"):
        picture.unwrap()
    for link in article.select("a[href]"):
        link.attrs = {name: value for name, value in link.attrs.items() if name in ("id", "class", "href")}
        address = str(link["href"])
        if re.match(r"[a-z]+:|#", address):
            continue
        file, _, anchor = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), address)).partition("#")
        if file in files:
            link["href"] = files[file] + (f"#{anchor}" if anchor else "")
        else:  # what the EPUB leaves out, such as a notebook
            link.unwrap()
    return XHTML.format(title=escape(page.title), body=article.decode(formatter="minimal"))


def write_epub(target: Path, site: Path, pages: Sequence[Page], title: str, author: str, address: str) -> Path:
    """Write the EPUB; the same pages give the same bytes but for the day."""
    files = {f"{page.name}.html": f"{page.slug}.xhtml" for page in pages}
    images: dict[str, str] = {}
    documents = {files[f"{page.name}.html"]: xhtml(page, files, images) for page in pages}
    images = {source: name for source, name in images.items() if (site / source).is_file()}
    listed = "".join(f'<li><a href="{files[f"{page.name}.html"]}">{escape(page.title)}</a></li>' for page in pages)
    nav = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{listed}</ol></nav>'
    documents = {"nav.xhtml": XHTML.format(title="Contents", body=nav), **documents}
    items = ['<item id="style" href="book.css" media-type="text/css"/>']
    for number, (name, text) in enumerate(documents.items()):
        marks = [word for word, there in (("nav", name == "nav.xhtml"), ("mathml", "<math" in text)) if there]
        properties = f' properties="{" ".join(marks)}"' if marks else ""
        items.append(f'<item id="page{number}" href="{name}" media-type="application/xhtml+xml"{properties}/>')
    for number, name in enumerate(images.values()):
        items.append(f'<item id="image{number}" href="{name}" media-type="{TYPES[posixpath.splitext(name)[1]]}"/>')
    spine = "".join(f'<itemref idref="page{number}"/>' for number in range(len(documents)))
    now = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
    package = (
        '<?xml version="1.0" encoding="utf-8"?>\n<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id" xml:lang="en"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:uuid:{uuid5(NAMESPACE_URL, address)}</dc:identifier>'
        f"<dc:title>{escape(title)}</dc:title>"
        f"<dc:creator>{escape(author)}</dc:creator><dc:language>en</dc:language>"
        f'<meta property="dcterms:modified">{now}</meta></metadata>'
        f"<manifest>{''.join(items)}</manifest><spine>{spine}</spine></package>\n"
    )
    container = (
        '<?xml version="1.0"?>\n<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        "<rootfiles>"
        '<rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles></container>\n'
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("book/package.opf", package)
        archive.writestr("book/book.css", STYLE)
        for name, text in documents.items():
            archive.writestr(f"book/{name}", text)
        for source, name in images.items():
            archive.write(site / source, f"book/{name}")
    return target
