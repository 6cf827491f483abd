from otter.test_files import test_case

OK_FORMAT = False

name = "conditional_2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_modes(log_prior):
    import math
    import torch
    from replaylib.course.assignments import expect
    slips = {'each mode counts as much as the class is likely: pi is not used': [-1.791204], 'this is a mean of the logarithms: the sum over classes comes inside the logarithm': [-2.576488], 'the constants with 2 pi are missing': [-0.728631], 'a broad mode is lower: the term with logvar itself is missing': [-2.04428], 'logvar is the logarithm of the variance, not of the standard deviation': [-2.650522]}
    mean, logvar = (torch.tensor([[0.0, 0], [1, 1]]), torch.tensor([[0.0, 0], [math.log(4), 0]]))
    found = log_prior(torch.tensor([[0.0, 1]]), mean, logvar, torch.tensor([[0.25, 0.75]]))
    expect(found, [-2.566508], slips, tolerance=1e-05)
    hint = 'a code far from its mode gave inf or nan: add up in logarithms, see torch.logsumexp'
    expect(log_prior(torch.tensor([[60.0, 60]]), mean, logvar, torch.tensor([[0.25, 0.75]])), [-2178.443706], hint=hint)

