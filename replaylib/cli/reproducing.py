"""The command ``reproduce``: the runs behind a figure of the paper, and the figure."""

import argparse
from pathlib import Path

from replaylib.cli.commands import precision_for
from replaylib.cli.sweeping import performed
from replaylib.course import figure_files
from replaylib.course.reproduce import SETTINGS, draw, figure
from replaylib.data.files import shipped
from replaylib.errors import counted
from replaylib.lab import frames


def reproduce(options: argparse.Namespace) -> None:
    """``reproduce``: the runs behind a figure, and the figure."""
    chosen = figure(options.figure)
    out = options.out or Path(f"{chosen.name}.svg")
    figure_files.check(out)
    options.precision = precision_for(options)
    chosen_settings = {name: getattr(options, name) for name in SETTINGS}
    asked = chosen.experiments(options.protocol, options.seeds, options.methods, **chosen_settings)
    kept = performed(chosen.name, asked, options, [*map(shipped, frames.FOLDERS)], chosen.measured)
    if options.plan:
        return
    if missing := [e for e in asked if e.id not in kept]:
        print(f"{out} is not drawn before other shares have stored {counted(len(missing), 'run')}")
        return
    print(draw(chosen, [kept[e.id] for e in asked], out))
