"""A sweep from its file to its frame.

Which question this module answers: *what came out of all these designs?*
"""

import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pimsim.config.bundled import sweep_path, workload_path
from pimsim.dse import executors
from pimsim.dse.metrics import HEADLINES
from pimsim.dse.points import Design, Point, count_of, designs, points_of
from pimsim.dse.search import Search
from pimsim.dse.store import FILE, Outcome, Store
from pimsim.dse.sweep_file import Sweep, load_sweep
from pimsim.dse.task import Run, Task, key_of
from pimsim.errors import InputError, OutputError, PimsimError
from pimsim.provenance import VERSION

if TYPE_CHECKING:
    import pandas as pd

FRAME: Final = "points"
"""Stem of the files that hold the frame."""
DESCRIPTION: Final = "sweep.json"
COPY: Final = "sweep.yaml"

_POLL_S: Final = 0.5


class SweepProgress(Protocol):
    """What a sweep tells about how far it is."""

    def start(self, total: int, done: int) -> None:
        """``total`` points, of which ``done`` were known before."""
        ...

    def advance(self, outcome: Outcome) -> None:
        """One more point has ended."""
        ...


def sweep(
    file: str | os.PathLike[str],
    *,
    jobs: int = 1,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    limit: int | None = None,
    dask: str | None = None,
    repair: bool = False,
    progress: SweepProgress | None = None,
) -> "pd.DataFrame":
    """Run a sweep.

    Parameters
    ----------
    file
        A sweep file, or the name of a bundled sweep.
    jobs
        Processes of this machine.
    output
        Folder that keeps what was found; absent: nothing is kept.
    resume
        Go on with what the folder holds already.
    limit
        Most points to compute now.
    dask
        Address of a Dask scheduler that computes the points instead of this machine.
    repair
        Drop damaged rows of the folder's store first, and compute their points again.
    progress
        Told about every point.

    Returns
    -------
    DataFrame
        One row per point, in order: ``point``, ``design``, ``workload``, ``seed``, one column per
        axis, the metrics of :mod:`pimsim.dse.metrics`, ``feasible`` (``None`` where a metric is
        missing) and ``error``. It does not depend on ``jobs``, ``dask`` or interruptions.

    Raises
    ------
    InputError
        If the file, a name, an argument or the folder is wrong, or files are changed while the
        sweep runs. A design that fails is a row with an error instead.
    MissingExtraError
        If the sampler or ``dask`` needs a package that is not installed.
    """
    asked = load_sweep(file)
    if limit is not None and limit < 1:
        raise InputError(f"limit must be 1 or more, got {limit}")
    folder = None if output is None else _folder(Path(output), asked, resume=resume or repair)
    if folder is not None:
        _copy(sweep_path(file), folder / COPY)
    executor = _executor(jobs, dask)
    try:
        with Store(folder) as store:
            if repair:
                store.repair()
            running = _Running(asked, store, executor, progress, limit)
            try:
                running.run()
            finally:
                frame = running.frame()
                if folder is not None:
                    write(frame, asked, folder)
    finally:
        if isinstance(executor, executors.Cluster):
            executor.close()
    return frame


def _executor(jobs: int, dask: str | None) -> executors.Executor:
    if dask is not None:
        return executors.Cluster(dask)
    return executors.InProcess() if jobs == 1 else executors.Processes(jobs)


def _folder(folder: Path, asked: Sweep, *, resume: bool) -> Path:
    """Make the folder of a sweep, or check that it is one to go on with."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; give a folder")
    described = folder / DESCRIPTION
    if described.exists():
        name = _name_in(described)
        if name != asked.file.name:
            raise OutputError(
                f"{folder}: holds the sweep {name!r}, not {asked.file.name!r}; give another "
                "--output"
            )
        if not resume:
            raise OutputError(
                f"{folder}: holds results of this sweep; add --resume to go on with them, or give "
                "another --output"
            )
    elif folder.exists() and _holds_other(folder, resume=resume):
        raise OutputError(f"{folder}: is not empty and holds no sweep; give another --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
    description = {
        "pimsim_version": VERSION,
        "name": asked.file.name,
        "description": asked.file.description,
        "architecture": asked.file.architecture,
        "axes": [axis.name for axis in asked.axes],
        "objectives": asked.file.objectives,
        "constraints": {
            name: bounds.model_dump(exclude_none=True)
            for name, bounds in asked.file.constraints.items()
        },
    }
    temporary = _temporary(described)
    temporary.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    temporary.replace(described)
    return folder


def _name_in(described: Path) -> object:
    """Name of the sweep that a folder's description tells."""
    try:
        return json.loads(described.read_text(encoding="utf-8"))["name"]
    except (ValueError, LookupError, TypeError):
        raise OutputError(
            f"{described}: is not what pimsim wrote; remove it and add --resume to go on with the "
            "results beside it, or give another --output"
        ) from None


def _holds_other(folder: Path, *, resume: bool) -> bool:
    """Whether a folder without a description holds something that is not a sweep's to go on."""
    if resume and (folder / FILE).exists():
        return False
    return any(entry.suffix != ".tmp" for entry in folder.iterdir())


