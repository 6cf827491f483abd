"""How points add up."""

from collections.abc import Iterable, Mapping


def sums(points: Mapping[str, float], one_of: Iterable[str]) -> list[float]:
    """The different sums over questions, the smallest first, as one or another group in ``one_of`` counts.

    A group is of questions name_1, name_2, ...; questions of no group are in every sum.
    """
    groups = list(one_of)
    group = {question: question.rpartition("_")[0] for question in points}
    common = sum(p for q, p in points.items() if group[q] not in groups)
    each = {common + sum(p for q, p in points.items() if group[q] == name) for name in groups}
    return sorted(each) or [common]


def grouped(points: Mapping[str, float], one_of: Iterable[str]) -> float:
    """The sum over questions, where of the groups in ``one_of`` the best one counts."""
    return sums(points, one_of)[-1]
