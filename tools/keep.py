"""Execute pages of the book with everything computed, and store what `replaylib.lab.kept` keeps of it.

python tools/keep.py chapters/09_conditional_replay.md ...
"""

import os
import sys
from pathlib import Path

from execute import notebook, run

from book import ROOT, course
from replaylib.lab.kept import KEEP


def main() -> None:
    os.environ |= {KEEP: "1", "REPLAYLIB_PROFILE": "quick", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    extensions = course.settings(ROOT)["parse"]["myst_enable_extensions"]
    for path in map(Path, sys.argv[1:]):
        page = notebook(path.resolve(), extensions)
        if page is None:
            sys.exit(f"error: {path} has no code: give a page of the book")
        _, took = run(path.resolve(), page, None)
        if not took:
            sys.exit(f"error: a cell of {path} failed: build the book, which says which")
        print(f"{path}: {took['computing_seconds']:.0f} s of computing")


if __name__ == "__main__":
    main()
