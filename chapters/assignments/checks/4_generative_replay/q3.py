from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = 2.0
all_or_nothing = True

@test_case(points=None, hidden=False)
def check_seen_classes(label):
    import torch
    from replaylib.course.assignments import expect
    teacher = torch.nn.Linear(8, 8, bias=False)
    teacher.weight.data = torch.eye(8)
    logits = torch.tensor([[-1.0, -2, -3, -4, 0, -1, 9, 0], [1, 0, 2, 3, 5, 0, 0, 6], [-5, -4, -3, -2, -1, 8, 9, 0]])
    slips = {'classes that nobody has seen took part: choose among those of the first `seen` tasks': [6, 7, 6], "off by one: the current task's classes are not among those that the teacher has learned": [4, 4, 5], 'off by one: the last task that has ended counts as seen': [0, 0, 1], 'an unseen class with its logit set to 0 still beats seen ones below 0': [4, 3, 4], "only the last task's classes took part: all classes of the first `seen` tasks may be the label": [2, 3, 3]}
    expect(label(teacher, logits, 2, 2), [0, 3, 3], slips)
    kind = torch.as_tensor(label(teacher, logits, 2, 2)).dtype
    assert kind == torch.int64, f"labels are int64, and yours are {kind}: PyTorch's losses take no other whole numbers"

