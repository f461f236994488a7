"""The converters of a block, or of some of its columns, as the kernel of currents takes them.

Which question this module answers: *what turns these column sums into values and counts?*
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog import numpy_conversion
from pimsim.analog.blocks import Block
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.coding import sum_range
from pimsim.analog.converter_tables import CurrentTables, current_tables, noise_quantiles
from pimsim.analog.packing import Packing
from pimsim.analog.runtime import compiled_kernels

_REGISTER_LANES: Final = 16


@dataclass(frozen=True, slots=True)
class AddedCells:
    """Input bits and packed cells whose sums the kernel is to add by itself."""

    inputs: NDArray[np.uint8]
    """(vectors, planes, rows)."""
    cells: NDArray[np.int32]
    """(matrices, parts, rows, 64): 64 of the slices * cols in each part."""
    kept: NDArray[np.bool_]
    """(vectors, planes, row groups or packed reads): reads that take place; empty: all row groups,
    or no packed read."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Everything about converters that does not change from read to read."""

    block: Block
    packing: Packing
    cols: slice
    """Columns within the block."""
    fast: CurrentTables | None
    row_of: NDArray[np.int32]
    """(slice conversions * cols): converter of each column."""
    bases: NDArray[np.int32]
    """(slice conversions * cols, rounded up to 16): first entry of each column's converter."""
    entries: NDArray[np.int32]
    """Those of ``fast``, and bins without an outcome for columns that do not exist."""
    key: int

    @classmethod
    def of(
        cls, block: Block, packing: Packing, key: int, cols: slice | None = None
    ) -> "Conversion":
        """Prepare some columns of a block; all if not said otherwise."""
        cols = slice(0, block.width) if cols is None else cols
        row_of = np.ascontiguousarray(block.tables.row_of[:, cols]).ravel()
        largest = (packing.bound >> packing.bits) * CURRENT_ONE + (1 << packing.bits)
        fast = None
        if packing.fits_32_bits:
            fast = current_tables(block.tables, largest, noisy=not block.quiet)
        if fast is None:
            nothing = np.zeros(0, np.int32)
            return cls(block, packing, cols, None, row_of, nothing, nothing, key)
        bins = int(fast.grid[2]) + 1
        lanes = -(-len(row_of) // _REGISTER_LANES) * _REGISTER_LANES
        bases = np.full(lanes, len(fast.entries), np.int32)
        bases[: len(row_of)] = row_of * bins
        entries = np.concatenate([fast.entries, np.zeros(bins, np.int32)])
        return cls(block, packing, cols, fast, row_of, bases, entries, key)

    def convert(
        self,
        packed: NDArray[Any],
        kept: NDArray[np.bool_] | None,
        row_ids: NDArray[np.int64],
        *,
        group: int,
        out: NDArray[np.int64],
        by_sum: NDArray[np.int64],
    ) -> int:
        """Convert the sums of one row group.

        Parameters
        ----------
        packed
            (vectors, plane conversions, slice conversions, cols).
        kept
            (vectors, plane conversions): conversions that take place; ``None``: all.
        row_ids
            Numbers of the vectors within the whole run.
        group
            Row group of the block.
        out, by_sum
            (vectors, cols) values and conversions by ideal sum; both are added to.

        Returns
        -------
        int
            Saturations.
        """
        product, tables, merge = self.block.product, self.block.tables, self.packing.merge
        if not compiled_kernels():
            return numpy_conversion.convert_currents(
                packed, self.packing.bits, kept, row_ids,
                np.outer(merge.plane_weights, merge.slice_weights),
                first_col=self.block.cols.start, places=product.places,
                group=group + self.block.first_group, lowest=sum_range(product.macro)[0],
                tables=tables, noisy=not self.block.quiet, key=self.key, out=out, seen=by_sum,
            )  # fmt: skip
        vectors, planes = packed.shape[:2]
        added = _NOTHING_ADDED
        if kept is not None:
            added = AddedCells(added.inputs, added.cells, kept[:, :, None])
        return self._by_kernel(
            packed.reshape(vectors, planes, -1), added, row_ids, matrices=1, group=group, out=out,
            by_sum=by_sum,
        )  # fmt: skip

    def add_and_convert(
        self,
        added: AddedCells,
        row_ids: NDArray[np.int64],
        *,
        out: NDArray[np.int64],
        by_sum: NDArray[np.int64],
        by_read: bool = False,
    ) -> int:
        """Add the rows that bits drive, in every row group, and convert; as :meth:`convert`.

        With ``by_read``, inputs are the packed read of every row, -1 where it is not driven.
        """
        return self._by_kernel(
            _NOTHING_PACKED, added, row_ids, matrices=len(added.cells), group=0, out=out,
            by_sum=by_sum, by_read=by_read,
        )  # fmt: skip

    def _by_kernel(
        self,
        packed: NDArray[Any],
        added: AddedCells,
        row_ids: NDArray[np.int64],
        *,
        matrices: int,
        group: int,
        out: NDArray[np.int64],
        by_sum: NDArray[np.int64],
        by_read: bool = False,
    ) -> int:
        import numba

        from pimsim.analog import kernels_currents as kernels

        block, tables, merge = self.block, self.block.tables, self.packing.merge
        lowest, highest = sum_range(block.product.macro)
        threads, pairs = numba.get_num_threads(), self.fast is not None
        pairs = pairs and lowest == 0 and highest < 256
        seen = np.zeros((threads, len(by_sum)), np.int64)
        pairs_seen = np.zeros((threads, 1 << 16 if pairs else 0), np.uint32)
        fast = self.fast or _NO_TABLES
        place = np.array([block.cols.start + self.cols.start, block.product.cols,
                          block.first_group + group, block.product.places.groups,
                          lowest], np.int64)  # fmt: skip
        saturated = kernels.convert_currents(
            packed, added.inputs, added.cells, jobs_of(matrices, len(out), threads),
            block.product.macro.crossbar.active_rows, by_read, self.packing.bits,
            np.ascontiguousarray(added.kept), row_ids, merge.plane_weights, merge.slice_weights,
            place, self.row_of, tables.levels, tables.outcomes, tables.bins, tables.origin,
            tables.shift, tables.sigma, tables.sigma_step,
            NO_NOISE if block.quiet else noise_quantiles(), self.entries, self.bases, fast.grid,
            fast.lows, fast.highs, np.uint64(self.key), out, seen, pairs_seen,
        )  # fmt: skip
        by_sum += seen.sum(axis=0)
        if pairs:
            found = pairs_seen.sum(axis=0, dtype=np.int64).reshape(256, 256)
            by_sum += (found.sum(axis=0) + found.sum(axis=1))[: len(by_sum)]
            groups = 1 if added.cells.size == 0 else block.groups
            lines = len(out) * len(merge.plane_weights) * groups
            lines = int(added.kept.sum()) if added.kept.size or by_read else lines
            by_sum[0] -= lines * (len(self.row_of) % 2)
        return int(saturated)


def jobs_of(matrices: int, vectors: int, threads: int) -> NDArray[np.int64]:
    """Some parallel jobs per thread: matrix, first vector, last vector + 1."""
    each = vectors // matrices
    step = max(1, min(each, -(-vectors // (4 * threads))))
    matrix, first = (
        part.ravel()
        for part in np.meshgrid(np.arange(matrices), np.arange(0, each, step), indexing="ij")
    )
    start = matrix * each + first
    stop = np.minimum(start + step, (matrix + 1) * each)
    return np.stack([matrix, start, stop], axis=1).astype(np.int64)


NO_NOISE: Final = np.zeros(0)
_NO_TABLES: Final = CurrentTables(*[np.zeros(0, np.int32)] * 4)
_NOTHING_PACKED: Final = np.zeros((0, 0, 0), np.float32)
_NOTHING_ADDED: Final = AddedCells(
    np.zeros((0, 0, 0), np.uint8),
    np.zeros((0, 0, 0, 0), np.int32),
    np.zeros((0, 0, 0), np.bool_),
)
