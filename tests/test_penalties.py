"""The penalties, one sample, one class, one step and one parameter at a time, in double precision."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from replaylib.brain import Brain
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.loop import Training, objective, train
from replaylib.nets import Classifier, Network
from replaylib.penalties import EWC, SI, STIFFEST, Quadratic, fisher_diagonal
from replaylib.replay import Nothing
from replaylib.scenarios import Batch, split_stream
from tests.helpers import close, normal, seeded, tiny


def classifier(**options: float) -> Classifier:
    return Classifier(4, (6, 5), 6, seeded(), **options).double()


def parameters_of(net) -> list[nn.Parameter]:
    return [p for layer in net.path for p in layer.parameters()]


def slow_fisher(net, x: torch.Tensor, task: torch.Tensor, active: torch.Tensor) -> list[torch.Tensor]:
    """E_x sum_y p(y|x) (d log p(y|x) / d theta)^2, by a backward pass for each sample and class."""
    parameters = parameters_of(net)
    total = [torch.zeros_like(p) for p in parameters]
    for n in range(len(x)):
        units = [u for u in range(active.shape[1]) if active[n, u]]
        logits = net(x[n : n + 1], task[n : n + 1])[0]
        log_p = {u: logits[u] - torch.stack([logits[v] for v in units]).logsumexp(0) for u in units}
        for u in units:
            gradients = torch.autograd.grad(log_p[u], parameters, retain_graph=True)
            for sum_, gradient in zip(total, gradients, strict=True):
                sum_ += log_p[u].exp().detach() * gradient**2 / len(x)
    return total


def in_double(stream):
    """The same stream, whose batches are in double precision."""

    class Double:
        def __getattr__(self, name):
            return getattr(stream, name)

        def batch(self, rows, task):
            self.rows_asked = rows
            batch = stream.batch(rows, task)
            return replace(batch, x=batch.x.double())

    return Double()


def whole_task(stream, task: int) -> Batch:
    rows = stream.rows(task)
    return stream.batch(rows, torch.full_like(rows, task))


def move(net, seed: int) -> None:
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p += 0.3 * normal(*p.shape, seed=100 * seed + i)


# The Fisher diagonal --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 4, 250])
@pytest.mark.parametrize("units", [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3], [2, 3]])
@pytest.mark.parametrize("off", [0.0, 0.5])
def test_fisher_is_that_of_each_sample_and_class_apart(off, units, chunk):
    net = classifier(tasks=3, off=off)
    x, task = 2 * normal(11, 1, 2, 2), torch.randint(3, (11,), generator=seeded())
    active = torch.zeros(11, 6, dtype=torch.bool)
    active[:, units] = True
    fast, slow = fisher_diagonal(net, x, task, active, chunk), slow_fisher(net, x, task, active)
    assert all(close(one, two) for one, two in zip(fast, slow, strict=True))
    assert all(one.count_nonzero() > 0 for one in fast)
    assert (fast[-1] > 0).nonzero()[:, 0].tolist() == units


def test_fisher_looks_at_the_classifier_of_a_brain_and_leaves_no_trace():
    net = BrainNet(Brain.all(), classifier(), seeded(), noise_dim=3, gate_prop=0.5).double()
    x, task, active = normal(5, 4), torch.zeros(5).long(), torch.ones(5, 6).bool()
    fast = fisher_diagonal(net, x, task, active)
    assert all(close(one, two) for one, two in zip(fast, slow_fisher(net.classifier, x, task, active), strict=True))
    assert all(p.grad is None for p in net.parameters())
    assert not any(layer._forward_hooks for layer in net.path)
    assert not any(one.requires_grad for one in fast)


# A sum of quadratics --------------------------------------------------------------------------------------------------


def test_a_sum_of_quadratics_is_one_quadratic():
    parameters = [nn.Parameter(normal(3, 4)), nn.Parameter(normal(5, seed=1))]
    quadratic, apart = Quadratic(parameters), []
    assert quadratic().item() == 0
    for number in range(3):
        importance = []
        for i, p in enumerate(parameters):
            with torch.no_grad():
                p += normal(*p.shape, seed=10 + 2 * number + i)
            values = normal(*p.shape, seed=20 + 2 * number + i).square()
            values.flatten()[number] = 0  # not important for this one
            values.flatten()[-1] = 0  # nor, here, for any
            importance.append(values)
        apart.append((importance, [p.detach().clone() for p in parameters]))
        quadratic.add(importance)
        for point in range(3):  # the present one, and two more
            for i, p in enumerate(parameters):
                with torch.no_grad():
                    p += (point > 0) * 3 * normal(*p.shape, seed=30 + i + 2 * point)
            slow = sum(
                (b * (p - q) ** 2).sum()
                for importance, anchors in apart
                for b, p, q in zip(importance, parameters, anchors, strict=True)
            )
            assert close(quadratic(), slow)
            both = zip(*(torch.autograd.grad(value, parameters) for value in (quadratic(), slow)), strict=True)
            assert all(close(one, two, 1e-9) for one, two in both)
            assert all(one.flatten()[-1] == 0 for one in torch.autograd.grad(quadratic(), parameters))


def test_one_quadratic_can_take_the_place_of_all():
    p = nn.Parameter(normal(4))
    quadratic = Quadratic([p])
    quadratic.add([torch.ones(4).double()])
    with torch.no_grad():
        p += 1
    quadratic.add([torch.ones(4).double()])
    assert quadratic().item() == pytest.approx(4.0)  # four parameters, each 1 away from the first anchor
    quadratic.replace([torch.full((4,), 3.0).double()])
    assert quadratic().item() == 0
    with torch.no_grad():
        p += 2
    assert quadratic().item() == pytest.approx(48.0)


# EWC ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
@pytest.mark.parametrize("online", [False, True])
def test_ewc_is_the_sum_over_tasks_and_online_the_running_one(online, scenario):
    stream = in_double(split_stream(tiny(), scenario, 3))
    net = Classifier(4, (6, 5), stream.outputs, seeded()).double()
    ewc, tasks = EWC(stream, net, seeded(), strength=7.0, online=online), []
    assert ewc().item() == 0
    for task in range(3):
        ewc.begin(task)
        move(net, task)
        batch = whole_task(stream, task)
        fisher = slow_fisher(net, batch.x, batch.task, stream.active(batch.task, task + 1))
        tasks.append((fisher, [p.detach().clone() for p in parameters_of(net)]))
        ewc.end(task)
        move(net, 10 + task)
        slow = 0
        for fisher, anchors in tasks:
            terms = zip(fisher, parameters_of(net), tasks[-1][1] if online else anchors, strict=True)
            slow = slow + 7.0 / 2 * sum((f * (p - q) ** 2).sum() for f, p, q in terms)
        assert close(ewc(), slow, 1e-9)
        both = [torch.autograd.grad(value, parameters_of(net)) for value in (ewc(), slow)]
        assert all(close(one, two, 1e-9) for one, two in zip(*both, strict=True))


def test_ewc_looks_at_some_samples_of_the_task_none_of_them_twice():
    stream = in_double(split_stream(tiny(), "class", 3, seed=1))
    chosen = []
    for seed in range(4):
        EWC(stream, classifier(), seeded(seed), strength=1.0, samples=4).end(1)
        assert set(stream.rows_asked.tolist()) <= set(stream.rows(1).tolist())
        assert len(set(stream.rows_asked.tolist())) == 4
        chosen.append(tuple(stream.rows_asked.tolist()))
    assert len(set(chosen)) > 1
    EWC(stream, classifier(), seeded(), strength=1.0).end(1)
    assert stream.rows_asked.sort().values.equal(stream.rows(1))


# SI -------------------------------------------------------------------------------------------------------------------


def slow_si(tasks: list[list], epsilon: float) -> list[list[float]]:
    """Omega of each entry of each parameter, from each task's steps: gradient, before and after, entry by entry."""
    omega = [[0.0] * p.numel() for p in tasks[0][0][1]]
    for steps in tasks:
        for k in range(len(omega)):
            gradients, before, after = (
                [[v.item() for v in step[part][k].flatten()] for step in steps] for part in range(3)
            )
            for i in range(len(omega[k])):
                w = -sum(g[i] * (b[i] - a[i]) for g, a, b in zip(gradients, before, after, strict=True))
                omega[k][i] += w / ((after[-1][i] - before[0][i]) ** 2 + epsilon)
    return omega


