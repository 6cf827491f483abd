"""Execute the book's pages, several at once, into the cache from which the book is then built.

A page whose code is in the cache already is left alone. One that fails is left out of the cache: Sphinx meets it again
and says, as it does for a page that it executes itself, which cell failed and why.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

#: A page's kernel computes in one thread, so as many as there are processors; each takes about 1 GB of memory.
MOST_PROCESSES = 4


def notebook(path: Path, extensions: Iterable[str]) -> nbformat.NotebookNode | None:
    """A page as the notebook that Sphinx will execute, or None if it has no code to execute."""
    text = path.read_text(encoding="utf-8")
    if not is_myst_markdown_notebook(text):
        return None
    read = read_myst_markdown_notebook(text, MdParserConfig(enable_extensions=set(extensions)), path=path)
    return read if any(cell.cell_type == "code" for cell in read.cells) else None


@dataclass(frozen=True)
class Executed:
    """What executing a page took, now or when it came into the cache."""

    path: Path
    seconds: float
    #: Of a processor, which does not depend on what else the machine did.
    computing: float
    now: bool


def children_seconds() -> float:
    """Processor time of all ended processes that this one had started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(path: Path, page: nbformat.NotebookNode, timeout: int | None) -> tuple[nbformat.NotebookNode, dict[str, float]]:
    """The executed notebook, and what that took; nothing of the latter if it failed."""
    before = children_seconds()
    done = single_nb_execution(page, cwd=str(path.parent), timeout=timeout, allow_errors=False)
    took = {"execution_seconds": done.time, "computing_seconds": children_seconds() - before}
    return done.nb, {} if done.err else took


def execute(
    paths: Iterable[Path], folder: Path, extensions: Iterable[str], timeout: int | None, processes: int | None = None
) -> Iterator[Executed]:
    """Execute the pages that are not in the cache, and yield each when it ends; one that failed is left out.

    Parameters
    ----------
    folder : of the cache, the one that Sphinx looks in.
    extensions : of Markdown, as in `_config.yml`, so that pages are cut into cells as Sphinx cuts them.
    timeout : seconds that one cell may take; None for no limit. A page may set its own as `mystnb: execution_timeout`.
    processes : pages at once; None for one a processor, up to `MOST_PROCESSES`.
    """
    cache = get_cache(str(folder))
    extensions = tuple(extensions)
    todo = []
    for path in paths:
        page = notebook(path, extensions)
        if page is None:
            continue
        try:
            took = cache.match_cache_notebook(page).data
        except KeyError:
            todo.append((path, page, page.metadata.get("mystnb", {}).get("execution_timeout", timeout)))
        else:
            seconds = took["execution_seconds"]
            yield Executed(path, seconds, took.get("computing_seconds", seconds), now=False)
    workers = min(processes or min(os.cpu_count() or 1, MOST_PROCESSES), len(todo))
    if not workers:
        return
    with ProcessPoolExecutor(workers) as pool:
        running = {pool.submit(run, *page): page[0] for page in todo}
        for ended in as_completed(running):
            path = running[ended]
            executed, took = ended.result()
            if took:
                # The database is written by this process alone.
                bundle = CacheBundleIn(executed, str(path), data=took)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                yield Executed(path, took["execution_seconds"], took["computing_seconds"], now=True)
