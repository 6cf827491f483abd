from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_a_point_and_a_half(seeds_needed):
    from replaylib.course.assignments import expect
    slips = {'the error shrinks with the root of the number: square it': 5, 'rounded down: with that many the difference is not z errors yet': 21, 'z takes part: one standard error is too little': 4, 'a whole number of seeds, please': (2.5 * 2.75 / 1.5) ** 2, 'gap and spread are the wrong way round': 2}
    expect(seeds_needed(1.5, 2.75, 2.5), 22, slips)
    expect(seeds_needed(10.0, 1.0, 2.0), 2, {'at least two: a single seed has no spread': 1, 'at least two seeds, and never none': 0})

