"""Protecting weights instead of replaying: a penalty on moving parameters away from where an earlier task left them.

All are over the parameters on the path from input to logits (``net.path``). A decoder and a prior are not on it.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from replaylib.errors import InputError
from replaylib.nets import Network
from replaylib.scenarios import Stream


class Penalty(Protocol):
    """What `replaylib.train` asks of a penalty. Subclass it, or only have its methods.

    So that a stopped run can go on, its class also has ``state``, the names of the attributes that change in training.
    """

    def begin(self, task: int) -> None:
        """Task number ``task`` begins."""

    def __call__(self) -> Tensor:
        """The penalty at the network's present parameters, a scalar that can be differentiated."""

    def step(self) -> None:
        """The optimizer has just moved the parameters; their gradients are still there."""

    def end(self, task: int) -> None:
        """Task number ``task`` has been trained and its data are about to go."""


def check_strength(strength: float) -> None:
    """Raise `InputError` unless a penalty's strength is a positive number."""
    if not 0 < strength < float("inf"):
        raise InputError(f"strength is {strength:g}: a penalty's strength is above 0 and finite, e.g. 100")


class Quadratic:
    """sum over i of importance_i (theta_i - anchor_i)^2, and a sum of several such with other anchors as one.

    A sum of quadratics is a quadratic: adding one costs neither memory nor time later, however many tasks there are.
    With importances a, b and anchors p, q it is (a + b) (theta - r)^2 + a b / (a + b) (p - q)^2 where
    r = (a p + b q) / (a + b); the last term, which no parameter moves, is kept in ``constant``.
    """

    state = ("importance", "anchor", "constant")

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.importance = [torch.zeros_like(p) for p in parameters]
        self.anchor = [p.detach().clone() for p in parameters]
        self.constant = torch.zeros((), device=parameters[0].device, dtype=parameters[0].dtype)

    def __call__(self) -> Tensor:
        parts = zip(self.parameters, self.importance, self.anchor, strict=True)
        return torch.stack([_WeightedSquares.apply(*part) for part in parts]).sum() + self.constant

    def add(self, importance: list[Tensor]) -> None:
        """Add sum_i importance_i (theta_i - present theta_i)^2; the shapes are those of the parameters."""
        for p, a, anchor, b in zip(self.parameters, self.importance, self.anchor, importance, strict=True):
            now = p.detach()
            share = torch.where(a + b > 0, b / (a + b).clamp(min=torch.finfo(b.dtype).tiny), 0)
            self.constant += (a * share * (now - anchor) ** 2).sum()
            anchor += share * (now - anchor)
            a += b

    def replace(self, importance: list[Tensor]) -> None:
        """Put sum_i importance_i (theta_i - present theta_i)^2 in the place of all there was."""
        self.constant.zero_()
        for p, a, anchor, b in zip(self.parameters, self.importance, self.anchor, importance, strict=True):
            a.copy_(b)
            anchor.copy_(p.detach())


class _WeightedSquares(torch.autograd.Function):
    # Sum over i of importance_i (p_i - anchor_i)^2. Half of its derivative is kept, so
    # that fewer arrays are read and written than by autograd.

    @staticmethod
    def forward(ctx: Any, p: Tensor, importance: Tensor, anchor: Tensor) -> Tensor:
        away = p - anchor
        half = importance * away
        ctx.save_for_backward(half)
        return away.mul_(half).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        return 2 * slope * ctx.saved_tensors[0], None, None


