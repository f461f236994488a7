"""Pareto fronts: the designs that nothing beats in everything.

Which question this module answers: *which of these designs are worth a second look?*

One design dominates another if it is no worse in any objective and better in one. Designs with a
missing objective (a failed point) neither dominate nor stand on the front.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

Direction = Literal["minimize", "maximize"]


def front(
    values: Float[np.ndarray, "designs objectives"], directions: tuple[Direction, ...]
) -> Bool[np.ndarray, " designs"]:
    """Say which designs are dominated by none.

    Parameters
    ----------
    values
        Objectives of each design; NaN where one is missing.
    directions
        Of each objective.

    Returns
    -------
    NDArray
        True on the front. Equal designs are on it together.

    Raises
    ------
    ValueError
        If there is not one direction for each column.

    Notes
    -----
    Designs are sorted by the first objective; each is compared with those of the front so far, so
    that the work grows with designs times front.

    Examples
    --------
    >>> front(np.array([[1.0, 5.0], [2.0, 2.0], [3.0, 3.0]]), ("minimize", "minimize")).tolist()
    [True, True, False]
    """
    costs = _as_costs(values, directions)
    on_front = np.zeros(len(costs), np.bool_)
    complete = np.flatnonzero(~np.isnan(costs).any(axis=1))
    order = complete[np.lexsort(costs[complete].T[::-1])]
    kept: list[int] = []
    for index in order:
        best = costs[kept]
        no_worse = (best <= costs[index]).all(axis=1)
        if not (no_worse & (best < costs[index]).any(axis=1)).any():
            kept.append(int(index))
    on_front[kept] = True
    return on_front


def knee(
    values: Float[np.ndarray, "designs objectives"], directions: tuple[Direction, ...]
) -> int | None:
    """The design of the front that is nearest to the best of every objective at once.

    Each objective of the front is scaled to 0 (its best) to 1 (its worst); the knee has the least
    Euclidean distance from the origin, the first of them if several do. An infinite value, such as
    a signal-to-noise ratio without noise, counts as the best or the worst.

    Parameters
    ----------
    values, directions
        As for :func:`front`.

    Returns
    -------
    int or None
        Index of the design; ``None`` without any complete design.

    Examples
    --------
    >>> knee(np.array([[1.0, 9.0], [2.0, 2.0], [9.0, 1.0]]), ("minimize", "minimize"))
    1
    """
    best = np.flatnonzero(front(values, directions))
    if not best.size:
        return None
    costs = _as_costs(values, directions)[best]
    finite = np.isfinite(costs)
    low = np.where(finite, costs, np.inf).min(axis=0)
    high = np.where(finite, costs, -np.inf).max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    known = np.where(finite, costs - np.where(np.isfinite(low), low, 0.0), 0.0) / span
    scaled = np.where(finite, known, np.where(costs > 0, 1.0, 0.0))
    return int(best[int(np.argmin((scaled**2).sum(axis=1)))])


def _as_costs(
    values: NDArray[np.float64], directions: tuple[Direction, ...]
) -> NDArray[np.float64]:
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise ValueError(
            f"values of shape {values.shape} need one direction for each column, got "
            f"{len(directions)}"
        )
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    costs: NDArray[np.float64] = np.asarray(values, np.float64) * signs
    return costs
