"""The classifier that every method trains, the layers it is made of, and what it minimises."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replaylib.conv import ConvEncoder, as_two_batches, batch_statistics
from replaylib.errors import InputError
from replaylib.scenarios import Batch

#: Softens the targets of distillation (van de Ven et al. 2020; Hinton, Vinyals & Dean 2015).
TEMPERATURE = 2.0


def linear(inputs: int, outputs: int, generator: torch.Generator, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    """A fully connected layer whose weights and biases are uniform in +-1/sqrt(inputs), drawn from ``generator``.

    This is PyTorch's own default distribution, which the published experiments use; PyTorch draws it from the global
    random state, which would tie one network's start to whatever ran before it.
    """
    layer = kind(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def in_float32(x: Tensor) -> Tensor:
    """A layer's bfloat16 output as float32, for what follows the layers; any other type as it is."""
    return x.float() if x.dtype == torch.bfloat16 else x


class Hidden(nn.ModuleList):
    """Fully connected layers with ReLU whose units may be gated: a -> relu(g * (W a + b)), layer after layer.

    Parameters
    ----------
    widths : units of the input and of each layer, e.g. (784, 400, 400).
    generator : a CPU generator; layers made from equal generator states are equal bit for bit.

    Raises
    ------
    InputError : no layer, or a layer of less than one unit.
    """

    units: tuple[int, ...]
    kind: type[nn.Linear] = nn.Linear

    def __init__(self, widths: Sequence[int], generator: torch.Generator) -> None:
        if len(widths) < 2 or min(widths) < 1:
            raise InputError(f"layers of {widths[1:] or 'no'} units: give at least one hidden layer, of 1 unit or more")
        super().__init__(linear(a, b, generator, self.kind) for a, b in pairwise(widths))
        self.inputs, self.units = widths[0], tuple(widths[1:])

    def forward(self, a: Tensor, gates: Tensor | None = None) -> Tensor:
        """The last layer's activity, (n, units[-1]).

        ``gates`` (n, sum(units)) multiply what enters the ReLU, bias included; None
        leaves all units on.
        """
        each = (None,) * len(self) if gates is None else gates.split(self.units, dim=1)
        for layer, gate in zip(self, each, strict=True):
            a = (layer(a) if gate is None else gate * layer(a)).relu()
        return a


class Excitable(nn.Linear):
    """A fully connected layer whose gate multiplies what other units say, and leaves the bias: g * (W a) + b."""

    def forward(self, input: Tensor, gate: Tensor | None = None) -> Tensor:
        """The sum before the ReLU, (n, outputs), for ``input`` (n, inputs) and ``gate`` (n, outputs); None: all on."""
        return super().forward(input) if gate is None else gate * F.linear(input, self.weight) + self.bias


class ExcitableHidden(Hidden):
    """Hidden layers whose gates leave the biases: a -> relu(g * (W a) + b). A unit that is off says relu(b)."""

    kind = Excitable

    def forward(self, a: Tensor, gates: Tensor | None = None) -> Tensor:
        """The last layer's activity, (n, units[-1]), as in `Hidden`."""
        each = (None,) * len(self) if gates is None else gates.split(self.units, dim=1)
        for layer, gate in zip(self, each, strict=True):
            a = layer(a, gate).relu()
        return a


class Gates(nn.Module):
    """A fixed random choice, for each context, of the units that are off in it; part of the model's state.

    In every layer exactly the fraction ``off`` of the units (rounded down) is off. (The reference code of van de Ven et
    al. 2020 does so for XdG; in decoders it decides unit by unit, with that probability.)

    Parameters
    ----------
    contexts : how many there are (tasks or classes).
    units : of each gated layer.
    off : fraction of units that a context switches off, in [0, 1).
    generator : a CPU generator that makes the choice, once.

    Raises
    ------
    InputError : ``off`` outside [0, 1).
    """

    open: Tensor

    def __init__(self, contexts: int, units: Sequence[int], off: float, generator: torch.Generator) -> None:
        super().__init__()
        if not 0 <= off < 1:
            raise InputError(f"gate_prop is {off:g}: the fraction of units off lies from 0 up to, not at, 1")
        layers = []
        for width in units:
            order = torch.rand(contexts, width, generator=generator).argsort(1)
            layers.append((order.argsort(1) >= int(off * width)).float())
        self.register_buffer("open", torch.cat(layers, dim=1))

    def forward(self, context: Tensor) -> Tensor:
        """The gates of each sample, (n, sum(units)), from probabilities of contexts (n, contexts).

        A sample that is sure of its context (one-hot) has gates of 0 and 1; one that is not, their mixture.
        """
        return context @ self.open


class Network(nn.Module):
    """What `replaylib.train` asks of a network. Subclass it to train something new."""

    #: How many standard normal numbers a sample `losses` takes.
    noise_dim = 0
    #: Whether `losses` is a pure function of tensors, as it should be: what `replaylib.lab.fast` needs.
    pure = True
    #: Whether nothing in `losses` waits for the device: what `replaylib.lab.capture` needs.
    capturable = True

    @property
    def path(self) -> list[nn.Module]:
        """The layers between input and logits: what EWC and SI protect."""
        raise InputError(f"a {type(self).__name__} has no layers that a penalty could protect: use another method")

    def scores(self, x: Tensor, task: Tensor) -> Tensor:
        """What decides when the network is tested, (n, outputs): the active unit with the highest score is chosen.

        ``x`` (n, \\*shape) inputs, ``task`` (n,) int64 the task of each, known or not: look at it only where it is.
        """
        logits: Tensor = self(x, task)
        return logits

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """What the network minimises, one number a sample, (n,).

        ``active`` (n, outputs) bool, see `replaylib.scenarios.Stream.active`; ``noise`` (n, noise_dim) standard normal.
        A pure function of these and the parameters: no random number is drawn here, and nothing waits for the device.
        """
        raise NotImplementedError


