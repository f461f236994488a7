"""A regression over published converters.

Which question this module answers: *what does a good published converter of this resolution, rate
and node take?*

The material is stand-alone parts with input buffers, references and clocking that must serve
off-chip signals; a converter designed into a crossbar accelerator shares all of these among many
columns and can take far less.

References
----------
.. [1] T. Andrulis et al., Modeling Analog-Digital-Converter Energy and Area for Compute-In-Memory
   Accelerator Design, arXiv:2404.06553, 2024; coefficients as shipped in
   github.com/Accelergy-Project/hwcomponents-adc, adc_data/model.yaml.
"""

from dataclasses import dataclass
from typing import Final

from pimsim.config.converters import Adc
from pimsim.cost.converter import HZ_PER_GHZ, ConverterCost, check, rate_ghz, resolution_bits
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, apply, ceil, exact, exp, log, setting, smallest
from pimsim.cost.technology import OperatingPoint

SMALLEST_SURVEY_BITS: Final = 4.0
"""Below, the regression's energy would rise again with falling resolution. [bit]"""
_LARGEST_SURVEY_BITS: Final = 14.0
_SURVEY_RATE_RANGE_GHZ: Final = (1e-5, 10.0)
_SURVEY_NODE_RANGE_NM: Final = (7.0, 180.0)


@dataclass(frozen=True, slots=True)
class AdcCost:
    """What one converter costs."""

    energy_per_conversion_pj: float
    area_um2: float


def survey(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a converter with the regression over published ones [1]_.

    The effective resolution is taken as log2 of the number of codes, the rate as one over the
    conversion time.

    Raises
    ------
    ModelRangeError
        If the converter has fewer than 16 codes, or rate or node are outside the regression's
        range.
    """
    return _regression(resolution_bits(adc), rate_ghz(adc), point.node_nm)


def survey_at_least_4_bits(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a converter with the regression, one below 16 codes as if it had 16.

    An **upper bound** for a coarser converter: it could be replaced by one of 4 bit.

    Raises
    ------
    ModelRangeError
        If rate or node are outside the regression's range.
    """
    bits = max(resolution_bits(adc), SMALLEST_SURVEY_BITS)
    return _regression(bits, rate_ghz(adc), point.node_nm)


def regression(enob_bits: float, rate_ghz: float, node_nm: float) -> AdcCost:
    """Energy per conversion and area of a good published converter.

    Parameters
    ----------
    enob_bits
        Effective number of bits, 4 to 14. [bit]
    rate_ghz
        Conversions per time of one converter, 1e-5 to 10. [GHz]
    node_nm
        Technology node, 7 to 180. [nm]

    Raises
    ------
    ModelRangeError
        If an argument is outside its range.

    Notes
    -----
    The figure of merit after Schreier is bounded by rate and by resolution, energy follows from it
    and is corrected for node and resolution, area for node, rate and energy (with ``f`` in Hz)::

        FOMS = min(213.7807 - 2.8719 ln f,  128.3068 + 3.22051 ceil(ENOB))
        SNDR = 6.0206 ENOB + 1.7609
        E0   = 1 / (2 * 10**((FOMS - SNDR) / 10))
        E    = E0 * exp(26.04962 + 1.880037 ln node - 2.829126 ln ENOB - 1.470202)
        A    = exp(1.346192 + 0.993279 ln node + 0.180715 ln f + 0.299124 ln E)

    The energy includes the authors' 20 % share of leakage at the full rate.

    References
    ----------
    See [1]_ in the module's description.

    Examples
    --------
    >>> cost = regression(enob_bits=8, rate_ghz=0.1, node_nm=32)
    >>> round(cost.energy_per_conversion_pj, 3), round(cost.area_um2)
    (1.714, 3939)
    """
    cost = _regression(enob_bits, rate_ghz, node_nm)
    return AdcCost(cost.energy_per_conversion_pj.value, cost.area_um2.value)


def _regression(enob_bits: float, rate_ghz: float, node_nm: float) -> ConverterCost:
    _check_range(enob_bits, rate_ghz, node_nm)
    enob = setting("adc.enob_bits", enob_bits)
    rate_log = log(setting("adc.rate_ghz", rate_ghz) * exact("Hz per GHz", HZ_PER_GHZ))
    node_log = log(setting("node_nm", node_nm))
    merit_db = smallest(
        _value("foms_rate_intercept_db") + _value("foms_rate_slope_db") * rate_log,
        _value("foms_enob_intercept_db") + _value("foms_enob_slope_db") * ceil(enob),
    ).named("figure of merit after Schreier", "db")
    sndr_db = (enob * 6.0206 + 1.7609).named("sndr_db", note="full-scale sine, IEEE 1241")
    power_ratio = apply("10**", lambda bels: 10.0**bels, (merit_db - sndr_db) / 10.0)
    energy_pj = (0.5 / power_ratio).named("E0", note="before the correction") * exp(
        _value("energy_intercept_coefficient")
        + _value("energy_node_exponent") * node_log
        + _value("energy_enob_exponent") * log(enob)
        + _value("energy_offset_coefficient")
    )
    area_um2 = exp(
        _value("area_intercept_coefficient")
        + _value("area_node_exponent") * node_log
        + _value("area_rate_exponent") * rate_log
        + _value("area_energy_exponent") * log(energy_pj)
    )
    note = "Andrulis et al. 2024"
    return ConverterCost(
        energy_pj.named("energy_per_conversion_pj", note=note),
        area_um2.named("converter_area_um2", note=note),
    )


def _value(name: str) -> Sourced:
    return constant("adc", name)


def _check_range(enob_bits: float, rate_ghz: float, node_nm: float) -> None:
    model = "the survey regression"
    remedy = "name 'flash_comparators', or 'survey_regression_4bit' for an upper bound"
    if enob_bits > _LARGEST_SURVEY_BITS:
        remedy = "give the converter fewer codes"
    bits = (SMALLEST_SURVEY_BITS, _LARGEST_SURVEY_BITS)
    check(model, enob_bits, bits, "effective bits", remedy)
    check(model, rate_ghz, _SURVEY_RATE_RANGE_GHZ, "GHz", "change conversion_time_ns")
    check(model, node_nm, _SURVEY_NODE_RANGE_NM, "nm", "name another model of converters")
