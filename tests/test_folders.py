import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from replaylib.data import catalogue, decode, folders
from replaylib.errors import InputError

COLOURS = {"blue": (0, 0, 250), "red": (250, 0, 0)}


def write(root: Path, train: int = 3, test: int = 2, mode: str = "RGB", size=(40, 40), suffix: str = "png") -> Path:
    """An image folder of uniformly red and uniformly blue images."""
    for part, count in (("train", train), ("test", test)):
        for name, colour in COLOURS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", size, colour).convert(mode).save(folder / f"{number}.{suffix}")
    return root


def zipped(root: Path, outer: str = "") -> Path:
    archive = root.parent / f"{root.name}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(root.rglob("*")):
            opened.write(path, Path(outer, path.relative_to(root)).as_posix())
    return archive


def refused(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        catalogue.load_dataset(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def root(tmp_path) -> Path:
    return write(tmp_path / "colours")


def test_a_folder_becomes_tensors(root):
    train, test = catalogue.load_dataset(root)
    assert (train.name, train.classes, train.shape) == ("colours", ("blue", "red"), (3, 32, 32))
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.images[0, :, 5, 7].tolist() == [0, 0, 250]
    assert train.images[5, :, 5, 7].tolist() == [250, 0, 0]


def test_mean_and_std_are_those_of_the_training_part(tmp_path):
    draw = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "noise" / part / name).mkdir(parents=True)
            for number in range(3):
                pixels = draw.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "noise" / part / name / f"{number}.png")
    train, test = catalogue.load_dataset(tmp_path / "noise")
    inputs = train.inputs(train.images)
    assert inputs.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert inputs.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert (test.mean, test.std) == (train.mean, train.std)


def test_a_channel_that_never_varies_is_only_centred(root):
    train, _ = catalogue.load_dataset(root)
    assert train.std[1] == 1
    assert train.inputs(train.images)[:, 1].abs().max() == 0


@pytest.mark.parametrize("outer", ["", "colours-v2"])
def test_a_zip_reads_as_the_folder_does_and_is_not_unpacked(root, outer):
    expected = catalogue.load_dataset(root)
    archive = zipped(root, outer)
    shutil.rmtree(root)
    split = catalogue.load_dataset(archive)
    for part, wanted in zip(split, expected, strict=True):
        assert torch.equal(part.images, wanted.images)
        assert torch.equal(part.labels, wanted.labels)
    assert list(root.parent.iterdir()) == [archive]


def test_folders_and_zips_in_the_data_directory_go_by_name(root, tmp_path):
    zipped(root)
    write(tmp_path / "more")
    (tmp_path / "unrelated").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    assert set(folders.find(tmp_path)) == {"colours", "more"}
    assert folders.find(tmp_path)["colours"] == root
    assert "more" in catalogue.names()
    assert len(catalogue.load_dataset("more").train) == 6


@pytest.mark.parametrize("name", ["val", "validation", "Test"])
def test_the_test_part_may_have_another_name(root, name):
    (root / "test").rename(root / name)
    assert len(catalogue.load_dataset(root).test) == 4


def test_test_goes_before_validation(root):
    shutil.copytree(root / "train", root / "val")
    assert len(catalogue.load_dataset(root).test) == 4


def test_what_is_hidden_or_no_image_is_passed_over(root):
    (root / "train" / "red" / ".hidden.png").touch()
    (root / "train" / "red" / "notes.txt").touch()
    (root / "train" / ".cache").mkdir()
    (root / "__MACOSX" / "train" / "red").mkdir(parents=True)
    (root / "__MACOSX" / "train" / "red" / "._0.png").touch()
    for name in ("#recycle", "@Recycle", "lost+found", "Network Trash Folder"):  # on file servers
        shutil.copytree(root / "train" / "red", root / "train" / name)
    assert len(catalogue.load_dataset(root).train) == 6
    assert len(catalogue.load_dataset(zipped(root, "outer")).train) == 6


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("RGBA", 3)])
def test_images_are_grey_only_if_all_are(tmp_path, mode, channels):
    root = write(tmp_path / "modes", mode=mode)
    assert catalogue.load_dataset(root).train.shape == (channels, 32, 32)
    Image.new("RGB", (8, 8)).save(root / "test" / "red" / "0.png")
    assert catalogue.load_dataset(root).train.shape == (3, 32, 32)


