"""Roll-up of a two-operation workload, against sums written out by hand."""

import dataclasses

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.cost.chip import chip_cost
from pimsim.cost.rollup import (
    area_breakdown_mm2,
    assumed_area_ratio,
    assumed_energy_ratio,
    energy_breakdown_uj,
    roll_up,
)
from pimsim.cost.technology import logic_leakage_mw
from pimsim.errors import NotFoundError, SimulationError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.mapping.mapped import Block, MappedOp, MappedWorkload, Placement, UnitUse
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from pimsim.records import ActionCounts, MacroCounts, MovedBits, Timeline, UnitCounts
from pimsim.workload.graph import Workload

RAP = load_architecture("rap")
CHIP = chip_cost(RAP, "modelled")
ADD = Operation("add", 16)
HARDWARE = UnitHardware(
    passes=1,
    per_element=((ADD, 2),),
    per_row=((Operation("divide", 32), 1),),
    serial_cycles_per_row=0,
    pipeline_depth_cycles=1,
    table_bits=0,
    maximum_row_length=None,
)
# One inference: 4 reads of 2 columns; sums 0, 1, 1, 2, 3, 3, 3, 8; 20 driven and 12 dummy lines.
HISTOGRAM = (1, 2, 1, 3, 0, 0, 0, 0, 1)
ON_CELLS = 0 + 2 + 2 + 9 + 8
STATIC = MacroCounts(
    macro="mram",
    reads=4,
    conversions=8,
    column_sum_histogram=HISTOGRAM,
    driven_word_lines=20,
    dummy_word_lines=12,
    programmed_zeros=100,
    programmed_ones=100,
    shift_adds={26: 8},
)
DYNAMIC = MacroCounts(
    macro="sram",
    reads=4,
    conversions=8,
    column_sum_histogram=HISTOGRAM,
    driven_word_lines=32,
    programmed_zeros=30,
    programmed_ones=34,
    row_writes=2,
    shift_adds={22: 8},
)
MOVED = MovedBits(
    tile_buffer_read_bits=100,
    tile_buffer_write_bits=50,
    global_buffer_read_bits=10,
    global_buffer_write_bits=20,
    link_bits=60,
)
COUNTS = (
    ActionCounts("product", 1, (STATIC, DYNAMIC), (), MOVED),
    ActionCounts("softmax", 1, (), (UnitCounts("softmax", {16: 3}),)),
)


def timeline(latency_ps):
    empty, index = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return Timeline((), (), (), empty, empty, index, index, index, latency_ps, {}, {}, {}, 0)


def mapped(architecture=RAP):
    workload = Workload("two", None, None, {}, (), (), {}, ())
    product = QuantizedOp("product", "static_product", "product", (), "p")
    softmax = QuantizedOp(
        "softmax", "unit", "softmax", ("p",), "s", function="softmax", hardware=HARDWARE
    )
    quantized = QuantizedWorkload(workload, "int8_dyadic", (), (), {}, (product, softmax))
    place = Placement("mram", 8, 2, 1, (Block(3, 0, 0, 0, 8, 0, 2),), 1)
    ops = (
        MappedOp(product, 0, 1, place, None, MOVED, ()),
        MappedOp(softmax, 0, 3, None, UnitUse("softmax", 3, 16), MovedBits(), ("product",)),
    )
    used = {"mram": 2, "sram": 0}
    return MappedWorkload(quantized, architecture, {}, ops, used, {"mram": 128, "sram": 0})


def by_component(breakdown):
    sums = {}
    for item in breakdown.items:
        sums[item.component] = sums.get(item.component, 0.0) + item.energy_pj
    return sums


