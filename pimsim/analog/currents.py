"""The path of matrix products: any cell, any coding, any converter.

Which question this module answers: *how do column sums come out of exact products?*
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.coding import Readout, sum_range
from pimsim.analog.conversion import Conversion
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.packing import Packing

CHUNK_ELEMENTS: Final = 1 << 22
"""Column sums held at once; results do not depend on it."""


def by_currents(
    block: Block,
    drive: Drive,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by adding currents; add into ``out`` (vectors, cols of the block).

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
    active = block.product.macro.crossbar.active_rows
    packing = Packing.of(block)
    conversion = Conversion.of(block, packing, key)
    loads, saturations = Tally.empty(block.product.macro).histogram, 0
    lowest, highest = sum_range(block.product.macro)
    by_sum = np.zeros(highest - lowest + 1, np.int64)
    per_vector = len(packing.merge.planes) * len(packing.merge.slices) * block.width
    for matrices, vectors in chunks_of(drive, per_vector):
        digits, deviations = contents_of(block, drive, stored, matrices)
        for group in range(block.groups):
            rows = slice(group * active, min((group + 1) * active, block.height))
            own = digits[:, :, rows]
            cells = packing.cells(own, None if deviations is None else deviations[:, :, rows])
            driven = drive.digits[:, vectors, rows]
            kept = _kept_conversions(drive, packing.merge, vectors, group)
            saturations += conversion.convert(
                packing.sums(driven, cells), kept, drive.row_ids[vectors], group=group,
                out=out[vectors], by_sum=by_sum,
            )  # fmt: skip
            if any(packing.mixes):
                found = packing.loads(driven, own, kept)
                loads += np.bincount(found, minlength=len(loads))
    return Tally(loads if any(packing.mixes) else by_sum, saturations)


def chunks_of(drive: Drive, per_vector: int) -> Iterator[tuple[slice, slice]]:
    """Cut the work: whole matrices, or parts of the vectors of one: (matrices, vectors)."""
    most, each = max(1, CHUNK_ELEMENTS // per_vector), drive.vectors_per_matrix
    if each == 0:
        return
    together = max(1, most // each)
    for matrix in range(0, drive.matrices, together):
        last = min(matrix + together, drive.matrices)
        step = most if together == 1 else (last - matrix) * each
        for first in range(matrix * each, last * each, step):
            yield slice(matrix, last), slice(first, min(first + step, last * each))


def contents_of(
    block: Block, drive: Drive, stored: NDArray[np.uint8] | None, matrices: slice
) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """Digits and deviations of some matrices, (slices, matrices, rows, cols) each."""
    if stored is None:
        deviations = block.deviations
        return block.contents[:, None], None if deviations is None else deviations[:, None]
    digits = stored[:, matrices]
    if block.deviations is None:
        return digits, None
    first, last = (drive.first_matrix + end for end in (matrices.start, matrices.stop))
    instances = np.arange(first, last) % block.deviations.shape[1]
    own = np.moveaxis(block.deviations[:, instances], 1, 2)
    if len(own) == 2:
        return digits, np.where(digits == 1, own[1], own[0])
    return digits, np.take_along_axis(own, digits[None].astype(np.intp), axis=0)[0]


def _kept_conversions(
    drive: Drive, merge: Readout, vectors: slice, group: int
) -> NDArray[np.bool_] | None:
    """(vectors, plane conversions): those of which some read takes place."""
    if drive.kept is None:
        return None
    reads = drive.kept[:, vectors, group]
    return np.stack([reads[row != 0].any(axis=0) for row in merge.planes], axis=1)