@settings(max_examples=15, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 70), size=st.integers(4, 48))
def test_images_of_any_size_are_cropped_to_a_square_and_resized(tmp_path_factory, width, height, size):
    root = write(tmp_path_factory.mktemp("sizes") / "any", train=1, test=1, size=(width, height))
    train, _ = catalogue.load_dataset(root, size=size)
    assert train.images.shape == (2, 3, size, size)
    assert train.images[1].flatten(1).amin(1).tolist() == [250, 0, 0]


def test_images_of_the_wanted_size_keep_their_pixels_and_exif_turns_them(root):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    image = Image.fromarray(pixels)
    image.save(root / "train" / "blue" / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(root / "train" / "blue" / "1.png", exif=exif)
    images = catalogue.load_dataset(root).train.images
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), pixels)
    assert np.array_equal(images[1].permute(1, 2, 0).numpy(), pixels[::-1, ::-1])


def test_large_jpegs_are_read(tmp_path):
    root = write(tmp_path / "large", train=1, test=1, size=(1000, 600), suffix="jpg")
    train, _ = catalogue.load_dataset(root)
    assert (train.images[0].float().mean((1, 2)) - torch.tensor([0.0, 0.0, 250.0])).abs().max() < 4


@pytest.mark.parametrize("size", [0, -1, 3, 5000, 32.0, "32", True])
def test_an_absurd_size_is_refused(root, size):
    with pytest.raises(InputError, match="image size"):
        catalogue.load_dataset(root, size=size)


def test_one_class_is_refused(root):
    for part in ("train", "test"):
        shutil.rmtree(root / part / "red")
    refused(root, r"one class \(blue\)")


@pytest.mark.parametrize(("part", "message"), [("test", "no test part"), ("train", "no training part")])
def test_a_missing_part_is_refused(root, part, message):
    shutil.rmtree(root / part)
    refused(root, message)


@pytest.mark.parametrize(("part", "message"), [("test", "in train but not in test"), ("train", "in test but not in")])
def test_classes_that_differ_are_refused(root, part, message):
    write(root.parent / "other")
    shutil.copytree(root / "test" / "red", root / "train" / "green")
    shutil.copytree(root / "test" / "red", root / "test" / "green")
    shutil.rmtree(root / part / "green")
    refused(root, f"class 'green' is {message}")


@pytest.mark.parametrize("pack", [False, True])
def test_an_empty_class_is_refused(root, pack):
    (root / "train" / "green").mkdir()
    refused(zipped(root) if pack else root, "train/green holds no image")


@pytest.mark.parametrize("content", [b"", b"no image at all", "truncated"])
def test_a_broken_image_is_named(root, content):
    file = root / "train" / "red" / "1.png"
    file.write_bytes(file.read_bytes()[:60] if content == "truncated" else content)
    refused(root, "cannot read the image train/red/1.png")
    refused(zipped(root), "cannot read the image train/red/1.png")


def test_of_sixteen_bits_the_upper_eight_are_kept(root):
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(root / "train" / "red" / "1.png")
    train, _ = catalogue.load_dataset(root)
    assert train.images[4].unique().tolist() == [60_000 >> 8]
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(root / "train" / "red" / "1.tif")
    refused(root, r"train/red/1.tif \(numbers that are no shades of grey\)")


@pytest.mark.parametrize(("ink", "behind"), [(0, 255), (250, 0)])
def test_what_is_transparent_is_put_on_white_or_black_by_what_is_visible(tmp_path, caplog, ink, behind):
    root = tmp_path / "drawn"
    for part in ("train", "test"):
        for name, rows in (("bar", slice(0, 8)), ("block", slice(8, 32))):
            (root / part / name).mkdir(parents=True)
            pixels = np.full((32, 32, 4), ink, np.uint8)
            pixels[..., 3] = 0
            pixels[rows, 4:28, 3] = 255
            Image.fromarray(pixels).save(root / part / name / "0.png")
    train, _ = catalogue.load_dataset(root)
    assert train.images[0, :, 2, 2].tolist() == [behind] * 3
    assert train.images[0, :, 4, 16].tolist() == [ink] * 3
    assert train.images[1, :, 20, 16].tolist() == [ink] * 3
    colour = "white" if behind else "black"
    assert f"4 images are transparent; {colour} is behind" in caplog.text


