from otter.test_files import test_case

OK_FORMAT = False

name = "gating_3"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_samples(batch_gates):
    import torch
    from replaylib.course.assignments import expect
    slips = {'this takes one class of a replayed sample alone: its gates are a mixture': [[0.0, 0, 1], [0, 0, 1], [1, 0, 1]], 'this opens every gate that any possible class opens: weigh them by their probability': [[0.0, 0, 1], [1, 0, 1], [1, 0, 1]], 'all classes count alike: weigh them by their probability': [[0.0, 0, 1], [0.5, 0, 1], [0.5, 0, 1]], 'current samples come first, replayed ones after them': [[0.25, 0, 1], [1, 0, 1], [0, 0, 1]], 'the current samples are missing: they have the gates of their class': [[0.25, 0, 1], [1, 0, 1]]}
    pi, gates = (torch.tensor([[0.25, 0.75], [1, 0]]), torch.tensor([[1.0, 0, 1], [0, 0, 1]]))
    softened = torch.cat([gates[1:], pi.softmax(1) @ gates])
    slips['`pi` are probabilities already: no softmax'] = softened
    result = batch_gates(torch.tensor([1]), pi, gates)
    expect(result, [[0.0, 0, 1], [0.25, 0, 1], [1, 0, 1]], slips)

