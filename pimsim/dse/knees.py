"""Whole results of the designs that a sweep recommends.

Which question this module answers: *what is there to know of the best compromise, beyond its row?*

A frame has headlines only. The knee design of each workload is run once more, with everything that
a result has: timeline, sources, every cost variant, and what GPUs do.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.dse.judging import knees
from pimsim.dse.sweep_file import Sweep
from pimsim.dse.task import identified, run_whole, task_of

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.dse.task import Task
    from pimsim.records import Result


@dataclass(frozen=True, slots=True)
class Knee:
    """The knee design of one workload."""

    workload: str
    """As the sweep file names it."""
    name: str
    """Of the workload, made fit for a folder."""
    point: int
    key: str
    """Hash of everything that its result depends on."""
    task: "Task"

    def result(self) -> "Result":
        """Run it, compared with GPUs; another chip would take as long as points of the sweep."""
        return run_whole(self.task)


def knees_of(asked: Sweep, frame: "pd.DataFrame") -> Iterator[Knee]:
    """The knee of each workload that has one, with the first seed of the sweep.

    Parameters
    ----------
    asked
        The sweep.
    frame
        Of all its points.
    """
    names = folder_names(asked.file.workloads)
    for workload, place in knees(frame, asked).items():
        row = frame.iloc[place]
        task = task_of(asked, workload, int(row["seed"]), tuple(json.loads(row["overrides"])))
        key = identified(task).key or ""
        yield Knee(workload, names[workload], int(row["point"]), key, task)


def why_none(asked: Sweep, frame: "pd.DataFrame", workload: str) -> str:
    """Why a workload has no knee, in words.

    Parameters
    ----------
    asked, frame
        As for :func:`knees_of`.
    workload
        As the sweep file names it.
    """
    if not asked.objectives:
        return "the sweep has no objectives"
    own = frame[(frame["workload"] == workload) & (frame["seed"] == asked.seeds[0])]
    if own["error"].notna().all():
        return "all its points failed"
    left = own[own["error"].isna()]
    for name in asked.objectives:
        if left[name].isna().all():
            return f"no point of it has a value of {name}"
    broken = "; ".join(_never_kept(asked, left))
    return f"no point of it has all objectives and keeps the constraints{broken and f' ({broken})'}"


def _never_kept(asked: Sweep, points: "pd.DataFrame") -> Iterator[str]:
    """Constraints that no point keeps, and how near one comes."""
    for name, bounds in asked.file.constraints.items():
        found = points[name].dropna()
        if found.empty:
            continue
        if bounds.min is not None and (found < bounds.min).all():
            yield f"{name} is never {bounds.min:g} or more, at most {found.max():.4g}"
        if bounds.max is not None and (found > bounds.max).all():
            yield f"{name} is never {bounds.max:g} or less, at least {found.min():.4g}"


def folder_names(workloads: list[str]) -> Mapping[str, str]:
    """Workload as the file names it → name of a folder; no two are the same.

    Examples
    --------
    >>> folder_names(["vit_digits", "mine/vit_digits"])
    {'vit_digits': 'vit_digits', 'mine/vit_digits': 'vit_digits_2'}
    """
    names: dict[str, str] = {}
    for workload in workloads:
        stem = Path(workload).resolve().name or "workload"
        name, number = stem, 1
        while name in names.values():
            number += 1
            name = f"{stem}_{number}"
        names.setdefault(workload, name)
    return names
