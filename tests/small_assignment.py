"""A small assignment of the tests' own, with submissions made for it: no test of grading needs a real master."""

import json
from pathlib import Path

import nbformat

NAME = "1_small"
RIGHT = {
    "double": "def double(x):\n    return 2 * x",
    "draw": "def draw(n, generator):\n    return torch.rand(n, generator=generator)",
    "teacher": "def teacher(net):\n    return copy.deepcopy(net).eval()",
}
PREPARATION = "import copy\n\nimport torch\n"
SECRET = "a secret of the hidden test"
CHECKS = {
    "q1": '''
from otter.test_files import test_case

OK_FORMAT = False
name = "q1"
points = 2

@test_case(points=None, hidden=False)
def check_one(double):
    import torch
    from replaylib.course.assignments import expect
    expect(double(torch.tensor([1.0, 2.0])), [2.0, 4.0], hint="twice as much")

@test_case(points=None, hidden=True)
def check_other(double):
    import torch
    from replaylib.course.assignments import expect
    x = torch.tensor([3.5, -1.0], requires_grad=True)
    found = double(x)
    expect(found, [7.0, -2.0], hint="SECRET")
    found.sum().backward()
    expect(x.grad, [2.0, 2.0], hint="SECRET")
''',
    "q2": '''
from otter.test_files import test_case

OK_FORMAT = False
name = "q2"
points = 1

@test_case(points=None, hidden=False)
def check_one(draw):
    import torch
    from replaylib.course.assignments import expect
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(4, generator=torch.Generator().manual_seed(0)).view(2, 2)
    expect([draw(2, generator), draw(2, generator)], right)

@test_case(points=None, hidden=True)
def check_other(draw):
    assert len(draw(7, None)) == 7, "SECRET"
''',
    "q3": '''
from otter.test_files import test_case

OK_FORMAT = False
name = "q3"
points = 1

@test_case(points=None, hidden=False)
def check_one(teacher):
    import torch
    net = torch.nn.Linear(2, 2)
    made = teacher(net)
    before = made(torch.ones(1, 2)).detach()
    net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})
    assert torch.equal(made(torch.ones(1, 2)).detach(), before), "a copy stays as it was"
    assert net.training and not made.training, "the copy is in evaluation mode, and the network is not"

@test_case(points=None, hidden=True)
def check_other(teacher):
    import torch
    assert not teacher(torch.nn.ReLU()).training, "SECRET"
''',
}  # fmt: skip
POINTS = {"q1": 2.0, "q2": 1.0, "q3": 1.0}


def build(root: Path) -> Path:
    """The instructor's files, as `make assignments` would make them; returns their folder."""
    folder = root / NAME
    (folder / "tests").mkdir(parents=True)
    for question, checks in CHECKS.items():
        (folder / "tests" / f"{question}.py").write_text(checks.replace("SECRET", SECRET))
    about = {"name": NAME, "points": POINTS, "one_of": [], "possible": 4.0, "manual": 4, "rubric": ["Question"]}
    (folder / "assignment.json").write_text(json.dumps(about))
    return folder


def notebook(*cells: str, right: bool = True, after: tuple[str, ...] = ()) -> str:
    """A submission: cells, then the answers (right ones, or those of an untouched notebook), then more cells."""
    answers = [code if right else code.splitlines()[0] + "\n    ..." for code in RIGHT.values()]
    document = nbformat.v4.new_notebook()
    document.cells = [nbformat.v4.new_code_cell(source) for source in (PREPARATION, *cells, *answers, *after)]
    return nbformat.writes(document)
