"""Two hundred submissions, honest and hostile, each with what its row should say; `tests/crowd.py` has them graded."""

import itertools
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import hostile
from tests import small_assignment as small


@dataclass(frozen=True)
class Case:
    """A submission, and what its row should say: the score (empty: not graded), and a part of status or feedback."""

    name: str
    content: bytes
    score: str = "4"
    said: str | tuple[str, ...] = ""
    ending: str = ".ipynb"


# The honest ----------------------------------------------------------------------------------------------------------

PROJECT = "double(torch.ones(1))\nimport time\ntime.sleep(31)\n"
CELLS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "magic commands": ("%matplotlib inline\n!pip install torch\n%time x = 1",),
    "a magic cell": ("%%time\nimport copy\nx = sum(range(10))", "%%writefile notes.txt\nnot code at all"),
    "display": ("import copy\ndisplay(copy)\ncopy",),
    "Drive among imports": ("from google.colab import drive\ndrive.mount('/content/drive')\nimport torch, copy",),
    "an upload": ("from google.colab import files\nfiles.upload()\nimport copy",),
    "torchvision first": ("import torchvision\nimport torch, copy",),
    "an import that fails": ("import no_such_module\nimport copy, torch",),
    "waits": ("import asyncio\nawait asyncio.sleep(0)\nimport copy",),
    "an asynchronous function": ("import asyncio\nasync def later():\n    return 1\nx = await later()",),
    "a cell that cannot be compiled": ("def (:",),
    "checks": ("grader.check('q1')\nimport copy", "grader.check_all()", "grader.export()"),
    "a figure": ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",),
    "a data frame": ("import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('mine.csv')\npd.read_csv('mine.csv')",),
    "its own file": ("open('notes.txt', 'w').write('mine')\nopen('notes.txt').read()",),
    "a file that is not here": ("import pandas as pd\ntable = pd.read_csv('/content/drive/MyDrive/table.csv')",),
    "a question to its user": ("answer = input('your name')",),
    "warnings and words": ("import warnings\nwarnings.warn('so')\nprint('x' * 10**6)",),
    "an error in the project": ("raise ValueError('my project fails')",),
    "a project that ends itself": ("import sys\nsys.exit()",),
    "threads": ("import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()",),
    "processes": ("from multiprocessing import Pool\nwith Pool(2) as pool:\n    pool.map(abs, [1, 2])",),
    "many cells": tuple(f"x_{n} = {n}" for n in range(150)),
    "a long comment": ("# " + "words " * 2000,),
    "another folder": ("import os\nos.chdir('/')",),
    "a seed": ("torch.manual_seed(0)\nimport random\nrandom.seed(1)",),
    "no threads but one": ("torch.set_num_threads(1)",),
    "an answer given twice": ("def double(x):\n    return 3 * x", small.RIGHT["double"]),
    "an answer below its check": ("grader.check('q1')\n\ndef double(x):\n    return x + x\n\ngrader.check('q1')",),
    "an answer in an experiment": ("# Experiment: mine\ndef double(x):\n    return x + x",),
    "a name that comes later": ("def double(x):\n    return FACTOR * x", "FACTOR = 2"),
    "a decorator": ("import functools\n@functools.wraps(abs)\ndef double(x):\n    return 2 * x",),
    "a lambda": ("double = lambda x: x + x",),
    "a part of a function": ("import functools, operator\ndouble = functools.partial(operator.mul, 2)",),
    "an object that can be called": ("class D:\n    def __call__(self, x):\n        return 2 * x\ndouble = D()",),
    "types": ("from __future__ import annotations\ndef double(x: Tensor) -> Tensor:\n    return 2 * x",),
    "einsum": ("def double(x):\n    return torch.einsum('n,->n', x, torch.tensor(2.0))",),
    "another precision": ("def double(x):\n    return 2 * x.double()",),
    "not contiguous": ("def double(x):\n    return torch.stack([2 * x, x], 1)[:, 0]",),
    "a loop": ("def double(x):\n    return torch.stack([2 * one for one in x])",),
    "draws through NumPy": ("def draw(n, generator):\n    return torch.rand(n, generator=generator).numpy()",),
    "a list": ("def draw(n, generator):\n    return torch.rand(n, generator=generator).tolist()",),
}  # fmt: skip


