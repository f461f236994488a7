"""Counts and cycles without values, for workloads that have shapes only.

Which question this module answers: *what would the chip do for this network without weights?*

Reads, conversions, writes and cycles depend on shapes alone while no zero is skipped. What depends
on values, the histogram of column sums and the driven word lines, follows from an assumed density
of ones, :data:`BIT_DENSITY_RATIO`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Macro
from pimsim.functional.executor import FunctionalRun, unit_counts
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Placement
from pimsim.mapping.placement import resolve_product
from pimsim.records import ActionCounts, MacroCounts
from pimsim.registry import ZERO_SKIPPING

BIT_DENSITY_RATIO: Final = 0.5
"""Assumed share of ones among the bits of driven and of stored operands."""


def estimate(mapped: MappedWorkload) -> FunctionalRun:
    """Counts of one inference and its service cycles, from shapes and an assumed bit density."""
    counts, cycles = [], {}
    for op in mapped.ops:
        macros: tuple[MacroCounts, ...] = ()
        if op.placement is not None:
            macro = mapped.architecture.macros[op.placement.macro]
            matrices = resolve_product(op.op, mapped.quantized, mapped.dims).stored_matrices
            macros = (_macro_counts(op, op.placement, macro, matrices),)
            cycles[op.op.name] = _service_cycles(op, op.placement, macro)
        counts.append(ActionCounts(op.op.name, 1, macros, unit_counts(op, 1), op.moved))
    return FunctionalRun({}, tuple(counts), cycles)


def _reads_per_vector(rows: int, macro: Macro) -> int:
    dense = ZERO_SKIPPING[macro.zero_skipping.model]
    cycles: int = dense(rows, active_rows=macro.crossbar.active_rows)
    return macro.inputs.bits * cycles


def _service_cycles(op: MappedOp, placement: Placement, macro: Macro) -> NDArray[np.int32]:
    per_group = [_reads_per_vector(stop - start, macro) for start, stop in placement.row_blocks]
    return np.tile(np.array(per_group, np.int32), (op.tokens, 1))


def _macro_counts(op: MappedOp, placement: Placement, macro: Macro, matrices: int) -> MacroCounts:
    active = macro.crossbar.active_rows
    reads = conversions = 0
    histogram = np.zeros(active + 1, np.int64)
    for block in placement.blocks:
        rows, cols = block.row_stop - block.row_start, block.col_stop - block.col_start
        block_reads = op.tokens * _reads_per_vector(rows, macro)
        full, rest = divmod(rows, active)
        columns = cols * macro.weights.bits
        reads += block_reads
        conversions += block_reads * columns
        per_group = op.tokens * macro.inputs.bits * columns
        for size, groups in ((active, full), (rest, 1 if rest else 0)):
            histogram[: size + 1] += _binomial(size, per_group * groups)
    driven = round(
        BIT_DENSITY_RATIO * op.tokens * macro.inputs.bits
        * sum(block.row_stop - block.row_start for block in placement.blocks)
    )  # fmt: skip
    widest = max(stop - start for start, stop in placement.row_blocks)
    return MacroCounts(
        macro=placement.macro,
        reads=reads,
        conversions=conversions,
        column_sum_histogram=tuple(int(n) for n in histogram),
        driven_word_lines=driven,
        dummy_word_lines=reads * active - driven,
        shift_adds={macro.accumulator_bits(widest): conversions},
        **_writes(placement, macro, matrices),
    )


def _writes(placement: Placement, macro: Macro, matrices: int) -> Mapping[str, int]:
    """Counts of writing ``matrices`` operands, one after another, onto each instance."""
    if not matrices:
        return {}
    rows = matrices * placement.instances * placement.rows
    cells = rows * placement.cols * macro.weights.bits
    ones = round(BIT_DENSITY_RATIO * cells)
    return {
        "programmed_ones": ones,
        "programmed_zeros": cells - ones,
        "program_pulses": cells,
        "row_writes": rows * len(placement.col_blocks),
    }


def _binomial(size: int, total: int) -> NDArray[np.int64]:
    """Split ``total`` conversions over sums of ``size`` cells, each on with the squared density."""
    from scipy.stats import binom

    share = binom.pmf(np.arange(size + 1), size, BIT_DENSITY_RATIO**2) * total
    counts: NDArray[np.int64] = np.floor(share).astype(np.int64)
    order = np.argsort(counts - share, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
