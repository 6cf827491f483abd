"""What is published holds no solution, no hidden test and no trace of them; and it works without them."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import course
import public_tree
import pytest

from tests.colab import wheel

__all__ = ["wheel"]  # a fixture

pytestmark = pytest.mark.xdist_group("assignments")
ROOT = course.ROOT


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the project's tree in a commit of its own."""
    root = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file() and not name.startswith("book/results/"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a tree"]):
        public_tree.git(root, "-c", "user.name=x", "-c", "user.email=x@x", *arguments)
    public_tree.git(root, "config", "user.name", "x")
    public_tree.git(root, "config", "user.email", "x@x")
    return root


def test_public_tree_holds_nothing_secret_and_all_else(copy: Path) -> None:
    commit, new = public_tree.publish(copy)
    assert new
    assert public_tree.publish(copy) == (commit, False), "the same tree is published once"
    files = public_tree.tracked(copy, commit)
    everything = public_tree.tracked(copy, "HEAD")
    assert {name for name in everything if not name.startswith("instructors/")} == set(files)
    secret = public_tree.secrets(ROOT)
    assert len(secret) > 500
    assert public_tree.leaks(files, secret) == []
    assert public_tree.leaks(everything, secret) != []
    assert public_tree.git(copy, "log", "--format=%H", "public") == commit, "its history never had the secrets"


@pytest.mark.parametrize("where", ["chapters/notes.md", "replaylib/x.py", "a.zip", "b.ipynb"])
def test_leaks_are_found_wherever_they_are(where: str, tmp_path: Path) -> None:
    master = (ROOT / "instructors" / "assignments" / "2_replay_buffer.md").read_text()
    start = master.index("def check_room_for_one_and_for_three")
    stolen = master[start : master.index("```", start)]
    data = stolen.encode()
    if where.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("deep/inside.txt", stolen)
        data = (tmp_path / "a.zip").read_bytes()
    if where.endswith(".ipynb"):
        import json

        data = json.dumps({"cells": [{"cell_type": "markdown", "source": stolen.splitlines(keepends=True)}]}).encode()
    assert len(public_tree.leaks({where: data}, public_tree.secrets(ROOT))) == 1


def test_wheel_holds_nothing_secret(wheel: Path) -> None:
    assert public_tree.leaks({wheel.name: wheel.read_bytes()}, public_tree.secrets(ROOT)) == []


def test_public_tree_checks_and_readdresses_its_notebooks_without_masters(copy: Path, tmp_path: Path) -> None:
    commit, _ = public_tree.publish(copy)
    for name, data in public_tree.tracked(copy, commit).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "tools/assignments.py", *arguments]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert tool("--check").returncode == 0
    config = tmp_path / "_config.yml"
    config.write_text(
        config.read_text().replace(course.settings()["repository"]["url"], "https://github.com/some/fork")
    )
    assert "does not match" in tool("--check").stdout
    assert "no masters here" in tool().stdout
    assert tool("--check").returncode == 0
    for notebook in (tmp_path / "chapters" / "assignments").glob("*.ipynb"):
        text = notebook.read_text()
        assert "https://github.com/some/fork/archive" in text
        assert course.settings()["repository"]["url"] not in text
        assert course.site(course.settings()["repository"]["url"]) not in text
