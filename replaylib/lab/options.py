"""What an experiment can be told, each declared once: type, range, help. Checks and the command line are derived."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from replaylib.errors import InputError, unknown

#: What an option can be. Several whole numbers are a tuple.
Value = int | float | str | bool | tuple[int, ...] | None

#: The kinds of options there are, in words.
KINDS: dict[type, str] = {
    int: "a whole number", float: "a number", str: "a name", bool: "True or False", tuple: "whole numbers, each",
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """The declaration of one option: `check` and `parse` are derived from it, and so are help and documentation.

    Attributes
    ----------
    help : what it says, for the command line and the documentation.
    kind : int, float, str or bool; tuple for several whole numbers.
    within : the range of a number, as an interval: ``"[1, 1000]"`` both ends included, ``"(0, inf)"`` none.
    choices : the words to choose from; a function, where they can grow.
    example : what an error message offers.
    """

    help: str
    kind: type = float
    within: str = ""
    choices: tuple[str, ...] | Callable[[], Iterable[str]] = ()
    example: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"an option of kind {self.kind.__name__}: take int, float, str, bool or tuple")
        if self.within:
            _interval(self.within)

    def check(self, name: str, value: object) -> Any:
        """The value as it is kept: 1 and 1.0 are one number, whatever library they come from.

        Raises
        ------
        InputError : another type, or a value outside the range or the choices; ``name`` says of what.
        """
        if self.kind is tuple:
            return self._check_tuple(name, value)
        if self.kind is bool:
            if not isinstance(value, bool):
                raise InputError(f"{name} is {value!r}: expected {self.expected()}")
            return value
        if self.kind is str:
            return self._check_word(name, value)
        return self._check_number(name, value)

    def _check_tuple(self, name: str, value: object) -> tuple[int, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InputError(f"{name} is {value!r}: expected {self.expected()}")
        if not (several := tuple(value)):
            raise InputError(f"{name} is empty: expected {self.expected()}")
        return tuple(int(self._check_number(name, one)) for one in several)

    def _check_word(self, name: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise InputError(f"{name} is {value!r}: expected {self.expected()}")
        if (known := self.known()) and value not in known:
            raise unknown(name.replace("_", " "), value, known)
        return value

    def _check_number(self, name: str, value: object) -> int | float:
        whole = self.kind is not float
        number: int | float
        if isinstance(value, bool):
            raise InputError(f"{name} is {value!r}: expected {self.expected()}")
        if whole and isinstance(value, Integral):
            number = int(value)
        elif not whole and isinstance(value, Real):
            number = float(value)
        else:
            raise InputError(f"{name} is {value!r}: expected {self.expected()}")
        if self.within:
            low, high, low_counts, high_counts = _interval(self.within)
            above = number >= low if low_counts else number > low
            below = number <= high if high_counts else number < high
            if not (above and below):
                raise InputError(f"{name} is {number if whole else f'{number:g}'}: expected {self.expected()}")
        elif not math.isfinite(number):
            raise InputError(f"{name} is {number:g}: expected {self.expected()}")
        return number

    def known(self) -> tuple[str, ...]:
        """The words to choose from; none where any will do."""
        return tuple(self.choices() if callable(self.choices) else self.choices)

    def expected(self) -> str:
        """What a value has to be, in words: ``"a number above 0 and at most 1, e.g. 0.001"``."""
        words = " or ".join(self.known()) if self.kind is str and self.known() else KINDS[self.kind]
        within = f" {_in_words(self.within)}" if self.within else ""
        return words + within + (f", e.g. {self.example}" if self.example else "")

    def parse(self, text: str) -> Any:
        """A value from text, of the right type; raises `InputError` where there is none. `check` does the rest."""
        try:
            return tuple(int(one) for one in text.split(",")) if self.kind is tuple else self.kind(text)
        except ValueError:
            raise InputError(f"{text!r}: expected {self.expected()}") from None


def _interval(within: str) -> tuple[float, float, bool, bool]:
    match = re.fullmatch(r"([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])", within)
    if match is None:
        raise InputError(f"{within!r} is no interval: write, for example, '[0, 1)'")
    return float(match[2]), float(match[3]), match[1] == "[", match[4] == "]"


def _in_words(within: str) -> str:
    low, high, low_counts, high_counts = _interval(within)
    if low_counts and high_counts and math.isfinite(low + high):
        return f"from {low:.10g} to {high:.10g}"
    at_least = f"{'from' if low_counts else 'above'} {low:.10g}" + (" on" if low_counts and high == math.inf else "")
    at_most = "and finite" if high == math.inf else f"{'to' if high_counts else 'and below'} {high:.10g}"
    if low == -math.inf:
        return at_most.removeprefix("and ")
    return f"{at_least} {at_most}" if low_counts or not high_counts else f"{at_least} and at most {high:.10g}"


#: What a seed can be.
SEED = Option("decides what is random", int, "[0, 2147483647]")


def check_seeds(count: int) -> None:
    """Raise `InputError` unless so many seeds, 0 to count - 1, can be asked for at once."""
    Option("how many seeds", int, "[1, 1000]").check("seeds", count)


def seeds_of(text: str) -> tuple[int, ...]:
    """Seeds as one writes them: ``"3"`` is the first three, 0 to 2; ``"3-12"`` a range; ``"7,9,20-29"`` a list.

    Raises
    ------
    InputError : another text, no seed or more than 1000, or one that is no seed.
    """
    if re.fullmatch(r"-?\d+", text):
        check_seeds(int(text))
        return tuple(range(int(text)))
    seeds: dict[int, None] = {}
    for part in text.split(","):
        if (ends := re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())) is None:
            raise InputError(f"seeds is {text!r}: expected how many, a range or a list, e.g. 5, 3-12 or 7,9,20-29")
        low, high = (SEED.check("seed", int(end)) for end in (ends[1], ends[2] or ends[1]))
        if high < low:
            raise InputError(f"seeds {low}-{high} go backwards: a range is {high}-{low}")
        check_seeds(high - low + 1)
        seeds |= dict.fromkeys(range(low, high + 1))
    check_seeds(len(seeds))
    return tuple(seeds)
