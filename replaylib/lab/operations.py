"""What a training step spends its time on, by kind of operation."""

import re
from collections.abc import Iterable

#: Kinds of operations, and PyTorch's names of them, without what says that one works in place or backwards.
KINDS = {
    "products": "mm addmm bmm baddbmm convolution mkldnn_convolution",
    "optimizer": "fused_adam Optimizer.step",
    "compiled": "",
    "losses": "log_sigmoid binary_cross_entropy_with_logits softmax log_softmax nll_loss logsumexp mse_loss",
    "activations": "relu clamp_min threshold sigmoid tanh elu leaky_relu native_batch_norm max_pool2d_with_indices",
    "arithmetic": "mul add sub rsub div exp log pow sum mean neg abs sqrt rsqrt where maximum minimum addcmul addcdiv "
    "eq ne lt le gt ge logical_not bitwise_not isfinite all any foreach_add foreach_sub foreach_mul",
    "norms": "linalg_vector_norm norm",
    "samples": "index index_select gather normal randint random uniform bernoulli multinomial randperm one_hot scatter",
    "copies": "copy to to_copy cat stack fill zero clone contiguous masked_fill",
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}
#: An operation's name, between what says where it belongs, and that it works in place or backwards.
NAME = re.compile(r"(?:aten::)?_*(.*?)(?:_backward_data|_backward|_forward)?_*(?:#.*)?")


def kind_of(name: str) -> str:
    """The kind of an operation, one of `KINDS`, or ``"rest"``: Python, and what PyTorch does around operations."""
    # The compiler's own names are made of those of what it put together.
    if "cpp_fused" in name or name.startswith("## Call CompiledFxGraph"):
        return "compiled"
    match = NAME.fullmatch(name)
    return KIND_OF.get(match[1], "rest") if match else "rest"


def shares(seconds: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Percent of all the time that each kind takes, from operations' names and times, whatever the unit of those."""
    taken = dict.fromkeys([*KINDS, "rest"], 0.0)
    for name, time in seconds:
        taken[kind_of(name)] += time
    total = sum(taken.values())
    return {kind: 100 * time / total if total else 0.0 for kind, time in taken.items()}