@pytest.mark.parametrize("epsilon", [0.1, 1e-3])
def test_si_adds_up_gradient_times_change_over_the_steps_of_an_optimizer(epsilon):
    stream, net = in_double(split_stream(tiny(), "class", 3)), classifier()
    options = {} if epsilon == 0.1 else {"epsilon": epsilon}  # 0.1 is the paper's, and the default
    si = SI(net, strength=3.0, **options)
    optimizer, parameters, tasks = torch.optim.Adam(net.parameters(), 0.05), parameters_of(net), []
    for task in range(2):
        batch, steps = whole_task(stream, task), []
        si.begin(task)
        for _ in range(5):
            before = [p.detach().clone() for p in parameters]
            optimizer.zero_grad()
            (objective(stream, net, task, batch, None, batch.x[:, 0, 0, :0]) + si()).backward()
            optimizer.step()
            si.step()
            steps.append(([p.grad.clone() for p in parameters], before, [p.detach().clone() for p in parameters]))
        si.end(task)
        tasks.append(steps)
        omega, anchors = slow_si(tasks, epsilon), steps[-1][2]
        for importance, one in zip(si.quadratic.importance, omega, strict=True):
            assert importance.flatten().tolist() == pytest.approx(one, rel=1e-10, abs=1e-14)
        assert si().item() == 0  # around the latest parameters
        with torch.no_grad():
            moved = [p + normal(*p.shape, seed=i) for i, p in enumerate(parameters)]
            terms = zip(omega, moved, anchors, strict=True)
            slow = 3.0 * sum(
                (torch.tensor(o, dtype=torch.float64) * (m - a).flatten() ** 2).sum().item() for o, m, a in terms
            )
            for p, m in zip(parameters, moved, strict=True):
                p.copy_(m)
        assert si().item() == pytest.approx(slow, rel=1e-10)
        gradients = torch.autograd.grad(si(), parameters)
        for g, p, a, v in zip(gradients, parameters, anchors, si.quadratic.importance, strict=True):
            assert close(g, 6.0 * v * (p - a).detach())


