"""Which rows of a sweep's frame are worth a second look.

Which question this module answers: *which designs of this frame does nothing beat, and which of
them is the best compromise?*

Workloads and seeds are judged apart: a design may be good for one workload and bad for another.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pimsim.dse.pareto import Direction, front, knee

if TYPE_CHECKING:
    import pandas as pd


class Judged(Protocol):
    """What says how designs are judged: a loaded sweep file, or the record of a sweep."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """Metric → direction."""
        ...

    @property
    def seeds(self) -> Sequence[int]:
        """Of every design, the first one first."""
        ...


def on_front(frame: "pd.DataFrame", asked: Judged) -> NDArray[np.bool_]:
    """Mark the rows on the Pareto front of the objectives, of each workload and seed apart.

    Rows that failed, miss an objective or break a constraint are never on it.

    Parameters
    ----------
    frame
        From :func:`pimsim.sweep`, or of a :class:`pimsim.dse.record.SweepRecord`.
    asked
        The sweep that it came from, or its record.
    """
    marks = np.zeros(len(frame), np.bool_)
    if not len(frame) or not asked.objectives:
        return marks
    values, directions = judged_values(frame, asked)
    for rows in frame.groupby(["workload", "seed"], sort=False).indices.values():
        marks[rows] = front(values[rows], directions)
    return marks


def knees(frame: "pd.DataFrame", asked: Judged) -> dict[str, int]:
    """Row of the knee of each workload's front, with the first seed.

    Parameters
    ----------
    frame, asked
        As for :func:`on_front`.

    Returns
    -------
    dict
        Workload → place of the row in the frame, from 0. Workloads without a front are left out.

    See Also
    --------
    pimsim.dse.pareto.knee : what the knee is.
    """
    found: dict[str, int] = {}
    if not len(frame) or not asked.objectives:
        return found
    values, directions = judged_values(frame, asked)
    first = frame["seed"].to_numpy() == asked.seeds[0]
    for workload, rows in frame.groupby("workload", sort=False).indices.items():
        own = rows[first[rows]]
        place = knee(values[own], directions)
        if place is not None:
            found[str(workload)] = int(own[place])
    return found


def judged_values(
    frame: "pd.DataFrame", asked: Judged
) -> tuple[NDArray[np.float64], tuple[Direction, ...]]:
    """Objectives of each row, NaN where it cannot be judged, and their directions."""
    objectives = asked.objectives
    values = frame[list(objectives)].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[frame["feasible"].to_numpy() != True] = np.nan  # noqa: E712  (None is not True either)
    return values, tuple(objectives.values())
