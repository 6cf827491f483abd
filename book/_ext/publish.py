"""Where the book is published, and what a site needs there: buttons that lead to its repository, a description of each
page, its map, a page for what is not found, and pictures for tabs and for those who share it."""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import course
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

logger = logging.getLogger(__name__)


def set_addresses(app: Sphinx, config: Config) -> None:
    """Derive the site's own address from the repository's, so that a fork changes one line."""
    address = course.address(Path(app.srcdir), config.html_theme_options["repository_url"])
    config.html_theme_options["repository_url"] = address
    config.ogp_site_url = config.html_baseurl = course.site(address)
    if course.is_placeholder(address):
        logger.info("No repository address is set: pages have no launch buttons. Set it with: make address URL=...")
        config.html_theme_options.update(
            use_repository_button=False, use_issues_button=False, use_edit_page_button=False, launch_buttons={}
        )


def launch_chapters_only(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave launch buttons to chapters whose notebook knows where to install the library from; add Kaggle's."""
    buttons = context.get("header_buttons", [])
    settings = course.settings(Path(app.srcdir))["repository"]
    if course.chapter_number(page) is None or course.is_placeholder(settings["url"]):
        context["header_buttons"] = [button for button in buttons if button.get("label") != "launch-buttons"]
        return
    for button in buttons:
        if button.get("label") == "launch-buttons":
            address = course.kaggle(settings["url"], settings["branch"], f"{page}.ipynb")
            kaggle = {"type": "link", "text": "Kaggle", "tooltip": "Launch on Kaggle", "icon": "fas fa-rocket",
                      "url": address}  # fmt: skip
            button["buttons"].append(kaggle)


@cache
def descriptions(root: Path) -> dict[str, str]:
    """The sentence about each page in `book/descriptions.yml`."""
    path = root / "book" / "descriptions.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Give a page its description, where sphinxext-opengraph looks for one before it takes the first words."""
    about = descriptions(Path(app.srcdir)).get(page)
    if about and doctree is not None:
        context["meta"] = {**(context.get("meta") or {}), "og:description": about}
        context["metatags"] = f'{context.get("metatags", "")}\n<meta name="description" content="{escape(about)}" />'


def add_pages(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """The page for what is not found, which a server shows under any address."""
    return (
        [("404", {"title": "Page not found", "root": app.config.html_baseurl}, "404.html")]
        if app.builder.name == "html"
        else []
    )


def write_map(app: Sphinx, error: Exception | None) -> None:
    """Write the site's map, and a first page of its own rather than one that sends readers on."""
    if error or app.builder.name != "html":
        return
    out, base = Path(app.outdir), app.config.html_baseurl
    pages = course.listed(Path(app.srcdir))
    addresses = [base, *(f"{base}{page}.html" for page in pages[1:])]
    listed = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    (out / "sitemap.xml").write_text(f"{head}{listed}</urlset>\n", encoding="utf-8")
    if not course.is_placeholder(course.address(Path(app.srcdir), app.config.html_theme_options["repository_url"])):
        (out / "robots.txt").write_text(f"Sitemap: {base}sitemap.xml\n", encoding="utf-8")
    first = out / f"{pages[0]}.html"
    if first.is_file():
        (out / "index.html").write_text(at_root(first.read_text(encoding="utf-8"), pages[0]), encoding="utf-8")


def at_root(html: str, page: str) -> str:
    """A page as it is at the site's root: its relative addresses lead to the same places."""
    folder = page.rpartition("/")[0]
    up = "../" * (folder.count("/") + 1) if folder else ""

    def moved(match: re.Match[str]) -> str:
        attribute, address = match[1], match[2]
        if re.match(r"[a-z]+:|#|/|data:", address):
            return match[0]
        if address.startswith(up):
            return f'{attribute}="{address.removeprefix(up) or "./"}"'
        return f'{attribute}="{folder}/{address}"'

    html = re.sub(r'\b(href|src|srcset|action|data-content_root)="([^"]*)"', moved, html)
    return re.sub(r'(<link rel="canonical" href="[^"]*?)' + re.escape(f"{page}.html"), r"\1", html)


def setup(app: Sphinx) -> None:
    app.connect("config-inited", set_addresses)
    app.connect("html-page-context", launch_chapters_only, priority=900)
    app.connect("html-page-context", describe, priority=100)
    app.connect("html-collect-pages", add_pages)
    app.connect("build-finished", write_map, priority=950)
