"""Submissions that are alike: a renamed copy comes first, and what all were given does not count."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import small_assignment as small

pytest.importorskip("copydetect", reason="the extra `similarity`")
ROOT = Path(__file__).resolve().parents[1]


def work(module: str) -> str:
    return (ROOT / "replaylib" / f"{module}.py").read_text(encoding="utf-8")


def renamed(source: str) -> str:
    """A copy with other names, other words and other spaces."""
    for old, new in (("matrix", "m"), ("task", "t_"), ("self", "me"), ("value", "v")):
        source = re.sub(rf"\b{old}\b", new, source)
    return re.sub(r'"""[^"]*"""', '"""Mine."""', source).replace("    ", "  ")


def compared(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (folder.parent / "given.ipynb").write_text(small.notebook(work("errors"), right=False))
    line = [
        sys.executable,
        "-m",
        "grading.similarity",
        small.NAME,
        str(folder),
        "--given",
        str(folder.parent / "given.ipynb"),
    ]
    return subprocess.run(
        [*line, "--out", str(folder.parent / "report.html"), *more], capture_output=True, text=True, cwd=ROOT
    )


def test_renamed_copy_is_found_and_what_was_given_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, source in (("anna", "metrics"), ("ben", "scenarios"), ("cem", "vae"), ("dora", "penalties")):
        (folder / f"{name}.ipynb").write_text(small.notebook(work("errors"), after=(work(source),)))
    (folder / "eve.ipynb").write_text(small.notebook(work("errors"), after=(renamed(work("metrics")),)))
    (folder / "fay.ipynb").write_text('{"cells": 3}')
    process = compared(folder)
    assert process.returncode == 0, process.stderr
    pairs = [line for line in process.stdout.splitlines() if "|" in line]
    assert len(pairs) == 1, process.stdout
    assert {"anna", "eve"} == set(re.findall("anna|eve", pairs[0]))
    assert "fay.ipynb: not compared, not a notebook that can be read" in process.stdout
    assert "anna" in (tmp_path / "report.html").read_text()


def test_wrong_use_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.ipynb").write_text(small.notebook())
    assert compared(tmp_path / "in").stderr.startswith("error: 1 submissions that can be read")
    assert "expected percent" in compared(tmp_path / "in", "--at-least", "100").stderr
    assert "is not a folder" in compared(tmp_path / "out").stderr
