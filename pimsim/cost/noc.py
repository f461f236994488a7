"""What the network between the tiles and the wires inside them cost.

Which question this module answers: *what does one bit cost per hop and per millimetre, and what
does each tile's part of the network take in area?*

A hop of a mesh passes one router and one link as long as a tile's side; a bus has no routers but
one wire along all tiles. Bits between a tile's buffer and its macros and units travel half the
tile's side on average. How long a tile is, is known once all its parts are:
:func:`pimsim.cost.prices.tile_side_mm`. Routers are those of ISAAC [1]_, wires those of Keckler et
al. [2]_; ISAAC's own bus, 0.054 pJ per bit within a tile of 0.37 mm², agrees with them within a
third.

Not modelled: head flits and other overhead of packets, clock gating, low-swing links, repeaters
sized for less energy at more delay.

References
----------
.. [1] A. Shafiee et al., ISAAC, ISCA 2016; values as in
   github.com/Accelergy-Project/hwcomponents-library, isaac.py.
.. [2] S. W. Keckler et al., GPUs and the Future of Parallel Computing, IEEE Micro 31(5), 2011.
"""

from dataclasses import dataclass
from typing import Final

from pimsim.config.pvt import NOMINAL_SUPPLY_V
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, setting
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio

_ISAAC_NM: Final = 32.0
_NOTHING: Final = Sourced(0.0)


@dataclass(frozen=True, slots=True)
class NocCost:
    """What the network costs."""

    energy_per_bit_hop_pj: Sourced
    """One bit through one router; nothing without routers. [pJ]"""
    area_per_tile_um2: Sourced
    """One router with its share of links, or one tile's share of a bus. [µm²]"""
    wire_energy_pj: Sourced = _NOTHING
    """One bit over one millimetre of link, and of wire within a tile. [pJ]"""


def mesh(network: str, point: OperatingPoint) -> NocCost:
    """Cost the network between the tiles.

    Parameters
    ----------
    network
        Name of the timing model: ``"bus"`` has links only, every other network a router per tile.
    point
        Node and supply.

    Raises
    ------
    ModelRangeError
        If node or supply are outside the scaling tables.

    Examples
    --------
    >>> point = OperatingPoint(32.0)
    >>> mesh("mesh", point).energy_per_bit_hop_pj.value
    0.081
    >>> mesh("bus", point).energy_per_bit_hop_pj.value
    0.0
    """
    shrink = area_ratio(_ISAAC_NM, point.node_nm)
    if network == "bus":
        area = constant("noc", "bus_area_um2") * shrink
        return NocCost(_NOTHING, area, wire_energy_pj(point))
    scale = energy_ratio(_ISAAC_NM, point.node_nm, to_v=point.supply_v)
    return NocCost(
        energy_per_bit_hop_pj=(constant("noc", "router_energy_per_bit_pj") * scale).named(
            "router_energy_per_bit_pj"
        ),
        area_per_tile_um2=constant("noc", "router_area_um2") * shrink,
        wire_energy_pj=wire_energy_pj(point),
    )


def wire_energy_pj(point: OperatingPoint) -> Sourced:
    """Energy of one random bit over one millimetre of repeated wire. [pJ]

    Notes
    -----
    0.121 pJ at 40 nm and 0.9 V [2]_ (see the module). Capacitance per length hardly changes from
    node to node, so only the supply scales it, as its square.

    Examples
    --------
    >>> wire_energy_pj(OperatingPoint(28.0)).value
    0.1211
    """
    energy = constant("noc", "wire_energy_of_one_mm_pj")
    if point.supply_v == NOMINAL_SUPPLY_V:
        return energy
    swing = setting("pvt.supply_v", point.supply_v) / NOMINAL_SUPPLY_V
    return (energy * swing * swing).named("wire_energy_of_one_mm_pj")
