"""Data of one's own from arrays and files: what they give, and what is said of each way to get it wrong."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from replaylib.cli.main import main
from replaylib.data.arrays import from_arrays, from_torchvision
from replaylib.data.catalogue import load_dataset
from replaylib.errors import InputError
from replaylib.lab import runs
from replaylib.lab.experiments import experiment

X = np.random.default_rng(0).normal(size=(100, 5)).astype(np.float32)
Y = np.arange(100) % 4
IMAGES = np.arange(100 * 6 * 6, dtype=np.int64).reshape(100, 6, 6).astype(np.uint8)


@pytest.fixture
def npz(tmp_path):
    def archive(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return str(tmp_path / "mine.npz")

    return archive


def test_an_npz_is_its_arrays(npz):
    split = load_dataset(npz(x_train=X, y_train=Y, x_test=X[:8], y_test=Y[:8]))
    assert (split.train.name, split.train.classes, len(split.test)) == ("mine", ("0", "1", "2", "3"), 8)
    assert split.train.images.equal(torch.from_numpy(X))
    assert split.train.labels.tolist() == Y.tolist()
    images = load_dataset(npz(x_train=IMAGES, y_train=Y.astype(str), x_test=IMAGES, y_test=Y.astype(str)))
    assert images.train.images.equal(torch.from_numpy(IMAGES)[:, None])


def test_without_a_test_part_a_fifth_of_each_class_is_tested_on_and_that_is_said(npz, caplog):
    once, again = (load_dataset(npz(x_train=X, y_train=Y)) for _ in range(2))
    assert caplog.messages[0] == (
        "mine has no test part: 20 of its 100 samples, a fifth of each class drawn with seed 0, are tested on"
    )
    assert once.test.images.equal(again.test.images)
    assert once.test.labels.bincount().tolist() == [5] * 4
    both = torch.cat([once.train.images, once.test.images])
    assert sorted(both[:, 0].tolist()) == sorted(X[:, 0].tolist())  # each sample once


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X, "y": Y}, r"has no array x_train \(x, y found\): expected x_train, y_train, x_test, y_test"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "has no array y_test"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :4], "y_test": Y}, r"\(5,\) to train on and \(4,\) to test on"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "label 4 to test on and none such to train on"),
        ({"x_train": np.where(X > 2, np.nan, X), "y_train": Y}, "nan or infinity in"),
        ({"x_train": X, "y_train": Y[:50]}, "100 images and 50 labels"),
        ({"x_train": X, "y_train": np.eye(4)[Y]}, r"labels of shape \(100, 4\): expected one .* one-hot .* argmax"),
        ({"x_train": np.repeat(IMAGES[..., None], 4, -1), "y_train": Y}, "expected pixels of 1 or 3 channels"),
        ({"x_train": IMAGES[:, :0], "y_train": Y}, "expected pixels of 1 or 3 channels"),
        ({"x_train": X * 1e300, "y_train": Y}, "nan or infinity in"),
        ({"x_train": X, "y_train": Y + 0.5}, "labels with nan or fractions"),
        ({"x_train": X, "y_train": Y * 0}, "has 1 labels to train on: expected two or more"),
        ({"x_train": IMAGES / 255, "y_train": Y}, "images are uint8; make them uint8, 0 to 255, or flatten"),
        ({"x_train": IMAGES[..., 0, 0], "y_train": Y}, r"samples of shape \(100,\) and type uint8"),
        ({"x_train": np.array([{}] * 100, dtype=object), "y_train": Y}, "Python objects, which are not read"),
    ],
)
def test_an_npz_that_cannot_be_used_is_refused_in_one_line(npz, arrays, says):
    with pytest.raises(InputError, match=says) as refused:
        load_dataset(npz(**arrays))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "cut.npz", x_train=X, y_train=Y)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:900])
    for name, says in (("text", "it is no zip"), ("cut", "is damaged"), ("none", "cannot read .*No such file")):
        with pytest.raises(InputError, match=says):
            load_dataset(tmp_path / f"{name}.npz")


TABLE = "a,b,label\n" + "".join(
    f"{a:.3f},{b:.3f},{'dog' if y % 2 else 'cat'}\n" for (a, b, *_), y in zip(X, Y, strict=True)
)


def test_a_table_is_its_numbers_and_its_labels(tmp_path):
    (tmp_path / "pets.csv").write_text(TABLE)
    split = load_dataset(tmp_path / "pets.csv")
    assert (split.train.classes, split.train.shape, len(split.train)) == (("cat", "dog"), (2,), 80)
    (tmp_path / "parts.csv").write_text("part,a,label\ntrain,1,7\ntest,2,7\ntrain,3,9\ntest,4,9\n")
    split = load_dataset(tmp_path / "parts.csv")
    assert (split.train.images.flatten().tolist(), split.test.images.flatten().tolist()) == ([1, 3], [2, 4])
    assert split.train.classes == ("7", "9")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TABLE.partition("\n")[2], r"has no column label \(its first row: .*\): name the columns there"),
        (TABLE + "1,x,cat\n", "has 'x' in line 102, column b: expected a number"),
        (TABLE + "1,,cat\n", "has nothing in line 102, column b: expected a number"),
        (TABLE + "1,NA,cat\n", "has 'NA' in line 102, column b: expected a number"),
        (TABLE.replace(",", ";"), "separates its columns by semicolons: write it anew with commas"),
        (TABLE.replace(",", "\t"), "separates its columns by tabs"),
        (TABLE + "1,2,\n", "has no label in line 102"),
        (TABLE + "1,inf,cat\n", "nan or infinity in 1 of"),
        (TABLE + "1,2,3,4\n", "no table with commas"),
        ("", "no table with commas"),
        ("label\ncat\ndog\n", "2 rows of 0 numbers"),
        ("a,label,part\n1,x,train\n2,y,tran\n", "'tran' in column part: expected train or test"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, says):
    (tmp_path / "pets.csv").write_text(text)
    with pytest.raises(InputError, match=says) as refused:
        load_dataset(tmp_path / "pets.csv")
    assert "\n" not in str(refused.value)


def test_names_that_mean_missing_elsewhere_are_names_of_classes(tmp_path):
    (tmp_path / "lands.csv").write_text(TABLE.replace("cat", "NA").replace("dog", "None"))
    assert load_dataset(tmp_path / "lands.csv").train.classes == ("NA", "None")


@pytest.mark.parametrize("name", ["", "id"])
def test_a_column_that_numbers_the_rows_is_no_measurement(tmp_path, caplog, name):
    header, *rows = TABLE.splitlines()
    rows.sort(key=lambda row: row.rsplit(",")[-1])  # by label, so that a row's number would tell it
    numbered = [f"{name},{header}", *(f"{number},{row}" for number, row in enumerate(rows))]
    (tmp_path / "pets.csv").write_text("\n".join(numbered))
    assert load_dataset(tmp_path / "pets.csv").train.shape == (2,)
    assert f"column {name or 'Unnamed: 0'} numbers the rows and is left out" in caplog.text
    # A part of a table keeps the numbers of the whole one; only a column without a name is then known to be such.
    (tmp_path / "pets.csv").write_text("\n".join(numbered[::3]))
    assert load_dataset(tmp_path / "pets.csv").train.shape == ((3,) if name else (2,))


def test_labels_may_be_a_column(npz):
    assert load_dataset(npz(x_train=X, y_train=Y[:, None])).train.labels.equal(
        load_dataset(npz(x_train=X, y_train=Y)).train.labels
    )


def test_a_dataset_of_torchvision_is_its_images():
    fake = torchvision.datasets.FakeData(size=30, image_size=(3, 8, 8), num_classes=3)
    split = from_torchvision(fake, fake)
    assert (split.train.name, split.train.shape, len(split.train)) == ("fakedata", (3, 8, 8), 30)
    assert split.train.images[4].equal(torch.from_numpy(np.array(fake[4][0])).permute(2, 0, 1))


def test_samples_and_labels_to_test_on_come_together():
    with pytest.raises(InputError, match="give both or neither"):
        from_arrays("mine", X, Y, X)


def test_the_command_line_trains_on_vectors_and_says_what_is_wrong_with_them(tmp_path, capsys):
    (tmp_path / "pets.csv").write_text(TABLE.replace("label", "colour"))
    np.savez(tmp_path / "mine.npz", x_train=X, y_train=Y)
    run = ["run", "split-mnist", "--iterations", "2", "--hidden", "8", "--tasks", "2", "--json", "-q", "--dataset"]
    assert main([*run, str(tmp_path / "mine.npz"), "--method", "bi-r", "--noise-dim", "4"]) == 0
    assert '"data_digest": "' in capsys.readouterr().out
    for more, says in (
        ([str(tmp_path / "pets.csv")], "has no column label"),
        (["digits", "--image-size", "16"], "digits has samples of a size of its own: leave image_size out"),
        ([""], "dataset is ''"),
    ):
        assert main([*run, *more]) == 2
        assert says in capsys.readouterr().err


def test_images_of_a_folder_have_the_size_that_is_asked_for(tmp_path):
    for part in ("train", "test"):
        for label in "ab":
            (tmp_path / part / label).mkdir(parents=True)
            Image.fromarray(IMAGES[ord(label)]).save(tmp_path / part / label / "0.png")
    folder = str(tmp_path)
    small = experiment("split-digits", "class", dataset=folder, tasks=2, image_size=8)
    assert runs.data_of(small).train.shape == (1, 8, 8)
    usual = experiment("split-digits", "class", dataset=folder, tasks=2)
    assert runs.data_of(usual).train.shape == (1, 32, 32)
    assert experiment("split-digits", "class", dataset=folder, tasks=2, image_size=32).id == usual.id != small.id
    with pytest.raises(InputError, match="image_size is 3: expected a whole number from 4 to 1024"):
        experiment("split-digits", "class", dataset=folder, tasks=2, image_size=3)
