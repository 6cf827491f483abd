from otter.test_files import test_case

OK_FORMAT = False

name = "internal_3"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_sample(internal_loss):
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'*half* the squared error': [19 / 6], 'averaged over the features, no sum': [4.5], 'the divergence is divided by the pixels of the image, not by the number of features': [10 / 3], 'the divergence is divided by the number of pixels': [22 / 3], 'one number a sample, (n,)': 11 / 6, 'the *squared* error, not the absolute one': [7 / 6]}
    output, h, divergence = (torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0, 0, 1]]), torch.tensor([6.0]))
    expect(internal_loss(output, h, divergence, 12), [11 / 6], slips)
    given = [part.requires_grad_() for part in (output, divergence)]
    expect_gradients(internal_loss(given[0], h, given[1], 12), *given)

