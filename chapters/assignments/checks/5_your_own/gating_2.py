from otter.test_files import test_case

OK_FORMAT = False

name = "gating_2"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_units(gated_decoder):
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    z, W1, b1 = (torch.tensor([[1.0, 2]]), torch.tensor([[1.0, 1], [0, 1]]), torch.tensor([1.0, -1]))
    W2, b2, gate = (torch.tensor([[1.0, 1], [2, 0]]), torch.tensor([0.5, 0.5]), torch.tensor([[0.0, 1]]))
    slips = {'the gate makes no difference: it multiplies what enters the ReLU': [[5.5, 8.5]], 'the gate was applied to the output: a closed gate there blackens pixels; it belongs to the hidden units': [[0.0, 8.5]], 'the gate was applied to the output as well: the output layer is not gated': [[0.0, 0.5]], 'the bias of a closed unit leaks through: the gate multiplies the bias, too': [[2.5, 2.5]], 'the gate was applied to the code z: it belongs to the hidden units': [[4.5, 6.5]]}
    expect(gated_decoder(z, W1, b1, W2, b2, gate), [[1.5, 0.5]], slips)
    hint = 'a gate is no switch: it may lie between 0 and 1, and multiplies'
    expect(gated_decoder(z, W1, b1, W2, b2, torch.tensor([[0.25, 1]])), [[2.5, 2.5]], hint=hint)
    slips = {'the hidden layer has a ReLU': [[1.5, 8.5]]}
    expect(gated_decoder(z, W1, torch.tensor([1.0, -5]), W2, b2, torch.ones(1, 2)), [[4.5, 8.5]], slips)
    given = [part.requires_grad_() for part in (z, W1, b1, W2, b2)]
    expect_gradients(gated_decoder(*given, gate), *given)

