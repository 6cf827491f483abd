"""Build the book: execute what changed, warnings are errors, say where the site is."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))  # course.py, which the book's own extension uses too

import course  # noqa: E402
from execute import execute  # noqa: E402

BUILD = ROOT / "_build"
SITE = BUILD / "html"
LINES_OF_REPORT = 20
#: Seconds of computing that a chapter should stay below in the quick profile.
LONG = 60


def content(*folders_and_files: Path) -> str:
    """A hash of the names and bytes of files, those in folders included."""

    def files() -> Iterable[Path]:
        for path in folders_and_files:
            yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]

    digest = hashlib.sha256()
    for file in files():
        if "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def forget_if_changed(name: str, state: str, *stale: Path) -> None:
    """Remove the stale folders unless this state is the one they were made in."""
    record = BUILD / f"made-from-{name}"
    if not record.exists() or record.read_text() != state:
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
        BUILD.mkdir(exist_ok=True)
        record.write_text(state)


def failure(report: Path) -> str:
    """The beginning of the failed cell and the end of its traceback, without colours and the tools' own frames."""
    text = re.sub(r"\x1b\[[\d;]*m", "", report.read_text(encoding="utf-8")).rstrip()
    lines = text.rpartition("CellExecutionError: ")[2].splitlines()
    if len(lines) > 2 * LINES_OF_REPORT:
        lines[LINES_OF_REPORT:-LINES_OF_REPORT] = ["..."]
    return "\n".join(lines)


def set_up_ipython() -> None:
    """Kernels that start as on any other machine, whatever the reader's own IPython runs first, and that do not warn.

    They talk to this process alone, on this machine, so that it does not matter that they do not encrypt.
    """
    folder = BUILD / "ipython" / "profile_default"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "ERROR"\n')
    os.environ["IPYTHONDIR"] = str(folder.parent)


def execute_pages(profile: str) -> list[str]:
    """Execute what is not in the cache, and return a warning for each page that took long."""
    settings = course.settings(ROOT)
    options = settings["execute"]["timeout"] if profile == "quick" else None, 1 if profile == "paper" else None
    warnings = []
    paths = [ROOT / f"{page}.md" for page in course.listed(ROOT)]
    extensions = settings["parse"]["myst_enable_extensions"]
    for done in execute(paths, BUILD / ".jupyter_cache", extensions, *options):
        page = done.path.relative_to(ROOT).with_suffix("").as_posix()
        if done.now:
            print(f"executed {page} in {done.seconds:.0f} s, {done.computing:.0f} s of computing", flush=True)
        if profile == "quick" and done.computing > LONG:
            warnings.append(
                f"warning: {page} took {done.computing:.0f} s of computing; in the quick profile {LONG} s is the most"
            )
    return sorted(warnings)


def main() -> None:
    profile = os.environ.setdefault("REPLAYLIB_PROFILE", "quick")
    if profile not in ("quick", "paper"):
        sys.exit(f"error: PROFILE={profile} is not a profile: choose quick or paper")
    if profile == "quick":
        # Networks this small gain nothing from more threads, and their results then depend less on the machine.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["REPLAYLIB_FOR_THE_BOOK"] = "1"  # figures are drawn for narrow screens as well
    set_up_ipython()
    # The notebook cache looks at a chapter's own cells, and Sphinx at its text: what the cells use is looked at here.
    used = content(ROOT / "replaylib", ROOT / "book" / "results", ROOT / "requirements.txt")
    forget_if_changed("cells", used + profile, BUILD / ".jupyter_cache", BUILD / ".doctrees", SITE)
    looks = content(ROOT / "book" / "_ext", ROOT / "book" / "_static", ROOT / "_config.yml", ROOT / "_toc.yml")
    forget_if_changed("looks", looks, BUILD / ".doctrees", SITE)

    warnings = execute_pages(profile)
    shutil.rmtree(SITE / "reports", ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ROOT, "--warningiserror", "--keep-going"]
    built = subprocess.run([str(part) for part in command], cwd=ROOT)
    print("\n".join(warnings), file=sys.stderr, end="\n" * bool(warnings))
    if built.returncode == 0:
        print(f"The book is built: {SITE / 'index.html'}\nTo read it in a browser: make serve")
        if course.is_placeholder(course.settings(ROOT)["repository"]["url"]):
            print(
                "No repository address is set, so pages have no launch buttons: make address URL=https://github.com/you/it"
            )
        return
    # A page that was read once is not read again, and would not repeat its warnings; executed chapters stay cached.
    shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    for report in sorted(SITE.glob("reports/**/*.err.log")):
        chapter = report.relative_to(SITE / "reports").as_posix().removesuffix(".err.log")
        print(f"\n--- {chapter}: the cell that failed (the whole report: {report})\n{failure(report)}", file=sys.stderr)
    sys.exit("\nerror: the book was not built; the warnings and errors above say why")


if __name__ == "__main__":
    main()
