"""A successive-approximation converter, built up from capacitors, comparator and logic.

Which question this module answers: *what must a SAR converter of this resolution take at the least,
by noise and matching?*

A **lower estimate** up to 8 bit: it leaves out reference buffers, the driver of its input and clock
generation, which published converters include. At 32 nm the 8-bit converter of ISAAC takes 1.67 pJ
where this model gives about a quarter of it. Above, capacitors that match without calibration cost
more than calibrated ones do.

References
----------
.. [1] C.-C. Liu et al., A 10-bit 50-MS/s SAR ADC With a Monotonic Capacitor Switching Procedure,
   IEEE J. Solid-State Circuits 45(4), 731-740, 2010.
.. [2] B. Murmann, Thermal noise in track-and-hold circuits, IEEE Solid-State Circuits Magazine
   4(2), 2012: kT/C.
.. [3] M. J. M. Pelgrom et al., Matching properties of MOS transistors, IEEE J. Solid-State Circuits
   24(5), 1433-1439, 1989: mismatch falls with the square root of the area.
"""

from typing import Final

from pimsim.analog.pvt import ZERO_DEGC_IN_K
from pimsim.config.converters import Adc
from pimsim.cost.adc_flash import comparator
from pimsim.cost.converter import ConverterCost, check, codes
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, ceil, exact, largest, log2, setting
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio

_BITS_RANGE: Final = (2.0, 12.0)
_SHORTEST_DECISION_NS: Final = 0.09
"""The 8-bit converter of ISAAC, 1.2 GS/s at 32 nm, takes about 0.1 ns a decision. [ns]"""
_REGISTER_NODE_NM: Final = 40.0
_TOGGLING_REGISTERS: Final = 3.0
"""Two of the sequencer and one of the code, each cycle."""
_BOLTZMANN_PJ_PER_K: Final = 1.380649e-11
"""Boltzmann constant, exact since 2019 (SI). [pJ/K]"""
_FF_PER_PJ_PER_V2: Final = 1e3


def sar(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a SAR converter from its parts.

    Parameters
    ----------
    adc
        The converter; ``N`` is log2 of its codes, rounded up.
    point
        Node, nominal supply (reference and full scale) and temperature.

    Returns
    -------
    ConverterCost
        Energy of one conversion [pJ] and area of one converter [µm²].

    Raises
    ------
    ModelRangeError
        If the converter has fewer than 2 or more than 12 bits, one decision has less than 0.09 ns,
        or the node is outside the scaling tables.

    Notes
    -----
    With the reference ``V``, one of ``2**N`` unit capacitors is the largest of what sampled noise
    no greater than quantization noise [2]_, a differential nonlinearity of half an LSB at three
    standard deviations with a matching coefficient ``k`` (relative mismatch times the square root
    of the area [3]_) and ``a`` of area per capacitance, and technology ask for::

        C_u = max(12 k_B T 4**N / (2**N V**2),  36 k**2 2**N / a,  C_min)

    The array switches monotonically [1]_, the comparator decides ``N`` times at the energy of a
    published one or, if greater, at that of its own thermal noise (``c`` times kT/C), and three
    registers toggle per decision::

        E = C_u V**2 (2**(N - 2) - 1/2) + N max(E_comparator, 12 c k_B T 4**N) + 3 N E_register
        A = 2**N C_u a + A_comparator + 2 N A_register

    Examples
    --------
    >>> from pimsim.config.architecture import Adc
    >>> adc = Adc(model="sar", bits=8, columns_per_adc=128, conversion_time_ns=1.25,
    ...           reference="fixed", trim="none")
    >>> cost = sar(adc, OperatingPoint(32.0))
    >>> 0.2 < cost.energy_per_conversion_pj.value < 0.6
    True
    """
    bits = ceil(log2(codes(adc))).named("bits", "bits")
    model = "the SAR capacitor array"
    check(model, bits.value, _BITS_RANGE, "bits", "change the number of codes")
    decision_ns = adc.conversion_time_ns / bits.value
    check(model, decision_ns, (_SHORTEST_DECISION_NS, 1e6), "ns a decision", "convert more slowly")

    count = (2.0**bits.value, 4.0**bits.value)
    units, codes_squared = exact("2**bits", count[0]), exact("4**bits", count[1])
    supply_v = setting("pvt.nominal_supply_v", point.nominal_supply_v)
    kelvin = setting("pvt.temperature_degc", point.temperature_degc) + ZERO_DEGC_IN_K
    thermal_pj = exact("Boltzmann constant", _BOLTZMANN_PJ_PER_K) * kelvin
    unit_ff = _unit_capacitor_ff(units, codes_squared, thermal_pj, supply_v)

    switched = units * 0.25 - 0.5
    array_pj = unit_ff * supply_v * supply_v * switched / _FF_PER_PJ_PER_V2
    published_pj, comparator_um2 = comparator(point)
    noise_pj = constant("adc", "comparator_noise_coefficient") * thermal_pj * codes_squared * 12.0
    decisions_pj = bits * largest(published_pj, noise_pj)
    scale = energy_ratio(_REGISTER_NODE_NM, point.node_nm, to_v=point.supply_v)
    register_pj = constant("digital", "register_energy_per_bit_pj") * scale
    register_um2 = constant("digital", "register_area_per_bit_um2") * area_ratio(
        _REGISTER_NODE_NM, point.node_nm
    )
    array_um2 = units * unit_ff * constant("adc", "capacitor_area_per_ff_um2")
    energy_pj = (
        array_pj.named("capacitor_array_pj", note="monotonic switching, Liu et al. 2010")
        + decisions_pj.named("comparator_decisions_pj")
        + (bits * _TOGGLING_REGISTERS * register_pj).named("sar_logic_pj")
    )
    area_um2 = array_um2.named("capacitor_array_um2") + comparator_um2 + bits * 2.0 * register_um2
    return ConverterCost(
        energy_per_conversion_pj=energy_pj.named("energy_per_conversion_pj"),
        area_um2=area_um2.named("converter_area_um2"),
    )


def _unit_capacitor_ff(
    units: Sourced, codes_squared: Sourced, thermal_pj: Sourced, supply_v: Sourced
) -> Sourced:
    """Smallest unit capacitor that noise, matching and technology allow. [fF]"""
    area_per_ff = constant("adc", "capacitor_area_per_ff_um2")
    matching = constant("adc", "capacitor_matching_um")
    noise_ff = (
        thermal_pj * _FF_PER_PJ_PER_V2 * codes_squared * 12.0 / (units * supply_v * supply_v)
    ).named("unit_capacitor_for_noise_ff", note="kT/C equal to quantization noise")
    matching_ff = (matching * matching * 36.0 * units / area_per_ff).named(
        "unit_capacitor_for_matching_ff", note="three sigma of DNL at half an LSB"
    )
    smallest_ff = constant("adc", "capacitor_smallest_ff")
    return largest(noise_ff, matching_ff, smallest_ff).named("unit_capacitor_ff")
