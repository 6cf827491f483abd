"""A training that is kept in a file while it runs, and from which the same command goes on if it was stopped.

After a task, and every few minutes within one, all that going on depends on is written: weights, optimizer, generators,
what is stored for replay, penalties, the previous network, accuracies so far. On a CPU a run that was stopped, however
often, ends with the bits of one that never was. Reading such a file runs no code.
"""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor

from replaylib.data.files import replacing
from replaylib.errors import InputError
from replaylib.lab.experiments import Experiment
from replaylib.loop import Training

#: Seconds between two writings within a task.
EVERY = 120.0
#: The part of the time that writing may take: where it takes long, or tasks are short, it is done less often.
SHARE = 0.01
#: What schedulers send before they kill, and Ctrl-C: the state is written, and then the run stops.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
#: Of a folder of records, where the states of its unfinished runs are.
FOLDER = "unfinished"

PLAIN = (Tensor, str, int, float, bool, type(None))


class Stopped(KeyboardInterrupt):
    """A run was stopped by a signal, after its state was written.

    Attributes
    ----------
    signal : its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def on_stderr(line: str) -> None:
    """Say a line where it is in nobody's way."""
    print(line, file=sys.stderr)


def path_of(folder: Path, group: Sequence[Experiment]) -> Path:
    """The file of a group's state, in a folder named by the experiment's id, or by the first one's and all others'."""
    ids = [description.id for description in group]
    rest = f"-and-{sha256(' '.join(ids).encode()).hexdigest()[:8]}" if len(ids) > 1 else ""
    return folder / FOLDER / f"{ids[0]}{rest}" / "state"


def discard(folder: Path, group: Sequence[Experiment]) -> None:
    """Remove a group's state, if there is one: its records are written."""
    shutil.rmtree(path_of(folder, group).parent, ignore_errors=True)
    with suppress(OSError):  # not there, or with other runs in it
        (folder / FOLDER).rmdir()


