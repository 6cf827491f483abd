"""How much submissions are alike: `python -m grading.similarity 1_forgetting handed_in/` writes a page of pairs.

The comparison is copydetect's (winnowing, as in Stanford's MOSS): names, comments and spaces do not count, and neither
does what the notebook gave to everyone. Nothing is run.
"""

import argparse
import contextlib
import io
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grading import cells
from grading.assignment import clean
from grading.sandbox import ROOT
from grading.submissions import collected
from replaylib.data.files import replacing, writable
from replaylib.errors import InputError

GIVEN = ROOT / "chapters" / "assignments"
# Tokens in a row that are surely found, and that are the least that is looked at: a line or two.
SURELY, LEAST = 40, 25
NOT_IN_NAMES = re.compile(r"[^\w -]")


@dataclass(frozen=True)
class Pair:
    """Two submissions, by their students, and the larger of the shares of one that is found in the other, 0 to 1."""

    one: str
    other: str
    share: float


def code(notebook: bytes) -> str:
    """A notebook's code cells, as one text; raises ValueError."""
    return "\n\n".join(cells.sources(cells.parsed(notebook)))


def compared(folder: Path, given: bytes, least: float) -> tuple[list[Pair], str, list[str]]:
    """Pairs of submissions that share at least so much, the most alike first; a report in HTML; what was left out.

    Parameters
    ----------
    given : the notebook that all of them began with.

    Raises
    ------
    InputError : copydetect is not installed, or there are not two submissions.
    """
    try:
        from copydetect import CopyDetector
    except ImportError:
        raise InputError("copydetect is missing: pip install copydetect, or the extra `similarity`") from None
    submissions, told = collected(folder)
    with tempfile.TemporaryDirectory() as temporary:
        texts, ours, report = Path(temporary) / "theirs", Path(temporary) / "ours", Path(temporary) / "report.html"
        texts.mkdir()
        ours.mkdir()
        (ours / "given.py").write_text(code(given), encoding="utf-8")
        names = {}
        for place, one in enumerate(submissions, 1):
            try:
                text = code(one.read())
            except (OSError, ValueError) as error:
                told.append(f"{one.path}: not compared, {error}")
                continue
            name = f"{place:03d} {re.sub(NOT_IN_NAMES, '', one.student)[:60]}.py"
            (texts / name).write_text(text, encoding="utf-8", errors="replace")
            names[name] = clean(one.student)
        if len(names) < 2:
            raise InputError(f"{len(names)} submissions that can be read in {folder}: two are needed to be compared")
        detector = CopyDetector(
            test_dirs=[str(texts)], boilerplate_dirs=[str(ours)], extensions=["py"], noise_t=LEAST, guarantee_t=SURELY,
            display_t=least, autoopen=False, silent=True, force_language="python", out_file=str(report),
        )  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            detector.run()
            copied = detector.get_copied_code_list()
            detector.generate_html_report()
        page = report.read_text(encoding="utf-8").replace(f"{texts}/", "")
    pairs = [Pair(names[Path(one[2]).name], names[Path(one[3]).name], max(one[0], one[1])) for one in copied]
    return sorted(pairs, key=lambda pair: -pair.share), page, told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.similarity", description=__doc__)
    parser.add_argument("assignment", help="which one, like 1_forgetting")
    parser.add_argument("folder", type=Path, help="the folder of submissions, as for grading")
    parser.add_argument("--given", type=Path, help="the notebook that all began with (default: the assignment's)")
    parser.add_argument("--at-least", type=float, default=70, help="percent that a pair shares (default: %(default)g)")
    parser.add_argument("--out", type=Path, help="the page (default: ASSIGNMENT.similarity.html in the working folder)")
    asked = parser.parse_args()
    try:
        target = (asked.out or Path(f"{asked.assignment}.similarity.html")).absolute()
        given = asked.given or GIVEN / f"{asked.assignment}.ipynb"
        if not asked.folder.is_dir():
            raise InputError(f"{asked.folder} is not a folder: name the one that holds the submissions")
        if not given.is_file():
            raise InputError(f"{given} is not there: name the notebook that all began with, with --given")
        if not 0 <= asked.at_least < 100:
            raise InputError(f"--at-least is {asked.at_least:g}: expected percent, 0 to below 100")
        writable(target.parent, "name another place with --out")
        pairs, page, told = compared(asked.folder.resolve(), given.read_bytes(), asked.at_least / 100)
    except InputError as error:
        sys.exit(f"error: {error}")
    with replacing(target, "close it where it is open, or name another with --out") as half:
        half.write_text(page, encoding="utf-8")
    print("\n".join(map(clean, told)), end="\n" if told else "")
    for pair in pairs:
        print(f"{pair.share:4.0%}  {pair.one}  |  {pair.other}")
    print(f"{target}: {len(pairs)} pairs that share {asked.at_least:g} % or more; look at them, alike is not copied")


if __name__ == "__main__":
    main()
