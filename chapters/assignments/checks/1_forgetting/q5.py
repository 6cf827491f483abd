from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_savings(savings):
    import math
    from replaylib.course.assignments import expect
    slips = {'off by one: accuracies start after step 1, so place 0 in the list means 1 step': 75.0, '*at least* the criterion: equal to it is enough': 100 / 6, 'this is what had to be spent again; savings are the rest': 40.0, 'the *first* time that the criterion is reached counts, also if accuracy dips below it later': 0.0, 'count the steps until the criterion is first reached, not all steps below it': 20.0, 'savings are in percent': 0.6, 'savings are relative to the steps of the *first* learning': 150.0}
    expect(savings([10, 30, 50, 70, 80, 90], [40, 80, 70, 70, 90], 80), 60.0, slips)
    slips = {'a criterion that is passed, and never met exactly, is reached all the same: nan is wrong here': math.nan}
    expect(savings([10, 30, 95], [85, 99], 80), 200 / 3, slips)

@test_case(points=None, hidden=False)
def check_criterion_not_reached(savings):
    import math
    from replaylib.course.assignments import expect
    slips = {'a criterion that is never reached gives no number of steps: nan, not 0': 0.0, 'a criterion that was never reached was taken for one reached in step 1': 50.0}
    hint = 'the criterion is never reached the second time: nan'
    expect(savings([10, 95], [10, 20, 30], 90), math.nan, slips, hint)

