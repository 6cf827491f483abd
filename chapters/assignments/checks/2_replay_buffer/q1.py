from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_mnist_buffer(samples_that_fit):
    from replaylib.course.assignments import expect
    slips = {'this is rounded: a sample that does not fit whole is not stored': 11, 'images are stored as one byte a pixel, not as 32-bit floats': 2, 'a whole number of samples, please': 8620 / 792}
    expect(samples_that_fit(8620, (1, 28, 28)), 10, slips)
    slips = {'*each* sample takes 8 bytes for its label as well': 20, 'a label of 64 bits takes 8 bytes, not 64': 18}
    expect(samples_that_fit(15700, (1, 28, 28)), 19, slips)

@test_case(points=None, hidden=False)
def check_colour(samples_that_fit):
    from replaylib.course.assignments import expect
    slips = {'each *channel* of a pixel takes a byte': 95, 'a label of 64 bits takes 8 bytes, not 64': 31}
    expect(samples_that_fit(99000, (3, 32, 32)), 32, slips, 'an image has channels x height x width bytes, and its label 8')
    slips = {'a label of 64 bits takes 8 bytes here': 12}
    expect(samples_that_fit(103, (1, 2, 2)), 8, slips)

