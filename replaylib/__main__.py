# PYTHON_ARGCOMPLETE_OK
"""Starts the command line: ``python -m replaylib``."""

import os
import signal
import sys

if __name__ == "__main__":
    # Until there is something to stop, Ctrl-C has one line to say, whatever is being imported.
    def stop(number: int, frame: object) -> None:
        os.write(2, b"replaylib: stopped before it began; nothing was computed\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, stop)
    from replaylib.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
