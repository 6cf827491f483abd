"""How points add up."""

from collections.abc import Iterable, Mapping


def grouped(points: Mapping[str, float], one_of: Iterable[str]) -> float:
    """The sum over questions, where of the groups in ``one_of`` (questions name_1, name_2, ...) the best one counts."""
    groups = list(one_of)
    group = {question: question.rpartition("_")[0] for question in points}
    best = max((sum(p for q, p in points.items() if group[q] == name) for name in groups), default=0.0)
    return sum(p for q, p in points.items() if group[q] not in groups) + best
