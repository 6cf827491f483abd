"""Exercises in a notebook: a solution waits until it is asked for, and says so; an answer is checked."""

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from replaylib.course import exercises

CELL = "%%solution Solution to Exercise 1.1\nfound = 7"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    monkeypatch.setattr(exercises, "_asked", set())
    monkeypatch.setattr(exercises, "_waiting", ("", -1))
    InteractiveShell.clear_instance()
    instance = InteractiveShell.instance()
    instance.run_line_magic("load_ext", "replaylib.course.exercises")
    yield instance
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, *cells: str) -> list[bool]:
    return [shell.run_cell(cell, store_history=True).success for cell in cells]


def test_all_cells_run_once_or_twice_over_show_no_solution(shell, capsys):
    assert run(shell, "first = 1", CELL, "last = 3", "first = 1", CELL, "last = 3") == [True] * 6
    assert "found" not in shell.user_ns
    waits = "Solution to Exercise 1.1 waits until you ask for it: run this cell once more.\n"
    assert capsys.readouterr().out == waits * 2


def test_a_cell_run_twice_asks_for_its_whole_solution(shell):
    run(shell, CELL, CELL)
    assert shell.user_ns["found"] == 7
    run(shell, CELL.replace("found = 7", "more = found + 1"))
    assert shell.user_ns["more"] == 8


def test_another_solution_still_waits(shell):
    run(shell, CELL, CELL, CELL.replace("1.1", "1.2").replace("found", "other"))
    assert "other" not in shell.user_ns


def test_a_solution_that_fails_fails(shell, capsys):
    cell = CELL.replace("7", "1 / 0")
    assert run(shell, cell, cell) == [True, False]
    said = capsys.readouterr()
    assert "ZeroDivisionError" in said.out
    assert said.err == "UsageError: Solution to Exercise 1.1 stopped with ZeroDivisionError\n"


@pytest.mark.parametrize(
    ("answer", "right", "within", "words"),
    [
        (..., 130, 5, "Not answered yet"),
        (130, 130, 0, "Right."),
        ("130", 130, 0, "Right."),
        (np.float32(127.0), 130, 5, "Right."),
        (torch.tensor(127.0), 130, 5, "Right."),
        (124, 130, 5, "too small"),
        (137.0, 130, 5, "too large"),
        (float("nan"), 130, 5, "Not yet."),
        ("many", 130, 5, "not a number"),
        (None, 130, 5, "not a number"),
        (" Task 1", "task 1", 0, "Right."),
        ("task 2", "task 1", 0, "Not yet."),
        (3, "task 1", 0, "Not yet."),
        ([1, 2.04], [1, 2], 0.1, "Right."),
        (np.array([1, 3]), [1, 2], 0.1, "look at number 2"),
        ([1], [1, 2], 0.1, "not a list of 2"),
        (12, [1, 2], 0.1, "not a list of 2"),
    ],
)
def test_an_answer_is_checked(answer, right, within, words, capsys):
    exercises.check(answer, right, within)
    assert words in capsys.readouterr().out
