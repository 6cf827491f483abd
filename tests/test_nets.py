"""The classifier, its gates and its losses, against slow formulas in double precision."""

import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Categorical

from replaylib.errors import InputError
from replaylib.lab.extra.nearest_mean import NearestMean
from replaylib.nets import (
    Classifier,
    Excitable,
    ExcitableHidden,
    Gates,
    Hidden,
    classification_loss,
    distillation_loss,
    linear,
    soft_targets,
    target_loss,
)
from replaylib.scenarios import Batch
from tests.helpers import close, normal, seeded


def net(seed: int = 0, hidden: tuple[int, ...] = (7, 5)) -> Classifier:
    return Classifier(12, hidden, 4, torch.Generator().manual_seed(seed))


def slow_hidden(layers, a: list[float], gates: list[float], spare_bias: bool = False) -> list[float]:
    """relu(g (W a + b)), one unit after another; relu(g (W a) + b) where the bias is spared."""
    gates = list(gates)
    for layer in layers:
        rows, heard = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True), a
        a = []
        for row, b in rows:
            g, said = gates.pop(0), sum(w * v for w, v in zip(row, heard, strict=True))
            a.append(max(0.0, g * said + b if spare_bias else g * (said + b)))
    assert not gates
    return a


def test_forward_is_relu_layers_and_a_linear_readout():
    model, x = net(), torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    h = x.flatten(1)
    for layer in model.hidden:
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    assert torch.allclose(model.encode(x), h)
    assert torch.allclose(model(x), h @ model.readout.weight.T + model.readout.bias)
    assert h.shape == (3, 5)


def test_the_start_depends_on_the_generator_alone():
    torch.manual_seed(1)
    one = net(3).state_dict()
    torch.manual_seed(2)
    two, three = net(3).state_dict(), net(4).state_dict()
    assert all(one[name].equal(two[name]) for name in one)
    assert not any(one[name].equal(three[name]) for name in one)


def test_weights_fill_the_range_of_pytorchs_default():
    layer = linear(100, 400, torch.Generator().manual_seed(0))
    for parameter in layer.parameters():
        assert 0.098 < parameter.abs().max() <= 0.1
        assert parameter.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("hidden", [(), (0,), (5, -1)])
def test_layers_without_units_are_refused(hidden):
    with pytest.raises(InputError, match="at least one hidden layer"):
        net(hidden=hidden)


def test_a_network_without_outputs_is_refused():
    with pytest.raises(InputError, match="0 output units"):
        Classifier(12, (5,), 0, seeded())


# Gates ----------------------------------------------------------------------------------------------------------------


def test_a_gate_multiplies_what_enters_the_relu_bias_included():
    hidden, x = Hidden((3, 6, 4), seeded()).double(), normal(8, 3)
    gates = normal(8, 10, seed=1)  # of either sign: after the relu, a negative one would give negative activity
    slow = [slow_hidden(hidden, a, g) for a, g in zip(x.tolist(), gates.tolist(), strict=True)]
    assert close(hidden(x, gates), torch.tensor(slow, dtype=torch.float64))
    assert close(hidden(x), hidden(x, torch.ones_like(gates)))
    assert hidden(x, torch.zeros_like(gates)).count_nonzero() == 0


@pytest.mark.parametrize(("off", "zeros"), [(0.0, (0, 0)), (0.5, (5, 3)), (0.8, (8, 5)), (0.99, (9, 6))])
def test_a_context_switches_exactly_its_fraction_of_each_layer_off(off, zeros):
    gates = Gates(40, (10, 7), off, seeded()).open
    assert set(gates.unique().tolist()) <= {0.0, 1.0}
    assert {tuple((part == 0).sum(1).tolist()) for part in gates.split((10, 7), 1)} == {(n,) * 40 for n in zeros}


def test_every_context_has_units_of_its_own_and_every_unit_is_off_as_often():
    gates = Gates(2000, (10, 10), 0.3, seeded()).open
    assert len(gates[:40].unique(dim=0)) > 35
    assert not gates[:, :10].equal(gates[:, 10:])  # the layers choose for themselves
    # a binomial of mean 600 and standard deviation 20.5; 4.5 deviations for 20 looks
    assert ((gates == 0).sum(0) - 600).abs().max() < 92


