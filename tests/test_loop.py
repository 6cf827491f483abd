"""The training loop: its loss against the formula, its order of events, and that it learns and forgets."""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from replaylib import steps
from replaylib.conv import ConvEncoder
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import runs
from replaylib.lab.experiments import experiment
from replaylib.lab.methods import METHODS
from replaylib.lab.protocols import protocol
from replaylib.loop import evaluate, objective, train
from replaylib.nets import TEMPERATURE, Classifier, classification_loss, target_loss
from replaylib.replay import Buffer, Everything, Nothing
from replaylib.scenarios import Batch, permuted_stream, split_stream
from replaylib.steps import Diverged, Execution, Guard
from tests.helpers import ON_IMAGES, Waits, tiny


def run(stream, replay=None, seed=0, iterations=60, watch=None, lr=1e-2):
    generator = torch.Generator().manual_seed(seed)
    net = Classifier(math.prod(stream.data.train.shape), (32,), stream.outputs, generator)
    result = train(
        stream,
        net,
        Nothing() if replay is None else replay,
        generator,
        iterations=iterations,
        batch=32,
        lr=lr,
        watch=watch,
    )
    return result, net


def test_the_loss_looks_at_active_units_only():
    logits = torch.tensor([[2.0, 1.0, 50.0], [0.0, 3.0, -50.0]], dtype=torch.float64, requires_grad=True)
    active = torch.tensor([[True, True, False]]).expand(2, -1)
    loss = classification_loss(logits, torch.tensor([0, 1]), active).mean()
    by_hand = -(math.log(math.exp(2) / (math.exp(2) + math.exp(1))) + math.log(math.exp(3) / (1 + math.exp(3)))) / 2
    assert loss.item() == pytest.approx(by_hand)
    loss.backward()
    assert logits.grad[:, 2].tolist() == [0, 0]


class Free:
    """A "network" whose logits are its parameters: what a loss asks for where nothing else limits the answer."""

    def __init__(self, samples: int, outputs: int):
        self.logits = torch.zeros(samples, outputs, dtype=torch.float64, requires_grad=True)

    def losses(self, batch, active, noise):
        twice = torch.cat([self.logits, self.logits])  # current samples, and the same replayed
        return target_loss(twice, batch, active)


