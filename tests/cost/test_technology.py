"""Scaling against the published tables (Stillmaker and Baas 2017, as coded in hwcomponents)."""

import math

import pytest

from pimsim.config import load_architecture
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import (
    NODES_NM,
    OperatingPoint,
    area_ratio,
    energy_ratio,
    leakage_ratio,
    logic_leakage_mw,
    operating_point,
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


def test_leakage_follows_the_subthreshold_law():
    """Threshold 0.4 V, -0.7 mV/K, n = 1.4, barrier lowering 0.1 V/V, mobility T**-1.5."""

    def exponent(kelvin, threshold_v):
        return -threshold_v / (1.4 * 8.617333262e-5 * kelvin)

    kelvin = 85.0 + 273.15
    threshold = 0.4 - 0.0007 * 60.0 - 0.1 * (0.8 - 0.9)
    expected = (
        0.8 / 0.9 * math.sqrt(kelvin / 298.15)
        * math.exp(exponent(kelvin, threshold) - exponent(298.15, 0.4))
    )  # fmt: skip
    got = leakage_ratio(OperatingPoint(28.0, 0.8, temperature_degc=85.0)).value
    assert got == pytest.approx(expected, rel=1e-12)


def test_hotter_faster_and_higher_supplies_leak_more():
    ratios = [leakage_ratio(OperatingPoint(28.0, temperature_degc=t)).value for t in (-40, 25, 125)]
    assert ratios == sorted(ratios)
    assert ratios[1] == 1.0
    corners = {p: leakage_ratio(OperatingPoint(28.0, process=p)).value for p in ("ss", "tt", "ff")}
    assert corners["ss"] < corners["tt"] == 1.0 < corners["ff"]
    skewed = [leakage_ratio(OperatingPoint(28.0, process=p)).value for p in ("fs", "sf")]
    assert skewed[0] == pytest.approx(skewed[1])
    assert skewed[0] == pytest.approx((corners["ss"] + corners["ff"]) / 2)
    supplies = [leakage_ratio(OperatingPoint(28.0, v)).value for v in (0.7, 0.9, 1.1)]
    assert supplies == sorted(supplies)


def test_leakage_rests_on_nothing_where_nothing_is_shifted():
    assert leakage_ratio(OperatingPoint(28.0)) == Sourced(1.0)
    assert leakage_ratio(OperatingPoint(28.0, 0.8)).kind == "assumed"


@pytest.mark.parametrize("temperature", [-41.0, 126.0])
def test_a_temperature_outside_the_range_is_refused(temperature):
    with pytest.raises(ModelRangeError, match="temperature_degc must be -40 to 125"):
        leakage_ratio(OperatingPoint(28.0, temperature_degc=temperature))


def test_the_operating_point_is_that_of_the_file():
    chip = load_architecture(
        "rap", overrides=["pvt.supply_v=0.8", "pvt.process=ss", "pvt.temperature_degc=85.0"]
    )
    assert operating_point(chip) == OperatingPoint(28.0, 0.8, 85.0, "ss", 0.9)


@pytest.mark.parametrize("node", [28.0, 22.0, 14.0, 65.0])
def test_there_and_back_is_no_change_but_for_the_rounding_of_the_table(node):
    assert (energy_ratio(28, node) * energy_ratio(node, 28)).value == pytest.approx(1.0)
    assert (area_ratio(28, node) * area_ratio(node, 28)).value == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"supply_v": -3.0}, "supply_v must be 0.4 to 1.3, got -3.0"),
        ({"supply_v": math.nan}, "supply_v must be 0.4 to 1.3, got nan"),
        ({"nominal_supply_v": 0.0}, "nominal_supply_v must be 0.4 to 1.3, got 0.0"),
        ({"temperature_degc": -300.0}, "temperature_degc must be -40 to 125, got -300.0"),
        ({"process": "xx"}, "process must be tt, ff, ss, fs, sf, got 'xx'"),
        ({"threshold_shift_v": -99.0}, "threshold_shift_v must be -0.1 to 0.1, got -99.0"),
        ({"threshold_shift_v": math.nan}, "threshold_shift_v must be -0.1 to 0.1, got nan"),
    ],
)
def test_an_operating_point_that_no_model_holds_at_is_refused(setting, message):
    with pytest.raises(ModelRangeError, match=message):
        OperatingPoint(28.0, **setting)