def test_energy_is_counts_times_the_table():
    energy = by_component(roll_up(mapped(), COUNTS, timeline(0), "modelled"))
    # 28 nm, 0.9 V: 9 fJ per on cell, on/off 2.5 (MRAM) and 1000 (SRAM), 0.15 fF per cell of a line.
    off_cells = 8 * 8 - ON_CELLS
    line = 0.15e-3 * 0.81 * 1024 * 1.333
    comparator = 15.2e-3 / 67.2e9 * 1e12 / 15 * CHIP_SCALE_32_28
    expected = {
        "mram.crossbar": ON_CELLS * 0.009 + off_cells * 0.009 / 2.5,
        "sram.crossbar": ON_CELLS * 0.009 + off_cells * 0.009 / 1000,
        "mram.adc": 8 * 8 * comparator,
        "sram.adc": 8 * 8 * comparator,
        "mram.drivers": 32 * line,
        "sram.drivers": 32 * line,
        "mram.shift_add": 8 * 0.021 * 26 / 16 * CHIP_SCALE_32_28,
        "sram.shift_add": 8 * 0.021 * 22 / 16 * CHIP_SCALE_32_28,
        "sram.write": 64 * 0.15e-3 * 0.81 * 64 + 2 * line,
        "tile_buffer": 150 * CHIP.tile_buffer.energy_per_bit_pj.value,
        "global_buffer": 30 * CHIP.global_buffer.energy_per_bit_pj.value,
        "noc": 60 * 0.135 * CHIP_SCALE_32_28,
        "units.softmax": 3
        * (
            32 * CHIP.unit_operations.operation("add", 16).energy_pj.value
            + CHIP.unit_operations.operation("divide", 32).energy_pj.value
        ),
    }
    got = {n: value for n, value in energy.items() if value and not n.startswith("leakage.")}
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-4), name


def _polynomial(a, b, c):
    return a * 0.81 + b * 0.9 + c


# Interpolated between the 32 and 20 nm polynomials in the logarithm of the node.
_WEIGHT = np.log(32 / 28) / np.log(32 / 20)
CHIP_SCALE_32_28 = float(
    (_polynomial(0.373, -0.1582, 0.04104) / _polynomial(0.9559, -0.7823, 0.471)) ** _WEIGHT
)


def test_the_parts_add_up_to_the_totals():
    breakdown = roll_up(mapped(), COUNTS, timeline(123_456), "modelled")
    energy, area = energy_breakdown_uj(breakdown), area_breakdown_mm2(breakdown)
    assert sum(energy.values()) == pytest.approx(breakdown.energy_pj / 1e6, rel=1e-9)
    assert sum(area.values()) == pytest.approx(breakdown.area_um2 / 1e6, rel=1e-9)
    assert min(energy.values()) > 0
    assert list(energy.values()) == sorted(energy.values(), reverse=True)


def test_operations_are_additive():
    whole = roll_up(mapped(), COUNTS, timeline(0), "modelled").energy_pj
    parts = [roll_up(mapped(), (one,), timeline(0), "modelled").energy_pj for one in COUNTS]
    assert whole == pytest.approx(sum(parts), rel=1e-12)


def test_many_inferences_cost_each_the_same():
    def times(counts, n):
        macros = tuple(
            dataclasses.replace(
                macro,
                reads=n * macro.reads,
                conversions=n * macro.conversions,
                column_sum_histogram=tuple(n * x for x in macro.column_sum_histogram),
                driven_word_lines=n * macro.driven_word_lines,
                dummy_word_lines=n * macro.dummy_word_lines,
                programmed_zeros=n * macro.programmed_zeros,
                programmed_ones=n * macro.programmed_ones,
                row_writes=n * macro.row_writes,
                shift_adds={width: n * steps for width, steps in macro.shift_adds.items()},
            )
            for macro in counts.macros
        )
        units = tuple(
            dataclasses.replace(
                unit,
                invocations_by_length={k: n * v for k, v in unit.invocations_by_length.items()},
            )
            for unit in counts.units
        )
        moved = MovedBits(**{f.name: n * getattr(counts.moved, f.name) for f in FIELDS})
        return ActionCounts(counts.op, n, macros, units, moved)

    FIELDS = dataclasses.fields(MovedBits)
    once = roll_up(mapped(), COUNTS, timeline(1000), "modelled").energy_pj
    many = roll_up(mapped(), [times(c, 7) for c in COUNTS], timeline(1000), "modelled").energy_pj
    assert many == pytest.approx(once, rel=1e-12)