def test_gates_depend_on_their_generator_alone():
    torch.manual_seed(1)
    one = Gates(5, (20, 20), 0.5, seeded(3)).open
    torch.manual_seed(2)
    assert one.equal(Gates(5, (20, 20), 0.5, seeded(3)).open)
    assert not one.equal(Gates(5, (20, 20), 0.5, seeded(4)).open)


def test_a_context_that_is_not_sure_gets_the_mixture_of_gates():
    gates = Gates(4, (6, 3), 0.5, seeded()).double()
    pi = normal(5, 4, seed=2).softmax(1)
    slow = torch.zeros(5, 9, dtype=torch.float64)
    for n in range(5):
        for context in range(4):
            for unit in range(9):
                slow[n, unit] += pi[n, context] * gates.open[context, unit]
    assert close(gates(pi), slow)
    assert gates(torch.eye(4, dtype=torch.float64)).equal(gates.open)


@pytest.mark.parametrize("off", [-0.1, 1.0, 1.5, math.nan])
def test_a_fraction_off_that_cannot_be_is_refused(off):
    with pytest.raises(InputError, match="from 0 up to, not at, 1"):
        Gates(3, (4,), off, seeded())


def xdg(off: float = 0.5) -> Classifier:
    return Classifier(12, (7, 5), 4, seeded(), tasks=3, off=off).double()


def test_xdg_gates_each_sample_by_its_own_task():
    model, x, task = xdg(), normal(6, 3, 2, 2), torch.tensor([0, 2, 1, 2, 0, 1])
    for n in range(6):
        gates = model.gates.open[task[n]].tolist()
        slow = slow_hidden(model.hidden, x[n].flatten().tolist(), gates, spare_bias=True)
        h = torch.tensor(slow, dtype=torch.float64)
        assert close(model.encode(x, task)[n], h)
        assert close(model.scores(x, task)[n], model.readout.weight @ h + model.readout.bias)


def test_a_unit_that_is_off_hears_nothing_and_learns_its_bias_alone():
    model, x = xdg(), normal(50, 12)
    task, active = torch.ones(50, dtype=torch.long), torch.ones(50, 4, dtype=torch.bool)
    first, second = (gate.bool() for gate in model.gates.open[1].split((7, 5)))
    one, two = model.hidden
    with torch.no_grad():  # of either sign: what a unit that is off says is its bias, where that is above zero
        one.bias[~first] = torch.linspace(-1, 1, int((~first).sum())).double()
        two.bias[~second] = torch.linspace(-1, 1, int((~second).sum())).double()
    h = model.encode(x, task)
    assert close(h[:, ~second], two.bias[~second].relu().expand(50, -1))
    assert (h[:, second].std(0) > 0).any()
    model.losses(Batch(x, task, task), active, x[:, :0]).sum().backward()
    for layer, gate in ((one, first), (two, second)):
        assert layer.weight.grad[~gate].count_nonzero() == 0
        assert layer.weight.grad[gate].count_nonzero() > 0
        says = layer.bias.grad[~gate] != 0
        assert says.equal(layer.bias[~gate] > 0)


def test_the_decoders_gates_take_the_bias_along_and_those_of_a_classifier_do_not():
    assert all(isinstance(layer, Excitable) for layer in xdg().hidden)
    assert not any(isinstance(layer, Excitable) for layer in net().hidden)
    assert not any(isinstance(layer, Excitable) for layer in Hidden((3, 4), seeded()))
    plain, spared = (kind((3, 6, 4), seeded()).double() for kind in (Hidden, ExcitableHidden))
    x = normal(8, 3)
    assert spared(x).equal(plain(x))  # one start, and without gates one network
    assert spared(x, torch.ones(8, 10).double()).allclose(plain(x))
    assert close(spared(x, torch.zeros(8, 10).double()), spared[1].bias.relu().expand(8, -1))


def test_xdg_must_be_told_the_task_and_others_do_not_look_at_it():
    with pytest.raises(InputError, match="say of which task"):
        xdg()(normal(2, 12))
    assert net().gates is None
    x = torch.randn(2, 12, generator=seeded())
    assert net()(x).equal(net()(x, torch.tensor([0, 99])))


# Losses ---------------------------------------------------------------------------------------------------------------

LOGITS = 3 * normal(4, 6)
ACTIVE = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()
KNEW = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]]).bool()
TEMPERATURE = torch.tensor([2.0, 2.0, 2.0, 3.0], dtype=torch.float64)
TEACHER = 3 * normal(4, 6, seed=1)