class EWC:
    """Elastic weight consolidation: strength / 2 * sum of F (theta - theta*)^2 (Kirkpatrick et al. 2017, Eq. 3).

    ``online`` keeps one running Fisher diagonal, F <- F + F_task, around the latest parameters only (Schwarz et al.
    2018, Eq. 9; the decay is 1, as in van de Ven et al. 2020); otherwise each task keeps its own.

    Parameters
    ----------
    stream : where each task's samples are, for its Fisher diagonal.
    net : the network that learns; ``net.path`` is protected.
    generator : picks the samples, on the stream's device.
    strength : lambda.
    samples : of each task, without replacement (all of them, of a task that has fewer).

    Raises
    ------
    InputError : ``strength`` not positive.
    """

    state = ("quadratic", "generator")

    def __init__(
        self,
        stream: Stream,
        net: Network,
        generator: torch.Generator,
        *,
        strength: float,
        online: bool = False,
        samples: int = 1000,
    ) -> None:
        check_strength(strength)
        self.stream, self.net, self.generator = stream, net, generator
        self.strength, self.online, self.samples = strength, online, samples
        self.quadratic = Quadratic([p for layer in net.path for p in layer.parameters()])

    def begin(self, task: int) -> None:
        pass

    def __call__(self) -> Tensor:
        return self.strength / 2 * self.quadratic()

    def step(self) -> None:
        pass

    def end(self, task: int) -> None:
        rows = self.stream.rows(task)
        order = torch.randperm(len(rows), generator=self.generator, device=rows.device)
        batch = self.stream.batch(rows[order[: self.samples]], torch.full_like(order[: self.samples], task))
        active = self.stream.active(batch.task, seen=task + 1)
        fisher = fisher_diagonal(self.net, batch.x, batch.task, active)
        if self.online:
            running = self.quadratic.importance
            self.quadratic.replace([old + new for old, new in zip(running, fisher, strict=True)])
        else:
            self.quadratic.add(fisher)


def fisher_diagonal(net: Network, x: Tensor, task: Tensor, active: Tensor, chunk: int = 250) -> list[Tensor]:
    """The diagonal of the Fisher information, F_i = E_x sum_y p(y|x) (d log p(y|x) / d theta_i)^2, labels exactly.

    A linear layer's gradient is, for one sample, the outer product of the gradient d at its output and its input a; so
    the sum over samples of squared gradients is the matrix product of the squares, (d^2)^T (a^2). This takes one
    backward pass for each class, none for each sample (Martens 2020, Sec. 9, on which Fisher this is: the true one).
    Convolutional layers and batch normalisation, which has its running statistics, take as many; see `squares`.

    Parameters
    ----------
    x, task : (n, \\*shape) inputs and (n,) int64 the task of each.
    active : (n, outputs) bool; the classes that are summed over, the same for all n.
    chunk : samples at a time.

    Returns
    -------
    One tensor for each weight and bias of ``net.path``, in the order of the layers and in their shapes. Raises
    `InputError` for a layer with other parameters, or one that `squares` does not know.
    """
    fisher = {(layer, name): torch.zeros_like(p) for layer in net.path for name, p in layer.named_parameters()}
    if strange := [name for _, name in fisher if name not in ("weight", "bias")]:
        raise InputError(f"a layer has the parameter {strange[0]}, and EWC knows weight and bias: use SI")
    classes = active[0].nonzero()[:, 0].tolist()
    inputs: dict[nn.Module, tuple[Tensor, ...]] = {}
    outputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, received: tuple[Tensor | None, ...], gave: Tensor) -> None:
        inputs[layer] = tuple(one.detach() for one in received if one is not None)
        outputs[layer] = gave

    hooks = [layer.register_forward_hook(keep) for layer in net.path]
    try:
        for part, their_task, mask in zip(x.split(chunk), task.split(chunk), active.split(chunk), strict=True):
            log_p = net(part, their_task).masked_fill(~mask, -torch.inf).log_softmax(1)
            for y in classes:
                # The samples do not interact: the gradient of their sum holds the gradient of each.
                deltas = torch.autograd.grad(
                    log_p[:, y].sum(), [outputs[layer] for layer in net.path], retain_graph=True
                )
                p = log_p[:, y].detach().exp()
                for layer, delta in zip(net.path, deltas, strict=True):
                    for name, square in zip(("weight", "bias"), squares(layer, p, delta, *inputs[layer]), strict=True):
                        if (layer, name) in fisher:
                            fisher[layer, name] += square
    finally:
        for hook in hooks:
            hook.remove()
    return [total / len(x) for total in fisher.values()]


