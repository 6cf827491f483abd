"""The modules that `import replaylib` offers, loaded when they are first asked for."""

from . import quality as quality
from . import register as register
from . import runs as runs
