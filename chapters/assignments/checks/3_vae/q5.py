from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_five_units(active_units):
    import torch
    from replaylib.course.assignments import expect
    slips = {'a unit whose mean is far from 0 but the same for every x says nothing: it is the variance that counts': 5, 'the variance over the *data*, for each unit: you took it over the units, for each image': 6, 'the variance is compared with the threshold, not the standard deviation': 4, 'these are the silent ones': 2, 'this is the share of units; asked for is their number': 0.6}
    wave = torch.tensor([1.0, -1, 1, -1, 1, -1])
    mu = torch.stack([wave, 0 * wave + 5, 0.05 * wave + 3, 2 * wave + 1, 3 * wave], dim=1)
    expect(active_units(mu), 3, slips)

