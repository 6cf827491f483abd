"""The command ``reproduce``: the runs behind a figure of the paper, and the figure."""

import argparse
from pathlib import Path

from replaylib.cli.commands import precision_for
from replaylib.cli.sweeping import performed
from replaylib.course import figure_files
from replaylib.course.reproduce import SETTINGS, draw, figure
from replaylib.data.files import shipped
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
        which = "1 run of another share is" if len(missing) == 1 else f"{len(missing)} runs of other shares are"
        print(f"{out} is not drawn, for {which} not there yet")
        return
    print(draw(chosen, [kept[e.id] for e in asked], out))
