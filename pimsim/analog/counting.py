"""The counting path: cells that are equal, or cannot change a code.

Which question this module answers: *how does the counting kernel get its operands, and how do its
tallies become counts?*
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.coding import readout
from pimsim.analog.converter_tables import CountTables
from pimsim.analog.drives import Drive, Tally

CONVERSIONS_MAX: Final = 1 << 32
"""Conversions per call of the kernel, so that its tallies fit 32 bits."""

_SUM_MAX: Final = (1 << 31) - 1


def by_counts(
    block: Block,
    counted: CountTables,
    drive: Drive,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by counting common ones; add into ``out`` (vectors, cols of the block).

    Parameters
    ----------
    block, counted
        Cells, and converters by count.
    drive
        Input vectors.
    stored
        Contents written at run time, (slices, matrices, rows, cols); ``None``: the block's own.
    key
        Key of the read noise.
    """
    import numba

    from pimsim.analog import kernels_counts as kernels

    macro, merge, lanes = block.product.macro, readout(block.product.macro), block.lanes
    active, threads = macro.crossbar.active_rows, numba.get_num_threads()
    cells = block.bits if stored is None else lanes.pack(stored, active)
    inputs, kept = drive.bits(active), drive.kept_by_vector
    mode, top = kernel_mode(counted)
    pairs = counted.counts - 2 <= 8 * kernels.PIECE_BYTES
    seen = np.zeros((threads, kernels.PAIRS if pairs else counted.counts), np.uint32)
    place = np.array([lanes.width, block.cols.start, block.product.cols, block.first_group,
                      block.product.places.groups], np.int64)  # fmt: skip
    flush = _SUM_MAX // max(1, int(np.abs(block.tables.outcomes.astype(np.int64)).max()))
    histogram = np.zeros(counted.counts - 1, np.int64)
    saturated = 0
    reads_max = max(
        1, CONVERSIONS_MAX // (inputs[:1].shape[1] * block.groups * lanes.rows.shape[1])
    )
    for jobs in lanes.jobs(
        drive.matrices, drive.vectors_per_matrix, threads=threads, reads_max=reads_max
    ):
        seen[:] = 0
        saturated += int(
            kernels.count_and_convert(
                inputs, cells, kept, jobs, drive.row_ids, merge.plane_weights,
                merge.slice_weights, lanes.rows, lanes.pads, place, mode, np.uint16(top),
                counted.entries, counted.counts, counted.head_bits, counted.first,
                counted.reached, block.tables.outcomes, flush, np.uint64(key), out, seen,
            )
        )  # fmt: skip
        histogram += _singles(seen, counted.counts - 1) if pairs else seen.sum(0, np.int64)[:-1]
        if pairs:
            reads = _reads(jobs, kept, inputs.shape)
            histogram[0] -= int((lanes.pads.sum(axis=1)[jobs[:, 1]] * reads).sum())
    if mode == kernels.CLIP:
        saturated = int(histogram @ (counted.entries[:-1] & 1))
    return Tally(histogram, saturated)


def kernel_mode(counted: CountTables) -> tuple[int, int]:
    """How the kernel is to convert, and the top code where it clips."""
    from pimsim.analog import kernels_counts as kernels

    if counted.head_bits:
        return kernels.DRAW, 0
    top = counted.clips_at
    return (kernels.TABLE, 0) if top is None else (kernels.CLIP, top)


def _reads(
    jobs: NDArray[np.int64], kept: NDArray[np.bool_], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Reads of each job."""
    if not kept.size:
        return (jobs[:, 3] - jobs[:, 2]) * (shape[1] * shape[2])
    running = np.concatenate([[0], np.cumsum(kept.sum(axis=(1, 2)))])
    reads: NDArray[np.int64] = running[jobs[:, 3]] - running[jobs[:, 2]]
    return reads


def _singles(pairs: NDArray[np.uint32], counts: int) -> NDArray[np.int64]:
    """Turn numbers of pairs of counts into numbers of counts."""
    table = pairs.sum(axis=0, dtype=np.int64).reshape(256, 256)
    singles: NDArray[np.int64] = (table.sum(axis=0) + table.sum(axis=1))[:counts]
    return singles
