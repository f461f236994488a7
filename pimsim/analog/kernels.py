"""What the compiled kernels share: compilation, the hash, finding a code.

Which question this module answers: *how do kernels draw noise and find codes, whatever the path?*

Column sums are integers of ``2**-12`` LSB and every noise draw is a hash of key and place
(:mod:`pimsim.analog.draws`), so chunking, order and threads cannot matter. Three paths give the
same numbers:

* :mod:`pimsim.analog.kernels_counts`: equal cells; a column sum is a count of common ones.
* :mod:`pimsim.analog.kernels_patterns`: cells that vary, at most eight rows per read.
* :mod:`pimsim.analog.kernels_currents`: everything else; column sums come from matrix products.

Where numba may not compile (``NUMBA_DISABLE_JIT=1``) or has nowhere to keep what it compiled, the
engine takes :mod:`pimsim.analog.numpy_conversion` instead; :data:`COMPILED` says so.
"""

import math
from collections.abc import Callable
from typing import Any, Final, cast

import numba
import numpy as np

from pimsim.analog import draws
from pimsim.analog.cells import CURRENT_ONE

Kernel = Callable[..., Any]

_ONE: Final = np.int64(CURRENT_ONE)
_GOLDEN: Final = np.uint64(draws.GOLDEN)
_MIX_1: Final = np.uint64(draws.MIX_1)
_MIX_2: Final = np.uint64(draws.MIX_2)
_SALT: Final = np.uint64(draws.TAIL_SALT)
_TAIL_BITS: Final = draws.UNIFORM_BITS - draws.HEAD_BITS
_UNIFORMS: Final = float(1 << draws.UNIFORM_BITS)
_HALF_ROOT: Final = math.sqrt(0.5)


def _probe() -> str:
    """Return why kernels cannot be used, or nothing."""
    config: Any = numba.config  # its names are made at run time
    if config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT is set"
    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:
        return "no folder can be written to keep compiled kernels; set NUMBA_CACHE_DIR to one"
    return ""


WHY_NOT_COMPILED: Final = _probe()
COMPILED: Final = not WHY_NOT_COMPILED


def compiled(*, parallel: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile with numba, cached on disk; leave functions alone where that is impossible.

    No fastmath: reordering floating-point sums would make results depend on the processor.
    """

    def decorate(function: Kernel) -> Kernel:
        if not COMPILED:
            return function
        return cast(Kernel, numba.njit(cache=True, nogil=True, parallel=parallel)(function))

    return decorate


@compiled()
def mix(value):
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@compiled()
def row_key_of(key, row):
    """Key of one input row: mixing twice keeps rows and counters from meeting."""
    return mix(mix(np.uint64(key)) + np.uint64(row) * _GOLDEN)


@compiled()
def tail_key_of(row_key):
    """Key of the further bits of one input row's draws."""
    return mix(row_key ^ _SALT)


@compiled()
def head_of(row_key, word):
    """Hash the first bits of four neighbouring columns."""
    return mix(row_key + np.uint64(word) * _GOLDEN)


@compiled()
def draw_heads(row_key, first_word, words):
    """Hash the first bits of ``4 * len(words)`` neighbouring columns."""
    for index in range(words.size):
        words[index] = head_of(row_key, first_word + index)


@compiled()
def whole_draw(head, tail_key, counter):
    """Complete a draw: its first bits, then those of a second hash."""
    tail = mix(tail_key + np.uint64(counter) * _GOLDEN) >> np.uint64(64 - _TAIL_BITS)
    return (np.uint64(head) << np.uint64(_TAIL_BITS)) | tail


@compiled()
def first_draw_reaching(distance, sigma):
    """Smallest draw whose noise is ``distance`` or more, both in ``2**-12`` LSB."""
    if sigma == 0.0:
        return np.uint64(0) if distance <= 0 else np.uint64(_UNIFORMS)
    share = 0.5 * math.erfc(-(distance / sigma) * _HALF_ROOT)
    return np.uint64(np.rint(share * _UNIFORMS))


@compiled()
def interval_of(value, levels, bins, origin, shift):
    """Count the levels (sorted) at or below ``value``, starting from the bin it lies in."""
    place = min(max((value - origin) >> shift, -1) + 1, bins.size - 1)
    interval = np.int64(bins[place])
    while interval < levels.size and levels[interval] <= value:
        interval += 1
    return interval


@compiled()
def noisy_interval(value, sigma, low, high, levels, draw):
    """Interval of ``value`` plus the noise of ``draw``, known to lie from ``low`` to ``high``."""
    interval = low
    while interval < high and first_draw_reaching(levels[interval] - value, sigma) <= draw:
        interval += 1
    return interval
