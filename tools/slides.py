"""Slides for a lecture, a deck for each chapter: its questions, its pictures, also those that move, its equations."""

import copy
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bs4 import Tag
from built_page import Page

UNSHOWN = ".headerlink, button, noscript, .moved-still"
DECK = """\
<!doctype html>
<html lang="en" data-content_root="../">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="robots" content="noindex" />
<title>{title}</title>
<script>
  document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
</script>
<link rel="icon" href="../_static/favicon.svg" />
{styles}
<link rel="stylesheet" href="slides.css" />
<script defer src="../_static/moved.js"></script>
<script defer src="slides.js"></script>
</head>
<body><main class="bd-content bd-article">
{slides}
</main></body>
</html>
"""
STYLE = """\
html { scroll-snap-type: y mandatory; font-size: clamp(14px, 1.9vmin, 30px) }
html, body { height: auto; background: var(--pst-color-background) }
main { display: block }
.slide { box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw; scroll-snap-align: start; display: flex;
  flex-direction: column; justify-content: center; gap: 1rem; break-after: page }
.slide h2 { margin: 0; font-size: 2rem } .slide .from { margin: 0; color: var(--pst-color-text-muted) }
.slide .said { font-size: 1.7rem; line-height: 1.4 } .slide .katex { font-size: 1.7rem }
.slide picture > img { width: min(100%, 68rem); max-height: 60vh; object-fit: contain; object-position: left }
.slide .moved picture > img { max-height: 52vh } /* its controls stand above it */
.slide figure > figcaption p, .slide figure > figcaption .caption-text { font-size: 1.15rem }
.slide .self-check { font-size: 1.35rem } .slide.title { text-align: center } .slide.title h1 { font-size: 3.2rem }
@page { size: 297mm 167mm; margin: 0 }
"""
KEYS = """\
/* The arrow keys, space and page keys go from slide to slide; controls keep their own. */
addEventListener("keydown", (event) => {
  if (event.target.closest("input, summary, a, button")) return;
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll(".slide")];
  const now = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
  slides[Math.min(slides.length - 1, Math.max(0, now + step))].scrollIntoView();
});
"""


def parts(section: Tag) -> Iterator[str]:
    """What of a section goes on a slide, each as HTML: its question, its pictures, its formulas, its self-checks."""
    wanted = "p > strong, figure, div.math, .self-check"
    for element in section.select(wanted):
        if element.find_parent(["details", "figure"]) or element.find_parent(class_=["self-check", "exercise"]):
            continue
        if element.name == "strong":
            paragraph = element.parent
            # The question of a chapter is a paragraph of its own.
            if isinstance(paragraph, Tag) and paragraph.get_text(strip=True) == element.get_text(strip=True):
                yield f'<p class="said">{element.decode_contents()}</p>'
        elif (
            element.name == "figure"
            or "self-check" in (element.get("class") or ())
            or element.select_one(".katex-display")
        ):
            yield element.decode()


def deck(page: Page) -> str:
    """The slides of a chapter as a document."""
    article = copy.copy(page.article)
    for waste in article.select(UNSHOWN):
        waste.decompose()
    for element in article.select("[id]"):
        if element.name != "input":
            del element["id"]
    slides = [f'<section class="slide title"><h1>{escape(page.title)}</h1></section>']
    for section in article.select("section"):
        heading = section.find("h2", recursive=False)
        if not isinstance(heading, Tag) or section.select_one(".solution"):
            continue
        name, waiting = heading.decode_contents(), []
        for part in parts(section):
            if 'class="math' in part[:40]:
                waiting.append(part)  # formulas that follow one another share a slide, three at most
                if len(waiting) < 3:
                    continue
                part, waiting = "".join(waiting), []
            elif waiting:
                slides.append(slide(name, "".join(waiting)))
                waiting = []
            slides.append(slide(name, part))
        if waiting:
            slides.append(slide(name, "".join(waiting)))
    html = "\n".join(slides)
    # A deck lies beside the folder of its chapter: links to other pages go there.
    html = re.sub(r'href="(?!https?:|#|\.\./)', 'href="../chapters/', html)
    html = re.sub(r'href="#', f'href="../{page.name}.html#', html)
    return DECK.format(title=escape(page.title), styles=linked(page.styles), slides=html)


def linked(styles: Sequence[str]) -> str:
    return "\n".join(f'<link rel="stylesheet" href="../{name}" />' for name in styles)


def slide(heading: str, content: str) -> str:
    return f'<section class="slide"><h2>{heading}</h2>{content}</section>'


def write_slides(folder: Path, pages: Sequence[Page], title: str) -> Path:
    """Write a deck for each chapter, and a page that lists them; returns that page's path."""
    folder.mkdir(exist_ok=True)
    (folder / "slides.css").write_text(STYLE, encoding="utf-8")
    (folder / "slides.js").write_text(KEYS, encoding="utf-8")
    links = []
    for page in pages:
        file = f"{page.name.rpartition('/')[2]}.html"
        (folder / file).write_text(deck(page), encoding="utf-8")
        links.append(f'<li><a href="{file}">{escape(page.title)}</a></li>')
    listed = f"<h1>{escape(title)}</h1><p>Slides, a deck for each chapter. The arrow keys turn them.</p>"
    listed += f"<ul>{''.join(links)}</ul>"
    index = folder / "index.html"
    styles = linked(pages[0].styles) if pages else ""
    whole = DECK.format(title="Slides", styles=styles, slides=f'<section class="slide">{listed}</section>')
    index.write_text(whole, encoding="utf-8")
    return index
