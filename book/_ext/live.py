"""The directive `{live}`: a part of the page in which a network learns while it is read."""

from pathlib import Path
from typing import Any

import live_networks
import live_parts
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


class LivePart(nodes.raw):
    """The HTML of a live part."""


class Live(SphinxDirective):
    """`{live} name`: one of `live_parts.TITLES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in live_parts.TITLES:
            known = ", ".join(live_parts.TITLES)
            logger.warning("there is no live part %r; there are %s", name, known, location=self.get_location())
            return []
        self.env.note_dependency(str(live_parts.FOLDER / "stills.json"))
        return [LivePart("", live_parts.figure(name), format="html", part=name)]


def add_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """A page with a live part loads what starts it, and no other page does; networks that it may load are written."""
    parts = set() if doctree is None else {node["part"] for node in doctree.findall(LivePart)}
    if parts:
        app.add_css_file("live/live.css")
        if app.builder.name != "epub":
            app.add_js_file("live/live.js", defer="defer")
            if live_networks.PART in parts:
                live_networks.write(Path(app.outdir, "_static", "live"))


def write_kit(app: Sphinx, error: Exception | None) -> None:
    """One script in the place of six, which a page would ask for one by one."""
    if error is None and app.builder.format == "html":
        target = Path(app.outdir, "_static", "live", "kit.js")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(live_parts.kit(), encoding="utf-8")


def write_part(self: Any, node: LivePart) -> None:
    self.visit_raw(node)


def setup(app: Sphinx) -> None:
    app.add_directive("live", Live)
    app.add_node(LivePart, html=(write_part, None))
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_kit)
