"""The table of protocols, and the one place where the profile is chosen."""

import pytest

from replaylib.errors import InputError
from replaylib.lab.protocols import PROTOCOLS, default_device, in_profile, profile, protocol


def test_published_protocols_are_as_published():
    mnist = protocol("split-mnist")
    assert (mnist.tasks, mnist.hidden, mnist.lr, mnist.batch, mnist.iterations) == (5, (400, 400), 1e-3, 128, 2000)
    permuted = protocol("permuted-mnist")
    assert (permuted.tasks, permuted.hidden, permuted.lr, permuted.batch) == (100, (2000, 2000), 1e-4, 256)
    assert (permuted.iterations, permuted.scenario, permuted.padding) == (5000, "domain", 2)
    for name, dataset in (("split-cifar100", "cifar100"), ("split-tiny-imagenet", "tiny-imagenet-32")):
        cifar = protocol(name)
        assert (cifar.tasks, cifar.hidden, cifar.lr, cifar.batch) == (10, (2000, 2000), 1e-4, 256)
        assert (cifar.iterations, cifar.scenario, cifar.seeds, cifar.dataset) == (5000, "class", 10, dataset)
        encoder = "cifar10-jpeg-e100" if dataset == "cifar100" else "cifar10-jpeg"
        assert (cifar.encoder, cifar.backbone) == (encoder, "tuned")


def test_every_published_protocol_has_a_stand_in_on_embedded_data():
    for p in PROTOCOLS.values():
        if p.quick is None:
            assert p.dataset in ("digits", "glyphs", "mnist-5k", "python-text")
            assert PROTOCOLS[p.settings].quick is not None
        else:
            stand_in = protocol(p.quick)
            assert (stand_in.kind, stand_in.scenario, stand_in.quick) == (p.kind, p.scenario, None)


@pytest.mark.parametrize("name", [name for name, p in PROTOCOLS.items() if p.quick is None])
@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_stand_ins_make_their_streams(name, scenario):
    p = protocol(name)
    stream = p.stream(p.load(), scenario, p.tasks, seed=1)
    assert stream.tasks == p.tasks
    assert all(len(stream.rows(t, part)) for t in range(p.tasks) for part in ("train", "test"))


def test_glyphs_have_two_symbols_a_task_over_as_much_clutter_as_asked_for():
    glyphs = protocol("split-glyphs")
    plain, busy = glyphs.load(), glyphs.load(tasks=3, clutter=0.5)
    assert (len(plain.train.classes), plain.train.name) == (10, "glyphs")
    assert (len(busy.train.classes), busy.train.name) == (6, "glyphs, clutter 0.5")
    assert busy.train.classes == plain.train.classes[:6]
    assert not busy.train.images[:300].equal(plain.train.images[:300])
    with pytest.raises(InputError, match="11 tasks of glyphs are 22 symbols, and 20 are kept apart"):
        glyphs.load(tasks=11)


def test_permuted_tasks_share_their_symbols():
    permuted = protocol("permuted-digits")
    assert permuted.symbols_of(10) == permuted.symbols_of(20) == 20
    with pytest.raises(InputError, match="11 tasks of glyphs are 22 symbols"):
        protocol("split-glyphs").symbols_of(11)


def test_another_dataset_takes_the_place_of_the_protocols_own():
    assert protocol("split-mnist").load("digits").train.name == "digits"
    assert protocol("permuted-mnist").load("digits").train.shape == (1, 12, 12)  # padded by 2 on each side


def test_the_profile_is_the_environment_variable(monkeypatch):
    for value, expected in ((None, "quick"), ("", "quick"), ("quick", "quick"), ("paper", "paper")):
        monkeypatch.delenv("REPLAYLIB_PROFILE", raising=False)
        if value is not None:
            monkeypatch.setenv("REPLAYLIB_PROFILE", value)
        assert profile() == expected
        assert in_profile("split-mnist").name == {"quick": "split-mnist-5k", "paper": "split-mnist"}[expected]
        assert in_profile("split-digits").name == "split-digits"
    monkeypatch.setenv("REPLAYLIB_PROFILE", "papr")
    with pytest.raises(InputError, match="set it to quick"):
        profile()


def test_chapters_compute_on_a_gpu_only_at_the_published_scale(monkeypatch):
    for chosen, gpu, expected in (("quick", True, "cpu"), ("paper", True, "cuda"), ("paper", False, "cpu")):
        monkeypatch.setenv("REPLAYLIB_PROFILE", chosen)
        monkeypatch.setattr("torch.cuda.is_available", lambda gpu=gpu: gpu)
        assert default_device() == expected


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean permuted-mnist"):
        protocol("permutd-mnist")
