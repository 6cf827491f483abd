from otter.test_files import test_case

OK_FORMAT = False

name = "gating_1"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_gates(make_gates):
    import torch
    gates = make_gates(12, 20, 0.7, torch.Generator().manual_seed(0))
    assert gates is not None and gates is not ..., 'it gave back nothing yet: return the gates'
    gates = torch.as_tensor(gates)
    assert tuple(gates.shape) == (12, 20), f'expected (classes, units) = (12, 20), found {tuple(gates.shape)}'
    assert gates.is_floating_point(), f'the gates should be a float tensor, and are {gates.dtype}'
    assert ((gates == 0) | (gates == 1)).all(), 'a gate is 0 or 1'
    closed = (gates == 0).sum(1)
    assert not (closed == 6).all(), '`off` is the share of units that are *off*: you switched the others off'
    assert (closed == 14).all(), 'exactly 14 of 20 units are off for every class: a coin for each unit hits that only on average'
    assert not (gates == gates[0]).all(), 'all classes have the same gates: each class makes its own choice'
    again = torch.as_tensor(make_gates(12, 20, 0.7, torch.Generator().manual_seed(0)))
    assert torch.equal(gates, again), 'the same generator state must give the same gates: draw from `generator`'
    other = torch.as_tensor(make_gates(12, 20, 0.7, torch.Generator().manual_seed(1)))
    assert not torch.equal(gates, other), 'another generator gives other gates: draw from `generator`'
    rounded = (torch.as_tensor(make_gates(3, 10, 0.75, torch.Generator().manual_seed(0))) == 0).sum(1)
    assert (rounded == 7).all(), f'int(off * units) rounds down: of 10 units 0.75 are 7 off, and here {rounded.tolist()}'

