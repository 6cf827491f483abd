"""Frozen features: what an encoder gives of each image, computed once."""

import dataclasses

import pytest
import torch

from replaylib.data.dataset import Dataset, Split
from replaylib.data.glyphs import glyphs
from replaylib.errors import InputError
from replaylib.lab import encoders, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.tables import ENCODERS, Backbone


@pytest.fixture(scope="module")
def images() -> Split:
    return glyphs(4, 60, 9, clutter=0.5)


def test_features_are_those_of_the_encoder_in_evaluation_mode_one_image_at_a_time(images):
    encoder = encoders.load_encoder("glyphs")
    features = encoders.features(images, "glyphs")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (encoder.origin.mean, encoder.origin.std))
    for part, seen in zip(images, features, strict=True):
        assert (seen.images.dtype, seen.images.shape) == (torch.float32, (len(part), 1024))
        assert seen.labels.equal(part.labels)
        assert (seen.classes, seen.name) == (part.classes, part.name)
        assert (seen.image_units, seen.pixels) == (3072, 3072)
        for row in (0, 5, -1):
            x = (part.images[row].float() / 255 - mean) / std
            assert torch.allclose(seen.images[row], encoder.net(x[None])[0], atol=1e-4)
    # Not ReLU's output: about half of a layer without it is negative.
    assert 0.2 < (features.train.images < 0).float().mean() < 0.8


def test_features_are_computed_once_for_the_same_images_and_go_with_them(images, monkeypatch):
    first = encoders.features(images, "glyphs")
    moved = Split(*(part.to("cpu") for part in images))  # as a run does
    assert encoders.features(moved, "glyphs").train.images is first.train.images
    other = Split(images.train, dataclasses.replace(images.test, images=images.test.images.clone()))
    assert encoders.features(other, "glyphs").train.images is not first.train.images
    coarse = Split(*(dataclasses.replace(part, labels=part.labels // 2) for part in images))
    again = encoders.features(coarse, "glyphs")
    assert again.train.images is first.train.images, "the same images, with other labels"
    assert [part.labels.tolist() for part in again] == [part.labels.tolist() for part in coarse]
    own = glyphs(2, 3, 3)
    before = len(encoders._computed)
    encoders.features(own, "glyphs")
    assert len(encoders._computed) == before + 1
    del own
    assert len(encoders._computed) == before


def test_images_of_another_shape_are_refused(images):
    small = Split(*(dataclasses.replace(part, images=part.images[:, :, 2:30, 2:30]) for part in images))
    with pytest.raises(InputError, match=r"takes images of shape \(3, 32, 32\), and glyphs.* \(3, 28, 28\)"):
        encoders.features(small, "glyphs")


def test_the_encoder_that_comes_along_says_where_it_is_from():
    origin = encoders.load_encoder("glyphs").origin
    assert (origin.dataset, origin.flip, origin.shape) == ("glyphs-pretraining", False, (3, 32, 32))
    assert origin.commit
    assert not origin.commit.endswith("+")
    assert origin.accuracy > 90  # of 60 symbols


def test_a_run_on_features_says_so_in_its_record():
    description = experiment("split-glyphs", "class", "bi-r", iterations=2, tasks=2, hidden=(20, 20), clutter=0.25)
    data = runs.data_of(description)
    assert data.train.name == "glyphs, clutter 0.25"
    net, record = runs.run(description, data)
    assert net.classifier.path[0].in_features == 1024
    assert (net.pixels, net.likelihood) == (3072, "gaussian")
    assert record.versions["encoder glyphs"] == encoders.load_encoder("glyphs").digest[:12]
    assert runs.run(description).record.matrix[-1] == record.matrix[-1]
    pixels = experiment("split-glyphs", "class", "gr", iterations=2, tasks=2, hidden=(20, 20), clutter=0.25)
    net, record = runs.run(pixels, data)
    assert net.classifier.path[0].in_features == 3072
    assert not any(name.startswith("encoder") for name in record.versions)


def test_glyphs_that_the_experiment_is_not_about_are_refused():
    description = experiment("split-glyphs", "class", "none", tasks=2, clutter=0.25)
    with pytest.raises(
        InputError, match=r"these are glyphs, 4 symbols, and the experiment is about glyphs, clutter 0\.25"
    ):
        runs.run(description, glyphs(4, 5, 5))
    with pytest.raises(InputError, match=r"clutter 0\.25, 6 symbols, and .* 4 symbols"):
        runs.run(description, glyphs(6, 5, 5, clutter=0.25))


def test_an_unknown_encoder_is_found_before_any_computing():
    description = experiment("split-glyphs", "class", "bi-r", encoder="glyhps", tasks=2)
    with pytest.raises(InputError, match=r"unknown encoder 'glyhps'\. Did you mean glyphs"):
        runs.assemble(description, runs.data_of(description))


def test_features_are_data():
    features = Dataset("f", torch.rand(4, 7), torch.tensor([0, 1, 0, 1]), ("a", "b"))
    assert features.pixels == 7
    assert dataclasses.replace(features, image_units=99).pixels == 99


def test_grey_images_are_seen_in_all_colours_of_an_encoder():
    grey = torch.randint(256, (6, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    parts = [Dataset("grey", images, torch.arange(len(images)) % 2, ("a", "b")) for images in (grey[:4], grey[4:])]
    wide = [dataclasses.replace(part, images=part.images.repeat(1, 3, 1, 1)) for part in parts]
    for features, expected in zip(
        encoders.features(Split(*parts), "glyphs"), encoders.features(Split(*wide), "glyphs"), strict=True
    ):
        assert features.images.equal(expected.images)


def test_an_encoder_is_not_left_out_in_silence(images):
    flat = Split(*(dataclasses.replace(part, images=part.images.flatten(1).float()) for part in images))
    with pytest.raises(InputError, match="holds no images, which encoder glyphs takes: choose backbone none"):
        runs.as_seen(experiment("split-glyphs", "class", "none", 0, backbone="frozen"), flat)
    seen = encoders.features(images, "glyphs")
    assert runs.as_seen(experiment("split-glyphs", "class", "none", 0, backbone="frozen"), seen) is seen


def test_a_registered_backbone_that_draws_its_weights_is_the_same_for_all_runs_of_a_process(monkeypatch):
    def make():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5))

    for _ in range(2):  # the second takes the name over
        row = Backbone(make, "drawn at random", (3, 2, 2), (0.5,) * 3, (0.5,) * 3)
        monkeypatch.setitem(ENCODERS, "own", row)
        first, second = encoders.load_encoder("own"), encoders.load_encoder("own")
        assert first is second
        assert first.origin is row
