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
from hashlib import sha256
from pathlib import Path
from types import FrameType, TracebackType

import torch

from replaylib.data.dataset import Split
from replaylib.data.files import replacing
from replaylib.errors import InputError
from replaylib.lab import machine
from replaylib.lab.experiments import Experiment
from replaylib.lab.state import check_plain, packed_training, unpack_training
from replaylib.loop import Training
from replaylib.steps import Execution

#: Seconds between two writings within a task.
EVERY = 120.0
#: The part of the time that writing may take: where it takes long, or tasks are short, it is done less often.
SHARE = 0.01
#: What schedulers send before they kill, and Ctrl-C: the state is written, and then the run stops.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
#: Of a folder of records, where the states of its unfinished runs are.
FOLDER = "unfinished"


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


def discard(folder: Path | None, group: Sequence[Experiment]) -> None:
    """Remove a group's state, if there is one: its records are written, or others begin anew. None: none was kept."""
    if folder is None:
        return
    shutil.rmtree(path_of(folder, group).parent, ignore_errors=True)
    with suppress(OSError):  # not there, or with other runs in it
        (folder / FOLDER).rmdir()


def unfinished(folder: Path) -> list[str]:
    """The ids of experiments that have a state in a folder of records; of a group, that of its first one."""
    return sorted({path.parent.name.partition("-")[0] for path in folder.glob(f"{FOLDER}/*/state")})


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
        about: Mapping[str, object],
        say: Callable[[str], None] = on_stderr,
    ) -> None:
        self.path, self.about, self.say = path, dict(about), say
        self.began = self.written = time.monotonic()
        #: Seconds that the run took before this process went on with it, and those that the last writing took.
        self.before = self.cost = 0.0
        self.signal: int | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

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
        InputError : a part that does not take part, see `replaylib.lab.state.packed`; a file that is damaged, or of
            another run.
        """
        check_plain(packed_training(training))
        for part in self.path.parent.glob("*.part"):  # of a process that was killed while it wrote
            shutil.rmtree(part, ignore_errors=True)
        if not self.path.exists():
            return
        advice = "remove it, or give --no-resume, to begin anew"
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            about, state = content["about"], content["training"]
        except Exception as error:  # a damaged file can fail in PyTorch in nearly any way
            raise InputError(f"{self.path} is damaged or no state of a run: {advice}") from error
        for name, here in self.about.items():
            if about.get(name) != here:
                there = f"{self.path} was begun with {name} {about.get(name)}, and this run has {here}"
                raise InputError(f"{there}: go on as it was begun, or {advice}")
        unpack_training(training, state)
        self.before = content["seconds"]
        where = f"task {training.task + 1}, step {training.step}" if training.step else f"task {training.task} ended"
        self.say(f"{self.path}: going on from where it was stopped ({where}, after {self.before:.0f} s)")

    def after_step(self, training: Training, check: Callable[[], None] | None = None) -> None:
        """Write the state if it is time to; raises `Stopped` if there was a signal, when it is written.

        On a GPU a bad step may not be known yet, and those after it have not been taken: ``check`` raises before such a
        state is written.
        """
        if self.signal or time.monotonic() - self.written >= max(EVERY, self.cost / SHARE):
            if check:
                try:
                    check()
                except InputError as error:
                    if self.signal:  # the state before stays, from which the run goes wrong again, and says so
                        raise Stopped(self.signal) from error
                    raise
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


def keeper(
    folder: Path,
    group: Sequence[Experiment],
    data: Split,
    execution: Execution,
    versions: Mapping[str, str],
    say: Callable[[str], None] = on_stderr,
) -> Keeper:
    """Of a group's unfinished run, in a folder of records.

    It goes on with the same options, data and library, on the same kind of machine, in the same way.
    """
    device = data.train.images.device
    kind = machine.device_name(device)
    if device.type == "cpu":
        kind += f", {torch.backends.cpu.get_cpu_capability()}"
    options = {name: value for name, value in group[0].facts().items() if name != "seed"}
    about = {
        **options, "seeds": [description.seed for description in group], **versions, "commit": machine.commit(),
        "data": digest_of(data), "device": kind, "compiled loss": execution.objective is not None,
        "CUDA graphs": execution.capture is not None,
    }  # fmt: skip
    return Keeper(path_of(folder, group), about, say)


def digest_of(data: Split) -> str:
    """The beginning of a SHA-256 of all images and labels."""
    hasher = sha256()
    for part in data:
        for values in (part.images, part.labels):
            hasher.update(values.detach().cpu().contiguous().numpy().data)
    return hasher.hexdigest()[:12]
