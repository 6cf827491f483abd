from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_common_seeds(paired_difference):
    import math
    from replaylib.course.assignments import expect
    first, second = ({0: 80.0, 1: 70.0, 2: 66.0, 5: 10.0}, {2: 60.0, 0: 77.0, 1: 64.0, 9: 99.0})
    result = paired_difference(first, second)
    assert result is not None and len(result) == 2, 'return two things: the mean difference and its error'
    slips = {'seeds that only one of the two has took part': 56.5 - 75.0, 'first minus second: the sign': -5.0, 'values were paired by their place: it is the seed that says which belong together': 226 / 4 - 300 / 4}
    expect(result[0], 5.0, slips)
    slips = {'this is the error of two independent means: take the differences first, seed by seed': (52 / 3 + 79 / 3) ** 0.5, 'this is the standard deviation of the differences: divide by the root of how many there are': 3 ** 0.5, 'n - 1 in the standard deviation': (2 / 3) ** 0.5}
    expect(result[1], 1.0, slips, 'the differences are 3, 6 and 6: their standard error is 1')

