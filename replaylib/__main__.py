# PYTHON_ARGCOMPLETE_OK
"""Starts the command line: ``python -m replaylib``, and the script ``replaylib``."""

import os
import signal
import sys
from typing import NoReturn


def start() -> NoReturn:
    """Run the command line. Until there is something to stop, Ctrl-C has one line to say, whatever is imported."""

    def stop(number: int, frame: object) -> None:
        os.write(2, b"replaylib: stopped before it began; nothing was computed\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, stop)
    from replaylib.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


if __name__ == "__main__":
    start()
