from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_five_stored(expected_distinct):
    import math
    from replaylib.course.assignments import expect
    slips = {'this would be without replacement: here a sample can be drawn twice': 3.0, 'these are the samples that were *never* drawn': 5 * 0.8 ** 3, 'this counts the samples that are drawn exactly once: asked for are those drawn at least once': 3 * 0.8 ** 2, 'this is the probability for one sample: expectations add up over all that are stored': 1 - 0.8 ** 3, 'exp(-d/b) is an approximation for large stores: this one is small': 5 * (1 - math.exp(-3 / 5)), 'draws and stored are the wrong way round': 3 * (1 - (2 / 3) ** 5)}
    expect(expected_distinct(5, 3), 5 * (1 - 0.8 ** 3), slips)