@pytest.mark.parametrize("old", [1, 2, 5])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighing", ["replay", "equal", "sum"])
def test_learning_without_forgetting_asks_for_a_new_class_only_where_the_previous_network_is_undecided(
    old, classes, weighing
):
    """With t tasks at temperature T, where none of its softened probabilities is above 1 / T(t - 1); 1 / T if equal.

    The bound of the plain sum is T, above all probabilities: there a new class always wins.
    """
    stream = split_stream(tiny(classes * (old + 1)), "class", old + 1)
    share = {"replay": 1, "equal": old, "sum": old * TEMPERATURE**2}[weighing]
    known, bound = classes * old, share / (TEMPERATURE * old)
    highest = torch.tensor([0.7, 0.95, 1.05, 1.2], dtype=torch.float64) * min(bound, 0.8)
    highest = highest[
        (highest >= 1 / known) & (highest <= 1)
    ]  # one of so many probabilities is that high: of two classes a task, always
    soft = ((1 - highest) / (known - 1))[:, None] * (torch.arange(stream.outputs) < known)
    soft[:, 0] = highest
    net = Free(len(highest), stream.outputs)
    x, task = torch.zeros(len(highest), 1), torch.full((len(highest),), old)
    current = Batch(x, torch.full_like(task, known), task)
    replayed = Batch(x, current.y, task - 1, soft / share, torch.full_like(highest, TEMPERATURE))
    optimizer = torch.optim.LBFGS(
        [net.logits], max_iter=500, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        value = objective(stream, net, old, current, replayed, torch.zeros(0))
        value.backward()
        return value

    optimizer.step(loss)
    assert net.logits.grad.abs().max() < 1e-5
    new_wins = net.logits.argmax(1) == known
    assert new_wins.tolist() == (highest < bound).tolist()
    assert new_wins.any() == (classes * bound * old > 1)


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_current_and_replayed_losses_weigh_one_over_t_and_the_rest(scenario):
    stream = split_stream(tiny(), scenario, 3)
    net = Classifier(4, (8,), stream.outputs, torch.Generator().manual_seed(0))
    current = stream.draw(2, 5, torch.Generator().manual_seed(1))
    old = [stream.draw(t, 4, torch.Generator().manual_seed(t)) for t in (0, 1)]
    replayed = old[0].with_replay(old[1])

    def slow(batch: Batch) -> float:
        total = 0.0
        for x, y, t in zip(*batch.tensors(), strict=True):
            units = {"task": [2 * t, 2 * t + 1], "domain": [0, 1], "class": range(6)}[scenario]
            logits = net(x[None])[0]
            total -= (logits[y] - torch.stack([logits[int(u)] for u in units]).logsumexp(0)).item()
        return total / len(batch.y)

    loss = objective(stream, net, 2, current, replayed, torch.empty(13, 0)).item()
    assert loss == pytest.approx(slow(current) / 3 + slow(replayed) * 2 / 3, rel=1e-5)
    assert objective(stream, net, 2, current, None, torch.empty(5, 0)).item() == pytest.approx(slow(current), rel=1e-5)


def test_unseen_classes_take_no_part_in_class_incremental_training():
    stream = split_stream(tiny(), "class", 3)
    net = Classifier(4, (8,), 6, torch.Generator().manual_seed(0))
    current = stream.draw(1, 8, torch.Generator().manual_seed(0))
    objective(stream, net, 1, current, None, torch.empty(8, 0)).backward()
    moved = net.readout.bias.grad.abs() > 0
    assert moved.tolist() == [True, True, True, True, False, False]


def test_accuracy_equals_counting_by_hand_whatever_the_chunk():
    digits = load_dataset("digits")
    stream = split_stream(digits, "task", 5, seed=3)
    net = Classifier(64, (16,), 10, torch.Generator().manual_seed(0))
    by_hand = []
    for t in range(5):
        pair = stream.classes[t].tolist()
        right = total = 0
        for image, label in zip(digits.test.images, digits.test.labels.tolist(), strict=True):
            if label in pair:
                total += 1
                right += pair[net(image[None] / 255)[0, 2 * t : 2 * t + 2].argmax()] == label
        by_hand.append(100 * right / total)
    assert evaluate(stream, net, seen=5).tolist() == pytest.approx(by_hand)
    assert evaluate(stream, net, seen=5, chunk=7).tolist() == pytest.approx(by_hand)


def test_tasks_without_output_units_yet_have_no_accuracy():
    stream = split_stream(load_dataset("digits"), "class", 5)
    result, _ = run(stream, iterations=5)
    assert result.matrix.isnan().equal(torch.ones(5, 5).triu(1).bool())
    assert result.untrained.isnan().all()
    assert not run(permuted_stream(load_dataset("digits"), "domain", 2), iterations=5)[0].matrix.isnan().any()


def test_without_replay_it_forgets_and_with_replay_it_does_not():
    stream = split_stream(load_dataset("digits"), "class", 5)
    forgot, _ = run(stream)
    assert forgot.matrix[-1, :-1].max() < 5  # all but the last task
    assert forgot.matrix.diagonal().min() > 95
    everything, _ = run(stream, Everything(stream, torch.Generator().manual_seed(1)))
    assert everything.matrix[-1].mean() > 90
    buffered, _ = run(stream, Buffer(stream, 20, "balanced", torch.Generator().manual_seed(1)))
    assert buffered.matrix[-1].mean() > 80


def test_same_seed_same_bits_and_two_seeds_differ():
    stream = split_stream(load_dataset("digits"), "class", 5)
    (_, one), (_, two), (_, three) = (run(stream, seed=seed, iterations=20) for seed in (0, 0, 1))
    assert all(a.equal(b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not any(a.equal(b) for a, b in zip(one.parameters(), three.parameters(), strict=True))


def test_order_of_events():
    events = []

    class Source:
        nbytes = 0

        def sample(self, n):
            events.append(("sample", n))

        def end(self, task):
            events.append(("end", task))

    run(
        split_stream(tiny(), "class", 2, 0),
        Source(),
        iterations=2,
        watch=lambda now: events.append((now.task, now.step)),
    )
    one_task = lambda t: [("sample", 32), (t, 1), ("sample", 32), (t, 2), ("end", t)]  # noqa: E731
    assert events == one_task(0) + one_task(1)


def test_a_loss_that_explodes_stops_at_once_says_where_and_leaves_the_last_good_network():
    seen = []
    with pytest.raises(Diverged, match=r"in task 1, step \d; .* smaller learning rate") as stopped:
        run(
            split_stream(tiny(), "class", 3), lr=1e30, iterations=5, watch=lambda now: seen.append((now.task, now.step))
        )
    assert stopped.value.task == 1
    assert seen == [(0, step + 1) for step in range(stopped.value.step - 1)]  # that step was not taken
    assert all(p.isfinite().all() for p in stopped.value.net.parameters())


def test_a_spoilt_gradient_is_not_taken_either():
    class Penalty:
        """Finite where the network starts, and with a gradient that is not."""

        def __init__(self, net):
            self.bias = net.readout.bias

        def begin(self, task): ...
        def step(self): ...
        def end(self, task): ...

        def __call__(self):
            return (self.bias - self.bias.detach()).abs().sqrt().sum()

    stream = split_stream(tiny(), "class", 3)
    net = Classifier(4, (8,), 6, torch.Generator().manual_seed(0))
    before = [p.clone() for p in net.parameters()]
    arguments = {"iterations": 2, "batch": 4, "lr": 1e-3, "penalty": Penalty(net)}
    with pytest.raises(Diverged, match="task 1, step 1"):
        train(stream, net, Nothing(), torch.Generator().manual_seed(0), **arguments)
    assert all(a.equal(b) for a, b in zip(before, net.parameters(), strict=True))


OPTIMIZERS = {
    "fused Adam": lambda parameters: torch.optim.Adam(parameters, 0.1, fused=True),
    "Adam": lambda parameters: torch.optim.Adam(parameters, 0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_guard_that_rarely_looks_names_the_same_step_and_keeps_the_same_network(make, monkeypatch):
    def trained(every, spoilt_at=(7, 11)):
        monkeypatch.setitem(steps.LOOK_EVERY, "cpu", every)
        net = Classifier(4, (8,), 6, torch.Generator().manual_seed(0))
        optimizer = make(net.parameters())
        guard = Guard(optimizer, [net], 5)
        noise = torch.Generator().manual_seed(1)
        for step in range(1, 16):
            loss = net(torch.rand(3, 4, generator=noise)).square().sum() * (math.nan if step in spoilt_at else 1)
            optimizer.zero_grad()
            loss.backward()
            guard.before_step(loss, loss.detach(), [p.grad[None] for p in net.parameters()])
            optimizer.step()
            guard.after_step()
            guard.look()
        guard.stop_if_spoilt()
        return net

    states = []
    for every in (1, 4, 100):
        with pytest.raises(Diverged, match="task 2, step 2") as stopped:
            trained(every)
        states.append([p.detach() for p in stopped.value.net.parameters()])
    assert all(p.isfinite().all() for p in states[0])
    assert all(a.equal(b) for state in states[1:] for a, b in zip(states[0], state, strict=True))
    assert not any(a.equal(b.detach()) for a, b in zip(states[0], trained(4, ()).parameters(), strict=True))


def test_any_optimizer_trains():
    stream = split_stream(load_dataset("digits"), "class", 5)
    nets = []
    for momentum in (0.0, 0.9):
        generator = torch.Generator().manual_seed(0)
        net = Classifier(64, (32,), 10, generator)

        def sgd(parameters, lr, momentum=momentum):
            return torch.optim.SGD(parameters, lr, momentum=momentum)

        settings = {"iterations": 30, "batch": 32, "lr": 0.05, "optimizer": sgd}
        result = train(stream, net, Everything(stream, stream.generator(1)), generator, **settings)
        nets.append(net)
        assert result.matrix[0, 0] > 90
    assert not nets[0].readout.weight.equal(nets[1].readout.weight)


def test_a_watch_sees_the_loss_of_the_step_and_the_rows_so_far():
    losses, rows = [], []

    def watch(now):
        losses.append(now.loss.item())
        rows.append(len(now.rows))
        assert now.stream is stream

    stream = split_stream(load_dataset("digits"), "class", 5)
    run(stream, iterations=30, watch=watch)
    assert rows == [task for task in range(5) for _ in range(30)]
    # Of two classes at random log 2; a new task finds nothing that it needs, and the loss jumps.
    assert 0.5 < losses[0] < 1
    assert losses[29] < 0.2
    assert losses[30] > 1


@pytest.mark.parametrize("every", [1, 100])
def test_a_bad_step_leaves_no_trace_in_the_running_statistics_of_a_tuned_front(every, monkeypatch):
    monkeypatch.setitem(steps.LOOK_EVERY, "cpu", every)
    backbone = ConvEncoder(torch.Generator().manual_seed(0), (1, 8, 8))
    net = Classifier(backbone.units, (8,), 10, torch.Generator().manual_seed(0), backbone=backbone)
    stream, states = split_stream(load_dataset("digits"), "class", 5), []

    def watch(now):
        states.append({name: value.clone() for name, value in now.net.state_dict().items()})

    settings = {"iterations": 4, "batch": 4, "lr": 1e30, "watch": watch}
    with pytest.raises(Diverged, match="task 1, step") as stopped:
        train(stream, net, Nothing(), torch.Generator().manual_seed(0), **settings)
    left, good = net.state_dict(), states[stopped.value.step - 2]  # what the step before made of it
    assert len(left) > len(list(net.parameters()))
    assert all(left[name].equal(value) and value.isfinite().all() for name, value in good.items())
    assert left["backbone.layers.1.num_batches_tracked"] == stopped.value.step - 1


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"generative-classifier"}))  # the one that is not pure
def test_no_step_waits_for_the_device(name, monkeypatch):
    monkeypatch.setitem(steps.LOOK_EVERY, "cpu", 100)  # as on a GPU
    # On a CPU, and there alone, PyTorch's own reads the highest number first.
    monkeypatch.setattr(F, "one_hot", lambda y, classes: torch.eye(classes, dtype=torch.long)[y])
    protocol, scenario = ("split-digits", METHODS[name].scenarios[0]) if name in ON_IMAGES else ("split-text", "domain")
    description = experiment(protocol, scenario, name, hidden=(8, 8), iterations=3)
    stream, parts, generator = runs.assemble(description, load_dataset(description.dataset))
    waits = Waits()

    def watch(now):
        waits.on = now.step in (1, 2)  # not while a task begins or ends

    settings = {"iterations": 3, "batch": 8, "lr": 1e-3, "watch": watch}
    with waits:
        train(stream, parts.net, parts.replay, generator, penalty=parts.penalty, **settings)
    assert not waits.seen


def test_the_count_of_waits_can_fail():
    waits = Waits()
    with waits:
        waits.on = True
        x = torch.arange(4.0)
        x.sum().item(), x[x > 1]
    assert waits.seen == ["_local_scalar_dense", "index"]


def test_bfloat16_is_for_the_products_of_layers_alone_and_changes_little():
    stream = split_stream(load_dataset("digits"), "class", 5)
    nets = {}
    for precision in ("float32", "bfloat16"):
        generator = torch.Generator().manual_seed(0)
        net = Classifier(64, (32,), 10, generator)
        arguments = {"iterations": 20, "batch": 32, "lr": 1e-3, "execution": Execution(precision)}
        train(stream, net, Everything(stream, torch.Generator().manual_seed(1)), generator, **arguments)
        nets[precision] = net
    pairs = list(zip(nets["float32"].parameters(), nets["bfloat16"].parameters(), strict=True))
    assert all(b.dtype == torch.float32 and torch.allclose(a, b, atol=0.02) for a, b in pairs)
    assert not any(a.equal(b) for a, b in pairs)
    with pytest.raises(InputError, match="unknown precision 'half': choose float32 or bfloat16"):
        train(stream, net, Nothing(), generator, iterations=1, batch=2, lr=1e-3, execution=Execution("half"))


def test_the_loop_that_chapter_1_shows_gives_the_network_that_the_library_gives():
    text = (Path(__file__).parents[1] / "chapters" / "01_catastrophic_forgetting.md").read_text()
    [cell] = [cell for cell in re.findall(r"```{code-cell} python\n(.*?)```", text, re.S) if "def train_in_seq" in cell]
    shown = cell.partition("\n\n\n")[0]
    assert len(shown.splitlines()) <= 12
    p = protocol("split-digits")
    stream = p.stream(load_dataset("digits"), "class", p.tasks, 0)
    names = {"torch": torch, "Classifier": Classifier, "classification_loss": classification_loss}
    names |= {"p": p, "stream": stream}
    exec(shown, names)
    nets = [Classifier(64, p.hidden, 10, torch.Generator().manual_seed(0)) for _ in range(2)]
    for _ in names["train_in_sequence"](nets[0], stream, stream.generator(1)):
        pass
    settings = {"iterations": p.iterations, "batch": p.batch, "lr": p.lr}
    train(stream, nets[1], Nothing(), stream.generator(1), **settings)
    assert all(a.equal(b) for a, b in zip(*(net.parameters() for net in nets), strict=True))


def test_a_guard_names_the_network_whose_loss_alone_is_not_finite():
    nets = [Classifier(4, (8,), 6, torch.Generator().manual_seed(seed)) for seed in range(3)]
    guard = Guard(steps.adam(nets[0].parameters(), 0.1), nets, 5)
    losses = torch.tensor([1.0, math.inf, 1.0])
    with pytest.raises(Diverged) as stopped:
        guard.before_step(losses.sum(), losses, [torch.ones(3, 6, 8)])
    assert stopped.value.place == 1
