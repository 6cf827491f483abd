"""Runs: repeatable, and many of them one table."""

import pytest
import torch

from replaylib.cli.main import main
from replaylib.data.catalogue import load_dataset
from replaylib.data.files import shipped
from replaylib.errors import InputError
from replaylib.lab import command_lines, compare, frames, records, runs, sweeps
from replaylib.lab.experiments import experiment
from replaylib.lab.protocols import protocol
from replaylib.loop import evaluate


def quick(**changes):
    return experiment("split-digits", "class", "none", **{"iterations": 3} | changes)


@pytest.fixture(scope="module")
def record():
    return runs.run(quick()).record


def test_a_run_repeats_bit_for_bit_and_seeds_differ(record):
    again = runs.run(quick(), load_dataset("digits")).record
    assert again.tensor().nan_to_num(-1).equal(record.tensor().nan_to_num(-1))
    other = runs.run(quick(seed=1)).record
    assert not other.tensor().nan_to_num(-1).equal(record.tensor().nan_to_num(-1))


def test_the_network_comes_with_its_record():
    data = load_dataset("digits")
    net, record = runs.run(quick(), data)
    stream = protocol("split-digits").stream(data, "class", 5, 0)
    assert tuple(evaluate(stream, net, seen=5).tolist()) == record.matrix[-1]


def test_methods_start_from_one_network_and_see_the_same_current_samples():
    # In the first task there is nothing to replay or to protect yet: what trains the plain classifier is one run.
    plain = ("none", "joint", "exact", "lwf", "ewc", "online-ewc", "si")
    first = {runs.run(experiment("split-digits", "task", m, iterations=3)).record.matrix[0] for m in plain}
    assert len(first) == 1
    gated = runs.run(experiment("split-digits", "task", "xdg", iterations=3)).record.matrix[0]
    assert gated not in first


def test_networks_that_imagine_hold_the_classifier_that_all_methods_start_from():
    data = load_dataset("digits")
    plain = runs.network(experiment("split-digits", "class", "none"), data)
    for m in ("gr", "bi-r"):
        net = runs.network(experiment("split-digits", "class", m), data)
        pairs = zip(plain.parameters(), net.classifier.parameters(), strict=True)
        assert all(a.equal(b) for a, b in pairs)


def test_a_record_says_where_it_comes_from(record):
    assert record.experiment == quick()
    assert record.seconds > 0
    assert record.versions["torch"] == torch.__version__.split("+")[0] or record.versions["torch"] == torch.__version__
    assert record.device.startswith("cpu")
    assert set(record.summary()) == {"acc", "bwt", "fwt", "forgetting"}
    assert record.summary()["acc"] == pytest.approx(sum(record.matrix[-1]) / 5)


def test_a_folder_of_records_is_one_frame_whatever_the_files_are_called(record, tmp_path):
    for r, name in ((record, "a"), (runs.run(quick(seed=1)).record, "b")):
        (tmp_path / name).mkdir()
        records.write(r, tmp_path / name)
    (tmp_path / "a" / f"{record.experiment.id}.json").rename(tmp_path / "a" / "renamed.json")
    frame = frames.load_records(tmp_path)
    assert sorted(frame["seed"]) == [0, 1]
    assert set(frame["id"]) == {quick().id, quick(seed=1).id}
    row = frame.set_index("seed").loc[0]
    assert row["acc"] == pytest.approx(record.summary()["acc"])
    assert row["hidden"] == (100, 100)
    assert row["matrix"][4] == record.matrix[4]
    assert row["commit"] == record.commit
    with pytest.raises(InputError, match="not a folder"):
        frames.load_records(tmp_path / "nowhere")


def test_the_published_runs_are_what_they_say():
    frame = frames.published()
    paper = frame[frame["protocol"] == "split-mnist"]
    assert set(paper["dataset"]) == {"mnist"}
    assert set(paper["iterations"]) == {2000}


@pytest.mark.parametrize("folder", list(frames.FOLDERS))
def test_stored_runs_come_from_a_clean_checkout_and_stand_once(folder):
    frame = frames.published(folder)
    assert not frame.duplicated("id").any()
    assert frame["commit"].notna().all()
    assert not frame["commit"].astype(str).str.endswith("+").any()
    assert set(frame["measures"].notna()) <= {folder == "quality"}
    for path in shipped(folder).glob("*.json"):
        command_lines.command_of(records.read(path).experiment)  # which tries the command
    assert set(frame["precision"].dropna()) <= ({"bfloat16"} if folder in ("bfloat16", "cifar100", "runs") else set())


