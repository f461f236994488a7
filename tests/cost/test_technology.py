"""Scaling against the published tables (Stillmaker and Baas 2017, as coded in hwcomponents)."""

import math

import pytest

from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import (
    NODES_NM,
    OperatingPoint,
    area_ratio,
    energy_ratio,
    logic_leakage_mw,
)
from pimsim.errors import ModelRangeError

# Rows of the published area table, restated by hand.
AREA = {
    45: {32: 0.46, 20: 0.21, 16: 0.19, 14: 0.17, 10: 0.10, 7: 0.059},
    65: {45: 0.66, 32: 0.31, 20: 0.14, 16: 0.13, 14: 0.12, 10: 0.068, 7: 0.039},
    32: {20: 0.46, 16: 0.41, 14: 0.38, 10: 0.22, 7: 0.13},
}
# a, b, c of the energy polynomials.
ENERGY = {
    130: (7.171, -6.709, 2.904),
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471),
    20: (0.373, -0.1582, 0.04104),
    7: (0.1776, -0.09097, 0.02447),
}


@pytest.mark.parametrize(
    ("start", "end", "factor"), [(f, t, x) for f, row in AREA.items() for t, x in row.items()]
)
def test_area_between_tabulated_nodes_is_the_table(start, end, factor):
    assert area_ratio(start, end).value == pytest.approx(factor, rel=1e-12)
    assert area_ratio(start, end).kind == "fitted"


@pytest.mark.parametrize("start", sorted(ENERGY))
@pytest.mark.parametrize("end", sorted(ENERGY))
@pytest.mark.parametrize(("from_v", "to_v"), [(0.9, 0.9), (1.0, 0.8)])
def test_energy_is_the_ratio_of_the_polynomials(start, end, from_v, to_v):
    def polynomial(node, supply):
        a, b, c = ENERGY[node]
        return a * supply**2 + b * supply + c

    got = energy_ratio(start, end, from_v=from_v, to_v=to_v).value
    assert got == pytest.approx(polynomial(end, to_v) / polynomial(start, from_v), rel=1e-12)


def test_28_nm_lies_on_the_power_law_between_32_and_20():
    weight = math.log(32 / 28) / math.log(32 / 20)
    assert area_ratio(32, 28).value == pytest.approx(0.46**weight, rel=1e-12)
    energy = energy_ratio(32, 20).value ** weight
    assert energy_ratio(32, 28).value == pytest.approx(energy, rel=1e-12)


def test_interpolation_is_named_in_the_source():
    conditions = [source.condition for source in energy_ratio(45, 28).sources]
    assert any("28 nm interpolated in the logarithm of the node" in text for text in conditions)
    assert "interpolated" not in " ".join(s.condition for s in area_ratio(45, 32).sources)


def test_nothing_changed_is_exactly_one_without_source():
    assert energy_ratio(28, 28) == Sourced(1.0)
    assert area_ratio(28, 28) == Sourced(1.0)


def test_smaller_nodes_and_lower_supplies_never_cost_more():
    energies = [energy_ratio(130, node).value for node in NODES_NM]
    areas = [area_ratio(130, node).value for node in NODES_NM]
    supplies = [energy_ratio(28, 28, to_v=v / 100).value for v in range(50, 131, 5)]
    assert energies == sorted(energies, reverse=True)
    assert areas == sorted(areas, reverse=True)
    assert supplies == sorted(supplies)


@pytest.mark.parametrize("node", [6.9, 131, 180])
def test_a_node_outside_the_table_is_refused(node):
    with pytest.raises(ModelRangeError, match="node_nm must be 7 to 130"):
        area_ratio(45, node)
    with pytest.raises(ModelRangeError, match="node_nm must be 7 to 130"):
        energy_ratio(node, 45)


def test_a_supply_outside_the_range_is_refused():
    with pytest.raises(ModelRangeError, match=r"supply_v must be 0\.4 to 1\.3, got 1\.4"):
        energy_ratio(45, 28, to_v=1.4)
    with pytest.raises(ModelRangeError, match=r"at least 0\.586 at 65 nm"):
        energy_ratio(45, 65, to_v=0.5)


def test_leakage_is_proportional_to_area_and_that_of_the_published_adder_at_its_node():
    adder = logic_leakage_mw(Sourced(278.0), OperatingPoint(40.0)).value
    assert adder == pytest.approx(0.0024, rel=1e-12)
    assert logic_leakage_mw(Sourced(556.0), OperatingPoint(40.0)).value == pytest.approx(2 * adder)
