"""One block of a matrix on one macro: its cells, and which kernel multiplies by it.

Which question this module answers: *how does a rectangle of weights in one crossbar turn input
vectors into sums and counts?*
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog import kernels
from pimsim.analog.adc import AdcTransfer
from pimsim.analog.cells import draw_deviations
from pimsim.config.architecture import Macro

TABLE_BYTES_MAX: Final = 1 << 26
"""A look-up table larger than this would leave the caches; rows are then summed instead."""

TABLE_READS_MIN: Final = 512
"""Below this many reads of a row group, filling its table costs more than it saves."""

UNCERTAIN_RATIO_MAX: Final = 0.02
"""Share of patterns whose code noise may change above which summing rows is faster."""

CHUNK_VECTORS: Final = 32
"""Vectors per parallel job; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class BlockCells:
    """The cells of one macro that hold a block, as packed currents."""

    rows: slice
    cols: slice
    on: NDArray[Any]
    """(instances, rows, slices, cols): packed current of each cell when it is on."""
    off: NDArray[Any]
    pack_bits: int


def draw_blocks(
    macro: Macro, instances: int, rows: int, cols: int, key: int
) -> tuple[BlockCells, ...]:
    """Cut a matrix into blocks of one macro each and draw their cells, rows first."""
    height, width, slices = macro.crossbar.rows, macro.logical_cols, macro.weights.bits
    blocks = []
    for row in range(0, rows, height):
        for col in range(0, cols, width):
            shape = (instances, min(height, rows - row), slices, min(width, cols - col))
            generator = rng.for_(key, "cells", row, col)
            on, off = draw_deviations(macro.crossbar.cell, shape, generator)
            blocks.append(_pack(macro, row, col, on, off))
    return tuple(blocks)


def _pack(
    macro: Macro, row: int, col: int, on: NDArray[np.int32], off: NDArray[np.int32]
) -> BlockCells:
    """Pack deviations with the count that an on cell adds, in 32 bits where sums surely fit."""
    active = macro.crossbar.active_rows
    largest = max(int(np.abs(on).max(initial=0)), int(np.abs(off).max(initial=0)))
    narrow = active * largest < 1 << (kernels.PACK_BITS - 1) and active < 1 << 11
    pack_bits = kernels.PACK_BITS if narrow else kernels.WIDE_PACK_BITS
    dtype = np.dtype(np.int32 if narrow else np.int64)
    packed_on = on.astype(dtype)
    packed_on += 1 << pack_bits
    return BlockCells(
        slice(row, row + on.shape[1]),
        slice(col, col + on.shape[3]),
        packed_on,
        off.astype(dtype),
        pack_bits,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """Histogram of ideal column sums and number of saturated conversions."""

    histogram: NDArray[np.int64]
    saturations: int

    @classmethod
    def empty(cls, macro: Macro) -> "Tally":
        """Nothing converted yet."""
        return cls(np.zeros(macro.crossbar.active_rows + 1, np.int64), 0)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.histogram + other.histogram,
            self.saturations + other.saturations,
        )


@dataclass(frozen=True, slots=True)
class PatternTable:
    """Every input pattern of every row group, converted: see :func:`kernels.build_table`."""

    packed: NDArray[np.int32]
    sums: NDArray[np.int32]
    uncertain: NDArray[np.bool_]
    saturated: NDArray[np.int64]
    histogram: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drives:
    """Which vectors go through which matrix: job ``j`` drives ``starts[j] .. starts[j + 1]``."""

    starts: NDArray[np.int64]
    matrix_of: NDArray[np.int64]
    """Job → matrix among the stored ones."""
    instance_of: NDArray[np.int64]
    """Job → set of cells that holds it."""
    row_ids: NDArray[np.int64]
    """Vector → its number within the whole run, which keys its noise."""


