from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_settings(chosen):
    from replaylib.course.assignments import expect
    runs = [(0.1, 60, 50), (0.5, 70, 58), (0.9, 65, 71), (0.5, 74, 62), (0.1, 90, 52), (0.9, 69, 73), (0.5, 78, 66), (0.1, 45, 54)]
    answer = chosen(runs)
    assert answer is not None and len(answer) == 3, 'return three things: the setting, the mean test accuracy and its error'
    slips = {'the setting was chosen by its test accuracy: what is reported would be luck as well': 0.9, 'the setting was chosen by its best run: what counts is the mean over its runs': 0.1}
    expect(answer[0], 0.5, slips, '0.5 has the highest mean validation accuracy, 74')
    expect(answer[1], 62.0, {"this is the validation accuracy: reported is the test's": 74.0, "reported is the mean of the setting's runs, not the best of them": 66.0})
    slips = {'this is the standard deviation: divide by the root of the number of runs': 4.0, 'n - 1 in the standard deviation': (32 / 9) ** 0.5}
    expect(answer[2], 4 / 3 ** 0.5, slips)

