"""How long a chapter takes to read: each kind of text at its own pace, and what is folded away not at all."""

import pace
import pytest

WORDS = "word " * 400 + "\n\n"
FORMULA = "$$\na = b\n$$ (eq-a)\n\n"
CODE = "```{code-cell} python\n" + "x = 1\n\n" * 30 + "```\n\n"
FOLDED = CODE.replace("python\n", "python\n:tags: [hide-input]\n")
SOLUTION = "```{solution-start} ex-a\n:class: dropdown\n```\n\n" + WORDS + CODE + "```{solution-end}\n```\n"
SHORT = "```{solution} ex-a\n:class: dropdown\n" + WORDS + "```\n"
SHOWN = "```{literalinclude} ../replaylib/loop.py\n:pyobject: follow\n```\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("---\nfile_format: mystnb\n---\n\n" + WORDS, 2.0),
        (WORDS + FORMULA * 4, 4.0),
        (WORDS + CODE, 4.0),
        (WORDS + FOLDED + SOLUTION + SHORT, 2.0),
    ],
)
def test_each_kind_of_text_has_its_pace(source: str, expected: float) -> None:
    assert pace.minutes(source) == pytest.approx(expected)


def test_code_of_the_library_that_a_page_shows_is_read_too() -> None:
    assert pace.minutes(WORDS + SHOWN) == pytest.approx(3.0, abs=0.02)
