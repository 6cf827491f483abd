from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 3.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_single_decisions(make_room):
    import torch
    from replaylib.course.assignments import expect
    generator = torch.Generator().manual_seed(0)
    room, full = ([0, 0, 0], [0, 1, 0, 0])
    expect(make_room(room, 0, 4, generator), 3, {'while there is room everyone gets in': -1})
    place = make_room(full, 2, 4, generator)
    slips = {'a class that comes when the store is full needs room too: one of the largest class goes': -1}
    if place is None or int(place) not in (0, 2, 3):
        expect(place, 0, slips, 'the largest class gives up a sample: here one at place 0, 2 or 3')
    slips = {'the new sample is not held yet, and does not count when classes are compared: here class 0 is the largest': -1}
    place = make_room([0, 0, 1], 1, 3, generator)
    if place is None or int(place) not in (0, 1):
        expect(place, 0, slips, 'class 0 is the largest, and gives up a sample: here one at place 0 or 1')
    slips = {place: "the new sample's own class is the largest already: turn it away" for place in (0, 2, 3, 4)}
    expect(make_room([0, 1, 0, 0], 0, 4, generator), -1, {f'{hint} (you gave {place})': place for place, hint in slips.items()})

@test_case(points=None, hidden=False)
def check_stream_with_a_rare_class(make_room):
    import torch
    generator = torch.Generator().manual_seed(1)
    labels = []
    for y in [0] * 40 + [1] * 40 + [2] * 4:
        place = make_room(labels, y, 9, generator)
        assert place is not None, 'it gave back nothing yet: return a place'
        place = int(place)
        assert -1 <= place <= len(labels) and (place < len(labels) or place < 9), f'there is no place {place} in a store of 9'
        if place == len(labels):
            labels.append(y)
        elif place >= 0:
            labels[place] = y
    counts = [labels.count(c) for c in range(3)]
    told = f' (after 40 samples of class 0, 40 of class 1 and 4 of class 2, a store of 9 holds {counts} of them)'
    assert min(counts) > 0, 'a whole class was forgotten' + told
    assert counts == [3, 3, 3], 'classes are not balanced: 3 of each would be' + told
    runs = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(0)
        runs.append([int(make_room([0] * 50 + [1], 2, 51, generator)) for _ in range(10)])
    assert runs[0] == runs[1], 'the same generator state must give the same choices: draw from `generator`'

