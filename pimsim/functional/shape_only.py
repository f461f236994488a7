"""Counts and cycles without values, for workloads that have shapes only.

Which question this module answers: *what would the chip do for this network without weights?*

Reads, conversions, writes and cycles depend on shapes alone while no zero is skipped. What depends
on values, the histogram of column sums, the driven word lines and the reads that a zero-skipping
scheme leaves, follows from an assumed density of ones, :data:`BIT_DENSITY_RATIO`.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.coding import load_max, plane_digit_max, readout, slice_digit_max
from pimsim.analog.zero_skipping import expected_reads
from pimsim.config.architecture import Macro
from pimsim.functional.counts import unit_counts, with_shift_adds
from pimsim.functional.executor import FunctionalRun
from pimsim.functional.group_products import recombination
from pimsim.functional.reprogramming import with_reprogramming
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Placement, pieces_of
from pimsim.mapping.products import resolve_product
from pimsim.mapping.widths import macro_in_use
from pimsim.mapping.writing import writings_of
from pimsim.records import ActionCounts, MacroCounts

BIT_DENSITY_RATIO: Final = 0.5
"""Assumed share of ones among the bits of driven and of stored operands."""


def estimate(mapped: MappedWorkload) -> FunctionalRun:
    """Counts of one inference and its service cycles, from shapes and an assumed bit density."""
    counts, cycles = [], {}
    writings = writings_of(mapped)
    for op in mapped.ops:
        macros: tuple[MacroCounts, ...] = ()
        if op.placement is not None:
            whole = mapped.architecture.macros[op.placement.macro]
            macro = macro_in_use(whole, op.placement)
            resident = op.placement.fresh is not None
            product = resolve_product(op.op, mapped.quantized, mapped.dims, resident=resident)
            matrices = product.stored_matrices
            counted = macro_counts(op.placement, macro, tokens=op.tokens, matrices=matrices)
            if op.op.name in writings:
                counted = replace(counted, row_writes=writings[op.op.name].total)
            outputs = product.input_vectors * product.cols * product.instances
            steps = recombination(op, whole, outputs=outputs)
            counted = with_reprogramming(
                counted, op, mapped, inferences=1, density_ratio=BIT_DENSITY_RATIO
            )
            macros = (with_shift_adds(counted, steps),)
            cycles[op.op.name] = _service_cycles(op, op.placement, macro)
        counts.append(ActionCounts(op.op.name, 1, macros, unit_counts(op, 1), op.moved))
    return FunctionalRun({}, tuple(counts), cycles)


def _service_cycles(op: MappedOp, placement: Placement, macro: Macro) -> NDArray[np.int32]:
    reads = [0.0] * len(placement.row_blocks)
    pieces = placement.pieces
    lengths = {piece.stop - piece.start for piece in pieces}
    expected = {rows: expected_reads(rows, macro, BIT_DENSITY_RATIO) for rows in lengths}
    for piece in pieces:
        reads[piece.row_block] += expected[piece.stop - piece.start]
    per_block = np.array([math.ceil(count) for count in reads], np.int32)
    return np.tile(per_block, (op.tokens, 1))


def macro_counts(
    placement: Placement,
    macro: Macro,
    *,
    tokens: int,
    matrices: int = 0,
    density_ratio: float = BIT_DENSITY_RATIO,
) -> MacroCounts:
    """Count what the macros of one product do, from an assumed bit density.

    Parameters
    ----------
    placement
        Where the stored operand lies.
    macro
        The kind of macro, with the operand widths in use.
    tokens
        Vectors driven onto every block.
    matrices
        Operands written onto each instance, one after another; 0 for static weights.
    density_ratio
        Share of ones among the bits of driven and of stored operands.
    """
    active = macro.crossbar.active_rows
    reads = conversions = 0
    histogram = np.zeros(load_max(macro) + 1, np.int64)
    per_row, on = load_max(macro) // active, _load_ratio(macro, density_ratio)
    for (rows, cols), alike in Counter(_pieces(placement)).items():
        full, rest = divmod(rows, active)
        groups = full + (1 if rest else 0)
        block_reads = round(tokens * expected_reads(rows, macro, density_ratio))
        share = block_reads / (tokens * macro.planes * groups)
        per_read = cols * macro.slice_conversions
        block_conversions = block_reads * macro.plane_conversions // macro.planes * per_read
        reads += alike * block_reads
        conversions += alike * block_conversions
        in_full = block_conversions * full // groups
        for size, total in ((active, in_full), (rest, block_conversions - in_full)):
            if total:
                split = _binomial(size * per_row, total, min(1.0, on / share))
                histogram[: size * per_row + 1] += alike * split
    rows = sum(block.row_stop - block.row_start for block in placement.blocks)
    driven = round(_driven_ratio(macro, density_ratio) * tokens * macro.planes * rows)
    widest = max(piece.stop - piece.start for piece in placement.pieces)
    return MacroCounts(
        macro=placement.macro,
        reads=reads,
        conversions=conversions,
        column_sum_histogram=tuple(int(n) for n in histogram),
        driven_word_lines=driven,
        dummy_word_lines=reads * active - driven,
        shift_adds={macro.accumulator_bits(widest): conversions},
        **_writes(placement, macro, matrices, density_ratio),
    )


def _pieces(placement: Placement) -> Iterator[tuple[int, int]]:
    """Rows and columns of everything that is read on its own, macro by macro."""
    for block in placement.blocks:
        for piece in pieces_of(block.row_start, block.row_stop, placement.group):
            yield piece.stop - piece.start, block.col_stop - block.col_start


def _load_ratio(macro: Macro, density_ratio: float) -> float:
    """Mean load of a conversion over the largest one, if nothing is skipped."""
    out = readout(macro)
    planes = (out.planes != 0) @ plane_digit_max(macro)
    slices = (out.slices != 0) @ slice_digit_max(macro)
    filled = planes.mean() / planes.max() * slices.mean() / slices.max()
    return density_ratio**2 * float(filled) / (_signs(macro) * _passes(macro))


def _signs(macro: Macro) -> int:
    """Parts of the slices; each holds the weights of one sign only."""
    return 2 if macro.weights.coding in {"sign_magnitude", "differential"} else 1


def _driven_ratio(macro: Macro, density_ratio: float) -> float:
    """Share of the digits of the inputs that are not zero."""
    zero = (1.0 - density_ratio) ** np.log2(plane_digit_max(macro) + 1.0)
    return float((1.0 - zero).mean()) / _passes(macro)


def _passes(macro: Macro) -> int:
    """Passes of the inputs; each sees the inputs of one sign only."""
    return 2 if macro.inputs.coding == "sign_magnitude" else 1


def _writes(
    placement: Placement, macro: Macro, matrices: int, density_ratio: float
) -> Mapping[str, int]:
    """Counts of writing ``matrices`` operands, one after another, onto each instance."""
    if not matrices:
        return {}
    written = [placement.written(block) for block in placement.blocks]
    cells = matrices * sum(elements for _, elements in written) * macro.slices
    ones = round(density_ratio * cells)
    return {
        "programmed_ones": ones,
        "programmed_zeros": cells - ones,
        "program_pulses": cells,
        "row_writes": matrices * sum(rows for rows, _ in written),
    }


def _binomial(size: int, total: int, on_ratio: float = BIT_DENSITY_RATIO**2) -> NDArray[np.int64]:
    """Split ``total`` conversions over sums of ``size`` cells, each on with ``on_ratio``."""
    from scipy.stats import binom

    share = binom.pmf(np.arange(size + 1), size, on_ratio) * total
    counts: NDArray[np.int64] = np.floor(share).astype(np.int64)
    order = np.argsort(counts - share, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
