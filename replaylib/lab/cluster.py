"""Workers that share the runs of a sweep: processes of this machine, or of many, by Dask (the extra ``cluster``).

Dask is the only engine. It starts workers, hands out what is due, and gives what a lost worker had to another. Which
runs are stored, claimed or unfinished is in the folder of records, as for processes that know nothing of Dask.
"""

import importlib.util
import logging
import signal
import threading
import tomllib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from replaylib.errors import InputError, unknown

#: Schedulers of jobs, as a file for ``--cluster`` names them, and their classes in dask-jobqueue.
KINDS = {
    "slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster", "moab": "MoabCluster",
    "oar": "OARCluster", "htcondor": "HTCondorCluster", "local": "LocalCluster",
}  # fmt: skip
#: How often another worker tries what its worker was lost with, before that is a failure.
LOST = 3
#: Seconds after which jobs that have ended are asked for again, and after which it is said that none has started.
UPKEEP, SILENT = 20.0, 60.0
#: The time within which a scheduler has to answer.
PATIENCE = "20s"

if TYPE_CHECKING:
    from distributed import Client

What = TypeVar("What")


class Lost(RuntimeError):
    """The worker of a run was lost, and so was each other that tried it."""


def _dask(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"several workers need Dask ({error}): pip install 'replaylib[cluster]', or start the same command several "
            "times, for processes share a folder"
        ) from error


