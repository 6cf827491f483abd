"""What pages computed before: read where it fits, made where it does not, and written when asked for."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from replaylib import load_dataset
from replaylib.data.files import shipped
from replaylib.errors import InputError
from replaylib.lab import kept, runs
from replaylib.lab.experiments import experiment

ROOT = Path(__file__).resolve().parents[1]
ONE, OTHER = (experiment("split-digits", "class", "gr", seed) for seed in (0, 1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "shipped", lambda name: tmp_path / name)
    monkeypatch.delenv(kept.KEEP, raising=False)
    return tmp_path / kept.FOLDER


def keep(monkeypatch, value, *, of=ONE, **told):
    with monkeypatch.context() as asked:
        asked.setenv(kept.KEEP, "1")
        return kept.kept_or_made("name", [of], lambda: {"x": value}, **told)


def never():
    pytest.fail("it is stored, and was made all the same")


def test_what_is_stored_is_given_back_and_not_made_again(folder, monkeypatch):
    tensor = torch.randn(2, 3, dtype=torch.float64).T  # not contiguous
    assert keep(monkeypatch, tensor)["x"].equal(tensor)
    stored = kept.kept_or_made("name", [ONE], never)["x"]
    assert stored.equal(tensor)
    assert stored.dtype == torch.float64
    with safe_open(folder / "name.safetensors", framework="pt") as file:
        assert {"versions", "device", "commit", "date"} <= file.metadata().keys()


@pytest.mark.parametrize(("of", "told"), [(OTHER, {}), (ONE, {"steps": 5})])
def test_of_other_experiments_or_told_otherwise_it_is_made_and_nothing_is_written(folder, monkeypatch, of, told):
    keep(monkeypatch, torch.zeros(1))
    before = (folder / "name.safetensors").read_bytes()
    assert kept.kept_or_made("name", [of], lambda: {"x": torch.ones(1)}, **told)["x"].item() == 1
    assert (folder / "name.safetensors").read_bytes() == before
    kept.kept_or_made("another", [ONE], lambda: {"x": torch.ones(1)})
    assert [path.name for path in folder.iterdir()] == ["name.safetensors"]


def test_storing_makes_it_again_and_replaces_it(folder, monkeypatch):
    keep(monkeypatch, torch.zeros(1))
    keep(monkeypatch, torch.ones(1))
    assert kept.kept_or_made("name", [ONE], never)["x"].item() == 1


def test_a_damaged_file_is_said_in_one_line(folder, monkeypatch):
    keep(monkeypatch, torch.zeros(100))
    path = folder / "name.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"name\.safetensors is damaged .*restore it, or remove it") as raised:
        kept.kept_or_made("name", [ONE], never)
    assert "\n" not in str(raised.value)


def test_a_network_in_half_the_bytes_sees_almost_the_same():
    data = load_dataset("digits")
    x = data.test.inputs(data.test.images)
    net, again = (runs.network(one, data) for one in (ONE, OTHER))
    state = kept.weights(net)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    assert not torch.allclose(again(x), net(x), atol=0.02)
    assert torch.allclose(kept.network_of(again, state)(x), net(x), atol=0.02)


def test_every_stored_file_is_one_that_a_page_asks_for():
    pages = "\n".join(path.read_text() for path in (ROOT / "chapters").glob("*.md"))
    names = re.findall(r'kept_or_made\(\s*f?"([^"]+)"', pages)
    patterns = [re.sub(r"\\{.*?\\}", "[a-z0-9+-]+", re.escape(name)) for name in names]
    for path in shipped(kept.FOLDER).glob("*"):
        assert path.suffix == ".safetensors"
        assert any(re.fullmatch(pattern, path.stem) for pattern in patterns), path
        with safe_open(path, framework="pt") as file:
            said = file.metadata()
        assert all(re.fullmatch(r"[0-9a-f]{12}", one) for one in json.loads(said["about"])["experiments"])
