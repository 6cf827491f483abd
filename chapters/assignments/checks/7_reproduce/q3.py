from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_points_apart(discrepancy):
    import math
    from replaylib.course.assignments import expect
    slips = {'the sign: mine minus published': 10 / 5, 'errors of independent numbers add as squares': -10 / 7, 'the published number has an error as well': -10 / 3, 'your own number has an error as well': -10 / 4, 'this is the difference itself: in units of its standard error, please': -10.0, "the root is missing: the error is that of the squares' sum": -10 / 25}
    expect(discrepancy(60.0, 3.0, 70.0, 4.0), -2.0, slips)
    expect(discrepancy(60.0, 0.0, 70.0, 0.0), -math.inf, hint='different numbers without any error: they disagree for certain')

