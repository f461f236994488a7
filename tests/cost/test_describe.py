"""A chip at its peak, and one full MVM, against closed forms."""

import json

import pytest

from pimsim.config import load_architecture
from pimsim.cost.chip import chip_cost
from pimsim.cost.describe import describe, full_mvm_counts, to_document
from pimsim.cost.prices import movement_prices
from pimsim.errors import InputError, ModelRangeError, NotFoundError

RAP = load_architecture("rap_int8")


@pytest.fixture(scope="module")
def rap():
    return describe(RAP)


def test_a_full_mvm_reads_every_plane_of_every_row_group_and_converts_every_column(rap):
    mram = rap.macros["mram"]
    assert (mram.rows, mram.cols, mram.macs) == (1024, 1024 // 8, 1024 * 128)
    assert mram.reads == 8 * (1024 // 8)  # planes, groups of 8 rows
    assert mram.conversions == mram.reads * 1024
    assert mram.conversions_per_mac == 8 * 8 / 8  # slices x planes over rows of a read


def test_an_isaac_like_macro_converts_a_quarter_of_a_time_per_mac():
    """128 rows at once, 4 slices of 2 bits, 8 planes: 4 x 8 / 128, as RAELLA counts ISAAC."""
    chip = load_architecture(
        "conventional",
        overrides=[
            "macros.mram.crossbar.rows=128",
            "macros.mram.crossbar.active_rows=128",
            "macros.mram.crossbar.cell.bits=2",
            "macros.mram.weights.coding=offset",
        ],
    )
    assert describe(chip).macros["mram"].conversions_per_mac == 0.25


def test_peak_is_every_macro_reading_without_a_pause(rap):
    """1152 macros x 2 x 1024 x 128 operations in 1024 reads of 10 ns, and the dynamic macros."""
    static = 1152 * 2 * 1024 * 128 / (1024 * 10.0) * 1e-3
    dynamic = 8192 * 2 * 64 * 128 / (64 * 10.0) * 1e-3
    assert rap.tops == pytest.approx(static + dynamic)
    assert rap.tops_per_mm2 == pytest.approx(rap.tops / rap.area_mm2)
    assert rap.tops_per_w == pytest.approx(rap.tops / (rap.power_mw * 1e-3))


def test_breakdowns_add_up(rap):
    assert sum(rap.area_breakdown_mm2.values()) == pytest.approx(rap.area_mm2, rel=1e-12)
    assert sum(rap.power_breakdown_mw.values()) == pytest.approx(rap.power_mw, rel=1e-12)
    for macro in rap.macros.values():
        for total, parts in (
            (macro.energy_pj, macro.energy_breakdown_pj),
            (macro.latency_ns, macro.latency_breakdown_ns),
            (macro.area_um2, macro.area_breakdown_um2),
        ):
            assert sum(parts.values()) == pytest.approx(total, rel=1e-12)


def test_word_lines_and_converters_work_side_by_side(rap):
    """64 reads of 10 ns, then 8 conversions of 1 ns; with 16 conversions these are the slower."""
    sram = rap.macros["sram"]
    assert sram.latency_breakdown_ns["reads"] == sram.period_ns == 64 * 10.0
    assert sram.latency_breakdown_ns["last_conversions"] == 8.0
    shared = load_architecture("rap_int8", overrides=["macros.sram.adc.columns_per_adc=16"])
    slower = describe(shared).macros["sram"]
    assert slower.latency_breakdown_ns["conversions"] == slower.period_ns == 64 * 16.0
    assert slower.latency_breakdown_ns["first_read"] == 10.0


def test_the_converters_of_a_full_mvm_cost_conversions_times_their_price(rap):
    price = chip_cost(RAP, "modelled").macros["mram"].converter.energy_per_conversion_pj.value
    mram = rap.macros["mram"]
    assert mram.energy_breakdown_pj["mram.adc"] == pytest.approx(price * mram.conversions)
    assert mram.tops_per_w == pytest.approx(2 * mram.macs / mram.energy_pj)


def test_the_area_is_that_of_a_run(costed, rap):
    assert rap.area_mm2 == pytest.approx(costed["rap_int8"].costs.area_um2 * 1e-6, rel=1e-12)


def test_denser_bits_draw_more_current_and_nothing_else_changes():
    sparse, dense = (describe(RAP, density_ratio=ratio).macros["mram"] for ratio in (0.25, 1.0))
    assert sparse.latency_ns == dense.latency_ns
    before, after = sparse.energy_breakdown_pj, dense.energy_breakdown_pj
    assert before["mram.crossbar"] < after["mram.crossbar"]
    changed = {part for part in before if before[part] != after[part]}
    assert changed <= {"mram.crossbar", "mram.drivers"}


def test_all_cells_conduct_at_a_density_of_one():
    counts = full_mvm_counts("sram", RAP.macros["sram"], density_ratio=1.0)
    assert counts.column_sum_histogram[-1] == counts.conversions
    assert counts.dummy_word_lines == 0


def test_half_the_supply_range_down_costs_less_logic_energy():
    low = load_architecture("rap_int8", overrides=["pvt.supply_v=0.7"])
    ours, theirs = describe(RAP).macros["mram"], describe(low).macros["mram"]
    assert theirs.energy_breakdown_pj["mram.shift_add"] < ours.energy_breakdown_pj["mram.shift_add"]


def test_another_variant_costs_the_same_chip_otherwise(rap):
    other = describe(RAP, "survey_4bit_adc")
    assert (other.variant, other.tops) == ("survey_4bit_adc", rap.tops)
    assert other.tops_per_w < rap.tops_per_w


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_a_density_that_is_no_share_is_refused(density):
    with pytest.raises(InputError, match="density must be above 0 and at most 1"):
        describe(RAP, density_ratio=density)


def test_what_cannot_be_described_is_refused():
    with pytest.raises(NotFoundError, match="no cost variant 'modeled'; did you mean 'modelled'"):
        describe(RAP, "modeled")
    empty = RAP.model_copy(update={"tile": RAP.tile.model_copy(update={"macros": {}})})
    with pytest.raises(InputError, match="has no macro to describe"):
        describe(empty)
    coarse = RAP.cost.variants["modelled"].model_copy(update={"flash_adc": "survey_regression"})
    cost = RAP.cost.model_copy(update={"variants": {"modelled": coarse}})
    with pytest.raises(ModelRangeError, match=r"macros\.mram\.adc"):
        describe(RAP.model_copy(update={"cost": cost}))


def test_the_document_has_the_keys_that_scripts_rely_on(rap):
    document = to_document(rap)
    numbers = (
        "area_mm2", "tops", "tops_per_w", "tops_per_mm2", "latency_ns", "energy_pj", "power_mw",
        "input_bits", "weight_bits", "rows", "cols", "conversions_per_mac",
    )  # fmt: skip
    assert all(isinstance(document[key], int | float) for key in numbers)
    assert set(document["breakdowns"]) == {"area_mm2", "power_mw", "latency_ns", "energy_pj"}
    assert document["macro"] == "mram"
    assert document["energy_pj"] == document["macros"]["mram"]["energy_pj"]
    assert set(document["macros"]) == {"mram", "sram"}
    json.dumps(document, allow_nan=False)


def test_a_published_component_table_gives_its_own_totals():
    """ISAAC: 65.8 W, 85.4 mm2, 41.3 TOPS (the paper's own rows)."""
    isaac = describe(load_architecture("isaac"))
    assert isaac.power_mw == pytest.approx(65_800, rel=0.02)
    assert isaac.area_mm2 == pytest.approx(85.4, rel=0.02)
    assert isaac.tops == pytest.approx(41.3, rel=0.02)


def test_peak_power_has_buffers_their_wires_and_the_clock(rap):
    """Every macro of the chip at full MVMs: rows in and columns out, as wide as inputs."""
    chip = chip_cost(RAP, "modelled")
    prices, power = movement_prices(chip), rap.power_breakdown_mw
    read, written = (
        sum(
            macro.instances * macro.input_bits * getattr(macro, side) / macro.period_ns
            for macro in rap.macros.values()
        )
        for side in ("rows", "cols")
    )
    buffers = (
        read * prices["tile_buffer_read_bits"].energy_pj.value
        + written * prices["tile_buffer_write_bits"].energy_pj.value
    )
    assert power["tile_buffer"] == pytest.approx(buffers, rel=1e-12)
    wires = (read + written) * prices["tile_wires"].energy_pj.value
    assert power["tile_wires"] == pytest.approx(wires, rel=1e-12)
    clocked = ("mram.shift_add", "sram.shift_add", "tile_buffer")
    ratio = chip.overhead.energy_ratio.value
    clock = ratio * sum(power[name] for name in clocked)
    assert power["overhead.clock_and_control"] == pytest.approx(clock, rel=1e-12)
