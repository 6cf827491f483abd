"""Pre-training an encoder, and the file that it ends in."""

import dataclasses
import json
import re

import pytest
import torch
import torch.nn.functional as F

from replaylib.cli.main import main
from replaylib.conv import ConvEncoder
from replaylib.data import catalogue
from replaylib.data.dataset import Dataset, Split
from replaylib.data.glyphs import RESERVED, glyphs
from replaylib.data.symbols import SYMBOLS, symbol_name
from replaylib.errors import InputError
from replaylib.lab import encoders
from replaylib.lab.pretrain import Settings, augment, pretrain

FAST = Settings(epochs=2, batch=16, hidden=(20,), lr=1e-3)


@pytest.fixture(scope="module")
def symbols() -> Split:
    return glyphs(3, 40, 10)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(a.equal(b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_augmenting_is_padding_cutting_and_mirroring_each_image():
    images = torch.randint(256, (50, 3, 6, 5), dtype=torch.uint8)
    got = augment(images, 2, True, torch.Generator().manual_seed(3))
    assert (got.shape, got.dtype) == (images.shape, images.dtype)
    seen = set()
    for image, result in zip(images, got, strict=True):
        padded = F.pad(image, [2] * 4)
        fits = [
            (top, left, mirrored)
            for top in range(5)
            for left in range(5)
            for mirrored in (False, True)
            for cut in [padded[:, top : top + 6, left : left + 5]]
            if result.equal(cut.flip(2) if mirrored else cut)
        ]
        assert len(fits) == 1  # exactly one crop of this very image
        seen.add(fits[0])
    assert {top for top, _, _ in seen} == {left for _, left, _ in seen} == set(range(5))
    assert {mirrored for _, _, mirrored in seen} == {False, True}


def test_without_crop_and_flip_nothing_changes():
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    assert augment(images, 0, False, torch.Generator()).equal(images)
    moved = augment(images, 1, False, torch.Generator().manual_seed(0))
    assert not moved.equal(images)


def test_the_same_settings_give_the_same_encoder_and_a_stopped_run_goes_on(symbols, tmp_path, monkeypatch):
    monkeypatch.setattr("replaylib.lab.pretrain.KEEP_EVERY", 0)
    straight, origin = pretrain(symbols, FAST)
    assert same(straight, pretrain(symbols, FAST)[0])
    assert not same(straight, pretrain(symbols, dataclasses.replace(FAST, seed=1))[0])

    def stop(epoch: int, step: int, loss: torch.Tensor) -> None:
        if (epoch, step) == (2, 2):
            raise KeyboardInterrupt

    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        pretrain(symbols, FAST, state, stop)
    steps = []
    resumed, again = pretrain(symbols, FAST, state, lambda epoch, step, loss: steps.append((epoch, step)))
    assert steps[0] == (2, 1)
    assert same(straight, resumed)
    assert again.accuracy == origin.accuracy
    with pytest.raises(InputError, match="other settings"):
        pretrain(symbols, dataclasses.replace(FAST, lr=0.1), state)
    with pytest.raises(InputError, match="2 epochs already"):
        pretrain(symbols, dataclasses.replace(FAST, epochs=1), state)
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged: remove it"):
        pretrain(symbols, FAST, state)


def test_a_state_goes_on_on_the_kind_of_device_that_it_is_of(symbols, tmp_path, monkeypatch):
    monkeypatch.setattr("replaylib.lab.pretrain.KEEP_EVERY", 0)
    state = tmp_path / "state"
    pretrain(symbols, dataclasses.replace(FAST, epochs=1), state)
    entries = torch.load(state, weights_only=True)
    assert entries.pop("device") == "cpu"
    torch.save(entries, state)  # as it was before there was such an entry
    epochs = set()
    pretrain(symbols, FAST, state, lambda epoch, step, loss: epochs.add(epoch))
    assert epochs == {2}
    torch.save(entries | {"device": "cuda", "generator": torch.zeros(16, dtype=torch.uint8)}, state)
    with pytest.raises(InputError, match="on cuda, and this one is on cpu: go on with --device cuda"):
        pretrain(symbols, FAST, state)


def test_it_learns_and_its_batch_statistics_are_those_of_evaluation(symbols):
    net, origin = pretrain(symbols, dataclasses.replace(FAST, epochs=15, flip=False))
    assert origin.accuracy > 80  # of 3 classes; guessing is 33
    assert not net.training
    assert (origin.dataset, origin.classes, origin.images, origin.epochs) == ("glyphs", 3, 120, 15)
    pixels = symbols.train.images.double() / 255
    assert origin.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-5)
    assert origin.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), rel=1e-4)


