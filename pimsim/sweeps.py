"""Sweeps as a user calls them: explore, then keep the best compromises as whole results.

Which question this module answers: *which of these designs should I build, and what is there to
know of it?*

:mod:`pimsim.dse` explores, :mod:`pimsim.report` writes results; what needs both stands here.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.dse.folder import KNEE_FOLDER, note, noted
from pimsim.dse.knees import knees_of, why_none
from pimsim.dse.running import SweepProgress
from pimsim.dse.sweeping import Explored, explore
from pimsim.errors import PimsimError

if TYPE_CHECKING:
    import pandas as pd


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
    """Run every design of a sweep file.

    Parameters
    ----------
    file, jobs, output, resume, limit, dask, repair, progress
        As for :func:`pimsim.dse.sweeping.explore`. With ``output``, the folder also gets the whole
        result of each workload's knee design once every point has ended.

    Returns
    -------
    DataFrame
        One row per point, as :func:`pimsim.dse.sweeping.explore` describes it.

    Raises
    ------
    InputError
        If the file, a name, an argument or the folder is wrong, or files are changed while the
        sweep runs. A design that fails is a row with an error instead.
    MissingExtraError
        If the sampler or ``dask`` needs a package that is not installed.
    """
    explored = explore(
        file, jobs=jobs, output=output, resume=resume, limit=limit, dask=dask, repair=repair,
        progress=progress,
    )  # fmt: skip
    keep_knees(explored)
    return explored.frame


def keep_knees(explored: Explored) -> dict[str, str]:
    """Write the knee designs of a complete sweep into its folder, as results.

    ``sweep.json`` tells which points they are, and why a workload has none. Those that are there
    already stay. An incomplete sweep, or one that is not kept, has none, nor has one whose knee
    fails where points do not: all cost variants are part of a whole result.

    Returns
    -------
    dict
        Workload → why it has no knee.
    """
    from pimsim.report import write

    asked, frame, folder = explored.asked, explored.frame, explored.folder
    if folder is None or not explored.complete:
        return {}
    before, kept, refused = noted(folder, "knees") or {}, {}, {}
    for knee in knees_of(asked, frame):
        place = f"{KNEE_FOLDER}/{knee.name}"
        about = {"point": knee.point, "folder": place, "key": knee.key}
        if before.get(knee.workload) != about or not _holds_result(folder / place):
            try:
                result = knee.result()
            except PimsimError as error:  # such as a cost variant that no point is judged by
                reason = " ".join(str(error).split())
                refused[knee.workload] = f"point {knee.point} has no whole result: {reason}"
                continue
            write(result, folder / place)
        kept[knee.workload] = about
    missing = {
        workload: refused.get(workload) or why_none(asked, frame, workload)
        for workload in asked.file.workloads
        if workload not in kept
    }
    note(folder, knees=kept, without_knee=missing)
    return missing


def _holds_result(folder: Path) -> bool:
    return (folder / "result.json").is_file()
