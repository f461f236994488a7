"""A chip costed by its own table: counts times rows by hand, and nothing counted twice."""

from collections import defaultdict

import pytest

from pimsim.config import load_architecture
from pimsim.cost import chip_cost
from pimsim.cost.published_table import (
    areas_um2,
    macro_spending,
    movement_spending,
    peak_powers_mw,
    row_prices,
    table_of,
)
from pimsim.cost.service_times import service_times
from pimsim.errors import ModelRangeError
from pimsim.records import MacroCounts, MovedBits


def table(name, *overrides):
    chip = load_architecture(name, overrides=overrides)
    return table_of(chip, chip.cost.variants[chip.cost.default])


def test_a_chip_without_a_table_has_none():
    assert table("rap") is None
    assert chip_cost(load_architecture("rap"), "modelled").table is None


def test_power_rows_spend_for_as_long_as_the_macro_reads():
    """ISAAC: two inferences of 10 reads of 100 ns with 128 DACs of 4/1024 mW and one 2 mW ADC."""
    counts = MacroCounts("xbar", reads=20, conversions=2560)
    spent = {item.component: item for item in macro_spending(table("isaac"), counts, 2)}
    assert spent["xbar.adc"].energy_pj.value == pytest.approx(10 * 100 * 2.0)
    assert spent["xbar.dac"].energy_pj.value == pytest.approx(10 * 100 * 128 * 4.0 / 1024)
    assert spent["xbar.input_register"].energy_pj.value == pytest.approx(10 * 100 * 1.24 / 8)
    assert spent["xbar.adc"].actions == 1000.0
    assert "xbar.edram" not in spent


def test_a_read_of_all_arrays_of_a_tile_draws_the_power_of_its_multipliers():
    """12 IMAs of 24.08 mW, whatever the rows are called."""
    counts = MacroCounts("xbar", reads=96)
    spent = sum(item.energy_pj.value for item in macro_spending(table("isaac"), counts, 1))
    assert spent / 100.0 == pytest.approx(12 * 24.08, rel=1e-3)


def test_bits_cost_what_the_rows_of_buffers_and_links_say():
    moved = MovedBits(tile_buffer_read_bits=300, tile_buffer_write_bits=212, link_bits=64)
    spent = {item.component: item.energy_pj.value for item in
             movement_spending(table("isaac"), moved, 1)}  # fmt: skip
    assert spent["tile.edram"] == pytest.approx(512 / 256 * 20.45, rel=1e-5)
    assert spent["tile.edram_bus"] == pytest.approx(512 * 0.054)
    assert spent["tile.router"] == pytest.approx(64 / 256 * 20.74, rel=1e-5)
    assert spent["chip.hyper_transport"] == 0.0


def test_steps_of_a_readout_follow_from_the_operand_widths():
    """NeuRRAM, 4-bit inputs and 8-bit outputs: 3 bits, 1 phase, 7 additions, 8 comparisons."""
    counts = MacroCounts("rram", reads=4 * 5, conversions=5 * 128)
    spent = {item.component: item for item in macro_spending(table("neurram"), counts, 1)}
    assert spent["rram.word_line_bits"].actions == 3 * 5
    assert spent["rram.word_line_phases"].actions == 5
    assert spent["rram.neuron_integration"].actions == 7 * 5
    assert spent["rram.neuron_conversion"].energy_pj.value == pytest.approx(8 * 5 * 102.4)


def test_prices_times_actions_are_what_is_spent():
    rows = table("isaac")
    price = {item.component: item.energy_pj.value for item in row_prices(rows)}
    for item in macro_spending(rows, MacroCounts("xbar", reads=7), 1):
        assert item.energy_pj.value == pytest.approx(price[item.component] * item.actions)


def test_area_and_power_count_every_instance_once():
    rows = table("puma")
    area, power = dict(areas_um2(rows)), dict(peak_powers_mw(rows))
    assert area["xbar.adc"].value == pytest.approx(138 * 128 * 1200.0)
    assert area["xbar.shift_add"].value == pytest.approx(138 * 16 * 60.0)
    assert area["tile.router"].value == pytest.approx(138 / 4 * 47000.0)
    assert power["tile.alu"].value == pytest.approx(138 * 8 * 1.898667)
    assert power["chip.hyper_transport"].value == 10400.0


def test_energies_per_action_give_the_power_of_a_macro_that_never_rests():
    rows = table("neurram")
    read_ns = service_times(rows.architecture).read_ps["rram"] / 1e3
    power = dict(peak_powers_mw(rows))
    per_vector = 8 * 102.4
    assert power["rram.neuron_conversion"].value == pytest.approx(
        48 * per_vector / (4 * read_ns), rel=1e-6
    )


def test_every_number_keeps_its_source():
    rows = table("isaac")
    sources = {item.component: item.energy_pj.sources for item in row_prices(rows)}
    assert sources["xbar.adc"][0].citation_key == "shafiee2016"
    assert sources["tile.edram"][0].citation_key == "hwcomponents2025"
    assert all(sources.values())


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            "rap_table1",
            ["cost.variants.published.table.components.aw_array_adc.macro=mrma"],
            "'aw_array_adc': 'macro' must be one of mram, sram",
        ),
        (
            "rap_table1",
            ["cost.variants.published.table.components.aw_array_adc.macro=null"],
            "found None",
        ),
        (
            "isaac",
            [
                "cost.variants.published.table.components.adc.action=input_bit",
                "cost.variants.published.table.components.adc.energy_pj=1.0",
            ],
            "macros.xbar has none",
        ),
    ],
)
def test_rows_that_do_not_fit_the_chip_are_refused(name, overrides, message):
    with pytest.raises(ModelRangeError, match=message):
        table(name, *overrides)


def test_components_are_named_after_what_they_are_counted_for():
    groups = defaultdict(set)
    for component, _ in areas_um2(table("isaac")):
        group, _, row = component.partition(".")
        groups[group].add(row)
    assert set(groups) == {"xbar", "tile", "chip"}
    assert groups["chip"] == {"hyper_transport"}
