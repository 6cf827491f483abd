"""The quality of what a run imagines: measured in one feature space, and stored with the run's record."""

import json

import pytest
import torch

from replaylib.cli.main import main
from replaylib.course.reproduce import figure
from replaylib.data.catalogue import load_dataset
from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError
from replaylib.lab import encoders, frames, quality, records, replay_quality, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.records import stored
from replaylib.lab.replay_quality import as_judged, measure

FEW = {"hidden": (20, 20), "noise_dim": 4, "batch": 16}


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(replay_quality, "IMAGES", 100)
    monkeypatch.setattr(replay_quality, "LIKELY", 30)
    monkeypatch.setattr(replay_quality, "SAMPLES", 5)


def measured(described, data=None):
    """The record of a run with its measures."""
    data = runs.data_of(described) if data is None else data
    return measure(*runs.run(described, data, "cpu"), data)


def test_the_record_is_that_of_the_plain_run_and_has_measures():
    described, data = experiment("split-digits", "class", "bi-r", 1, iterations=5, **FEW), load_dataset("digits")
    record, plain = measured(described, data), runs.run(described, data).record
    assert str(record.matrix) == str(plain.matrix)
    assert plain.measures is None
    measures = record.measures
    assert {*replay_quality.MEASURES, *replay_quality.OF_LABELS} < set(measures)
    assert (measures["images"], measures["likely"], measures["samples"]) == (100, 30, 5)
    assert all(torch.tensor(value).isfinite() for value in measures.values())
    assert measured(described, data).measures == measures


def test_measures_are_those_of_quality_and_better_for_a_network_that_learned_longer():
    data = load_dataset("digits")
    short, long = (
        measured(
            experiment("split-digits", "class", "bi-r", iterations=n, hidden=(60, 60), noise_dim=10), data
        ).measures
        for n in (1, 60)
    )
    assert long["log_likelihood"] > short["log_likelihood"] + 1
    assert long["reconstruction_error"] < short["reconstruction_error"]
    assert long["frechet_distance"] > 0
    assert long["judge_accuracy"] > 80 > short["judge_accuracy"]  # its steps are the run's


@pytest.mark.parametrize(("seed", "classes"), [(0, "labels"), (0, "random"), (1, "random"), (1, "labels")])
def test_labels_of_what_is_imagined_are_compared_with_the_judges_and_with_those_of_real_samples(
    seed, classes, monkeypatch
):
    small = {"iterations": 30, "hidden": (40, 40), "noise_dim": 8, "class_order": classes}
    described = experiment("split-digits", "class", "bi-r", seed, **small)
    data = load_dataset("digits")
    net, record = runs.run(described, data, "cpu")
    order = runs.stream_of(described, data).classes.flatten()
    assert (order.tolist() == list(range(10))) == (classes == "labels")

    class Itself(torch.nn.Module):
        """The network as its own judge: its units are the labels in another order."""

        def encode(self, x):
            return net.classifier.encode(x)

        def forward(self, x):
            return net(x)[:, order.argsort()]

    monkeypatch.setattr(replay_quality, "_judge", lambda *_: Itself())
    measures = measure(net, record, data).measures
    assert measures["agreement"] == 100
    assert 0 <= measures["rarest_label"] <= 10 < measures["confidence"] <= 100
    assert 10 < measures["confidence_real"] <= 100
    # Where every imagined sample is the same one, nothing varies within a label.
    monkeypatch.setattr(net, "generate", lambda y, task, noise: torch.zeros(len(y), 64))
    still = measure(net, record, data).measures
    assert still["variety"] == still["rarest_label"] == 0 < measures["variety"] < 2


def test_a_method_with_an_option_of_its_own_has_the_judge_of_the_others():
    own = experiment("split-digits", "class", "bi-r-changed", changed="real")
    others = experiment("split-digits", "class", "bi-r")
    assert replay_quality._of_all_seeds(own) == replay_quality._of_all_seeds(others)


def test_methods_and_seeds_of_one_comparison_have_one_judge_and_those_of_other_steps_another(monkeypatch):
    settings = []
    real = quality.judge
    monkeypatch.setattr(quality, "judge", lambda *args, **options: settings.append(options) or real(*args, **options))
    replay_quality._judge.cache_clear()
    data = load_dataset("digits")
    for name, seed in (("gr", 0), ("bi-r", 0), ("gr", 1)):
        measured(experiment("split-digits", "class", name, seed, iterations=2, **FEW), data)
    assert len(settings) == 1
    measured(experiment("split-digits", "class", "gr", 0, iterations=3, **FEW), data)
    assert [options["iterations"] for options in settings] == [2, 3]


