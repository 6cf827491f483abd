"""A stored run is of the data and the encoder that it was made with, and of no others under their names."""

import shutil

import numpy as np
import pytest
from PIL import Image

from replaylib.cli.main import main
from replaylib.errors import InputError
from replaylib.lab import contents, runs
from replaylib.lab.experiments import experiment

NAMES = ("a", "b", "c", "d")


def images(root, seed=0, n=3):
    """Random little images of four classes."""
    draw = np.random.default_rng(seed)
    for part in ("train", "test"):
        for name in NAMES:
            (root / part / name).mkdir(parents=True, exist_ok=True)
            for i in range(n):
                Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(root / part / name / f"{i}.png")
    return root


def one(folder):
    return experiment("split-digits", "class", "none", dataset=str(folder), tasks=2, iterations=2)


def test_the_id_follows_the_content_of_a_folder_and_not_its_place(tmp_path, monkeypatch):
    first, same, other = (images(tmp_path / place / "img", seed) for place, seed in (("x", 0), ("y", 0), ("z", 1)))
    digests = [contents.of_data(str(place)) for place in (first, same, other)]
    assert digests[0] == digests[1] != digests[2]
    ids = []
    for place in ("x", "y", "z"):
        monkeypatch.chdir(tmp_path / place)
        ids.append(one("img").id)
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "change", ["a pixel", "one more", "one less", "another name", "another class", "behind a link"]
)
def test_every_change_of_the_images_is_another_experiment(tmp_path, change):
    root = images(tmp_path / "img")
    elsewhere = images(tmp_path / "elsewhere", 1)
    (root / "train" / "e").symlink_to(elsewhere / "train" / "a")
    (root / "test" / "e").symlink_to(elsewhere / "test" / "a")
    before = contents.of_data(str(root))
    file = root / "train" / "a" / "0.png"
    if change == "a pixel":
        Image.new("RGB", (8, 8)).save(file)
    elif change == "one more":
        shutil.copy(file, file.with_name("9.png"))
    elif change == "one less":
        file.unlink()
    elif change == "another name":
        file.rename(file.with_name("9.png"))
    elif change == "another class":
        file.rename(root / "train" / "b" / "9.png")
    else:
        Image.new("RGB", (8, 8)).save(elsewhere / "train" / "a" / "0.png")
    assert contents.of_data(str(root)) != before


def test_notes_that_systems_write_are_no_change(tmp_path):
    root = images(tmp_path / "img")
    before = contents.of_data(str(root))
    (root / "train" / ".DS_Store").write_text("x")
    (root / "train" / "a" / "Thumbs.db").write_text("x")
    (root / "train" / "a" / "@eaDir").mkdir()
    (root / "train" / "a" / "@eaDir" / "0.png").write_text("x")
    assert contents.of_data(str(root)) == before


def test_a_run_of_data_that_changed_is_made_anew_and_the_stored_one_is_named(tmp_path, capsys):
    root = images(tmp_path / "img")
    command = ["run", "split-digits", "--dataset", str(root), "--tasks", "2", "--iterations", "2"]
    command += ["--save", str(tmp_path / "runs")]
    assert main(command) == 0
    stored = next((tmp_path / "runs").glob("*.json"))
    capsys.readouterr()
    assert main(command) == 0
    assert "other content" not in capsys.readouterr().err
    Image.new("RGB", (8, 8)).save(root / "train" / "a" / "0.png")
    assert main(command) == 0
    assert f"seed 0: record {stored.stem} is of other content of data {root}; it stays" in capsys.readouterr().err
    assert len(list((tmp_path / "runs").glob("*.json"))) == 2


def test_data_that_change_between_description_and_run_are_refused(tmp_path):
    root = images(tmp_path / "img")
    described = one(root)
    Image.new("RGB", (8, 8)).save(root / "train" / "a" / "0.png")
    with pytest.raises(InputError, match="changed since this experiment was described"):
        runs.data_of(described)
