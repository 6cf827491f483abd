from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_after_the_third_task(forgetting_after):
    import torch
    from replaylib.course.assignments import expect
    matrix = torch.tensor([[90.0, 99, 10, 10], [95, 80, 10, 10], [75, 60, 85, 10], [50, 40, 70, 95]])
    slips = {'the sign: forgetting is positive where accuracy drops': -20.0, 'from the best that a task ever was, which need not be the diagonal: task 0 was best after task 1': 17.5, 'a row from before a task was trained counted as its best: start at the diagonal': 29.5, 'off by one: task k itself has nothing to forget yet and does not count in the mean': 40 / 3, 'this is forgetting at the end of training: `k` says after which task': 42.5, '`k` is counted from 0: after task k, k tasks came before it': -5.0}
    expect(forgetting_after(matrix, 2), 20.0, slips)
    slips = {'from the best that a task ever was, not from what it was just before': 20.0}
    expect(forgetting_after(matrix, 3), 100 / 3, slips, 'after task k = 3: tasks 0, 1 and 2 have dropped by 45, 40 and 15')

@test_case(points=None, hidden=False)
def check_a_task_that_got_better(forgetting_after):
    import torch
    from replaylib.course.assignments import expect
    matrix = torch.tensor([[90.0, 20], [95, 80]])
    slips = {'0 is not right here: row k takes no part in the best, the result is not cut off, and k counts from 0': 0.0}
    expect(forgetting_after(matrix, 1), -5.0, slips, 'task 0 rose from 90 to 95: forgetting is -5')