@contextmanager
def opened(
    workers: int | None = None,
    scheduler: str | None = None,
    file: Path | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Any]:
    """A client of Dask: of workers of this machine, of a scheduler that runs, or of jobs that a file describes.

    Parameters
    ----------
    workers : how many; with ``file``, how many jobs, each the file's ``processes`` workers.
    scheduler : its address, e.g. ``"tcp://10.0.0.1:8786"``. Its workers have a thread each (``--nthreads 1``).
    file : in TOML, the table ``cluster``: ``kind``, one of `KINDS`, ``jobs``, how many, and what dask-jobqueue's class
        of that kind takes, e.g. ``queue``, ``cores``, ``memory``, ``walltime``.
    say : called with the address of Dask's dashboard, where there is one.

    Raises
    ------
    InputError : Dask is not installed, the scheduler does not answer or its workers have several threads, or the file
        cannot be used.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: ask for 1 or more")
    distributed, dask = _dask("distributed"), _dask("dask")
    for noisy in ("distributed", "tornado.application", "asyncio"):  # a refused job is said once, by `_jobs`
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": LOST}))
        if scheduler is not None:
            client = _client(distributed, scheduler)
        elif file is not None:
            client = distributed.Client(stack.enter_context(_jobs(file, workers, say)))
        else:
            # What a run needs of memory is not Dask's to manage.
            with deaf_children():
                local = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=_dashboard(),
                    silence_logs=logging.CRITICAL,
                )  # fmt: skip
            client = distributed.Client(stack.enter_context(local))
        stack.enter_context(client)
        several = [name for name, one in client.scheduler_info(n_workers=-1)["workers"].items() if one["nthreads"] > 1]
        if several:
            raise InputError(
                f"worker {several[0]} has several threads, and a run takes one: start workers with --nthreads 1"
            )
        if _dashboard() is not None and client.dashboard_link:
            say(f"Dask's dashboard: {client.dashboard_link}")
        yield client


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C, which a terminal sends to them too; this one ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _dashboard() -> str | None:
    """Any free port, where the package is there that the dashboard needs."""
    return ":0" if importlib.util.find_spec("bokeh") else None


def _client(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"no scheduler of Dask at {address} ({reason}): start one with 'dask scheduler', which prints its address"
        ) from error


@contextmanager
def _jobs(file: Path, jobs: int | None, say: Callable[[str], None]) -> Iterator[Any]:
    """A cluster of jobs, as a file describes it; a job that ends before the block does is asked for again."""
    try:
        described = dict(tomllib.loads(file.read_text())["cluster"])
    except OSError as error:
        raise InputError(f"cannot read {file} ({error.strerror}): give a TOML file with a table [cluster]") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is no TOML file with a table [cluster] ({error}): see the page On a cluster"
        ) from error
    kind = described.pop("kind", "")
    if kind not in KINDS:
        raise unknown("kind of cluster", str(kind), KINDS, f"Give kind = one of {', '.join(KINDS)} in {file}.")
    count = jobs or described.pop("jobs", 1)
    described.pop("jobs", None)
    if type(count) is not int or count < 1:
        raise InputError(f"{file}: jobs is {count!r}: give a whole number from 1")
    cluster_class = getattr(_dask("distributed" if kind == "local" else "dask_jobqueue"), KINDS[kind])
    with ExitStack() as stack:
        try:
            if kind != "local":  # any free port: other sweeps may run on this machine
                described["scheduler_options"] = {"dashboard_address": ":0"} | described.get("scheduler_options", {})
            cluster = cluster_class(**described)
            stack.callback(_close, cluster)
            if kind == "local":
                cluster.scale(count)
            else:
                cluster.scale(jobs=count)
                cluster.sync(_asked_for, cluster)
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise InputError(
                f"{file}: {kind} does not take this ({_reason(error)}): see dask-jobqueue's {KINDS[kind]}"
            ) from error
        if kind != "local":
            stack.enter_context(_kept_up(cluster, count, say))
        yield cluster


async def _asked_for(cluster: Any) -> None:
    """Raises what the scheduler of jobs says against a job."""
    await cluster
    for job in list(cluster.workers.values()):  # what was refused has been tried, and Dask has told nobody
        await job


def _reason(error: Exception) -> str:
    """The first line of what went wrong; of a command that was refused, what the command said."""
    text = str(error)
    said = text.partition("stderr:")[2].strip() or text
    return said.partition("\n")[0]


def _close(cluster: Any) -> None:
    with suppress(Exception):  # Dask's own, about jobs that were refused
        cluster.close()


@contextmanager
def _kept_up(cluster: Any, count: int, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, ask again for jobs that have ended: their time was up, or they were killed."""
    ended = threading.Event()

    def keep_up() -> None:
        seen, waited = False, 0.0
        while not ended.wait(UPKEEP):
            with suppress(Exception):  # the scheduler of jobs may be away for a while
                cluster.scale(jobs=count)
                seen = seen or bool(cluster.scheduler_info["workers"])
            waited += UPKEEP
            if not seen and SILENT <= waited < SILENT + UPKEEP:
                say("no job has started yet: the scheduler's queue says why, or the file with a job's output")

    thread = threading.Thread(target=keep_up, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def results(
    client: "Client", function: Callable[..., object], asked: Sequence[What], *arguments: object
) -> Iterator[tuple[What, Any]]:
    """``function(one, *arguments)`` of each that is asked for, by some worker, as they come; `Lost` where none could.

    Raises
    ------
    InputError : the scheduler is gone, or what the function raises.
    """
    distributed = _dask("distributed")
    futures = {
        client.submit(function, one, *arguments, key=f"replaylib-{uuid.uuid4().hex}", pure=False): one
        for one in asked
    }  # fmt: skip
    try:
        for future in distributed.as_completed(futures):
            if future.status == "finished":
                yield futures[future], future.result()
                continue
            error = future.exception() if future.status == "error" else None
            if isinstance(error, distributed.KilledWorker):
                many = f"{LOST + 1} workers were lost with it, one after another, perhaps for want of memory"
                yield futures[future], Lost(many)
            elif isinstance(error, InputError):
                raise error
            elif error is not None:
                problem = f"a worker cannot do this ({type(error).__name__}: {error})"
                raise InputError(f"{problem}: it needs the same Python and the same library") from error
            else:
                kept = "what had ended is kept, and the same command goes on from there"
                raise InputError(f"the scheduler of Dask is gone: {kept}")
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.cancel(list(futures))


def device_here(name: str) -> str:
    """What a worker computes on: of several GPUs of one machine, the workers there take one each, by their number."""
    import torch  # which opening a cluster does without

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and (several := torch.cuda.device_count()) > 1:
        from distributed import get_worker

        own = str(get_worker().name)
        return f"cuda:{int(own) % several}" if own.isdigit() else name
    return name
