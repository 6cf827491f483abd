"""Starts the command line: ``python -m replaylib``."""

import sys

from replaylib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