def test_a_file_gives_back_the_encoder_and_its_origin(symbols, tmp_path):
    net, origin = pretrain(symbols, FAST)
    path = encoders.save_encoder(net, origin, tmp_path / "mine.safetensors")
    encoder = encoders.load_encoder(str(path))
    assert same(encoder.net, net)
    assert encoder.origin == origin
    assert not encoder.net.training
    assert not any(p.requires_grad for p in encoder.net.parameters())
    assert len(encoder.digest) == 64
    assert "2 epochs on glyphs (3 classes, 120 images), test accuracy" in str(origin)


def test_encoders_are_found_by_name_and_wrong_ones_refused(symbols, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    (tmp_path / "encoders").mkdir()
    file = encoders.save_encoder(*pretrain(symbols, FAST), tmp_path / "encoders" / "symbols.safetensors")
    assert encoders.load_encoder("symbols").origin.dataset == "glyphs"
    with pytest.raises(InputError, match=r"unknown encoder 'symbol'\. Did you mean symbols"):
        encoders.load_encoder("symbol")
    with pytest.raises(InputError, match=r"there is no encoder nowhere/x\.safetensors"):
        encoders.load_encoder("nowhere/x.safetensors")
    whole = file.read_bytes()
    for damaged in (whole[:1000], whole[:-1], b"", b"x" * 100):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged or no encoder"):
            encoders.load_encoder("symbols")
    net = ConvEncoder(torch.Generator())
    with torch.no_grad():
        net.layers[0].weight[0] = torch.nan
    encoders.save_encoder(net, pretrain(symbols, FAST)[1], file)
    with pytest.raises(InputError, match="not finite"):
        encoders.load_encoder("symbols")
    with pytest.raises(InputError, match="cannot write"):
        encoders.save_encoder(net, pretrain(symbols, FAST)[1], tmp_path / "no" / "folder.safetensors")


def test_symbols_to_pretrain_on_are_not_those_of_experiments():
    split = catalogue.load_dataset("glyphs-pretraining", classes=4, train_per_class=10, test_per_class=5)
    assert split.train.classes == tuple(symbol_name(s) for s in SYMBOLS[RESERVED : RESERVED + 4])
    assert split.train.labels.bincount().tolist() == [10] * 4
    assert split.test.labels.bincount().tolist() == [5] * 4
    for level, clutter in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
        alone = glyphs(4, 2, 1, clutter, first=RESERVED)
        assert split.train.images[8 * level : 8 * level + 8].equal(alone.train.images)
    with pytest.raises(InputError, match="multiple of the 5 levels"):
        catalogue.load_dataset("glyphs-pretraining", train_per_class=7)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": 0}, "epochs is 0"), ({"batch": 1}, "batch is 1"), ({"seed": -1}, "seed is -1"),
        ({"crop": -1}, "crop is -1"), ({"lr": 0.0}, "lr is 0"), ({"precision": "int8"}, "unknown precision 'int8'"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        Settings(**changes)


def test_data_that_cannot_be_pretrained_on_are_refused(symbols):
    with pytest.raises(InputError, match="120 images to train on: choose a batch of at most"):
        pretrain(symbols, dataclasses.replace(FAST, batch=121))
    features = Split(*(Dataset("f", torch.rand(20, 7), torch.arange(20) % 2, ("a", "b")) for _ in range(2)))
    with pytest.raises(InputError, match="holds features"):
        pretrain(features, FAST)


def test_the_command_writes_one_file_and_says_what_is_in_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    command = ["pretrain", "digits", "--epochs", "1", "--hidden", "10", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["dataset"], answer["epochs"], answer["flip"], answer["shape"]) == ("digits", 1, False, [1, 8, 8])
    assert answer["file"] == str(tmp_path / "encoders" / "digits.safetensors")
    assert "epoch 1/1" in err
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == ["digits.safetensors"]
    assert main(command) == 2
    assert "exists: an encoder is not overwritten" in capsys.readouterr().err
    assert main(["pretrain", "digits", "--epochs", "0"]) == 2
    assert main(["pretrain", "digts"]) == 2
    assert "Did you mean digits" in capsys.readouterr().err
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^  digits +1 epochs on digits \(10 classes, 1,437 images\), test accuracy", listed, re.M)
