"""Replay methods for continual learning: the library behind the course.

Data flows one way: data -> scenarios -> train (methods: nets, vae, brain, replay, penalties) -> metrics and quality
-> runs -> figures.

The training loop is `replaylib.train.train`; it keeps its module's name, and so is the one thing not re-exported here.
"""

from replaylib._version import __version__
from replaylib.brain import Brain, BrainNet
from replaylib.data import Dataset, Split, load
from replaylib.errors import InputError
from replaylib.experiments import Experiment, experiment
from replaylib.generative import GenerativeClassifier
from replaylib.methods import METHODS, method
from replaylib.metrics import (
    backward_transfer,
    final_accuracy,
    forgetting,
    forward_transfer,
    learning_accuracy,
    mean_sem,
    sem,
)
from replaylib.nets import Classifier, NearestMean, Network
from replaylib.penalties import EWC, SI, Penalty
from replaylib.protocols import PROTOCOLS, in_profile, profile, protocol
from replaylib.records import Record
from replaylib.replay import Buffer, CurrentTask, Everything, Exemplars, Generated, Nothing, Replay
from replaylib.runs import execute, trained
from replaylib.scenarios import SCENARIOS, Batch, Stream, permuted_stream, split_stream
from replaylib.settings import SETTINGS
from replaylib.train import Diverged, Result, evaluate
from replaylib.vae import VAE

__all__ = [
    "EWC",
    "METHODS",
    "PROTOCOLS",
    "SCENARIOS",
    "SETTINGS",
    "SI",
    "VAE",
    "Batch",
    "Brain",
    "BrainNet",
    "Buffer",
    "Classifier",
    "CurrentTask",
    "Dataset",
    "Diverged",
    "Everything",
    "Exemplars",
    "Experiment",
    "Generated",
    "GenerativeClassifier",
    "InputError",
    "NearestMean",
    "Network",
    "Nothing",
    "Penalty",
    "Record",
    "Replay",
    "Result",
    "Split",
    "Stream",
    "__version__",
    "backward_transfer",
    "evaluate",
    "execute",
    "experiment",
    "final_accuracy",
    "forgetting",
    "forward_transfer",
    "in_profile",
    "learning_accuracy",
    "load",
    "mean_sem",
    "method",
    "permuted_stream",
    "profile",
    "protocol",
    "sem",
    "split_stream",
    "trained",
]
