"""The classifier."""

import pytest
import torch

from replaylib.errors import InputError
from replaylib.nets import Classifier, linear


def net(seed: int = 0, hidden: tuple[int, ...] = (7, 5)) -> Classifier:
    return Classifier(12, hidden, 4, torch.Generator().manual_seed(seed))


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
