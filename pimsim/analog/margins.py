"""How far the column sums of packed reads may be off before a code changes.

Which question this module answers: *which conversions of a product may not give their count?*

A converter that gives every count keeps doing so while the deviations of the driven cells, noise
included, stay within half a step or so: its *margin*. Sums that leave it are found with deviations
rounded to 8 bits: sums of the rounded ones are off by half a unit per row at most, which narrows
the margin accordingly.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.converter_tables import ConverterTables
from pimsim.config.macros import Macro

READ_ROWS_MAX: Final = 8
"""Rows of a read that the kernel adds at once."""

_WORD_LANES: Final = 512
"""Columns of one-bit cells that the kernel takes at once."""

_COARSE_MAX: Final = 15
"""Largest rounded deviation: eight of them fit 8 bits."""

_SIGMAS_MIN: Final = 3.5
"""Margin in standard deviations below which too many conversions would be looked at."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What deviations a read may have, and the cells as the kernel takes them."""

    unit: int
    """Of rounded deviations; 0: no deviation can change a code. [2**-12 LSB]"""
    limit: int
    """Largest sum of rounded deviations, either way, that cannot change a code."""
    words: NDArray[np.uint64] | None = None
    """Cells of contents that do not change, as :func:`words_of`."""
    coarse: NDArray[np.int8] | None = None
    """Their rounded deviations, as :func:`coarse_of`."""


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
        return Screen(0, 0, words)
    spread = float(np.sqrt(np.mean(np.square(deviations, dtype=np.float64))))
    if margin < _SIGMAS_MIN * spread * active**0.5:
        return None
    unit = max(1, -(-int(np.abs(deviations).max()) // _COARSE_MAX))
    limit = int(margin / unit - active / 2)
    if limit <= 0:
        return None
    return Screen(
        unit, limit, words, None if digits is None else coarse_of(deviations[:, None], unit)
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
    """Cells as bits, 64 columns of cells to a word, and a row of none: (matrices, rows + 1, words).

    ``digits`` is (slices, matrices, rows, cols).
    """
    slices, matrices, rows, cols = digits.shape
    flat = digits.transpose(1, 2, 0, 3).reshape(matrices, rows, slices * cols)
    bytes_ = np.packbits(flat, axis=2, bitorder="little")
    padded = np.zeros((matrices, rows + 1, -(-slices * cols // _WORD_LANES) * 64), np.uint8)
    padded[:, :rows, : bytes_.shape[2]] = bytes_
    return padded.view(np.uint64)


def coarse_of(deviations: NDArray[np.int32], unit: int) -> NDArray[np.int8]:
    """Deviations in units, rounded, and a row of none: (matrices, rows + 1, lanes)."""
    slices, matrices, rows, cols = deviations.shape
    rounded = (deviations + unit // 2) // unit
    coarse = np.zeros((matrices, rows + 1, -(-slices * cols // 64) * 64), np.int8)
    coarse[:, :rows, : slices * cols] = rounded.transpose(1, 2, 0, 3).reshape(
        matrices, rows, slices * cols
    )
    return coarse
