from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = 4.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_room(reservoir_step):
    import torch
    kept = []
    for n in range(9):
        given = list(kept)
        result = reservoir_step(kept, n, 4, torch.Generator().manual_seed(n))
        assert result is not None, 'it gave back nothing yet: return the new list'
        kept = [int(k) for k in result]
        assert len(kept) == min(n + 1, 4), f'with room for 4, after {n + 1} samples {min(n + 1, 4)} are held, not {len(kept)}'
        assert len(set(kept)) == len(kept), 'no sample is held twice'
        assert set(kept) <= set(range(n + 1)), 'only numbers of samples that have passed can be held'
        back = set(kept) - {*given, n}
        assert not back, f'sample {min(back)} had gone, and came back: the new list holds samples of `kept`, and perhaps n'
    runs = []
    for seed in (0, 0, 1, 2):
        generator, kept = (torch.Generator().manual_seed(seed), [])
        for n in range(60):
            kept = [int(k) for k in reservoir_step(kept, n, 6, generator)]
        runs.append(kept)
    assert runs[0] == runs[1], 'the same generator state must give the same choices: draw from `generator`'
    assert runs[0] != runs[2] or runs[0] != runs[3], 'other generators give other choices: draw from `generator`'

@test_case(points=None, hidden=False)
def check_every_sample_is_as_likely(reservoir_step):
    import torch
    generator, runs = (torch.Generator().manual_seed(0), 300)
    counts = torch.zeros(6)
    for _ in range(runs):
        kept = []
        for n in range(6):
            kept = reservoir_step(kept, n, 2, generator)
            assert kept is not None, 'it gave back nothing yet: return the new list'
        counts[[int(k) for k in kept]] += 1
    share = counts / runs
    told = f' (over {runs} runs with room for 2 of 6 samples, sample 0 stayed in {share[0]:.0%}, sample 5 in {share[5]:.0%}; 33 % is right)'
    assert share[5] > 0, 'once the store is full nothing gets in any more: the first samples stay for ever' + told
    assert share[:2].sum() > 0.01, 'the oldest always goes: this is a window over the last samples, no reservoir' + told
    assert share[5] < 0.9, 'a new sample always gets in: then late samples are held more often than early ones' + told
    assert not (share[0] > 0.9 or share[1] > 0.9), 'whom the new one replaces must be left to chance' + told
    early, late = (share[:2].mean(), share[5])
    seldom = 'a new sample gets in too seldom: then early samples are held more often than late ones'
    assert not (late < 0.23 and early > 0.45), seldom + told
    assert not (early < 0.26 and late > 0.36), 'off by one: when sample n arrives, n + 1 samples have passed, itself included' + told
    assert ((share - 1 / 3).abs() < 0.13).all(), 'not all samples are equally likely to be held' + told

