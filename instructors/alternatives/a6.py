"""Assignment 6: brain-inspired replay on your own images."""

WHOLE = """
def held_out(groups, share, generator):
    test = torch.zeros(len(groups), dtype=torch.bool)
    names = sorted(set(groups.tolist()))
    order = {order}
    for name in order:
        if {enough}:
            break
        test[groups == name] = True
    return test
"""
PARTS = {
    "order": "[names[k] for k in torch.randperm(len(names), generator=generator).tolist()]",
    "enough": "test.float().mean() >= share",
}
CHOSEN = """
def chosen(runs):
    settings = {{s for s, _, _ in runs}}
    best = max(settings, key=lambda s: {key})
    tests = [t for s, _, t in runs if s == best]
    mean = sum(tests) / len(tests)
    error = (sum((t - mean) ** 2 for t in tests) / {n}) ** 0.5 / {root} if len(tests) > 1 else math.nan
    return best, {told}, error
"""
RIGHT_CHOSEN = {
    "key": "sum(v for t, v, _ in runs if t == s) / sum(t == s for t, _, _ in runs)",
    "n": "(len(tests) - 1)",
    "root": "len(tests) ** 0.5",
    "told": "mean",
}


def held(**changes: str) -> str:
    return WHOLE.format(**PARTS | changes)


def choice(**changes: str) -> str:
    return CHOSEN.format(**RIGHT_CHOSEN | changes)


RIGHT = {
    "q1": [
        held(),
        """
def held_out(groups, share, generator):
    names, sizes = groups.unique(return_counts=True)
    order = torch.rand(len(names), generator=generator).argsort()
    before = sizes[order].cumsum(0) - sizes[order]
    return torch.isin(groups, names[order][before < share * len(groups)])
""",
    ],
    "q2": [
        choice(),
        """
import pandas as pd
def chosen(runs):
    table = pd.DataFrame(runs, columns=["setting", "validation", "test"]).groupby("setting")
    best = table.validation.mean().idxmax()
    return best, table.test.mean()[best], table.test.sem()[best]
""",
    ],
}
WRONG = {
    "q1": {
        "a group is on both sides": """
def held_out(groups, share, generator):
    test = torch.zeros(len(groups), dtype=torch.bool)
    test[torch.randperm(len(groups), generator=generator)[: math.ceil(share * len(groups))]] = True
    return test
""",
        "whatever `generator` is": held(order="names"),
        "draw from `generator`": held(order="[names[k] for k in torch.randperm(len(names)).tolist()]"),
        "was not needed any more": held(enough="test.float().mean() > share + 0.2"),
        "at least a quarter": held(enough="test.any()").replace("torch.randperm(len(names), generator=generator).tolist()",
                                                                "torch.randperm(len(names), generator=generator).tolist()"),
    },
    "q2": {
        "chosen by its test accuracy": choice(key="sum(a for t, _, a in runs if t == s) / sum(t == s for t, _, _ in runs)"),
        "chosen by its best run": choice(key="max(v for t, v, _ in runs if t == s)"),
        "this is the standard deviation": choice(root="1"),
        "n - 1": choice(n="len(tests)"),
        "reported is the test's": choice(told="sum(v for s, v, _ in runs if s == best) / len(tests)"),
        "not the best of them": choice(told="max(tests)"),
    },
}  # fmt: skip