def test_training_keeps_synaptic_intelligence_up_to_date():
    stream, net, tasks = split_stream(tiny(), "class", 3), Classifier(4, (6, 5), 6, seeded()), [[], [], []]
    si, last = SI(net, strength=0.1), [p.detach().clone() for p in net.parameters()]

    def watch(now: Training) -> None:
        nonlocal last
        moved = [p.detach().clone() for p in net.parameters()]
        tasks[now.task].append(([p.grad.clone() for p in net.parameters()], last, moved))
        last = moved

    train(stream, net, Nothing(), seeded(), iterations=4, batch=8, lr=0.01, penalty=si, watch=watch)
    assert [len(steps) for steps in tasks] == [4, 4, 4]
    for importance, omega in zip(si.quadratic.importance, slow_si(tasks, 0.1), strict=True):
        assert importance.flatten().tolist() == pytest.approx(omega, rel=1e-3, abs=1e-6)
        assert max(map(abs, omega)) > 1e-3


def test_a_stiff_penalty_that_feeds_itself_stays_a_number():
    """Its own gradient counts in the path integral: importances grow by orders of magnitude a task."""
    stream = split_stream(tiny(14), "class", 7)
    net = Classifier(4, (6, 5), stream.outputs, seeded())
    si = SI(net, strength=1e8)
    train(stream, net, Nothing(), seeded(), iterations=50, batch=8, lr=1e-3, penalty=si)
    largest = max(importance.max().item() for importance in si.quadratic.importance)
    assert 1e8 * largest == pytest.approx(STIFFEST)


# Both -----------------------------------------------------------------------------------------------------------------


def test_only_the_way_to_the_classes_is_protected():
    net = BrainNet(Brain.all(), classifier(), seeded(), noise_dim=3, gate_prop=0.5).double()
    stream = in_double(split_stream(tiny(), "class", 3))
    for penalty in (SI(net, strength=1.0), EWC(stream, net, seeded(), strength=1.0)):
        protected = penalty.quadratic.parameters
        assert {id(p) for p in protected} == {id(p) for p in net.classifier.parameters()}
        assert len(protected) == 6
        others = [p for p in net.parameters() if all(p is not one for one in protected)]
        assert {name.split(".")[0] for name, p in net.named_parameters() if any(p is one for one in others)} == {
            "recognition", "prior", "decoder",
        }  # fmt: skip
        penalty.quadratic.replace([torch.ones_like(p) for p in protected])
        with torch.no_grad():
            for p in others:
                p += 1
        assert penalty().item() == 0
        for p in protected:
            with torch.no_grad():
                p += 1
            assert penalty().item() > 0
            with torch.no_grad():
                p -= 1


@pytest.mark.parametrize("strength", [0.0, -1.0, math.inf, math.nan])
def test_a_strength_that_cannot_be_is_refused(strength):
    with pytest.raises(InputError, match="above 0 and finite"):
        SI(classifier(), strength=strength)
    with pytest.raises(InputError, match="above 0 and finite"):
        EWC(split_stream(tiny(), "class", 3), classifier(), seeded(), strength=strength)


def test_a_layer_without_a_bias_has_a_fisher_of_its_weight_alone():
    class NoBias(Network):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2, bias=False)

        @property
        def path(self):
            return [self.layer]

        def forward(self, x, task=None):
            return self.layer(x)

    net, x = NoBias(), torch.randn(5, 3)
    [diagonal] = fisher_diagonal(net, x, torch.zeros(5, dtype=torch.long), torch.ones(5, 2, dtype=torch.bool))
    slow = torch.zeros(2, 3)
    for one in x:
        log_p = net(one[None]).log_softmax(1)[0]
        for y in range(2):
            [gradient] = torch.autograd.grad(log_p[y], [net.layer.weight], retain_graph=True)
            slow += log_p[y].exp().detach() * gradient**2 / 5
    torch.testing.assert_close(diagonal, slow)
