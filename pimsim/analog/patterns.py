"""The path of pattern tables: few rows per read, cells that vary.

Which question this module answers: *when does converting every input pattern once pay, and how are
its results looked up?*
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.coding import readout, sum_range
from pimsim.analog.drives import CHUNK_VECTORS, Drive, Tally

PATTERN_ROWS_MAX: Final = 8
"""Largest row group whose patterns are enumerated: one byte of input bits."""

TABLE_BYTES_MAX: Final = 1 << 26
"""A larger table would leave the caches."""

TABLE_READS_MIN: Final = 512
"""Below this many reads of a row group, filling its table costs more than it saves."""

UNCERTAIN_RATIO_MAX: Final = 0.02
"""Share of patterns whose code noise may change above which tables stop to pay."""


@dataclass(frozen=True, slots=True)
class PatternTable:
    """Every input pattern of every row group, converted."""

    values: NDArray[np.int32]
    """(groups, patterns, cols): what the codes of all slices stand for."""
    uncertain: NDArray[np.bool_]
    """(groups, patterns): whether noise could change a code."""
    saturated: NDArray[np.int64]
    """(groups, patterns)."""
    histogram: NDArray[np.int64]
    """(groups, patterns, sums)."""


def table_pays(block: Block, vectors: int) -> bool:
    """Whether enumerating input patterns is possible and pays; its sums must fit 32 bits."""
    macro = block.product.macro
    active, merge = macro.crossbar.active_rows, readout(macro)
    if active > PATTERN_ROWS_MAX or merge.mixes or sum_range(macro) != (0, active):
        return False
    largest = block.groups * int((block.tables.outcomes >> 1).max())
    highest = largest * int(np.maximum(merge.slice_weights, 0).sum())
    lowest = largest * int(np.minimum(merge.slice_weights, 0).sum())
    table_bytes = block.groups * (4 * block.width << active)
    return (
        lowest >= -(1 << 31)
        and highest < 1 << 31
        and table_bytes <= TABLE_BYTES_MAX
        and vectors * macro.planes >= TABLE_READS_MIN
    )


def pattern_table(block: Block, vectors: int) -> PatternTable | None:
    """Convert every pattern once; ``None`` if it does not pay or leaves too much uncertain."""
    if not table_pays(block, vectors):
        return None
    from pimsim.analog import kernels_patterns as kernels

    tables, macro = block.tables, block.product.macro
    table = PatternTable(
        *kernels.build_table(
            block.contents, _deviations(block), macro.crossbar.active_rows,
            readout(macro).slice_weights, tables.row_of, tables.levels, tables.outcomes,
            tables.bins, tables.origin, tables.shift, 0 if block.quiet else tables.reach,
        )
    )  # fmt: skip
    return None if table.uncertain.mean() > UNCERTAIN_RATIO_MAX else table


def by_patterns(
    block: Block, table: PatternTable, drive: Drive, *, key: int, out: NDArray[np.int64]
) -> Tally:
    """Multiply by look-up; add into ``out`` (vectors, cols of the block)."""
    from pimsim.analog import kernels_patterns as kernels

    tables, macro = block.tables, block.product.macro
    active, merge = macro.crossbar.active_rows, readout(macro)
    jobs = -(-drive.vectors // CHUNK_VECTORS)
    seen = np.zeros((jobs, *table.uncertain.shape), np.int64)
    place = np.array([block.cols.start, block.product.cols, block.first_group,
                      block.product.places.groups], np.int64)  # fmt: skip
    saturated = kernels.look_up(
        np.ascontiguousarray(drive.bits(active)[..., 0]), drive.kept_by_vector, drive.row_ids,
        merge.plane_weights, block.contents, _deviations(block), active, place, table.values,
        table.uncertain, table.saturated, merge.slice_weights, tables.row_of, tables.levels,
        tables.outcomes, tables.sigma, tables.sigma_step, tables.reach, np.uint64(key),
        CHUNK_VECTORS, out, seen,
    )  # fmt: skip
    return Tally(np.einsum("gp,gpk->k", seen.sum(axis=0), table.histogram), int(saturated))


def _deviations(block: Block) -> NDArray[np.int32]:
    if block.deviations is not None:
        return block.deviations
    return np.zeros(block.contents.shape, np.int32)
