"""One block of a matrix on one macro: cells, converters, and what may happen to its column sums.

Which question this module answers: *what does one crossbar hold, and how large do its errors get?*
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int32, UInt8
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog.cells import draw_cells, program_array
from pimsim.analog.coding import plane_digit_max, readout, slice_digit_max, sum_range
from pimsim.analog.converter_tables import (
    ConverterTables,
    CountTables,
    converter_tables,
    count_tables,
)
from pimsim.analog.draws import Places
from pimsim.analog.lanes import Lanes
from pimsim.analog.margins import LISTED_ROWS_MAX, Screen, screen_of
from pimsim.analog.pvt import operating_point
from pimsim.analog.transfer import draw_transfer
from pimsim.analog.zero_skipping import PackingScheme, groups_max, scheme_of
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError

COUNT_ROWS_MAX: Final = 1 << 14
"""Rows per read up to which counts fit the 16 bits that kernels give them."""


@dataclass(frozen=True, slots=True)
class Product:
    """Extent of a whole product on macros of one kind."""

    macro: Macro
    rows: int
    cols: int

    @property
    def places(self) -> Places:
        """The counters of its noise draws."""
        height = self.macro.crossbar.rows
        full, rest = divmod(self.rows, height)
        groups = full * groups_max(height, self.macro) + groups_max(rest, self.macro)
        return Places(groups, self.macro.slice_conversions, self.cols)


@dataclass(frozen=True, slots=True)
class Block:
    """What one macro holds of a matrix, or of the matrices that one instance takes in turn."""

    product: Product
    rows: slice
    cols: slice
    tables: ConverterTables
    digits: UInt8[np.ndarray, "slices rows cols"] | None
    """Contents; ``None`` where they are written at run time."""
    deviations: Int32[np.ndarray, "..."] | None
    """Of each cell at its contents, (slices, rows, cols); by digit and instance where contents are
    written at run time, (digits, instances, slices, rows, cols). ``None``: none. [2**-12 LSB]"""
    sway: tuple[int, int]
    """How far the cells driven by digits of 1 can move a column sum down and up. [2**-12 LSB]"""
    counted: CountTables | None
    """Converter tables by count, where column sums may be counted."""
    quiet: bool
    """Whether noise cannot change any code."""
    lanes: Lanes
    """How its columns lie in the counting kernel."""
    bits: NDArray[np.uint8]
    """Contents as the counting kernel takes them; empty where it is not used."""
    screen: Screen | None = None
    """What deviations packed reads may have; ``None``: no such reads, or too many would err."""

    @property
    def contents(self) -> NDArray[np.uint8]:
        """Digits (slices, rows, cols) of a block whose contents do not change."""
        if self.digits is None:
            raise ModelRangeError("this block's contents are written at run time; pass them along")
        return self.digits

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rows.stop - self.rows.start)

    @property
    def width(self) -> int:
        """Matrix columns."""
        return int(self.cols.stop - self.cols.start)

    @property
    def groups(self) -> int:
        """Row groups, while rows are read in groups."""
        return -(-self.height // self.product.macro.crossbar.active_rows)

    @property
    def first_group(self) -> int:
        """Number of the first row group, or packed read, within the whole product."""
        macro = self.product.macro
        per_block = groups_max(macro.crossbar.rows, macro)
        return int(self.rows.start // macro.crossbar.rows * per_block)


def block_places(product: Product) -> list[tuple[slice, slice]]:
    """Cut a matrix into rectangles of one macro each, rows first."""
    height, width = product.macro.crossbar.rows, product.macro.logical_cols
    return [
        (slice(row, min(row + height, product.rows)), slice(col, min(col + width, product.cols)))
        for row in range(0, product.rows, height)
        for col in range(0, product.cols, width)
    ]


def program_blocks(
    product: Product, digits: NDArray[np.uint8], key: int, pvt: Pvt | None, converters: int
) -> tuple[tuple[Block, ...], int]:
    """Write digits (slices, rows, cols) into macros; returns them and the pulses spent."""
    point = operating_point(pvt, product.macro)
    blocks, pulses = [], 0
    for rows, cols in block_places(product):
        own = np.ascontiguousarray(digits[:, rows, cols])
        generator = rng.for_(key, "cells", rows.start, cols.start)
        cells = program_array(own, product.macro, generator, point)
        pulses += cells.pulses
        blocks.append(_block(product, (rows, cols), own, cells.deviations, key=converters, pvt=pvt))
    return tuple(blocks), pulses


def reserve_blocks(
    product: Product, instances: int, key: int, pvt: Pvt | None, converters: int
) -> tuple[Block, ...]:
    """Draw macros whose contents are written at run time."""
    macro = product.macro
    point = operating_point(pvt, macro)
    blocks = []
    for rows, cols in block_places(product):
        shape = (instances, macro.slices, rows.stop - rows.start, cols.stop - cols.start)
        generator = rng.for_(key, "cells", rows.start, cols.start)
        deviations = draw_cells(macro, shape, generator, point)
        blocks.append(_block(product, (rows, cols), None, deviations, key=converters, pvt=pvt))
    return tuple(blocks)


def _block(
    product: Product,
    place: tuple[slice, slice],
    digits: NDArray[np.uint8] | None,
    deviations: NDArray[np.int32],
    *,
    key: int,
    pvt: Pvt | None,
) -> Block:
    macro, (rows, cols) = product.macro, place
    silicon = rng.key(key, "converters", rows.start, cols.start)
    tables = converter_tables(draw_transfer(macro, cols.stop - cols.start, silicon, pvt=pvt))
    packs = isinstance(scheme_of(macro.zero_skipping.model), PackingScheme)
    sway = _sway(deviations, macro.crossbar.active_rows, anywhere=packs)
    counting = counts_only(macro)
    sums = sum_range(macro)[1]
    below, above = sway
    quiet = not tables.noisy or (
        counting and tables.certain(sums, below + tables.reach, above + tables.reach)
    )
    counted = None
    if counting and (sway == (0, 0) or (quiet and tables.certain(sums, below, above))):
        counted = count_tables(tables, sums, noisy=not quiet)
    lanes = Lanes.of(cols.start, cols.stop - cols.start, tables.row_of)
    bits = np.zeros(0, np.uint8)
    if counted is not None and digits is not None and not packs:
        bits = lanes.pack(digits[:, None], macro.crossbar.active_rows)
    varies = sway != (0, 0)
    screen = None
    if packs and counting and rows.stop - rows.start <= LISTED_ROWS_MAX:
        screen = screen_of(macro, tables, digits, deviations if varies else None, sway)
    return Block(
        product, rows, cols, tables, digits, deviations if varies else None, sway, counted, quiet,
        lanes, bits, screen,
    )  # fmt: skip


def counts_only(macro: Macro) -> bool:
    """Whether a conversion sees how many driven cells of one column conduct, and nothing else."""
    return (
        not readout(macro).mixes
        and int(plane_digit_max(macro).max()) == 1
        and int(slice_digit_max(macro).max()) == 1
        and macro.crossbar.active_rows <= COUNT_ROWS_MAX
    )


def _sway(
    deviations: NDArray[np.int32], active_rows: int, *, anywhere: bool = False
) -> tuple[int, int]:
    """Largest sum of negative and of positive deviations of any column of any row group.

    Where a read may take its rows from anywhere, of any ``active_rows`` rows.
    """
    if not deviations.size or not deviations.any():
        return 0, 0
    if deviations.ndim > 3:  # contents unknown: the worst of all digits
        low, high = deviations.min(axis=0), deviations.max(axis=0)
    else:
        low = high = deviations
    if anywhere and active_rows < deviations.shape[-2]:
        low = np.partition(low, active_rows - 1, axis=-2)[..., :active_rows, :]
        high = -np.partition(-high, active_rows - 1, axis=-2)[..., :active_rows, :]
    starts = np.arange(0, low.shape[-2], active_rows)
    down = np.add.reduceat(np.minimum(low, 0), starts, axis=-2, dtype=np.int64)
    up = np.add.reduceat(np.maximum(high, 0), starts, axis=-2, dtype=np.int64)
    return -int(down.min()), int(up.max())
