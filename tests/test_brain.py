"""Brain-inspired replay, one sample at a time: every loss and every imagined sample against a slow formula."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from replaylib.brain import Brain, ClassModes, internal
from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.loop import train
from replaylib.nets import Classifier, target_loss
from replaylib.replay import Generated
from replaylib.scenarios import SCENARIOS, Batch, split_stream
from tests.helpers import close, intensities, normal, seeded, slow_decode, slow_layers, slow_reconstruction, tiny

INPUTS, HIDDEN, CLASSES, LATENT = 8, (6, 5), 4, 3
SWITCHES = list(itertools.product([False, True], repeat=5))


def brain_net(brain: Brain, seed: int = 0, **options) -> BrainNet:
    generator = seeded(seed)
    classifier = Classifier(INPUTS, HIDDEN, CLASSES, generator)
    options = {"noise_dim": LATENT, "gate_prop": 0.5, **options}
    return BrainNet(brain, classifier, generator, **options).double()


def samples(n: int = 6, soft: bool = False) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """A batch, its active units (all but the last class) and noise; soft: half is current, half has soft targets."""
    generator = seeded(5)
    y, task = (torch.randint(high, (n,), generator=generator) for high in (CLASSES - 1, 3))
    active = (torch.arange(CLASSES) < CLASSES - 1).expand(n, -1)
    batch = Batch(intensities(n, 2, 2, 2), y, task)
    if soft:
        class_probs = normal(n, CLASSES, seed=6).softmax(1)
        class_probs[:, 2:] = 0  # classes that the teacher did not know
        class_probs = class_probs / class_probs.sum(1, keepdim=True)
        class_probs[: n // 2] = torch.eye(CLASSES, dtype=torch.float64)[y[: n // 2]]
        temperature = torch.tensor([1.0] * (n // 2) + [2.0] * (n - n // 2), dtype=torch.float64)
        batch = replace(batch, soft=class_probs, temperature=temperature)
    return batch, active, normal(n, LATENT, seed=7)


def slow_gates(net: BrainNet, class_probs: torch.Tensor, task: int) -> torch.Tensor | None:
    if net.gates is None:
        return None
    if net.gates.tasks is not None:
        return net.gates.open[task]
    return sum(class_probs[c] * net.gates.open[c] for c in range(CLASSES))


def slow_prior(net: BrainNet, z: torch.Tensor, class_probs: torch.Tensor) -> torch.Tensor:
    """log sum_c pi_c N(z; m_c, s_c), one sample, densities themselves added up."""
    if not net.brain.conditional:
        return Normal(torch.zeros_like(z), 1.0).log_prob(z).sum()
    density = torch.zeros((), dtype=torch.float64)
    for c in range(len(class_probs)):
        density = (
            density
            + class_probs[c] * Normal(net.prior.mean[c], (net.prior.logvar[c] / 2).exp()).log_prob(z).sum().exp()
        )
    return density.log()


def slow_loss(net: BrainNet, batch: Batch, n: int, units: list[int], noise: torch.Tensor) -> torch.Tensor:
    """Classification + reconstruction + variational of sample n."""
    x, y, task = batch.x[n].flatten(), int(batch.y[n]), int(batch.task[n])
    class_probs = torch.eye(CLASSES, dtype=torch.float64)[y] if batch.soft is None else batch.soft[n]
    temperature = 1.0 if batch.soft is None else batch.temperature[n]
    h = slow_layers(net.classifier.hidden, x)
    logits = net.classifier.readout.weight @ h + net.classifier.readout.bias
    e = {u: torch.exp(logits[u] / temperature) for u in units}
    classification = -(temperature**2) * sum(class_probs[u] * torch.log(e[u] / sum(e.values())) for u in units)
    if not net.brain.feedback:
        h = slow_layers(net.recognition.encoder, x)
    mu, logvar = (
        layer.weight @ h + layer.bias for layer in (net.recognition.posterior.mu, net.recognition.posterior.logvar)
    )
    q = Normal(mu, (logvar / 2).exp())
    z = q.mean + q.stddev * noise[n]
    output = slow_decode(net.decoder, z, slow_gates(net, class_probs, task))
    if net.brain.conditional:
        variational = q.log_prob(z).sum() - slow_prior(net, z, class_probs)
    else:
        variational = kl_divergence(q, Normal(torch.zeros_like(z), 1.0)).sum()
    return classification + slow_reconstruction(output, x, net.likelihood) / len(x) + variational / net.pixels


# The switches ---------------------------------------------------------------------------------------------------------


def test_names_and_switches_are_two_ways_to_say_the_same():
    brains = [Brain(*switches) for switches in SWITCHES]
    assert [Brain.from_names(str(brain)) for brain in brains] == brains
    assert len({str(brain) for brain in brains}) == 32
    assert (str(Brain()), str(Brain.all())) == ("", "feedback+conditional+gating+internal+distill")
    assert Brain.from_names("distill+gating") == Brain(gating=True, distill=True)


def test_an_unknown_modification_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean gating"):
        Brain.from_names("feedback+gatings")


def test_a_network_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="noise_dim is 0"):
        brain_net(Brain(), noise_dim=0)
    with pytest.raises(InputError, match="gate_prop is 1"):
        brain_net(Brain(gating=True), gate_prop=1.0)


# The loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("switches", itertools.product([False, True], repeat=3))
def test_the_loss_and_its_gradient_are_the_slow_formulas(switches, soft):
    likelihood = "gaussian" if sum(switches) % 2 else "bernoulli"
    net = brain_net(Brain(*switches), likelihood=likelihood, pixels=29, tasks=None)
    batch, active, noise = samples(soft=soft)
    losses = net.losses(batch, active, noise)
    slow = torch.stack([slow_loss(net, batch, n, [0, 1, 2], noise) for n in range(6)])
    assert close(losses, slow)
    weight = normal(6, seed=8)  # so that an error in one sample's gradient is not made up for by another's
    names, parameters = zip(*net.named_parameters(), strict=True)
    both = [torch.autograd.grad(weight @ each, parameters) for each in (losses, slow)]
    assert [name for name, one, two in zip(names, *both, strict=True) if not close(one, two, 1e-9)] == []


def test_the_internal_context_can_be_the_task():
    net = brain_net(Brain.all(), tasks=3)
    batch, active, noise = samples(soft=True)
    assert len(net.gates.open) == 3
    slow = torch.stack([slow_loss(net, batch, n, [0, 1, 2], noise) for n in range(6)])
    assert close(net.losses(batch, active, noise), slow)
    moved = replace(batch, task=(batch.task + 1) % 3)
    assert not net.losses(moved, active, noise).equal(net.losses(batch, active, noise))


def test_the_variational_loss_is_divided_by_the_pixels_of_an_image():
    batch, active, noise = samples()
    one, ten = (brain_net(Brain.all(), pixels=pixels) for pixels in (1, 10))
    _, mu, logvar = one.recognise(batch.x)
    q = Normal(mu, (logvar / 2).exp())
    z = q.mean + q.stddev * noise
    prior = torch.stack([slow_prior(one, z[n], torch.eye(4)[batch.y[n]].double()) for n in range(6)])
    difference = one.losses(batch, active, noise) - ten.losses(batch, active, noise)
    assert close(difference, 0.9 * (q.log_prob(z).sum(1) - prior), 1e-9)
    assert brain_net(Brain.all()).pixels == INPUTS


# 1. Feedback ----------------------------------------------------------------------------------------------------------


def test_feedback_is_one_encoder_for_both():
    apart, merged = brain_net(Brain()), brain_net(Brain(feedback=True))
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert count(apart) - count(merged) == count(apart.classifier.hidden) == count(apart.recognition.encoder)
    assert merged.recognition.encoder is None
    batch, active, noise = samples()
    imagining = merged.losses(batch, active, noise) - target_loss(merged(batch.x), batch, active)
    imagining.sum().backward()
    assert all(p.grad.count_nonzero() > 0 for p in merged.classifier.hidden.parameters())
    assert all(p.grad.count_nonzero() == 0 for p in merged.classifier.readout.parameters())


@pytest.mark.parametrize("soft", [False, True])
def test_a_separate_generator_leaves_the_classifier_as_it_is_without(soft):
    batch, active, noise = samples(soft=soft)
    net, alone = (
        brain_net(Brain.from_names("conditional+gating")),
        Classifier(INPUTS, HIDDEN, CLASSES, seeded()).double(),
    )
    net.losses(batch, active, noise).mean().backward()
    alone.losses(batch, active, noise[:, :0]).mean().backward()
    for one, two in zip(net.classifier.parameters(), alone.parameters(), strict=True):
        assert one.equal(two)  # the classifier is drawn first: every method starts from the same
        assert close(one.grad, two.grad)
    assert all(p.grad is not None for p in net.parameters())


def test_only_the_way_to_the_classes_is_the_path():
    for brain in (Brain(), Brain.all()):
        net = brain_net(brain)
        expected = (*net.classifier.hidden, net.classifier.readout)
        assert all(layer is other for layer, other in zip(net.path, expected, strict=True))


# 2. Conditional replay ------------------------------------------------------------------------------------------------


def test_the_prior_of_a_sample_is_a_mixture_with_the_weights_of_its_classes():
    net = brain_net(Brain(conditional=True))
    z, class_probs = normal(6, LATENT), normal(6, CLASSES, seed=1).softmax(1)
    class_probs[0] = torch.tensor([0, 1.0, 0, 0])
    class_probs[1] = torch.tensor([0.25, 0, 0.75, 0])
    slow = torch.stack([slow_prior(net, z[n], class_probs[n]) for n in range(6)])
    log_p = net.prior.log_prob(z, class_probs)
    assert close(log_p, slow)
    one = Normal(net.prior.mean[1], (net.prior.logvar[1] / 2).exp()).log_prob(z[0]).sum()
    assert close(log_p[0], one)
    mean, logvar = torch.autograd.grad(log_p[:2].sum(), [net.prior.mean, net.prior.logvar])
    for gradient in (mean, logvar):
        assert gradient.isfinite().all()
        assert (gradient != 0).all(1).tolist() == [True, True, True, False]  # a class ruled out learns nothing


@pytest.mark.parametrize("scale", [1, 10, 100])
def test_in_float32_the_multiplied_out_square_is_off_by_a_millionth_of_its_terms(scale):
    """Means as they start, and ten and a hundred times as large: the terms that cancel are a hundred times larger."""
    modes, y = ClassModes(100, 100, seeded()), torch.arange(200) % 100
    with torch.no_grad():
        modes.mean.mul_(scale)
        z, class_probs = modes.draw(y, torch.randn(200, 100, generator=seeded(1))), torch.eye(100)[y]
        terms = (modes.mean**2 * (-modes.logvar).exp()).sum(1).max().item()
        exact = modes.log_prob(z.double(), class_probs.double())  # which computes in the precision of z
        slow = Normal(modes.mean[y].double(), (modes.logvar[y].double() / 2).exp()).log_prob(z.double()).sum(1)
        error = (modes.log_prob(z, class_probs) - exact).abs().max().item()
    assert (exact - slow).abs().max() < 1e-13 * terms
    assert error < 1e-6 * terms
    assert error < 2e-4 * scale**2


def test_modes_start_standard_normal_and_are_learned():
    modes = ClassModes(200, 100, seeded())
    for parameter in modes.parameters():
        assert parameter.requires_grad
        assert abs(parameter.mean()) < 0.03  # 4 standard errors of 20,000
        assert abs(parameter.std() - 1) < 0.02
    assert not modes.mean.equal(modes.logvar)


def test_a_code_is_drawn_from_the_mode_of_its_class():
    modes, y, noise = ClassModes(CLASSES, LATENT, seeded()).double(), torch.tensor([2, 0, 2]), normal(3, LATENT)
    slow = [modes.mean[c] + (modes.logvar[c] / 2).exp() * e for c, e in zip(y.tolist(), noise, strict=True)]
    assert close(modes.draw(y, noise), torch.stack(slow))
    drawn = modes.draw(torch.full((100_000,), 1), normal(100_000, LATENT, seed=1))
    mode = Normal(modes.mean[1], (modes.logvar[1] / 2).exp())
    assert ((drawn.mean(0) - mode.mean) / mode.stddev).abs().max() < 4.5 / 100_000**0.5
    assert (drawn.std(0) / mode.stddev - 1).abs().max() < 4.5 / 200_000**0.5


def test_the_divergence_is_that_of_the_one_code_drawn():
    net, (mu, logvar, noise) = brain_net(Brain(conditional=True)), (normal(5, LATENT, seed=s) for s in range(3))
    class_probs, q = normal(5, CLASSES, seed=3).softmax(1), Normal(mu, (logvar / 2).exp())
    z = q.mean + q.stddev * noise
    slow = torch.stack([q.log_prob(z)[n].sum() - slow_prior(net, z[n], class_probs[n]) for n in range(5)])
    assert close(net.prior.divergence(mu, logvar, z, class_probs), slow)


# 3. Gating ------------------------------------------------------------------------------------------------------------


def test_gates_are_in_every_decoder_layer_but_the_output_and_nowhere_else():
    net, (batch, active, noise) = brain_net(Brain.all(), likelihood="gaussian"), samples()
    assert net.gates.open.shape == (CLASSES, sum(HIDDEN))
    logits, recognised = net(batch.x), net.recognise(batch.x)
    before = net.losses(batch, active, noise)
    net.gates.open.zero_()
    assert net(batch.x).equal(logits)
    assert all(one.equal(two) for one, two in zip(net.recognise(batch.x), recognised, strict=True))
    assert not net.losses(batch, active, noise).equal(before)
    assert close(net.generate(batch.y, batch.task, noise), net.decoder.output.bias.expand(6, -1))


def test_imagining_takes_the_hard_gates_and_the_mode_of_the_class():
    batch, _, noise = samples()
    for switches in itertools.product([False, True], repeat=2):
        for tasks in (None, 3):
            net = brain_net(Brain(True, *switches), tasks=tasks)
            imagined = net.generate(batch.y, batch.task, noise)
            assert not imagined.requires_grad
            for n, (y, task) in enumerate(zip(batch.y.tolist(), batch.task.tolist(), strict=True)):
                z = noise[n]
                if net.brain.conditional:
                    z = net.prior.mean[y] + (net.prior.logvar[y] / 2).exp() * z
                gates = net.gates.open[y if tasks is None else task] if net.brain.gating else None
                assert close(imagined[n], torch.sigmoid(slow_decode(net.decoder, z, gates)))


def test_without_modes_and_gates_the_class_makes_no_difference():
    y, noise = torch.tensor([0, 1, 2]), normal(1, LATENT).expand(3, -1)
    differs = {}
    for names in ("feedback+distill", "conditional", "gating"):
        imagined = brain_net(Brain.from_names(names)).generate(y, y, noise)
        differs[names] = not imagined[0].equal(imagined[1])
    assert differs == {"feedback+distill": False, "conditional": True, "gating": True}


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_rebuilding_and_weighing_take_the_gates_and_the_mode_of_the_class(likelihood):
    batch, _, noise = samples()
    for names in ("", "feedback+conditional+gating"):
        net = brain_net(Brain.from_names(names), likelihood=likelihood)
        rebuilt, weights = net.reconstruct(batch.x, batch.y, noise), net.log_weight(batch.x, batch.y, noise)
        for n in range(6):
            x, class_probs = batch.x[n].flatten(), torch.eye(CLASSES, dtype=torch.float64)[batch.y[n]]
            h = slow_layers(net.classifier.hidden if net.recognition.encoder is None else net.recognition.encoder, x)
            mu, logvar = (
                layer.weight @ h + layer.bias
                for layer in (net.recognition.posterior.mu, net.recognition.posterior.logvar)
            )
            q = Normal(mu, (logvar / 2).exp())
            z = q.mean + q.stddev * noise[n]
            output = slow_decode(net.decoder, z, slow_gates(net, class_probs, 0))
            assert close(rebuilt[n], torch.sigmoid(output) if likelihood == "bernoulli" else output)
            log_p = -slow_reconstruction(output, x, likelihood)
            log_p = log_p - (INPUTS / 2 * math.log(2 * math.pi) if likelihood == "gaussian" else 0)
            assert close(weights[n], log_p + slow_prior(net, z, class_probs) - q.log_prob(z).sum())


def test_a_network_that_imagines_by_class_must_be_told_the_class():
    (batch, _, noise), plain = samples(), brain_net(Brain(feedback=True))
    for name in ("reconstruct", "log_weight"):
        told = getattr(plain, name)(batch.x, batch.y, noise)
        assert getattr(plain, name)(batch.x, None, noise).equal(told)
        for modification in ("conditional", "gating"):
            with pytest.raises(InputError, match="say of which class"):
                getattr(brain_net(Brain.from_names(modification)), name)(batch.x, None, noise)


def test_a_network_that_gates_by_task_must_be_told_the_task():
    (batch, _, noise), net = samples(), brain_net(Brain.all(), tasks=3)
    with pytest.raises(InputError, match="say of which task"):
        net.reconstruct(batch.x, batch.y, noise)
    with pytest.raises(InputError, match="say of which task"):
        net.log_weight(batch.x, batch.y, noise)
    assert net.log_weight(batch.x, batch.y, noise, batch.task).isfinite().all()


def test_gates_and_modes_are_saved_and_loaded_with_the_network(tmp_path):
    (batch, _, noise), net, other = samples(), brain_net(Brain.all()), brain_net(Brain.all(), seed=1)
    assert not other.gates.open.equal(net.gates.open)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    other.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    assert other.gates.open.equal(net.gates.open)
    assert other.generate(batch.y, batch.task, noise).equal(net.generate(batch.y, batch.task, noise))
    assert other(batch.x).equal(net(batch.x))


# 4. Internal replay ---------------------------------------------------------------------------------------------------


class Backbone(nn.Module):
    """A convolution with batch-norm, whose statistics are not those of the images, that counts what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.seen = nn.Conv2d(1, 3, 2, padding=1), nn.BatchNorm2d(3), []
        self.norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(x))
        return self.norm(self.conv(x))


