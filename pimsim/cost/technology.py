"""Carrying energy, area and leakage from one technology node and operating point to another.

Which question this module answers: *a circuit was published at 45 nm and 0.9 V; what would it cost
at 28 nm, and what does it leak at 85 °C?*

Stillmaker and Baas fitted circuit simulations of CMOS gates from 180 to 7 nm [1]_: energy per
operation is a polynomial of the supply, one per node, and area has a table of factors between
nodes. Their tables have no 28 or 22 nm: between two tabulated nodes pimsim interpolates the
logarithm of energy and area linearly in the logarithm of the node, and the source of such a factor
says so.

The published tables start at 180 nm, but the coefficients that could be read start at 130 nm, so
130 to 7 nm is the range here; nothing is extrapolated. The paper's corrigendum has another set for
32 nm (0.457 instead of 0.541 at 0.9 V), which the coefficients as coded do not follow; with it,
energies carried from 45 to 28 nm would be 11 % lower, those from 32 to 28 nm 5 % higher.

Switching energy is charge times supply and does not depend on temperature or process corner here.
Leakage follows threshold voltage, temperature and supply by the law that the analog pass uses for
its cells (:mod:`pimsim.analog.pvt`).

Not modelled: short-circuit current, gate leakage, differences between foundries and between
high-performance and low-power options of a node. Analog circuits shrink less than logic does, so
that scaling a converter with the same factors favours the newer node.

References
----------
.. [1] A. Stillmaker, B. Baas, Scaling equations for the accurate prediction of CMOS device
   performance from 180 nm to 7 nm, Integration 58, 74-81, 2017; coefficients as coded in
   github.com/Accelergy-Project/hwcomponents, hwcomponents/scaling/techscaling.py.
.. [2] S. M. Sze, K. K. Ng, Physics of Semiconductor Devices, 3rd ed., Wiley, 2007: subthreshold
   current, drain-induced barrier lowering.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pimsim.analog import constants as analog
from pimsim.analog.pvt import BOLTZMANN_PER_CHARGE, ZERO_DEGC_IN_K
from pimsim.config.architecture import Architecture
from pimsim.config.pvt import NOMINAL_SUPPLY_V, NOMINAL_TEMPERATURE_DEGC, Process
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, exp, library_constant, setting
from pimsim.errors import ModelRangeError

NODES_NM: Final = (130, 90, 65, 45, 32, 20, 16, 14, 10, 7)
"""Tabulated nodes, coarsest first. [nm]"""
_CORNERS: Final[dict[Process, tuple[float, float]]] = {
    "tt": (0.0, 0.0),
    "ff": (-1.0, -1.0),
    "ss": (1.0, 1.0),
    "fs": (-1.0, 1.0),
    "sf": (1.0, -1.0),
}
"""Threshold shift of n- and p-channel transistors, in corner steps; half of a gate's transistors
that are off are of either type."""
_SUPPLY_RANGE_V: Final = (0.4, 1.3)
_LARGEST_THRESHOLD_SHIFT_V: Final = 0.1


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where a component is built and run.

    Parameters
    ----------
    node_nm
        Technology node, 7 to 130. [nm]
    supply_v
        Supply of the digital logic. [V]
    temperature_degc
        Junction temperature, -40 to 125. [°C]
    process
        Corner of the transistors.
    nominal_supply_v
        Supply of crossbars and converters, which is not lowered with the logic's. [V]
    threshold_shift_v
        Threshold of this chip relative to its corner's, at most 0.1 either way. [V]

    Raises
    ------
    ModelRangeError
        If supplies, temperature, process or threshold shift are outside their range. The node is
        left to each model, because their ranges differ.
    """

    node_nm: float
    supply_v: float = NOMINAL_SUPPLY_V
    temperature_degc: float = NOMINAL_TEMPERATURE_DEGC
    process: Process = "tt"
    nominal_supply_v: float = NOMINAL_SUPPLY_V
    threshold_shift_v: float = 0.0

    def __post_init__(self) -> None:
        """Check everything but the node."""
        _check_supply(self.supply_v)
        _check_supply(self.nominal_supply_v, "nominal_supply_v")
        if not -40.0 <= self.temperature_degc <= 125.0:
            raise ModelRangeError(
                f"temperature_degc must be -40 to 125, got {self.temperature_degc}"
            )
        if self.process not in _CORNERS:
            raise ModelRangeError(f"process must be {', '.join(_CORNERS)}, got {self.process!r}")
        if not abs(self.threshold_shift_v) <= _LARGEST_THRESHOLD_SHIFT_V:
            raise ModelRangeError(
                f"threshold_shift_v must be -{_LARGEST_THRESHOLD_SHIFT_V} to "
                f"{_LARGEST_THRESHOLD_SHIFT_V}, got {self.threshold_shift_v}"
            )


