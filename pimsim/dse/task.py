"""One point as work for a process: what to run, and what to hand back.

Which question this module answers: *what does a process need to know of a point, and what of the
points before it can it use again?*

A process keeps what its points share: the workload, its float32 reference and calibration, and the
values of designs that differ only in what values do not depend on.
"""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pimsim.config.bundled import workload_path
from pimsim.dse.store import Outcome
from pimsim.dse.sweep_file import Sweep
from pimsim.errors import InputError, PimsimError
from pimsim.provenance import VERSION

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture
    from pimsim.config.document import Document
    from pimsim.records import Result
    from pimsim.simulate import Simulator


SIMULATORS_KEPT: Final = 4
"""Workloads, with the values of a few chips each, that a process keeps; points come in an order in
which the same one is asked for many times in a row."""


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
    """Hash of everything that its outcome depends on; ``None``: not looked at."""
    family: str | None = None
    """Equal for tasks whose values may be the same; ``None``: not looked at."""
    course: str | None = None
    """Equal for tasks of a family whose timeline may be the same."""


def task_of(asked: Sweep, workload: str, seed: int, overrides: tuple[str, ...]) -> Task:
    """One point of a sweep as a task.

    Parameters
    ----------
    asked
        The sweep.
    workload, seed
        Two of its own.
    overrides
        All that the design changes of the architecture.
    """
    file = asked.file
    run = Run(
        str(workload_path(workload)), seed, file.samples, file.chips, file.batch, file.seq,
        file.phase, file.context,
    )  # fmt: skip
    return Task(str(asked.architecture_path), overrides, run)


def identified(task: Task) -> Task:
    """The task with its key and its relatives.

    Raises
    ------
    PimsimError
        If the design is no valid architecture; it has no key then.
    """
    from pimsim.reuse import family_of

    architecture = _architecture(task)
    family, course = family_of(architecture)
    return replace(task, key=_key(architecture, task.run), family=family, course=course)


def _architecture(task: Task) -> "Architecture":
    """Read, change and check the architecture; its file is parsed once for all designs."""
    from pimsim.config import overrides as overriding
    from pimsim.config import yaml_loader
    from pimsim.config.architecture import SCHEMA_VERSION, Architecture

    base = _document(task.architecture, yaml_loader.read_text(Path(task.architecture)))
    document = overriding.apply(base, task.overrides, Architecture)
    yaml_loader.check_version(document, SCHEMA_VERSION)
    return yaml_loader.validate(document, Architecture)


@lru_cache(maxsize=4)
def _document(path: str, text: str) -> "Document":
    """What an architecture file says."""
    del text  # only tells when to read it again
    from pimsim.config.yaml_loader import read

    return read(Path(path))


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
    from pimsim.dse.metrics import metrics

    started = time.perf_counter()
    try:
        architecture = _architecture(task)
    except PimsimError as error:
        if task.key is None:
            return _failed(error, started)
        raise _changed(task) from error
    if task.key is not None and _key(architecture, task.run) != task.key:
        raise _changed(task)
    try:
        simulator = _simulator(task.run, _stamp(task.run.workload))
        result = simulator.run(architecture, baselines=False, every_variant=False)
    except PimsimError as error:
        return _failed(error, started)
    seconds = time.perf_counter() - started
    return Outcome(metrics(result), None, seconds, tuple(sorted(set(simulator.computed))))


def run_whole(task: Task) -> "Result":
    """Run one point for its whole result, compared with GPUs.

    Raises
    ------
    PimsimError
        If the design is no valid architecture, or fails.
    """
    simulator = _simulator(task.run, _stamp(task.run.workload))
    return simulator.run(_architecture(task), overrides=task.overrides)


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


@lru_cache(maxsize=16)
def _content_hash(workload: str, stamp: Stamp) -> str:
    del stamp  # only tells when to look again
    from pimsim.workload.files import load
    from pimsim.workload.summary import content_hash

    return content_hash(load(Path(workload), values=True))


@lru_cache(maxsize=SIMULATORS_KEPT)
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
