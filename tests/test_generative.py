"""The generative classifier, against importance sampling written out, in double precision."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from replaylib.errors import InputError
from replaylib.lab.extra.generative_classifier import GenerativeClassifier
from replaylib.loop import Training, train
from replaylib.replay import Nothing
from replaylib.scenarios import Batch, split_stream
from tests.helpers import close, intensities, normal, seeded, slow_decode, slow_posterior, tiny

CLASSES = 3


def net(likelihood: str = "bernoulli", samples: int = 16) -> GenerativeClassifier:
    classifier = GenerativeClassifier(8, (6, 4), 2, CLASSES, seeded(), likelihood=likelihood, samples=samples)
    return classifier.double()


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_score_is_log_p_of_x_given_y_by_importance_sampling(likelihood):
    model, x = net(likelihood, samples=5), intensities(4, 2, 2, 2)
    slow = torch.zeros(4, CLASSES, dtype=torch.float64)
    for n in range(4):
        for y, vae in enumerate(model.models):
            q, prior = slow_posterior(vae, x[n].flatten()), Normal(torch.zeros(2).double(), 1.0)
            weights = []
            for noise in model.test_noise:
                z = q.mean + q.stddev * noise
                output = slow_decode(vae.decoder, z)
                p = Normal(output, 1.0) if likelihood == "gaussian" else Bernoulli(logits=output, validate_args=False)
                log_p = p.log_prob(x[n].flatten()).sum() + prior.log_prob(z).sum()
                weights.append((log_p - q.log_prob(z).sum()).exp())
            slow[n, y] = (sum(weights) / 5).log()
    scores = model.scores(x, torch.zeros(4).long())
    assert close(scores, slow)
    assert model(x).equal(scores)


def test_many_importance_samples_find_the_likelihood_itself():
    model, x = net("gaussian", samples=300), 0.1 * normal(2, 8)
    grid = torch.linspace(-6, 6, 81, dtype=torch.float64)
    z = torch.cartesian_prod(grid, grid)
    for y, vae in enumerate(model.models):  # two units of z: the integral of p(x|z) p(z) is a sum over a grid
        log_p = Normal(vae.decoder(z)[:, None], 1.0).log_prob(x).sum(2) + Normal(0, 1).log_prob(z).sum(1)[:, None]
        exact = log_p.logsumexp(0) + 2 * math.log(12 / 80)
        assert torch.allclose(model.scores(x, torch.zeros(2).long())[:, y], exact, atol=0.05)


def test_a_sample_concerns_its_own_classs_model_alone():
    model, x, noise = net(), intensities(6, 8), normal(6, 2)
    y = torch.tensor([0, 2, 2, 0, 0, 2])
    losses = model.losses(Batch(x, y, y), torch.ones(6, CLASSES).bool(), noise)
    slow = [model.models[y[n]].loss(x[n : n + 1], noise[n : n + 1])[0] for n in range(6)]
    assert close(losses, torch.stack(slow))
    losses.sum().backward()
    grows = [any(p.grad is not None and bool(p.grad.any()) for p in one.parameters()) for one in model.models]
    assert grows == [True, False, True]


def test_the_same_network_always_gives_the_same_answer(tmp_path):
    model, other, x, task = net(), net().float().double(), intensities(6, 8), torch.zeros(6).long()
    torch.manual_seed(1)
    first = model.scores(x, task)
    torch.manual_seed(2)
    assert model.scores(x, task).equal(first)
    assert close(model.scores(x[2:3], task[:1])[0], first[2])  # whatever else is in the batch
    other.test_noise += 1
    assert not other.scores(x, task).equal(first)
    other.load_state_dict(model.state_dict())  # the noise is part of the state
    assert other.scores(x, task).equal(first)


def test_what_arrives_later_leaves_the_models_of_earlier_classes_as_they_are():
    stream, generator, kept = split_stream(tiny(), "class", 3), seeded(), []
    model = GenerativeClassifier(4, (6,), 2, 6, generator)

    def watch(now: Training) -> None:
        kept.append([p.detach().clone() for p in now.net.models[0].parameters()])

    train(stream, model, Nothing(), generator, iterations=3, batch=16, lr=1e-2, watch=watch)
    assert all(one.equal(two) for one, two in zip(kept[2], kept[-1], strict=True))


def test_a_likelihood_without_samples_is_refused():
    with pytest.raises(InputError, match="samples is 0"):
        net(samples=0)


def test_it_has_no_layers_for_a_penalty():
    with pytest.raises(InputError, match="no layers that a penalty could protect"):
        _ = net().path
