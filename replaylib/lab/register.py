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
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from replaylib.errors import InputError
from replaylib.lab import encoder_files
from replaylib.lab.options import Value
from replaylib.lab.parts import Parts, Plan
from replaylib.lab.protocols import PROTOCOLS, Protocol
from replaylib.lab.rows import METHODS, PENALTIES, Method, parameters
from replaylib.lab.tables import DATASETS, ENCODERS, OPTIMIZERS, STREAMS, WATCHERS, Backbone, Table, origin_of

if TYPE_CHECKING:
    from torch import nn

    from replaylib.data.dataset import Split
    from replaylib.loop import Watch
    from replaylib.penalties import Penalty
    from replaylib.replay import Replay
    from replaylib.scenarios import Stream
    from replaylib.steps import MakeOptimizer

#: The environment variable that names files to load first: how worker processes know what their parent knows.
FILES = "REPLAYLIB_WITH"

Make = TypeVar("Make", bound=Callable[..., object])
MakeParts = TypeVar("MakeParts", bound=Callable[..., Parts])
MakeReplay = TypeVar("MakeReplay", bound="Callable[..., Replay]")
MakePenalty = TypeVar("MakePenalty", bound="Callable[..., Penalty]")
MakeBackbone = TypeVar("MakeBackbone", bound="Callable[[], nn.Module]")


def method(name: str, summary: str, source: str = "", **more: Any) -> Callable[[MakeParts], MakeParts]:
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

    def registered(make: MakeParts) -> MakeParts:
        _add(METHODS, Method(name, summary, source, make, **more), make)
        return make

    return registered


def replay(name: str, summary: str, source: str = "", **more: Any) -> Callable[[MakeReplay], MakeReplay]:
    """Register a source of replay: a function of a plan, the network and options that gives a `Replay`.

    It is a method of that name, with the classifier that all methods share. Parameters and errors as of `method`.
    """

    def registered(make: MakeReplay) -> MakeReplay:
        def parts(plan: Plan, **options: Value) -> Parts:
            net = plan.classifier()
            return Parts(net, make(plan, net, **options))

        _add(METHODS, Method(name, summary, source, parts, taken=parameters(make, 2), **more), make)
        return make

    return registered


def penalty(name: str, summary: str, source: str = "", **more: Any) -> Callable[[MakePenalty], MakePenalty]:
    """Register a penalty: a function of a plan, the network and options, which gives a `replaylib.penalties.Penalty`.

    It is a method of that name, without replay, and goes with any other that has none: ``exact+mas``. Parameters and
    errors as of `method`.
    """

    def registered(make: MakePenalty) -> MakePenalty:
        def parts(plan: Plan, **options: Value) -> Parts:
            from replaylib.replay import Nothing

            net = plan.classifier()
            return Parts(net, Nothing(), make(plan, net, **options))

        attributes = {"taken": parameters(make, 2), "rehearses": False, "penalised": True, **more}
        _add(METHODS, Method(name, summary, source, parts, **attributes), make)
        PENALTIES.add(name, Method(name, summary, source, make, **attributes), make)
        return make

    return registered


def stream(name: str) -> "Callable[[Callable[..., Stream]], Callable[..., Stream]]":
    """Register a kind of stream: a function of (data, scenario, tasks, seed, order), see `replaylib.scenarios.Stream`.

    ``order`` is ``"random"``, ``"labels"`` or None, see `replaylib.scenarios.class_order`. Protocols have it as their
    ``kind``, experiments as ``stream``. Raises `InputError` where the name is taken.
    """
    return _registering(STREAMS, name)


def dataset(name: str) -> "Callable[[Callable[[], Split]], Callable[[], Split]]":
    """Register a dataset: a function of nothing that gives a `replaylib.data.dataset.Split`, on the CPU.

    `replaylib.data.arrays` makes one of arrays or of two datasets of torchvision. Raises `InputError` where the name is
    taken.
    """
    return _registering(DATASETS, name)


def optimizer(name: str) -> "Callable[[MakeOptimizer], MakeOptimizer]":
    """Register an optimizer: a function of (parameters, lr); raises `InputError` where the name is taken."""
    return _registering(OPTIMIZERS, name)


def watcher(name: str) -> "Callable[[Callable[..., Watch]], Callable[..., Watch]]":
    """Register a watcher: a function of the experiments that are trained as one, which gives a watch.

    The watch is called after every step with the `replaylib.loop.Training`, which has ``loss``, ``stream``, ``task``
    and ``step``; if it has a method ``close``, that is called when those experiments have ended. On the command line it
    is asked for with ``--watch``. It is no part of an experiment's id, for it changes nothing of what is computed.
    Raises `InputError` where the name is taken.
    """
    return _registering(WATCHERS, name)