@pytest.mark.parametrize("chunk", [7, 1000])
def test_features_are_the_backbones_of_each_image_computed_once(chunk):
    images, backbone = tiny(), Backbone()
    statistics = backbone.norm.running_mean.clone()
    split = internal(images, backbone, chunk)
    assert sum(backbone.seen) == 60
    assert not backbone.training
    assert backbone.norm.running_mean.equal(statistics)
    for part, features in zip(images, split, strict=True):
        assert features.images.shape == (30, 27)
        assert not features.images.requires_grad
        alone = torch.cat([backbone(part.inputs(image[None])).flatten(1) for image in part.images])
        assert torch.allclose(features.images, alone, atol=1e-6)
        assert features.labels.equal(part.labels)
        assert features.classes == part.classes


def test_features_need_no_backbone():
    part = Dataset("features", torch.zeros(2, 5), torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(InputError, match="features already"):
        internal(Split(part, part), Backbone())


# All of it ------------------------------------------------------------------------------------------------------------


def trained(brain: Brain, scenario: str, seed: int = 0) -> tuple[BrainNet, BrainNet, Generated]:
    """A network before and after two steps of each of three tasks, and its source of replay."""
    data = internal(tiny(), nn.Flatten()) if brain.internal else tiny()
    stream = split_stream(data, scenario, 3)
    tasks = stream.tasks if scenario == "domain" else None

    def start() -> BrainNet:
        classifier = Classifier(4, (12, 10), stream.outputs, seeded(seed))
        likelihood = "gaussian" if brain.internal else "bernoulli"
        return BrainNet(
            brain, classifier, seeded(seed + 100), noise_dim=5, gate_prop=0.5, tasks=tasks, likelihood=likelihood
        )

    net = start()
    replay = Generated(stream, net, seeded(seed + 200))
    train(stream, net, replay, seeded(seed + 300), iterations=2, batch=8, lr=1e-3)
    return start(), net, replay


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: "".join("01"[on] for on in switches))
def test_every_combination_can_be_trained_in_every_scenario(switches, scenario):
    brain = Brain(*switches)
    before, net, replay = trained(brain, scenario)
    for (name, one), two in zip(before.named_parameters(), net.parameters(), strict=True):
        assert two.isfinite().all(), name
        assert not two.equal(one), name  # every parameter is learned
    batch = replay.sample(16)
    assert batch.x.isfinite().all()
    assert (batch.soft is not None) == brain.distill
    assert batch.x.shape[1:] == ((4,) if brain.internal else (1, 2, 2))


def test_same_seed_same_bits_and_two_seeds_differ():
    (_, one, first), (_, two, second), (_, three, _) = (trained(Brain.all(), "class", seed) for seed in (0, 0, 1))
    assert all(a.equal(b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert first.sample(8).x.equal(second.sample(8).x)
    assert not any(a.equal(b) for a, b in zip(one.parameters(), three.parameters(), strict=True))
