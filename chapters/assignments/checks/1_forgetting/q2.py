from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_orientation(accuracy_matrix):
    import math
    from replaylib.course.assignments import expect
    log = [(1, 0, 40.0), (0, 0, 90.0), (1, 1, 95.0)]
    slips = {'rows are time and columns are tasks: yours is the other way round': [[90.0, 40.0], [math.nan, 95.0]], 'what was never measured is nan; a 0 would say that the network was tested, and always wrong': [[90.0, 0.0], [40.0, 95.0]], "the log is not in order: an entry's place is said by `after` and `on`": [[40.0, math.nan], [90.0, 95.0]]}
    expect(accuracy_matrix(log, 2), [[90.0, math.nan], [40.0, 95.0]], slips)

@test_case(points=None, hidden=False)
def check_repeated_measurement(accuracy_matrix):
    from replaylib.course.assignments import expect
    slips = {'a pair that was measured twice: the later entry counts, not the earlier': [[80.0, 1.0], [2.0, 3.0]], 'a pair that was measured twice: the later entry counts; do not add': [[150.0, 1.0], [2.0, 3.0]], 'a pair that was measured twice: the later entry counts; do not average': [[75.0, 1.0], [2.0, 3.0]]}
    log = [(0, 0, 80.0), (0, 1, 1.0), (1, 0, 2.0), (0, 0, 70.0), (1, 1, 3.0)]
    expect(accuracy_matrix(log, 2), [[70.0, 1.0], [2.0, 3.0]], slips)

