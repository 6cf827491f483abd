"""Other editions of the built book: one PDF, an EPUB, and slides for a lecture, made of the site's own pages."""

import argparse
import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course  # noqa: E402
from built_page import Page  # noqa: E402
from epub import write_epub  # noqa: E402
from pages import browser_path, served  # noqa: E402
from slides import write_slides  # noqa: E402

SITE = ROOT / "_build" / "html"
PDF, EPUB, SLIDES = "replay.pdf", "replay.epub", "slides/index.html"
OFFERED = {PDF: "one PDF", EPUB: "an EPUB", SLIDES: "slides for lectures"}
MARKS = re.compile(r"<!-- editions -->.*?<!-- end of editions -->", re.DOTALL)
#: Of a page, what only a screen can use, and code that the page folds away.
FOR_SCREENS = "script, noscript, button, .headerlink, .moved-control, details.hide, form"


def read(site: Path, names: list[str]) -> list[Page]:
    """The pages of a site.

    Raises
    ------
    FileNotFoundError : a page is not there; the book is to be built first.
    """
    pages = []
    for name in names:
        path = site / f"{name}.html"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: build the book first, with `make book`")
        whole = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        article = whole.find("article")
        assert isinstance(article, Tag), name
        heading = article.find("h1")
        assert isinstance(heading, Tag), name
        title = re.sub(r"\s+", " ", heading.get_text()).rstrip("# ¶").strip()
        linked = (resolved(str(link["href"]).partition("?")[0], name) for link in whole.select("link[rel=stylesheet]"))
        pages.append(Page(name, title, article, tuple(linked)))
    return pages


def all_styles(pages: list[Page]) -> list[str]:
    """The style sheets of pages, each once, in the order in which they are met."""
    return list(dict.fromkeys(name for page in pages for name in page.styles))


def on_paper(pages: list[Page]) -> list[Tag]:
    """The pages' articles, with everything open, whose anchors and links are those of one document."""
    slugs = {f"{page.name}.html": page.slug for page in pages}
    articles = []
    for page in pages:
        article = copy.copy(page.article)
        for waste in article.select(FOR_SCREENS):
            waste.decompose()
        for details in article.select("details"):
            details["open"] = ""
        for image in article.select("img"):
            del image["loading"]
        for source in article.select("picture > source"):
            source.decompose()
        for element in article.select("[id]"):
            element["id"] = f"{page.slug}--{element['id']}"
        article["id"] = page.slug
        for link in article.select("a[href]"):
            link["href"] = inside(str(link["href"]), page, slugs)
        for image in article.select("img[src]"):
            image["src"] = resolved(str(image["src"]), page.name)
        articles.append(article)
    return articles


def resolved(address: str, page: str) -> str:
    """A relative address of a page, as it is at the site's root."""
    if re.match(r"[a-z]+:|/|#", address):
        return address
    folders = page.split("/")[:-1]
    while address.startswith("../"):
        address, folders = address.removeprefix("../"), folders[:-1]
    return "/".join([*folders, address])


def inside(address: str, page: Page, slugs: dict[str, str]) -> str:
    """Where a link leads in one document of all pages."""
    if address.startswith("#"):
        return f"#{page.slug}--{address[1:]}" if len(address) > 1 else f"#{page.slug}"
    file, _, anchor = resolved(address, page.name).partition("#")
    if file not in slugs:
        return address
    return f"#{slugs[file]}--{anchor}" if anchor else f"#{slugs[file]}"


def write_pdf(site: Path, pages: list[Page], title: str) -> Path:
    """Print all pages as one file, with an outline and links.

    Raises
    ------
    FileNotFoundError : no Chromium on this machine.
    """
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise FileNotFoundError("no Chromium found, which prints the book: install it, or take the EPUB")
    contents = "".join(f'<li><a href="#{page.slug}">{page.title}</a></li>' for page in pages)
    body = "".join(f'<div class="bd-article sheet">{article.decode()}</div>' for article in on_paper(pages))
    styles = "".join(f'<link rel="stylesheet" href="{name}">' for name in all_styles(pages))
    document = (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>'
        f"{styles}<style>"
        "@page { size: A4; margin: 18mm 16mm } body { font-size: 10.5pt; background: #fff } "
        ".sheet { break-before: page } .cover { padding-top: 30vh; text-align: center } .cover img { width: 8rem } "
        "ol.contents { list-style: none; padding: 0 } a[data-meaning]::after { display: none }"
        f'</style></head><body><main class="bd-content"><div class="cover"><img src="_static/logo.svg" alt="">'
        f'<p style="font-size: 2rem">{title}</p></div><div class="sheet"><h1>Contents</h1>'
        f'<ol class="contents">{contents}</ol></div>{body}</main></body></html>'
    )
    whole, target = site / "whole-book.html", site / PDF
    whole.write_text(document, encoding="utf-8")
    try:
        with served(site) as base, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
            tab = browser.new_page()
            tab.goto(f"{base}/{whole.name}", wait_until="load", timeout=120_000)
            number = (
                '<div style="width: 100%; font-size: 8px; text-align: center"><span class="pageNumber"></span></div>'
            )
            tab.pdf(path=target, outline=True, tagged=True, prefer_css_page_size=True, print_background=True,
                    display_header_footer=True, header_template="<span></span>", footer_template=number)  # fmt: skip
            browser.close()
    finally:
        whole.unlink()
    return target


def offer(site: Path) -> None:
    """Link from the first page to the editions that are there."""
    for name, up in (("index.html", ""), ("book/intro.html", "../")):
        path = site / name
        links = [f'<a href="{up}{file}">{words}</a>' for file, words in OFFERED.items() if (site / file).is_file()]
        said = f"<p>The book is also there as {', '.join(links)}.</p>" if links else ""
        text = path.read_text(encoding="utf-8")
        path.write_text(MARKS.sub(f"<!-- editions -->{said}<!-- end of editions -->", text), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("edition", choices=["pdf", "epub", "slides"])
    choice = parser.parse_args()
    settings = course.settings(ROOT)
    title, address = settings["title"], course.site(course.address(ROOT, settings["repository"]["url"]))
    chapters = [name for name in course.listed(ROOT) if course.chapter_number(name) is not None]
    make: dict[str, Callable[[], Path]] = {
        "pdf": lambda: write_pdf(SITE, read(SITE, course.listed(ROOT)), title),
        "epub": lambda: write_epub(
            SITE / EPUB, SITE, read(SITE, course.listed(ROOT)), title, settings["author"], address
        ),
        "slides": lambda: write_slides(SITE / "slides", read(SITE, chapters), title),
    }
    try:
        edition = make[choice.edition]()
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    offer(SITE)
    print(f"made {edition}, {edition.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
