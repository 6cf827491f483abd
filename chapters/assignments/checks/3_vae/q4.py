from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_one_sample(negative_elbo):
    import math
    import torch
    from replaylib.course.assignments import expect, expect_gradients
    slips = {'the divergence is not divided by the number of pixels': [3.716891], 'this is the bound in nats, summed over pixels: divide all of it by their number': [4.947003], 'the divergence is a *penalty*: it is added': [-0.416676], 'the divergence weighs too much: for this sample compute each of the two terms by hand, from the formula': [2.063464], 'one of the two is a sum over pixels, the other a mean': [2.466864], 'the reconstruction is a mean over pixels already: only the divergence is divided': [0.929222]}
    x, logits = (torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([[0.0, 0, 2, -2]]))
    mu, logvar = (torch.tensor([[1.0, 2]]), torch.tensor([[0.0, math.log(4)]]))
    expect(negative_elbo(x, logits, mu, logvar), [1.236751], slips)
    two = [torch.cat([part, other]) for part, other in ((x, x), (logits, logits), (mu, 0 * mu), (logvar, 0 * logvar))]
    slips = {'two samples together have other losses than each by itself': [0.823394, 0.823394]}
    expect(negative_elbo(*two), [1.236751, 0.410038], slips, 'two samples, one of whose codes is the prior')
    given = [part.requires_grad_() for part in (logits, mu, logvar + 1)]
    expect_gradients(negative_elbo(x, *given), *given)

