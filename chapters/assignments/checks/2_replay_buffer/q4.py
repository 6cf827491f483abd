from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_a_line(herding):
    import torch
    from replaylib.course.assignments import expect
    features = torch.tensor([[0.0], [4], [5], [9], [13]])
    slips = {'each was picked for being near the mean by itself: what counts is the mean of those picked together': [2, 1, 3], 'a sample was picked twice: it is in the store already': [2, 3, 2], 'the *mean* of those picked: divide the sum by how many there are': [2, 0, 1], 'these are rows in their own order: give them in the order in which they were picked': [1, 2, 3]}
    expect(herding(features, 3), [2, 3, 1], slips, 'first the row nearest to the mean, 6.2; then the one that brings the mean of both nearest to it')
    slips = {'the distance is the Euclidean one, the root of a sum of squares, no sum of absolute values': [1]}
    plane = torch.tensor([[3.0, 3], [0, 5], [-3, -8]])
    expect(herding(plane, 1), [0], slips, 'of three points around 0, the one that is nearest to it')

