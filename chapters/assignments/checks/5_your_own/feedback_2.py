from otter.test_files import test_case

OK_FORMAT = False

name = "feedback_2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_sample(total_loss):
    import math
    import torch
    from replaylib.course.assignments import expect
    slips = {'the divergence is divided by the number of pixels, as the reconstruction is': [3.843819], 'the classification is missing: the merged network still classifies': [1.236751], 'the divergence is missing': [0.536966], 'reconstruction is a mean over pixels, no sum': [2.593792], "only the generator's terms are divided by the number of pixels": [1.268483], 'one number a sample, (n,): do not average over the batch': 1.363679}
    x, output = (torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([[0.0, 0, 2, -2]]))
    mu, logvar = (torch.tensor([[1.0, 2]]), torch.tensor([[0.0, math.log(4)]]))
    expect(total_loss(torch.tensor([[2.0, 0]]), torch.tensor([0]), output, x, mu, logvar), [1.363679], slips)

