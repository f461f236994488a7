"""Which rows of a sweep's frame are worth a second look.

Which question this module answers: *which designs of this frame does nothing beat?*
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pimsim.dse.pareto import front
from pimsim.dse.sweep_file import Sweep

if TYPE_CHECKING:
    import pandas as pd


def on_front(frame: "pd.DataFrame", asked: Sweep) -> NDArray[np.bool_]:
    """Mark the rows on the Pareto front of the objectives, of each workload and seed apart.

    Rows that failed, miss an objective or break a constraint are never on it.

    Parameters
    ----------
    frame
        From :func:`pimsim.dse.sweeping.sweep`.
    asked
        The sweep that it came from.
    """
    marks = np.zeros(len(frame), np.bool_)
    objectives = asked.file.objectives
    if not len(frame) or not objectives:
        return marks
    values = frame[list(objectives)].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[frame["feasible"].to_numpy() != True] = np.nan  # noqa: E712  (None is not True either)
    for rows in frame.groupby(["workload", "seed"], sort=False).indices.values():
        marks[rows] = front(values[rows], tuple(objectives.values()))
    return marks