def test_leakage_is_power_times_latency_of_what_is_not_gated():
    def leakage(latency_ps):
        parts = by_component(roll_up(mapped(), (), timeline(latency_ps), "modelled"))
        return {name: energy for name, energy in parts.items() if energy}

    one, ten = leakage(1_000_000), leakage(10_000_000)
    assert set(one) == {
        "leakage.tile_buffer",  # MRAM cells do not leak, no SRAM macro holds anything, units idle
        "leakage.global_buffer",
        "leakage.noc",
    }
    for name, energy in one.items():
        assert ten[name] == pytest.approx(10 * energy)
    # two working tiles (0 and 3), 64 KiB each, 30 pW per bit, 1000 ns
    assert one["leakage.tile_buffer"] == pytest.approx(2 * 65536 * 8 * 3e-8 * 1000)


def test_units_leak_while_they_work():
    """Two units of one kind on two tiles, 3 and 4 ns; the others are gated."""
    busy = dataclasses.replace(
        timeline(9_000),
        resources=("unit:softmax:0", "unit:softmax:3", "tile_buffer:0"),
        resource_classes=("vector_unit", "vector_unit", "tile_buffer"),
        start_ps=np.array([0, 1_000, 2_000]),
        end_ps=np.array([3_000, 5_000, 9_000]),
        resource=np.array([0, 1, 2], np.int32),
    )
    energy = by_component(roll_up(mapped(), (), busy, "modelled"))
    power = logic_leakage_mw(CHIP.unit_areas_um2["softmax"], CHIP.point).value
    assert energy["leakage.units"] == pytest.approx(power * 7)


def test_routers_leak_where_something_works_or_passes():
    """Tiles 0 and 3 work; traffic to tile 3 on a 4 x 4 mesh passes tiles 1 and 2."""
    crossed = dataclasses.replace(
        timeline(1_000_000), resources=("noc:global_buffer>0", "noc:0>1", "noc:1>2", "noc:2>3"),
        resource_classes=("noc",) * 4,
    )  # fmt: skip
    working = by_component(roll_up(mapped(), (), timeline(1_000_000), "modelled"))
    energy = by_component(roll_up(mapped(), (), crossed, "modelled"))
    assert energy["leakage.noc"] == pytest.approx(2 * working["leakage.noc"])


def test_volatile_cells_that_hold_something_leak_all_the_time():
    holding = dataclasses.replace(mapped(), macros_used={"mram": 0, "sram": 3})
    energy = by_component(roll_up(holding, (), timeline(1_000_000), "modelled"))
    assert energy["leakage.sram"] == pytest.approx(3 * 64 * 1024 * 3e-8 * 1000)


def test_the_logic_of_a_macro_leaks_while_it_reads():
    counts = (ActionCounts("product", 2, (dataclasses.replace(STATIC, reads=10),)),)
    energy = by_component(roll_up(mapped(), counts, timeline(0), "modelled"))
    macro = CHIP.macros["mram"]
    logic = macro.crossbar.drivers_area_um2 + macro.shift_add_area_um2
    power = logic_leakage_mw(logic, CHIP.point).value
    assert energy["leakage.mram"] == pytest.approx(power * 10 / 2 * 10.0)  # reads of 10 ns


def test_area_is_that_of_all_instances():
    area = area_breakdown_mm2(roll_up(mapped(), (), timeline(0), "modelled"))
    adc = CHIP.macros["mram"].converter.area_um2.value
    assert area["mram.adc"] == pytest.approx(16 * 72 * 1024 * adc / 1e6)
    assert area["sram.crossbar"] == pytest.approx(16 * 512 * 64 * 1024 * 0.127 * 1.41 / 1e6)
    assert "leakage.mram" not in area


