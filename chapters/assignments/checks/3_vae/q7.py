from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_codes(importance_bound):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    log_w = torch.tensor([[0.0, -1000], [math.log(3), -1001], [1.0, -999.5]], requires_grad=True)
    plain = log_w.detach()
    slips = {'the mean of the logarithms is the ELBO again: the mean comes inside the logarithm': plain.mean(0), 'the mean of the weights, not their sum: 1/k is missing': plain.logsumexp(0), '1/k: k is the number of codes, which are rows; you divided by the number of images': plain.logsumexp(0) - math.log(2), 'the weights themselves are 0 in floating point: stay with logarithms, see torch.logsumexp': plain.exp().mean(0).log(), 'the largest weight alone: the others count too': plain.max(0).values, 'codes are rows: the sum runs over the first dimension': plain.logsumexp(1) - math.log(2)}
    expect(importance_bound(log_w), plain.logsumexp(0) - math.log(3), slips, tolerance=1e-05)
    expect_gradients(importance_bound(log_w), log_w)

