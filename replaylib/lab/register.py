"""How a method, a source of replay or a penalty gets its name: the library's own do it as anyone's do.

A file of your own, or a cell of a notebook, registers what it adds; nothing in the library changes::

    from replaylib import Option, register

    @register.penalty("mas", "memory aware synapses", "Aljundi et al. 2018")
    def mas(plan, net, strength: float = 1.0):
        return MAS(plan.stream, net, strength)

It then has a name wherever methods have one. On the command line, ``--with my_file.py`` brings it there, and to the
processes that share the work.
"""

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from replaylib.errors import InputError
from replaylib.lab.options import Value
from replaylib.lab.parts import Parts
from replaylib.lab.rows import METHODS, PENALTIES, Method, parameters
from replaylib.lab.tables import Table, origin_of

#: The environment variable that names files to load first: how worker processes know what their parent knows.
FILES = "REPLAYLIB_WITH"

Make = TypeVar("Make", bound=Callable[..., Any])


def method(name: str, summary: str, source: str = "", **more: Any) -> Callable[[Make], Make]:
    """Register a method: a function of a `replaylib.lab.parts.Plan` and of options, which gives `Parts`.

    Parameters
    ----------
    name : as ``--method`` and records have it.
    summary, source : what it does and where it is from, a line each.
    more : other attributes of `Method`, e.g. ``scenarios=("task",), why="..."``.

    Raises
    ------
    InputError : the name is taken.
    """

    def registered(make: Make) -> Make:
        _add(METHODS, Method(name, summary, source, make, **more), make)
        return make

    return registered


def replay(name: str, summary: str, source: str = "", **more: Any) -> Callable[[Make], Make]:
    """Register a source of replay: a function of a plan, the network and options that gives a `Replay`.

    It is a method of that name, with the classifier that all methods share. Parameters and errors as of `method`.
    """

    def registered(make: Make) -> Make:
        def parts(plan: Any, **options: Value) -> Parts:
            net = plan.classifier()
            return Parts(net, make(plan, net, **options))

        _add(METHODS, Method(name, summary, source, parts, taken=parameters(make, 2), **more), make)
        return make

    return registered


def penalty(name: str, summary: str, source: str = "", **more: Any) -> Callable[[Make], Make]:
    """Register a penalty: a function of a plan, the network and options, which gives a `replaylib.penalties.Penalty`.

    It is a method of that name, without replay, and goes with any other that has none: ``exact+mas``. Parameters and
    errors as of `method`.
    """

    def registered(make: Make) -> Make:
        def parts(plan: Any, **options: Value) -> Parts:
            from replaylib.replay import Nothing

            net = plan.classifier()
            return Parts(net, Nothing(), make(plan, net, **options))

        made = {"taken": parameters(make, 2), "rehearses": False, "penalised": True, **more}
        _add(METHODS, Method(name, summary, source, parts, **made), make)
        PENALTIES.add(name, Method(name, summary, source, make, **made), make)
        return make

    return registered


def _add(table: Table[Method], row: Method, made_by: Callable[..., Any]) -> None:
    if origin_of(made_by):
        importlib.import_module("replaylib.lab.methods")  # the library's names are taken first
    table.add(row.name, row, made_by)


def file(path: str | os.PathLike[str]) -> None:
    """Run a Python file that registers something, once; worker processes of this one will do so as well.

    Raises
    ------
    InputError : there is no such file, or it fails.
    """
    found = Path(path).expanduser().resolve()
    name = f"replaylib_with_{hashlib.sha256(str(found).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return
    if found.suffix != ".py" or not found.is_file():
        raise InputError(f"{path} is no Python file: give the one that registers your method, e.g. my_method.py")
    spec = importlib.util.spec_from_file_location(name, found)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, InputError):
            raise
        where = _place(error, found)
        raise InputError(f"{path} cannot be used ({type(error).__name__}: {error}{where}): mend it") from error
    known = os.environ.get(FILES, "").split(os.pathsep)
    if str(found) not in known:
        os.environ[FILES] = os.pathsep.join([*filter(None, known), str(found)])


def _place(error: BaseException, found: Path) -> str:
    lines = (
        [frame.lineno for frame in inspect.getinnerframes(error.__traceback__) if frame.filename == str(found)]
        if (error.__traceback__)
        else []
    )
    return f", line {lines[-1]}" if lines else ""


def files() -> None:
    """Load the files that `FILES` names, as a worker process does when it starts."""
    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        file(path)


def origins(name: str) -> dict[str, str]:
    """The files that a method's parts come from, where they are not the library's: for a record's versions."""
    parts = [name] if name in METHODS else name.split("+")
    return {f"method {part}": METHODS.origins[part] for part in parts if METHODS.origins.get(part)}
