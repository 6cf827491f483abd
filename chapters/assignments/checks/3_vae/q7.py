from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_codes(importance_bound):
    import math
    import torch
    from replaylib.course.assignments import expect
    slips = {'the mean of the logarithms is the ELBO again: the mean comes inside the logarithm': [0.549306, -1000.5], 'the mean of the weights, not their sum: 1/k is missing': [1.386294, -999.686768], 'the weights themselves are 0 in floating point: stay with logarithms, see torch.logsumexp': [0.693147, -math.inf], 'the largest weight alone: the others count too': [math.log(3), -1000.0], 'codes are rows: the sum runs over the first dimension': [-0.693147, 0.405465]}
    log_w = torch.tensor([[0.0, -1000], [math.log(3), -1001]])
    expect(importance_bound(log_w), [0.693147, -1000.379883], slips, tolerance=1e-05)

