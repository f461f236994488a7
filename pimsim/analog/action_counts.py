"""What a product did: reads, conversions, word lines, writes, and how long blocks were busy.

Which question this module answers: *how often did which action happen, exactly?*
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Product, block_places
from pimsim.analog.coding import encode_inputs
from pimsim.analog.drives import Drive, Tally
from pimsim.analog.zero_skipping import (
    PackingScheme,
    dense_read_cycles,
    groups_max,
    kept_reads,
    packed_reads,
    scheme_of,
)
from pimsim.config.macros import Macro
from pimsim.records import ActionCounts, MacroCounts


def reads_kept(digits: NDArray[np.uint8], macro: Macro) -> NDArray[np.bool_] | None:
    """(planes, batch, groups): row groups that are read; ``None``: all, or none as such."""
    if isinstance(scheme_of(macro.zero_skipping.model), PackingScheme):
        return None
    if macro.zero_skipping.model == "none":
        return None
    return kept_reads(
        digits, scheme=macro.zero_skipping.model, active_rows=macro.crossbar.active_rows
    )


def row_blocks(product: Product) -> list[slice]:
    """Row blocks, once each."""
    return [rows for rows, cols in block_places(product) if cols.start == 0]


def all_reads(product: Product, inputs: NDArray[Any]) -> NDArray[np.bool_]:
    """(batch, planes, row groups of all row blocks): reads that take place."""
    macro, digits = product.macro, encode_inputs(inputs, product.macro).digits
    parts = []
    for rows in row_blocks(product):
        own = digits[:, :, rows]
        packed, groups = packed_reads(own, macro), groups_max(own.shape[2], macro)
        kept = reads_kept(own, macro)
        if packed is not None:
            kept = np.arange(groups) < packed.reads[:, :, None]
        parts.append(np.ones((*own.shape[:2], groups), np.bool_) if kept is None else kept)
    return np.concatenate(parts, axis=2).transpose(1, 0, 2)


def reads_of(drive: Drive, macro: Macro) -> NDArray[np.int32] | int:
    """Reads of each plane and vector of one row block, (planes, vectors), or of every one."""
    if drive.packed is not None:
        return drive.packed.reads
    if drive.kept is not None:
        kept: NDArray[np.int32] = drive.kept.sum(axis=2, dtype=np.int32)
        return kept
    return dense_read_cycles(drive.digits.shape[2], active_rows=macro.crossbar.active_rows)


def macro_counts(
    product: Product, vectors: int, per_plane: NDArray[np.int32], driven: int, tally: Tally
) -> ActionCounts:
    """Actions of a product; ``driven`` counts word lines of one column block."""
    macro, blocks = product.macro, row_blocks(product)
    col_blocks = -(-product.cols // macro.logical_cols)
    reads = int(per_plane.sum(dtype=np.int64)) * col_blocks
    conversions = int(tally.histogram.sum())
    widest = max(rows.stop - rows.start for rows in blocks)
    counts = MacroCounts(
        macro="",
        reads=reads,
        conversions=conversions,
        column_sum_histogram=tuple(int(n) for n in tally.histogram),
        driven_word_lines=driven * col_blocks,
        dummy_word_lines=reads * macro.crossbar.active_rows - driven * col_blocks,
        shift_adds={macro.accumulator_bits(widest): conversions},
        saturations=tally.saturations,
    )
    return ActionCounts("", vectors, (counts,))


def service_cycles(per_plane: NDArray[np.int32], macro: Macro) -> NDArray[np.int32]:
    """Reads of each vector on each row block, as the macro's ``sync`` lets them pass."""
    own = per_plane.sum(axis=1)
    if macro.zero_skipping.model != "none" and macro.sync == "plane":
        own = np.broadcast_to(per_plane.max(axis=0).sum(axis=0), own.shape)
    return np.ascontiguousarray(own.T, dtype=np.int32)


def with_writes(
    counts: ActionCounts,
    product: Product,
    digits: NDArray[np.uint8],
    fresh: NDArray[np.bool_] | None,
) -> ActionCounts:
    """Add the cost of writing operands, one word line of a macro per write cycle.

    Parameters
    ----------
    digits
        (slices, matrices, rows, cols) of the stored operands.
    fresh
        (instances, rows, cols), true where an element is written; ``None``: all.
    """
    slices, matrices, rows, cols = digits.shape
    if fresh is None:
        fresh = np.ones((1, rows, cols), np.bool_)
    samples = matrices // len(fresh)
    written = digits.reshape(slices, samples, len(fresh), rows, cols)[:, :, fresh]
    cells, ones = written.size, int(np.count_nonzero(written))
    lines = sum(
        int(fresh[:, block_rows, block_cols].any(axis=2).sum())
        for block_rows, block_cols in block_places(product)
    )
    own = replace(
        counts.macros[0],
        programmed_ones=ones,
        programmed_zeros=cells - ones,
        program_pulses=cells,
        row_writes=samples * lines,
    )
    return replace(counts, macros=(own,))
