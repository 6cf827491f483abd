"""A prediction before a result: the reader says what a run will give, and then sees the run's numbers beside it.

It works without a kernel, on a page of the book as in a notebook: the numbers are there, and a script of the page's own
shows them once the reader has answered, or wants to go on without.
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files

from IPython.display import HTML

from replaylib.errors import InputError

#: More would be no guess but a questionnaire.
MOST = 12


def ask(
    question: str, truth: Mapping[str, float], *, unit: str = "%", low: float = 0.0, high: float = 100.0, hides: int = 1
) -> HTML:
    """Ask for a prediction, with a slider for each number that the run gave.

    As the last expression of a cell that stands before the figure::

        predictions.ask("How accurate is it on each task at the end?", {"task 1": 0.0, "task 2": 3.1})

    Parameters
    ----------
    question : what is to be predicted, as one sentence.
    truth : what the run gave, under the name of each slider; from left to right in the drawing.
    unit : of the numbers, shown behind them; may be empty.
    low, high : the ends of the sliders; each number lies between them.
    hides : on a page of the book, how many of the cells that follow wait, with the text between them, until the reader
        has answered or skipped. In print and without JavaScript nothing waits.

    Raises
    ------
    InputError : no question, no or more than `MOST` numbers, one that is not finite or not between the ends.
    """
    if not question.strip():
        raise InputError("this prediction has no question: say in a sentence what is to be predicted")
    if not 1 <= len(truth) <= MOST:
        raise InputError(f"{question!r} asks for {len(truth)} numbers: ask for 1 to {MOST}")
    numbers = [round(float(value), 1) for value in truth.values()]
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"{question!r} has sliders from {low:g} to {high:g}: give two ends, the lower one first")
    for name, number in zip(truth, numbers, strict=True):
        if not low <= number <= high:
            raise InputError(f"{name!r} is {number:g}, which is not between {low:g} and {high:g}: set low and high")
    name = "predict-" + sha256(json.dumps([question, list(truth)]).encode()).hexdigest()[:10]
    told = {"names": list(truth), "truth": numbers, "unit": unit, "low": low, "high": high, "hides": hides}
    folder = files("replaylib.course")
    style = folder.joinpath("predict.css").read_text(encoding="utf-8")
    script = folder.joinpath("predict.js").read_text(encoding="utf-8").replace("PREDICT_ID", name)
    return HTML(
        f'<style>{style}</style><div class="predict" role="group" aria-label="Your prediction" id="{name}"'
        f' data-told="{escape(json.dumps(told))}">'
        f"<p><strong>Your prediction.</strong> {escape(question)}</p>"
        f"</div><script>{script}</script>"
    )
