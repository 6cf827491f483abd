from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_groups_stay_together(held_out):
    import torch
    groups = torch.tensor([7, 7, 7, 2, 2, 5, 5, 5, 5, 9, 9, 9])
    seen = []
    for seed in range(12):
        test = held_out(groups, 0.25, torch.Generator().manual_seed(seed))
        assert test is not None, 'it gave back nothing yet: return a mask'
        test = torch.as_tensor(test)
        assert test.dtype == torch.bool and tuple(test.shape) == (12,), f'a mask (n,) of bool, please: found {tuple(test.shape)}, {test.dtype}'
        parts = {int(g): test[groups == g] for g in groups.unique()}
        assert all((part.all() or not part.any() for part in parts.values())), 'a group is on both sides: images that belong together stay together'
        sizes = sorted((len(part) for part in parts.values() if part.all()))
        assert sum(sizes) >= 3, f'at least a quarter of 12 images are held out, and here {sum(sizes)} are'
        assert sizes != [4, 2, 3, 3] and sum(sizes) < 12, 'everything is held out: nothing is left to learn from'
        enough = any((sum(sizes) - size < 3 for size in sizes))
        assert enough, f'groups of {sizes} images are held out: one of them was not needed any more. Stop at `share`'
        seen.append(tuple(test.tolist()))
    assert len(set(seen)) > 2, 'the same groups are held out whatever `generator` is: their order is random'
    again = [held_out(groups, 0.25, torch.Generator().manual_seed(seed)) for seed in range(len(seen))]
    assert [tuple(torch.as_tensor(one).tolist()) for one in again] == seen, 'the same generator state must give the same mask: draw from `generator`'

