"""The path of added rows: cells that vary, driven by bits.

Which question this module answers: *how are currents added where a row is either driven or not?*

Half of the rows or more stay out of a read, so adding those that are driven costs less than a
matrix product, which multiplies by the zeros, too.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.coding import plane_digit_max, sum_range
from pimsim.analog.conversion import AddedCells, Conversion
from pimsim.analog.currents import contents_of
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.packing import Packing

LANES_MAX: Final = 512
"""Columns of cells taken at once, so that a row group of them stays in the second cache."""

CELLS_MAX: Final = 1 << 24
"""Packed cells held at once; results do not depend on it."""

_REGISTER_LANES: Final = 64


def can_add(block: Block) -> bool:
    """Whether inputs are bits, conversions see one column sum, and 32 bits hold it."""
    packing = Packing.of(block)
    return (
        not any(packing.mixes)
        and packing.fits_32_bits
        and int(plane_digit_max(block.product.macro).max()) == 1
    )


def by_adding(
    block: Block,
    drive: Drive,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by adding rows; add into ``out`` (vectors, cols of the block).

    Parameters are those of :func:`~pimsim.analog.currents.by_currents`; :func:`can_add` must hold.
    """
    packing, macro = Packing.of(block), block.product.macro
    inputs, kept = np.ascontiguousarray(drive.digits.transpose(1, 0, 2)), drive.kept_by_vector
    lowest, highest = sum_range(macro)
    by_sum, saturations = np.zeros(highest - lowest + 1, np.int64), 0
    for matrices, vectors, cols in steps(block, drive):
        digits, deviations = contents_of(block, drive, stored, matrices)
        conversion = Conversion.of(block, packing, key, cols)
        missing = None if deviations is None else deviations[..., cols]
        added = AddedCells(
            inputs[vectors], packed_cells(digits[..., cols], missing, packing.bits), kept[vectors]
        )
        part = np.zeros((vectors.stop - vectors.start, cols.stop - cols.start), np.int64)
        saturations += conversion.add_and_convert(
            added, drive.row_ids[vectors], out=part, by_sum=by_sum
        )
        out[vectors, cols] += part
    return Tally(by_sum, saturations)


def steps(block: Block, drive: Drive) -> Iterator[tuple[slice, slice, slice]]:
    """Cut the work into matrices, their vectors, and columns whose cells fit the caches."""
    slices, each = block.product.macro.slices, drive.vectors_per_matrix
    step = max(1, LANES_MAX // slices)
    together = max(1, CELLS_MAX // (block.height * slices * min(step, block.width)))
    for first in range(0, drive.matrices if each else 0, together):
        matrices = slice(first, min(first + together, drive.matrices))
        vectors = slice(matrices.start * each, matrices.stop * each)
        for left in range(0, block.width, step):
            yield matrices, vectors, slice(left, min(left + step, block.width))


def packed_cells(
    digits: NDArray[np.uint8], deviations: NDArray[np.int32] | None, bits: int
) -> NDArray[np.int32]:
    """Cells of some columns, 64 of them side by side: (matrices, parts, rows, 64)."""
    slices, matrices, rows, cols = digits.shape
    parts = -(-slices * cols // _REGISTER_LANES)
    packed = np.zeros((matrices, rows, parts * _REGISTER_LANES), np.int32)
    for position in range(slices):
        cells = packed[:, :, position * cols : (position + 1) * cols]
        np.left_shift(digits[position], bits, out=cells, dtype=np.int32)
        if deviations is not None:
            cells += deviations[position]
    by_part = packed.reshape(matrices, rows, parts, _REGISTER_LANES)
    return np.ascontiguousarray(by_part.transpose(0, 2, 1, 3))
