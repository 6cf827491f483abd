"""The library's parts: what may import what, what is offered at the top, and what `import replaylib` does not load."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import replaylib

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "replaylib"


def fresh(code: str) -> str:
    """What a new process prints."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def lint_imports(*options: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter", reason="`make test-versions` installs what the library needs, and no linters")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_every_import_keeps_to_the_layers():
    ran = lint_imports()
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_import_against_the_layers_is_found(tmp_path):
    """With the layers of `course` and `lab` exchanged, and with drawing allowed to the command line alone."""
    described = (ROOT / "pyproject.toml").read_text()
    against = described.replace('"course", "lab",', '"lab", "course",')
    against = against.replace('allowed_importers = ["replaylib.course"]', 'allowed_importers = ["replaylib.cli"]')
    other = tmp_path / "pyproject.toml"
    other.write_text(against)
    ran = lint_imports("--config", str(other))
    assert ran.returncode == 1
    assert "2 kept, 2 broken" in ran.stdout
    assert "replaylib.course.figures" in ran.stdout


def test_importing_the_library_loads_nothing_that_draws_or_downloads():
    heavy = {"matplotlib", "seaborn", "IPython", "ipywidgets", "torchvision", "sklearn", "pandas", "torch"}
    code = "import sys, replaylib; print(*{name.split('.')[0] for name in sys.modules})"
    assert not heavy & set(fresh(code).split())


def test_training_loads_nothing_that_draws_or_downloads():
    heavy = {"matplotlib", "seaborn", "IPython", "ipywidgets", "torchvision", "sklearn"}
    code = "import sys; from replaylib import *; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(fresh(code).split())
    assert "torch" in loaded
    assert not heavy & loaded


def test_the_loop_is_a_function_at_the_top():
    assert fresh("import replaylib; print(replaylib.train.__module__)").strip() == "replaylib.loop"


def test_what_is_offered_exists_and_nothing_else_does():
    assert all(getattr(replaylib, name) is not None for name in replaylib.__all__)
    assert set(replaylib.__all__) <= set(dir(replaylib))
    with pytest.raises(AttributeError, match="trane"):
        _ = replaylib.trane


def modules() -> set[str]:
    names = (path.relative_to(LIBRARY).with_suffix("").as_posix().replace("/", ".") for path in LIBRARY.rglob("*.py"))
    return {name for name in names if not name.endswith("__init__")}


def test_every_module_that_a_user_may_import_is_described_on_one_page():
    described = [
        line.removeprefix(".. automodule:: replaylib.")
        for page in (ROOT / "book" / "api").glob("*.md")
        for line in page.read_text().splitlines()
        if line.startswith(".. automodule::")
    ]
    # How files come and are written, and how the command line reads its options, is nobody's business but theirs.
    inside = {"_version", "__main__", "course.earlier.checks", "course.earlier.earlier"} | {
        f"data.{name}"
        for name in ("decode", "files", "symbols", "known", "folders", "downloads", "official", "progress")
    }
    assert sorted(described) == sorted(name for name in modules() - inside if not name.startswith("cli."))


def test_no_file_of_the_library_is_longer_than_300_lines():
    long = {path.name: n for path in LIBRARY.rglob("*.py") if (n := len(path.read_text().splitlines())) > 300}
    assert long == {}


def test_a_module_that_is_offered_is_found_in_a_process_that_has_loaded_nothing():
    """`from replaylib import register` is the first line of a file of one's own."""
    for name in ("register", "quality"):
        assert fresh(f"from replaylib import {name}; print({name}.__name__)").strip() == f"replaylib.lab.{name}"


def test_the_science_is_a_dozen_modules_that_one_can_read():
    beside = {"__init__", "__main__", "_version"}
    science = [path for path in LIBRARY.glob("*.py") if path.stem not in beside]
    assert len(science) <= 13
    lines = sum(len(path.read_text().splitlines()) for path in science)
    said = (ROOT / "README.md").read_text().partition("To read it, open the twelve files")[2].partition("If you")[0]
    assert sorted(path.stem for path in science) == sorted(re.findall(r"`(\w+)`", said.partition(":")[2]))
    assert lines <= 2500


def test_the_map_of_contributing_is_true():
    """Each module of the library stands in its part's row, each name in a row is a module, and each path is there."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| `data`", "| `lab", "| `course`"))]
    for part in ("data", "lab", "course"):
        said = " ".join(row for row in rows if row.startswith(f"| `{part}`"))
        named = set(re.findall(r"`(\w+)`", said)) - {"data", "lab", "course"}
        assert named == {path.stem for path in (LIBRARY / part).glob("*.py")} - {"__init__"}
    paths = re.findall(r"`((?:book|chapters|grading|replaylib|tests|tools)/[\w./]+)`", page)
    assert len(paths) > 10
    assert not [path for path in paths if not (ROOT / path).exists()]
