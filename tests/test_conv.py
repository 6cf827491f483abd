"""The convolutional encoder and the decoder that mirrors it."""

import pytest
import torch
from torch import nn

from replaylib.conv import CHANNELS, ConvEncoder
from replaylib.errors import InputError


def encoder(seed: int = 0, **options: object) -> ConvEncoder:
    return ConvEncoder(torch.Generator().manual_seed(seed), **options)


def test_the_encoder_is_the_published_one():
    net = encoder()
    convs = [layer for layer in net.layers if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convs] == [16, 32, 64, 128, 256] == list(CHANNELS)
    assert [c.in_channels for c in convs] == [3, 16, 32, 64, 128]
    assert [c.stride for c in convs] == [(1, 1), (2, 2), (2, 2), (2, 2), (2, 2)]
    assert {(c.kernel_size, c.padding) for c in convs} == {((3, 3), (1, 1))}
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * 4 + ["Conv2d"]
    assert net(torch.rand(5, 3, 32, 32)).shape == (5, 1024) == (5, net.units)


def test_nothing_follows_the_last_layer():
    net = encoder().eval()
    x = torch.rand(4, 3, 32, 32)
    last = net.layers[-1]
    before = net.layers[:-1](x.contiguous(memory_format=torch.channels_last))
    features = net(x)
    assert (features < 0).any()
    assert torch.allclose(features, nn.functional.conv2d(before, last.weight, last.bias, 2, 1).flatten(1))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 33, 50), (1, 8, 8)])
def test_any_image_has_its_features(shape):
    net = encoder(shape=shape)
    assert net(torch.rand(2, *shape)).shape == (2, net.units)
    with pytest.raises(InputError, match=r"takes \(channels, height, width\)"):
        encoder(shape=(784,))


def test_parameters_come_from_the_generator_as_pytorch_would_draw_them():
    first, same, other = encoder(0), encoder(0), encoder(1)
    assert all(a.equal(b) for a, b in zip(first.parameters(), same.parameters(), strict=True))
    assert not first.layers[0].weight.equal(other.layers[0].weight)
    for layer, reference in ((first.layers[0], nn.Conv2d(3, 16, 3)), (first.layers[-1], nn.Conv2d(128, 256, 3))):
        bound = 1 / (layer.in_channels * 9) ** 0.5
        for parameter in (layer.weight, layer.bias):
            assert parameter.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(reference.weight.std().item(), rel=0.15)
