"""Products whose operands share shifts in groups, against wide integers and the integer unit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import ideal_macro
from pimsim.config.architecture import Numerics
from pimsim.cost import service_times
from pimsim.errors import ModelRangeError
from pimsim.functional import AnalogEngine, IdealEngine, estimate, execute, run_exact
from pimsim.functional.exact import exact_product, expanded
from pimsim.functional.group_products import Operands, by_groups
from pimsim.integer.group_product import GroupShiftProduct
from pimsim.integer.leading_one import qrazor_sdr, quartz_lzs
from pimsim.mapping import map_workload
from pimsim.mapping.mapped import MappedOp
from pimsim.mapping.placement import place_products
from pimsim.quantization import quantize
from pimsim.quantization.quantized import (
    Encoding,
    Groups,
    QuantizedOp,
    QuantizedTensor,
    QuantizedWorkload,
)
from pimsim.records import MovedBits
from pimsim.timing.replay import replay
from tests.quantization.traced import RAP, Traced, transformer_block

GROUPED = ("qrazor_w4a4", "qrazor_w4a8", "qrazor_w4a4kv4", "quartz_w4a4")


def chip(scheme: str, *, rows: int = 16, cols: int = 40, active_rows: int = 3, **numerics):
    """Perfect macros of 8-bit operands."""
    macro = ideal_macro(rows=rows, cols=cols, active_rows=active_rows, weight_bits=8, input_bits=8)
    macros = {"mram": macro.model_copy(update={"writable": False, "write": None}), "sram": macro}
    tile = RAP.tile.model_copy(update={"macros": {"mram": 200, "sram": 512}})
    return RAP.model_copy(
        update={"macros": macros, "tile": tile, "numerics": Numerics(scheme=scheme, **numerics)}
    )


def static_product(weights: np.ndarray, weight_shifts: np.ndarray, vectors: int, group: int):
    """One product by hand: (vectors, rows) with shifts times (rows, cols) with shifts."""
    rows, cols = weights.shape
    groups = -(-rows // group)
    op = QuantizedOp(
        "p", "static_product", "p", ("x", "x.shifts"), "y", rows=rows, cols=cols, weights=weights,
        weight_bits=4,
        groups=Groups(group, driven="x.shifts", weights=weight_shifts, driven_max=12, stored_max=4),
    )  # fmt: skip
    shapes = {"x": (vectors, rows, 4), "x.shifts": (vectors, groups, 4), "y": (vectors, cols, 32)}
    tensors = {
        name: QuantizedTensor(name, shape[:2], Encoding(shape[2], "integer", 1.0))
        for name, shape in shapes.items()
    }
    return op, tensors


def placed(op, tensors, architecture) -> MappedOp:
    quantized = QuantizedWorkload(_EMPTY, "by_hand", ("x", "x.shifts"), (), tensors, (op,))
    placement = place_products(quantized, architecture, {}).placements[op.name]
    return MappedOp(op, 0, placement.input_vectors, placement, None, MovedBits(), ())


def _empty():
    traced = Traced()
    return replace(traced.build(traced.linear("a", traced.input("x", 2), 1)), ops=())


_EMPTY = _empty()


def multiplied(engine, architecture, group, x, w):
    """Compressed operands through the engine, through wide integers, and through the unit."""
    a = qrazor_sdr(input_bits=16, group_size=group).encode(x)
    b = quartz_lzs(input_bits=8, group_size=group).encode(w, axis=0)
    op, tensors = static_product(
        b.values.astype(np.int64), b.shifts.astype(np.int64), len(x), group
    )
    mapped = placed(op, tensors, architecture)
    operands = Operands(a.values, None, a.shifts, op.groups.weights)
    found = by_groups(engine, architecture.macros, mapped, operands, first_vector=0)
    wide = exact_product(op, [a.values, a.shifts])
    unit = GroupShiftProduct(
        a_bits=4, w_bits=4, a_shift=12, w_shift=5, group_size=group, maximum_row_length=4096
    )
    return found, wide, unit(a.values, a.shifts, b.values, b.shifts)


operand = st.integers(1, 40).flatmap(
    lambda rows: st.tuples(
        st.just(rows),
        st.integers(1, 45),  # groups of one element up to longer than the row
        st.integers(0, 2**31),
    )
)


@settings(max_examples=60)
@given(operand)
def test_group_by_group_equals_wide_integers_and_the_integer_unit(drawn):
    rows, group, seed = drawn
    generator = np.random.default_rng(seed)
    x = (generator.standard_cauchy((3, rows)) * 50).clip(-32767, 32767).astype(np.int16)
    w = (generator.standard_cauchy((rows, 5)) * 9).clip(-127, 127).astype(np.int8)
    found, wide, unit = multiplied(IdealEngine(), chip("qrazor_w4a4"), group, x, w)
    assert np.array_equal(found.values, wide)
    assert np.array_equal(found.values, unit)


@pytest.mark.parametrize("group", [1, 5, 16, 18, 20])
@pytest.mark.parametrize("case", ["random", "zeros", "largest"])
def test_perfect_crossbars_give_the_same(group, case):
    """Groups of one row, ragged, over several macros, of a whole row; zero and saturated ones."""
    generator = np.random.default_rng(group)
    x = generator.integers(-32767, 32768, (4, 20)).astype(np.int16)
    w = generator.integers(-127, 128, (20, 11)).astype(np.int8)
    if case == "zeros":
        x[:, :7], w[9:] = 0, 0
    elif case == "largest":
        x[:], w[:] = 32767, -127
    architecture = chip("qrazor_w4a4")
    engine = AnalogEngine(architecture.macros, 0, 0)
    found, wide, _ = multiplied(engine, architecture, group, x, w)
    assert np.array_equal(found.values, wide)
    uncounted, _, _ = multiplied(
        AnalogEngine(architecture.macros, 0, 0, counted=False), architecture, group, x, w
    )
    assert np.array_equal(uncounted.values, wide)
    assert uncounted.counts is None


def test_reads_never_mix_two_groups():
    """16 rows of a macro, 3 active at once: 40 rows in groups of 5 take 8 groups of 2 reads."""
    architecture = chip("qrazor_w4a4")
    engine = AnalogEngine(architecture.macros, 0, 0)
    x, w = np.ones((4, 40), np.int16), np.ones((40, 11), np.int8)
    found, _, _ = multiplied(engine, architecture, 5, x, w)
    planes, slices, vectors, columns = 4, 4, 4, 2  # 11 columns of 4 slices on 40 bit lines: 10 + 1
    assert found.counts.reads == vectors * planes * 8 * 2 * columns
    assert found.counts.conversions == vectors * planes * 8 * 2 * 11 * slices
    # 16 rows hold 3 groups of 5: blocks of 3, 3 and 2 groups.
    assert found.service_cycles.tolist() == [[planes * 6, planes * 6, planes * 4]] * vectors
    # 4 + 4 bits and 5 rows, then 40 rows moved by 12 + 4 places, and the sum of two shifts.
    steps = vectors * 8 * 11
    assert found.counts.shift_adds == {11: found.counts.conversions, 30: steps, 5: steps}


@pytest.mark.parametrize("scheme", GROUPED)
@pytest.mark.parametrize("group", [1, 4, 16])
def test_a_network_on_perfect_crossbars_equals_the_graph_alone(scheme, group):
    workload = transformer_block(tokens=6, width=12)
    architecture = chip(scheme, group=group)
    mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
    inputs = workload.samples.evaluation
    alone = run_exact(mapped.quantized, inputs, {})["head:out"]
    ideal = execute(mapped, inputs, IdealEngine()).outputs["head:out"]
    assert np.array_equal(ideal, alone)
    if group == 16:
        run = execute(mapped, inputs, AnalogEngine(architecture.macros, 0, 0))
        assert np.array_equal(run.outputs["head:out"], alone)


@pytest.mark.parametrize("scheme", ["int4", *GROUPED])
def test_counts_of_values_and_of_shapes_agree(scheme):
    """Reads, conversions and recombination depend on no value; timing counts the same reads."""
    workload = transformer_block(tokens=6, width=12, evaluation=1)
    architecture = chip(scheme)
    quantized = quantize(workload, architecture)
    mapped = map_workload(quantized, architecture, {"batch": 1})
    run = execute(mapped, workload.samples.evaluation, AnalogEngine(architecture.macros, 0, 0))
    bare = quantize(replace(workload, weights={}, samples=None), architecture)
    shaped = estimate(map_workload(bare, architecture, {"batch": 1}))
    timeline = replay(mapped, service_times(architecture), run.service_cycles)
    for counted, guessed in zip(run.counts, shaped.counts, strict=True):
        assert counted.op == guessed.op
        assert counted.moved == guessed.moved
        for a, b in zip(counted.macros, guessed.macros, strict=True):
            for name in ("reads", "conversions", "shift_adds", "row_writes", "program_pulses"):
                assert getattr(a, name) == getattr(b, name)
            assert a.reads == timeline.reads[counted.op]
    for name, cycles in run.service_cycles.items():
        assert np.array_equal(cycles, shaped.service_cycles[name])


def test_four_bits_take_fewer_reads_than_eight():
    workload = transformer_block(tokens=6, width=16, evaluation=1)
    reads = {}
    for scheme in ("int8_dyadic", "int4", "qrazor_w4a4kv4"):
        architecture = chip(scheme, rows=64, cols=64, active_rows=8)
        mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
        reads[scheme] = {
            op.op: op.macros[0].conversions for op in estimate(mapped).counts if op.macros
        }
    for op, conversions in reads["int8_dyadic"].items():
        assert 4 * reads["int4"][op] == conversions
        assert reads["qrazor_w4a4kv4"][op] == reads["int4"][op]  # groups of 16 fit reads of 8


def test_a_declared_accumulator_must_hold_the_shifted_sums():
    architecture = chip("qrazor_w4a4")
    macros = {
        name: macro.model_copy(
            update={"accumulate": macro.accumulate.model_copy(update={"accumulator_bits": 16})}
        )
        for name, macro in architecture.macros.items()
    }
    architecture = architecture.model_copy(update={"macros": macros})
    x, w = np.full((1, 40), 32767, np.int16), np.full((40, 3), 127, np.int8)
    for counted in (True, False):
        engine = AnalogEngine(architecture.macros, 0, 0, counted=counted)
        with pytest.raises(ModelRangeError, match="accumulator_bits is 16"):
            multiplied(engine, architecture, 8, x, w)


@pytest.mark.parametrize("sync", ["plane", "vector"])
def test_skipped_zeros_shorten_groups(sync):
    """Two row blocks of two groups; only the first group of the second block drives anything."""
    architecture = chip("qrazor_w4a4", rows=16, active_rows=8)
    macros = {
        name: macro.model_copy(
            update={
                "sync": sync,
                "zero_skipping": macro.zero_skipping.model_copy(update={"model": "bit"}),
            }
        )
        for name, macro in architecture.macros.items()
    }
    architecture = architecture.model_copy(update={"macros": macros})
    x, w = np.zeros((1, 32), np.int16), np.ones((32, 2), np.int8)
    x[0, 16:24] = 7  # code 7: three planes of one group of 8 rows
    engine = AnalogEngine(architecture.macros, 0, 0)
    found, wide, _ = multiplied(engine, architecture, 8, x, w)
    assert np.array_equal(found.values, wide)
    assert found.counts.reads == 3
    assert found.service_cycles.tolist() == ([[3, 3]] if sync == "plane" else [[0, 3]])


def test_codes_without_shifts_stand_for_themselves():
    codes = np.array([[3, -7]])
    assert expanded(codes, None, 16, axis=-1) is codes


def test_groups_of_a_macro_have_cells_of_their_own_and_converters_in_common():
    """Every group holds the same weights and sees the same inputs, in two macros of two groups."""
    architecture = chip("qrazor_w4a4", rows=16, active_rows=8)
    x, w = np.tile([7, 7, 7, 7, 7, 7, 7, 7], (1, 4)).astype(np.int16), np.ones((32, 4), np.int8)

    def sums(**errors) -> list[list[int]]:
        macros = {
            name: macro.model_copy(
                update={
                    "adc": macro.adc.model_copy(update=errors.get("adc", {})),
                    "crossbar": macro.crossbar.model_copy(
                        update={
                            "cell": macro.crossbar.cell.model_copy(update=errors.get("cell", {}))
                        }
                    ),
                }
            )
            for name, macro in architecture.macros.items()
        }
        engine = _Watching(AnalogEngine(macros, 0, 0))
        multiplied(engine, architecture, 8, x, w)
        return [values.tolist() for values in engine.seen]

    first, second, third, _ = sums(adc={"offset_sigma_ratio": 0.2})
    assert first == second
    assert first != third
    first, second, *_ = sums(cell={"model": "mram", "sigma_on_ratio": 0.3})
    assert first != second


class _Watching:
    """Passes products on and keeps what came out."""

    def __init__(self, engine: AnalogEngine) -> None:
        self.engine, self.seen = engine, []

    def static(self, mapped, driven, first_vector):
        output = self.engine.static(mapped, driven, first_vector)
        self.seen.append(output.values)
        return output
