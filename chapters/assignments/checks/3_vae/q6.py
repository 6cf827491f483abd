from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_units(free_bits):
    import torch
    from replaylib.course.assignments import expect
    slips = {'the mean over the batch comes first, then the maximum: a unit that is quiet for one image may speak for another': 3.35, 'the maximum is taken for each unit of z, before they are added up': 2.7, '*at least* lambda: you took the smaller of the two': 1.1, 'nothing is subtracted: a unit below lambda counts as lambda, one above as it is': 1.6, 'the units add up: a sum, no mean': 3.1 / 3, 'the mean over the batch, not the sum': 5.7, 'a unit below lambda counts as lambda: it is not left out': 2.6}
    mu = torch.tensor([[0.0, 2, 0.447214], [1.549193, 2, 0.447214]])
    expect(free_bits(mu, torch.zeros(2, 3), 0.5), 3.1, slips)

@test_case(points=None, hidden=False)
def check_gradient(free_bits):
    import torch
    from replaylib.course.assignments import expect
    mu = torch.tensor([[0.1, 2.0], [0.3, 2.0]], requires_grad=True)
    loss = free_bits(mu, torch.zeros(2, 2), 0.5)
    assert getattr(loss, 'requires_grad', False), 'no gradient flows: the divergence must not be detached'
    loss.backward()
    expect(mu.grad, [[0.0, 1.0], [0.0, 1.0]], hint='below lambda a unit gets no gradient, above it the usual one')

