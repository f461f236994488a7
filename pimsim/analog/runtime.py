"""How the kernels run: compiled or not, and on how many threads.

Which question this module answers: *is this process able to run compiled kernels, and how many
threads do they take?*
"""

import logging
from functools import cache
from typing import Any

from pimsim.errors import ModelRangeError

_log = logging.getLogger("pimsim.analog")


@cache
def compiled_kernels() -> bool:
    """Whether kernels are compiled; says so once where they are not."""
    from pimsim.analog import kernels  # numba takes a second to import

    if not kernels.COMPILED:
        _log.warning(
            "analog kernels run uncompiled, some thirty times slower: %s", kernels.WHY_NOT_COMPILED
        )
    return kernels.COMPILED


def set_threads(threads: int) -> int:
    """Set how many threads the compiled kernels of this process take; returns the number before.

    Results do not depend on it.

    Raises
    ------
    ModelRangeError
        If there are not as many, or less than one is asked for.

    Notes
    -----
    ``NUMBA_NUM_THREADS`` bounds it from the outside. Matrix products belong to NumPy's BLAS, which
    reads ``OPENBLAS_NUM_THREADS`` (or its own variable) when the process starts.
    """
    import numba

    config: Any = numba.config  # its names are made at run time
    before, most = numba.get_num_threads(), int(config.NUMBA_NUM_THREADS)
    if not 1 <= threads <= most:
        raise ModelRangeError(f"threads must be 1 to {most} here, got {threads}")
    numba.set_num_threads(threads)
    return int(before)
