from otter.test_files import test_case

OK_FORMAT = False

name = "feedback_2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_sample(total_loss):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'the divergence is divided by the number of pixels, as the reconstruction is': [3.843819], 'the classification is missing: the merged network still classifies': [1.236751], 'the divergence is missing': [0.536966], 'reconstruction is a mean over pixels, no sum': [2.593792], "only the generator's terms are divided by the number of pixels": [1.268483], 'one number a sample, (n,): do not average over the batch': 1.363679}
    x, output = (torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([[0.0, 0, 2, -2]]))
    mu, logvar = (torch.tensor([[1.0, 2]]), torch.tensor([[0.0, math.log(4)]]))
    squared = 0.126928 + ((output.sigmoid() - x) ** 2).mean(1) + 3.306853 / 4
    slips["the pixels' error is their cross-entropy, not the squared error: see `reconstruction_loss`"] = squared
    logits, y = (torch.tensor([[2.0, 0]]), torch.tensor([0]))
    expect(total_loss(logits, y, output, x, mu, logvar), [1.363679], slips)
    given = [part.requires_grad_() for part in (logits, output, mu, logvar + 1)]
    expect_gradients(total_loss(given[0], y, given[1], x, *given[2:]), *given)