def operating_point(architecture: Architecture) -> OperatingPoint:
    """Return where a chip is built and run.

    Chips drawn from ``pvt.die_sigma_v`` are costed at the middle of their spread.
    """
    pvt = architecture.pvt
    return OperatingPoint(
        node_nm=architecture.node_nm,
        supply_v=pvt.supply_v,
        temperature_degc=pvt.temperature_degc,
        process=pvt.process,
        nominal_supply_v=pvt.nominal_supply_v,
        threshold_shift_v=pvt.threshold_shift_v or 0.0,
    )


# Pure functions of their arguments and of constants that never change while the package runs, asked
# for some thousand times in one roll-up.
@lru_cache(maxsize=1024)
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
    name = f"energy_ratio({from_nm:g} nm at {from_v:g} V, {to_nm:g} nm at {to_v:g} V)"
    note = "Stillmaker and Baas 2017, f_to(V_to) / f_from(V_from)"
    return (_energy(to_nm, to_v) / _energy(from_nm, from_v)).named(name, "ratio", note)


@lru_cache(maxsize=1024)
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
        if coarse != to
    ]
    ratio = _interpolated(terms, from_nm, to_nm)
    name = f"area_ratio({from_nm:g} nm, {to_nm:g} nm)"
    return ratio.named(name, "ratio", "Stillmaker and Baas 2017, table of area factors")


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
    and its area like area, as the ``hwcomponents`` library does; about 10 nW/µm² at 28 nm. Supply,
    temperature and corner come on top (:func:`leakage_ratio`).

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
    scaled = density * energy_ratio(adder_nm, point.node_nm) * leakage_ratio(point)
    return area_um2 * (scaled / area_ratio(adder_nm, point.node_nm)).named(
        "leakage per area", "mw", "of logic, per um2, at this node and operating point"
    )


