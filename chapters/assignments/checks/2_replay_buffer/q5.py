from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_fourth_task(replay_weights):
    from replaylib.course.assignments import expect
    slips = {'one half each counts the current task for as much as all earlier ones together': [0.25] * 2 + [0.125] * 4, 'off by one: `seen` counts the current task already': [1 / 6] * 2 + [1 / 6] * 4, "the loss is not averaged: each batch's weight is shared out among its samples": [0.25] * 2 + [0.75] * 4, 'the two are the wrong way round: the current task is one of four': [0.375] * 2 + [0.0625] * 4, "each batch was averaged over both batches' samples: divide by the size of its own": [1 / 24] * 2 + [0.125] * 4}
    expect(replay_weights(2, 4, 4), [0.125] * 2 + [0.1875] * 4, slips)

@test_case(points=None, hidden=False)
def check_first_task(replay_weights):
    from replaylib.course.assignments import expect
    expect(replay_weights(4, 0, 1), [0.25] * 4, hint='in the first task there is nothing but current samples: their plain mean')