def test_pixels_and_features_come_before_one_judge():
    data = load_dataset("glyphs", classes=10)
    few = Split(*(Dataset(d.name, d.images[:40], d.labels[:40], d.classes, d.mean, d.std) for d in data))
    features = encoders.features(few, "glyphs").test
    pixels = few.test.inputs(few.test.images).flatten(1)
    torch.testing.assert_close(as_judged(pixels, few.test, "glyphs"), features.images)
    normalised = encoders.normalised(few, "glyphs").test
    tuned = normalised.inputs(normalised.images).flatten(1)
    torch.testing.assert_close(as_judged(tuned, normalised, "glyphs"), features.images)
    assert as_judged(features.images, features, "glyphs") is features.images
    assert as_judged(pixels, few.test, None) is pixels


@pytest.mark.parametrize(("name", "end"), [("gr", "none"), ("gr", "tuned"), ("gr+internal", "frozen")])
def test_glyphs_are_judged_as_features_whatever_is_imagined(name, end):
    described = experiment("split-glyphs", "class", name, iterations=2, tasks=2, backbone=end, **FEW)
    measures = measured(described).measures
    assert measures["images"] == 100
    assert measures["frechet_distance"] > 0


@pytest.mark.parametrize(
    ("described", "says"),
    [
        (experiment("split-digits", "class", "joint", iterations=1), "joint has no auto-encoder"),
        (experiment("split-digits", "class", "generative-classifier", iterations=1), "classifier has no auto-encoder"),
        (experiment("split-glyphs", "class", "diffusion-replay", iterations=1), "diffusion-replay has no auto-encoder"),
        (experiment("split-digits", "class", "gr", iterations=1, validation=0.2), "leave validation out"),
        (experiment("split-digits", "task", "gr", iterations=1), "not on split-digits, task-incremental"),
        (experiment("permuted-digits", "class", "gr", iterations=1), "not on permuted-digits"),
    ],
)
def test_what_cannot_be_judged_is_refused(described, says):
    with pytest.raises(InputError, match=says):
        measured(described)


def test_fig9_asks_of_additions_and_ablations_class_incremental():
    descriptions = figure("fig9").experiments()
    assert len(descriptions) == 12 * 10
    assert {(e.protocol, e.scenario) for e in descriptions} == {("split-cifar100", "class")}
    assert {e.backbone for e in figure("fig9").experiments("split-tiny-imagenet", 1)} == {"tuned", "frozen"}
    with pytest.raises(InputError, match="none has no auto-encoder"):
        figure("fig9").experiments(methods=("gr", "none"))


def test_fig9_measures_what_has_only_been_run_and_nothing_twice(capsys, tmp_path, caplog):
    folder, out = tmp_path / "runs", tmp_path / "x.svg"
    small = [
        "--protocol",
        "split-digits",
        "--iterations",
        "2",
        "--seeds",
        "2",
        "--save",
        str(folder),
        "--out",
        str(out),
    ]
    methods = ["--methods", "gr,bi-r"]
    assert main(["reproduce", "fig3", *small, *methods]) == 0
    assert main(["reproduce", "fig9", *small, *methods, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "fig9: 4 runs, 0 of them stored, 4 to do" in said
    assert "testing and measuring not counted" in said
    assert main(["reproduce", "fig9", *small, *methods]) == 0
    assert len(stored([folder], measured=True)) == 4
    assert len(list(folder.iterdir())) == 8 + 4  # fig3 asks task- and class-incremental
    assert "<svg" in out.read_text()
    capsys.readouterr()
    assert main(["reproduce", "fig9", *small, *methods]) == 0
    assert "4 of them stored, 0 to do" in capsys.readouterr().out
    assert main(["reproduce", "fig3", *small, *methods]) == 0
    assert "8 of them stored, 0 to do" in capsys.readouterr().out

    broken = next(folder.glob("*-measured.json"))
    broken.write_text(json.dumps({**json.loads(broken.read_text()), "measures": {"recall": None}}))
    spoilt = broken.read_text()
    assert main(["reproduce", "fig9", *small, *methods]) == 0
    assert "3 of them stored, 1 to do" in capsys.readouterr().out
    assert f"{broken.name} is damaged" in caplog.text
    assert broken.read_text() == spoilt
    assert len(stored([folder], measured=True)) == 4


def test_what_the_figure_shows_is_said_and_inputs_of_two_kinds_are_kept_apart():
    from replaylib.course import figures

    results = []
    for e in figure("fig9").experiments("split-glyphs", 2):
        matrix = tuple(tuple(50.0 for _ in range(e.tasks)) for _ in range(e.tasks))
        measures = dict.fromkeys(replay_quality.MEASURES, 0.5 + e.seed)
        results.append(
            records.Record(e, matrix, (0.0,) * e.tasks, 0, 1.0, "cpu", {}, None, "2026-01-01T00:00:00+00:00", measures)
        )
    with figures.caught() as drawn:
        figure("fig9").draw(frames.frame(results))
    words = drawn[0]["text/plain"]
    assert "log-likelihood of pixels (nats): gr 1, gr+feedback 1" in words
    assert "log-likelihood of features (nats): gr+internal 1, bi-r 1" in words
    assert "Fréchet distance: gr 1" in words
    assert words.count("recall") == 1
