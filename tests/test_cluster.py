"""Workers of Dask: what is lost with one of them, or with the command that asked, is not lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replaylib.cli.main import main
from replaylib.errors import InputError
from replaylib.lab import cluster, resume

ROOT = Path(__file__).resolve().parents[1]
RUNS = 12
#: A method of one's own that notes each time that a training begins, or goes on.
NOTING = """
import os
from replaylib import METHODS, register
gr = METHODS["gr"].make

@register.method("noting", "generative replay that notes when it begins")
def noting(plan):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    return gr(plan, noise_dim=20)
"""


def wait_for(happened, seconds=900):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.1)


@pytest.fixture
def dask(tmp_path):
    """A scheduler and two workers on loopback, as three processes: its address, the workers, what they say."""
    told = {"cwd": ROOT, "env": {**os.environ, "OMP_NUM_THREADS": "1", "NOTES": str(tmp_path / "notes")}}
    started = []

    def start(module, *arguments):
        with (tmp_path / f"said-{len(started)}").open("w") as said:
            command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
            started.append(subprocess.Popen(command, stdout=said, stderr=said, **told))
        return started[-1]

    where = tmp_path / "scheduler.json"
    start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(where))
    wait_for(where.exists)
    address = json.loads(where.read_text())["address"]
    workers = [start("dask_worker", address, "--nthreads", "1", "--no-nanny") for _ in range(2)]
    yield address, workers, lambda: "".join(path.read_text() for path in sorted(tmp_path.glob("said-*")))
    for one in started:
        one.kill()
        one.wait()


def test_a_lost_worker_and_a_lost_command_lose_no_run_and_repeat_none(dask, tmp_path):
    address, workers, said = dask
    folder, module = tmp_path / "runs", tmp_path / "noting.py"
    module.write_text(NOTING)
    command = [sys.executable, "-m", "replaylib", "--with", str(module), "sweep", "split-digits", "--methods", "noting"]
    command += ["--seeds", str(RUNS), "--set", "iterations=60", "--save", str(folder), "--scheduler", address]

    def client():
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stored():
        return len(list(folder.glob("*.json")))

    first = client()
    wait_for(lambda: stored() >= 3)
    first.kill()
    first.communicate()
    second = client()
    wait_for(lambda: stored() >= RUNS // 2)

    def held_by_the_first_with_a_state():
        claims = {path.stem: json.loads(path.read_text() or "{}").get("process") for path in folder.glob("*.claim")}
        states = {path.parent.name for path in (folder / resume.FOLDER).glob("*/state")}
        return [name for name, process in claims.items() if process == workers[0].pid and name in states]

    wait_for(held_by_the_first_with_a_state)
    workers[0].send_signal(signal.SIGSTOP)  # so that nothing changes between the look and the end
    (lost,) = held_by_the_first_with_a_state()
    workers[0].kill()
    workers[0].wait()
    out, _ = second.communicate(timeout=900)
    assert second.returncode == 0, out + said()

    seeds = [json.loads(path.read_text())["experiment"]["seed"] for path in folder.glob("*.json")]
    assert sorted(seeds) == list(range(RUNS))
    assert not list(folder.glob("*.claim"))
    assert not (folder / resume.FOLDER).exists()
    assert re.search(rf"{lost}/state: going on from where it was stopped", said())
    # Each began once, but for the one that was lost.
    assert len((tmp_path / "notes").read_text().splitlines()) == RUNS + 1


def test_a_scheduler_that_is_not_there_and_workers_with_several_threads_are_named(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "PATIENCE", "0.5s")
    assert main(["sweep", "split-digits", "--save", "/dev/shm/none", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    said = capsys.readouterr().err
    assert "no scheduler of Dask at tcp://127.0.0.1:9" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no TOML file with a table [cluster] ('cluster')"),
        ("[cluster", "no TOML file with a table [cluster]"),
        ("[cluster]\nkind = 'slrum'", "Did you mean slurm"),
        ("[cluster]\nkind = 'slurm'\nlanes = 3\ncores = 1\nmemory = '1GB'", "slurm does not take this"),
        ("[cluster]\nkind = 'slurm'", "slurm does not take this (You must specify"),
        ("[cluster]\nkind = 'slurm'\njobs = 0\ncores = 1\nmemory = '1GB'", "jobs is 0: give a whole number from 1"),
    ],
)
def test_a_file_that_describes_no_cluster_is_named(tmp_path, text, says):
    file = tmp_path / "slurm.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"slurm\.toml") as refused, cluster.opened(file=file):
        pass
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_jobs_of_a_file_are_workers(tmp_path):
    file = tmp_path / "local.toml"
    file.write_text("[cluster]\nkind = 'local'\njobs = 1\nthreads_per_worker = 1\nmemory_limit = 0\n")
    with cluster.opened(file=file) as client:
        results = dict(cluster.results(client, abs, [-3, 2]))
    assert results == {-3: 3, 2: 2}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands of Slurm's names that run a job as a process group of its own, and a file that asks for one job."""
    (tmp_path / "bin").mkdir()
    # Dask removes the script as soon as it is submitted.
    started = 'cp "$1" job.$$\nsetsid bash job.$$ > job.$$.out 2>&1 &\necho Submitted batch job $!'
    for name, does in (("sbatch", started), ("scancel", "kill -- -$1")):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/bash\n{does}\n")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm.toml").write_text("[cluster]\nkind = 'slurm'\njobs = 1\ncores = 1\nmemory = '1GB'\n")
    return tmp_path


def test_a_job_that_is_killed_is_asked_for_again(slurm, monkeypatch):
    import dask

    monkeypatch.setattr(cluster, "UPKEEP", 0.5)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "0.5s"}),
        cluster.opened(file=slurm / "slurm.toml") as client,
    ):
        first, second = (client.submit(os.getpgid, 0, pure=False) for _ in range(2))
        group = first.result(timeout=120)
        assert second.result(timeout=120) == group != os.getpgid(0)
        os.killpg(group, signal.SIGKILL)
        again = client.submit(os.getpgid, 0, pure=False).result(timeout=120)
        assert again != group

    def gone():
        try:
            os.killpg(again, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(gone)


def test_a_job_that_is_refused_ends_the_command_with_the_schedulers_words(slurm, capsys):
    (slurm / "bin" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Memory is short' >&2\nexit 1\n")
    asked = ["sweep", "split-digits", "--methods", "none", "--scenarios", "class", "--seeds", "1", "--save", "runs"]
    assert main([*asked, "--cluster", "slurm.toml"]) == 2
    err = capsys.readouterr().err
    assert "slurm.toml: slurm does not take this (sbatch: error: Memory is short)" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_without_dask_it_is_said_how_to_get_it_and_how_to_do_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"pip install 'replaylib\[cluster\]', or start the same command"),
        cluster.opened(2),
    ):
        pass
