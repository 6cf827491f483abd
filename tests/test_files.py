"""Files are written whole or not at all, whatever the file system can do."""

import errno
import os
import stat

import pytest

from replaylib.data import files
from replaylib.errors import InputError


def no_links(*_):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")


def failing(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_whole_or_left_as_it_was(tmp_path):
    target = tmp_path / "file"
    target.write_text("before")
    with files.replacing(target, "never said") as part:
        part.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    with pytest.raises(ZeroDivisionError), files.replacing(target, "never said") as part:
        part.write_text(str(1 / 0))
    full = r"cannot write .*file \(No space left on device\): buy a disk"
    with pytest.raises(InputError, match=full), files.replacing(target, "buy a disk"):
        failing()
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("link", [os.link, no_links])
def test_a_file_is_created_once_for_all_who_may_read_files_here(tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    target, ordinary = tmp_path / "file", tmp_path / "ordinary"
    ordinary.touch()
    files.create(target, "first")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    with pytest.raises(FileExistsError):
        files.create(target, "second")
    assert target.read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 2


def test_without_hard_links_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="No space left"):
        files.create(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())


def test_a_link_that_fails_for_another_reason_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(OSError, match="No space left"):
        files.create(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())
