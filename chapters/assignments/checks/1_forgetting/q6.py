from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_conflict(permitted):
    import torch
    from replaylib.course.assignments import expect
    slips = {'the step still points against the old gradient: take that part out': [-1.0, 1.0], 'divide by the *squared* length of the old gradient': [2.0, 1.0], "divide by the old gradient's squared length, not by the new one's": [3.5, 1.0], 'you changed the old gradient: it is the new one that is corrected': [1.5, 1.5], 'the sign: this step does twice the harm': [-2.0, 1.0], "the division by the old gradient's squared length is missing": [8.0, 1.0]}
    new, old = (torch.tensor([-1.0, 1.0]), torch.tensor([3.0, 0.0]))
    expect(permitted(new, old), [0.0, 1.0], slips)

@test_case(points=None, hidden=False)
def check_no_conflict(permitted):
    import torch
    from replaylib.course.assignments import expect
    slips = {'this step helps the old task as well: leave it alone, project only where the two are in conflict': [0.0, 1.0]}
    expect(permitted(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])), [2.0, 1.0], slips)
    slips = {'an old gradient of zero protects nothing, and nothing is divided by it: leave the step alone': [float('nan')] * 2}
    expect(permitted(torch.tensor([2.0, 1.0]), torch.zeros(2)), [2.0, 1.0], slips, 'an old gradient of zero changes nothing')

