"""A sweep from its file to its frame.

Which question this module answers: *what came out of all these designs?*
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pimsim.dse import executors
from pimsim.dse.folder import note, prepare, write_frame
from pimsim.dse.pace import Tally
from pimsim.dse.points import count_of
from pimsim.dse.running import Running, SweepProgress
from pimsim.dse.store import Store
from pimsim.dse.sweep_file import Sweep, load_sweep
from pimsim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Explored:
    """What a sweep found."""

    asked: Sweep
    frame: "pd.DataFrame"
    """One row per point that has ended, in order; see :func:`explore`."""
    folder: Path | None
    """Where it is kept."""
    complete: bool
    """Whether every point has ended."""
    tally: Tally
    """What was computed now, and what was used again."""


def explore(
    file: str | os.PathLike[str],
    *,
    jobs: int = 1,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    limit: int | None = None,
    dask: str | None = None,
    repair: bool = False,
    progress: SweepProgress | None = None,
) -> Explored:
    """Run the points of a sweep.

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
    Explored
        Its frame has one row per point, in order: ``point``, ``design``, ``workload``, ``seed``,
        one column per axis, the metrics of :mod:`pimsim.dse.metrics`, ``feasible`` (``None`` where
        a metric is missing), ``error``, and ``overrides``: a JSON list of ``PATH=VALUE``, all that
        the design changes of the architecture file. It does not depend on ``jobs``, ``dask`` or
        interruptions.

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
    executor = _executor(jobs, dask)
    try:
        folder = None
        if output is not None:
            folder = prepare(Path(output), asked, file, resume=resume or repair)
        with Store(folder) as store:
            if repair:
                store.repair()
            running = Running(asked, store, executor, progress, limit)
            if folder is not None:
                running.refresh = partial(_write, running, folder)
            try:
                running.run()
            finally:
                running.refresh()
    finally:
        if isinstance(executor, executors.Cluster):
            executor.close()
    frame = running.frame()
    return Explored(asked, frame, folder, len(frame) == count_of(asked), running.tally)


def _write(running: Running, folder: Path) -> None:
    """Write the frame as it is now."""
    frame = running.frame()
    write_frame(frame, running.asked, folder)
    note(folder, complete=len(frame) == count_of(running.asked))


def sweep(file: str | os.PathLike[str], **options: Any) -> "pd.DataFrame":
    """Frame of :func:`explore`, which takes the same options."""
    return explore(file, **options).frame


def _executor(jobs: int, dask: str | None) -> executors.Executor:
    if dask is not None:
        return executors.Cluster(dask)
    return executors.InProcess() if jobs == 1 else executors.Processes(jobs)
