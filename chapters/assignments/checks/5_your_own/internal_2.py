from otter.test_files import test_case

OK_FORMAT = False

name = "internal_2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_features(standardise):
    import math
    import torch
    from replaylib.course.assignments import expect
    nan, inf, half = (math.nan, math.inf, 0.5 ** 0.5)
    slips = {'the test part was scaled by its own statistics: the two are no longer comparable': [[-1.0, 0], [1, 0], [1, -1], [-1, 1]], 'test data had a say in the statistics: they come from the training part alone': [[-1.183216, -0.57735], [0.169031, -0.57735], [1.521278, -0.57735], [-0.507093, 1.732051]], 'a constant feature was divided by 0: shift it only': [[-1.0, nan], [1, nan], [3, nan], [0, inf]], 'the standard deviation that divides by n, not by n - 1': [[-half, 0], [half, 0], [3 * half, 0], [0, 2]], 'the test part was left as it is': [[-1.0, 0], [1, 0], [5, 5], [2, 7]]}
    train, test = (torch.tensor([[1.0, 5], [3, 5]]), torch.tensor([[5.0, 5], [2, 7]]))
    together = [(part - train.mean(0)) / train.std(correction=0) for part in (train, test)]
    slips['each feature has a standard deviation of its own: you took one for all'] = torch.cat(together)
    result = standardise(train, test)
    assert result is not None and result is not ..., 'it gave back nothing yet: return both parts'
    values = torch.cat([torch.as_tensor(part) for part in result])
    huge = values[values.isfinite()].abs() > 1000.0
    assert not huge.any(), 'a constant feature is only shifted: divided by almost nothing, it becomes huge in the test part'
    expect(values, [[-1.0, 0], [1, 0], [3, 0], [0, 2]], slips, tolerance=0.0001)

