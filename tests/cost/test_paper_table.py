"""Table 1 of the RAP paper as a cost model, against the sums of the table itself."""

import dataclasses

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.cost import paper_table
from pimsim.cost.areas import chip_areas
from pimsim.cost.basis import CostBasis
from pimsim.cost.chip import chip_cost
from pimsim.cost.parameters import family
from pimsim.cost.rollup import roll_up
from pimsim.errors import ConfigError, ModelRangeError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.records import ActionCounts, MacroCounts, MovedBits, Timeline, UnitCounts

ROWS = {name: row.value for name, row in family("paper_table").items()}
HARDWARE = UnitHardware(
    passes=1,
    per_element=((Operation("add", 16), 1),),
    per_row=(),
    serial_cycles_per_row=0,
    pipeline_depth_cycles=1,
    table_bits=0,
    maximum_row_length=None,
)


def rap(active=None, *overrides):
    keys = "" if active is None else f", table1_active_arrays: {active}"
    variant = f"cost.variants.paper_table={{paper_table: rap_table1{keys}}}"
    return load_architecture("rap", overrides=[variant, *overrides])


def timeline(**busy_ns):
    """One busy interval for each of the resources, all from 0."""
    names = tuple(name.replace("__", ":") for name in busy_ns)
    ends = np.array([1000 * time for time in busy_ns.values()], np.int64)
    index = np.arange(len(names), dtype=np.int32)
    zeros = np.zeros(len(names), np.int32)
    classes = tuple("vector_unit" if name.startswith("unit") else "macro" for name in names)
    latency = int(ends.max(initial=0))
    return Timeline(
        names, classes, ("op",), np.zeros(len(names), np.int64), ends, index, zeros, zeros,
        latency, {}, {}, {}, 0,
    )  # fmt: skip


def basis(chip):
    hardware = {"softmax": HARDWARE, "gelu": HARDWARE, "add": HARDWARE}
    return CostBasis(chip, hardware, {"mram": 4, "sram": 4}, frozenset({0}), 1)


def energies(chip, counts, line):
    breakdown = roll_up(basis(chip), counts, line, "paper_table")
    sums = {}
    for item in breakdown.items:
        sums[item.component] = sums.get(item.component, 0.0) + item.energy_pj
    return {component: energy for component, energy in sums.items() if energy}


def test_the_rows_add_up_to_the_unit_within_the_deviation_of_the_table_itself():
    power = sum(
        v for n, v in ROWS.items() if n.endswith("_power_mw") and n[:2] in ("aw", "aa", "so")
    )
    area = sum(
        v for n, v in ROWS.items() if n.endswith("_area_mm2") and n[:2] in ("aw", "aa", "so")
    )
    assert power == pytest.approx(150.69, abs=0.01)
    assert power == pytest.approx(ROWS["unit_power_mw"], rel=0.001)
    assert area == pytest.approx(28.529, abs=0.001)
    assert area == pytest.approx(ROWS["unit_area_mm2"], rel=0.04)
    assert 16 * ROWS["unit_power_mw"] == pytest.approx(ROWS["array_of_16_power_mw"], rel=0.051)
    assert 16 * ROWS["unit_area_mm2"] == pytest.approx(ROWS["array_of_16_area_mm2"], rel=0.038)


def test_the_chip_has_the_published_area_plus_what_the_table_leaves_out():
    areas = {
        name: area.value / 1e6 for name, area, _ in chip_areas(chip_cost(rap(), "paper_table"))
    }
    table = sum(area for name, area in areas.items() if name.startswith("table1."))
    assert table == pytest.approx(492.44)
    assert set(areas) - {name for name in areas if name.startswith("table1.")} == {
        "units.layer_norm",
        "units.gelu",
        "tile_buffer",
        "global_buffer",
        "noc",
        "overhead.clock_and_control",
    }


def test_arrays_beyond_the_table_take_area_by_their_cells():
    areas = {
        name: area.value
        for name, area, _ in chip_areas(chip_cost(rap(None, "tile.macros.mram=144"), "paper_table"))
    }
    assert areas["table1.aw_arrays"] / 1e6 == pytest.approx(2 * 16 * 19.546)
    assert areas["table1.aa_arrays"] / 1e6 == pytest.approx(16 * 5.384)


