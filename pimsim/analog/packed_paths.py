"""The paths of packed reads: rows from anywhere in a block share a conversion.

Which question this module answers: *what do reads give whose rows a controller has packed?*

========== ============================================== ======================================
path       where it applies                               what it does
========== ============================================== ======================================
screened   converters that give every count, one bit per  the integer product; bounds deviations of
           cell, at most eight rows per read, few cells   each read to find the rare conversions
           that could change a code                       that must be looked at
adding     inputs are bits, sums fit 32 bits              read by read, adds the driven rows
currents   everything else, or without a compiler         read by read, a matrix product
========== ============================================== ======================================

They agree bit for bit, noise and counts included.
"""

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.adding import can_add, packed_cells, steps
from pimsim.analog.bitsift import PackedReads
from pimsim.analog.blocks import Block
from pimsim.analog.coding import load_max, sum_range
from pimsim.analog.conversion import AddedCells, Conversion
from pimsim.analog.currents import chunks_of, contents_of
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.packed_inputs import PackedInputs
from pimsim.analog.packing import Packing
from pimsim.analog.runtime import compiled_kernels
from pimsim.analog.screening import by_screening


def by_packed_reads(
    block: Block,
    drive: Drive,
    packed: PackedInputs,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply read by read; add into ``out`` (vectors, cols of the block).

    Parameters
    ----------
    block, drive, packed
        Cells and converters, input vectors, and the reads that drive them.
    stored
        Contents written at run time, (slices, matrices, rows, cols); ``None``: the block's own.
    key
        Key of the read noise.
    """
    if drive.vectors == 0:
        return Tally.empty(block.product.macro)
    if compiled_kernels():
        if block.screen is not None:
            return by_screening(block, block.screen, drive, packed.lists, stored, key=key, out=out)
        if can_add(block):
            return by_read_adding(block, drive, packed.by_row, stored, key=key, out=out)
    return by_read_currents(block, drive, packed.by_row, stored, key=key, out=out)


def by_read_adding(
    block: Block,
    drive: Drive,
    packed: PackedReads,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by adding the driven rows of each read; as :func:`by_packed_reads`."""
    packing, saturations = Packing.of(block), 0
    lowest, highest = sum_range(block.product.macro)
    by_sum = np.zeros(highest - lowest + 1, np.int64)
    for matrices, vectors, cols in steps(block, drive):
        digits, deviations = contents_of(block, drive, stored, matrices)
        conversion = Conversion.of(block, packing, key, cols)
        cells = packed_cells(
            digits[..., cols], None if deviations is None else deviations[..., cols], packing.bits
        )
        part = np.zeros((vectors.stop - vectors.start, cols.stop - cols.start), np.int64)
        read_of = np.ascontiguousarray(packed.read_of[:, vectors].transpose(1, 0, 2))
        reads = packed.reads[:, vectors].T[:, :, None]
        kept = np.arange(int(reads.max(initial=0))) < reads
        saturations += conversion.add_and_convert(
            AddedCells(read_of, cells, kept), drive.row_ids[vectors], out=part, by_sum=by_sum,
            by_read=True,
        )  # fmt: skip
        out[vectors, cols] += part
    return Tally(by_sum, saturations)


def by_read_currents(
    block: Block,
    drive: Drive,
    packed: PackedReads,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply by a matrix product for each read; as :func:`by_packed_reads`."""
    packing, saturations = Packing.of(block), 0
    conversion = Conversion.of(block, packing, key)
    lowest, highest = sum_range(block.product.macro)
    by_sum = np.zeros(highest - lowest + 1, np.int64)
    loads = np.zeros(load_max(block.product.macro) + 1, np.int64)
    per_vector = len(packing.merge.planes) * len(packing.merge.slices) * block.width
    for matrices, vectors in chunks_of(drive, per_vector):
        digits, deviations = contents_of(block, drive, stored, matrices)
        cells = packing.cells(digits, deviations)
        reads = packed.reads[:, vectors]
        for read in range(int(reads.max(initial=0))):
            driven = (packed.read_of[:, vectors] == read).view(np.uint8)
            kept = np.ascontiguousarray((reads > read).T)
            saturations += conversion.convert(
                packing.sums(driven, cells), kept, drive.row_ids[vectors], group=read,
                out=out[vectors], by_sum=by_sum,
            )  # fmt: skip
            if any(packing.mixes):
                found = packing.loads(driven, digits, kept)
                loads += np.bincount(found, minlength=len(loads))
    return Tally(loads if any(packing.mixes) else by_sum, saturations)
