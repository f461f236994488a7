"""Conversion without compiled kernels.

Which question this module answers: *what do these column sums give, where numba cannot be used?*

The same tables and the same draws as :mod:`pimsim.analog.kernels_currents`, whose function of the
same name this one stands in for, some thirty times slower.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.converter_tables import ConverterTables
from pimsim.analog.draws import Places, first_uniform_reaching, uniforms


def convert_currents(
    packed: NDArray[Any],
    pack_bits: int,
    kept: NDArray[np.bool_] | None,
    row_ids: NDArray[np.int64],
    weights: NDArray[np.int64],
    *,
    first_col: int,
    places: Places,
    group: int,
    lowest: int,
    tables: ConverterTables,
    noisy: bool,
    key: int,
    out: NDArray[np.int64],
    seen: NDArray[np.int64],
) -> int:
    """Convert the column sums of one row group; add into ``out`` and ``seen``.

    Parameters
    ----------
    packed, pack_bits
        (vectors, plane conversions, slice conversions, cols): ``ideal * 2**pack_bits + rest``.
    kept
        (vectors, plane conversions): conversions that take place; ``None``: all.
    row_ids
        Vector → its number within the whole run.
    weights
        (plane conversions, slice conversions): what a code counts, without ``lsb_per_code``.
    first_col, places, group
        Where in the whole product this is.
    lowest
        Lowest ideal sum.
    tables, noisy
        The converters; whether their noise can change anything.
    key
        Key of the noise.
    out, seen
        (vectors, cols) values; conversions by ideal sum, counted from the lowest.

    Returns
    -------
    int
        Saturations.
    """
    _, planes, slices, cols = packed.shape
    lost = 0
    for p in range(planes):
        rows = np.arange(len(packed)) if kept is None else np.flatnonzero(kept[:, p])
        for s in range(slices):
            found = packed[rows, p, s].astype(np.int64)
            ideal = (found + ((1 << pack_bits) >> 1)) >> pack_bits
            current = ideal * CURRENT_ONE + (found - (ideal << pack_bits))
            seen += np.bincount((ideal - lowest).ravel(), minlength=len(seen))
            draws = None
            if noisy:
                whole = uniforms(key, row_ids[rows], places, plane=p, group=group, position=s)
                draws = whole[:, first_col : first_col + cols]
            sigma = tables.sigma[(ideal - lowest) * tables.sigma_step]
            interval = _intervals(current, tables, tables.row_of[s], draws, sigma)
            outcome = tables.outcomes[tables.row_of[s], interval]
            out[rows] += weights[p, s] * (outcome >> 1)
            lost += int((outcome & 1).sum())
    return lost


def _intervals(
    current: NDArray[np.int64],
    tables: ConverterTables,
    row_of: NDArray[np.int32],
    draws: NDArray[np.uint64] | None,
    sigma: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Levels at or below each input: those that noise cannot miss, then one by one."""
    certain = current - (0 if draws is None else tables.reach)
    interval = np.zeros(current.shape, np.int64)
    for row in np.unique(row_of):
        own = row_of == row
        interval[:, own] = tables.intervals(certain[:, own], int(row))
    if draws is None:
        return interval
    count = tables.levels.shape[1]
    rows = np.broadcast_to(row_of, current.shape)
    active = np.nonzero(interval < count)
    while active[0].size:
        level = tables.levels[rows[active], interval[active]]
        needed = first_uniform_reaching(level - current[active], sigma[active] / CURRENT_ONE)
        passed = draws[active] >= needed
        active = tuple(axis[passed] for axis in active)
        interval[active] += 1
        going = interval[active] < count
        active = tuple(axis[going] for axis in active)
    return interval
