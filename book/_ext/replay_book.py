"""Sphinx extension of this book: its directives, alternative texts, chapter numbers, and pages that ask nobody else
for anything."""

import html
import os
import re
import shutil
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import course
import directives
from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

logger = logging.getLogger(__name__)
render_image = NbElementRenderer.render_image
render_widget_view = NbElementRenderer.render_widget_view

# What axe-core finds in a page's text, and what it should be.
REPAIRS = {
    ' role="doc-biblioentry"': ' role="listitem"',
    "<th></th>": "<td></td>",
    '<th class="head"><p></p></th>': '<td class="head"></td>',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}
# A number stays on one line with its unit and its error; code, where a space is a space, is left alone.
SPACES = re.compile(r"<(pre|code|script)\b.*?</\1>|(?<=\d) (?=%)|(?<=\d) ± (?=\d)", re.DOTALL)


def round_brackets() -> BracketStyle:
    return BracketStyle(left="(", right=")")


@dataclass
class RoundBracketsReferenceStyle(AuthorYearReferenceStyle):
    """(McClelland et al., 1995), as the notebooks have it and the field's journals do."""

    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)
    bracket_year: BracketStyle = field(default_factory=round_brackets)


def render_described_image(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Give an output image the alternative text in its metadata, which myst-nb drops; warn where there is none."""
    images: list[nodes.Element] = render_image(self, data)
    for image in images:
        alt = data.output_metadata.get(data.mime_type, {}).get("alt") or image.get("alt") or ""
        if alt.strip():
            image["alt"] = alt.strip()
        else:
            self.logger.warning(
                "this cell shows an image without alternative text: draw it with figures.figure(alt=...)",
                subtype="alt",
                line=data.line,
            )
    return images


def render_widget_with_still(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
    """Show a widget's first picture where JavaScript is off, and say what moves where it is on."""
    widget: list[nodes.Element] = render_widget_view(self, data)
    still = data.output_metadata.get(data.mime_type, {}).get("still")
    if not still:
        self.logger.warning(
            "this widget shows nothing where JavaScript is off: make it with replaylib.course.widgets",
            subtype="widget",
            line=data.line,
        )
        return widget
    label, state = html.escape(still["label"]), html.escape(still["state"])
    note = f"This picture shows {label}: {state}. Where JavaScript is on, it can be changed."
    text = f'<noscript>{still["picture"]}<p class="still">{note}</p></noscript>'
    return [*widget, nodes.raw("", text, format="html")]


def check_written_images(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of an image in the text, rather than in a cell's output, that has no alternative text."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip() and "jupyter_execute" not in image["uri"]:
            logger.warning("image %s has no alternative text", image["uri"], location=image)


def set_addresses(app: Sphinx, config: Config) -> None:
    """Derive the site's own address from the repository's, so that a fork changes one line."""
    config.ogp_site_url = config.html_baseurl = course.site(config.html_theme_options["repository_url"])


def lift_time_limit(app: Sphinx, config: Config) -> None:
    """A cell that takes minutes is a fault in the quick profile; at the published scale it is the rule."""
    if os.environ.get("REPLAYLIB_PROFILE") == "paper":
        config.nb_execution_timeout = -1


def leave_thebe_out(app: Sphinx, config: Config) -> None:
    """Take out sphinx-thebe, which Jupyter Book always loads: it adds a script error and a foreign address to pages."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__.startswith("sphinx_thebe"):
                listeners.remove(listener)
    app.registry.css_files[:] = [file for file in app.registry.css_files if file[0] != "sphinx-thebe.css"]


def number_by_file_name(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give chapter NN_name the number NN in its heading, figures, equations and exercises, whichever chapters exist."""
    for page, sections in env.toc_secnumbers.items():
        number = course.chapter_number(page)
        if number is None:
            continue
        for numbers in (sections, *env.toc_fignumbers.get(page, {}).values()):
            numbers.update({anchor: (number, *old[1:]) for anchor, old in numbers.items() if old})
        for tree in (env.tocs[page], env.titles[page]):
            for node in tree.findall(lambda node: isinstance(node, nodes.Element) and node.get("secnumber")):
                node["secnumber"] = (number, *node["secnumber"][1:])
    return []


def repair_body(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Mend what is wrong for screen readers, and at the ends of lines, in the HTML of docutils, pandas and myst-nb."""
    body = context.get("body", "")
    for fault, repair in REPAIRS.items():
        body = body.replace(fault, repair)
    context["body"] = SPACES.sub(lambda found: found[0] if found[1] else found[0].replace(" ", "\u00a0"), body)


def launch_chapters_only(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Take the Colab button off executed pages that are no chapters: there is no notebook that it could open."""
    if course.chapter_number(page) is None:
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [button for button in buttons if button.get("label") != "launch-buttons"]


def keep_meanings_apart_from_types(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """The library writes `name : meaning`, with types in annotations; napoleon would take the meaning for a type."""
    lines[:] = [part for line in lines for part in re.sub(r"^([\w*][\w*, ]*) : (?=\S)", r"\1\n    ", line).split("\n")]


def add_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax out of the installed package. The full file holds every TeX extension, so that it fetches none."""
    if error or app.builder.format != "html":
        return
    package = distribution("sphinx-mathjax-offline")
    [script] = [file for file in package.files or () if file.name == "tex-svg-full.js"]
    target = Path(app.outdir, "_static", app.config.mathjax_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(package.locate_file(script)), target)


def offer_readable_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Let the download button give the notebook made for Jupyter, not the book's own source with its directives."""
    sources = Path(app.outdir, "_sources")
    for notebook in Path(app.srcdir).glob("chapters/*.ipynb") if sources.is_dir() and not error else ():
        page = f"chapters/{notebook.stem}"
        if page in app.env.found_docs:
            shutil.copyfile(notebook, sources / f"{page}.ipynb")


def setup(app: Sphinx) -> dict[str, Any]:
    NbElementRenderer.render_image = render_described_image
    NbElementRenderer.render_widget_view = render_widget_with_still
    register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundBracketsReferenceStyle)
    directives.setup(app)
    app.connect("config-inited", set_addresses)
    app.connect("config-inited", lift_time_limit)
    app.connect("config-inited", leave_thebe_out)
    app.connect("doctree-read", check_written_images)
    app.connect("env-get-updated", number_by_file_name, priority=900)
    app.connect("autodoc-process-docstring", keep_meanings_apart_from_types, priority=400)
    app.connect("html-page-context", repair_body)
    app.connect("html-page-context", launch_chapters_only, priority=900)
    app.connect("build-finished", add_mathjax)
    app.connect("build-finished", offer_readable_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
