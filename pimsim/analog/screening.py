"""The path of packed reads that rarely err: screened, then looked at where it matters.

Which question this module answers: *what is left to do where nearly every code is the count?*

The product is the integer product, but for the conversions that may leave their margin
(:mod:`pimsim.analog.margins`); those are done by the definition.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.coding import readout
from pimsim.analog.conversion import NO_NOISE, jobs_of
from pimsim.analog.converter_tables import noise_quantiles
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.lossless import integer_product
from pimsim.analog.margins import READ_ROWS_MAX, Screen, words_of
from pimsim.analog.read_lists import ReadLists

_CELLS_MAX: Final = 1 << 25
"""Cells of stored matrices held at once; results do not depend on it."""


def by_screening(
    block: Block,
    screen: Screen,
    drive: Drive,
    lists: ReadLists,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply integers, and correct the few that err; add into ``out``.

    Parameters are those of :func:`pimsim.analog.packed_paths.by_packed_reads`.
    """
    contents = block.contents[:, None] if stored is None else stored
    out += integer_product(block, drive.values, contents)
    tally, each = Tally.empty(block.product.macro), drive.vectors_per_matrix
    together = max(1, _CELLS_MAX // (contents.size // contents.shape[1]))
    for first in range(0, drive.matrices, together):
        own = np.ascontiguousarray(contents[:, first : min(first + together, drive.matrices)])
        vectors = slice(first * each, (first + own.shape[1]) * each)
        tally += _correct(
            block, screen, own, drive.row_ids[vectors], lists.of(vectors),
            first_matrix=drive.first_matrix + first, key=key, counted=drive.counted,
            out=out[vectors],
        )  # fmt: skip
    return tally


def _correct(
    block: Block,
    screen: Screen,
    digits: NDArray[np.uint8],
    row_ids: NDArray[np.int64],
    lists: ReadLists,
    *,
    first_matrix: int,
    key: int,
    counted: bool,
    out: NDArray[np.int64],
) -> Tally:
    """Count the conversions of some matrices, and correct those that err."""
    import numba

    from pimsim.analog import kernels_screening as kernels

    tables, merge = block.tables, readout(block.product.macro)
    jobs = jobs_of(digits.shape[1], len(row_ids), numba.get_num_threads())
    seen = np.zeros((len(jobs) if counted else 0, READ_ROWS_MAX + 1), np.int64)
    place = np.array([block.cols.start, block.product.cols, block.first_group,
                      block.product.places.groups], np.int64)  # fmt: skip
    saturated = kernels.screen(
        np.ascontiguousarray(lists.reads), lists.starts, lists.stops, lists.rows_of,
        words_of(digits) if screen.words is None else screen.words, screen.bounds,
        screen.bound_limit, screen.coarse, screen.limit, digits, _deviations(block), jobs,
        first_matrix, row_ids, merge.plane_weights, merge.slice_weights, place, tables.row_of,
        tables.levels, tables.outcomes, tables.bins, tables.origin, tables.shift, tables.sigma,
        tables.sigma_step, noise_quantiles() if tables.noisy else NO_NOISE, np.uint64(key), out,
        seen,
    )  # fmt: skip
    if not counted:
        return Tally.empty(block.product.macro)
    active = block.product.macro.crossbar.active_rows
    histogram = seen.sum(axis=0)[: active + 1]
    conversions = int(lists.reads.sum(dtype=np.int64)) * tables.row_of.size
    histogram[0] = conversions - int(histogram.sum())
    return Tally(histogram, int(saturated) + _usual_saturations(block, histogram))


def _deviations(block: Block) -> NDArray[np.int32]:
    """Exact deviations by digit and instance; one digit and one instance where they are fixed."""
    if block.deviations is None:
        return _NO_CELLS
    deviations = np.ascontiguousarray(block.deviations)
    return deviations if deviations.ndim == _BY_DIGIT else deviations[None, None]


def _usual_saturations(block: Block, histogram: NDArray[np.int64]) -> int:
    """Saturations of conversions that give their count: none of a converter that gives them all."""
    tables = block.tables
    ideal = np.arange(len(histogram), dtype=np.int64) * CURRENT_ONE
    usual = tables.outcomes[0, tables.intervals(ideal, 0)] & 1
    return int(histogram @ usual)


_BY_DIGIT: Final = 5
"""Axes of deviations given by digit and instance."""

_NO_CELLS: Final = np.zeros((0, 0, 0, 0, 0), np.int32)
