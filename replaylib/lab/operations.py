"""What a training step spends its time on, by kind of operation."""

from collections.abc import Iterable

#: Kinds of operations, and the names that PyTorch's profiler has for them; what none of these names is the rest.
KINDS = {
    "products": ("mm", "addmm", "bmm", "baddbmm", "convolution"),
    "optimizer": ("_fused_adam_", "Optimizer.step"),
    "losses": ("log_sigmoid", "binary_cross_entropy", "softmax", "nll_loss", "logsumexp"),
    "activations": ("relu", "clamp_min", "threshold_backward", "sigmoid"),
    "arithmetic": ("mul", "add", "sub", "div", "exp", "log", "pow", "sum", "mean", "neg", "sqrt", "where", "maximum"),
    "norms": ("linalg_vector_norm",),
    "samples": ("index", "normal_", "randint", "random_", "uniform_", "multinomial", "randperm", "one_hot", "scatter_"),
    "copies": ("copy_", "_to_copy", "to", "cat", "stack", "fill_", "zero_", "clone"),
}


def kind_of(name: str) -> str:
    """The kind of an operation, one of `KINDS`, or ``"rest"``: Python, and what PyTorch does around operations."""
    plain = name.removeprefix("aten::")
    for kind, names in KINDS.items():
        if any(_is(plain, one) for one in names):
            return kind
    return "rest"


def shares(seconds: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Percent of all the time that each kind takes, from operations' names and times, whatever the unit of those."""
    taken = dict.fromkeys([*KINDS, "rest"], 0.0)
    for name, time in seconds:
        taken[kind_of(name)] += time
    total = sum(taken.values())
    return {kind: 100 * time / total if total else 0.0 for kind, time in taken.items()}


def _is(name: str, one: str) -> bool:
    # mul_ is mul in place; log_softmax is a softmax, log_sigmoid_forward a log_sigmoid.
    return name.rstrip("_") == one.rstrip("_") or (len(one) > 4 and one.strip("_") in name)
