"""How far the column sums of packed reads may be off before a code changes.

Which question this module answers: *which conversions of a product may not give their count?*

A converter that gives every count keeps doing so while the deviations of the driven cells, noise
included, stay within half a step or so: its *margin*. Sums that leave it are found in two steps:
the largest deviations of 16 neighbouring columns, up and down, bound all of their sums, for any
contents; and sums of deviations rounded to 8 bits are off by half a unit per row at most, which
narrows the margin accordingly.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int8, UInt8, UInt64
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.converter_tables import ConverterTables
from pimsim.config.macros import Macro

READ_ROWS_MAX: Final = 8
"""Rows of a read that the kernels add at once, and of a list of rows that they read."""

LISTED_ROWS_MAX: Final = (1 << 16) - 1
"""Rows of a block that lists number in 16 bits, together with the row beyond the last."""

LINE_LANES: Final = 512
"""Columns of cells that the kernel takes at once."""

BOUND_LANES: Final = 16
"""Neighbouring columns that share a bound."""

_BOUND_MAX: Final = 254
"""Largest sum of bounds that 8 bits tell from those beyond."""

_COARSE_MAX: Final = 15
"""Largest rounded deviation: eight of them fit 8 bits."""

_SIGMAS_MIN: Final = 3.5
"""Margin in standard deviations below which too many conversions would be looked at."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What deviations a read may have, and the cells as the kernel takes them."""

    words: UInt64[np.ndarray, "matrices lines rows 8"] | None
    """Cells of contents that do not change, as :func:`words_of`."""
    bounds: UInt8[np.ndarray, "instances lines rows 64"]
    """How far neighbouring columns deviate, as :func:`bounds_of`; empty: no code can change."""
    bound_limit: int
    """Largest sum of bounds that cannot change a code."""
    coarse: Int8[np.ndarray, "digits instances lines rows 512"]
    """Rounded deviations, as :func:`coarse_of`."""
    limit: int
    """Largest sum of rounded deviations, either way, that cannot change a code."""


def screen_of(
    macro: Macro,
    tables: ConverterTables,
    digits: NDArray[np.uint8] | None,
    deviations: NDArray[np.int32] | None,
    sway: tuple[int, int],
) -> Screen | None:
    """Say what a read of a block may deviate by; ``None`` if screening is impossible or no gain.

    It needs at most eight rows per read, converters that give every count, and few cells that could
    change one. Inputs and cells must be bits.

    Parameters
    ----------
    digits
        Contents, (slices, rows, cols); ``None`` where they are written at run time.
    deviations, sway
        As those of :class:`pimsim.analog.blocks.Block`.
    """
    active = macro.crossbar.active_rows
    if active > READ_ROWS_MAX:
        return None
    margin = _margin(tables, active)
    if tables.noisy:
        margin -= tables.reach
    if margin < 0:
        return None
    words = None if digits is None else words_of(digits[:, None])
    if deviations is None or max(sway) <= margin:
        return Screen(words, np.zeros((0, 0, 0, 64), np.uint8), 0, _NOT_ROUNDED, 0)
    spread = float(np.sqrt(np.mean(np.square(deviations, dtype=np.float64))))
    if margin < _SIGMAS_MIN * spread * active**0.5:
        return None
    unit = max(1, -(-int(np.abs(deviations).max()) // _COARSE_MAX))
    limit = int(margin / unit - active / 2)
    if limit <= 0:
        return None
    by_digit = deviations if digits is None else deviations[None, None]
    bound_unit = -(-margin // _BOUND_MAX)
    return Screen(
        words,
        bounds_of(by_digit, bound_unit),
        margin // bound_unit,
        coarse_of(by_digit, unit),
        limit,
    )


def _margin(tables: ConverterTables, active_rows: int) -> int:
    """How far any count may be off, either way, and keep its code; -1 if one is not its code."""
    margin = CURRENT_ONE
    for levels, outcomes in zip(tables.levels, tables.outcomes, strict=True):
        for count in range(active_rows + 1):
            ideal = count * CURRENT_ONE
            interval = int(np.searchsorted(levels, ideal, side="right"))
            if outcomes[interval] >> 1 != count:
                return -1
            if interval > 0:
                margin = min(margin, ideal - int(levels[interval - 1]))
            if interval < len(levels):
                margin = min(margin, int(levels[interval]) - ideal - 1)
    return margin


def words_of(digits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Cells as bits, 512 columns of cells to a line, and a row of none.

    ``digits`` is (slices, matrices, rows, cols); column ``c`` of slice ``s`` is ``s * cols + c``.
    """
    slices, matrices, rows, cols = digits.shape
    flat = digits.transpose(1, 2, 0, 3).reshape(matrices, rows, slices * cols)
    bits = np.packbits(flat, axis=2, bitorder="little")
    lines = -(-slices * cols // LINE_LANES)
    padded = np.zeros((matrices, rows + 1, lines * LINE_LANES // 8), np.uint8)
    padded[:, :rows, : bits.shape[2]] = bits
    words = padded.view(np.uint64).reshape(matrices, rows + 1, lines, -1)
    return np.ascontiguousarray(words.transpose(0, 2, 1, 3))


def bounds_of(deviations: NDArray[np.int32], unit: int) -> NDArray[np.uint8]:
    """How far 16 neighbouring columns may deviate at most, up and then down, and a row of none.

    In units, rounded up, and 255 from there on. ``deviations`` is (digits, instances, slices, rows,
    cols).
    """
    instances, slices, rows, cols = deviations.shape[1:]
    lines = -(-slices * cols // LINE_LANES)
    bounds = np.zeros((instances, lines, rows + 1, 2, LINE_LANES // BOUND_LANES), np.uint8)
    for index, extreme in enumerate((deviations.max(axis=0), -deviations.min(axis=0))):
        most = np.zeros((instances, rows, lines * LINE_LANES), np.int32)
        most[..., : slices * cols] = extreme.transpose(0, 2, 1, 3).reshape(instances, rows, -1)
        together = most.reshape(instances, rows, lines, -1, BOUND_LANES).max(axis=4)
        rounded = np.minimum(-(-np.maximum(together, 0) // unit), 255)
        bounds[:, :, :rows, index] = rounded.transpose(0, 2, 1, 3)
    return bounds.reshape(instances, lines, rows + 1, -1)


def coarse_of(deviations: NDArray[np.int32], unit: int) -> NDArray[np.int8]:
    """Deviations in units, rounded, 512 columns to a line, and a row of none.

    ``deviations`` is (digits, instances, slices, rows, cols).
    """
    digits, instances, slices, rows, cols = deviations.shape
    lines = -(-slices * cols // LINE_LANES)
    coarse = np.zeros((digits, instances, lines, rows + 1, LINE_LANES), np.int8)
    rounded = np.zeros((digits, instances, rows, lines * LINE_LANES), np.int8)
    rounded[..., : slices * cols] = (
        ((deviations + unit // 2) // unit).transpose(0, 1, 3, 2, 4)
        .reshape(digits, instances, rows, -1)
    )  # fmt: skip
    by_line = rounded.reshape(digits, instances, rows, lines, -1)
    coarse[:, :, :, :rows] = by_line.transpose(0, 1, 3, 2, 4)
    return coarse


_NOT_ROUNDED: Final = np.zeros((0, 0, 0, 0, LINE_LANES), np.int8)
