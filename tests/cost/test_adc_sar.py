"""The SAR model term by term, against its formulas written out in SI units."""

import math

import pytest

from pimsim.config.architecture import Adc
from pimsim.cost.adc import sar
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint, energy_ratio
from pimsim.errors import ModelRangeError

BOLTZMANN_J_PER_K = 1.380649e-23
AT_32 = OperatingPoint(32.0)


def adc(bits=None, levels=None, conversion_time_ns=10.0):
    return Adc(
        model="sar", bits=bits, levels=levels, columns_per_adc=1, reference="fixed", trim="none",
        conversion_time_ns=conversion_time_ns,
    )  # fmt: skip


def unit_capacitor_f(bits):
    noise = 12 * BOLTZMANN_J_PER_K * 298.15 * 4**bits / (2**bits * 0.9**2)
    matching = 36 * 0.01**2 * 2**bits / 0.5 * 1e-15
    return max(noise, matching, 0.5e-15)


def test_an_eight_bit_converter_is_the_sum_of_its_parts():
    array = unit_capacitor_f(8) * 0.9**2 * (2**6 - 0.5) * 1e12
    comparator = 0.22619 / 15
    register = 0.009 * energy_ratio(40, 32).value
    cost = sar(adc(8), AT_32)
    assert cost.energy_per_conversion_pj.value == pytest.approx(
        array + 8 * comparator + 24 * register
    )
    area = 256 * unit_capacitor_f(8) * 1e15 * 0.5 + 284.375 / 15
    registers = 16 * operations(AT_32).register(1).area_um2.value
    assert cost.area_um2.value == pytest.approx(area + registers)


def test_few_bits_use_the_smallest_capacitor_and_many_are_sized_by_matching():
    assert unit_capacitor_f(4) == 0.5e-15
    assert unit_capacitor_f(10) > 3e-15
    for bits in (4, 10):
        capacitor_um2 = 2**bits * unit_capacitor_f(bits) * 1e15 * 0.5
        registers = 2 * bits * operations(AT_32).register(1).area_um2.value
        expected = capacitor_um2 + 284.375 / 15 + registers
        assert sar(adc(bits), AT_32).area_um2.value == pytest.approx(expected)


def test_thermal_noise_of_the_comparator_takes_over_at_high_resolution():
    thermal = 12 * 2 * BOLTZMANN_J_PER_K * 298.15 * 4**12 * 1e12
    assert thermal > 0.22619 / 15
    hot = sar(adc(12), OperatingPoint(32.0, temperature_degc=125.0))
    assert hot.energy_per_conversion_pj.value > sar(adc(12), AT_32).energy_per_conversion_pj.value


def test_it_is_a_lower_estimate_of_isaacs_converter():
    ours = sar(adc(8, conversion_time_ns=1 / 1.2), AT_32)
    assert 1.67 / 6 < ours.energy_per_conversion_pj.value < 1.67 / 3
    assert ours.area_um2.value < 1200


def test_nine_levels_take_four_bits():
    assert sar(adc(levels=9), AT_32) == sar(adc(4), AT_32)


def test_every_bit_and_every_coarser_node_costs_more():
    energies = [sar(adc(bits), AT_32).energy_per_conversion_pj.value for bits in range(2, 13)]
    areas = [sar(adc(bits), AT_32).area_um2.value for bits in range(2, 13)]
    assert energies == sorted(energies)
    assert areas == sorted(areas)
    at_nodes = [sar(adc(8), OperatingPoint(node)).energy_per_conversion_pj for node in (14, 28, 65)]
    assert [each.value for each in at_nodes] == sorted(each.value for each in at_nodes)


@pytest.mark.parametrize(
    ("converter", "message"),
    [
        (adc(1), "2 to 12 bits, got 1.00"),
        (adc(13), "2 to 12 bits, got 13.00"),
        (adc(8, conversion_time_ns=0.5), "ns a decision, got 0.06; convert more slowly"),
    ],
)
def test_outside_its_range_it_refuses(converter, message):
    with pytest.raises(ModelRangeError) as caught:
        sar(converter, AT_32)
    assert message in str(caught.value)


def test_the_energy_is_finite_and_owns_up_to_its_assumptions():
    cost = sar(adc(8), AT_32)
    assert math.isfinite(cost.energy_per_conversion_pj.value)
    assert cost.energy_per_conversion_pj.kind == "assumed"
