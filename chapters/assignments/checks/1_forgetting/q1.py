from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_mask(task_accuracy):
    import torch
    from replaylib.course.assignments import expect
    logits = torch.tensor([[-1.0, -2, 5, 0], [-3, -1, 0, 0], [2, 1, 0, 9], [-2, -1, -5, -5], [1, 0, 2, -2]])
    active = torch.tensor([True, True, False, False]).expand(5, -1)
    slips = {'this is a fraction: accuracies are in percent everywhere in the course': 0.8, 'inactive units took part in the choice: look only where `active` is True': 0.0, 'this is the share of wrong ones: asked for are the right ones': 20.0, 'an inactive unit set to 0 still beats an active one below 0: it must not be able to win at all': 40.0}
    expect(task_accuracy(logits, torch.tensor([0, 1, 0, 0, 0]), active), 80.0, slips, 'four of these five samples are right')

@test_case(points=None, hidden=False)
def check_masks_of_their_own(task_accuracy):
    import math
    import torch
    from replaylib.course.assignments import expect
    active = torch.zeros(7, 4, dtype=torch.bool)
    for row, units in enumerate(([0, 1], [0, 1], [2, 3], [2, 3], [2, 3], [1, 2], [0, 1])):
        active[row, units] = True
    y = torch.tensor([1, 0, 3, 2, 2, 1, 0])
    logits = torch.tensor([[0.0, 5, 9, 9], [5, 0, 9, 9], [9, 0, 1, 5], [9, 0, 1, 5], [9, 0, 5, 1], [4, 1, 5, 9], [1, 0, 9, 9]])
    slips = {'a place among the active units was compared with `y`, which counts among all units': 400 / 7, "a sample's active units need not be the first ones: whether its right unit is active, `active` says": math.nan, 'each sample has a mask of its own: `active` has a row for each': 300 / 7, 'this is the share of wrong ones: asked for are the right ones': 200 / 7}
    expect(task_accuracy(logits, y, active), 100 * 5 / 7, slips, 'five of these seven samples are right, each under its own mask')

@test_case(points=None, hidden=False)
def check_unit_that_does_not_exist(task_accuracy):
    import math
    import torch
    from replaylib.course.assignments import expect
    active = torch.tensor([[True, True, False]])
    slips = {'a class whose unit is not active yet is no wrong answer but no question at all: nan, not 0': 0.0}
    expect(task_accuracy(torch.tensor([[1.0, 2, 3]]), torch.tensor([2]), active), math.nan, slips, 'expected nan here')
    slips = {'one sample whose right unit is not active is enough: nan': 100 / 3, 'do not leave out samples whose right unit is not active: one is enough, and the result is nan': 50.0}
    logits, y = (torch.tensor([[1.0, 2, 3], [1, 2, 3], [1, 2, 3]]), torch.tensor([1, 2, 0]))
    hint = 'the right unit of one of three samples is not active: nan'
    expect(task_accuracy(logits, y, active.expand(3, -1)), math.nan, slips, hint)

