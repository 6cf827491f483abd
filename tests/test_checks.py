"""Checks as a student meets them: right, wrong and missing answers, and the one file to hand in."""

import json
import math
import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from replaylib.course import assignments
from replaylib.course.assignments import Assignment, expect
from replaylib.errors import InputError

NAME = "1_forgetting"


@pytest.mark.parametrize(
    "result",
    [[1.0, 2.0], (1, 2), np.array([1.0, 2.0]), torch.tensor([1, 2]), torch.tensor([1.0, 2.0], requires_grad=True)],
)
def test_same_values_are_the_same_whatever_holds_them(result: object) -> None:
    expect(result, torch.tensor([1.0, 2.0]))


def test_list_of_tensors_and_nan_and_single_numbers() -> None:
    expect([torch.tensor(1.0), torch.tensor(math.nan)], [1.0, math.nan])
    expect(torch.tensor(3), 3.0)
    expect(True, 1)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "nothing yet"),
        (..., "nothing yet"),
        (0.5, "in percent"),
        (49.0, "look again"),
        ([50.0], r"shape \(1,\), expected \(\). look again"),
        ("fifty", "should be numbers, and is a str"),
        (math.nan, "look again"),
    ],
)
def test_wrong_result_is_told_why(result: object, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        expect(result, 50.0, {"in percent, please": 0.5}, "look again")


def test_check_answers_in_words() -> None:
    answers: dict[str, object] = {"permitted": lambda new, old: new}
    grader = Assignment(NAME, answers)
    assert "q6: not yet.\n  Hint: the step still points against" in str(grader.check("q6"))
    answers["permitted"] = lambda new, old: new - min(float(new @ old), 0.0) / (old @ old) * old
    told = str(grader.check("q6"))
    assert told.startswith("q6: all visible checks passed.")
    assert "Hidden tests" in told
    assert "`savings` is not defined" in str(grader.check("q5"))
    assert "1 of 6 questions pass all their visible checks." in str(grader.check_all())


def test_error_in_an_answer_is_told_without_a_trace() -> None:
    grader = Assignment(NAME, {"permitted": lambda new, old: new @ torch.ones(9)})
    assert "your code stopped with RuntimeError" in str(grader.check("q6"))


def test_unknown_names_are_told() -> None:
    with pytest.raises(InputError, match=r"unknown assignment '1_forget'\. Did you mean 1_forgetting"):
        Assignment("1_forget", {})
    with pytest.raises(InputError, match="unknown question 'q99'"):
        Assignment(NAME, {}).check("q99")


def test_checks_need_no_otter_grader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "otter", None)
    assert Assignment(NAME, {}).check("q1").hints


NOTEBOOK = {"cells": [{"cell_type": "code", "source": "1"}, {"cell_type": "markdown", "source": "é"}], "nbformat": 4}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return tmp_path


def test_export_in_colab_asks_for_the_notebook_and_downloads_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloaded: list[str] = []
    colab = ModuleType("google.colab")
    answer: dict[str, object] = {"ipynb": NOTEBOOK}
    colab._message = SimpleNamespace(blocking_request=lambda name, timeout_sec: answer)  # type: ignore[attr-defined]
    colab.files = SimpleNamespace(download=downloaded.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    grader = Assignment(NAME, {})
    assert json.loads(grader.export().read_text()) == NOTEBOOK
    assert downloaded == ["1_forgetting_submission.ipynb"]
    answer.clear()
    with pytest.raises(InputError, match="Colab did not give the notebook"):
        grader.export()


def test_export_elsewhere_takes_the_saved_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grader = Assignment(NAME, {})
    with pytest.raises(InputError, match="found no notebook"):
        grader.export()
    mine = folder / "1_forgetting.ipynb"
    mine.write_text(json.dumps(NOTEBOOK))
    for _ in range(2):  # the exported file itself is not taken for the notebook
        assert json.loads(grader.export().read_text()) == NOTEBOOK
    assert "with 1 code cells" in capsys.readouterr().out
    os.utime(mine, (time.time() - 600,) * 2)
    grader.export()
    assert "last saved 10 minutes ago" in capsys.readouterr().out
    (folder / "1_forgetting_copy.ipynb").write_text("{}")
    with pytest.raises(InputError, match="found several notebooks"):
        grader.export()
    monkeypatch.setenv("JPY_SESSION_NAME", str(mine))
    assert json.loads(grader.export().read_text()) == NOTEBOOK


def test_visible_checks_are_found_beside_the_masters_or_in_the_package() -> None:
    in_checkout, installed = assignments.FOLDERS
    assert in_checkout.is_dir()
    assert installed.parent == assignments.LIBRARY
