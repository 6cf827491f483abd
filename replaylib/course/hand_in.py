"""The one file that a student hands in: the notebook as it is now, which is what was checked."""

import ast
import inspect
import json
import os
import re
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from replaylib.errors import InputError

SAVE = "save the notebook (Ctrl-S), run its cells, then this one again; or hand in the notebook's file itself"


def notebook(name: str, names: Mapping[str, object], asked: Iterable[str], target: Path) -> dict[str, Any]:
    """The notebook in which an assignment was worked on.

    Parameters
    ----------
    name : of the assignment.
    names : the notebook's variables; ``asked``: those of them that answers define.
    target : the file to be handed in, which is not taken for the notebook itself.

    Raises
    ------
    InputError : Colab did not give the notebook; or, elsewhere, its file was not found, several might be it, or it
        does not hold the answers that were run and checked.
    """
    answers = {one: names[one] for one in asked if one in names}
    if "google.colab" in sys.modules:
        content = _from_colab()
        for one in differing(content, answers):
            print(f"`{one}` was changed since its cell was run: what is handed in is what the cell holds now.")
        return content
    path = _on_disk(name, names, answers, target)
    content = _read(path)
    if not _is_of(name, content):
        raise InputError(f"{path.name}, as it was saved, is empty or is not the notebook of {name}: {SAVE}")
    if changed := differing(content, answers):
        raise InputError(f"{path.name}, as it was saved, does not hold `{changed[0]}` as it was run here: {SAVE}")
    return content


def _from_colab() -> dict[str, Any]:
    from google.colab import _message

    answer = _message.blocking_request("get_ipynb", timeout_sec=60)
    if not answer or not answer.get("ipynb", {}).get("cells"):
        raise InputError("Colab did not give the notebook: run this cell again, or use File, Download, Download .ipynb")
    content: dict[str, Any] = answer["ipynb"]
    return content


def _on_disk(name: str, names: Mapping[str, object], answers: Mapping[str, object], target: Path) -> Path:
    """The notebook's file: where VS Code or Jupyter says it is, or the one in this folder that is this assignment's.

    Jupyter says for which file the kernel was started. That is another one after *Save Notebook As*.
    """
    places = (names.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME"))
    told = [Path(one) for one in places if isinstance(one, str) and one.endswith(".ipynb") and Path(one).is_file()]
    folder = told[0].parent if told else Path()
    beside = [path for path in sorted(folder.glob("*.ipynb")) if path.name != target.name]
    candidates = [path for path in beside if _is_of(name, _read(path))]
    holding = [path for path in candidates if answers and not differing(_read(path), answers)]
    if told:
        surely = isinstance(places[0], str) or told[0].name in [path.name for path in holding]
        return told[0] if surely or len(holding) != 1 else holding[0]
    if len(candidates) > 1:
        candidates = holding or candidates
    if len(candidates) != 1:
        notebooks = (
            f"several notebooks of {name} ({', '.join(path.name for path in candidates)})"
            if candidates
            else f"no notebook of {name}"
        )
        raise InputError(f"found {notebooks} in {Path.cwd()}: {SAVE}")
    return candidates[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {"cells": []}
    return content if isinstance(content, dict) and "cells" in content else {"cells": []}


def _is_of(name: str, content: Mapping[str, Any]) -> bool:
    """Whether a notebook is an assignment's: its cell that makes the grader says so."""
    return any(re.search(rf"""Assignment\(\s*["']{re.escape(name)}["']""", source) for source in _sources(content))


def _sources(content: Mapping[str, Any]) -> list[str]:
    return ["".join(cell.get("source", "")) for cell in content["cells"] if cell.get("cell_type") == "code"]


def differing(content: Mapping[str, Any], answers: Mapping[str, object]) -> list[str]:
    """Those answers whose code, as it was run, is in no cell of a notebook. What is no function or class is passed."""
    written: dict[str, list[object]] = {}
    for source in _sources(content):
        try:
            nodes = ast.parse(source).body
        except SyntaxError:  # a magic command, or a cell that is not finished
            continue
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                whole = compile(ast.Module([node], []), "<cell>", "exec")
                for code in _inner(whole):
                    if code.co_name == node.name:
                        gist = _gist(code) if isinstance(node, ast.FunctionDef) else [*map(_gist, _inner(code))]
                        written.setdefault(node.name, []).append(gist)
    gists = {name: _gist_of(answer) for name, answer in answers.items()}
    return [name for name, gist in gists.items() if gist is not None and gist not in written.get(name, [])]


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [one for one in code.co_consts if isinstance(one, types.CodeType)]


def _gist_of(answer: object) -> object:
    """The gist of a function, or of a class's methods; None of anything else."""
    if isinstance(answer, type):
        methods = (inspect.unwrap(one) for one in vars(answer).values() if isinstance(one, types.FunctionType))
        return [_gist(one.__code__) for one in methods if isinstance(one, types.FunctionType)]
    inner = inspect.unwrap(answer) if isinstance(answer, types.FunctionType) else None
    return _gist(inner.__code__) if isinstance(inner, types.FunctionType) else None


def _gist(code: types.CodeType) -> object:
    """What of a function's code does not depend on where it stands."""
    constants = tuple(_gist(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def identifier(given: str | None) -> str:
    """Who hands in: what was given, or, where a notebook can ask, what is typed in; empty elsewhere."""
    if given is not None or not ({"ipykernel", "google.colab"} & set(sys.modules)):
        return (given or "").strip()
    try:
        return input("Your student number, or your name as your course knows it: ").strip()
    except (EOFError, OSError, NotImplementedError, RuntimeError):
        return ""
