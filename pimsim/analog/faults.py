"""Stuck cells.

Which question this module answers: *which cells of this chip do not take what is written?*

A stuck cell carries exactly the off or the on current of the operating point. Every cell is stuck
independently. Not modelled: failed rows and columns, clusters, cells that get stuck with use,
repair by spare lines.
"""

import numpy as np
from numpy.typing import NDArray

from pimsim.config.cells import Faults


def stuck_levels(
    faults: Faults | None, top: int, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.int8] | None:
    """Draw which cells are stuck, and at which digit.

    Parameters
    ----------
    faults
        Probabilities; ``None``: nothing is drawn.
    top
        Highest digit of a cell, ``2**bits - 1``.
    shape
        Shape of the array of cells.
    generator
        Source of the draws.

    Returns
    -------
    NDArray or None
        Per cell: -1 works, else the digit at which it is stuck, 0 or ``top``; ``None`` without
        faults.

    Examples
    --------
    >>> stuck_levels(Faults(stuck_at_one_ratio=1.0), 3, (2,), np.random.default_rng(0))
    array([3, 3], dtype=int8)
    """
    if faults is None:
        return None
    uniform = generator.random(shape)
    stuck = np.full(shape, -1, np.int8)
    stuck[uniform < faults.stuck_at_zero_ratio] = 0
    stuck[uniform >= 1.0 - faults.stuck_at_one_ratio] = top
    return stuck
