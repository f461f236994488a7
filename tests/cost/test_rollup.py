"""Roll-up of a two-operation workload, against sums written out by hand."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.config.architecture import CostModels, Io, Memory, Reprogram, Unit
from pimsim.cost.chip import chip_cost
from pimsim.cost.leakage import periphery_area_um2
from pimsim.cost.prices import tile_side_mm
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

RAP = load_architecture("rap_int8")
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
OPS = ("product", "softmax", None)
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
    # 28 nm, 0.9 V: 100 µS at 0.1 V for 2.8 ns and 10 µA for 1 ns per on cell, on/off 2.5 (MRAM)
    # and 1000 (SRAM), 0.15 fF per cell of a line.
    off_cells = 8 * 8 - ON_CELLS
    cell = 0.15e-3 * 0.81
    line = cell * 1024 * 1.333
    comparator = 15.2e-3 / 67.2e9 * 1e12 / 15 * CHIP_SCALE_32_28
    one_bit = 0.021 / 16 * CHIP_SCALE_32_28
    side_mm = tile_side_mm(CHIP).value
    tile_mm = math.sqrt(65536 * 8 * 0.2393 * CHIP_AREA_32_28) / 1000
    global_mm = 4 * tile_mm
    bank_mm = tile_mm / math.sqrt(8)  # the wires within a bank are in its own energy
    expected = {
        "mram.crossbar": (ON_CELLS + off_cells / 2.5) * 10 * 0.9 * 2.8e-3,
        "sram.crossbar": (ON_CELLS + off_cells / 1000) * 10 * 0.9e-3,
        "mram.adc": 8 * 8 * comparator,
        "sram.adc": 8 * 8 * comparator,
        "mram.drivers": 32 * line,
        "sram.drivers": 32 * line,
        "mram.decoder": 4 * 4 * 1024 * cell,  # 10 address bits in 4 groups
        "sram.decoder": 4 * 2 * 64 * cell,
        "sram.sample_hold": 8 * 1e-3 * 0.81,  # 1 fF
        "mram.shift_add": 8 * (52 + 26) / 8 * one_bit,  # tree of 52 adder bits behind 8 converters
        "sram.shift_add": 8 * 22 * one_bit,
        "sram.write": 64 * cell * 64 + 2 * line,
        "tile_buffer": 100 * (0.0347046 + 0.1211 * (tile_mm - bank_mm))
        + 50 * (0.048606640625 + 0.1211 * (tile_mm - bank_mm)),
        "global_buffer": 10 * (0.0347046 + 0.1211 * (global_mm - bank_mm))
        + 20 * (0.048606640625 + 0.1211 * (global_mm - bank_mm)),
        "tile_wires": 150 * 0.1211 * side_mm / 2,
        "noc": 60 * (0.081 * CHIP_SCALE_32_28 + 0.1211 * side_mm),
        "units.softmax": 3
        * (
            32 * CHIP.unit_operations.operation("add", 16).energy_pj.value
            + CHIP.unit_operations.operation("divide", 32).energy_pj.value
        ),
    }
    clocked = ("mram.shift_add", "sram.shift_add", "tile_buffer", "global_buffer", "units.softmax")
    routers = 60 * 0.081 * CHIP_SCALE_32_28
    wires = 60 * 0.1211 * side_mm
    expected["overhead.clock_and_control"] = 0.375 * (
        sum(expected[name] for name in clocked) + routers + wires
    )
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


CHIP_AREA_32_28 = float(0.46**_WEIGHT)


def test_the_parts_add_up_to_the_totals():
    breakdown = roll_up(mapped(), COUNTS, timeline(123_456), "modelled")
    energy, area = energy_breakdown_uj(breakdown), area_breakdown_mm2(breakdown)
    assert sum(energy.values()) == pytest.approx(breakdown.energy_pj / 1e6, rel=1e-9)
    assert sum(area.values()) == pytest.approx(breakdown.area_um2 / 1e6, rel=1e-9)
    assert min(energy.values()) > 0
    assert list(energy.values()) == sorted(energy.values(), reverse=True)


def test_the_lines_are_the_total_to_the_last_bit():
    breakdown = roll_up(mapped(), COUNTS, timeline(123_456), "modelled")
    energy = sum((Fraction(item.energy_pj) for item in breakdown.items), Fraction())
    assert breakdown.energy_pj == pytest.approx(float(energy), rel=1e-15)
    by_op = {op: [i.energy_pj for i in breakdown.items if i.op == op] for op in OPS}
    parts = math.fsum(math.fsum(values) for values in by_op.values())
    assert parts == pytest.approx(float(energy), rel=1e-15)


def test_operations_are_additive():
    whole = roll_up(mapped(), COUNTS, timeline(0), "modelled").energy_pj
    parts = [roll_up(mapped(), (one,), timeline(0), "modelled").energy_pj for one in COUNTS]
    assert whole == pytest.approx(sum(parts), rel=1e-12)


@pytest.mark.parametrize(
    ("histogram", "on_cells"),
    [((8, 0, 0, 0, 0, 0, 0, 0, 0), 0), ((0, 1, 0, 2, 0, 4, 0, 1, 0), 34), ((0,) * 8 + (8,), 64)],
)
def test_the_crossbar_pays_for_the_cells_that_conducted(histogram, on_cells):
    """8 conversions of 8 driven rows: 25.2 fJ a conducting cell (10 µA, 0.9 V, 2.8 ns), an on/off
    ratio less for each other one. Everything else is independent of the data."""
    counts = dataclasses.replace(STATIC, column_sum_histogram=histogram)
    got, usual = (
        by_component(
            roll_up(mapped(), (ActionCounts("product", 1, (macro,)),), timeline(1000), "modelled")
        )
        for macro in (counts, STATIC)
    )
    by_hand = on_cells * 0.0252 + (8 * 8 - on_cells) * 0.0252 / 2.5
    assert got.pop("mram.crossbar") == pytest.approx(by_hand, rel=1e-12)
    usual.pop("mram.crossbar")
    assert got == usual


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
    logic = periphery_area_um2(CHIP.macros["mram"])
    macro = CHIP.macros["mram"]
    assert logic.value == pytest.approx(
        macro.crossbar.drivers_area_um2.value + macro.shift_add_area_um2.value
    )
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
    for name in ("units.softmax", "noc", "tile_buffer", "tile_wires", "mram.shift_add"):
        assert lowered[name] < usual[name]
    for name in ("mram.adc", "mram.crossbar", "mram.drivers", "sram.write"):
        assert lowered[name] == usual[name]


def with_chip(**parts):
    return RAP.model_copy(update={"chip": RAP.chip.model_copy(update=parts)})


def test_bits_that_leave_the_chip_are_priced():
    memory = Memory(
        technology="hbm2", capacity_bytes=1 << 30, bandwidth_bits_per_ns=2048.0, latency_ns=50.0
    )
    chip = with_chip(memory=memory, io=Io(bandwidth_bits_per_ns=64.0))
    moved = MovedBits(memory_read_bits=1000, memory_write_bits=24, io_bits=70)
    counts = (ActionCounts("product", 2, (), (), moved),)
    energy = by_component(roll_up(mapped(chip), counts, timeline(0), "modelled"))
    assert energy["memory"] == pytest.approx(3.9 * 1024 / 2)
    assert energy["io"] == pytest.approx(10.0 * 70 / 2)


def test_bits_of_a_memory_that_the_chip_has_not_are_refused():
    counts = (ActionCounts("product", 1, (), (), MovedBits(memory_read_bits=8)),)
    with pytest.raises(SimulationError, match="8 memory_read_bits, but the chip has no memory"):
        roll_up(mapped(), counts, timeline(0), "modelled")


def test_macros_that_are_multiplexed_in_time_pay_for_their_programming():
    macros = {
        **RAP.macros,
        "mram": RAP.macros["mram"].model_copy(update={"reprogram": Reprogram(row_time_ns=200.0)}),
    }
    chip = RAP.model_copy(update={"macros": macros})
    macro = dataclasses.replace(STATIC, row_writes=3, program_pulses=300)
    counts = (ActionCounts("product", 1, (macro,)),)
    once = by_component(roll_up(mapped(chip), counts, timeline(0), "modelled"))
    assert "mram.write" not in once
    often = dataclasses.replace(mapped(chip), rounds=2)
    energy = by_component(roll_up(often, counts, timeline(0), "modelled"))
    pulses = 300  # of 1 pJ, each followed by a read; 200 cells
    line = 0.15e-3 * 0.81 * 1024 * 1.333
    assert energy["mram.write"] == pytest.approx(pulses * (1.0 + 0.0252) + 3 * line)


def test_products_on_a_multiplier_array_cost_its_operations():
    units = RAP.units.model_copy(update={"mac_array": Unit(model="digital_mac", lanes=64)})
    chip = RAP.model_copy(update={"units": units})
    counts = (ActionCounts("product", 1, (), (UnitCounts("mac_array", {16: 5}),)),)
    energy = by_component(roll_up(mapped(chip), counts, timeline(0), "modelled"))
    costs = chip_cost(chip, "modelled").unit_operations
    each = (
        costs.operation("multiply", 8).energy_pj.value + costs.operation("add", 32).energy_pj.value
    )
    assert energy["units.mac_array"] == pytest.approx(5 * 16 * each)


def test_embedded_dram_is_refreshed_all_the_time():
    variants = {"modelled": CostModels(buffer="edram_buffer", global_buffer="sram_buffer")}
    chip = RAP.model_copy(update={"cost": RAP.cost.model_copy(update={"variants": variants})})
    cost = chip_cost(chip, "modelled")
    breakdown = roll_up(mapped(chip), (), timeline(1_000_000), "modelled")
    energy = by_component(breakdown)
    assert energy["refresh.tile_buffer"] == pytest.approx(
        2 * cost.tile_buffer.refresh_mw.value * 1e3
    )
    assert "refresh.global_buffer" not in energy
    models = {item.component: item.model for item in breakdown.items}
    assert models["leakage.tile_buffer"] == "edram_buffer"
    assert models["global_buffer"] == "sram_buffer"


def test_a_hotter_chip_leaks_more_and_switches_the_same():
    hot = RAP.model_copy(update={"pvt": RAP.pvt.model_copy(update={"temperature_degc": 85.0})})
    usual, hotter = (
        by_component(roll_up(mapped(chip), COUNTS, timeline(1_000_000), "modelled"))
        for chip in (RAP, hot)
    )
    for name, energy in usual.items():
        if name.startswith("leakage."):
            assert hotter[name] > 5 * energy
        elif name != "sram.sample_hold":  # kT/C
            assert hotter[name] == energy


def test_nothing_done_is_nothing_spent():
    idle = dataclasses.replace(mapped(), macros_used={"mram": 0, "sram": 0})
    assert roll_up(idle, (), timeline(0), "modelled").energy_pj == 0.0


def test_groups_that_are_put_together_take_wide_steps():
    """As many steps as conversions share the tree; what is beyond them takes a step of its own."""
    grouped = dataclasses.replace(STATIC, shift_adds={26: 8, 40: 3})
    counts = (ActionCounts("product", 1, (grouped,)),)
    energy = by_component(roll_up(mapped(), counts, timeline(0), "modelled"))
    one_bit = 0.021 / 16 * CHIP_SCALE_32_28
    assert energy["mram.shift_add"] == pytest.approx((52 + 26 + 3 * 40) * one_bit, rel=1e-4)
