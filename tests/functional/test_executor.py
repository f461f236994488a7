"""The quantized graph on real samples: outputs, exact counts, service cycles."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from pimsim.errors import ModelRangeError, SimulationError
from pimsim.functional import AnalogEngine, FunctionalRun, IdealEngine, execute, executor
from pimsim.functional.executor import add_counts, chunk_samples, representative_cycles
from pimsim.mapping import MappedWorkload
from pimsim.mapping.mapped import Block, Placement
from pimsim.quantization import calibrate, quantize
from pimsim.records import MacroCounts
from pimsim.workload.graph import Workload
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    mapped,
    run_ideal,
    shapes_only,
    transformer_block,
)


def inputs_of(workload: Workload, samples: int | None = None) -> dict[str, np.ndarray]:
    assert workload.samples is not None
    return {name: values[:samples] for name, values in workload.samples.evaluation.items()}


def analog(placed: MappedWorkload, inputs: Mapping[str, np.ndarray], **more) -> FunctionalRun:
    return execute(placed, inputs, AnalogEngine(placed.architecture.macros, 3, 0), **more)


def assert_equal(found: FunctionalRun, expected: FunctionalRun) -> None:
    assert found.counts == expected.counts
    assert found.outputs.keys() == expected.outputs.keys()
    for name, values in expected.outputs.items():
        assert np.array_equal(found.outputs[name], values)
    assert found.service_cycles.keys() == expected.service_cycles.keys()
    for name, cycles in expected.service_cycles.items():
        assert np.array_equal(found.service_cycles[name], cycles)


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
@pytest.mark.parametrize("batch", [1, 3])
def test_chunks_move_no_result(architecture, batch, monkeypatch):
    """One inference at a time gives what all samples at once give, noise included."""
    workload = transformer_block(evaluation=12, width=16)
    placed = mapped(workload, architecture, batch=batch)
    assert chunk_samples(placed) >= 12
    whole = analog(placed, inputs_of(workload))
    monkeypatch.setattr(executor, "_CHUNK_ELEMENTS", 1)
    assert chunk_samples(placed) == batch
    assert_equal(analog(placed, inputs_of(workload)), whole)


def test_fewer_samples_are_the_first_of_more():
    workload = transformer_block(evaluation=9, width=16)
    placed = mapped(workload)
    few, more = analog(placed, inputs_of(workload, 4)), analog(placed, inputs_of(workload))
    assert np.array_equal(few.outputs["head:out"], more.outputs["head:out"][:4])
    for name, cycles in few.service_cycles.items():
        assert np.array_equal(cycles, more.service_cycles[name])


def test_batches_move_no_output():
    workload = transformer_block(evaluation=6, width=16)
    runs = [analog(mapped(workload, batch=batch), inputs_of(workload)) for batch in (1, 2, 6)]
    for run in runs[1:]:
        assert np.array_equal(run.outputs["head:out"], runs[0].outputs["head:out"])
    macros = [[op.macros for op in run.counts] for run in runs]
    assert macros[0] == macros[1] == macros[2]
    assert [run.counts[0].inferences for run in runs] == [6, 3, 1]


def test_progress_counts_samples_times_products(monkeypatch):
    workload = transformer_block(evaluation=5)
    placed = mapped(workload)
    products = sum(op.op.is_product for op in placed.ops)
    for chunk in (1 << 24, 1):
        monkeypatch.setattr(executor, "_CHUNK_ELEMENTS", chunk)
        done: list[int] = []
        execute(placed, inputs_of(workload), IdealEngine(), advance=done.append)
        assert (sum(done), len(done)) == (5 * products, products * (1 if chunk > 1 else 5))


def test_an_ideal_engine_counts_everything_but_macros():
    workload = transformer_block(evaluation=4)
    run, chip = run_ideal(workload), analog(mapped(workload), inputs_of(workload))
    assert run.service_cycles == {}
    for ideal, real in zip(run.counts, chip.counts, strict=True):
        assert ideal.macros == ()
        assert (ideal.op, ideal.inferences, ideal.moved) == (real.op, 4, real.moved)
        assert [unit.invocations_by_length for unit in ideal.units] == [
            unit.invocations_by_length for unit in real.units
        ]


def test_units_are_used_once_per_row():
    """6 tokens (class token included) of width 8, 2 heads of depth 4, 5 samples."""
    run = run_ideal(transformer_block(evaluation=5))
    rows = {
        count.op: (unit.function, dict(unit.invocations_by_length))
        for count in run.counts
        for unit in count.units
    }
    assert rows == {
        "embed.requantize": ("requantize", {8: 5 * 5}),
        "norm1": ("layer_norm", {8: 5 * 6}),
        "norm1.requantize": ("requantize", {8: 5 * 6}),
        **{f"attn.{role}.requantize": ("requantize", {8: 5 * 6}) for role in "qkvo"},
        "attn.logits.requantize": ("requantize", {6: 5 * 2 * 6}),
        "attn.softmax": ("softmax", {6: 5 * 2 * 6}),
        "attn.softmax.requantize": ("requantize", {6: 5 * 2 * 6}),
        "attn.context.requantize": ("requantize", {4: 5 * 2 * 6}),
        "add1": ("requantize", {8: 5 * 6}),
        "norm2": ("layer_norm", {8: 5 * 6}),
        "norm2.requantize": ("requantize", {8: 5 * 6}),
        "up.requantize": ("requantize", {16: 5 * 6}),
        "gelu": ("gelu", {16: 5 * 6}),
        "gelu.requantize": ("requantize", {16: 5 * 6}),
        "down.requantize": ("requantize", {8: 5 * 6}),
        "add2": ("requantize", {8: 5 * 6}),
        "norm3": ("layer_norm", {8: 5 * 6}),
        "norm3.requantize": ("requantize", {8: 5 * 6}),
        "head.requantize": ("requantize", {3: 5}),
    }


def test_macros_are_counted_by_hand():
    """Q·K^T of the block: 2 heads, 6 vectors of 4 rows onto 6 columns of 8 slices, 5 samples."""
    workload = transformer_block(evaluation=5)
    run = analog(mapped(workload), inputs_of(workload))
    (macro,) = next(count for count in run.counts if count.op == "attn.logits").macros
    reads = 5 * 2 * 6 * 8  # one group of rows holds all 4
    assert (macro.macro, macro.reads, macro.conversions) == ("sram", reads, reads * 6 * 8)
    assert macro.dummy_word_lines + macro.driven_word_lines == reads * 8
    assert sum(macro.column_sum_histogram) == macro.conversions
    assert macro.column_sum_histogram[5:] == (0, 0, 0, 0)
    assert macro.row_writes == 5 * 2 * 4
    assert macro.program_pulses == 5 * 2 * 4 * 6 * 8
    assert macro.shift_adds == {8 + 8 + 2: macro.conversions}
    cycles = run.service_cycles["attn.logits"]
    assert (cycles.dtype, cycles.tolist()) == (np.int32, [[8]] * 6)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_slowest_head_of_a_token_sets_the_pace(batch):
    """Cycles come by sample, head, token; the replay wants (sample, token), heads in lock-step."""
    heads, tokens = 3, 4
    product = mapped(transformer_block()).op("attn.logits")
    placement = Placement(
        "sram", 4, 6, heads, (Block(0, 0, 0, 0, 4, 0, 6),), input_vectors=batch * tokens
    )
    product = replace(product, placement=placement, tokens=batch * tokens)
    cycles = np.random.default_rng(0).integers(0, 100, (5 * batch * heads * tokens, 2))
    expected = [
        [
            max(cycles[(sample * heads + head) * tokens + token, block] for head in range(heads))
            for block in range(2)
        ]
        for sample in range(batch)
        for token in range(tokens)
    ]
    assert representative_cycles(product, cycles.astype(np.int32), batch).tolist() == expected


def test_counts_of_parts_add_up():
    a = MacroCounts("m", 1, 2, (1, 2), 3, 4, 5, 6, 7, 8, {16: 9}, 10)
    b = MacroCounts("m", 10, 20, (10, 20), 30, 40, 50, 60, 70, 80, {16: 90, 20: 1}, 100)
    total = MacroCounts("m", 11, 22, (11, 22), 33, 44, 55, 66, 77, 88, {16: 99, 20: 1}, 110)
    assert add_counts(a, b) == total


def test_several_inputs_and_outputs():
    traced = Traced()
    a, b = traced.input("a", 3, 4), traced.input("b", 3, 4)
    product = traced.linear("p", a, 5)
    total = traced.op("s", "add", a, b)
    workload = traced.build(total, product, evaluation=7)
    run = run_ideal(workload)
    assert {name: values.shape for name, values in run.outputs.items()} == {
        "s:out": (7, 3, 4),
        "p:out": (7, 3, 5),
    }


def test_sequences_have_the_length_of_their_samples():
    workload = transformer_block(tokens="seq", seq=(2, 64), sample_seq=11)
    run = run_ideal(workload, seq=11)
    rows = {count.op: count.units for count in run.counts}
    assert dict(rows["attn.softmax"][0].invocations_by_length) == {11: 6 * 2 * 11}


def test_a_graph_without_weights_has_nothing_to_execute():
    workload = transformer_block()
    with pytest.raises(SimulationError, match=r"^a shape-only workload has no values to run$"):
        execute(mapped(shapes_only(workload)), inputs_of(workload), IdealEngine())


def test_a_value_that_a_unit_cannot_take_names_the_operation():
    """Scales from peaks a million times too small: the bias overflows the accumulator."""
    traced = Traced()
    workload = traced.build(traced.linear("a", traced.input("x", 8), 4))
    placed = mapped(workload)
    quantized = quantize(workload, RAP, {**calibrate(workload), "a:out": 1.0})

    class Overflowing:
        def static(self, mapped_op, driven, first_vector):
            output = IdealEngine().static(mapped_op, driven, first_vector)
            return replace(output, values=output.values << 30)

        dynamic = None

    with pytest.raises(ModelRangeError, match=r"^op 'a\.requantize': acc must fit 32 bits"):
        execute(replace(placed, quantized=quantized), inputs_of(workload), Overflowing())