def squares(
    layer: nn.Module, weight: Tensor, delta: Tensor, a: Tensor, gate: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The sum over samples of weight * (gradient of the sample)^2, for a layer's weight and its bias.

    Parameters
    ----------
    weight : (n,).
    delta, a : the gradient at what the layer gave, and what it received; a row a sample.
    gate : what an `replaylib.nets.Excitable` layer received besides, (n, outputs).

    Raises
    ------
    InputError : a layer that is neither linear nor convolutional nor batch normalisation.
    """
    if isinstance(layer, nn.Linear):
        square = weight[:, None] * delta**2
        heard = square if gate is None else square * gate**2
        return heard.T @ a**2, square.sum(0)
    if isinstance(layer, nn.Conv2d):
        patches = F.unfold(a, layer.kernel_size, padding=layer.padding, stride=layer.stride)  # type: ignore[arg-type]
        each = delta.flatten(2) @ patches.transpose(1, 2)  # (n, outputs, inputs * height * width of a filter)
        of_bias = delta.sum((2, 3))
        return torch.einsum("n,nok->ok", weight, each**2).view_as(layer.weight), weight @ of_bias**2
    if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None:
        mean, var = (value[:, None, None] for value in (layer.running_mean, layer.running_var))
        scaled = (a - mean) / (var + layer.eps).sqrt()
        return weight @ (delta * scaled).sum((2, 3)) ** 2, weight @ delta.sum((2, 3)) ** 2
    raise InputError(
        f"the Fisher information of a {type(layer).__name__} is not known here: use SI, or another network"
    )


#: The most that strength * importance of synaptic intelligence can be: squares of gradients are still finite numbers.
STIFFEST = 1e18


class SI:
    """Synaptic intelligence (Zenke, Poole & Ganguli 2017): strength * sum_i Omega_i (theta_i - theta*_i)^2.

    Along the way each parameter adds up w = - sum over steps of gradient * change, its share of what the loss lost (Eq.
    3). The gradient is that of all that is minimised, replay and penalty included. When a task ends, Omega += w /
    (total change^2 + epsilon), over all tasks (Eq. 5), around the latest parameters.

    With the penalty in the gradient, a large strength feeds itself: each task can multiply Omega by as much as
    strength * lr^2 * iterations / epsilon (by thousands, with BI-R's published strength on a hundred classes), beyond
    all numbers in the end. It is therefore bounded, where a parameter has long ceased to move: see `STIFFEST`.

    Parameters
    ----------
    net : the network that learns; ``net.path`` is protected.
    strength : c.
    epsilon : keeps a parameter that hardly moved from an importance without bound.

    Raises
    ------
    InputError : ``strength`` not positive.
    """

    state = ("quadratic", "path_integral", "start", "before")

    def __init__(self, net: Network, *, strength: float, epsilon: float = 0.1) -> None:
        check_strength(strength)
        self.strength, self.epsilon = strength, epsilon
        self.quadratic = Quadratic([p for layer in net.path for p in layer.parameters()])
        self.path_integral = [torch.zeros_like(p) for p in self.quadratic.parameters]
        self.start = [p.detach().clone() for p in self.quadratic.parameters]
        self.before = [p.detach().clone() for p in self.quadratic.parameters]

    def begin(self, task: int) -> None:
        for p, w, start, before in self._parts():
            w.zero_()
            start.copy_(p.detach())
            before.copy_(p.detach())

    def __call__(self) -> Tensor:
        return self.strength * self.quadratic()

    @torch.no_grad()
    def step(self) -> None:
        for p, w, _, before in self._parts():
            if p.grad is not None:
                w.addcmul_(p.grad, before - p)
                before.copy_(p)

    def end(self, task: int) -> None:
        gained = []
        for p, w, start, _ in self._parts():
            moved = (p.detach() - start) ** 2
            gained.append(w / (moved + self.epsilon))
        omega = self.quadratic.importance
        total = [old + new for old, new in zip(omega, gained, strict=True)]
        self.quadratic.replace([one.clamp(max=STIFFEST / self.strength) for one in total])

    def _parts(self) -> list[tuple[nn.Parameter, Tensor, Tensor, Tensor]]:
        return list(zip(self.quadratic.parameters, self.path_integral, self.start, self.before, strict=True))
