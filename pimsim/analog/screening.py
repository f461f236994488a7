"""The path of packed reads that rarely err: screened, then looked at where it matters.

Which question this module answers: *what is left to do where nearly every code is the count?*

The product is the integer product, but for the conversions that may leave their margin
(:mod:`pimsim.analog.margins`); those are done by the definition.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.bitsift import PackedReads
from pimsim.analog.blocks import Block
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.coding import readout
from pimsim.analog.conversion import NO_NOISE, jobs_of
from pimsim.analog.converter_tables import noise_quantiles
from pimsim.analog.currents import contents_of
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.lossless import integer_product
from pimsim.analog.margins import READ_ROWS_MAX, Screen, coarse_of, words_of

_CELLS_MAX: Final = 1 << 25
"""Cells of stored matrices held at once; results do not depend on it."""


def by_screening(
    block: Block,
    screen: Screen,
    drive: Drive,
    packed: PackedReads,
    stored: NDArray[np.uint8] | None,
    *,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Multiply integers, and correct the few that err; add into ``out``.

    Parameters are those of :func:`pimsim.analog.packed_paths.by_packed_reads`.
    """
    contents = block.contents[:, None] if stored is None else stored
    out += integer_product(block, drive, contents)
    tally, each = Tally.empty(block.product.macro), drive.vectors_per_matrix
    together = max(1, _CELLS_MAX // (contents.size // contents.shape[1]))
    for first in range(0, drive.matrices, together):
        matrices = slice(first, min(first + together, drive.matrices))
        vectors = slice(matrices.start * each, matrices.stop * each)
        cells = contents_of(block, stored, matrices)
        tally += _correct(
            block, screen, drive, cells, packed=packed, vectors=vectors, key=key, out=out
        )
    return tally


def _correct(
    block: Block,
    screen: Screen,
    drive: Drive,
    cells: tuple[NDArray[np.uint8], NDArray[np.int32] | None],
    *,
    packed: PackedReads,
    vectors: slice,
    key: int,
    out: NDArray[np.int64],
) -> Tally:
    """Count the conversions of some matrices, and correct those that err."""
    import numba

    from pimsim.analog import kernels_screening as kernels

    (digits, deviations), tables = cells, block.tables
    merge = readout(block.product.macro)
    jobs = jobs_of(digits.shape[1], vectors.stop - vectors.start, numba.get_num_threads())
    seen = np.zeros((len(jobs), READ_ROWS_MAX + 1), np.int64)
    read_of = np.ascontiguousarray(packed.read_of[:, vectors].transpose(1, 0, 2))
    reads = np.ascontiguousarray(packed.reads[:, vectors].T)
    words = words_of(digits) if screen.words is None else screen.words
    coarse, exact = _NO_CELLS, np.zeros((0, 0, 0, 0), np.int32)
    if screen.unit and deviations is not None:
        exact = deviations
        coarse = coarse_of(deviations, screen.unit) if screen.coarse is None else screen.coarse
    place = np.array([block.cols.start, block.product.cols, block.first_group,
                      block.product.places.groups], np.int64)  # fmt: skip
    saturated = kernels.screen(
        read_of, reads, words, coarse, screen.limit, digits, exact, jobs,
        drive.row_ids[vectors], merge.plane_weights, merge.slice_weights, place, tables.row_of,
        tables.levels, tables.outcomes, tables.bins, tables.origin, tables.shift, tables.sigma,
        tables.sigma_step, noise_quantiles() if tables.noisy else NO_NOISE, np.uint64(key),
        out[vectors], seen,
    )  # fmt: skip
    active = block.product.macro.crossbar.active_rows
    histogram = seen.sum(axis=0)[: active + 1]
    histogram[0] = int(reads.sum(dtype=np.int64)) * tables.row_of.size - int(histogram.sum())
    return Tally(histogram, int(saturated) + _usual_saturations(block, histogram))


def _usual_saturations(block: Block, histogram: NDArray[np.int64]) -> int:
    """Saturations of conversions that give their count: none of a converter that gives them all."""
    tables = block.tables
    ideal = np.arange(len(histogram), dtype=np.int64) * CURRENT_ONE
    usual = tables.outcomes[0, tables.intervals(ideal, 0)] & 1
    return int(histogram @ usual)


_NO_CELLS: Final = np.zeros((0, 0, 0), np.int8)
