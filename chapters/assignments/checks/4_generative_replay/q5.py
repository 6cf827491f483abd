from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 6.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_before_and_after_the_first_task(GenerativeReplay):
    import torch
    from replaylib.course.digits import new_network, new_stream
    stream, net = (new_stream(), new_network(3, (20,), 4))
    replay = GenerativeReplay(stream, net, torch.Generator().manual_seed(0))
    assert replay.sample(3) is None, 'before the first task has ended there is nothing to replay: None'
    replay.end(0)
    try:
        batch = replay.sample(50)
    except IndexError:
        replay.end(1)
        replay.sample(50)
        raise AssertionError('after one task its two classes have been seen, not none: is `end(task)` off by one?') from None
    assert batch is not None, 'after the first task, task 0, has ended there is something to replay: is `end(task)` off by one?'
    assert tuple(batch.x.shape) == (50, 1, 8, 8), 'x should have the shape of images, (n, 1, 8, 8)'
    assert not batch.x.requires_grad, 'gradients flow back into the teacher'
    assert batch.x.min() >= 0 and batch.x.max() <= 1, 'intensities lie in [0, 1]'
    for name, part in (('y', batch.y), ('task', batch.task)):
        told = f'`{name}` should be a tensor (n,) of int64'
        assert isinstance(part, torch.Tensor) and part.dtype == torch.int64 and (tuple(part.shape) == (50,)), told
    assert batch.y.max() < 2, 'after one task only its two classes have been seen: is `end(task)` off by one?'
    right = net(batch.x).detach()[:, :2].argmax(1)
    assert torch.equal(batch.y, right), '`y` should be what the network takes x for, among the classes seen'
    frozen = 'the network itself was frozen: it can learn nothing any more'
    assert all((parameter.requires_grad for parameter in net.parameters())), frozen
    assert net.training, 'the network itself must stay in training mode: it is the copy that goes into evaluation mode'
    twin = GenerativeReplay(stream, net, torch.Generator().manual_seed(0))
    twin.end(0)
    alike = torch.allclose(twin.sample(50).x, batch.x)
    assert alike, 'the same generator state must give the same images: draw from `generator`'
    assert not torch.allclose(twin.sample(50).x, batch.x), 'each call draws new codes: the same images came twice'

@test_case(points=None, hidden=False)
def check_teacher_stays_and_is_renewed(GenerativeReplay):
    import torch
    from replaylib.course.digits import new_network, new_stream

    def network(best):
        """The state of a network that imagines grey, and takes everything for one class."""
        state = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
        state['classifier.readout.bias'][best] = 50.0
        return state
    net, generator = (new_network(4, (20,), 4), torch.Generator().manual_seed(1))
    state = network(1)
    state |= {name: value for name, value in net.state_dict().items() if name.startswith('decoder')}
    net.load_state_dict(state)
    replay = GenerativeReplay(new_stream(), net, generator)
    replay.end(0)
    net.load_state_dict(network(0))
    old = replay.sample(20)
    live = 'comes from the network that is being trained: it must come from the copy made when the task ended'
    assert (old.x - 0.5).abs().max() > 0.0001, f'replay {live}'
    assert (old.y == 1).all(), f'the label {live}'
    replay.end(1)
    generator.manual_seed(1)
    new = replay.sample(20)
    renewed = not torch.allclose(new.x, old.x)
    assert renewed, "the copy was made once and never renewed: each task's end makes a new one"
    plain = 'an intensity is replayed as the network imagines it, the sigmoid of a logit: not rounded, not cut off'
    assert (new.x - 0.5).abs().max() < 1e-05, plain
    assert not (new.y == 1).all(), 'labels come from the new copy as well, once a task has ended'
    assert (new.y == 0).all(), 'after two tasks all four classes take part, those of the first task too'

