from otter.test_files import test_case

OK_FORMAT = False

name = "conditional_2"
points = 6.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_modes(log_prior):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    from replaylib.vae import log_normal
    slips = {'each mode counts as much as the class is likely: pi is not used': [-1.791204], 'this is a mean of the logarithms: the sum over classes comes inside the logarithm': [-2.576488], 'the constants with 2 pi are missing': [-0.728631], 'a broad mode is lower: the term with logvar itself is missing': [-2.04428], 'logvar is the logarithm of the variance, not of the standard deviation': [-2.650522]}
    mean, logvar = (torch.tensor([[0.0, 0], [1, 1]]), torch.tensor([[0.0, 0], [math.log(4), 0]]))
    z, pi = (torch.tensor([[0.0, 1]]), torch.tensor([[0.25, 0.75]]))
    each = log_normal(z[:, None], mean, logvar)
    slips['the likeliest mode alone: the others count too, the sum comes inside the logarithm'] = (pi.log() + each).max(1).values
    result = log_prior(z, mean, logvar, pi)
    expect(result, [-2.566508], slips, tolerance=1e-05)
    hint = 'a code far from its mode gave inf or nan: add up in logarithms, see torch.logsumexp'
    expect(log_prior(torch.tensor([[60.0, 60]]), mean, logvar, torch.tensor([[0.25, 0.75]])), [-2178.443706], hint=hint)
    given = [part.requires_grad_() for part in (z, mean, logvar)]
    expect_gradients(log_prior(*given, pi), *given)

