"""The path of reads that cannot err, of at most eight rows.

Which question this module answers: *what is left to do where every code is the exact count?*

The product is the integer product. How many conversions saw each count follows from how often each
row group was driven by each of 256 patterns, ``seen[pattern]``, and how many of its columns hold
each of 256 patterns, ``held[pattern]``: the pair ``(a, b)`` met ``seen[a] * held[b]`` times and
counted the ones of ``a & b``. No conversion is ever looked at.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.coding import plane_digit_max, readout, slice_digit_max
from pimsim.analog.converter_tables import CountTables
from pimsim.analog.drives import Drive, Tally, pack_rows

LOSSLESS_ROWS_MAX: Final = 8
"""Largest row group: one byte."""

_GROUPS_MAX: Final = 4096
"""Row groups tallied at once."""

_EXACT_FLOAT32: Final = 1 << 24
_EXACT_FLOAT64: Final = 1 << 53


def is_lossless(block: Block) -> bool:
    """Whether a block's reads cannot err and are narrow enough."""
    active = block.product.macro.crossbar.active_rows
    return active <= LOSSLESS_ROWS_MAX and block.counted is not None and block.counted.lossless


def by_integers(
    block: Block,
    counted: CountTables,
    drive: Drive,
    stored: NDArray[np.uint8] | None,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply integers; add into ``out`` (vectors, cols of the block).

    Parameters
    ----------
    block, counted
        Cells, and converters by count, for which :func:`is_lossless` holds.
    drive
        Input vectors.
    stored
        Contents written at run time, (slices, matrices, rows, cols); ``None``: the block's own.
    """
    digits = block.contents[:, None] if stored is None else stored
    out += integer_product(block, drive.values, digits)
    if not drive.counted:
        return Tally.empty(block.product.macro)
    histogram = _histogram(block, drive, digits)[: counted.counts - 1]
    return Tally(histogram, int(histogram @ (counted.entries[:-1] & 1)))


def integer_product(
    block: Block, inputs: NDArray[Any], digits: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Multiply integers: (vectors, cols).

    Parameters
    ----------
    block
        Says what digits stand for.
    inputs
        (matrices * vectors, rows), as integers.
    digits
        (slices, matrices, rows, cols) of the stored operands.
    """
    macro = block.product.macro
    merge = readout(macro)
    largest = int(np.abs(merge.plane_weights) @ plane_digit_max(macro))
    bound = largest * int(np.abs(merge.slice_weights) @ slice_digit_max(macro)) * block.height
    dtype: Any = np.int64
    if bound < _EXACT_FLOAT64:
        dtype = np.float32 if bound < _EXACT_FLOAT32 else np.float64
    weights = np.zeros(digits.shape[1:], dtype)
    for weight, part in zip(merge.slice_weights, digits, strict=True):
        weights += np.multiply(part, dtype(weight), dtype=dtype)
    product = inputs.astype(dtype).reshape(len(weights), -1, block.height) @ weights
    values: NDArray[np.int64] = product.reshape(-1, block.width).astype(np.int64)
    return values


def _histogram(block: Block, drive: Drive, digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Conversions by count, ``0 .. 8``."""
    active = block.product.macro.crossbar.active_rows
    groups, matrices = block.groups, drive.matrices
    driven = pack_rows(drive.digits, active, axis=2).reshape(-1, matrices, drive.vectors_per_matrix,
                                                             groups)  # fmt: skip
    held = pack_rows(digits, active, axis=2)
    pairs = np.zeros((256, 256))
    step = max(1, _GROUPS_MAX // groups)
    for first in range(0, matrices, step):
        some = slice(first, min(first + step, matrices))
        seen = _patterns(driven[:, some].transpose(1, 3, 0, 2))
        pairs += seen.T @ _patterns(held[:, some].transpose(1, 2, 0, 3))
    if drive.kept is not None:  # a read that is skipped drives no row
        skipped = (~drive.kept).reshape(-1, matrices, drive.vectors_per_matrix, groups)
        pairs[0, 0] -= float(skipped.sum()) * len(digits) * block.width
    found = np.bincount(_common_ones(), weights=pairs.ravel(), minlength=9)
    return np.rint(found).astype(np.int64)


def _patterns(packed: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How often each (matrix, group) has each byte: (matrices * groups, 256)."""
    flat = packed.reshape(packed.shape[0] * packed.shape[1], -1)
    places = np.arange(len(flat), dtype=np.int64)[:, None] * 256 + flat
    counts = np.bincount(places.ravel(), minlength=256 * len(flat))
    return counts.reshape(-1, 256).astype(np.float64)


@cache
def _common_ones() -> NDArray[np.int64]:
    """Ones that two bytes have in common, for all pairs."""
    byte = np.arange(256, dtype=np.uint8)
    both = (byte[:, None] & byte[None, :]).ravel()
    ones: NDArray[np.int64] = np.unpackbits(both[:, None], axis=1).sum(axis=1, dtype=np.int64)
    return ones
