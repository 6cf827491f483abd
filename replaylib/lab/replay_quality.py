"""A run of generative replay, and with its record how good is what the network imagines after the last task.

The comparison of van de Ven et al. (2020), Fig. 9: class-incremental, in the feature space of one judge, a network that
learned the real images of all tasks together. Where a protocol has a pre-trained encoder, the judge reads its features,
as the reference code's does, so that those who imagine features and those who imagine pixels have one judge.
"""

import copy
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from replaylib.data.dataset import Dataset, Split
from replaylib.errors import InputError
from replaylib.generative import BrainNet
from replaylib.lab import encoders, quality, runs
from replaylib.lab.experiments import Experiment
from replaylib.lab.methods import method
from replaylib.lab.protocols import protocol
from replaylib.lab.records import Record
from replaylib.nets import Classifier, Network

#: Test images that are asked about, if there are as many; as many are imagined.
IMAGES = 10_000
#: Of these, how many have their likelihood estimated, and by how many samples each (the reference code takes as many).
LIKELY, SAMPLES = 2000, 100
#: Images that go through a network at once.
CHUNK = 1000
#: What `measure` adds to a record, and whether more of it is better.
MEASURES = {
    "log_likelihood": True, "reconstruction_error": False, "inception_score": True, "frechet_distance": False,
    "precision": True, "recall": True,
}  # fmt: skip
#: What else it adds, in words: of the labels that the network gives to what it imagines, and of the variety in each.
OF_LABELS = {
    "agreement": "label is what the judge sees (%)", "rarest_label": "rarest label (%)",
    "confidence": "probability of the label (%)", "confidence_real": "probability of the label of test samples (%)",
    "variety": "variance within a label, real = 1",
}  # fmt: skip


def check(description: Experiment) -> None:
    """Raise `InputError` unless what this run imagines can be judged: class-incremental, generative, split classes."""
    m = method(description.method)
    if not (m.rehearses and m.level and "noise_dim" in m.takes):
        raise InputError(f"{m.name} has no auto-encoder whose quality could be measured: take gr, bi-r or a variant")
    if description.validation is not None:
        raise InputError("the quality of replay is measured beside test data: leave validation out")
    if description.scenario != "class" or (description.stream or protocol(description.protocol).kind) != "split":
        asked = f"{description.protocol}, {description.scenario}-incremental"
        raise InputError(f"the quality of replay is measured where each class is in one task, not on {asked}")


def measure(net: Network, record: Record, data: Split) -> Record:
    """The record of a run, with ``measures`` of what its network imagines after the last task.

    ``log_likelihood`` (mean, nats) and ``reconstruction_error`` (mean a unit) of test samples, as the network takes
    them: of features they cannot be compared with those of pixels. The scores of `replaylib.lab.quality.Quality`; the
    judge's own accuracy (%) on test images, ``judge_accuracy``; and how many samples all this rests on: ``images``,
    ``likely`` and ``samples`` as in `IMAGES`, `LIKELY` and `SAMPLES`.

    The label of a sample is the class that the network itself holds for the most probable. What is imagined is
    rehearsed with that label, or with the probabilities behind it, whatever class was asked for. Of what is imagined:
    ``agreement``, how many labels (%) are what the judge sees; ``rarest_label``, the share (%) of the label that is
    given least often, without which the others say little; ``confidence``, the mean probability (%) of the label, and
    ``confidence_real`` that of test samples; ``variety``, the variance within a label, in the judge's inputs, relative
    to that of test samples within their class.

    Parameters
    ----------
    net, record : as `replaylib.lab.runs.run` gives; the network on the device of the data.
    data : the run's, as `replaylib.lab.runs.data_of` gives.

    Raises
    ------
    InputError : a method that has no auto-encoder, or a stream whose classes are not each in one task, see `check`.
    """
    check(record.experiment)
    if not isinstance(net, BrainNet):
        raise InputError(f"{record.experiment.method} has another network than generative replay: it is not measured")
    return replace(record, measures=_measures(net, record.experiment, data))


