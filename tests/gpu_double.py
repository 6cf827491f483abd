"""A GPU's double: what is said to be on it is computed on the processor, and mixing it with what is not is an error.

Within `gpu`, PyTorch says that there is a GPU. A tensor that was made there, or moved there, says so, and so does all
that is computed from it. As on a GPU, an operation on tensors here and there fails, one with a generator of the other
side fails, and NumPy has to wait for ``cpu()``. How fast anything is, and what rounds otherwise, a double cannot tell.
"""

import contextlib
import weakref

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
#: PyTorch itself moves what these take besides their first tensor.
MOVE = ("copy_", "index", "index_put", "index_put_", "_index_put_impl_", "set_")


class There:
    """Which tensors and generators are said to be on the GPU; of tensors, their storages: views are where those are."""

    def __init__(self):
        self.storages, self.generators = weakref.WeakSet(), weakref.WeakSet()
        self.computing = False  # what a function makes by the way is where its tensors are

    @staticmethod
    def storage(x):
        while torch._C._functorch.is_functorch_wrapped_tensor(x):
            x = torch._C._functorch.get_unwrapped(x)
        return x.untyped_storage()

    def has(self, x):
        return self.storage(x) in self.storages

    def take(self, results):
        for x in tensors(results):
            self.storages.add(self.storage(x))


class Operations(TorchDispatchMode):
    """Below everything: each operation's tensors are on one device, and its results are there as well."""

    def __init__(self, there):
        super().__init__()
        self.there = there

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name, given = function.overloadpacket.__name__, tensors((args, kwargs))
        on = [self.there.has(x) for x in given]
        here = [tuple(x.shape) for x, x_on in zip(given, on, strict=True) if x.dim() and not x_on]
        if any(on) and here and name not in MOVE:
            raise RuntimeError(f"{name}: expected all tensors on {GPU}, but found some of {here} on the CPU")
        result = function(*args, **kwargs)
        if (on[0] if name in MOVE else any(on)) or (self.there.computing and not given):
            self.there.take(result)
        return result


class Calls(TorchFunctionMode):
    """Above everything: where tensors say they are, where new ones are asked for, and moves between the two."""

    def __init__(self, there):
        super().__init__()
        self.there = there

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function == torch.Tensor.device.__get__ and self.there.has(args[0]):
            return GPU
        if function == torch.Tensor.is_cuda.__get__:
            return self.there.has(args[0])
        if function in (torch.Tensor.numpy, torch.Tensor.__array__) and self.there.has(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu() first")
        if function in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
            return self.moved(function, *args, **kwargs)
        on = any(self.there.has(x) for x in tensors((args, kwargs)))
        if kwargs.get("device") is not None:
            on, kwargs["device"] = torch.device(kwargs["device"]).type == "cuda", CPU
        generator = kwargs.get("generator")
        if generator is not None and (generator in self.there.generators) != on:
            raise RuntimeError(f"{function.__name__}: the generator is not on the device of what it draws")
        return self.computed(on, function, args, kwargs)

    def computed(self, on, function, args, kwargs):
        before, self.there.computing = self.there.computing, on
        try:
            result = function(*args, **kwargs)
        finally:
            self.there.computing = before
        if on and "device" in kwargs:
            self.there.take(result)
        return result

    def moved(self, function, x, *args, **kwargs):
        to = {torch.Tensor.cpu: CPU, torch.Tensor.cuda: GPU}.get(function)
        if to is None:
            asked = [*args, kwargs.pop("device", None)]
            for one in asked:
                if torch.is_tensor(one):
                    to = GPU if self.there.has(one) else CPU
                elif isinstance(one, str | torch.device):
                    to = torch.device(one)
            others = [CPU if isinstance(one, str | torch.device) else one for one in args]
            if others or kwargs:
                x = self.computed(self.there.has(x), torch.Tensor.to, (x, *others), kwargs)
        if to is None or self.there.has(x) == (to.type == "cuda"):
            return x
        x = x.detach().clone() if isinstance(x, torch.nn.Parameter) else x.clone()
        if to.type == "cuda":
            self.there.take(x)
        else:
            self.there.storages.discard(self.there.storage(x))
        return x


def tensors(given):
    return [x for x in tree_leaves(given) if torch.is_tensor(x)]


@contextlib.contextmanager
def gpu():
    """Within it there is a GPU, for whoever asks PyTorch."""
    there, real_generator, real_autocast = There(), torch.Generator, torch.autocast

    class Generator(real_generator):
        def __new__(cls, device="cpu"):
            generator = super().__new__(cls)
            if torch.device(device).type == "cuda":
                there.generators.add(generator)
            return generator

        @property
        def device(self):
            return GPU if self in there.generators else CPU

    def autocast(device_type, *args, **kwargs):
        return real_autocast("cpu", *args, **kwargs)

    doubles = {
        (torch, "Generator"): Generator,
        (torch, "autocast"): autocast,
        (torch.accelerator, "current_accelerator"): lambda check_available=False: None,
        (torch.cuda, "is_available"): lambda: True,
        (torch.cuda, "synchronize"): lambda device=None: None,
        (torch.cuda, "get_device_name"): lambda device=None: "a GPU's double",
        (torch.cuda, "reset_peak_memory_stats"): lambda device=None: None,
        (torch.cuda, "max_memory_allocated"): lambda device=None: 0,
    }
    real = {(owner, name): getattr(owner, name) for owner, name in doubles}
    try:
        for (owner, name), double in doubles.items():
            setattr(owner, name, double)
        with Operations(there), Calls(there):
            yield
    finally:
        for (owner, name), own in real.items():
            setattr(owner, name, own)
