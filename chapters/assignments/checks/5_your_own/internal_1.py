from otter.test_files import test_case

OK_FORMAT = False

name = "internal_1"
points = 5.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_three_images(features):
    import torch
    from replaylib.course.assignments import expect
    linear = torch.nn.Linear(4, 4, bias=False)
    linear.weight.data = torch.tensor([[1.0, 2, 3, 4], [0, 1, 0, 1], [1, 1, 1, 1], [4, 3, 2, 1]])
    dropout, square = (torch.nn.Dropout(0.5), torch.nn.Unflatten(1, (2, 2)))
    front = torch.nn.Sequential(torch.nn.Flatten(), linear, dropout, square)
    images = torch.tensor([[0, 255, 0, 0], [255, 255, 255, 255], [255, 0, 0, 0]], dtype=torch.uint8).view(3, 1, 2, 2)
    result = features(front, images, 2)
    assert result is not None and result is not ..., 'it gave back nothing yet: return the features'
    assert isinstance(result, torch.Tensor), f'put the chunks together: one tensor (n, d), not a {type(result).__name__}'
    assert not result.requires_grad, 'the backbone is frozen: compute its features without a gradient'
    right = torch.tensor([[2.0, 1, 1, 3], [10, 2, 4, 10], [1, 0, 1, 4]])
    assert tuple(result.shape) != (2, 4), 'two of three images came back: put all chunks together, the last and smaller one as well'
    assert tuple(result.shape) == (3, 4), f'one flat row for each image, (3, 4): found {tuple(result.shape)}'
    scaled = result / 255
    for seen in (result, scaled):
        dropped = (seen == 0) | torch.isclose(seen, 2 * right, atol=0.001)
        assert not (dropped.all() and (not torch.allclose(seen, right))), 'the backbone is in training mode: its dropout is active. Call eval()'
    slips = {'the backbone takes intensities in [0, 1]: divide by 255': 255 * right}
    expect(result, right, slips)

@test_case(points=None, hidden=False)
def check_size_of_a_chunk(features):
    import torch
    from replaylib.course.assignments import expect
    front = torch.nn.Sequential(torch.nn.Unflatten(0, (3, 1)), torch.nn.Flatten(0, 1), torch.nn.Flatten())
    images = torch.arange(24, dtype=torch.uint8).view(6, 1, 2, 2)
    try:
        result = features(front, images, 3)
    except RuntimeError as error:
        if 'unflatten' not in str(error):
            raise
        raise AssertionError('give the backbone `chunk` images at a time: here 3, and then 3 more') from None
    expect(result, images.flatten(1) / 255, hint='a backbone that passes on what it sees, 6 images in chunks of 3')

