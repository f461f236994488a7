import math

import pytest

from pimsim.config import load_architecture
from pimsim.cost.areas import chip_areas
from pimsim.cost.chip import chip_cost
from pimsim.cost.noc import mesh, wire_energy_pj
from pimsim.cost.prices import movement_prices, tile_side_mm
from pimsim.cost.technology import OperatingPoint, energy_ratio

AT_32 = OperatingPoint(32.0)
RAP = load_architecture("rap")


def test_a_router_is_that_of_isaac():
    cost = mesh("mesh", AT_32)
    assert cost.energy_per_bit_hop_pj.value == pytest.approx(0.081)
    assert cost.area_per_tile_um2.value == 150_000


def test_a_bus_has_no_routers():
    bus = mesh("bus", AT_32)
    assert bus.energy_per_bit_hop_pj.value == 0.0
    assert bus.area_per_tile_um2.value == 90_000


def test_256_bits_over_10_mm_cost_what_was_published_and_the_square_of_the_supply():
    wire = wire_energy_pj(AT_32).value
    assert 256 * 10 * wire == pytest.approx(310, rel=1e-3)
    assert wire_energy_pj(OperatingPoint(7.0)).value == wire
    assert wire_energy_pj(OperatingPoint(32.0, 0.6)).value == pytest.approx(wire * (0.6 / 0.9) ** 2)


def test_isaacs_own_bus_agrees_with_the_wires():
    """0.054 pJ per bit; its tile of 0.37 mm² is crossed along a side."""
    assert wire_energy_pj(AT_32).value * math.sqrt(0.372) == pytest.approx(0.054, rel=0.4)


def test_routers_scale_with_node_and_supply():
    scaled = mesh("mesh", OperatingPoint(28.0, 0.8)).energy_per_bit_hop_pj.value
    assert scaled == pytest.approx(0.081 * energy_ratio(32, 28, to_v=0.8).value)


def test_links_are_as_long_as_a_tile_and_wires_inside_half_as_long():
    chip = chip_cost(RAP, "modelled")
    outside = ("global_buffer", "overhead.clock_and_control")
    tiles = sum(area.value for name, area, _ in chip_areas(chip) if name not in outside)
    side_mm = math.sqrt(tiles / 16) / 1000
    assert tile_side_mm(chip).value == pytest.approx(side_mm)
    prices = movement_prices(chip)
    router = mesh("mesh", chip.point).energy_per_bit_hop_pj.value
    assert prices["link_bits"].energy_pj.value == pytest.approx(router + 0.1211 * side_mm)
    assert prices["tile_wires"].energy_pj.value == pytest.approx(0.1211 * side_mm / 2)


def test_a_bit_on_a_bus_drives_the_wire_along_all_tiles():
    noc = RAP.chip.noc.model_copy(update={"model": "bus"})
    chip = RAP.model_copy(update={"chip": RAP.chip.model_copy(update={"noc": noc})})
    cost = chip_cost(chip, "modelled")
    expected = 16 * tile_side_mm(cost).value * 0.1211
    assert movement_prices(cost)["link_bits"].energy_pj.value == pytest.approx(expected)