def notebook(*cells: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(small.notebook(after=cells))
    return document


def other_formats() -> Iterator[Case]:
    """Honest submissions that differ in their file."""
    document = notebook()
    text = json.dumps(document)
    yield Case("a byte-order mark", b"\xef\xbb\xbf" + text.encode())
    yield Case("UTF-16", text.encode("utf-16"))
    yield Case("not escaped", json.dumps(notebook("name = 'Zoë — 你好'"), ensure_ascii=False).encode())
    cells = [c | {"input": "".join(c["source"])} for c in document["cells"]]  # type: ignore[attr-defined]
    old = [{name: value for name, value in one.items() if name != "source"} for one in cells]
    yield Case(
        "format 3", json.dumps({"nbformat": 3, "worksheets": [{"cells": [*old, {"cell_type": "code"}]}]}).encode()
    )
    bare = notebook()
    bare["cells"] = [{"cell_type": "code"}, {"cell_type": "markdown"}, *document["cells"]]  # type: ignore[misc]
    yield Case("cells without a source", json.dumps(bare).encode())
    wide = notebook()
    wide["cells"][0]["outputs"] = [{"text": "x" * 21 * 2**20}]  # type: ignore[index]
    yield Case("figures of 21 MB", json.dumps(wide).encode())
    for ending in (".IPYNB", ".ipynb.txt", ".ipynb.json", ".json"):
        yield Case(f"named {ending}", text.encode(), ending=ending)
    for place, inside in (("in a zip", "1_small_submission.ipynb"), ("deep in a zip", "Desktop/my work/final.IPYNB")):
        yield Case(place, zipped({inside: text.encode(), "__MACOSX/._x.ipynb": b"\0"}), ending=".zip")
    yield Case("slow project cells", json.dumps(notebook(*[PROJECT] * 5)).encode(), said="took too long together")


def honest(number: int) -> list[Case]:
    plain = [Case(name, json.dumps(notebook(*cells)).encode()) for name, cells in CELLS.items()]
    rare = [one for one in other_formats() if one.name not in ("slow project cells", "figures of 21 MB")]
    once = [one for one in other_formats() if one not in rare]
    return [*once, *itertools.islice(itertools.cycle([*rare, *plain]), number - len(once))]


def names(number: int) -> Iterator[Callable[[Case], str]]:
    """Where each of so many students' files lie: as Moodle and Canvas name them, and as persons do."""
    given = ("Anna", "Zoë", "José", "O'Neil", "Jean-Luc", "Ma Li", "Søren", "Ngọc", "=SUM(1)", "del")
    for place in range(number):
        who = f"{given[place % 10]} Student{place}"
        if place % 3 == 0:
            folder = f"{who}_{1000 + place}_assignsubmission_file"
            yield lambda case, folder=folder: f"{folder}/1_small_submission{case.ending}"  # type: ignore[misc]
        elif place % 3 == 1:
            late = "LATE_" if place % 2 else ""
            stem = f"student{place}anna_{late}{2000 + place}_{9000 + place}_1_small_submission"
            yield lambda case, stem=stem: f"{stem}{case.ending}"  # type: ignore[misc]
        else:
            yield lambda case, who=who: f"{who}{case.ending}"  # type: ignore[misc]


# The hostile ---------------------------------------------------------------------------------------------------------


def zipped(files: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        file.seek(0)
        return file.read()


def harmful(outside: Path) -> list[Case]:
    """Sixty submissions that mean harm."""
    cases = []
    refused = list(hostile.REFUSED.items())
    together = [*(refused[place : place + 2] for place in range(0, len(refused), 2))]
    for attacks in [*together, *([one] for kind in (hostile.DEADLY, hostile.ALSO) for one in kind.items())]:
        name, pairs = "; ".join(name for name, _ in attacks), [pair for _, pair in attacks]
        bodies = [body.replace("{outside}", str(outside)) for body, _ in pairs]
        text = small.notebook(*(hostile.called_first(body, place) for place, body in enumerate(bodies)))
        cases.append(Case(name, text.encode(), "4", tuple(said for _, said in pairs)))
    for name, (source, lost) in hostile.ANSWERS.items():
        cases.append(Case(name, small.notebook(after=(source,)).encode(), f"{4 - lost}"))
    for place, answers in enumerate(hostile.CALLED):
        lost = sum(int(small.POINTS[question]) for question in answers)
        cells = tuple(source for source, _ in answers.values())
        cases.append(Case(f"answers that do harm {place}", small.notebook(after=cells).encode(), f"{4 - lost}"))
    for place, cell in enumerate(hostile.CHEATS):
        cases.append(Case(f"cheats {place}", small.notebook(after=(cell,), right=False).encode(), "0"))
    deep, wide = b"[" * 10**6, b'{"cells": [' + b"[]," * 20_000_000 + b"[]]}"
    text = small.notebook().encode()
    cases += [
        Case("JSON a million deep", b'{"cells": ' + deep, "", "not a notebook that can be read"),
        Case("JSON of sixty megabytes of lists", wide, "", "not a notebook that can be read"),
        Case("a hundred megabytes", small.notebook("x = '" + "y" * 10**8 + "'").encode(), "4"),
        Case("half a surrogate", small.notebook("x = '\\ud800'").replace("\\\\ud800", "\\ud800").encode(), "4"),
        Case("a cell of brackets", small.notebook("(" * 10**6).encode(), "4", "cannot be compiled"),
        Case("a cell of signs", small.notebook("x = " + "-" * 10**5 + "1").encode(), "4"),
        Case("cells that are no cells", json.dumps(json.loads(text) | {"cells": [1, None, "x"]}).encode(), "", "not a"),
        Case("a zip bomb", zipped({"x.ipynb": bytes(2**28)}), "", "", ".zip"),
        Case("a zip that leads out", zipped({"../../../../tmp/out.ipynb": text}), "4", "", ".zip"),
    ]
    return cases
