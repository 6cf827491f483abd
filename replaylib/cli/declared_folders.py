"""What the commands about folders of records can be told."""

import argparse

from replaylib.cli.telling import names, path, shown


def results(sub: argparse.ArgumentParser) -> None:
    """The options of ``results``."""
    sub.add_argument("folder", type=path, help="of records; folders in it count")
    sub.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE",
        help="only runs of which this is true, a method's own options included; again",
    )  # fmt: skip
    sub.add_argument("--runs", action="store_true", help="a row a run, with all that is known of it")
    versus = sub.add_mutually_exclusive_group()
    versus.add_argument("--compare", type=names, default=(), metavar="A,B", help="how much higher method B is than A")
    versus.add_argument("--against", type=path, metavar="FOLDER", help="how much higher another folder's runs are")
    sub.add_argument("--csv", type=path, metavar="FILE", help="write the table as CSV, in the place of showing it")
    sub.add_argument("--latex", type=path, metavar="FILE", help="write the table for LaTeX's package booktabs")
    sub.add_argument(
        "--figure", type=path, metavar="FILE.png|.svg|.pdf", help="draw it: accuracy by method, or of the two compared"
    )
    shown(sub)


def status(sub: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    sub.add_argument("folder", type=path, help="of records")
    sub.add_argument("--of", type=path, metavar="FILE.toml", help="only the runs of this sweep, and which are due")
    shown(sub)


def command(sub: argparse.ArgumentParser) -> None:
    """The options of ``command``."""
    sub.add_argument("id", help="of an experiment, as 'results --runs' shows it")
    sub.add_argument("--folder", type=path, help="of records (default: the library's own, and the folder runs)")