def test_everything_at_work_draws_the_power_of_a_unit():
    """9 MRAM and 64 SRAM arrays read without a pause, and the units work, for a microsecond."""
    macros = tuple(
        MacroCounts(macro=name, reads=100 * arrays) for name, arrays in (("mram", 9), ("sram", 64))
    )
    line = timeline(
        macro__mram__op=1000, macro__sram__op=1000, unit__softmax__0=1000, unit__requantize__0=1000
    )
    chip = rap(None, *(f"macros.{name}.zero_skipping.model=bitsift" for name in ("mram", "sram")))
    spent = energies(chip, (ActionCounts("op", 1, macros),), line)
    table = sum(energy for name, energy in spent.items() if name.startswith("table1."))
    assert table / 1000 == pytest.approx(150.69, abs=0.01)  # pJ/ns = mW


def test_a_controller_is_off_where_no_zeros_are_skipped():
    dense = (f"macros.{name}.zero_skipping={{model: none}}" for name in ("mram", "sram"))
    spent = energies(rap(None, *dense), (), timeline(macro__mram__op=10))
    assert "table1.aw_bitsift" not in spent
    assert spent["table1.aw_shift_add"] == pytest.approx(2.47 * 10)


@pytest.mark.parametrize(("active", "per_conversion_fj"), [(9, 15.6), (72, 1.95), (1, 140.6)])
def test_energy_per_conversion_follows_the_assumed_number_of_active_arrays(
    active, per_conversion_fj
):
    chip = rap(active)
    table = paper_table.paper_table_of(chip, chip.cost.variants["paper_table"])
    component, energy = paper_table.read_energy_pj(table, "mram", 10.0)
    assert component == "table1.aw_arrays"
    assert energy.value / 1024 * 1000 == pytest.approx(per_conversion_fj, abs=0.05)
    assert energy.kind == "assumed"


def test_memories_are_gated_and_what_is_not_in_the_table_keeps_its_model():
    counts = (
        ActionCounts("softmax", 1, (), (UnitCounts("softmax", {8: 5}),)),
        ActionCounts("gelu", 1, (), (UnitCounts("gelu", {8: 5}),), MovedBits(link_bits=10)),
    )
    spent = energies(rap(), counts, timeline(unit__softmax__0=100, unit__gelu__0=50))
    assert {name for name in spent if name.startswith("table1.")} == {
        "table1.softmax_polynomial", "table1.softmax_exponential", "table1.softmax_normalization",
    }  # fmt: skip
    assert spent["table1.softmax_polynomial"] == pytest.approx(48.4 * 100)
    assert {"units.gelu", "noc", "leakage.units"} <= set(spent)
    assert not {"units.softmax", "leakage.sram", "leakage.mram", "mram.adc"} & set(spent)


def test_nothing_done_spends_nothing():
    assert energies(rap(), (), timeline()) == {}


def test_energy_is_additive_over_operations():
    macro = MacroCounts(macro="mram", reads=7)
    two = (ActionCounts("a", 1, (macro,)), ActionCounts("b", 2, (macro,)))
    whole = energies(rap(), two, timeline())["table1.aw_arrays"]
    parts = [energies(rap(), (one,), timeline())["table1.aw_arrays"] for one in two]
    assert whole == pytest.approx(sum(parts), rel=1e-12)
    assert parts[0] == pytest.approx(2 * parts[1])


def test_it_is_a_table_of_one_chip_at_one_node():
    chip = rap()
    with pytest.raises(ModelRangeError, match="holds at 28 nm, found node_nm 14"):
        paper_table.paper_table_of(
            chip.model_copy(update={"node_nm": 14.0}), chip.cost.variants["paper_table"]
        )
    only = chip.tile.model_copy(update={"macros": {"mram": 72, "sram": 0}})
    with pytest.raises(ModelRangeError, match="has not both"):
        paper_table.paper_table_of(
            chip.model_copy(update={"tile": only}), chip.cost.variants["paper_table"]
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("{table1_active_arrays: 9}", "only a variant with paper_table takes it"),
        ("{paper_table: rap_table1, table1_active_arrays: 0}", "must be at least 1"),
        ("{paper_table: rap_table1, table1_active_arrays: 73}", "must be at most 72"),
        ("{paper_table: rap_table2}", "rap_table1"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys, message):
    with pytest.raises(ConfigError) as caught:
        load_architecture("rap", overrides=[f"cost.variants.paper_table={keys}"])
    assert message in str(caught.value)


def test_a_chip_without_the_table_has_none_of_it():
    chip = load_architecture("rap")
    assert chip_cost(chip, "modelled").paper_table is None
    spent = dataclasses.replace(basis(chip))
    items = roll_up(spent, (), timeline(macro__mram__op=10), "modelled").items
    assert not any(item.component.startswith("table1.") for item in items)
