from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_nine_units(active_units):
    import torch
    from replaylib.course.assignments import expect
    slips = {'a unit whose mean is far from 0 but the same for every x says nothing: it is the variance that counts': 5, 'the variance over the *data*, for each unit: you took it over the units, for each image': 10, 'the variance is compared with the threshold, not the standard deviation': 4, 'the variance is compared with the threshold, not the range from the smallest to the largest': 8, 'these are the silent ones': 6, 'this is the share of units; asked for is their number': 3 / 9}
    wave = torch.tensor([1.0, -1] * 5)
    quiet = [size * wave for size in (0.006, 0.007, 0.008, 0.009)]
    mu = torch.stack([wave, 0 * wave + 5, 0.05 * wave + 3, 2 * wave + 1, 3 * wave, *quiet], dim=1)
    expect(active_units(mu), 3, slips)

