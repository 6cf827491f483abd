"""What a term means, shown where it is used: a link to the glossary carries the beginning of its entry."""

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LINK = re.compile(r'<a class="reference internal" href="[^"]*#(term-[^"]+)"(?=><span class="xref std std-term">)')
MOST_LETTERS = 220


def first_sentence(text: str) -> str:
    """The first sentence of an entry, cut where it is long."""
    text = re.split(r"(?<=[.!?])\s+(?=[A-Z])", re.sub(r"\s+", " ", text).strip(), maxsplit=1)[0]
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS].rsplit(" ", 1)[0] + " …"


def meanings(app: Sphinx) -> dict[str, str]:
    """The first sentence of each entry of the glossary, by its anchor; read once for a build."""
    known: dict[str, str] | None = getattr(app, "term_meanings", None)
    if known is None:
        standard: Any = app.env.get_domain("std")
        pages = {page for (kind, _), (page, _) in standard.objects.items() if kind == "term"}
        known = {}
        for page in sorted(pages):
            for entry in app.env.get_doctree(page).findall(nodes.definition_list_item):
                told = next(entry.findall(nodes.definition), None)
                if told is not None:
                    text = first_sentence(told.astext())
                    known.update({anchor: text for term in entry.findall(nodes.term) for anchor in term["ids"]})
        app.term_meanings = known  # type: ignore[attr-defined]
    return known


def explain(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put the meaning on each link to the glossary; the style shows it when the link is pointed at or focused."""
    if 'class="xref std std-term"' not in context.get("body", ""):
        return
    known = meanings(app)

    def with_meaning(match: re.Match[str]) -> str:
        text = known.get(match[1])
        return f'{match[0]} data-meaning="{html.escape(text)}"' if text else match[0]

    context["body"] = LINK.sub(with_meaning, context["body"])


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", explain)