def test_a_macro_kind_that_no_tile_holds_takes_no_area():
    tile = RAP.tile.model_copy(update={"macros": {"mram": 72, "sram": 0}})
    chip = RAP.model_copy(update={"tile": tile})
    area = area_breakdown_mm2(roll_up(mapped(chip), (), timeline(0), "modelled"))
    assert not any(component.startswith("sram.") for component in area)


def test_the_reference_chip_has_the_size_of_the_published_one():
    """492 mm² are published for 16 processing elements; ours has FFN units and buffers, too."""
    area = roll_up(mapped(), (), timeline(0), "modelled").area_um2 / 1e6
    assert 0.8 < area / 492.44 < 1.5


def test_programming_of_read_only_macros_is_no_part_of_an_inference():
    more = dataclasses.replace(STATIC, programmed_ones=10**9, row_writes=10**6)
    usual, programmed = (
        roll_up(mapped(), (ActionCounts("product", 1, (macro,)),), timeline(0), "modelled")
        for macro in (STATIC, more)
    )
    assert usual.energy_pj == programmed.energy_pj


def test_assumed_shares_lie_between_0_and_1_and_follow_the_items():
    breakdown = roll_up(mapped(), COUNTS, timeline(1000), "modelled")
    assumed = sum(i.energy_pj for i in breakdown.items if i.kind == "assumed")
    assert assumed_energy_ratio(breakdown) == pytest.approx(assumed / breakdown.energy_pj)
    assert 0 < assumed_area_ratio(breakdown) < 1
    survey = roll_up(mapped(), COUNTS, timeline(1000), "survey_4bit_adc")
    assert assumed_area_ratio(survey) < assumed_area_ratio(breakdown)


def test_without_energy_there_is_no_assumed_energy():
    assert assumed_energy_ratio(roll_up(mapped(), (), timeline(0), "modelled")) == 0.0


def test_every_line_has_a_registered_model_and_the_sources_are_named_once():
    breakdown = roll_up(mapped(), COUNTS, timeline(1000), "modelled")
    from pimsim.registry import COST_MODELS

    assert {item.model for item in breakdown.items} <= set(COST_MODELS.names())
    assert len(set(breakdown.sources)) == len(breakdown.sources)
    assert {source.citation_key for source in breakdown.sources} >= {"horowitz2014", "yuan2021"}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (ActionCounts("product", 0), "'product': counts over 0 inferences"),
        (
            ActionCounts("product", 1, (dataclasses.replace(STATIC, macro="rram"),)),
            "counts name macro 'rram', the architecture has mram, sram",
        ),
        (
            ActionCounts("product", 1, (dataclasses.replace(STATIC, conversions=9),)),
            "does not fit 8 active rows and 9 conversions",
        ),
        (
            ActionCounts("product", 1, (dataclasses.replace(STATIC, column_sum_histogram=(8,)),)),
            "histogram of 1 entries",
        ),
        (
            ActionCounts("product", 1, (), (UnitCounts("softmax", {4: 1}),)),
            "the operation declares no hardware",
        ),
        (
            ActionCounts("softmax", 1, (), (UnitCounts("tanh", {4: 1}),)),
            "counts of unit 'tanh'",
        ),
    ],
)
def test_counts_that_contradict_the_chip_are_refused(counts, message):
    with pytest.raises(SimulationError) as caught:
        roll_up(mapped(), (counts,), timeline(0), "modelled")
    assert message in str(caught.value)


def test_an_unknown_variant_is_refused():
    with pytest.raises(NotFoundError, match="no cost variant 'paper'"):
        roll_up(mapped(), (), timeline(0), "paper")


def test_a_lower_supply_lowers_the_logic_only():
    low = RAP.model_copy(update={"pvt": RAP.pvt.model_copy(update={"supply_v": 0.7})})
    usual, lowered = (
        by_component(roll_up(mapped(chip), COUNTS, timeline(0), "modelled")) for chip in (RAP, low)
    )
    for name in ("units.softmax", "noc", "tile_buffer", "mram.shift_add"):
        assert lowered[name] < usual[name]
    for name in ("mram.adc", "mram.crossbar", "mram.drivers", "sram.write"):
        assert lowered[name] == usual[name]
