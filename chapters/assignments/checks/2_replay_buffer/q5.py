from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_fifth_task(replay_weights):
    from replaylib.course.assignments import expect
    slips = {'one half each counts the current task for as much as all earlier ones together': [0.25] * 2 + [0.125] * 4, 'off by one: `seen` counts the current task already': [1 / 12] * 2 + [5 / 24] * 4, 'off by one: `seen` counts the current task too, no task less': [1 / 8] * 2 + [3 / 16] * 4, "every sample has the same weight: the current task's samples share 1 / seen, the replayed ones the rest": [1 / 6] * 6, "the loss is not averaged: each batch's weight is shared out among its samples": [0.2] * 2 + [0.8] * 4, 'the two are the wrong way round: the current task is one of five': [0.4] * 2 + [0.05] * 4, "each batch was averaged over both batches' samples: divide by the size of its own": [1 / 30] * 2 + [4 / 30] * 4}
    expect(replay_weights(2, 4, 5), [0.1] * 2 + [0.2] * 4, slips)

@test_case(points=None, hidden=False)
def check_first_task(replay_weights):
    from replaylib.course.assignments import expect
    expect(replay_weights(4, 0, 1), [0.25] * 4, hint='in the first task there is nothing but current samples: their plain mean')

