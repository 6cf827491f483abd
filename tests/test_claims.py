"""Several processes that share a folder: each run is computed by one of them, and none is lost."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replaylib.errors import InputError
from replaylib.lab.claims import Claims, running, shard, to_do

WORKER = """
import sys, time
from pathlib import Path
from replaylib.lab.claims import Claims
folder = Path(sys.argv[1])
with Claims(folder, 0.1, 1.0) as claims:
    for name in sys.argv[2].split(","):
        if not (folder / f"{name}.done").exists() and claims.take(name):
            if not (folder / f"{name}.done").exists():
                time.sleep(float(sys.argv[3]))
                with (folder / f"{name}.done").open("a") as file:
                    file.write("x")
            claims.give_back(name)
"""


def worker(folder, names, seconds=0.02):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder), ",".join(names), str(seconds)])


def test_what_one_has_another_has_not(tmp_path):
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("a")
        assert first.take("a")
        assert not second.take("a")
        assert second.others(["a", "b"]) == ["a"]
        assert list(running(tmp_path)) == ["a"]
        first.give_back("a")
        assert second.take("a")
    assert not list(tmp_path.iterdir())


def test_a_claim_that_nobody_touches_is_taken_over(tmp_path):
    with Claims(tmp_path, stale=50) as claims:
        (tmp_path / "a.claim").write_text("{}")
        assert not claims.take("a")
        long_ago = time.time() - 60
        os.utime(tmp_path / "a.claim", (long_ago, long_ago))
        assert claims.others(["a"]) == []
        assert claims.take("a")


def test_a_claim_is_touched_while_it_is_held(tmp_path):
    with Claims(tmp_path, beat=0.05) as claims:
        claims.take("a")
        long_ago = time.time() - 1000
        os.utime(tmp_path / "a.claim", (long_ago, long_ago))
        until = time.monotonic() + 20
        while (tmp_path / "a.claim").stat().st_mtime < time.time() - 100 and time.monotonic() < until:
            time.sleep(0.05)
        assert (tmp_path / "a.claim").stat().st_mtime > time.time() - 100


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot write to"):
        Claims(tmp_path / "none").take("a")


def test_three_processes_do_every_run_once_also_where_one_is_killed(tmp_path):
    names = [f"run{number}" for number in range(12)]
    first = worker(tmp_path, names, 60)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("*.claim")) and time.monotonic() < until:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    others = [worker(tmp_path, names) for _ in range(2)]
    assert [one.wait(120) for one in others] == [0, 0]
    time.sleep(1.2)  # what the killed one held is left behind now
    assert worker(tmp_path, names).wait(60) == 0
    assert {path.stem: path.read_text() for path in tmp_path.glob("*.done")} == dict.fromkeys(names, "x")


def test_two_that_were_asked_for_the_same_share_the_work_and_both_see_all_done(tmp_path):
    done, said = set(), []
    groups = [["a", "b"], ["c"], ["d", "e"]]
    with Claims(tmp_path, beat=0.05) as claims_a, Claims(tmp_path, beat=0.05) as claims_b:
        first = to_do(groups, claims_a, done.__contains__, said.append)
        second = to_do(groups, claims_b, done.__contains__, said.append)
        assert next(first) == ["a", "b"]
        assert next(second) == ["c"]
        done.update("ab")
        for name in "ab":
            claims_a.give_back(name)
        assert next(first) == ["d", "e"]
        done.update("cde")
        for name, claims in (("c", claims_b), ("d", claims_a), ("e", claims_a)):
            claims.give_back(name)
        assert list(first) == list(second) == []


def test_what_another_has_is_waited_for_and_taken_over_when_it_is_left(tmp_path):
    said = []
    with Claims(tmp_path, beat=0.05, stale=1.0) as claims:
        (tmp_path / "a.claim").write_text("{}")
        work = to_do([["a", "b"]], claims, lambda name: False, said.append)
        assert next(work) == ["b"]
        assert next(work) == ["a"]
        assert said == ["waiting for 1 run that other processes have"]
        assert list(work) == []  # neither was stored: not tried again


@given(st.sets(st.text("abcdef0123456789", min_size=12, max_size=12), max_size=60), st.integers(1, 40))
def test_shares_are_apart_and_leave_nothing_out(names, parts):
    shares = [shard(list(names), part, parts) for part in range(1, parts + 1)]
    assert sorted(name for share in shares for name in share) == sorted(names)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_share_that_is_none_is_named():
    for part in (0, 5):
        with pytest.raises(InputError, match=f"share {part}/4: give one from 1/4 to 4/4"):
            shard(["a"], part, 4)


def test_a_claim_that_another_has_taken_over_is_left_alone(tmp_path):
    with Claims(tmp_path, beat=0.02) as claims:
        assert claims.take("a")
        since = 1_000_000_000
        with (tmp_path / "a.claim").open("r+") as file:  # the same file, so that its number tells nothing
            file.truncate()
            file.write("another's")
        os.utime(tmp_path / "a.claim", (since, since))
        time.sleep(0.1)
        assert (tmp_path / "a.claim").stat().st_mtime == since, "it was touched"
        claims.give_back("a")
    assert (tmp_path / "a.claim").read_text() == "another's"


@pytest.mark.parametrize("links", [True, False])
def test_a_claim_that_was_taken_over_meanwhile_is_put_back(links, tmp_path, monkeypatch):
    def no_link(*_):
        raise PermissionError

    def left_behind(self, paths):
        (tmp_path / "a.claim").write_text("a third one's, made after the look")
        return set(paths)

    monkeypatch.setattr(Claims, "left_behind", left_behind)
    if not links:
        monkeypatch.setattr(os, "link", no_link)
    with Claims(tmp_path) as claims:
        (tmp_path / "a.claim").write_text("left behind")
        assert not claims.take("a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.claim"]
    assert (tmp_path / "a.claim").read_text() == "a third one's, made after the look"
