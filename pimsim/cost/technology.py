"""Carrying energy and area from one technology node and supply to another.

Which question this module answers: *a circuit was published at 45 nm and 0.9 V; what would it cost
at 28 nm?*

Stillmaker and Baas fitted circuit simulations of CMOS gates from 180 to 7 nm [1]_: energy per
operation is a polynomial of the supply, one per node, and area has a table of factors between
nodes. Their tables have no 28 or 22 nm: between two tabulated nodes pimsim interpolates the
logarithm of energy and area linearly in the logarithm of the node, and the source of such a factor
says so.

Not modelled: differences between foundries and between high-performance and low-power options of a
node; analog circuits shrink less than logic does, so that scaling a converter with the same factors
favours the newer node.

References
----------
.. [1] A. Stillmaker, B. Baas, Scaling equations for the accurate prediction of CMOS device
   performance from 180 nm to 7 nm, Integration 58, 74-81, 2017; coefficients as coded in
   github.com/Accelergy-Project/hwcomponents, hwcomponents/scaling/techscaling.py.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.errors import ModelRangeError

NODES_NM: Final = (130, 90, 65, 45, 32, 20, 16, 14, 10, 7)
"""Tabulated nodes, coarsest first. [nm]"""
NOMINAL_SUPPLY_V: Final = 0.9
"""Supply at which published constants are taken to hold where their source states none. [V]"""
_SUPPLY_RANGE_V: Final = (0.4, 1.3)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where a component is built and run.

    Parameters
    ----------
    node_nm
        Technology node, 7 to 130. [nm]
    supply_v
        Supply of the digital logic. Crossbars and converters keep their own, nominal one. [V]
    """

    node_nm: float
    supply_v: float = NOMINAL_SUPPLY_V


def energy_ratio(
    from_nm: float,
    to_nm: float,
    *,
    from_v: float = NOMINAL_SUPPLY_V,
    to_v: float = NOMINAL_SUPPLY_V,
) -> Sourced:
    """Energy of an operation at one node and supply over that at another.

    Parameters
    ----------
    from_nm, to_nm
        Nodes, 7 to 130. [nm]
    from_v, to_v
        Supplies, 0.4 to 1.3. [V]

    Returns
    -------
    Sourced
        The factor; exactly 1 without any source if nothing changes.

    Raises
    ------
    ModelRangeError
        If a node or a supply is outside its range, or a supply so low that the node's polynomial
        rises again.

    Notes
    -----
    With ``f(V) = a V**2 + b V + c`` per node, the factor is ``f_to(to_v) / f_from(from_v)``
    [1]_ (see the module).

    Examples
    --------
    >>> round(energy_ratio(45, 32).value, 3), round(energy_ratio(45, 28).value, 3)
    (0.641, 0.484)
    """
    if from_nm == to_nm and from_v == to_v:
        return Sourced(1.0)
    return _energy(to_nm, to_v) / _energy(from_nm, from_v)


def area_ratio(from_nm: float, to_nm: float) -> Sourced:
    """Area of a circuit at one node over that at another.

    Raises
    ------
    ModelRangeError
        If a node is outside 7 to 130 nm.

    Examples
    --------
    >>> area_ratio(45, 32).value
    0.46
    >>> round(area_ratio(32, 28).value, 3)
    0.802
    """
    if from_nm == to_nm:
        return Sourced(1.0)
    terms = [
        (weight * other, _tabulated_area(coarse, to))
        for coarse, weight in _neighbours(from_nm)
        for to, other in _neighbours(to_nm)
    ]
    logarithm = sum(weight * math.log(factor.value) for weight, factor in terms)
    exact = len(terms) == 1
    return _interpolated(math.exp(logarithm), terms[0][1], from_nm, to_nm, exact=exact)


def logic_leakage_mw(area_um2: Sourced, point: OperatingPoint) -> Sourced:
    """Leakage of ungated standard-cell logic of a given area.

    Parameters
    ----------
    area_um2
        Area at the node of ``point``. [µm²]

    Returns
    -------
    Sourced
        Leakage power. [mW]

    Notes
    -----
    Leakage per area of a published 40 nm adder (Aladdin), its power scaled like switching energy
    and its area like area, as the ``hwcomponents`` library does; about 10 nW/µm² at 28 nm.

    Examples
    --------
    >>> point = OperatingPoint(28.0)
    >>> 8e-6 < logic_leakage_mw(Sourced(1.0), point).value < 12e-6
    True
    """
    adder_nm = 40.0
    density = constant("digital", "add_int32_leakage_mw") / constant(
        "digital", "add_int32_area_um2"
    )
    scaled = density * energy_ratio(adder_nm, point.node_nm, to_v=point.supply_v)
    return area_um2 * (scaled / area_ratio(adder_nm, point.node_nm))


def _energy(node_nm: float, supply_v: float) -> Sourced:
    low, high = _SUPPLY_RANGE_V
    if not low <= supply_v <= high:
        raise ModelRangeError(f"supply_v must be {low} to {high}, got {supply_v}")
    terms = [(weight, _polynomial(node, supply_v)) for node, weight in _neighbours(node_nm)]
    logarithm = sum(weight * math.log(factor.value) for weight, factor in terms)
    exact = len(terms) == 1
    return _interpolated(math.exp(logarithm), terms[0][1], node_nm, node_nm, exact=exact)


def _polynomial(node: int, supply_v: float) -> Sourced:
    a, b, c = (constant("technology", f"energy_{term}_{node}nm_coefficient") for term in "abc")
    lowest_v = -b.value / (2 * a.value)
    if supply_v < lowest_v:
        raise ModelRangeError(
            f"supply_v must be at least {lowest_v:.3f} at {node} nm, got {supply_v}: below, the "
            "fitted energy would rise again"
        )
    return Sourced((a.value * supply_v + b.value) * supply_v + c.value, a.sources)


def _tabulated_area(from_node: int, to_node: int) -> Sourced:
    if from_node == to_node:
        return Sourced(1.0, constant("technology", "area_from_45nm_to_32nm_ratio").sources)
    return constant("technology", f"area_from_{from_node}nm_to_{to_node}nm_ratio")


def _neighbours(node_nm: float) -> tuple[tuple[int, float], ...]:
    """Tabulated nodes around ``node_nm`` and their weights in the logarithm."""
    if not NODES_NM[-1] <= node_nm <= NODES_NM[0]:
        raise ModelRangeError(
            f"node_nm must be {NODES_NM[-1]} to {NODES_NM[0]}, the range of the scaling tables, "
            f"got {node_nm}"
        )
    coarse = min(node for node in NODES_NM if node >= node_nm)
    if coarse == node_nm:
        return ((coarse, 1.0),)
    fine = NODES_NM[NODES_NM.index(coarse) + 1]
    weight = math.log(coarse / node_nm) / math.log(coarse / fine)
    return ((coarse, 1.0 - weight), (fine, weight))


def _interpolated(
    value: float, table: Sourced, from_nm: float, to_nm: float, *, exact: bool
) -> Sourced:
    source = replace(table.sources[0], place="scaling tables, as coded in hwcomponents")
    if not exact:
        between = [node for node in (from_nm, to_nm) if node not in NODES_NM]
        listed = " and ".join(f"{node:g} nm" for node in dict.fromkeys(between))
        source = replace(source, condition=f"{listed} interpolated in the logarithm of the node")
    return Sourced(value, (replace(source, node_nm=None),))
