"""Counts of actions put together: parts of an operation, units, movement of many inferences.

Which question this module answers: *what did an operation do in all?*
"""

from collections.abc import Mapping
from dataclasses import replace

from pimsim.mapping.mapped import MappedOp
from pimsim.records import MacroCounts, MovedBits, UnitCounts


def add_counts(a: MacroCounts, b: MacroCounts) -> MacroCounts:
    """Sum the counts of two parts of one operation."""
    widths = {**a.shift_adds, **b.shift_adds}
    return replace(
        a,
        reads=a.reads + b.reads,
        conversions=a.conversions + b.conversions,
        column_sum_histogram=tuple(
            x + y for x, y in zip(a.column_sum_histogram, b.column_sum_histogram, strict=True)
        ),
        driven_word_lines=a.driven_word_lines + b.driven_word_lines,
        dummy_word_lines=a.dummy_word_lines + b.dummy_word_lines,
        programmed_zeros=a.programmed_zeros + b.programmed_zeros,
        programmed_ones=a.programmed_ones + b.programmed_ones,
        program_pulses=a.program_pulses + b.program_pulses,
        row_writes=a.row_writes + b.row_writes,
        shift_adds={w: a.shift_adds.get(w, 0) + b.shift_adds.get(w, 0) for w in sorted(widths)},
        saturations=a.saturations + b.saturations,
    )


def with_shift_adds(counts: MacroCounts, steps: Mapping[int, int]) -> MacroCounts:
    """Counts with more shift-and-add steps, given by width."""
    widths = sorted({*counts.shift_adds, *steps})
    return replace(
        counts,
        shift_adds={w: counts.shift_adds.get(w, 0) + steps.get(w, 0) for w in widths},
    )


def unit_counts(mapped: MappedOp, inferences: int, saturations: int = 0) -> tuple[UnitCounts, ...]:
    """How often the operation used its digital unit."""
    if mapped.unit is None:
        return ()
    rows = {mapped.unit.length: mapped.unit.rows * inferences}
    return (UnitCounts(mapped.unit.function, rows, saturations),)


def times(moved: MovedBits, inferences: int) -> MovedBits:
    """Movement of several inferences."""
    return MovedBits(
        tile_buffer_read_bits=moved.tile_buffer_read_bits * inferences,
        tile_buffer_write_bits=moved.tile_buffer_write_bits * inferences,
        global_buffer_read_bits=moved.global_buffer_read_bits * inferences,
        global_buffer_write_bits=moved.global_buffer_write_bits * inferences,
        link_bits=moved.link_bits * inferences,
        memory_read_bits=moved.memory_read_bits * inferences,
        memory_write_bits=moved.memory_write_bits * inferences,
        io_bits=moved.io_bits * inferences,
    )
