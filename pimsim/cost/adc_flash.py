"""A flash converter: one comparator for each step between neighbouring codes.

Which question this module answers: *what do so many comparators take?*

Not modelled: the reference ladder and the encoder beyond what the source includes, offset trimming,
and the dependence of energy on the sampled value.

References
----------
.. [1] G. Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for
   Mixed-signal DNN Accelerator, ISCA 2021.
"""

from typing import Final

from pimsim.config.converters import Adc
from pimsim.config.pvt import NOMINAL_SUPPLY_V
from pimsim.cost.converter import ConverterCost, check, codes, rate_ghz
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio

_FORMS_NODE_NM: Final = 32.0
_FORMS_RATE_GHZ: Final = 2.1
"""The rate that the converter was published at; nothing says that it could be faster. [GHz]"""


def flash(adc: Adc, point: OperatingPoint) -> ConverterCost:
    """Cost a flash converter.

    Parameters
    ----------
    adc
        The converter; only its number of codes matters, and that it is no faster than 2.1 GS/s.
    point
        Technology node and nominal supply; the supply of the logic is not used.

    Returns
    -------
    ConverterCost
        Energy of one conversion [pJ] and area of one converter [µm²].

    Raises
    ------
    ModelRangeError
        If the converter is faster than that, or the node is outside the scaling tables.

    Notes
    -----
    One comparator is 1/15 of the 4-bit converter of FORMS [1]_ (0.226 pJ and 284 µm² at 32 nm,
    2.1 GS/s), scaled to the node; with ``c`` codes::

        E = (c - 1) * E_comparator        A = (c - 1) * A_comparator

    That the 4-bit converter is a flash with equal comparators is an assumption; a converter that
    reaches the same cost by other means would make this model optimistic for fewer codes.

    References
    ----------
    See [1]_ in the module's description.
    """
    bounds, remedy = (0.0, _FORMS_RATE_GHZ), "raise conversion_time_ns"
    check("the comparators of a flash", rate_ghz(adc), bounds, "GHz", remedy)
    energy_pj, area_um2 = comparator(point)
    steps = codes(adc) - 1.0
    return ConverterCost(
        energy_per_conversion_pj=(energy_pj * steps).named("energy_per_conversion_pj"),
        area_um2=(area_um2 * steps).named("converter_area_um2"),
    )


def comparator(point: OperatingPoint) -> tuple[Sourced, Sourced]:
    """Energy of one decision [pJ] and area [µm²] of one comparator of a flash converter."""
    comparators = constant("adc", "forms_4bit_comparators_ratio")
    energy = constant("adc", "forms_4bit_energy_pj") / comparators
    area = constant("adc", "forms_4bit_area_um2") / comparators
    scale = energy_ratio(
        _FORMS_NODE_NM, point.node_nm, from_v=NOMINAL_SUPPLY_V, to_v=point.nominal_supply_v
    )
    return (
        (energy * scale).named("comparator_energy_pj"),
        (area * area_ratio(_FORMS_NODE_NM, point.node_nm)).named("comparator_area_um2"),
    )
