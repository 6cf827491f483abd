"""The pictures of a page: one for wide and one for narrow screens, and those that move, as HTML's own controls.

What the library's figures draw comes with its alternative text and, in the output's metadata, drawn again for a narrow
screen. Where its widgets were used, every state is a file of its own, fetched when it is looked at.
"""

import html
import json
import re
from base64 import b64decode
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from captions import first_sentence, with_caption
from dark import themed
from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.util import logging

SVG = "image/svg+xml"
STATES = "application/vnd.jupyter.widget-state+json"
render_image = NbElementRenderer.render_image
render_nb_finalise = NbElementRenderer.render_nb_finalise
logger = logging.getLogger(__name__)


class Picture(nodes.General, nodes.Element):
    """A picture: an image and, where there is one, another for narrow screens after it."""


class Moved(nodes.General, nodes.Element):
    """Pictures of which a control shows one: `label`, `states` (a name each) and `kind`, "slider" or "choice"."""


def stored(renderer: NbElementRenderer, svg: str, alt: str) -> nodes.image:
    """An SVG, written to a file of the book."""
    data = themed(svg).encode()
    uri = renderer.write_file([f"{sha256(data).hexdigest()[:24]}.svg"], data, exists_ok=True)
    width, height = (round(float(size) * 4 / 3) for size in re.findall(r' (?:width|height)="([\d.]+)pt"', svg)[:2])
    return nodes.image(uri=uri, alt=alt, pixels=(width, height))


def picture(renderer: NbElementRenderer, svg: str, narrow: str | None, alt: str) -> Picture:
    return Picture("", stored(renderer, svg, alt), *([stored(renderer, narrow, alt)] if narrow else []))


