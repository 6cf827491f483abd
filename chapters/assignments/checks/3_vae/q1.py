from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_values(draw_code):
    import math
    import torch
    from replaylib.course.assignments import expect
    slips = {'exp(logvar) is the variance; what multiplies the noise is the standard deviation': [[2.0, -2.0]], 'logvar is the *logarithm* of the variance': [[1.0, 2 - math.log(4)]], 'half of logvar is the logarithm of the standard deviation: exp is missing': [[1.0, 2 - math.log(2)]], 'sigma is exp(logvar / 2), no square root of logvar': [[1.0, 2 - math.log(4) ** 0.5]], 'the sign of logvar: a larger logvar is a wider q': [[2.0, 1.5]], 'the sign: the noise is added': [[0.0, 4.0]], 'mu is missing: the noise is added to it': [[1.0, -2.0]], 'the noise takes no part: every x would have one code': [[1.0, 2.0]]}
    mu, logvar, noise = (torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, math.log(4)]]), torch.tensor([[1.0, -1.0]]))
    one, other = (draw_code(mu, logvar, noise) for _ in range(2))
    drawn = isinstance(one, torch.Tensor) and (not torch.equal(one, other))
    expect(one, [[2.0, 0.0]], slips, 'use the noise that is given' if drawn else '')

@test_case(points=None, hidden=False)
def check_gradients(draw_code):
    import math
    import torch
    from replaylib.course.assignments import expect
    mu = torch.tensor([[1.0, 2.0]], requires_grad=True)
    logvar = torch.tensor([[0.0, math.log(4)]], requires_grad=True)
    z = draw_code(mu, logvar, torch.tensor([[1.0, -1.0]]))
    assert getattr(z, 'requires_grad', False), 'no gradient flows through z: something was detached, or drawn instead of computed'
    z.sum().backward()
    assert mu.grad is not None, 'no gradient reaches mu: the mean must not be detached'
    assert logvar.grad is not None, 'no gradient reaches logvar: the width must not be detached'
    expect(mu.grad, [[1.0, 1.0]])
    expect(logvar.grad, [[0.5, -1.0]])

