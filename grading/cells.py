"""What of a notebook has to run before a question can be judged: its statements, and what each needs and gives."""

import ast
import dis
import json
import re
import types
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LARGEST = 200 * 2**20
EXPERIMENT = "# Experiment"
STORES, LOADS = ("STORE_NAME", "STORE_GLOBAL"), ("LOAD_NAME", "LOAD_GLOBAL")


@dataclass(frozen=True)
class Statement:
    """A statement of a notebook at its outermost level.

    Parameters
    ----------
    place : the number of its cell.
    gives : the names that it binds, or whose values it changes; ``needs``: those that it looks up.
    """

    place: int
    title: str
    source: str
    gives: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    experiment: bool = False

    @property
    def name(self) -> str:
        return f"<cell {self.place}>"


def parsed(data: bytes) -> dict[str, Any]:
    """A notebook from its bytes; raises ValueError."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        notebook = json.loads(data.decode(encoding))
        sources(notebook)  # whether it has cells
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError("not a notebook that can be read") from error
    return notebook


def sources(notebook: dict[str, Any]) -> list[str]:
    """The code cells of a notebook of format 3 or 4."""
    cells = notebook["cells"] if "cells" in notebook else [c for s in notebook["worksheets"] for c in s["cells"]]
    contents = [c.get("source", c.get("input", "")) for c in cells if c.get("cell_type") == "code"]
    return [one if isinstance(one, str) else "".join(map(str, one)) for one in contents]


def identifier(notebook: dict[str, Any]) -> str:
    """What the student wrote when `export()` asked for an identifier."""
    about = notebook.get("metadata")
    replay = about.get("replay") if isinstance(about, dict) else None
    student = replay.get("student") if isinstance(replay, dict) else None
    return student.strip()[:200] if isinstance(student, str) else ""


def declared(cells: Iterable[str]) -> set[str]:
    """The assignments that a notebook says it is of, in the calls of ``Assignment("1_forgetting", globals())``."""
    return {name for cell in cells for name in re.findall(r"^[^#\n]*\bAssignment\(\s*[\"'](\w{1,80})[\"']", cell, re.M)}


def statements(cells: Iterable[str]) -> Iterator[Statement]:
    """The statements of code cells, in order. One that cannot be compiled is there all the same, as its whole cell."""
    from IPython.core.inputtransformer2 import TransformerManager

    for place, cell in enumerate(cells, 1):
        if not cell.strip() or cell.lstrip().startswith("# @title Install"):
            continue
        experiment = cell.lstrip().startswith(EXPERIMENT)
        title = f"cell {place} '{next(line for line in cell.splitlines() if line.strip()).strip()[:40]}'"
        try:
            source = TransformerManager().transform_cell(cell)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                nodes = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            yield Statement(place, title, cell, experiment=experiment)
            continue
        for part, inside in chunks(source, nodes):
            if all(map(asks_the_grader, inside)):
                continue
            defined = [n.name for n in inside if isinstance(n, ast.FunctionDef | ast.ClassDef)]
            told = f"cell {place}, {defined[0]}" if defined else f"cell {place} '{part.strip().splitlines()[0][:40]}'"
            gives, needs = names(part, inside)
            yield Statement(place, told, part, gives, needs, experiment)


def chunks(source: str, nodes: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Source and nodes of each statement; statements that share a line are one. Comments stay with what follows."""
    lines, begin, waiting = source.splitlines(keepends=True), 0, []
    for node, following in zip(nodes, [*nodes[1:], None], strict=False):
        waiting.append(node)
        end = node.end_lineno or node.lineno
        decorators = getattr(following, "decorator_list", [])
        after = min([following.lineno, *(d.lineno for d in decorators)]) if following else len(lines) + 1
        if after > end:
            # Empty lines in front keep the numbers of lines, so that an error names the line that a student sees.
            yield "\n" * begin + "".join(lines[begin:end]), waiting
            begin, waiting = end, []


def asks_the_grader(node: ast.stmt) -> bool:
    """Whether a statement is a call of ``grader.check`` and the like, which a judge has no use for."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and root(node.value.func) == "grader"


def root(node: ast.expr) -> str:
    """The name that an expression such as ``a.b[0].c`` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def names(source: str, nodes: list[ast.stmt]) -> tuple[frozenset[str], frozenset[str]]:
    """What statements bind or change, and what they look up."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(), frozenset()
    gives: set[str] = set()
    needs: set[str] = set()
    for part in codes(code):
        for instruction in dis.get_instructions(part):
            (gives if instruction.opname in STORES else needs if instruction.opname in LOADS else set()).add(
                instruction.argval
            )
    for node in (
        inner for outer in nodes if not isinstance(outer, ast.FunctionDef | ast.ClassDef) for inner in ast.walk(outer)
    ):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            gives.add(root(node))
    for outer in nodes:  # a method called for its effect, as in `table.update(...)`
        if (
            isinstance(outer, ast.Expr)
            and isinstance(outer.value, ast.Call)
            and isinstance(outer.value.func, ast.Attribute)
        ):
            gives.add(root(outer.value.func))
    return frozenset(gives - {""}), frozenset(needs)


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object, and those within it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from codes(one)


def needed(all_of_them: list[Statement], wanted: Iterable[str]) -> set[int]:
    """Places in the list of the statements that give what is wanted, or what these need in turn."""
    modules = {name for s in all_of_them if re.match(r"\s*(import|from)\s", s.source) for name in s.gives}
    places: set[int] = set()
    open_names, known = set(wanted), set()
    while open_names:
        name = open_names.pop()
        known.add(name)
        for place, statement in enumerate(all_of_them):
            if place in places or name not in statement.gives:
                continue
            # `torch.manual_seed(0)` changes what `torch` stands for, but no question rests on that.
            if name in modules and "import" not in statement.source:
                continue
            places.add(place)
            open_names |= statement.needs - known
    return places