class Classifier(Network):
    """Hidden layers with ReLU (the encoder), then a linear read-out: x -> h = enc(x) -> logits.

    With a ``backbone``, pre-trained convolutional layers come before them and are trained along. As in the reference
    code of van de Ven et al. (2020), batch normalisation takes the statistics of the batch in `losses`, those of
    current and of replayed samples apart, and everywhere else the running ones, which follow both. With ``frozen`` they
    stay as they are, running statistics included.

    Parameters
    ----------
    inputs : units of the flattened input, e.g. 784.
    hidden : units of each hidden layer, e.g. (400, 400).
    outputs : output units, see `replaylib.scenarios.Stream.outputs`.
    generator : a CPU generator; two networks made from equal generator states are equal bit for bit.
    tasks, off : where ``off`` is above 0, each of ``tasks`` tasks has its own random part of the hidden units switched
        off (context-dependent gating, XdG: Masse, Grant & Freedman 2018). As in the published runs of van de Ven and
        colleagues, such a unit hears nothing from other units, but keeps its bias: see `ExcitableHidden`.
    backbone : takes (n, \\*shape) images and gives (n, inputs) features; this network's own from now on.
    frozen : whether the backbone stays as it was pre-trained.

    Raises
    ------
    InputError : no hidden layer, a layer of less than one unit, ``off`` outside [0, 1).
    """

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        outputs: int,
        generator: torch.Generator,
        tasks: int = 0,
        off: float = 0.0,
        backbone: ConvEncoder | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if outputs < 1:
            raise InputError(f"{outputs} output units: give 1 or more")
        self.hidden = (ExcitableHidden if off else Hidden)((inputs, *hidden), generator)
        self.readout = linear(hidden[-1], outputs, generator)
        self.gates = Gates(tasks, hidden, off, generator) if off else None
        self.backbone = None if backbone is None else backbone.eval().requires_grad_(not frozen)
        self.frozen = frozen
        # Where runs are stacked, running statistics cannot be written.
        self.pure = self.learning_backbone is None

    @property
    def learning_backbone(self) -> ConvEncoder | None:
        """The convolutional layers, if they learn."""
        return None if self.frozen else self.backbone

    @property
    def path(self) -> list[nn.Module]:
        backbone = self.learning_backbone
        learning = [] if backbone is None else [layer for layer in backbone.layers if list(layer.parameters())]
        return [*learning, *self.hidden, self.readout]

    def encode(self, x: Tensor, task: Tensor | None = None, current: int | None = None) -> Tensor:
        """The last hidden layer's activity, (n, hidden[-1]), for inputs (n, \\*shape).

        ``task`` (n,) int64 is looked at by a network with XdG only, which raises `InputError` if it is None;
        ``current``, see `replaylib.scenarios.Batch.current`, by one with a backbone.
        """
        gates = None
        if self.gates is not None:
            if task is None:
                raise InputError("this network gates its units by task (XdG): say of which task each sample is")
            gates = self.gates(F.one_hot(task, len(self.gates.open)).to(x.dtype))
        a = x.flatten(1) if self.backbone is None else as_two_batches(self.backbone, x, current)
        h: Tensor = self.hidden(a, gates)
        return h

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """Logits, (n, outputs), of all output units, active or not; ``task`` as in `encode`."""
        return in_float32(self.readout(self.encode(x, task)))

    def losses(self, batch: Batch, active: Tensor, noise: Tensor) -> Tensor:
        """What the network minimises, (n,); a classifier takes no ``noise``, which is (n, 0)."""
        with batch_statistics(self.learning_backbone):
            h = self.encode(batch.x, batch.task, batch.current)
        return target_loss(in_float32(self.readout(h)), batch, active)


def classification_loss(logits: Tensor, y: Tensor, active: Tensor) -> Tensor:
    """Cross-entropy over the active output units, one number a sample: (n,).

    Parameters
    ----------
    logits, active : (n, outputs), the second bool.
    y : (n,) int64, the target units.
    """
    masked = logits.masked_fill(~active, -torch.inf)
    return F.cross_entropy(masked, y, reduction="none")


def soft_targets(logits: Tensor, active: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Probabilities of a teacher's active units at a temperature T, zero for all others: (n, outputs)."""
    return (logits / temperature).masked_fill(~active, -torch.inf).softmax(1)


def distillation_loss(logits: Tensor, soft: Tensor, active: Tensor, temperature: Tensor) -> Tensor:
    """T^2 times the cross-entropy of soft targets at temperature T, one number a sample: (n,).

    Units that are active now and were not for the teacher have a target of zero (van de Ven et al. 2020, Methods). With
    one-hot targets and T = 1 this is `classification_loss`.

    Parameters
    ----------
    logits, active : (n, outputs), the second bool.
    soft : (n, outputs), see `soft_targets`; zero wherever ``active`` is False.
    temperature : (n,).
    """
    log_p = (logits / temperature[:, None]).masked_fill(~active, -torch.inf).log_softmax(1)
    # An inactive unit has log-probability -inf and target 0: their product counts as 0.
    return -(temperature**2) * (soft * log_p.masked_fill(~active, 0)).sum(1)


def target_loss(logits: Tensor, batch: Batch, active: Tensor) -> Tensor:
    """`distillation_loss` where the batch has soft targets, `classification_loss` where it has none: (n,)."""
    if batch.soft is None or batch.temperature is None:
        return classification_loss(logits, batch.y, active)
    return distillation_loss(logits, batch.soft, active, batch.temperature)
