"""The auto-encoder's losses, against torch.distributions and sums written out, in double precision."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.vae import (
    VAE,
    StandardNormal,
    kl_to_standard_normal,
    log_likelihood,
    log_normal,
    mean_of,
    reconstruction_loss,
    reparameterise,
)
from tests.helpers import close, intensities, normal, seeded, slow_decode, slow_posterior, slow_reconstruction

MU, LOGVAR, NOISE = (normal(5, 3, seed=s) for s in (1, 2, 3))
Q = Normal(MU, (LOGVAR / 2).exp())
LIKELIHOODS = pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])


def vae(likelihood: str = "bernoulli", inputs: int = 8) -> VAE:
    return VAE(inputs, (6, 4), 3, seeded(), likelihood).double()


def test_a_code_is_its_mean_plus_its_deviation_times_the_noise():
    assert close(reparameterise(MU, LOGVAR, NOISE), Q.mean + Q.stddev * NOISE)


def test_densities_and_divergence_are_those_of_torch():
    z, prior = reparameterise(MU, LOGVAR, NOISE), Normal(torch.zeros_like(MU), 1.0)
    assert close(log_normal(z, MU, LOGVAR), Q.log_prob(z).sum(1))
    assert close(kl_to_standard_normal(MU, LOGVAR), kl_divergence(Q, prior).sum(1))
    assert close(StandardNormal().log_prob(z, z), prior.log_prob(z).sum(1))
    assert close(StandardNormal().divergence(MU, LOGVAR, z, z), kl_divergence(Q, prior).sum(1))
    assert StandardNormal().draw(torch.zeros(5).long(), NOISE).equal(NOISE)


def test_the_divergence_is_the_mean_of_its_samples():
    mu, logvar = MU[:1].expand(200_000, -1), LOGVAR[:1].expand(200_000, -1)
    z = reparameterise(mu, logvar, normal(200_000, 3, seed=4))
    sampled = log_normal(z, mu, logvar) - log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    error = sampled.std().item() / math.sqrt(len(z))
    assert error < 0.01
    assert sampled.mean().item() == pytest.approx(kl_to_standard_normal(MU, LOGVAR)[0].item(), abs=4 * error)


@LIKELIHOODS
def test_reconstruction_is_averaged_over_units(likelihood):
    output, x = normal(5, 8), intensities(5, 8)
    slow = torch.stack([slow_reconstruction(o, v, likelihood) / 8 for o, v in zip(output, x, strict=True)])
    assert close(reconstruction_loss(output, x, likelihood), slow)


def test_a_log_likelihood_has_its_constants():
    output, x = normal(5, 8), intensities(5, 8)
    assert close(log_likelihood(output, x, "gaussian"), Normal(output, 1.0).log_prob(x).sum(1))
    assert close(log_likelihood(output, x, "bernoulli"), -8 * reconstruction_loss(output, x, "bernoulli"))
    binary = x.round()
    assert close(log_likelihood(output, binary, "bernoulli"), Bernoulli(logits=output).log_prob(binary).sum(1))


@LIKELIHOODS
def test_the_loss_is_the_negative_elbo_a_pixel(likelihood):
    net, x, noise = vae(likelihood), intensities(5, 2, 2, 2), NOISE
    slow = []
    for image, e in zip(x.flatten(1), noise, strict=True):
        q = slow_posterior(net, image)
        output = slow_decode(net.decoder, q.mean + q.stddev * e)
        divergence = kl_divergence(q, Normal(torch.zeros(3).double(), 1.0)).sum()
        slow.append((slow_reconstruction(output, image, likelihood) + divergence) / 8)
    slow, loss = torch.stack(slow), net.loss(x, noise)
    assert close(loss, slow)
    both = zip(*(torch.autograd.grad(v.sum(), list(net.parameters())) for v in (loss, slow)), strict=True)
    assert all(close(one, two) for one, two in both)


@LIKELIHOODS
def test_what_it_imagines_rebuilds_and_weighs_is_the_slow_formula(likelihood):
    net, x = vae(likelihood), intensities(5, 8)
    read = torch.sigmoid if likelihood == "bernoulli" else lambda output: output
    for n in range(5):
        q, prior = slow_posterior(net, x[n]), Normal(torch.zeros(3).double(), 1.0)
        z = q.mean + q.stddev * NOISE[n]
        output = slow_decode(net.decoder, z)
        p = Normal(output, 1.0) if likelihood == "gaussian" else Bernoulli(logits=output, validate_args=False)
        weight = p.log_prob(x[n]).sum() + prior.log_prob(z).sum() - q.log_prob(z).sum()
        assert close(net.log_weight(x, None, NOISE)[n], weight)
        assert close(net.reconstruct(x, None, NOISE)[n], read(output))
        assert close(net.generate(NOISE)[n], read(slow_decode(net.decoder, NOISE[n])))
    assert mean_of(x, "gaussian").equal(x)


def test_the_decoder_has_the_encoders_layers_in_reverse():
    net = VAE(8, (6, 4), 3, seeded())
    sizes = [(layer.in_features, layer.out_features) for layer in (*net.decoder.hidden, net.decoder.output)]
    assert sizes == [(3, 4), (4, 6), (6, 8)]


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="choose bernoulli or gaussian"):
        vae("poisson")
    with pytest.raises(InputError, match="noise_dim is 0"):
        VAE(8, (6,), 0, seeded())
    with pytest.raises(InputError, match="at least one hidden layer"):
        VAE(8, (), 3, seeded())


def test_it_learns_to_rebuild_digits():
    x = load_dataset("digits").train.images[:200].float().flatten(1) / 255
    net = VAE(64, (32,), 5, seeded())
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    generator, losses = seeded(1), []
    for _ in range(100):
        loss = net.loss(x, torch.randn(200, 5, generator=generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    of_the_mean_image = reconstruction_loss(x.mean(0).clamp(1e-3, 1 - 1e-3).logit().expand(200, -1), x, "bernoulli")
    assert losses[-1] < of_the_mean_image.mean().item() < losses[0]