def softmax(logits: list[float], active: list[bool], temperature: float) -> list[float]:
    e = [math.exp(v / temperature) if on else 0.0 for v, on in zip(logits, active, strict=True)]
    return [v / sum(e) for v in e]


def test_classification_is_cross_entropy_over_the_active_units_of_each_row():
    y = torch.tensor([1, 2, 3, 5])
    slow = [-Categorical(logits=LOGITS[n][ACTIVE[n]]).log_prob(y[n] - (2 if n == 1 else 0)) for n in range(4)]
    assert close(classification_loss(LOGITS, y, ACTIVE), torch.stack(slow))
    assert classification_loss(LOGITS[:1], torch.tensor([4]), ACTIVE[:1]).item() == math.inf  # y must be active


def test_soft_targets_are_a_softmax_at_temperature_two_and_zero_elsewhere():
    slow = [softmax(TEACHER[n].tolist(), KNEW[n].tolist(), 2.0) for n in range(4)]
    soft = soft_targets(TEACHER, KNEW)
    assert close(soft, torch.tensor(slow, dtype=torch.float64))
    assert (soft == 0).equal(~KNEW)


def test_distillation_is_t_squared_times_cross_entropy_with_zeros_for_newer_classes():
    soft = soft_targets(TEACHER, KNEW)
    slow = []
    for n in range(4):
        t = TEMPERATURE[n].item()
        p = softmax(LOGITS[n].tolist(), ACTIVE[n].tolist(), t)
        slow.append(-t * t * sum(soft[n, c].item() * math.log(p[c]) for c in range(6) if ACTIVE[n, c]))
    assert close(distillation_loss(LOGITS, soft, ACTIVE, TEMPERATURE), torch.tensor(slow, dtype=torch.float64))


def test_the_gradient_of_distillation_is_t_times_student_minus_teacher():
    logits, soft = LOGITS.clone().requires_grad_(), soft_targets(TEACHER, KNEW)
    distillation_loss(logits, soft, ACTIVE, TEMPERATURE).sum().backward()
    for n in range(4):
        t = TEMPERATURE[n].item()
        student = torch.tensor(softmax(LOGITS[n].tolist(), ACTIVE[n].tolist(), t), dtype=torch.float64)
        assert close(logits.grad[n], t * (student - soft[n]))
    assert (logits.grad != 0).equal(ACTIVE)


def test_a_hard_target_is_a_soft_one_at_temperature_one():
    y, one = torch.tensor([1, 2, 3, 5]), torch.ones(4, dtype=torch.float64)
    hard = torch.nn.functional.one_hot(y, 6).double()
    assert close(distillation_loss(LOGITS, hard, ACTIVE, one), classification_loss(LOGITS, y, ACTIVE))


def test_soft_targets_take_the_place_of_labels_where_there_are_any():
    y, soft = torch.tensor([1, 2, 0, 0]), soft_targets(TEACHER, KNEW)
    batch = Batch(LOGITS, y, y)
    assert target_loss(LOGITS, batch, ACTIVE).equal(classification_loss(LOGITS, y, ACTIVE))
    batch = replace(batch, soft=soft, temperature=TEMPERATURE)
    assert target_loss(LOGITS, batch, ACTIVE).equal(distillation_loss(LOGITS, soft, ACTIVE, TEMPERATURE))


# Nearest mean ---------------------------------------------------------------------------------------------------------


def test_the_nearest_mean_is_found_by_the_distance_of_normalised_features():
    model, x, task = NearestMean(12, (7, 5), 4, seeded()).double(), normal(40, 3, 2, 2), torch.zeros(40).long()
    model.means.copy_(normal(4, 5, seed=1))
    slow = torch.zeros(40, 4, dtype=torch.float64)
    for n in range(40):
        h = slow_hidden(model.hidden, x[n].flatten().tolist(), [1.0] * 12)
        length = math.sqrt(sum(v * v for v in h)) or 1.0
        for c in range(4):
            slow[n, c] = -math.dist([v / length for v in h], model.means[c].tolist())
    assert close(model.scores(x, task), slow, 1e-7)  # cdist multiplies the square out
    assert not close(model.scores(x, task), model(x))  # it learns through its read-out, and is tested without
    assert "means" in model.state_dict()