@dataclass(frozen=True, slots=True)
class BlockJob:
    """One block of a matrix on one macro: gathers what both kernels need."""

    macro: Macro
    transfer: AdcTransfer
    block: BlockCells
    rows: int
    cols: int
    key: int

    def table_pays(self, vectors: int) -> bool:
        """Whether enumerating input patterns beats adding rows; its sums must fit 32 bits."""
        group_rows, transfer = self.macro.crossbar.active_rows, self.transfer
        _, rows, slices, cols = self.block.on.shape
        groups = -(-rows // group_rows)
        largest_sum = groups * (transfer.codes - 1) * transfer.lsb_per_code << (slices - 1)
        table_bytes = groups * (4 * cols << group_rows) if group_rows <= 8 else 0
        return (
            group_rows <= kernels.TABLE_ROWS
            and self.block.pack_bits == kernels.PACK_BITS
            and largest_sum <= 1 << 31
            and table_bytes <= TABLE_BYTES_MAX
            and vectors * self.macro.inputs.bits >= TABLE_READS_MIN
        )

    def fill_table(self, stored: NDArray[np.int64]) -> "PatternTable | None":
        """Convert every input pattern once; ``None`` if noise leaves too many reads uncertain."""
        macro, transfer, slices = self.macro, self.transfer, slice_weights(self.macro)
        bits = (stored[:, None, :] >> np.arange(len(slices))[None, :, None]) & 1
        packed = np.ascontiguousarray(np.where(bits == 1, self.block.on[0], self.block.off[0]))
        sums, uncertain, saturated, histogram = kernels.build_table(
            packed, macro.crossbar.active_rows, slices, transfer.step, transfer.lsb_per_code,
            transfer.codes - 1, transfer.certain_from, transfer.certain_to,
        )  # fmt: skip
        if uncertain.mean() > UNCERTAIN_RATIO_MAX:
            return None
        return PatternTable(packed, sums, uncertain, saturated, histogram)

    def by_table(
        self,
        table: "PatternTable",
        inputs: NDArray[np.int32],
        first_row: int,
        out: NDArray[Any],
    ) -> Tally:
        """Add the product into ``out``; see :func:`kernels.look_up`."""
        macro, transfer = self.macro, self.transfer
        seen, clipped = kernels.look_up(
            inputs, first_row, plane_weights(macro), table.packed, macro.crossbar.active_rows,
            *self._place(), table.sums, table.uncertain, table.saturated, slice_weights(macro),
            transfer.step, transfer.lsb_per_code, transfer.codes - 1, transfer.thresholds,
            transfer.span, np.uint64(self.key), out, CHUNK_VECTORS,
        )  # fmt: skip
        return Tally(np.einsum("gp,gpk->k", seen, table.histogram), int(clipped))

    def by_rows(
        self,
        stored: NDArray[np.int64],
        inputs: NDArray[np.int32],
        drives: Drives,
        out: NDArray[Any],
    ) -> Tally:
        """Add the products into ``out``, summing rows; see :func:`kernels.sum_rows`."""
        macro, transfer = self.macro, self.transfer
        step = transfer.step
        step_shift = step.bit_length() - 1 if step & (step - 1) == 0 else -1
        histogram, clipped = kernels.sum_rows(
            inputs, drives.starts, drives.matrix_of, drives.instance_of, drives.row_ids,
            plane_weights(macro),
            np.ascontiguousarray(stored), self.block.on, self.block.off, self.block.pack_bits,
            macro.crossbar.active_rows, *self._place(), slice_weights(macro), step, step_shift,
            transfer.lsb_per_code, transfer.codes - 1, transfer.certain_from,
            transfer.certain_to, transfer.thresholds, transfer.span, np.uint64(self.key), out,
        )  # fmt: skip
        return Tally(histogram, int(clipped))

    def _place(self) -> tuple[int, int, int, int]:
        """First row group, all row groups, first column, all columns: the counter of a draw."""
        active, height = self.macro.crossbar.active_rows, self.macro.crossbar.rows
        per_block = -(-height // active)
        full, rest = divmod(self.rows, height)
        groups = full * per_block + -(-rest // active)
        return (
            self.block.rows.start // height * per_block,
            groups,
            self.block.cols.start,
            self.cols,
        )


def plane_weights(macro: Macro) -> NDArray[np.int64]:
    """Weight of each input bit-plane: powers of two, the sign plane negative."""
    weights = np.int64(1) << np.arange(macro.inputs.bits, dtype=np.int64)
    if is_signed(macro):
        weights[-1] = -weights[-1]
    return weights


def slice_weights(macro: Macro) -> NDArray[np.int64]:
    """Weight of each slice of a stored operand: powers of two, the sign slice negative."""
    weights = np.int64(1) << np.arange(macro.weights.bits, dtype=np.int64)
    weights[-1] = -weights[-1]
    return weights


def is_signed(macro: Macro) -> bool:
    """Whether the highest input bit-plane counts negatively."""
    return macro.inputs.coding == "twos_complement"
