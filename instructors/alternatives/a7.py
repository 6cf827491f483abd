"""Assignment 7: reproduce one number of a paper."""

PAIRED = """
def paired_difference(first, second):
    common = {common}
    gaps = [{gap} for s in common]
    if not gaps:
        return math.nan, math.nan
    mean = sum(gaps) / len(gaps)
    error = {error} if len(gaps) > 1 else math.nan
    return mean, error
"""
PARTS = {
    "common": "sorted(set(first) & set(second))",
    "gap": "first[s] - second[s]",
    "error": "(sum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1) / len(gaps)) ** 0.5",
}


def paired(**changes: str) -> str:
    return PAIRED.format(**PARTS | changes)


RIGHT = {
    "q1": [
        paired(),
        """
import pandas as pd
def paired_difference(first, second):
    gaps = (pd.Series(first, dtype=float) - pd.Series(second, dtype=float)).dropna()
    return gaps.mean(), gaps.sem()
""",
    ],
    "q2": [
        """
def seeds_needed(gap, spread, z):
    n = 2
    while z * spread / math.sqrt(n) > gap + 1e-12:
        n += 1
    return n
""",
        """
from fractions import Fraction
def seeds_needed(gap, spread, z):
    return max(2, -int(-(Fraction(z) * Fraction(spread) / Fraction(gap)) ** 2 // 1))
""",
    ],
    "q3": [
        """
def discrepancy(mine, mine_sem, published, published_sem):
    error = (mine_sem**2 + published_sem**2) ** 0.5
    if error == 0:
        return 0.0 if mine == published else (math.inf if mine > published else -math.inf)
    return (mine - published) / error
""",
        """
import numpy as np
def discrepancy(mine, mine_sem, published, published_sem):
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.float64(mine - published) / np.hypot(mine_sem, published_sem), nan=0.0, posinf=np.inf, neginf=-np.inf)
""",
    ],
}
WRONG = {
    "q1": {
        "seeds that only one of the two has": """
def paired_difference(first, second):
    mean = sum(first.values()) / len(first) - sum(second.values()) / len(second)
    return mean, 1.0
""",
        "the sign": paired(gap="second[s] - first[s]"),
        "two independent means": """
def paired_difference(first, second):
    a, b = (torch.tensor([one[s] for s in first if s in second]) for one in (first, second))
    return (a - b).mean(), (a.var() / len(a) + b.var() / len(b)) ** 0.5
""",
        "divide by the root": paired(error="(sum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1)) ** 0.5"),
        "n - 1": paired(error="(sum((g - mean) ** 2 for g in gaps)) ** 0.5 / len(gaps)"),
        "your code stopped with KeyError": paired(common="first"),
    },
    "q2": {
        "square it": "def seeds_needed(gap, spread, z):\n    return max(2, math.ceil(z * spread / gap))",
        "z takes part": "def seeds_needed(gap, spread, z):\n    return max(2, math.ceil((spread / gap) ** 2))",
        "rounded down": "def seeds_needed(gap, spread, z):\n    return max(2, int((z * spread / gap) ** 2))",
        "a single seed has no spread": "def seeds_needed(gap, spread, z):\n    return math.ceil((z * spread / gap) ** 2)",
    },
    "q3": {
        "add as squares": """
def discrepancy(mine, mine_sem, published, published_sem):
    return (mine - published) / (mine_sem + published_sem) if mine_sem + published_sem else -math.inf
""",
        "the sign": """
def discrepancy(mine, mine_sem, published, published_sem):
    return (published - mine) / (mine_sem**2 + published_sem**2) ** 0.5
""",
        "the published number has an error": """
def discrepancy(mine, mine_sem, published, published_sem):
    return (mine - published) / mine_sem if mine_sem else math.copysign(math.inf, mine - published)
""",
        "the root is missing": """
def discrepancy(mine, mine_sem, published, published_sem):
    return (mine - published) / (mine_sem**2 + published_sem**2)
""",
    },
}  # fmt: skip
