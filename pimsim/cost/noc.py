"""What the network between the tiles costs.

Which question this module answers: *what does one bit cost per hop, and what does each tile's part
of the network take in area?*

A hop of a mesh passes one router and one link; a bus has links only. Router and wires are those of
ISAAC [1]_.

Not modelled: head flits and other overhead of packets, the dependence of a link's energy on the
size of the tile, and clock gating.

References
----------
.. [1] A. Shafiee et al., ISAAC, ISCA 2016; values as in
   github.com/Accelergy-Project/hwcomponents-library, isaac.py.
"""

from dataclasses import dataclass
from typing import Final

from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio

_ISAAC_NM: Final = 32.0


@dataclass(frozen=True, slots=True)
class NocCost:
    """What the network costs."""

    energy_per_bit_hop_pj: Sourced
    """One bit over one link, and through one router where there are routers. [pJ]"""
    area_per_tile_um2: Sourced
    """One router with its share of links, or one tile's share of a bus. [µm²]"""


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
    >>> round(mesh("mesh", point).energy_per_bit_hop_pj.value, 3)
    0.135
    >>> mesh("bus", point).energy_per_bit_hop_pj.value
    0.054
    """
    shrink = area_ratio(_ISAAC_NM, point.node_nm)
    scale = energy_ratio(_ISAAC_NM, point.node_nm, to_v=point.supply_v)
    energy = constant("noc", "bus_energy_per_bit_pj")
    area = constant("noc", "bus_area_um2")
    if network != "bus":
        energy = energy + constant("noc", "router_energy_per_bit_pj")
        area = constant("noc", "router_area_um2")
    return NocCost(energy_per_bit_hop_pj=energy * scale, area_per_tile_um2=area * shrink)