@pytest.mark.parametrize(
    ("scenario", "method", "low", "high"),
    [
        ("class", "none", 19.5, 21),
        ("class", "ewc", 19.5, 21),
        ("class", "si", 19.5, 21),
        ("class", "exact", 88, 97.9),
        ("class", "gr", 89.5, 93),
        ("class", "gr-distill", 90, 93.5),
        ("class", "rtf", 91, 94),
        ("class", "bi-r", 92, 96),
        ("class", "joint", 97.5, 98.6),
        ("task", "none", 80, 90),
        ("task", "ewc", 84, 100),
        ("task", "si", 98.5, 100),
        ("task", "xdg", 98, 100),
        ("task", "lwf", 99.2, 100),
        ("task", "gr", 99, 100),
        ("task", "bi-r", 99.3, 100),
        ("task", "joint", 99.5, 100),
        ("domain", "gr", 94.5, 97.5),
        ("domain", "bi-r", 96, 98.5),
        ("domain", "joint", 98, 99.2),
    ],
)
def test_the_published_protocol_gives_the_published_accuracies(scenario, method, low, high):
    frame = frames.published().query("protocol == 'split-mnist' and scenario == @scenario and method == @method")
    frame = frame[(frame["per_class"].fillna(100) == 100) & (frame["policy"].fillna("balanced") == "balanced")]
    assert sorted(frame["seed"])[:3] == [0, 1, 2]
    assert low <= frame["acc"].mean() <= high


def test_over_twenty_permutations_generative_replay_falls_behind_and_brain_inspired_replay_does_not():
    frame = frames.published().query("protocol == 'permuted-mnist' and scenario == 'domain' and tasks == 20")
    acc = frame.groupby("method")["acc"]
    assert acc.count()[["none", "gr", "bi-r", "joint"]].min() >= 3
    kept = {name: compare.share_of_gap(frame, name).mean() for name in ("gr", "bi-r")}
    assert kept["gr"] < 65
    assert kept["bi-r"] > 80


def test_the_books_runs_of_some_experiments_come_in_their_order_or_not_at_all():
    # If this fails because the quick protocol changed, its runs have to be stored again: see book/results/README.md.
    asked = [experiment("split-mnist-5k", "class", "bi-r", seed) for seed in (2, 0, 1)]
    frame = frames.of_book(asked)
    assert frame is not None
    assert frame["seed"].tolist() == [2, 0, 1]
    assert frame["id"].tolist() == [one.id for one in asked]
    assert frames.of_book([*asked, experiment("split-mnist-5k", "class", "bi-r", 999)]) is None


def test_runs_that_are_not_all_stored_are_run_now(monkeypatch):
    asked = [experiment("split-mnist-5k", "class", "bi-r", seed) for seed in (1, 0)]
    ran = []
    real = runs.run_seeds

    def counted(descriptions, data=None):
        ran.extend(descriptions)
        return real(descriptions, data)

    monkeypatch.setattr(runs, "run_seeds", counted)
    assert runs.stored_or_run(asked)["id"].tolist() == [one.id for one in asked]
    assert not ran
    new = [quick(), quick(seed=1)]
    frame = runs.stored_or_run(new, load_dataset("digits"))
    assert frame["id"].tolist() == [one.id for one in new] == [one.id for one in ran]


def test_the_folders_of_runs_are_those_that_come_with_the_library_and_are_explained():
    folder = shipped("")
    there = {path.name for path in folder.iterdir() if path.is_dir()} - {"bench", "counting", "encoders", "kept"}
    assert there <= set(frames.FOLDERS)
    explained = (folder / "README.md").read_text()
    assert all(f"`{name}`" in explained for name in frames.FOLDERS)
    assert frames.published("mnist-5k")["protocol"].str.contains("mnist-5k").all()
    with pytest.raises(InputError, match="Did you mean mnist-5k"):
        frames.published("mnist5k")


def test_a_folder_in_which_no_run_is_stored_yet_has_columns_and_no_row(monkeypatch, tmp_path):
    monkeypatch.setattr(frames, "shipped", lambda folder: tmp_path / folder)
    empty = frames.published("fig4")
    assert len(empty) == 0
    assert list(empty.columns) == list(frames.frame([runs.run(quick()).record]).columns)


@pytest.mark.parametrize("together", [False, True])
def test_no_network_is_made_to_be_thrown_away(tmp_path, monkeypatch, together):
    """One for each seed that is trained, by the command line, by a sweep, and to find out how long that takes."""
    seeds, assemble = [], runs.assemble

    def counted(*given):
        seeds.append(given[0].seed)
        return assemble(*given)

    monkeypatch.setattr(runs, "assemble", counted)
    few = ["--iterations", "2", "--hidden", "8", "--seeds", "2", "--device", "cpu", "-q"]
    assert main(["run", "split-digits", *few, "--save", str(tmp_path), *(["--together"] if together else [])]) == 0
    assert seeds == [0, 1]
    described = [experiment("split-digits", "class", "exact", seed, iterations=2, hidden=(8,)) for seed in (0, 1)]
    groups = [described] if together else [[one] for one in described]
    list(sweeps.sweep(groups, tmp_path))
    assert seeds == [0, 1, 0, 1]
    sweeps.seconds_of(groups[0], load_dataset("digits"), "cpu")
    assert seeds == [0, 1, 0, 1, *([0, 1] if together else [0])]


def test_an_encoder_that_is_not_there_is_missed_before_data_are_downloaded_for_it(monkeypatch):
    monkeypatch.setattr("replaylib.data.downloads._download", lambda *_: pytest.fail("it is downloaded"))
    described = experiment("split-cifar100", "class", "bi-r", encoder="none.safetensors")
    with pytest.raises(InputError, match=r"there is no encoder none\.safetensors"):
        runs.data_of(described)
