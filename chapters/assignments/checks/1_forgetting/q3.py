from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_tasks(average_incremental_accuracy):
    import torch
    from replaylib.course.assignments import expect
    matrix = torch.tensor([[100.0, 50, 50], [60, 90, 50], [20, 40, 90]])
    slips = {'entries above the diagonal took part: those tasks have not been seen yet': 550 / 9, 'you took one mean over all entries below and on the diagonal, so that late rows count more than early ones: first a mean for each row, then the mean of these': 400 / 6, 'this is the final accuracy, the last row alone: every row counts': 50.0, "this is the diagonal's mean: how well each task was learned, not what was kept": 280 / 3, 'off by one: after training on task t, task t itself has been seen and counts': 45.0, 'first a mean over the tasks seen, for each row, then a mean over time: not a mean over time for each task': 215 / 3}
    expect(average_incremental_accuracy(matrix), 75.0, slips)

