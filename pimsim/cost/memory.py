"""What an activation buffer costs: bits moved and bits kept.

Which question this module answers: *what does one bit cost that is read, written or kept?*

Not modelled: banking, ports and their conflicts, the difference between reads and writes, and tags
(the published anchor is a cache, so tags are in it and make it pessimistic).

References
----------
.. [1] M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014.
.. [2] A. Ankit et al., PUMA, ASPLOS 2019; constants of github.com/Aayush-Ankit/puma-simulator.
"""

from dataclasses import dataclass
from typing import Final

from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import ModelRangeError

_ANCHOR_BYTES: Final = 8 * 1024
_CAPACITY_RANGE_BYTES: Final = (256, 64 * 1024 * 1024)
_ENERGY_NODE_NM: Final = 45.0
_AREA_NODE_NM: Final = 32.0
_LEAKAGE_NODE_NM: Final = 28.0
_BITS_PER_BYTE: Final = 8


@dataclass(frozen=True, slots=True)
class BufferCost:
    """What one buffer costs."""

    energy_per_bit_pj: Sourced
    """One bit read or written. [pJ]"""
    area_um2: Sourced
    leakage_mw: Sourced


def sram(capacity_bytes: int, point: OperatingPoint) -> BufferCost:
    """Cost one SRAM buffer.

    Parameters
    ----------
    capacity_bytes
        Capacity, 256 B to 64 MiB. [B]
    point
        Node and supply.

    Raises
    ------
    ModelRangeError
        If the capacity or the node is outside its range.

    Notes
    -----
    An access of an 8 KB memory takes 10 pJ per 64 bit at 45 nm [1]_; word and bit lines lengthen
    with the side of the array, so energy per bit grows with the square root of the capacity. Area
    per bit is that of a 2 KB memory of PUMA [2]_.

    Examples
    --------
    >>> round(sram(8192, OperatingPoint(45.0)).energy_per_bit_pj.value * 64, 6)
    10.0
    """
    low, high = _CAPACITY_RANGE_BYTES
    if not low <= capacity_bytes <= high:
        raise ModelRangeError(
            f"capacity_bytes of an SRAM buffer must be {low} to {high}, got {capacity_bytes}"
        )
    node_nm, supply_v = point.node_nm, point.supply_v
    exponent = constant("memory", "capacity_exponent")
    growth = Sourced((capacity_bytes / _ANCHOR_BYTES) ** exponent.value, exponent.sources)
    bits = float(capacity_bytes * _BITS_PER_BYTE)
    anchored = constant("memory", "sram_8kib_energy_per_bit_pj") * energy_ratio(
        _ENERGY_NODE_NM, node_nm, to_v=supply_v
    )
    return BufferCost(
        energy_per_bit_pj=anchored if capacity_bytes == _ANCHOR_BYTES else anchored * growth,
        area_um2=bit_area_um2(point) * bits,
        leakage_mw=constant("memory", "sram_leakage_per_bit_mw")
        * energy_ratio(_LEAKAGE_NODE_NM, node_nm, to_v=supply_v)
        * bits,
    )


def bit_area_um2(point: OperatingPoint) -> Sourced:
    """Area of one bit of a small SRAM, its share of decoders and amplifiers included. [µm²]"""
    return constant("memory", "sram_area_per_bit_um2") * area_ratio(_AREA_NODE_NM, point.node_nm)
