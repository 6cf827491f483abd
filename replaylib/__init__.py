"""Replay methods for continual learning: the library behind the course.

Twelve modules beside this file are the science, from `scenarios` to `loop` and `metrics`. The parts around it: `data`,
where tensors come from; `lab`, what makes an experiment; `course`, what the book's pages need; `cli`, the command line.

What `__init__.pyi` lists can be imported from here, each name loaded when it is first asked for: ``import replaylib``
is quick and takes no part in drawing anything.
"""

from importlib import import_module
from pathlib import Path

import lazy_loader

# Notebooks that students copied ask for modules and functions by earlier names: these lie in a folder of their own.
__path__.append(str(Path(__file__).parent / "course" / "earlier"))

_offered, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in ("execute", "load", "trained"):
        return getattr(import_module("replaylib.earlier"), name)
    return _offered(name)