@torch.no_grad()
def _measures(net: BrainNet, description: Experiment, data: Split) -> dict[str, float]:
    stream = runs.stream_of(description, data)
    rows = torch.cat([stream.rows(task, "test") for task in range(stream.tasks)])
    task = torch.cat([torch.full_like(stream.rows(t, "test"), t) for t in range(stream.tasks)])
    pick = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:IMAGES].to(rows.device)
    rows, task = rows[pick], task[pick]

    few = stream.batch(rows[:LIKELY], task[:LIKELY], "test")
    drawing = stream.generator(1)
    likely = quality.log_likelihood(net, few.x, drawing, y=few.y, samples=SAMPLES, chunk=CHUNK)
    tested = [
        stream.batch(rows[few_rows], task[few_rows], "test")
        for few_rows in torch.arange(len(rows), device=rows.device).split(CHUNK)
    ]
    errors = [quality.reconstruction_error(net, part.x, drawing, y=part.y, chunk=CHUNK) for part in tested]
    sure_of_real = _probabilities(net, [part.x for part in tested]).amax(1)

    y, of_task = stream.draw_units(stream.tasks, len(rows), stream.generator(2))
    noise = torch.randn(len(y), net.noise_dim, generator=stream.generator(3), device=stream.device)
    encoder = description.encoder or protocol(description.protocol).encoder
    batches = [
        net.generate(*given) for given in zip(y.split(CHUNK), of_task.split(CHUNK), noise.split(CHUNK), strict=True)
    ]
    imagined = torch.cat([as_judged(part, stream.data.train, encoder) for part in batches])
    sure, unit = _probabilities(net, [part.view(-1, *stream.data.train.shape) for part in batches]).max(1)
    label, rarest = stream.classes.flatten()[unit], unit.bincount(minlength=stream.outputs).min().item()
    seen = encoders.features(data, encoder) if encoder else data
    judge = _judge(_of_all_seeds(description), seen)
    real = seen.test.inputs(seen.test.images[rows])
    imagined = imagined.view_as(real)
    of_real, of_imagined = (_probabilities(judge, x.split(CHUNK)).argmax(1) for x in (real, imagined))
    truth = seen.test.labels[rows]
    variety = quality.variance_within(imagined, label) / quality.variance_within(real, truth)
    scores = quality.assess(judge, real, imagined, seed=0, chunk=CHUNK)
    return {
        "log_likelihood": likely.mean().item(), "reconstruction_error": torch.cat(errors).mean().item(),
        **scores._asdict(), "judge_accuracy": _percent(of_real == truth),
        "agreement": _percent(of_imagined == label), "rarest_label": 100 * rarest / len(label),
        "confidence": _percent(sure), "confidence_real": _percent(sure_of_real), "variety": variety,
        "images": len(rows), "likely": len(few.y), "samples": SAMPLES,
    }  # fmt: skip


def _probabilities(net: Network | Classifier, parts: Iterable[Tensor]) -> Tensor:
    """The probabilities of all classes, (n, classes), of inputs in several parts."""
    return torch.cat([net(part).softmax(1) for part in parts])


def _percent(values: Tensor) -> float:
    return 100 * values.double().mean().item()


def as_judged(x: Tensor, by: Dataset, encoder: str | None) -> Tensor:
    """Imagined samples (n, units) as a judge takes them: pixels through the encoder if there is one, features as are.

    ``by`` is the dataset that the network learned from, in whose units it imagines.
    """
    if encoder is None or by.images.dtype != torch.uint8:
        return x
    images = x.view(-1, *by.shape)
    if by.mean is not None and by.std is not None:
        images = images * _by_channel(by.std, x) + _by_channel(by.mean, x)
    pretrained = encoders.load_encoder(encoder)
    images = (images - _by_channel(pretrained.origin.mean, x)) / _by_channel(pretrained.origin.std, x)
    backbone = copy.deepcopy(pretrained.net).to(x.device)
    return torch.cat([backbone(part) for part in images.split(CHUNK)])


def _by_channel(values: tuple[float, ...], x: Tensor) -> Tensor:
    return torch.tensor(values, device=x.device).view(-1, 1, 1)


def _of_all_seeds(description: Experiment) -> Experiment:
    """What methods and seeds of one comparison have in common, as far as a judge depends on it."""
    options = dict.fromkeys(
        ("per_class", "policy", "strength", "gate_prop", "noise_dim", "replayed", "encoder", "backbone", "own")
    )
    return replace(description, method="joint", seed=0, class_order=None, precision=None, **options)  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def _judge(description: Experiment, seen: Split) -> Classifier:
    # Classes in label order, so that its output units are the labels.
    stream = protocol(description.protocol).stream(seen, "class", description.tasks, 0)
    with torch.enable_grad():
        return quality.judge(
            stream, torch.Generator().manual_seed(0),
            hidden=description.hidden, iterations=description.iterations, batch=description.batch, lr=description.lr,
        )  # fmt: skip
