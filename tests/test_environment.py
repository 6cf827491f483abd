"""The environments that every make target stands on: made once, made again when what they are made from changes."""

import ast
import subprocess
import sys
from pathlib import Path

import course
import environment
import pytest


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A project in an empty folder; the commands that would be run for it, instead of running them."""
    for name, text in {"requirements.txt": "uv==1.2\nnumpy==2.0\n", "pyproject.toml": ""}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "colab-requirements.in").write_text("numpy\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "MAIN", tmp_path / ".venv")
    monkeypatch.setattr(environment, "COLAB", tmp_path / ".venv-colab")
    ran: list[str] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append(" ".join(map(str, command)))
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True, exist_ok=True)
            (Path(command[-1]) / "bin" / "python").touch()
        return subprocess.CompletedProcess(command, 0, sys.version)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["environment.py"])
    return ran


def test_environment_is_made_once(commands: list[str]) -> None:
    environment.main()
    assert [command.split(" -m ")[1].split()[0] for command in commands] == ["venv", "pip", "uv", "uv"]
    assert commands[1].endswith("install --quiet uv==1.2")
    assert "--compile-bytecode" in commands[2]
    commands.clear()
    environment.main()
    assert commands == []


def test_changed_requirements_are_installed_into_the_same_environment(commands: list[str], tmp_path: Path) -> None:
    environment.main()
    commands.clear()
    (tmp_path / "requirements.txt").write_text("uv==1.3\n")
    environment.main()
    assert not any(" -m venv " in command for command in commands)
    assert any("--requirement" in command for command in commands)


def test_copied_environment_is_made_again(commands: list[str], tmp_path: Path) -> None:
    environment.main()
    (tmp_path / ".venv" / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    (tmp_path / ".venv" / "made-from").write_text("elsewhere")
    commands.clear()
    environment.main()
    assert " -m venv " in " ".join(commands)


def test_environment_may_be_a_link_and_what_it_leads_to_is_not_removed(commands: list[str], tmp_path: Path) -> None:
    roomy = tmp_path / "roomy"
    (tmp_path / ".venv").symlink_to(roomy)
    with pytest.raises(SystemExit, match=r"\.venv is a link to .*roomy.*: remove the link"):
        environment.main()
    roomy.mkdir()
    environment.main()
    assert (roomy / "made-from").exists()
    (roomy / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    (roomy / "made-from").write_text("elsewhere")
    commands.clear()
    with pytest.raises(SystemExit, match="no environment that this Python made for this folder"):
        environment.main()
    assert (roomy / "bin" / "pip").exists()
    assert not any(" -m venv " in command for command in commands)


def test_failed_step_leaves_no_stamp(commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    succeeding = subprocess.run

    def failing(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        finished = succeeding(command, **options)  # type: ignore[call-overload]
        return subprocess.CompletedProcess(command, "--requirement" in command, finished.stdout)

    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(SystemExit, match="error: this step failed"):
        environment.main()
    assert not (tmp_path / ".venv" / "made-from").exists()


def test_colab_environment_is_pinned_unless_the_newest_is_asked_for(
    commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["environment.py", "--colab"])
    environment.main()
    assert "--constraint" in commands[-1]
    commands.clear()
    environment.main()
    assert commands == []
    monkeypatch.setattr(sys, "argv", ["environment.py", "--colab", "--newest"])
    environment.main()
    assert "--constraint" not in commands[-1]


def test_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, and this is 3\.9 .*make PYTHON=python3\.12"):
        environment.main()


def test_script_can_be_read_by_an_old_python() -> None:
    source = (course.ROOT / "tools" / "environment.py").read_text(encoding="utf-8")
    assert ast.parse(source, feature_version=(3, 6)).body
