from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_labels_are_of_these_images(replayed):
    import torch
    from replaylib.course.digits import opinionated_network
    net = opinionated_network(8)
    result = replayed(net, 60, 6, torch.Generator().manual_seed(0))
    assert result is not None and len(result) == 2, 'return two things: images and labels'
    x, y = result
    assert tuple(x.shape) == (60, 64) and x.min() >= 0 and (x.max() <= 1), 'x should be 60 images of 64 intensities in [0, 1]'
    assert not x.requires_grad, 'gradients flow back into the teacher: it is never trained'
    assert len(torch.unique(x, dim=0)) > 50, 'each image comes from a code of its own'
    right = net(x).detach()[:, :6].argmax(1)
    agree = float((torch.as_tensor(y) == right).double().mean())
    among_all = net(x).detach().argmax(1)
    assert agree == 1 or not torch.equal(torch.as_tensor(y), among_all), 'labels are among the first `classes` classes only'
    assert agree == 1, f'images and labels do not go together yet: with this teacher they agree in {agree:.0%}'

