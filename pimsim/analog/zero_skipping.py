"""Which reads a controller spends on a bit-vector of inputs.

Which question this module answers: *how many reads does one input bit-plane take?*
"""

import numpy as np
from jaxtyping import Bool, Int

from pimsim.errors import ModelRangeError, NotFoundError, nearest
from pimsim.registry import ZERO_SKIPPING


def dense_read_cycles(rows: int, *, active_rows: int) -> int:
    """Reads of one bit-plane when nothing is skipped: one per group of ``active_rows`` rows.

    Examples
    --------
    >>> dense_read_cycles(1024, active_rows=8)
    128
    """
    if not active_rows >= 1:
        raise ModelRangeError(f"active_rows must be 1 or more, got {active_rows}")
    return -(-rows // active_rows)


def read_cycles(
    bits: Bool[np.ndarray, "vectors rows"], *, scheme: str = "none", active_rows: int
) -> Int[np.ndarray, " vectors"]:
    """Count the reads of each bit-vector under a zero-skipping scheme.

    Parameters
    ----------
    bits
        One input bit per word line, shape (vectors, rows).
    scheme
        Name in :data:`pimsim.registry.ZERO_SKIPPING`.
    active_rows
        Most word lines per read.

    Raises
    ------
    NotFoundError
        If no scheme has this name.

    Examples
    --------
    >>> read_cycles(np.zeros((2, 64), bool), active_rows=8).tolist()
    [8, 8]
    """
    if scheme not in ZERO_SKIPPING:
        raise NotFoundError(
            f"unknown zero-skipping scheme {scheme!r}{nearest(scheme, ZERO_SKIPPING)}"
        )
    cycles = ZERO_SKIPPING[scheme](bits.shape[1], active_rows=active_rows)
    return np.full(len(bits), cycles, np.int64)
