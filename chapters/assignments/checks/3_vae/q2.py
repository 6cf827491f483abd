from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_samples(kl):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'the divergences of the units of z add up: a sum, no mean': [0.0, 1.653426], 'the factor 1/2 is missing': [0.0, 6.613706], 'the sign: a divergence is never negative': [0.0, -3.306853], 'the sign of the logarithm: minus log of the variance': [0.0, 4.693147], '`logvar` is the logarithm of the variance, not of the standard deviation': [0.0, 8.613706], 'one number a sample: do not average over the batch': 1.653426, 'one number a sample: do not add up over the batch': 3.306853, 'the -1 of each unit is missing: the divergence of N(0, 1) from itself is 0': [1.0, 4.306853]}
    unit = 1.0
    slips = {reason: torch.tensor(slip) * unit for reason, slip in slips.items()}
    slips['this is in bits: in nats, please'] = torch.tensor([0.0, 3.306853]) * 1 / math.log(2)
    mu, logvar = (torch.tensor([[0.0, 0], [1, 2]]), torch.tensor([[0.0, 0], [0, math.log(4)]]))
    expect(kl(mu, logvar), torch.tensor([0.0, 3.306853]) * unit, slips)
    mu, logvar = (mu.requires_grad_(), (logvar + 1).requires_grad_())
    expect_gradients(kl(mu, logvar), mu, logvar)

