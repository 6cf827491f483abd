"""Make the project's environments, `.venv` and `.venv-colab`; do nothing while what they are made from is the same.

Uses the standard library only, and syntax that an old Python can read, so that it can say in words that it is too old.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
MAIN = ROOT / ".venv"
COLAB = ROOT / ".venv-colab"
# Once, here, and not at the start of each of the many processes that run pages and tests.
COMPILE = "--compile-bytecode"


def fail(message: str) -> None:
    sys.exit("error: " + message)


def key(*files: Path) -> str:
    """What an environment depends on: the files, the interpreter, and where it stands (scripts carry their path)."""
    parts = [sys.version, str(ROOT)] + [file.name + file.read_text(encoding="utf-8") for file in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def run(*command: object) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    finished = subprocess.run([str(part) for part in command], cwd=str(ROOT), env=environment)
    if finished.returncode:
        fail("this step failed, its message stands above: " + " ".join(map(str, command)))


def interpreter(environment: Path) -> Path:
    return environment / "bin" / "python"


def fresh(environment: Path) -> bool:
    """True if the environment's interpreter runs and is the one that runs this file."""
    if not interpreter(environment).exists():
        return False
    answer = subprocess.run(
        [str(interpreter(environment)), "-c", "import sys; print(sys.version)"], stdout=subprocess.PIPE, text=True
    )
    return answer.returncode == 0 and answer.stdout.strip() == sys.version.strip()


def moved(environment: Path) -> bool:
    """True if the environment was made somewhere else and then copied or renamed: its scripts point there."""
    script = environment / "bin" / "pip"
    return script.exists() and str(environment) not in script.read_text(encoding="utf-8", errors="replace")


def make_main() -> None:
    """`.venv`: the pinned requirements, and the project itself, editable."""
    requirements = ROOT / "requirements.txt"
    stamp, now = MAIN / "made-from", key(requirements, ROOT / "pyproject.toml")
    if stamp.exists() and stamp.read_text() == now:
        return
    if os.path.lexists(MAIN) and (not fresh(MAIN) or moved(MAIN)):
        if not MAIN.is_symlink():
            print("making .venv again: it was made elsewhere, or by another Python", flush=True)
            shutil.rmtree(MAIN)
        elif not MAIN.exists() or any(MAIN.iterdir()):
            fail(
                f".venv is a link to {os.readlink(str(MAIN))}, where there is no environment that this Python made for "
                "this folder: remove the link, or let it lead to an empty folder"
            )
    if not interpreter(MAIN).exists():
        print("making .venv (about 6 GB on disk, most of it PyTorch with CUDA)", flush=True)
        if subprocess.run([sys.executable, "-m", "venv", str(MAIN)]).returncode:
            shutil.rmtree(MAIN, ignore_errors=True)
            fail("Python could not make an environment. On Debian and Ubuntu: apt install python3-venv")
    pinned = [line.split()[0] for line in requirements.read_text().splitlines() if line.startswith("uv==")]
    run(interpreter(MAIN), "-m", "pip", "install", "--quiet", *pinned)
    uv = [interpreter(MAIN), "-m", "uv", "pip", "install", "--quiet", COMPILE, "--python", interpreter(MAIN)]
    run(*uv, "--requirement", requirements)
    run(*uv, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    stamp.write_text(now)


def make_colab(newest: bool) -> None:
    """`.venv-colab`: only what Colab has, at the pinned versions, or at the newest ones."""
    names, requirements = ROOT / "tools" / "colab-requirements.in", ROOT / "requirements.txt"
    stamp, now = COLAB / "made-from", key(names, requirements) + (" newest" if newest else "")
    if stamp.exists() and stamp.read_text() == now:
        return
    print("making .venv-colab: only what Colab has, to run the notebooks in", flush=True)
    uv = [interpreter(MAIN), "-m", "uv"]
    # From nothing each time: a package left over from before would hide that a notebook needs it.
    run(*uv, "venv", "--quiet", "--clear", "--seed", "--python", interpreter(MAIN), COLAB)
    pins = [] if newest else ["--constraint", requirements]
    run(*uv, "pip", "install", "--quiet", COMPILE, "--python", interpreter(COLAB), "--requirement", names, *pins)
    stamp.write_text(now)


def main() -> None:
    if sys.version_info < OLDEST:
        fail(
            "the course needs Python {}.{} or newer, and this is {}.{} ({}). "
            "Name another one: make PYTHON=python3.12 ...".format(*OLDEST, *sys.version_info[:2], sys.executable)
        )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colab", action="store_true", help="make .venv-colab as well")
    parser.add_argument("--newest", action="store_true", help="newest versions in .venv-colab, not the pinned ones")
    choice = parser.parse_args()
    make_main()
    if choice.colab:
        make_colab(choice.newest)


if __name__ == "__main__":
    main()