def test_links_to_folders_above_are_not_followed(root):
    (root / "train" / "red" / "self").symlink_to(".")
    (root / "train" / "blue" / "up").symlink_to("../..")
    train, _ = catalogue.load_dataset(root)
    assert train.labels.bincount().tolist() == [3, 3]


def test_a_class_may_be_a_link_to_a_folder_elsewhere(root, tmp_path):
    shutil.move(root / "train" / "red", tmp_path / "elsewhere")
    (root / "train" / "red").symlink_to(tmp_path / "elsewhere")
    assert catalogue.load_dataset(root).train.labels.bincount().tolist() == [3, 3]


def test_a_large_image_is_cut_down_without_a_word_and_a_huge_one_is_named(root, monkeypatch, recwarn):
    Image.new("L", (120, 120), 90).save(root / "train" / "red" / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # Pillow warns above it, and stops at twice as many
    assert len(catalogue.load_dataset(root).train) == 6
    assert not [one for one in recwarn if "DecompressionBomb" in one.category.__name__]
    Image.new("L", (150, 150), 90).save(root / "train" / "red" / "1.png")
    refused(root, r"train/red/1.png \(more pixels than Pillow decodes, some 180 million: make it smaller\)")


def test_what_is_passed_over_is_counted_and_named(root, caplog):
    for number in range(4):
        (root / "train" / "red" / f"{number}.xcf").write_bytes(b"a drawing")
    Image.new("RGB", (8, 8), COLOURS["red"]).save(root / "train" / "red" / "photo.jfif", "JPEG")
    (root / "train" / "red" / "@eaDir").mkdir()
    Image.new("RGB", (8, 8)).save(root / "train" / "red" / "@eaDir" / "thumbnail.png")
    assert catalogue.load_dataset(root).train.labels.bincount().tolist() == [3, 4]
    assert "passed over 4 files that are no images known here (4 .xcf; train/red/0.xcf and others)" in caplog.text


def test_one_name_in_two_forms_of_unicode_is_one_class(root):
    (root / "train" / "red").rename(root / "train" / "caf\u00e9")
    (root / "test" / "red").rename(root / "test" / "cafe\u0301")
    assert catalogue.load_dataset(root).train.classes == ("blue", "caf\u00e9")


def test_names_that_differ_in_case_are_asked_about(root):
    (root / "test" / "red").rename(root / "test" / "Red")
    refused(root, "'Red' and 'red' differ in case or spaces alone: give them one name")


def test_names_that_differ_in_spaces_or_width_are_asked_about(root):
    (root / "test" / "red").rename(root / "test" / "red ")
    refused(root, "'red' and 'red ' differ in case or spaces alone")
    (root / "test" / "red ").rename(root / "test" / "r\uff45d")
    refused(root, "differ in case or spaces alone")


def test_classes_that_link_to_each_other_keep_their_own_images(root, caplog):
    (root / "train" / "red" / "other").symlink_to("../blue")
    (root / "train" / "blue" / "other").symlink_to("../red")
    assert catalogue.load_dataset(root).train.labels.bincount().tolist() == [3, 3]
    assert "passed over 2 links that lead back into it" in caplog.text


def test_a_part_may_be_a_link_to_the_other(root):
    shutil.rmtree(root / "test")
    (root / "test").symlink_to("train")
    assert len(catalogue.load_dataset(root).test) == 6


@pytest.mark.parametrize("beside", ["docs/picture.png", "notes/", "LICENSE", "__MACOSX/outer/._x"])
def test_what_lies_beside_the_outer_folders_is_left_alone(root, tmp_path, beside):
    place = tmp_path / "download" / "course-main"
    place.mkdir(parents=True)
    root.rename(place / "data")
    extra = tmp_path / "download" / beside
    extra.parent.mkdir(parents=True, exist_ok=True)
    if beside.endswith("/"):
        extra.mkdir()
    elif beside.endswith(".png"):
        Image.new("RGB", (8, 8)).save(extra)
    else:
        extra.write_text("x")
    assert catalogue.load_dataset(tmp_path / "download").train.labels.bincount().tolist() == [3, 3]


def test_two_folders_of_images_in_one_are_asked_about(root, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(root, both / "first")
    shutil.copytree(root, both / "second")
    refused(both, r"no training part \(first, second found\)")


@pytest.mark.parametrize("prefix", ["C:\\Users\\me\\images\\", "./", "a/b/c/"])
def test_a_zip_keeps_its_paths_as_it_likes(root, prefix):
    archive = root.parent / "paths.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(root.rglob("*.png")):
            opened.write(path, prefix + str(path.relative_to(root)))
    assert catalogue.load_dataset(archive).train.labels.bincount().tolist() == [3, 3]


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        (np.uint16, (0, 4095), 255),  # 12 bits of an instrument, in 16
        (np.uint16, (0, 255), 255),
        (np.uint16, (0, 65535), 255),
        (np.int32, (0, 1023), 255),
    ],
)
def test_the_upper_eight_of_as_many_bits_as_there_are(tmp_path, caplog, mode, values, expected):
    root = tmp_path / "deep"
    for part in ("train", "test"):
        for name, value in zip(("dark", "bright"), values, strict=True):
            (root / part / name).mkdir(parents=True)
            Image.fromarray(np.full((32, 32), value, mode)).save(root / part / name / "0.tif")
    train, _ = catalogue.load_dataset(root)
    assert train.images.shape == (2, 1, 32, 32)
    assert (train.images[0].unique().tolist(), train.images[1].unique().tolist()) == ([expected], [0])
    assert f"4 images have more than 8 bits a pixel, up to {values[1]}: divided by" in caplog.text


