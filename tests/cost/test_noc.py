import pytest

from pimsim.cost.noc import mesh
from pimsim.cost.technology import OperatingPoint, energy_ratio


def test_a_hop_is_one_router_and_one_link():
    cost = mesh("mesh", OperatingPoint(32.0))
    assert cost.energy_per_bit_hop_pj.value == pytest.approx(0.081 + 0.054)
    assert cost.area_per_tile_um2.value == 150_000


def test_a_bus_has_no_routers():
    bus = mesh("bus", OperatingPoint(32.0))
    assert bus.energy_per_bit_hop_pj.value == pytest.approx(0.054)
    assert bus.area_per_tile_um2.value == 90_000


def test_it_scales_with_node_and_supply():
    scaled = mesh("bus", OperatingPoint(28.0, 0.8)).energy_per_bit_hop_pj.value
    assert scaled == pytest.approx(0.054 * energy_ratio(32, 28, to_v=0.8).value)