class Keeper:
    """Keeps one training in one file, for `replaylib.loop.follow`; used as a context, within which it heeds signals.

    Parameters
    ----------
    path : of the file; its folder is made, and its own. The last good state is kept until the next one is whole.
    about : what the run depends on besides its state, by names that a user understands. A file of another is refused.
    say : called with a line about what was found, or what could not be written.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        say: Callable[[str], None] = on_stderr,
    ) -> None:
        self.path, self.about, self.say = path, dict(about), say
        self.began = self.written = time.monotonic()
        #: Seconds that the run took before this process went on with it, and those that the last writing took.
        self.before = self.cost = 0.0
        self.signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Keeper":
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._heed) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _heed(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._release()  # a second signal does what it always does

    def _release(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def restore(self, training: Training) -> None:
        """Bring a training to where it was kept, if it was; it has not begun yet.

        Raises
        ------
        InputError : a part that does not take part, see `packed`; a file that is damaged or of another run.
        """
        check_plain(packed_training(training))
        for part in self.path.parent.glob("*.part"):  # of a process that was killed while it wrote
            shutil.rmtree(part, ignore_errors=True)
        if not self.path.exists():
            return
        advice = "remove it, or give --no-resume, to begin anew"
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            about, state = found["about"], found["training"]
        except Exception as error:  # a damaged file can fail in PyTorch in nearly any way
            raise InputError(f"{self.path} is damaged or no state of a run: {advice}") from error
        for name, here in self.about.items():
            if about.get(name) != here:
                there = f"{self.path} was begun with {name} {about.get(name)}, and this run has {here}"
                raise InputError(f"{there}: go on as it was begun, or {advice}")
        unpack_training(training, state)
        self.before = found["seconds"]
        where = f"task {training.task + 1}, step {training.step}" if training.step else f"task {training.task} ended"
        self.say(f"{self.path}: going on from where it was stopped ({where}, after {self.before:.0f} s)")

    def after_step(self, training: Training) -> None:
        """Write the state if it is time to; raises `Stopped` if there was a signal, when it is written."""
        if self.signal or time.monotonic() - self.written >= max(EVERY, self.cost / SHARE):
            self.keep(training)
        if self.signal:
            raise Stopped(self.signal)

    def after_task(self, training: Training) -> None:
        """Write the state, unless tasks are so short that this would cost more than its share; then as `after_step`."""
        if time.monotonic() - self.written >= self.cost / SHARE:
            self.keep(training)
        self.after_step(training)

    @property
    def seconds(self) -> float:
        """That the run has taken until now, in all processes that had a part in it."""
        return self.before + time.monotonic() - self.began

    def keep(self, training: Training) -> None:
        """Write the state, whole or not at all. What stands in the way is said, and does not stop the run."""
        began = time.monotonic()
        content = {"about": self.about, "seconds": self.seconds, "training": packed_training(training)}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with (
                replacing(self.path, "its run goes on, and cannot be resumed from here") as part,
                part.open("wb") as file,
            ):
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
        except (InputError, OSError, RuntimeError) as error:  # PyTorch's own writer has its own error for a full disk
            self.say(str(error).partition("\n")[0])
        self.written = time.monotonic()
        self.cost = self.written - began


def packed_training(training: Training) -> dict[str, Any]:
    """All that going on depends on, as tensors, numbers and text in dictionaries and lists."""
    learner = training.learner
    return {
        "task": training.task, "step": training.step, "rows": training.rows, "untrained": training.untrained,
        "optimizer": packed(training.optimizer),
        **{name: [packed(one) for one in getattr(learner, name)] for name in PARTS},
    }  # fmt: skip


#: What of a learner is kept.
PARTS = ("nets", "replays", "penalties", "generators")


def unpack_training(training: Training, state: Mapping[str, Any]) -> None:
    """Bring a training to a state that `packed_training` gave."""
    unpacked(training.optimizer, state["optimizer"])
    for name in PARTS:
        for one, its in zip(getattr(training.learner, name), state[name], strict=True):
            unpacked(one, its)
    training.task, training.step = state["task"], state["step"]
    training.rows, training.untrained = list(state["rows"]), state["untrained"]


def packed(part: Any) -> Any:
    """The state of a part of a training.

    Networks and optimizers have their ``state_dict``. Any other object says what of it changes while it is used: its
    class has ``state``, the names of those attributes, which may hold tensors, numbers, generators, networks, lists of
    these, and objects that say the same of themselves. A subclass says it anew, also where it adds nothing.

    Raises
    ------
    InputError : a part that does not say it.
    """
    if isinstance(part, PLAIN):
        return part.detach() if isinstance(part, Tensor) else part
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, list | tuple):
        return [packed(one) for one in part]
    if isinstance(part, torch.nn.Module | torch.optim.Optimizer):
        return part.state_dict()
    return {name: packed(getattr(part, name)) for name in _names(part)}


def unpacked(part: Any, state: Any) -> Any:
    """The part in that state: the same object, or what takes its place where it is a tensor or a number."""
    if isinstance(part, Tensor):
        return state.to(part.device)
    if isinstance(part, PLAIN):
        return state
    if isinstance(part, torch.Generator):
        part.set_state(state)
    elif isinstance(part, list | tuple):
        return type(part)(unpacked(one, its) for one, its in zip(part, state, strict=True))
    elif isinstance(part, torch.nn.Module | torch.optim.Optimizer):
        part.load_state_dict(state)
    else:
        for name in _names(part):
            setattr(part, name, unpacked(getattr(part, name), state[name]))
    return part


def _names(part: Any) -> Sequence[str]:
    kind = type(part)
    if "state" not in vars(kind):
        inherited = (
            f"{kind.__mro__[1].__name__}.state and what it adds" if hasattr(kind, "state") else "an empty one for none"
        )
        raise InputError(
            f"a {kind.__name__} does not say what of it changes in training, so that a stopped run could go on: give "
            f"its class state = (...), the names of these attributes ({inherited}), or give --no-resume"
        )
    names: Sequence[str] = part.state
    return names


def check_plain(state: Any, where: str = "the state") -> None:
    """Raise `InputError`, with its place, for anything in a state that could not be read again without running code."""
    if isinstance(state, Mapping):
        for name, value in state.items():
            check_plain(value, f"{where}, {name}")
    elif isinstance(state, list | tuple):
        for value in state:
            check_plain(value, where)
    elif not isinstance(state, PLAIN):
        kind = type(state).__name__
        raise InputError(f"{where} holds a {kind}: only tensors, numbers and text are kept; or give --no-resume")


def options(group: Sequence[Experiment]) -> dict[str, Any]:
    """What a group's experiments say, by names that a user understands."""
    described = {name: value for name, value in asdict(group[0]).items() if name != "seed"}
    return {**described, "seeds": [description.seed for description in group]}
