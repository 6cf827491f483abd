"""Which answers call the library's own solution, as far as reading them shows. It is for the instructor to look."""

import ast
import re

from grading import cells
from grading.cells import Statement

# By these a name can be reached that is not written down.
FUNCTIONS, METHODS = {"getattr", "vars", "eval", "exec", "compile", "__import__"}, {"import_module", "getsource"}
MAKES_NAMES = re.compile(r"\b(exec|globals|setattr)\s*\(")  # of which it is not seen what they define
OTHERS = {"torch", "nn", "F", "np", "numpy", "math", "pd", "self"}  # whose attributes may have the same names


def flags(everything: list[Statement], asked: dict[str, set[str]], library: dict[str, list[str]]) -> list[str]:
    """A line for each solution of the library's that an answer uses, or might use by a name that is made up.

    Parameters
    ----------
    asked : for each question the names that define its answer; ``library``: the library's own solutions of it.
    """
    lines = []
    imported = {name for statement in everything if "replaylib" in statement.source for name in statement.gives}
    given = {name for statement in everything for name in statement.gives}
    starred = any(re.search(r"from\s+replaylib[\w.]*\s+import\s+\*", statement.source) for statement in everything)
    for question, solutions in library.items():
        needed = cells.needed(everything, asked.get(question, ()))
        closure = [one for place, one in enumerate(everything) if place in needed or MAKES_NAMES.search(one.source)]
        needs = {name for statement in closure for name in statement.needs}
        used = needs - given if starred else set()
        roundabout = False
        for statement in closure:
            tree = ast.parse(statement.source)
            for node in ast.walk(tree):
                used |= named(node, needs, outermost=node in tree.body)
                if isinstance(node, ast.Attribute) and cells.root(node) in imported:
                    used.add(node.attr)
                roundabout |= isinstance(node, ast.Call) and reaches(node, imported)
        named_ones = [name for name in solutions if name in used]
        lines += [f"{question} calls the library's {name}" for name in named_ones]
        if roundabout and not named_ones:
            lines.append(f"{question} may call the library's solution by a name that is made up: look at it")
    return lines


def named(node: ast.AST, needs: set[str], outermost: bool) -> set[str]:
    """The names that a node takes from the library, or that it may: by import, as an attribute, in a text."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("replaylib"):
        return {one.name for one in node.names if not outermost or (one.asname or one.name) in needs}
    if isinstance(node, ast.Attribute) and cells.root(node) not in OTHERS:
        return {node.attr}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = re.findall(r"\w+", node.value)
        if "replaylib" in words or re.fullmatch(r"[\w.]+", node.value):
            return set(words)
    return set()


def reaches(call: ast.Call, imported: set[str]) -> bool:
    """Whether a call looks for a name that is made up while it runs, in the library or in anything."""
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in (METHODS if method else FUNCTIONS | METHODS):
        return False
    if name in ("getattr", "vars", "getsource") and (
        not call.args or cells.root(call.args[0]) not in {*imported, "sys"}
    ):
        return False
    return not isinstance(call.args[-1] if call.args else None, ast.Constant)  # what is written down is read already
