from otter.test_files import test_case

OK_FORMAT = False

name = "conditional_1"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_two_classes(imagine_code):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'this is the standard normal prior still: the class makes no difference': [[1.0, -1], [1, 1]], 'exp(logvar) is the variance; what multiplies the noise is the standard deviation': [[14.0, 6], [1, 1]], 'logvar is the logarithm of the variance': [[10 + math.log(4), 10 - math.log(4)], [0, 0]], 'each sample takes the mode of *its* class, mean[y]': [[1.0, -1], [12, 12]], 'the width of the mode is not used': [[11.0, 9], [1, 1]], 'the width scales the noise alone, and the mean is added after it': [[22.0, 18], [1, 1]]}
    mean, logvar = (torch.tensor([[0.0, 0], [10, 10]]), torch.tensor([[0.0, 0], [math.log(4), math.log(4)]]))
    noise = torch.tensor([[1.0, -1], [1, 1]])
    y = torch.tensor([1, 0])
    expect(imagine_code(y, mean, logvar, noise), [[12.0, 8], [1, 1]], slips)
    given = [part.requires_grad_() for part in (mean, logvar)]
    expect_gradients(imagine_code(y, *given, noise), *given)