def _registering(table: Table[Make], name: str) -> Callable[[Make], Make]:
    def registered(make: Make) -> Make:
        table.add(name, make, make)
        return make

    return registered


def protocol(row: Protocol) -> Protocol:
    """Register a protocol, see `replaylib.lab.protocols.Protocol`.

    Raises
    ------
    InputError : the name is taken, or its stream, its dataset or its stand-in has no such name.
    """
    STREAMS.find(row.kind)
    if row.quick is not None:
        PROTOCOLS.find(row.quick)
    caller = inspect.currentframe()
    PROTOCOLS.add(row.name, row, _written_in(caller.f_back if caller else None))
    return row


def backbone(
    name: str,
    summary: str,
    shape: tuple[int, ...] = (3, 32, 32),
    mean: tuple[float, ...] = (0.485, 0.456, 0.406),
    std: tuple[float, ...] = (0.229, 0.224, 0.225),
) -> Callable[[MakeBackbone], MakeBackbone]:
    """Register a backbone: a function of nothing that gives a `torch.nn.Module` with its weights.

    Experiments have it as their ``encoder``, frozen or tuned. The module takes (n, \\*shape) images and gives
    (n, units) features; where its own first layer wants larger images, it enlarges them.

    Parameters
    ----------
    shape : (channels, height, width) of the images.
    mean, std : per channel, what images in [0, 1] are normalised with; by default those of ImageNet.

    Raises
    ------
    InputError : the name is taken, by a file among the encoders as well.
    """

    def registered(make: MakeBackbone) -> MakeBackbone:
        if name in encoder_files.files():
            raise InputError(f"there is an encoder {name} already, {encoder_files.files()[name]}: give another name")
        ENCODERS.add(name, Backbone(make, summary, shape, mean, std), make)
        return make

    return registered


def _written_in(frame: FrameType | None) -> Callable[..., object]:
    """A function that stands for the code of a frame: all that `origin_of` asks of one is where it was written."""
    if frame is None:
        return lambda: None
    return FunctionType(frame.f_code, {})


def _add(table: Table[Method], row: Method, made_by: Callable[..., object]) -> None:
    if origin_of(made_by):
        importlib.import_module("replaylib.lab.methods")  # the library's names are taken first
    table.add(row.name, row, made_by)


def file(path: str | os.PathLike[str]) -> None:
    """Run a Python file that registers something, once; worker processes of this one will do so as well.

    Raises
    ------
    InputError : there is no such file, or it fails.
    """
    resolved = Path(path).expanduser().resolve()
    name = f"replaylib_with_{hashlib.sha256(str(resolved).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return
    if resolved.suffix != ".py" or not resolved.is_file():
        raise InputError(f"{path} is no Python file: give the one that registers your method, e.g. my_method.py")
    spec = importlib.util.spec_from_file_location(name, resolved)
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
        where = _place(error, resolved)
        raise InputError(f"{path} cannot be used ({type(error).__name__}: {error}{where}): mend it") from error
    known = os.environ.get(FILES, "").split(os.pathsep)
    if str(resolved) not in known:
        os.environ[FILES] = os.pathsep.join([*filter(None, known), str(resolved)])


def _place(error: BaseException, file_path: Path) -> str:
    lines = (
        [frame.lineno for frame in inspect.getinnerframes(error.__traceback__) if frame.filename == str(file_path)]
        if (error.__traceback__)
        else []
    )
    return f", line {lines[-1]}" if lines else ""


def files() -> None:
    """Load the files that `FILES` names, as a worker process does when it starts."""
    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        file(path)


def origins(method: str, **named: str | None) -> dict[str, str]:
    """The files that what an experiment names comes from, where they are not the library's: for a record's versions.

    ``named`` are its ``protocol``, ``stream``, ``dataset``, ``encoder`` and ``optimizer``, where they are known.
    """
    parts = [method] if method in METHODS else method.split("+")
    sources = {f"method {part}": METHODS.origins.get(part, "") for part in parts}
    files = {
        "protocol": PROTOCOLS.origins, "stream": STREAMS.origins, "dataset": DATASETS.origins,
        "encoder": ENCODERS.origins, "optimizer": OPTIMIZERS.origins,
    }  # fmt: skip
    for kind, name in named.items():
        if name is not None:
            sources[f"{kind} {name}"] = files[kind].get(name, "")
    return {kind_and_name: origin for kind_and_name, origin in sources.items() if origin}
