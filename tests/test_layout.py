"""The library's one-way flow: a module imports only from those before it."""

import ast
from pathlib import Path

import replaylib

ORDER = (
    "_version", "errors", "files", "dataset", "symbols", "glyphs", "folders", "downloads", "data", "scenarios",
    "protocols", "conv", "nets", "vae", "brain", "encoders", "generative", "replay", "penalties", "settings",
    "methods", "train", "capture", "fast", "quality", "experiments", "checkpoints", "metrics", "records", "runs",
    "imagined", "pretrain", "bench", "effects", "figures", "widgets", "checks", "sweeps", "panels", "reproduce",
    "commands", "running", "__main__",
)  # fmt: skip
FOLDER = Path(replaylib.__file__).parent


def imported_by(module: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "replaylib":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("replaylib."):
            names.add(node.module.split(".")[1])
    return names


def test_every_module_has_its_place_in_the_order():
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_data_flow_one_way():
    for place, module in enumerate(ORDER):
        against = imported_by(module) - set(ORDER[:place])
        assert not against, f"{module} imports {against}, against the order in CONTRIBUTING.md"


def test_what_is_exported_exists_and_is_sorted_by_name():
    assert all(hasattr(replaylib, name) for name in replaylib.__all__)
    assert len(set(replaylib.__all__)) == len(replaylib.__all__)


def test_every_module_that_a_user_may_import_is_described_on_one_page():
    described = [
        line.removeprefix(".. automodule:: replaylib.")
        for page in (FOLDER.parent / "book" / "api").glob("*.md")
        for line in page.read_text().splitlines()
        if line.startswith(".. automodule::")
    ]
    # How files come and are written, and how the command line reads its options, is nobody's business but theirs.
    inside = {"_version", "files", "symbols", "folders", "downloads", "commands", "running", "__main__"}
    assert sorted(described) == sorted(set(ORDER) - inside)
