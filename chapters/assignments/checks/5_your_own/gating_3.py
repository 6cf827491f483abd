from otter.test_files import test_case

OK_FORMAT = False

name = "gating_3"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_samples(soft_gates):
    import torch
    from replaylib.checks import expect
    slips = {'this takes the likeliest class alone: the gates are a mixture': [[0.0, 0, 1], [1, 0, 1]], 'this opens every gate that any possible class opens: weigh them by their probability': [[1.0, 0, 1], [1, 0, 1]], 'all classes count alike: weigh them by their probability': [[0.5, 0, 1], [0.5, 0, 1]], 'the mixture was rounded: gates may lie between 0 and 1': [[0.0, 0, 1], [1, 0, 1]]}
    pi, gates = (torch.tensor([[0.25, 0.75], [1, 0]]), torch.tensor([[1.0, 0, 1], [0, 0, 1]]))
    expect(soft_gates(pi, gates), [[0.25, 0, 1], [1, 0, 1]], slips)

