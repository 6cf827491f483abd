"""A progress bar is stopped at any moment without a word of its own."""

import gc
import io
import sys

import pytest

from replaylib.data.progress import Bar


class Stopped(Bar):
    """Ctrl-C comes while it is shown for the first time, which is before it is all made."""

    def refresh(self, *_: object, **__: object) -> bool:
        raise KeyboardInterrupt


def test_bar_that_is_stopped_while_it_is_made_says_nothing(monkeypatch):
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    with pytest.raises(KeyboardInterrupt):
        Stopped(total=3, file=io.StringIO())
    gc.collect()
    assert not said


def test_bar_shows_how_far_it_is():
    shown = io.StringIO()
    with Bar(total=2, unit="run", file=shown, mininterval=0) as bar:
        bar.update()
    assert "0/2 [00:00<?" in shown.getvalue()
    assert "1/2" in shown.getvalue()
