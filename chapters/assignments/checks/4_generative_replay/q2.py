from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_images(imagine):
    import torch
    from replaylib.course.digits import new_network
    x = imagine(new_network(1, (6,), 3), 5, torch.Generator().manual_seed(0))
    assert x is not None and x is not ..., 'it gave back nothing yet: return the images'
    assert tuple(x.shape) == (5, 64), f'expected 5 images of 64 pixels, (5, 64), and found {tuple(x.shape)}'
    assert not x.requires_grad, 'gradients flow back into the teacher: imagine without them'
    assert x.min() >= 0 and x.max() <= 1, 'the decoder gives logits: intensities lie in [0, 1]'
    assert not ((x == 0) | (x == 1)).all(), 'what is replayed is the mean of each pixel, not a draw of 0 or 1'
    assert (x[0] != x[1]).any(), 'all images are the same: draw a code for each'

@test_case(points=None, hidden=False)
def check_prior_and_generator(imagine):
    import torch
    from replaylib.course.digits import new_network
    net = new_network(1, (12,), 2)
    state = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    for name, value in state.items():
        if name == 'decoder.hidden.0.weight':
            value[0, 0] = 1.0
        if name == 'decoder.hidden.0.bias':
            value[0] = 20.0
        if name == 'decoder.output.weight':
            value[0, 0] = 1.0
        if name == 'decoder.output.bias':
            value[0] = -20.0
    net.load_state_dict(state)
    x = torch.as_tensor(imagine(net, 400, torch.Generator().manual_seed(2))).detach()
    if tuple(x.shape) != (400, 64) or x.min() < 0 or x.max() > 1 or ((x == 0) | (x == 1)).all() or (x == x[0]).all():
        return
    sigmoid = "an intensity is the sigmoid of the pixel's logit: for a logit of 0 it is 0.5"
    assert ((x[:, 1:] - 0.5).abs() < 1e-05).all(), sigmoid
    z = torch.logit(x[:, 0])
    assert z.min() < -0.5, 'codes are drawn from the normal distribution, on both sides of 0: this looks like torch.rand'
    assert 0.8 < z.std() < 1.2 and abs(z.mean()) < 0.25, 'codes should have mean 0 and standard deviation 1'
    again = torch.logit(torch.as_tensor(imagine(net, 400, torch.Generator().manual_seed(2)))[:, 0].detach())
    assert torch.allclose(z, again), 'the same generator state must give the same images: draw from `generator`'
    generator = torch.Generator().manual_seed(2)
    first, second = (torch.as_tensor(imagine(net, 400, generator)).detach() for _ in range(2))
    assert not torch.allclose(first, second), 'a second call gives the same images again: nothing but `generator` is seeded, and that by others'

