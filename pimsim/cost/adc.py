"""What a column converter costs: energy per conversion and area.

Which question this module answers: *what do one conversion and one converter cost, for this many
codes, at this rate, at this node?*

Two models that disagree, on purpose (name the one you used with every claim about low-ENOB
converters):

``flash_comparators``
    :func:`flash`, one comparator per code step: energy and area double with every bit.
``survey_regression``
    :func:`survey`, a regression over some 700 published converters: from 8 down to 4 bit its energy
    falls only 1.9-fold, and it has no validity below 4 bit. :func:`survey_at_least_4_bits` costs a
    coarser converter as one of 4 bit, an upper bound.

At 28 nm the 9-level flash takes 0.09 pJ where the regression's 4-bit point takes 0.72 pJ. The
reason is the regression's material: stand-alone parts with input buffers, references and clocking
that must serve off-chip signals, whereas the flash is derived from a converter designed into a
crossbar accelerator, which shares all of these among many columns.

Both keep the nominal supply: the logic's supply does not lower it. Between reads a converter is
power-gated, so it has no idle leakage; what leaks during a conversion is part of its energy.

Not modelled: reference ladders and multiplexers beyond what the sources include, the energy of
range or offset trimming, and the dependence of energy on the sampled value.

References
----------
.. [1] T. Andrulis et al., Modeling Analog-Digital-Converter Energy and Area for Compute-In-Memory
   Accelerator Design, arXiv:2404.06553, 2024; coefficients as shipped in
   github.com/Accelergy-Project/hwcomponents-adc, adc_data/model.yaml.
.. [2] G. Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for
   Mixed-signal DNN Accelerator, ISCA 2021.
"""

import math
from dataclasses import dataclass
from typing import Final

from pimsim.config.architecture import Adc
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import ModelRangeError

SMALLEST_SURVEY_BITS: Final = 4.0
"""Below, the regression's energy would rise again with falling resolution. [bit]"""
_LARGEST_SURVEY_BITS: Final = 14.0
_SURVEY_RATE_RANGE_GHZ: Final = (1e-5, 10.0)
_SURVEY_NODE_RANGE_NM: Final = (7.0, 180.0)
_FORMS_NODE_NM: Final = 32.0
_HZ_PER_GHZ: Final = 1e9


@dataclass(frozen=True, slots=True)
class AdcCost:
    """What one converter costs."""

    energy_per_conversion_pj: float
    area_um2: float


@dataclass(frozen=True, slots=True)
class ConverterCost:
    """What one converter costs, with the sources of both numbers."""

    energy_per_conversion_pj: Sourced
    area_um2: Sourced


def flash(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a flash converter: one comparator for each step between neighbouring codes.

    Parameters
    ----------
    adc
        The converter; only its number of codes matters.
    point
        Technology node; the supply is not used, see the module's description.

    Returns
    -------
    ConverterCost
        Energy of one conversion [pJ] and area of one converter [µm²].

    Raises
    ------
    ModelRangeError
        If the node is outside the scaling tables.

    Notes
    -----
    One comparator is 1/15 of the 4-bit converter of FORMS [2]_ (0.226 pJ and 284 µm² at 32 nm,
    2.1 GS/s), scaled to the node; with ``c`` codes::

        E = (c - 1) * E_comparator        A = (c - 1) * A_comparator

    That the 4-bit converter is a flash with equal comparators is an assumption; a converter that
    reaches the same cost by other means would make this model optimistic for fewer codes.

    References
    ----------
    See [2]_ in the module's description.
    """
    comparators = constant("adc", "forms_4bit_comparators_ratio")
    steps = float(adc.codes - 1)
    energy = constant("adc", "forms_4bit_energy_pj") / comparators * steps
    area = constant("adc", "forms_4bit_area_um2") / comparators * steps
    return ConverterCost(
        energy_per_conversion_pj=energy * energy_ratio(_FORMS_NODE_NM, point.node_nm),
        area_um2=area * area_ratio(_FORMS_NODE_NM, point.node_nm),
    )


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
    return _survey(adc, math.log2(adc.codes), point)


def survey_at_least_4_bits(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a converter with the regression, one below 16 codes as if it had 16.

    An **upper bound** for a coarser converter: it could be replaced by one of 4 bit.

    Raises
    ------
    ModelRangeError
        If rate or node are outside the regression's range.
    """
    return _survey(adc, max(math.log2(adc.codes), SMALLEST_SURVEY_BITS), point)


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


def _survey(adc: Adc, enob_bits: float, point: OperatingPoint) -> ConverterCost:
    return _regression(enob_bits, 1.0 / adc.conversion_time_ns, point.node_nm)


def _regression(enob_bits: float, rate_ghz: float, node_nm: float) -> ConverterCost:
    _check_range(enob_bits, rate_ghz, node_nm)
    rate_log, node_log = math.log(rate_ghz * _HZ_PER_GHZ), math.log(node_nm)
    merit_db = min(
        _value("foms_rate_intercept_db") + _value("foms_rate_slope_db") * rate_log,
        _value("foms_enob_intercept_db") + _value("foms_enob_slope_db") * math.ceil(enob_bits),
    )
    sndr_db = 6.0206 * enob_bits + 1.7609  # quantization noise of a full-scale sine, IEEE 1241
    uncorrected = 1.0 / (2.0 * 10.0 ** ((merit_db - sndr_db) / 10.0))
    energy_pj = uncorrected * math.exp(
        _value("energy_intercept_coefficient")
        + _value("energy_node_exponent") * node_log
        + _value("energy_enob_exponent") * math.log(enob_bits)
        + _value("energy_offset_coefficient")
    )
    area_um2 = math.exp(
        _value("area_intercept_coefficient")
        + _value("area_node_exponent") * node_log
        + _value("area_rate_exponent") * rate_log
        + _value("area_energy_exponent") * math.log(energy_pj)
    )
    sources = constant("adc", "energy_intercept_coefficient").sources
    return ConverterCost(Sourced(energy_pj, sources), Sourced(area_um2, sources))


def _value(name: str) -> float:
    return constant("adc", name).value


def _check_range(enob_bits: float, rate_ghz: float, node_nm: float) -> None:
    if not SMALLEST_SURVEY_BITS <= enob_bits <= _LARGEST_SURVEY_BITS:
        remedy = "name 'flash_comparators', or 'survey_regression_4bit' for an upper bound"
        if enob_bits > _LARGEST_SURVEY_BITS:
            remedy = "give the converter fewer codes"
        raise ModelRangeError(
            f"the survey regression holds for {SMALLEST_SURVEY_BITS:g} to "
            f"{_LARGEST_SURVEY_BITS:g} effective bits, got {enob_bits:.2f}; {remedy}"
        )
    low, high = _SURVEY_RATE_RANGE_GHZ
    if not low <= rate_ghz <= high:
        raise ModelRangeError(
            f"the survey regression holds for {low:g} to {high:g} GHz, got {rate_ghz:g}; change "
            "conversion_time_ns"
        )
    low, high = _SURVEY_NODE_RANGE_NM
    if not low <= node_nm <= high:
        raise ModelRangeError(
            f"the survey regression holds for {low:g} to {high:g} nm, got {node_nm:g}"
        )
