from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_copy(snapshot):
    import torch
    from replaylib.course.digits import new_network
    net = new_network(0, (6,), 3)
    teacher = snapshot(net)
    assert teacher is not None and teacher is not ..., 'it gave back nothing yet: return the copy'
    x = torch.rand(4, 64, generator=torch.Generator().manual_seed(0))
    before = teacher(x).detach().clone()
    assert torch.allclose(before, net(x).detach()), 'the copy should answer as the network does when it is taken'
    net.load_state_dict({name: value + 1.0 for name, value in net.state_dict().items()})
    after = teacher(x).detach()
    assert torch.allclose(before, after), 'the teacher changed when the network did: both are the same tensors. Copy deeply'

@test_case(points=None, hidden=False)
def check_frozen(snapshot):
    from replaylib.course.digits import new_network
    net = new_network(0, (6,), 3)
    teacher = snapshot(net)
    frozen = [not parameter.requires_grad for parameter in teacher.parameters()]
    assert all(frozen), "the teacher's parameters still ask for gradients: it must never be trained"
    assert all((parameter.requires_grad for parameter in net.parameters())), 'the network itself was frozen: it can learn nothing any more'
    assert not teacher.training, 'the teacher is still in training mode: call eval()'

