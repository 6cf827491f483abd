from otter.test_files import test_case

OK_FORMAT = False

name = "feedback_3"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_layers(parameters_saved):
    from replaylib.course.assignments import expect
    slips = {'a layer has biases as well': 14, 'every layer of the encoder is saved, not the first alone': 8, 'the decoder is still needed: only the second encoder is saved': 40, 'a bias belongs to each unit of the layer itself, not of the one before': 19, 'each unit has a bias: one for a layer is too few': 16}
    expect(parameters_saved(3, (2, 4)), 20, slips)

