from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_units(distillation):
    import torch
    from replaylib.course.assignments import expect
    slips = {'the factor of the squared temperature is missing: without it, replay would weigh less the softer its targets are': [1.045799], "the teacher's softmax runs over the classes that it knew: the new class has no part in it": [5.570274], "the temperature belongs to both softmaxes, the student's too": [4.554658], 'the temperature is not used in the softmaxes': [5.153612], "the student's softmax runs over all classes active now, the new ones too": [3.358425], "this is the KL divergence, which leaves out the teacher's entropy: the formula is the cross-entropy": [1.854384], 'the sign': [-4.183196]}
    old, active = (torch.tensor([True, True, False, False]), torch.tensor([True, True, True, False]))
    logits, teacher = (torch.tensor([[1.0, 2, 0, 7]]), torch.tensor([[2.0, 0, 3, 9]]))
    q = torch.cat([(teacher[:, :2] / 2).softmax(1), torch.zeros(1, 2)], 1)
    everything = "the student's softmax runs over the units active now: an inactive one took part"
    slips[everything] = -4 * (q * (logits / 2).log_softmax(1)).sum(1)
    expect(distillation(logits, teacher, old, active, 2.0), [4.183196], slips)

@test_case(points=None, hidden=False)
def check_gradient_and_unseen_units(distillation):
    import torch
    logits = torch.tensor([[1.0, 2, 0, 7], [0, 0, 1, 1]], requires_grad=True)
    teacher = torch.tensor([[2.0, 0, 3, 1], [1, 1, 0, 0]], requires_grad=True)
    old, active = (torch.tensor([True, True, False, False]), torch.tensor([True, True, True, False]))
    loss = distillation(logits, teacher, old, active, 2.0)
    assert loss is not None and loss is not ..., 'it gave back nothing yet: return the loss'
    assert tuple(loss.shape) == (2,), 'one number a sample, (n,): do not average over the batch'
    assert loss.isfinite().all(), 'inf or nan: a target of 0 times a log-probability of -inf counts as 0'
    assert loss.requires_grad, 'no gradient reaches the student'
    loss.sum().backward()
    assert teacher.grad is None or not teacher.grad.any(), 'the gradient reaches the teacher: it would learn to agree with its pupil. Detach its targets'
    assert logits.grad is not None and logits.grad.any(), 'no gradient reaches the student'

