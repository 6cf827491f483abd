from otter.test_files import test_case

OK_FORMAT = False

name = "conditional_3"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_code(divergence_at):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'the sign: log q minus log p': [-0.343976], 'log q is taken at the code that was drawn, not at its mean': [0.468976], 'this is the closed form for the standard normal prior, which this prior is not': [1.306853], 'log p is missing': [-2.656024], 'the constant with 2 pi does not cancel: log p has it, log q must have it too': [2.181853]}
    z, mu, log_p = (torch.tensor([[0.5, 1.0]]), torch.tensor([[0.0, 1]]), torch.tensor([-3.0]))
    logvar = torch.tensor([[0.0, math.log(4)]])
    one, other = (divergence_at(z, mu, logvar, log_p) for _ in range(2))
    same = not isinstance(one, torch.Tensor) or torch.equal(one, other)
    assert same, 'two calls gave two results: the code that was drawn is `z`, and nothing else is drawn'
    expect(one, [0.343976], slips, tolerance=1e-05)
    given = [part.requires_grad_() for part in (z, mu, logvar, log_p)]
    expect_gradients(divergence_at(*given), *given)

