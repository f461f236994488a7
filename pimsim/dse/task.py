"""One point as work for a process: what to run, and what to hand back.

Which question this module answers: *what does a process need to know of a point, and what of the
points before it can it use again?*

A process keeps what its points share: the workload, its float32 reference and calibration, and the
values of designs that differ only in what values do not depend on.
"""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.dse.store import Outcome
from pimsim.errors import InputError, PimsimError
from pimsim.provenance import VERSION

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture
    from pimsim.simulate import Simulator


@dataclass(frozen=True, slots=True)
class Run:
    """How a design is run, apart from the design itself."""

    workload: str
    """Path of the folder."""
    seed: int
    samples: int | None
    chips: int
    batch: int
    seq: int | None
    phase: str | None
    context: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """One point."""

    architecture: str
    """Path of the file."""
    overrides: tuple[str, ...]
    run: Run
    key: str | None = None
    """What :func:`key_of` gave when the task was made; ``None``: not looked at."""


def key_of(task: Task) -> str:
    """Hash of everything that the outcome of a task depends on.

    Raises
    ------
    PimsimError
        If the design is no valid architecture; it has no key then.
    """
    from pimsim.config import load_architecture

    return _key(load_architecture(task.architecture, overrides=task.overrides), task.run)


def _key(architecture: "Architecture", run: Run) -> str:
    from pimsim.config import config_hash

    content = _content_hash(run.workload, _stamp(run.workload))
    asked = asdict(run) | {"workload": content}
    text = json.dumps([VERSION, config_hash(architecture), asked], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def evaluate(task: Task) -> Outcome:
    """Run one point; a mistake in the design is an outcome, a bug of pimsim is not.

    Raises
    ------
    InputError
        If the architecture file or the workload is no longer what it was when the task was made:
        the outcome would be kept as that of another design.
    """
    from pimsim.config import load_architecture
    from pimsim.dse.metrics import metrics

    started = time.perf_counter()
    try:
        architecture = load_architecture(task.architecture, overrides=task.overrides)
    except PimsimError as error:
        if task.key is None:
            return _failed(error, started)
        raise _changed(task) from error
    if task.key is not None and _key(architecture, task.run) != task.key:
        raise _changed(task)
    try:
        result = _simulator(task.run, _stamp(task.run.workload)).run(architecture, baselines=False)
    except PimsimError as error:
        return _failed(error, started)
    return Outcome(metrics(result), None, time.perf_counter() - started)


def _changed(task: Task) -> InputError:
    return InputError(
        f"{task.architecture} or {task.run.workload} was changed while the sweep ran; run it again "
        "with --resume"
    )


def _failed(error: PimsimError, started: float) -> Outcome:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Outcome(None, reason, time.perf_counter() - started)


Stamp = tuple[tuple[str, int, int], ...]


def _stamp(workload: str) -> Stamp:
    """Name, time of change and size of a workload's files: what is kept of it may be old."""
    files = sorted(path for path in Path(workload).rglob("*") if path.is_file())
    found = [(path, path.stat()) for path in files]
    return tuple((str(path), about.st_mtime_ns, about.st_size) for path, about in found)


@cache
def _content_hash(workload: str, stamp: Stamp) -> str:
    del stamp  # only tells when to look again
    from pimsim.workload.files import load
    from pimsim.workload.summary import content_hash

    return content_hash(load(Path(workload), values=True))


# One per process and way to run; a process works on points of few of them.
@cache
def _simulator(run: Run, stamp: Stamp) -> "Simulator":
    del stamp  # only tells when to look again
    from pimsim.simulate import Simulator

    return Simulator(
        run.workload,
        samples=run.samples,
        chips=run.chips,
        seed=run.seed,
        batch=run.batch,
        seq=run.seq,
        phase=run.phase,
        context=run.context,
    )
