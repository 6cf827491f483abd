"""Fixtures: the library and a kernel as in Colab, in a bare environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import course
import pytest

ROOT = course.ROOT
COLAB = ROOT / ".venv-colab"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as Colab would install it, built from this folder without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    [built] = folder.glob("replaylib-*.whl")
    return built


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of `.venv-colab`, as when a runtime starts: made once, for it has tens of thousands of files."""
    if not COLAB.exists():
        pytest.fail(".venv-colab is missing: run `make setup-colab`, or `make test`")
    copy = tmp_path_factory.mktemp("colab") / "runtime"
    # Links, for PyTorch is large: what is installed or removed in a copy replaces links, and never writes through one.
    shutil.copytree(COLAB, copy, symlinks=True, copy_function=linked)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def runtime(environment: Path) -> Iterator[Path]:
    """The interpreter of a bare environment of its own. When a test ends, all must be as it was but for the library."""
    python = environment / "bin" / "python"
    before = distributions(python)
    yield python
    subprocess.run([str(python), "-m", "pip", "uninstall", "-qqy", "replaylib"], check=True)
    assert distributions(python) == before, "a notebook installed or removed something else than the library"


def distributions(python: Path) -> dict[str, str]:
    """The names and versions of all that is installed beside an interpreter."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    process = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(process.stdout)
    return versions


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target, follow_symlinks=False)


@pytest.fixture
def colab(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel named `colab` in the bare environment; its empty working folder."""
    spec = {
        "argv": [str(runtime), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
        "env": {"COLAB_RELEASE_TAG": "release-colab_test", "OMP_NUM_THREADS": "1"},
    }
    kernel = tmp_path / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("REPLAYLIB_PROFILE", "quick")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    empty = tmp_path / "content"
    empty.mkdir()
    return empty
