"""Which way a block computes its part of a product.

Which question this module answers: *which of the equal ways to the same integers is the fastest?*

========== ============================================== ======================================
path       where it applies                               what it does
========== ============================================== ======================================
integers   at most eight rows, no code can be wrong       the integer product
counts     equal cells, or cells that provably cannot     counts common ones, looks up the code
           change a code; one bit per cell and cycle
patterns   at most eight rows, one bit, enough reads      looks up the codes of all slices at once
adding     inputs are bits, sums fit 32 bits              adds driven rows, then finds the code
currents   everything                                     matrix products, then finds the code
========== ============================================== ======================================

Reads that are packed take the paths of :mod:`pimsim.analog.packed_paths` instead.

They agree bit for bit, noise and counts included. Without compiled kernels only the first and the
last are open.
"""

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.adding import by_adding, can_add
from pimsim.analog.blocks import Block
from pimsim.analog.counting import by_counts
from pimsim.analog.currents import by_currents
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.lossless import by_integers, is_lossless
from pimsim.analog.packed_paths import by_packed_reads
from pimsim.analog.patterns import by_patterns, pattern_table
from pimsim.analog.runtime import compiled_kernels


def may_err(block: Block) -> bool:
    """Whether some code may miss its count; where none may, the product is the integer product."""
    return not is_lossless(block) and (block.screen is None or block.screen.bounds.size > 0)


def multiply(
    block: Block,
    drive: Drive,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by the fastest path; add into ``out`` (vectors, cols of the block).

    Parameters
    ----------
    block
        Cells and converters.
    drive
        Input vectors.
    stored
        Contents written at run time, (slices, matrices, rows, cols); ``None``: the block's own.
    key
        Key of the read noise.
    """
    if drive.packed is not None:
        return by_packed_reads(block, drive, drive.packed, stored, key=key, out=out)
    if block.counted is not None and is_lossless(block):
        return by_integers(block, block.counted, drive, stored, out)
    if not compiled_kernels():
        return by_currents(block, drive, stored, key=key, out=out)
    if block.counted is not None:
        return by_counts(block, block.counted, drive, stored, key=key, out=out)
    table = pattern_table(block, drive.vectors) if stored is None else None
    if table is not None:
        return by_patterns(block, table, drive, key=key, out=out)
    path = by_adding if can_add(block) else by_currents
    return path(block, drive, stored, key=key, out=out)
