"""Without values: the same counts where they depend on shapes alone."""

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.architecture import Architecture
from pimsim.functional import AnalogEngine, estimate, execute
from pimsim.functional.shape_only import _binomial
from pimsim.records import ActionCounts, MacroCounts, MovedBits
from tests.quantization.traced import CONVENTIONAL, RAP, mapped, shapes_only, transformer_block


def small_crossbars() -> Architecture:
    """Crossbars of 20 x 48 cells, read 8 rows at a time: several ragged blocks each way."""
    macros = {
        name: macro.model_copy(
            update={"crossbar": macro.crossbar.model_copy(update={"rows": 20, "cols": 48})}
        )
        for name, macro in RAP.macros.items()
    }
    return RAP.model_copy(update={"name": "small", "macros": macros})


def of_shapes(macro: MacroCounts) -> MacroCounts:
    """The counts that depend on no value."""
    return replace(
        macro,
        column_sum_histogram=(sum(macro.column_sum_histogram),),
        driven_word_lines=macro.driven_word_lines + macro.dummy_word_lines,
        dummy_word_lines=0,
        programmed_zeros=macro.programmed_zeros + macro.programmed_ones,
        programmed_ones=0,
        saturations=0,
    )


def scaled(counts: Sequence[ActionCounts], factor: int) -> list[tuple]:
    """What the counts of one inference are for several."""

    def times(record, *fields):
        return [getattr(record, field) * factor for field in fields]

    rows = []
    for count in counts:
        macros = [of_shapes(macro) for macro in count.macros]
        moved = [getattr(count.moved, field) * factor for field in MovedBits.__slots__]
        units = [
            (unit.function, {n: rows * factor for n, rows in unit.invocations_by_length.items()})
            for unit in count.units
        ]
        numbers = [
            [
                macro.macro,
                *times(macro, "reads", "conversions", "driven_word_lines", "programmed_zeros"),
                *times(macro, "program_pulses", "row_writes"),
                macro.column_sum_histogram[0] * factor,
                {width: steps * factor for width, steps in macro.shift_adds.items()},
            ]
            for macro in macros
        ]
        rows.append((count.op, numbers, moved, units))
    return rows


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "architecture", [RAP, CONVENTIONAL, small_crossbars()], ids=lambda one: one.name
)
def test_counts_of_shapes_are_those_of_a_real_run(architecture, batch):
    workload = transformer_block(evaluation=4, tokens=25, width=32)
    placed = mapped(workload, architecture, batch=batch)
    assert workload.samples is not None
    run = execute(placed, workload.samples.evaluation, AnalogEngine(architecture.macros, 0, 0))
    bare = estimate(mapped(shapes_only(workload), architecture, batch=batch))
    assert {count.inferences for count in bare.counts} == {1}
    assert scaled(bare.counts, 4 // batch) == scaled(run.counts, 1)
    assert bare.outputs == {}
    assert bare.service_cycles.keys() == run.service_cycles.keys()
    for name, cycles in bare.service_cycles.items():
        assert cycles.dtype == run.service_cycles[name].dtype
        assert np.array_equal(cycles, run.service_cycles[name])


def test_values_are_replaced_by_an_even_share_of_ones():
    """Half of all bits are ones, a quarter of all driven cells conduct."""
    bare = estimate(mapped(shapes_only(transformer_block(tokens=31, width=32))))
    for count in bare.counts:
        for macro in count.macros:
            assert len(macro.column_sum_histogram) == 9
            assert sum(macro.column_sum_histogram) == macro.conversions
            assert abs(macro.programmed_zeros - macro.programmed_ones) <= 1
    (logits,) = next(count for count in bare.counts if count.op == "attn.logits").macros
    mean = np.average(np.arange(9), weights=logits.column_sum_histogram)
    assert mean == pytest.approx(8 / 4, rel=1e-3)  # 16 rows: two full groups of 8
    assert logits.driven_word_lines == logits.dummy_word_lines


@given(st.integers(0, 12), st.integers(0, 10_000))
def test_conversions_are_split_binomially_without_loss(size, total):
    counts = _binomial(size, total)
    assert counts.sum() == total
    expected = [total * comb(size, k) * 0.25**k * 0.75 ** (size - k) for k in range(size + 1)]
    assert np.abs(counts - np.array(expected)).max() <= 1
