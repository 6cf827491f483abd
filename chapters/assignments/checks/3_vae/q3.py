from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_samples(reconstruction):
    import torch
    from replaylib.course.assignments import expect
    slips = {'averaged over pixels, not summed': [1.386294, 0.253856], 'one number a sample: the loss is averaged over the batch as well': 0.410038, 'the decoder gives *logits*: you took a sigmoid of a sigmoid': [0.724077, 0.550633], 'x and its opposite are the wrong way round': [0.693147, 2.126928], 'this is the squared error: for intensities taken as probabilities it is the cross-entropy': [0.25, 0.014209], 'a softmax makes the pixels share one probability: each pixel has a sigmoid of its own': [0.693147, 0.01815]}
    logits, x = (torch.tensor([[0.0, 0], [2, -2]]), torch.tensor([[1.0, 0], [1, 0]]))
    expect(reconstruction(logits, x), [0.693147, 0.126928], slips)

@test_case(points=None, hidden=False)
def check_grey_pixels(reconstruction):
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    logits, x = (torch.tensor([[1.0, -1, 2]], requires_grad=True), torch.tensor([[0.3, 0.6, 0.8]]))
    x_hat = logits.detach().sigmoid()
    loss = lambda target: -(target * x_hat.log() + (1 - target) * (1 - x_hat).log()).mean(1)
    slips = {'an intensity between 0 and 1 is a target as it is: you made it black or white': loss(x.round())}
    expect(reconstruction(logits, x), loss(x), slips, 'on intensities between 0 and 1')
    expect_gradients(reconstruction(logits, x), logits)

@test_case(points=None, hidden=False)
def check_very_sure_decoder(reconstruction):
    import torch
    from replaylib.course.assignments import expect
    loss = reconstruction(torch.tensor([[200.0, -200], [-200, 200]]), torch.tensor([[1.0, 0], [1, 0]]))
    assert loss is not None, 'it gave back nothing yet: return the loss'
    assert torch.as_tensor(loss).isfinite().all(), 'a logit of 200 gave inf or nan: log of exactly 0. Work with logits throughout'
    cut = '; yours was cut off or rounded' if torch.as_tensor(loss).max() < 199 else ''
    expect(loss, [0.0, 200.0], hint=f'a decoder that is very sure and wrong has a loss of 200 a pixel{cut}')

