from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_before_and_after_the_first_task(GenerativeReplay, new_stream, new_network):
    import torch
    net = new_network(3, (20,), 4)
    replay = GenerativeReplay(new_stream(), net, torch.Generator().manual_seed(0))
    assert replay.sample(3) is None, 'before the first task has ended there is nothing to replay: None'
    replay.end(0)
    batch = replay.sample(50)
    assert batch is not None, 'after the first task has ended there is something to replay'
    assert tuple(batch.x.shape) == (50, 1, 8, 8), 'x should have the shape of images, (n, 1, 8, 8)'
    assert not batch.x.requires_grad, 'gradients flow back into the teacher'
    assert batch.x.min() >= 0 and batch.x.max() <= 1, 'intensities lie in [0, 1]'
    assert batch.y.max() < 2, 'after one task only its two classes have been seen: is `end(task)` off by one?'
    right = net(batch.x).detach()[:, :2].argmax(1)
    assert torch.equal(batch.y, right), '`y` should be what the network takes x for, among the classes seen'

@test_case(points=None, hidden=False)
def check_teacher_stays_and_is_renewed(GenerativeReplay, new_stream, new_network):
    import torch
    net = new_network(4, (20,), 4)
    replay = GenerativeReplay(new_stream(), net, torch.Generator().manual_seed(1))
    replay.end(0)
    net.load_state_dict({name: torch.zeros_like(value) for name, value in net.state_dict().items()})
    x = replay.sample(20).x
    assert (x - 0.5).abs().max() > 0.0001, 'replay comes from the network that is being trained: it must come from the copy made when the task ended'
    replay.end(1)
    x = replay.sample(20).x
    assert (x - 0.5).abs().max() < 1e-06, "the copy was made once and never renewed: each task's end makes a new one"