def render_described_image(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Give an output image the alternative text in its metadata, which myst-nb drops; warn where there is none."""
    meta = data.output_metadata.get(data.mime_type, {})
    images: list[nodes.Element] = [] if data.mime_type == SVG else render_image(self, data)
    alt = (meta.get("alt") or next((image.get("alt") for image in images), None) or "").strip()
    if not alt:
        self.logger.warning(
            "this cell shows an image without alternative text: draw it with figures.figure(alt=...)",
            subtype="alt",
            line=data.line,
        )
    if data.mime_type == SVG:
        return [with_caption(self, picture(self, data.string, meta.get("narrow"), alt), first_sentence(alt), data)]
    for image in images:
        image["alt"] = alt
    return images


def render_moved(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Show a widget of the library's as one of HTML's own controls, which needs no kernel and no manager."""
    states = self.renderer.nb_client.nb_metadata.get("widgets", {}).get(STATES, {}).get("state", {})
    still = data.output_metadata.get(data.mime_type, {}).get("still")
    try:
        box = states[data.content["model_id"]]
        control, stack = (states[child.removeprefix("IPY_MODEL_")] for child in box["state"]["children"])
        shown = [states[child.removeprefix("IPY_MODEL_")]["state"]["value"] for child in stack["state"]["children"]]
    except (KeyError, TypeError, ValueError):
        message = "this widget cannot be shown without a kernel: make it with replaylib.course.widgets"
        self.logger.warning(message, subtype="widget", line=data.line)
        return []
    kind = "choice" if control["model_name"] == "RadioButtonsModel" else "slider"
    narrow = (still or {}).get("narrow") or [None] * len(shown)
    pictures = []
    for tag, small in zip(shown, narrow, strict=True):
        match = re.fullmatch(r'<img alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]*)">', tag)
        assert match, tag[:80]
        pictures.append(picture(self, b64decode(match[2]).decode(), small, html.unescape(match[1])))
    names = list(control["state"]["_options_labels"])
    moved = Moved("", *pictures, label=control["state"]["description"], states=names, kind=kind)
    return [with_caption(self, moved, first_sentence(pictures[0].children[0]["alt"]), data)]


def finalise_without_widgets(self: NbElementRenderer, metadata: dict[str, Any]) -> None:
    """Leave the widgets' states and their manager out of the page."""
    render_nb_finalise(self, {name: value for name, value in metadata.items() if name != "widgets"})


def check_written_images(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of an image in the text, rather than in a cell's output, that has no alternative text."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip() and "jupyter_execute" not in image["uri"]:
            logger.warning("image %s has no alternative text", image["uri"], location=image)


def address(self: Any, image: nodes.image) -> str:
    """Where a page finds an image, once Sphinx has copied it."""
    return str(PurePosixPath(self.builder.imgpath, self.builder.images[image["uri"]]))


def sizes(image: nodes.image) -> str:
    width, height = image["pixels"]
    return f'width="{width}" height="{height}"'


def picture_html(self: Any, node: Picture) -> str:
    wide, *narrow = node.children
    source = (
        f'<source media="(max-width: 40rem)" srcset="{address(self, narrow[0])}" {sizes(narrow[0])}>' if narrow else ""
    )
    alt = html.escape(wide["alt"])
    # What a reader sees first is fetched at once; the rest when it comes near.
    lazy = ' loading="lazy"' if getattr(self, "_pictures", 0) else ""
    self._pictures = getattr(self, "_pictures", 0) + 1
    tag = f'<img class="dark-light" alt="{alt}" src="{address(self, wide)}" {sizes(wide)} decoding="async"{lazy}>'
    if narrow:
        return f"<picture>{source}{tag}</picture>"
    # Its words would cover each other if it were narrower: it scrolls instead.
    return f'<div class="stays-wide"><picture>{tag}</picture></div>'


def visit_picture(self: Any, node: Picture) -> None:
    self.body.append(picture_html(self, node) + "\n")
    raise nodes.SkipNode


def visit_moved(self: Any, node: Moved) -> None:
    """A control, its first picture, and the addresses of all of them, which `moved.js` goes through."""
    self._moved = getattr(self, "_moved", 0) + 1
    name, label = f"moved-{self._moved}", html.escape(node["label"])
    texts = [html.escape(text) for text in node["states"]]
    if node["kind"] == "slider":
        control = (
            f'<label for="{name}">{label}</label> <output for="{name}">{texts[0]}</output>'
            f'<input type="range" id="{name}" min="0" max="{len(texts) - 1}" value="0" aria-valuetext="{texts[0]}">'
        )
    else:
        options = "".join(
            f'<label><input type="radio" name="{name}" value="{place}"{" checked" * (place == 0)}> {text}</label>'
            for place, text in enumerate(texts)
        )
        control = f"<fieldset><legend>{label}</legend>{options}</fieldset>"
    states = [
        {
            "name": text,
            "alt": each.children[0]["alt"],
            "caption": first_sentence(each.children[0]["alt"]),
            "files": [[address(self, image), *image["pixels"]] for image in each.children],
        }
        for text, each in zip(node["states"], node.children, strict=True)
    ]
    listed = json.dumps(states, ensure_ascii=False).replace("</", "<\\/")
    self.body.append(
        f'<div class="moved"><div class="moved-control pst-js-only">{control}</div>'
        f'<div class="moved-shown" aria-live="polite">{picture_html(self, node.children[0])}</div>'
        f'<p class="moved-still">This picture shows {label}: {texts[0]}. On the web page it can be changed.</p>'
        f'<script type="application/json">{listed}</script></div>\n'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    NbElementRenderer.render_image = render_described_image
    NbElementRenderer.render_widget_view = render_moved
    NbElementRenderer.render_nb_finalise = finalise_without_widgets
    app.add_node(Picture, html=(visit_picture, None), singlehtml=(visit_picture, None), epub=(visit_picture, None))
    app.add_node(Moved, html=(visit_moved, None), epub=(visit_moved, None))
    app.connect("doctree-read", check_written_images)
