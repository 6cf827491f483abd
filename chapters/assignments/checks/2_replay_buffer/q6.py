from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_four_stored(expected_distinct):
    from replaylib.course.assignments import expect
    slips = {'this would be without replacement: here a sample can be drawn twice': 3.0, 'these are the samples that were *never* drawn': 1.6875, 'this is the probability for one sample: expectations add up over all that are stored': 0.578125, 'exp(-d/b) is an approximation for large stores: this one is small': 2.1105337890359412, 'draws and stored are the wrong way round': 3 * (1 - (2 / 3) ** 4)}
    expect(expected_distinct(4, 3), 2.3125, slips)

