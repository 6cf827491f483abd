from otter.test_files import test_case

OK_FORMAT = False

name = "conditional_3"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_code(divergence_at):
    import math
    import torch
    from replaylib.course.assignments import expect
    slips = {'the sign: log q minus log p': [-0.343976], 'log q is taken at the code that was drawn, not at its mean': [0.468976], 'this is the closed form for the standard normal prior, which this prior is not': [1.306853], 'log p is missing': [-2.656024], 'the constant with 2 pi does not cancel: log p has it, log q must have it too': [2.181853]}
    z, mu = (torch.tensor([[0.5, 1.0]]), torch.tensor([[0.0, 1]]))
    expect(divergence_at(z, mu, torch.tensor([[0.0, math.log(4)]]), torch.tensor([-3.0])), [0.343976], slips, tolerance=1e-05)

