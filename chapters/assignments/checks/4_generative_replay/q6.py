from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = 1.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_uneven_classes(effective_classes):
    import torch
    from replaylib.course.assignments import expect
    slips = {'shares are shares of the labels: divide by how many labels there are, not by the number of classes': 0.769849, 'this counts the classes that occur, however rarely': 2.0, 'this is the entropy itself: its exponential is a number of classes': 0.562335, 'entropy in nats goes with exp, entropy in bits with powers of 2: you mixed the two': 2.250783, 'the entropy is in nats: take exp, not a power of 2': 1.476657, 'this is one over the sum of squares, another measure of diversity: use the entropy': 1.6, 'the sign of the entropy': 1 / 1.754765}
    y = torch.tensor([0, 0, 0, 1])
    expect(effective_classes(y, 2), 1.754765, slips)
    hint = 'a class that is never replayed has p = 0 and adds nothing: 0 ln 0 is 0, not nan'
    expect(effective_classes(y, 4), 1.754765, hint=hint)

