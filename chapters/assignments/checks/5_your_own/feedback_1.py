from otter.test_files import test_case

OK_FORMAT = False

name = "feedback_1"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_sample(recognise):
    import torch
    from replaylib.course.assignments import expect, expect_gradients

    def layer(weight):
        linear = torch.nn.Linear(2, len(weight), bias=False)
        linear.weight.data = torch.tensor(weight)
        return linear
    layers = [layer(w) for w in ([[1.0, 0], [0, 1]], [[1.0, 1], [-3, 0]], [[3.0, 1]], [[-1.0, 1]])]
    result = recognise(torch.tensor([[1.0, -2]]), *layers)
    assert result is not None and result is not ..., 'it gave back nothing yet: return logits, mu and logvar'
    assert len(result) == 3, 'return three things: logits, mu and logvar'
    slips = {'the hidden activity passes a ReLU before anything is read from it': [[-1.0, -3, 1, -3]], 'mu and logvar are read from the hidden activity, not from the logits': [[1.0, -3, 0, -4]], 'mu and logvar are read from the hidden activity, not from the input: that would be an encoder of their own': [[1.0, -3, 1, -3]], 'mu and logvar are the wrong way round': [[1.0, -3, -1, 3]], 'logits may be negative: the ReLU belongs to the hidden activity alone': [[1.0, 0, 3, -1]]}
    slips['the order of the three: logits, mu and logvar'] = [[3.0, -1, 1, -3]]
    first, second, third = (torch.as_tensor(part) for part in result)
    expect(torch.cat([first, second, third], 1), [[1.0, -3, 3, -1]], slips)
    x = torch.tensor([[1.0, 2]], requires_grad=True)
    for part in recognise(x, *layers):
        expect_gradients(part, x)

