"""Numbers and captions for what cells show: a figure always has them, a table where its cell has a `:caption:`.

A cell's `:label:` is what `{numref}` refers to. Without a `:caption:` a figure's is the first sentence of its
alternative text.
"""

import re
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx

render_text_html = NbElementRenderer.render_text_html
render_markdown = NbElementRenderer.render_markdown


class CaptionedTable(nodes.General, nodes.Element):
    """A table's caption, and the table below it."""


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text, maxsplit=1)[0]


def numbered(renderer: NbElementRenderer, element: nodes.Element, kind: str, data: MimeData) -> nodes.Element:
    """Give a figure or a table its anchor, and the name that its cell asks for."""
    document = renderer.renderer.document
    document[f"{kind}s"] = document.get(f"{kind}s", 0) + 1
    element["ids"].append(f"{kind}-{document[f'{kind}s']}")
    label = data.cell_metadata.get("label")
    if label:
        element["names"].append(nodes.fully_normalize_name(str(label)))
        document.note_explicit_target(element)
    return element


def with_caption(renderer: NbElementRenderer, shown: nodes.Element, caption: str, data: MimeData) -> nodes.Element:
    """A picture with its caption, as a figure."""
    words = str(data.cell_metadata.get("caption") or caption)
    return numbered(renderer, nodes.figure("", shown, nodes.caption(words, words)), "figure", data)


def render_captioned_html(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Show a cell's HTML, under its caption if it is a table that has one."""
    shown: list[nodes.Element] = render_text_html(self, data)
    words = data.cell_metadata.get("caption")
    if not words or "<table" not in data.string:
        return shown
    table = CaptionedTable("", nodes.caption(str(words), str(words)), *shown)
    return [numbered(self, table, "table", data)]


def render_captioned_markdown(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Show a cell's Markdown; where the cell has a caption, the first table in it gets it."""
    shown: list[nodes.Element] = render_markdown(self, data)
    words = data.cell_metadata.get("caption")
    tables = [table for one in shown for table in one.findall(nodes.table)]
    if words and tables:
        tables[0].insert(0, nodes.title(str(words), str(words)))
        numbered(self, tables[0], "table", data)
    return shown


def title_of(table: CaptionedTable) -> str:
    return table.children[0].astext()


def visit_table(self: Any, node: CaptionedTable) -> None:
    self.body.append(self.starttag(node, "div", CLASS="captioned-table") + '<p class="table-caption">')
    self.add_fignumber(node)
    self.body.append(f'<span class="caption-text">{self.encode(title_of(node))}</span>')
    self.add_permalink_ref(node, "Link to this table")
    self.body.append("</p>\n")
    node.pop(0)


def depart_table(self: Any, node: CaptionedTable) -> None:
    self.body.append("</div>\n")


def setup(app: Sphinx) -> None:
    NbElementRenderer.render_text_html = render_captioned_html
    NbElementRenderer.render_markdown = render_captioned_markdown
    html = (visit_table, depart_table)
    app.add_enumerable_node(CaptionedTable, "table", title_of, html=html, epub=html)
