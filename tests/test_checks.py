"""Checks as a student meets them: right, wrong and missing answers, and the one file to hand in."""

import json
import math
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from replaylib.course import assignments
from replaylib.course.answers import Answer
from replaylib.course.assignments import Assignment, expect, expect_gradients
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
    answers["permitted"] = lambda new, old: new - min(float(new @ old), 0.0) / max(float(old @ old), 1e-9) * old
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


def written(*cells: str) -> str:
    start = f'grader = replaylib.course.assignments.Assignment("{NAME}", globals())'
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in (start, *cells)], "nbformat": 4})


MINE = "# my own\n@torch.no_grad()\ndef permitted(new, old):\n    return [n + 1 for n in new]"
BLANK = "def permitted(new, old):\n    ..."


def kernel(*cells: str) -> dict[str, object]:
    """What a notebook's kernel holds after these cells."""
    names: dict[str, object] = {"torch": torch}
    for source in cells:
        exec(source, names)
    return names


def test_export_elsewhere_takes_the_saved_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grader = Assignment(NAME, kernel(MINE))
    with pytest.raises(InputError, match="found no notebook"):
        grader.export()
    (folder / "another.ipynb").write_text('{"cells": []}')
    (folder / "HW1 J Roe.ipynb").write_text(written("%matplotlib inline", MINE))
    for _ in range(2):  # the exported file itself is not taken for the notebook
        assert MINE in grader.export("s123").read_text().replace("\\n", "\n")
    assert "with 3 code cells, by s123" in capsys.readouterr().out
    assert json.loads(Path(f"{NAME}_submission.ipynb").read_text())["metadata"] == {"replay": {"student": "s123"}}


def test_export_refuses_a_file_without_the_answers_that_were_checked(folder: Path) -> None:
    (folder / f"{NAME}.ipynb").write_text(written(BLANK))
    with pytest.raises(InputError, match=r"does not hold `permitted` as it was run here: save the notebook"):
        Assignment(NAME, kernel(MINE)).export()
    assert not (folder / f"{NAME}_submission.ipynb").exists()
    assert Assignment(NAME, kernel(BLANK)).export().exists()
    source = "class permitted:\n    def f(self): return {}"
    (folder / f"{NAME}.ipynb").write_text(written(source.format(1)))
    Assignment(NAME, kernel(source.format(1))).export()
    with pytest.raises(InputError, match="does not hold `permitted`"):
        Assignment(NAME, kernel(source.format(2))).export()


@pytest.mark.parametrize("saved", ["", '{"cells": []}', '{"cells": [{"cell_type": "code", "source": ["1 + 1"]}]}'])
def test_export_refuses_a_file_that_was_being_saved_or_is_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch, saved: str
) -> None:
    Path("mine.ipynb").write_text(saved)
    monkeypatch.setenv("JPY_SESSION_NAME", "mine.ipynb")
    with pytest.raises(InputError, match=r"mine.ipynb, as it was saved, is empty or is not the notebook of"):
        Assignment(NAME, {}).export()
    assert not Path(f"{NAME}_submission.ipynb").exists()


def test_notebooks_that_were_copied_earlier_still_find_the_checks() -> None:
    import replaylib.checks

    assert replaylib.checks.Assignment is Assignment
    assert replaylib.checks.expect is expect
    assert replaylib.load is replaylib.load_dataset
    described = replaylib.experiment("split-digits", "task", "none", iterations=1)
    matrix = replaylib.run(described).record.matrix
    assert replaylib.execute(described).matrix == replaylib.trained(described)[1].matrix == matrix


def test_export_takes_the_notebook_that_was_worked_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside an untouched original: the one that VS Code or Jupyter names, or that holds what was run."""
    (folder / f"{NAME}.ipynb").write_text(written(BLANK))
    (folder / "mine.ipynb").write_text(written(MINE))
    assert "my own" in Assignment(NAME, kernel(MINE)).export().read_text()
    with pytest.raises(InputError, match=r"found several notebooks of 1_forgetting \(1_forgetting.ipynb, mine.ipynb\)"):
        Assignment(NAME, {}).export()
    assert "my own" in Assignment(NAME, {"__vsc_ipynb_file__": "mine.ipynb"}).export().read_text()
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / "mine.ipynb"))
    assert "my own" in Assignment(NAME, {}).export().read_text()


def test_export_takes_what_jupyter_saved_under_another_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After *Save Notebook As*, Jupyter still names the file that the kernel was started for."""
    (folder / f"{NAME}.ipynb").write_text(written(BLANK))
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / f"{NAME}.ipynb"))
    (folder / "saved as.ipynb").write_text(written(MINE))
    assert "my own" in Assignment(NAME, kernel(MINE)).export().read_text()
    (folder / "copy.ipynb").write_text(written(MINE))  # which of the two is not to be guessed
    with pytest.raises(InputError, match=r"1_forgetting.ipynb, as it was saved, does not hold `permitted`"):
        Assignment(NAME, kernel(MINE)).export()
    (folder / "copy.ipynb").unlink()
    with pytest.raises(InputError, match="does not hold `permitted`"):  # VS Code names the file that is open
        Assignment(NAME, kernel(MINE) | {"__vsc_ipynb_file__": f"{NAME}.ipynb"}).export()


def test_answer_is_read_the_same_way_as_by_the_grader() -> None:
    def answers(n: int) -> object:
        return [np.array([0.5], dtype=object), Fraction(1, 2), Decimal("0.5"), pd.DataFrame([[0.5]])][n]

    answer = Answer(answers)
    assert [torch.as_tensor(answer(n)).flatten().tolist() for n in range(4)] == [[0.5]] * 4
    with pytest.raises(AssertionError, match="leaves its arguments as they were"):
        Answer(lambda x: x.add_(1))(torch.zeros(2))
    assert Answer(lambda x: x.copy())({"a": 1}) == {"a": 1}


def test_gradients_are_asked_for() -> None:
    x = torch.ones(2, requires_grad=True)
    expect_gradients(x**2, x)
    for cut in (x.detach() ** 2, 0.5, x.detach().requires_grad_() * 2):
        with pytest.raises(AssertionError, match="no gradient reaches"):
            expect_gradients(cut, x)


def test_visible_checks_are_found_beside_the_masters_or_in_the_package() -> None:
    in_checkout, installed = assignments.FOLDERS
    assert in_checkout.is_dir()
    assert installed.parent == assignments.LIBRARY


def test_tensor_of_inference_mode_can_be_computed_with() -> None:
    from replaylib.course.answers import plain

    with torch.inference_mode():
        tensor = torch.ones(1, 2)
    weight = torch.ones(2, 1, requires_grad=True)
    (plain([tensor])[0] @ weight).sum().backward()
    assert weight.grad is not None
