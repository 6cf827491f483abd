"""Sphinx extension of this book: its directives, alternative texts, chapter numbers, and pages that ask nobody else
for anything."""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import course
import directives
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

logger = logging.getLogger(__name__)

# What axe-core finds in a page's text, and what it should be.
REPAIRS = {
    ' role="doc-biblioentry"': ' role="listitem"',
    "<th></th>": "<td></td>",
    '<th class="head"><p></p></th>': '<td class="head"></td>',
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<section id="solution-content">': "<section>",  # as often as there are solutions
    '<section id="exercise-content">': "<section>",
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


def scoped(table: str) -> str:
    """A table whose headers say whether they are a column's or a row's."""
    head, end, body = table.partition("</thead>")
    if not end:
        head, body = "", table
    head = re.sub(r"<th\b(?![^>]*scope)([^>]*colspan=\"[2-9])", r'<th scope="colgroup"\1', head)
    head = re.sub(r"<th\b(?![^>]*scope)", '<th scope="col"', head)
    body = re.sub(r"<th\b(?![^>]*scope)([^>]*rowspan=\"[2-9])", r'<th scope="rowgroup"\1', body)
    return head + end + re.sub(r"<th\b(?![^>]*scope)", '<th scope="row"', body)


def repair_body(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Mend what is wrong for screen readers, and at the ends of lines, in the HTML of docutils, pandas and myst-nb."""
    body = context.get("body", "")
    for fault, repair in REPAIRS.items():
        body = body.replace(fault, repair)
    body = re.sub(r"<table\b.*?</table>", lambda match: scoped(match[0]), body, flags=re.DOTALL)
    context["body"] = SPACES.sub(lambda match: match[0] if match[1] else match[0].replace(" ", "\u00a0"), body)


def keep_meanings_apart_from_types(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """The library writes `name : meaning`, with types in annotations; napoleon would take the meaning for a type."""
    lines[:] = [part for line in lines for part in re.sub(r"^([\w*][\w*., ]*) : (?=\S)", r"\1\n    ", line).split("\n")]


def offer_readable_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Let the download button give the notebook made for Jupyter, not the book's own source with its directives."""
    sources = Path(app.outdir, "_sources")
    for notebook in Path(app.srcdir).glob("chapters/*.ipynb") if sources.is_dir() and not error else ():
        page = f"chapters/{notebook.stem}"
        if page in app.env.found_docs:
            shutil.copyfile(notebook, sources / f"{page}.ipynb")


def setup(app: Sphinx) -> dict[str, Any]:
    register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundBracketsReferenceStyle)
    directives.setup(app)
    app.connect("config-inited", lift_time_limit)
    app.connect("config-inited", leave_thebe_out)
    app.connect("env-get-updated", number_by_file_name, priority=900)
    app.connect("autodoc-process-docstring", keep_meanings_apart_from_types, priority=400)
    app.connect("html-page-context", repair_body)
    app.connect("build-finished", offer_readable_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
