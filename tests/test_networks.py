"""The course's trained networks: what is stored is what was trained, and says where it comes from."""

import hashlib
import json
import shutil
from pathlib import Path

import live_networks
import pytest
import torch
from safetensors.torch import load_file, save_file

from replaylib.data.catalogue import load_dataset
from replaylib.data.files import shipped
from replaylib.errors import InputError
from replaylib.lab import frames, network_files, networks
from replaylib.lab.experiments import experiment

NAMES = sorted(network_files.digests())
SHAPE = (1, 28, 28)


def parts(name: str) -> tuple[str, int]:
    method, _, task = name.rpartition("-")
    return method, int(task)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The library as installed: no checkout, and an empty data directory, which is returned."""
    monkeypatch.setattr(network_files, "IN_CHECKOUT", tmp_path / "no checkout")
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_number_is_wrong_by_half_of_its_rows_step_at_most():
    numbers = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 2, 40)[:, None]
    numbers[7] = 0
    whole, scale = networks.by_row(numbers)
    assert (whole.dtype, whole.shape, scale.shape) == (torch.int8, numbers.shape, (40,))
    error = (networks.from_rows(whole, scale) - numbers).abs().amax(1)
    assert (error <= numbers.abs().amax(1) / 253).all()
    vector = networks.by_row(numbers[3])
    assert vector[1].shape == (1,)
    assert torch.allclose(networks.from_rows(*vector), numbers[3], atol=vector[1].item() / 2)


def test_every_network_is_there_and_they_are_some_megabytes():
    wanted = {f"{method}-{task}" for method in ("gr", "bi-r") for task in range(1, 6)} | {"joint-5"}
    assert set(NAMES) == wanted == {path.stem for path in network_files.IN_CHECKOUT.glob("*.safetensors")}
    assert sum(path.stat().st_size for path in network_files.IN_CHECKOUT.iterdir()) < 10.5e6


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_a_weight_changes_next_to_nothing(name):
    """And each but the judge is of an experiment whose record the book has, which another processor ended elsewhere."""
    method, task = parts(name)
    net, origin = networks.load_network(method, task)
    one = origin.experiment
    assert (one.method, one.protocol, one.iterations, origin.task) == (method, "split-mnist", 2000, task)
    assert origin.commit
    assert not origin.commit.endswith("+")
    assert len(origin.accuracy) == len(origin.stored_accuracy) == task
    assert max(abs(a - b) for a, b in zip(origin.accuracy, origin.stored_accuracy, strict=True)) < 0.5
    if method != "joint":
        assert origin.image_difference < 0.01
        record = frames.published().set_index("id").loc[one.id]
        assert sum(origin.accuracy) / task == pytest.approx(sum(record["matrix"][task - 1][:task]) / task, abs=4)
    images = load_dataset("mnist-5k").test
    seen = images.labels < 2 * task
    with torch.no_grad():
        right = net(images.inputs(images.images[seen]))[:, : 2 * task].argmax(1) == images.labels[seen]
    said = sum(origin.stored_accuracy) / task
    assert 100 * right.double().mean().item() == pytest.approx(said, abs=3), "not the network that the file speaks of"


@pytest.mark.parametrize("method", ["gr", "bi-r"])
def test_what_was_packed_classifies_and_imagines_as_before(method):
    one = experiment("split-mnist", "class", method)
    net = networks.untrained(one, SHAPE).eval()
    again = networks.unpacked(
        networks.untrained(experiment("split-mnist", "class", method, 1), SHAPE), networks.packed(net)
    )
    draws = torch.Generator().manual_seed(0)
    y, z, x = torch.arange(10), torch.randn(10, 100, generator=draws), torch.rand(10, *SHAPE, generator=draws)
    difference = (again.generate(y, y // 2, z) - net.generate(y, y // 2, z)).abs()
    assert 0 < difference.mean() < 0.01
    with torch.no_grad():
        assert torch.allclose(again(x), net(x), atol=0.02)
    with pytest.raises(InputError, match="what encodes images is not stored"):
        again.recognise(x)


def test_numbers_of_another_network_are_refused():
    small = networks.packed(networks.untrained(experiment("split-mnist", "class", "gr", hidden=(20, 20)), SHAPE))
    with pytest.raises(InputError, match=r"another network: size mismatch for .*"):
        networks.unpacked(networks.untrained(experiment("split-mnist", "class", "gr"), SHAPE), small)


def test_a_name_that_is_none_is_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"no stored network gr after task 6: there are .*gr-5"):
        networks.load_network("gr", 6)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "gr-1.safetensors"
    path.write_bytes(network_files.find("gr", 1).read_bytes()[:5000])
    with pytest.raises(InputError, match=r"gr-1.safetensors is damaged or no stored network .*: restore it"):
        networks.read_network(path)
    save_file(load_file(network_files.find("gr", 1)), path)  # says nothing of its origin
    with pytest.raises(InputError, match="is damaged or no stored network"):
        networks.read_network(path)


def test_where_the_library_is_installed_they_are_not_there_unless_it_came_from_github(elsewhere, monkeypatch):
    monkeypatch.setattr(network_files, "repository", lambda: None)
    with pytest.raises(InputError, match=r"come with its repository.*: copy book/networks from there to .*networks"):
        networks.load_network("gr", 1)
    (elsewhere / "networks").mkdir(parents=True)
    shutil.copy(Path(live_networks.STORED, "gr-1.safetensors"), elsewhere / "networks")
    assert networks.load_network("gr", 1).origin.task == 1


def test_the_repository_is_where_the_installer_got_the_library(monkeypatch):
    class Installed:
        said: str | None = None

        def read_text(self, name):
            assert name == "direct_url.json"
            return self.said

    installed = Installed()
    monkeypatch.setattr(network_files.metadata, "distribution", lambda name: installed)
    assert network_files.repository() is None
    for url, address in (
        ("https://github.com/you/course/archive/refs/heads/main.zip", "https://github.com/you/course/raw/main"),
        ("https://github.com/you/course/archive/v1.2.zip", "https://github.com/you/course/raw/v1.2"),
        ("file:///tmp/replaylib.whl", None),
    ):
        installed.said = json.dumps({"url": url, "archive_info": {}})
        assert network_files.repository() == address


def test_a_network_is_fetched_once_and_checked(elsewhere, tmp_path, monkeypatch):
    server = tmp_path / "server" / "book" / "networks"
    server.mkdir(parents=True)
    monkeypatch.setattr(network_files, "repository", lambda: (tmp_path / "server").as_uri())
    with pytest.raises(InputError, match=r"could not fetch file://.*gr-1.safetensors .*: check the network"):
        networks.load_network("gr", 1)
    (server / "gr-1.safetensors").write_bytes(b"another version")
    with pytest.raises(InputError, match=r"is not the file that this version knows \(SHA-256 .*: update replaylib"):
        networks.load_network("gr", 1)
    assert not (elsewhere / "networks").exists()
    shutil.copy(Path(live_networks.STORED, "gr-1.safetensors"), server)
    assert networks.load_network("gr", 1).origin.task == 1
    shutil.rmtree(server)
    assert networks.load_network("gr", 1).origin.task == 1


def test_digests_are_those_of_the_files_and_come_with_the_library():
    for name, digest in network_files.digests().items():
        assert hashlib.sha256((network_files.IN_CHECKOUT / f"{name}.safetensors").read_bytes()).hexdigest() == digest
    assert shipped(network_files.DIGESTS).is_file()