def test_a_zip_with_backslashes_and_a_note_beside_the_outer_folder(root):
    archive = root.parent / "windows.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("README.txt", "mine")
        for path in sorted(root.rglob("*.png")):
            opened.write(path, "outer\\" + str(path.relative_to(root)).replace("/", "\\"))
    assert catalogue.load_dataset(archive).train.labels.bincount().tolist() == [3, 3]


def test_other_archives_are_named(root):
    shutil.make_archive(str(root.parent / "colours"), "gztar", root)
    refused(root.parent / "colours.tar.gz", "an archive that is not read here: unpack it")
    (root.parent / "colours.tar.gz").rename(root.parent / "colours.zip")
    refused(root.parent / "colours.zip", "an archive that is not read here: unpack it")


def test_an_encrypted_zip_and_a_zip_in_a_zip_say_what_they_are(root):
    inner = zipped(root)
    outer = root.parent / "outer.zip"
    with zipfile.ZipFile(outer, "w") as opened:
        opened.write(inner, "inner.zip")
    refused(outer, r"no training part \(inner.zip found\)")
    content = bytearray(inner.read_bytes())
    for match in re.finditer(b"PK\x01\x02", bytes(content)):
        content[match.start() + 8] |= 1
    inner.write_bytes(content)
    refused(inner, "is encrypted: unpack it and give the folder")


def test_a_truncated_zip_is_refused(root):
    archive = zipped(root)
    archive.write_bytes(archive.read_bytes()[:-100])
    refused(archive, "not a folder or an intact zip")


def test_a_zip_with_a_flipped_bit_names_the_image(root):
    archive = zipped(root)
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        entry = opened.getinfo("train/red/1.png")
    content[entry.header_offset + 30 + len(entry.filename) + entry.compress_size - 1] ^= 1
    archive.write_bytes(content)
    refused(archive, "cannot read the image train/red/1.png .*CRC")


def test_what_is_no_image_folder_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "no training part")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat" / "0.png")
    refused(tmp_path / "flat", "expected train/<class>/<image>")
    text = tmp_path / "text.zip"
    text.write_text("hello")
    refused(text, "not a folder or an intact zip")
    refused(tmp_path / "nothing" / "there", "no image folder or zip")


def test_loading_stops_at_an_interruption(root, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(decode, "_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        catalogue.load_dataset(root)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_links_are_followed(root, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for part in ("train", "test"):
        (linked / part).symlink_to(root / part, target_is_directory=True)
    assert len(catalogue.load_dataset(linked).train) == 6