def leakage_ratio(point: OperatingPoint) -> Sourced:
    """Leakage power at an operating point over that at 0.9 V, 25 °C, typical process.

    Parameters
    ----------
    point
        Supply, temperature and corner; the node does not enter.

    Returns
    -------
    Sourced
        The factor; exactly 1 without any source at the nominal point.

    Notes
    -----
    With ``T`` in kelvin, ``T0 = 298.15 K``, threshold ``V_T = V_T0 + slope (T - T0) + shift``,
    body factor ``n`` and barrier lowering ``d``, for n- and p-channel transistors each half [2]_::

        P / P0 = V / V0 * (T / T0)**(2 + m)
                 * exp(V_T0 q / (n k T0) - (V_T - d (V - V0)) q / (n k T))

    with mobility going as ``T**m``. The corner shifts the threshold, as it does in the analog
    pass; the constants are assumed, so that the factor is good to about two either way.

    Examples
    --------
    >>> leakage_ratio(OperatingPoint(28.0)).value
    1.0
    >>> hot = leakage_ratio(OperatingPoint(28.0, temperature_degc=125.0)).value
    >>> 30 < hot < 200
    True
    """
    if (point.supply_v, point.temperature_degc, point.process, point.threshold_shift_v) == (
        NOMINAL_SUPPLY_V, NOMINAL_TEMPERATURE_DEGC, "tt", 0.0,
    ):  # fmt: skip
        return Sourced(1.0)
    nominal_k = NOMINAL_TEMPERATURE_DEGC + ZERO_DEGC_IN_K
    kelvin = setting("pvt.temperature_degc", point.temperature_degc) + ZERO_DEGC_IN_K
    supply_v = setting("pvt.supply_v", point.supply_v)
    slope_v = _analog("subthreshold_slope_ratio") * BOLTZMANN_PER_CHARGE
    threshold_v = _analog("threshold_v")
    warmer = _analog("threshold_temperature_coefficient") * (kelvin - nominal_k)
    lowered = constant("technology", "drain_barrier_lowering_ratio") * (supply_v - NOMINAL_SUPPLY_V)
    at_nominal = threshold_v / (slope_v * nominal_k)

    def of_one_type(steps: float) -> Sourced:
        shift = _analog("corner_threshold_shift_v") * steps + point.threshold_shift_v
        return exp(at_nominal - (threshold_v + warmer + shift - lowered) / (slope_v * kelvin))

    n_steps, p_steps = _CORNERS[point.process]
    both = (of_one_type(n_steps) + of_one_type(p_steps)) * 0.5
    power = _analog("mobility_temperature_exponent") + 2.0
    ratio = supply_v / NOMINAL_SUPPLY_V * (kelvin / nominal_k) ** power * both
    return ratio.named("leakage at this operating point", "ratio", "subthreshold law, Sze and Ng")


def _analog(name: str) -> Sourced:
    """Return a constant of the analog pass with its source."""
    row = analog.family("pvt")[name]
    return library_constant(row.name, row.value, row.unit, row.source, "pvt.csv")


def _energy(node_nm: float, supply_v: float) -> Sourced:
    _check_supply(supply_v)
    terms = [(weight, _polynomial(node, supply_v)) for node, weight in _neighbours(node_nm)]
    name = f"energy_factor({node_nm:g} nm at {supply_v:g} V)"
    return _interpolated(terms, node_nm, node_nm).named(name, "ratio")


def _check_supply(supply_v: float, name: str = "supply_v") -> None:
    low, high = _SUPPLY_RANGE_V
    if not low <= supply_v <= high:
        raise ModelRangeError(f"{name} must be {low} to {high}, got {supply_v}")


def _polynomial(node: int, supply_v: float) -> Sourced:
    a, b, c = (constant("technology", f"energy_{term}_{node}nm_coefficient") for term in "abc")
    lowest_v = -b.value / (2 * a.value)
    if supply_v < lowest_v:
        raise ModelRangeError(
            f"supply_v must be at least {lowest_v:.3f} at {node} nm, got {supply_v}: below, the "
            "fitted energy would rise again"
        )
    supply = setting("supply_v", supply_v)
    return ((a * supply + b) * supply + c).named(f"energy_polynomial({node} nm, {supply_v:g} V)")


def _tabulated_area(from_node: int, to_node: int) -> Sourced:
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


def _interpolated(terms: Sequence[tuple[float, Sourced]], from_nm: float, to_nm: float) -> Sourced:
    """Weighted geometric mean of tabulated factors, with one source for all of them.

    That is linear in the logarithm of the node. A factor of one, from a node to itself, is left
    out of the terms, but its weight is not given to the others.
    """
    mean = terms[0][1] ** terms[0][0]
    for weight, factor in terms[1:]:
        mean = mean * factor**weight
    source = replace(
        terms[0][1].sources[0], place="scaling tables, as coded in hwcomponents", node_nm=None
    )
    between = dict.fromkeys(node for node in (from_nm, to_nm) if node not in NODES_NM)
    if between:
        listed = " and ".join(f"{node:g} nm" for node in between)
        source = replace(source, condition=f"{listed} interpolated in the logarithm of the node")
    return replace(mean, sources=(source,))
