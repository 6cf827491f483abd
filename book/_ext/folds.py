"""What is folded away until a reader opens it, with HTML's own means: solutions, by their names, and many imports."""

import ast
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx_exercise.nodes import solution_node

#: Lines of imports that a reader goes past without losing the thread.
FEW = 4


class Folded(nodes.General, nodes.Element):
    """What is shown when its `summary` is chosen."""


def visit_folded(self: Any, node: Folded) -> None:
    self.body.append(f'<details class="folded"><summary>{node["summary"]}</summary>\n')


def depart_folded(self: Any, node: Folded) -> None:
    self.body.append("</details>\n")


def lines_of_imports(source: str) -> int:
    """How many lines of a cell go by before its first statement that imports nothing."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # of IPython's own, such as %time
        return 0
    last = 0
    for statement in statements:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            break
        last = statement.end_lineno or statement.lineno
    return last


def fold_imports(app: Sphinx, doctree: nodes.document) -> None:
    """Fold the imports that a cell begins with, if they are many; what they are for goes on below."""
    for shown in list(doctree.findall(nodes.container)):
        if shown.get("nb_element") != "cell_code_source" or shown.parent.get("hide_mode"):
            continue
        for code in list(shown.findall(nodes.literal_block)):
            lines = code.astext().splitlines()
            count = lines_of_imports(code.astext())
            if count <= FEW:
                continue
            first, rest = "\n".join(lines[:count]), "\n".join(lines[count:]).strip("\n")
            folded = Folded(
                "", nodes.literal_block(first, first, **code.attributes), summary=f"{count} lines of imports"
            )
            parts = [folded, *([nodes.literal_block(rest, rest, **code.attributes)] if rest else [])]
            code.parent.replace(code, parts)


def visit_solution(self: Any, node: solution_node) -> None:
    self.body.append(self.starttag(node, "details", CLASS="admonition") + "\n")
    self._solutions = [*getattr(self, "_solutions", []), len(self.body)]


def depart_solution(self: Any, node: solution_node) -> None:
    """Make the solution's title, which links to the exercise right above it, the words that open it."""
    start = self._solutions.pop()
    text = "".join(self.body[start:])
    del self.body[start:]

    def summary(match: re.Match[str]) -> str:
        words = re.sub(r"<(/?)a\b[^>]*>", "", match[1])
        return f'<summary class="admonition-title">{" ".join(words.split())}</summary>'

    self.body.append(re.sub(r'<p class="admonition-title">(.*?)</p>', summary, text, count=1, flags=re.DOTALL))
    self.body.append("</details>\n")


def leave_toggles_out(app: Sphinx, config: Config) -> None:
    """Take out sphinx-togglebutton, which Jupyter Book always loads: its buttons do not say what they show."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__.startswith("sphinx_togglebutton"):
                listeners.remove(listener)


def setup(app: Sphinx) -> None:
    app.add_node(Folded, html=(visit_folded, depart_folded), epub=(visit_folded, depart_folded))
    solution = (visit_solution, depart_solution)
    app.add_node(solution_node, override=True, html=solution, singlehtml=solution, epub=solution)
    app.connect("config-inited", leave_toggles_out)
    app.connect("doctree-read", fold_imports)