def _copy(source: Path, target: Path) -> None:
    """Copy a sweep file in one step; it may be the copy of an earlier run."""
    temporary = _temporary(target)
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def _temporary(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_suffix(f"{path.suffix}.{os.getpid()}.tmp")


@dataclass(slots=True)
class _Running:
    """One run of a sweep."""

    asked: Sweep
    store: Store
    executor: executors.Executor
    progress: SweepProgress | None
    limit: int | None
    points: list[Point] = field(default_factory=list)
    found: dict[int, Outcome] = field(default_factory=dict)
    computed: int = 0

    def run(self) -> None:
        """Compute every point that is not known yet, as far as the limit allows."""
        if self.progress is not None:
            self.progress.start(count_of(self.asked), 0)
        if self.asked.file.sampler.model == "nsga2":
            self._search()
        else:
            self._batch(designs(self.asked))

    def _search(self) -> None:
        search = Search(self.asked)
        for _ in range(self.asked.file.sampler.generations or 0):
            chosen = search.ask()
            self._batch(chosen)
            if self._at_limit:
                return
            search.tell([self._of_design(design) for design in chosen])

    @property
    def _at_limit(self) -> bool:
        return self.limit is not None and self.computed >= self.limit

    def _of_design(self, design: Design) -> Mapping[str, float] | None:
        """Metrics of a design, mean over its workloads and seeds; ``None`` if one is missing."""
        file = self.asked.file
        needed = {*file.objectives, *file.constraints}
        rows = [self.found[point.number].row for point in self.points if point.design == design]
        means = {}
        for name in needed:
            values = [None if row is None else row.get(name) for row in rows]
            present = [value for value in values if value is not None]
            if len(present) < len(values):
                return None
            means[name] = sum(present) / len(present)
        return means

    def _batch(self, chosen: Sequence[Design]) -> None:
        points = points_of(self.asked, chosen, first=len(self.points))
        self.points += points
        keyed: dict[str, list[Point]] = {}
        tasks: dict[str, Task] = {}
        for point in points:
            task = self._task(point)
            try:
                key = key_of(task)
            except PimsimError as error:
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                self._note([point], Outcome(None, reason, 0.0))
                continue
            keyed.setdefault(key, []).append(point)
            tasks[key] = replace(task, key=key)
        for key, outcome in self.store.get(keyed).items():
            self._note(keyed[key], outcome)
            del tasks[key]
        for key, outcome in self._compute(tasks):
            self._note(keyed[key], outcome)

    def _compute(self, tasks: dict[str, Task]) -> Iterator[tuple[str, Outcome]]:
        """Compute what nobody else does, then wait for what others compute."""
        while tasks:
            room = len(tasks) if self.limit is None else self.limit - self.computed
            claimed = ((key, task) for key, task in tasks.items() if self.store.claim(key))
            mine = list(itertools.islice(claimed, room))
            for key, outcome in self.executor.outcomes(mine):
                self.store.put(key, outcome)
                self.computed += 1
                del tasks[key]
                yield key, outcome
            for key, outcome in self.store.get(list(tasks)).items():
                del tasks[key]
                yield key, outcome
            if self._at_limit:
                return
            if tasks:
                time.sleep(_POLL_S)

    def _note(self, points: Sequence[Point], outcome: Outcome) -> None:
        for point in points:
            self.found[point.number] = outcome
            if self.progress is not None:
                self.progress.advance(outcome)

    def _task(self, point: Point) -> Task:
        file = self.asked.file
        run = Run(
            str(workload_path(point.workload)), point.seed, file.samples, file.chips, file.batch,
            file.seq, file.phase, file.context,
        )  # fmt: skip
        overrides = (*self.asked.fixed, *point.design.overrides)
        return Task(str(self.asked.architecture_path), overrides, run)

    def frame(self) -> "pd.DataFrame":
        """Everything found so far, in the order of the points."""
        import pandas as pd

        rows = []
        for point in self.points:
            outcome = self.found.get(point.number)
            if outcome is not None:
                rows.append({
                    **point.labels(self.asked.axes), **(outcome.row or {}),
                    "feasible": self._feasible(outcome.row), "error": outcome.error,
                })  # fmt: skip
        first = ["point", "design", "workload", "seed", *(axis.name for axis in self.asked.axes)]
        parts = sorted({name for row in rows for name in row if "." in name} - set(first))
        columns = [*first, *HEADLINES, *parts, "feasible", "error"]
        return pd.DataFrame(rows, columns=pd.Index(columns))

    def _feasible(self, row: Mapping[str, Any] | None) -> bool | None:
        if row is None:
            return None
        for name, bounds in self.asked.file.constraints.items():
            value = row.get(name)
            if value is None:
                return None
            low = bounds.min is not None and value < bounds.min
            if low or (bounds.max is not None and value > bounds.max):
                return False
        return True


def write(frame: "pd.DataFrame", asked: Sweep, folder: Path) -> None:
    """Write the frame as CSV and Parquet, each in one step."""
    shown = frame.copy()
    for axis in asked.axes:
        if shown[axis.name].map(type).nunique() > 1:  # Parquet holds one type per column
            shown[axis.name] = shown[axis.name].map(str)
    for suffix in ("csv", "parquet"):
        path = folder / f"{FRAME}.{suffix}"
        temporary = _temporary(path)
        if suffix == "csv":
            shown.to_csv(temporary, index=False)
        else:
            shown.to_parquet(temporary, index=False)
        temporary.replace(path)
