"""Formulas as KaTeX sets them, while the book is built: a page needs no script to show them, and carries their MathML.

Each formula is there twice, as KaTeX does it: as HTML for the eye, which the screen reader skips, and as MathML for the
ear. A displayed formula may break after a relation or an operator where the screen is narrow; its number stands below.
"""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

KATEX = Path(__file__).with_name("katex")
STYLE = "vendor/katex/katex-swap.min.css"

logger = logging.getLogger(__name__)


@cache
def engine() -> MiniRacer:
    """KaTeX, loaded once for a process."""
    loaded = MiniRacer()
    loaded.eval((KATEX / "katex.min.js").read_text(encoding="utf-8"))
    return loaded


@cache
def formula(tex: str, display: bool) -> str:
    """A formula as HTML and MathML.

    Raises
    ------
    ValueError : KaTeX does not understand it, or it is no good LaTeX; says what and where.
    """
    options = {"displayMode": display, "throwOnError": True, "strict": "error", "output": "htmlAndMathml"}
    try:
        return str(engine().call("katex.renderToString", tex, options))
    except JSEvalException as error:
        said = next((line for line in str(error).splitlines() if "ParseError" in line), str(error).splitlines()[0])
        raise ValueError(said.partition("ParseError: ")[2] or said) from error


def set_formula(node: nodes.Node, tex: str, display: bool) -> str:
    """A formula as HTML; what cannot be set is a warning, and is shown as it was written."""
    try:
        return formula(tex, display)
    except ValueError as error:
        logger.warning("this formula cannot be set: %s", error, location=node)
        return f"<code>{nodes.unescape(tex)}</code>"


def split(tex: str) -> str:
    """What stands between empty lines, one below the other, aligned where it has marks for that."""
    parts = [part.strip() for part in tex.split("\n\n") if part.strip()]
    parts = [
        rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part and r"\begin" not in part else part for part in parts
    ]
    return parts[0] if len(parts) == 1 else r"\begin{gathered}" + r"\\ ".join(parts) + r"\end{gathered}"


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math"))
    self.body.append(set_formula(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_display(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    tex = node.astext()
    self.body.append(set_formula(node, tex if node["nowrap"] else split(tex), display=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def add_style(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Link the style of formulas from pages that have some."""
    if 'class="katex' in context.get("body", ""):
        app.add_css_file(STYLE, priority=400)


def copy_style(app: Sphinx, error: Exception | None) -> None:
    """Put KaTeX's style sheet and its fonts on the site."""
    if error or app.builder.format != "html":
        return
    target = Path(app.outdir, "_static", STYLE).parent
    shutil.copytree(KATEX, target, ignore=shutil.ignore_patterns("*.js", "README.md"), dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("html-page-context", add_style)
    app.connect("build-finished", copy_style)
