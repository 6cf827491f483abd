"""The matrix products of a training step: recorded as it is taken, counted, and computed alone."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

#: What a product is of: two matrices, or two batches of them.
Operands = tuple[Tensor, Tensor]
#: How much faster products in bfloat16 have to be before steps, which are more than products, gain by them.
GAIN = 1.3


class Products(TorchDispatchMode):
    """Notes in ``seen`` the operands of matrix products while ``on``: shapes, strides and types, and no values."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.seen: list[Operands] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if self.on and name in ("mm", "bmm", "addmm", "baddbmm"):
            a, b = args[-2:]
            self.seen.append((_like(a), _like(b)))
        return function(*args, **(kwargs or {}))


def _like(x: Tensor) -> Tensor:
    # Random numbers, not zeros: neither a processor nor a power limit may find them easy.
    copy = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=x.device)
    return copy.copy_(torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))


def operations(products: Sequence[Operands]) -> int:
    """How many floating-point operations they are, an addition and a multiplication counted as two."""
    return sum(2 * a.numel() * b.shape[-1] for a, b in products)


@torch.no_grad()
def seconds_of(products: Sequence[Operands], repeats: int, device: torch.device, warm_up: int) -> float:
    """Seconds that all of them take, on average over ``repeats``; ``warm_up`` more come first and are not timed."""
    for repeat in range(warm_up + repeats):
        if repeat == warm_up:
            if device.type == "cuda":
                torch.cuda.synchronize()
            began = time.perf_counter()
        for a, b in products:
            torch.matmul(a, b)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def precision_that_pays(device: torch.device) -> tuple[str, float]:
    """The precision to take on a device, and how many times as fast products in bfloat16 are there.

    Bfloat16 from `GAIN` on. Measured with products of the size of a layer's; no longer than it takes to see that a
    processor has no instructions for bfloat16 and is many times slower in it.
    """
    for n in (256, 1024):
        a, b = torch.ones(n, n, device=device), torch.ones(n, n, device=device)
        both = [(a, b)], [(a.bfloat16(), b.bfloat16())]
        fastest = [float("inf"), float("inf")]
        for _ in range(10):  # in turn, and the fastest of each: what else the machine does is not to be measured
            fastest = [min(t, seconds_of(one, 1, device, 1)) for t, one in zip(fastest, both, strict=True)]
            gain = fastest[0] / fastest[1]
            if gain < 0.5:
                return "float32", gain
    return ("bfloat16" if gain >= GAIN else "float32"), gain
