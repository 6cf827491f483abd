from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_fifth_task(replay_weights):
    from replaylib.course.assignments import expect

    def weights(current, replayed):
        return [current] * 2 + [replayed] * 4
    slips = {'one half each counts the current task for as much as all earlier ones together': weights(0.25, 0.125), 'off by one: `seen` counts the current task already': weights(1 / 12, 5 / 24), 'off by one: `seen` counts the current task too, no task less': weights(1 / 8, 3 / 16), "every sample has the same weight: the current task's samples share 1 / seen, the replayed ones the rest": [1 / 6] * 6, "the loss is not averaged: each batch's weight is shared out among its samples": weights(0.2, 0.8), 'the two are the wrong way round: the current task is one of five': weights(0.4, 0.05), "each batch was averaged over both batches' samples: divide by the size of its own": weights(1 / 30, 4 / 30), 'the weights are right, and in the wrong order: current samples come first': weights(0.1, 0.2)[::-1]}
    expect(replay_weights(2, 4, 5), weights(0.1, 0.2), slips)

@test_case(points=None, hidden=False)
def check_first_task(replay_weights):
    from replaylib.course.assignments import expect
    expect(replay_weights(4, 0, 1), [0.25] * 4, hint='in the first task there is nothing but current samples: their plain mean')

