"""Networks whose pre-trained convolutional layers learn along: pixels are replayed, through a mirrored decoder."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from replaylib.brain import Brain
from replaylib.conv import ConvEncoder, DeconvDecoder, as_two_batches, batch_statistics
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.lab import encoders, runs
from replaylib.lab.experiments import experiment
from replaylib.nets import Classifier
from replaylib.penalties import fisher_diagonal
from replaylib.scenarios import Batch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classifier() -> Classifier:
    backbone = copy.deepcopy(encoders.load_encoder("glyphs").net)
    return Classifier(backbone.units, (30, 20), 6, generator(), backbone=backbone)


def batch(current: int = 5, replayed: int = 3) -> Batch:
    draw = generator(7)

    def samples(n: int) -> Batch:
        return Batch(
            torch.randn(n, 3, 32, 32, generator=draw),
            torch.randint(6, (n,), generator=draw),
            torch.zeros(n, dtype=torch.long),
        )

    return samples(current).with_replay(samples(replayed))


def test_the_decoder_mirrors_the_encoder():
    net, encoder = DeconvDecoder(generator()), ConvEncoder(generator())
    deconvs = [layer for layer in net.layers if isinstance(layer, nn.ConvTranspose2d)]
    assert [d.in_channels for d in deconvs] == [256, 128, 64, 32, 16]
    assert [d.out_channels for d in deconvs] == [128, 64, 32, 16, 3]
    assert [(d.kernel_size[0], d.stride[0]) for d in deconvs] == [(4, 2)] * 4 + [(3, 1)]
    assert [type(layer).__name__ for layer in net.layers][-4:] == [
        "ConvTranspose2d",
        "BatchNorm2d",
        "ReLU",
        "ConvTranspose2d",
    ]
    x = torch.rand(2, 3, 32, 32)
    sizes, back = [], []
    for layer in encoder.layers:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sizes.append(tuple(x.shape[1:]))
    for layer in net.layers:
        x = layer(x)
        if isinstance(layer, nn.ConvTranspose2d):
            back.append(tuple(x.shape[1:]))
    assert back == [*sizes[-2::-1], (3, 32, 32)]
    assert net(torch.rand(2, encoder.units)).shape == (2, 3072)
    with pytest.raises(InputError, match="height and width are multiples of 16"):
        DeconvDecoder(generator(), (1, 28, 28))


def test_current_and_replayed_samples_are_normalised_apart():
    net, mixed = classifier(), batch()
    assert mixed.current == 5
    assert Batch(*mixed.tensors()).current is None
    with batch_statistics(net.backbone):
        together = as_two_batches(net.backbone, mixed.x, mixed.current)
        one_by_one = torch.cat([copy.deepcopy(net.backbone)(part) for part in (mixed.x[:5], mixed.x[5:])])
        as_one = net.backbone(mixed.x)
    assert torch.allclose(together, one_by_one, atol=1e-5)
    assert not torch.allclose(together, as_one, atol=1e-2)


def test_running_statistics_follow_training_and_nothing_else():
    net, mixed = classifier(), batch()
    before = net.backbone.layers[1].running_mean.clone()
    net.scores(mixed.x, mixed.task)
    net(mixed.x, mixed.task)
    assert net.backbone.layers[1].running_mean.equal(before)
    net.losses(mixed, torch.ones(8, 6, dtype=torch.bool), torch.empty(8, 0))
    assert not net.backbone.layers[1].running_mean.equal(before)
    assert not net.backbone.training
    # Tested, a sample does not depend on those beside it.
    assert torch.allclose(net(mixed.x, mixed.task)[2:3], net(mixed.x[2:3], mixed.task[2:3]), atol=1e-4)


def test_an_encoder_that_learns_is_a_copy_and_all_of_it_is_protected():
    first, second = classifier(), classifier()
    with torch.no_grad():
        first.backbone.layers[0].weight.zero_()
    assert second.backbone.layers[0].weight.abs().sum() > 0
    kinds = [type(layer).__name__ for layer in second.path]
    assert kinds == ["Conv2d", "BatchNorm2d"] * 4 + ["Conv2d"] + ["Linear"] * 3
    protected = {id(p) for layer in second.path for p in layer.parameters()}
    assert protected == {id(p) for p in second.parameters()}
    assert all(p.requires_grad for p in second.parameters())
    assert not second.pure


@pytest.mark.parametrize("names", ["", "feedback", "feedback+conditional+gating+distill", "gating"])
def test_a_generator_of_pixels_has_its_own_layers_or_shares_the_classifiers(names):
    brain = Brain.from_names(names)
    net = BrainNet(brain, classifier(), generator(1), noise_dim=4, gate_prop=0.5, likelihood="gaussian", pixels=3072)
    mixed = batch()
    noise = torch.randn(8, 4)
    loss = net.losses(mixed, torch.ones(8, 6, dtype=torch.bool), noise)
    loss.sum().backward()
    assert loss.shape == (8,)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert (net.recognition.backbone is None) == brain.feedback
    if net.recognition.backbone is not None:
        assert net.recognition.backbone is not net.classifier.backbone
        assert net.recognition.backbone.layers[0].weight.equal(net.classifier.backbone.layers[0].weight)
    # The features between deconvolutions and hidden layers are a layer with ReLU and, as in the reference, no gates.
    assert net.decoder.hidden.units == (20, 30)
    assert net.decoder.features.units == (1024,)
    if brain.gating:
        assert net.gates.open.shape == (6, 20 + 30)
    y = torch.tensor([0, 1, 2])
    imagined = net.generate(y, torch.zeros_like(y), noise[:3])
    assert imagined.shape == (3, 3072)
    assert torch.allclose(imagined[1:2], net.generate(y[1:2], y[:1], noise[1:2]), atol=1e-4)
    assert not net.pure


def test_the_fisher_information_of_convolutions_is_that_of_each_sample_by_itself():
    net = classifier()
    x, task = batch().x, torch.zeros(8, dtype=torch.long)
    active = torch.arange(6).expand(8, -1) < 3
    expected = [torch.zeros_like(p) for layer in net.path for p in layer.parameters()]
    parameters = [p for layer in net.path for p in layer.parameters()]
    for row in range(8):
        log_p = net(x[row : row + 1], task[:1])[0, :3].log_softmax(0)
        for y in range(3):
            grads = torch.autograd.grad(log_p[y], parameters, retain_graph=True)
            for total, grad in zip(expected, grads, strict=True):
                total += log_p[y].exp().detach() * grad**2 / 8
    for estimate, wanted in zip(fisher_diagonal(net, x, task, active, chunk=5), expected, strict=True):
        assert torch.allclose(estimate, wanted, rtol=1e-3, atol=1e-3 * wanted.max().item())


@pytest.mark.parametrize("method", ["none", "lwf", "ewc", "si", "nearest-mean", "der++", "gr", "bi-r-no-internal"])
def test_methods_train_their_encoder(method):
    options = {"backbone": "tuned", "tasks": 2, "hidden": (20, 20), "iterations": 2, "batch": 8}
    description = experiment("split-glyphs", "class", method, **options)
    net, record = runs.run(description)
    backbone = net.classifier.backbone if isinstance(net, BrainNet) else net.backbone
    pretrained = encoders.load_encoder("glyphs").net
    assert not backbone.layers[0].weight.equal(pretrained.layers[0].weight)
    assert not pretrained.layers[0].weight.requires_grad
    assert "encoder glyphs" in record.versions
    assert record.tensor()[-1].isfinite().all()
    again, same = runs.run(description)
    assert all(a.equal(b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))
    assert same.matrix[-1] == record.matrix[-1]


@pytest.mark.parametrize("method", ["gr+gating", "bi-r-no-internal"])
def test_pixels_are_replayed_through_an_encoder_that_stays_as_it_is(method):
    options = {"backbone": "frozen", "tasks": 2, "hidden": (20, 20), "iterations": 2, "batch": 8}
    description = experiment("split-glyphs", "class", method, **options)
    net, record = runs.run(description)
    pretrained = encoders.load_encoder("glyphs").net.state_dict()
    for backbone in filter(None, (net.classifier.backbone, net.recognition.backbone)):
        assert all(value.equal(pretrained[name]) for name, value in backbone.state_dict().items())
    assert net.classifier.path == [*net.classifier.hidden, net.classifier.readout]
    assert net.decoder.mirror.layers[1].running_mean.abs().sum() > 0
    assert net.generate(torch.tensor([0]), torch.tensor([0]), torch.zeros(1, net.noise_dim)).shape == (1, 3072)
    assert record.tensor()[-1].isfinite().all()


def test_the_loss_is_the_obvious_formula():
    net = BrainNet(Brain(feedback=True), classifier(), generator(1), noise_dim=4, likelihood="gaussian", pixels=3072)
    mixed = Batch(*batch().tensors())  # as one batch
    noise = torch.randn(8, 4)
    loss = net.losses(mixed, torch.ones(8, 6, dtype=torch.bool), noise)
    with batch_statistics(net.classifier.backbone, net.decoder.mirror), torch.no_grad():
        h = net.classifier.hidden(net.classifier.backbone(mixed.x))
        mu, logvar = net.recognition.posterior(h)
        output = net.decoder.output(net.decoder.features(net.decoder.hidden(mu + (logvar / 2).exp() * noise)))
        variational = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1) / 3072
        reconstruction = 0.5 * ((output - mixed.x.flatten(1)) ** 2).mean(1)
        expected = F.cross_entropy(net.classifier.readout(h), mixed.y, reduction="none") + reconstruction + variational
    assert torch.allclose(loss, expected, atol=1e-4)
