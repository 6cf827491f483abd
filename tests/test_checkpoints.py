"""A network in a file: it comes back whole, or not at all."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import checkpoints, runs
from replaylib.lab.experiments import experiment


def described(method="bi-r", **changes):
    return experiment("split-digits", "class", method, **{"hidden": (12, 8), "noise_dim": 5, "iterations": 2} | changes)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def kept(digits, tmp_path):
    """A trained network and the file that it was saved to."""
    net, _ = runs.run(described(), digits)
    return net, checkpoints.save_weights(net, described(), tmp_path / "net.safetensors")


def test_a_network_comes_back_bit_for_bit_with_its_gates_and_modes(kept, digits):
    net, path = kept
    other = runs.network(described(seed=1), digits)
    assert not other.gates.open.equal(net.gates.open)
    assert checkpoints.load_weights(other, path) == described() == checkpoints.describe(path)
    assert set(other.state_dict()) >= {"gates.open", "prior.mean", "prior.logvar"}
    assert all(a.equal(b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
    y, noise = torch.arange(10), torch.randn(10, 5, generator=torch.Generator().manual_seed(0))
    assert net.generate(y, y // 2, noise).equal(other.generate(y, y // 2, noise))


def test_a_checkpoint_with_the_earlier_names_is_read(tmp_path):
    e = experiment("split-glyphs", "class", "none", backbone="tuned", tasks=2, hidden=(12, 8), iterations=1)
    net, _ = runs.run(e)
    path = checkpoints.save_weights(net, e, tmp_path / "net.safetensors")
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    assert json.loads(about["experiment"])["front_end"] == "tuned"
    state = {name.replace("backbone.", "front."): value for name, value in load_file(path).items()}
    assert any(name.startswith("front.") for name in state)
    save_file(state, path, about)
    other = runs.network(replace(e, seed=1), runs.data_of(e))
    assert checkpoints.load_weights(other, path) == e
    assert all(a.equal(b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_saving_replaces_a_file_whole(kept, digits):
    path = kept[1]
    again = checkpoints.save_weights(runs.network(described(seed=1), digits), described(seed=1), path)
    assert again == path
    assert checkpoints.describe(path).seed == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": (12, 9)}, r"another architecture \(classifier.hidden.1.bias is \(8,\) in the file and \(9,\)"),
        ({"noise_dim": 6}, r"decoder.hidden.0.weight is \(8, 5\) in the file and \(8, 6\) in the network"),
        (
            {"method": "bi-r-no-feedback"},
            r"recognition.encoder.0.bias is missing in the file and \(12,\) in the network",
        ),
        ({"method": "bi-r-no-gating"}, r"gates.open is \(10, 20\) in the file and missing"),
    ],
)
def test_another_architecture_is_refused_and_the_network_left_alone(kept, digits, changes, says):
    net = runs.network(described(**changes), digits)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(InputError, match=says) as refused:
        checkpoints.load_weights(net, kept[1])
    assert "make one as for bi-r on split-digits, hidden (12, 8)" in str(refused.value)
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_a_damaged_file_and_one_that_is_no_checkpoint_are_refused(kept, tmp_path):
    net, path = kept
    whole = path.read_bytes()
    for wrong in (whole[:-100], whole[: len(whole) // 2], b"", b"PK\3\4" + whole, b"{}"):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match="damaged or no checkpoint"):
            checkpoints.load_weights(net, path)
    save_file({"weights": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        checkpoints.load_weights(net, tmp_path / "other.safetensors")
    torch.save(net.state_dict(), tmp_path / "pickle.pt")
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        checkpoints.load_weights(net, tmp_path / "pickle.pt")
    with pytest.raises(InputError, match="is not a file"):
        checkpoints.load_weights(net, tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match="is not a file"):
        checkpoints.load_weights(net, tmp_path)


def test_numbers_that_are_not_finite_are_refused(kept):
    net, path = kept
    state = load_file(path)
    state["prior.mean"][0, 0] = torch.nan
    description = {"experiment": '{"protocol": "split-digits"}'}
    save_file(state, path, description)
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        checkpoints.load_weights(net, path)  # the description is not one
    net.prior.mean.data[0, 0] = torch.nan
    checkpoints.save_weights(net, described(), path)
    with pytest.raises(InputError, match=r"not finite, in prior.mean"):
        checkpoints.load_weights(net, path)


def test_an_unwritable_place_is_an_error_of_one_line(kept, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        checkpoints.save_weights(kept[0], described(), tmp_path / "nowhere" / "net.safetensors")


def test_a_network_of_a_method_that_is_not_known_here_is_not_called_damaged(kept):
    _, path = kept
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["experiment"])
    save_file(load_file(path), path, {"experiment": json.dumps(about | {"method": "my-own"})})
    with pytest.raises(InputError, match=r"not known here \(unknown method 'my-own'"):
        checkpoints.describe(path)
