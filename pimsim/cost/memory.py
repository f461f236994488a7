"""What a buffer on the chip costs: bits moved, bits kept, refresh.

Which question this module answers: *what does one bit cost that is read, written or kept?*

Two models: SRAM (:func:`sram`) and embedded DRAM (:func:`edram`). Both are banks plus the wires to
them: beyond one bank, a bit travels the side of the array, so that a large buffer costs what its
wires cost. An SRAM of 64 KiB takes 0.060 pJ per bit read at 28 nm, one of 1 MiB 0.17 pJ.

Not modelled: ports and their conflicts, error correction, tags, the width of an access.

References
----------
.. [1] R. Balasubramonian et al., CACTI 7, ACM TACO 14(2), 2017; run for 28 nm tabulated in
   github.com/Dongyunkam/DRAM_info.
.. [2] A. Ankit et al., PUMA, ASPLOS 2019; constants of github.com/Aayush-Ankit/puma-simulator.
.. [3] S. W. Keckler et al., GPUs and the Future of Parallel Computing, IEEE Micro 31(5), 2011.
.. [4] A. Shafiee et al., ISAAC, ISCA 2016; values as in
   github.com/Accelergy-Project/hwcomponents-library, isaac.py.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pimsim.cost.noc import wire_energy_pj
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, apply, exact, largest, setting, sqrt
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio, leakage_ratio
from pimsim.errors import ModelRangeError

_CACTI_POINTS: Final = ((128, "128b"), (4096, "4kib"), (8192, "8kib"))
"""Capacities that the energies are known for. [B]"""
_BANK_BYTES: Final = 8192
_SRAM_RANGE_BYTES: Final = (128, 64 * 1024 * 1024)
_EDRAM_RANGE_BYTES: Final = (16 * 1024, 64 * 1024 * 1024)
_CACTI_NODE_NM: Final = 28.0
_EDRAM_ANCHOR_BYTES: Final = 64 * 1024
_ISAAC_NODE_NM: Final = 32.0
_BITS_PER_BYTE: Final = 8
_UM2_PER_MM2: Final = 1e6
_NOTHING: Final = Sourced(0.0)


@dataclass(frozen=True, slots=True)
class BufferCost:
    """What one buffer costs."""

    energy_per_bit_pj: Sourced
    """One bit read. [pJ]"""
    area_um2: Sourced
    leakage_mw: Sourced
    """Power of a buffer that keeps its content, refresh apart. [mW]"""
    energy_per_written_bit_pj: Sourced | None = None
    """One bit written; ``None``: as much as one read. [pJ]"""
    refresh_mw: Sourced = _NOTHING
    """Power of refresh. [mW]"""

    @property
    def write_energy_pj(self) -> Sourced:
        """One bit written. [pJ]"""
        written = self.energy_per_written_bit_pj
        return self.energy_per_bit_pj if written is None else written


def sram(capacity_bytes: int, point: OperatingPoint) -> BufferCost:
    """Cost one SRAM buffer.

    Parameters
    ----------
    capacity_bytes
        Capacity, 128 B to 64 MiB. [B]
    point
        Node and operating point.

    Raises
    ------
    ModelRangeError
        If the capacity or the node is outside its range.

    Notes
    -----
    Up to 8 KiB the energy per bit follows three runs of CACTI 7 [1]_ (128 B, 4 KiB, 8 KiB at
    28 nm), interpolated linearly in the logarithms of energy and capacity; beyond, the buffer is
    made of banks of 8 KiB, and every bit travels the side of the whole array instead of that of one
    bank, whose own wires are in its runs, at 0.121 pJ per mm [3]_. Area per bit is that of a 2 KB
    memory of PUMA [2]_. The 10 pJ per 64 bit
    of an 8 KB cache that are often quoted (Horowitz 2014, 45 nm) are twice as much: they include
    tags and a port of only 64 bit.

    Examples
    --------
    >>> round(sram(8192, OperatingPoint(28.0)).energy_per_bit_pj.value, 4)
    0.0347
    >>> round(sram(65536, OperatingPoint(28.0)).energy_per_bit_pj.value, 3)
    0.06
    """
    _check("an SRAM buffer", capacity_bytes, _SRAM_RANGE_BYTES)
    bits = setting("capacity_bytes", capacity_bytes) * exact("bits per byte", _BITS_PER_BYTE)
    area_um2 = (bit_area_um2(point) * bits).named("area_um2")
    scale = energy_ratio(_CACTI_NODE_NM, point.node_nm, to_v=point.supply_v)
    wires = _NOTHING
    if capacity_bytes > _BANK_BYTES:
        bank_um2 = bit_area_um2(point) * exact("bits of a bank", _BANK_BYTES * _BITS_PER_BYTE)
        further_mm = _side_mm(area_um2) - _side_mm(bank_um2)
        wires = further_mm.named("way to the bank", "", "mm") * wire_energy_pj(point)
    leakage = constant("memory", "sram_leakage_per_bit_mw") * bits
    return BufferCost(
        energy_per_bit_pj=(_bank_energy_pj(capacity_bytes, "read") * scale + wires).named(
            "energy_per_read_bit_pj"
        ),
        energy_per_written_bit_pj=(_bank_energy_pj(capacity_bytes, "write") * scale + wires).named(
            "energy_per_written_bit_pj"
        ),
        area_um2=area_um2,
        leakage_mw=(
            leakage * energy_ratio(_CACTI_NODE_NM, point.node_nm) * leakage_ratio(point)
        ).named("leakage_mw"),
    )


def edram(capacity_bytes: int, point: OperatingPoint) -> BufferCost:
    """Cost one embedded DRAM buffer.

    Parameters
    ----------
    capacity_bytes
        Capacity, 16 KiB to 64 MiB. [B]
    point
        Node and operating point.

    Raises
    ------
    ModelRangeError
        If the capacity or the node is outside its range.

    Notes
    -----
    Anchored at the 64 KB of ISAAC [4]_: 20.45 pJ per 256 bit and 0.083 mm² at 32 nm. The wires of
    that buffer, the side of its array at 0.121 pJ per mm [3]_, are taken out and those of this one
    put in. All bits are refreshed once within the retention time at the energy of a read without
    wires; that leaves of PUMA's 0.46 mW [2]_ for 64 KB what is leakage::

        P_refresh = bits * E_bank / t_retention
        P_leakage = max(0.46 mW - P_refresh at 64 KB, 0) * capacity / 64 KB

    Examples
    --------
    >>> cost = edram(65536, OperatingPoint(32.0))
    >>> round(cost.energy_per_bit_pj.value * 256, 2), cost.area_um2.value
    (20.45, 83000.0)
    """
    _check("an eDRAM buffer", capacity_bytes, _EDRAM_RANGE_BYTES)
    anchor_point = OperatingPoint(_ISAAC_NODE_NM)
    anchor_um2 = constant("memory", "edram_64kib_area_um2")
    anchor_bits = float(_EDRAM_ANCHOR_BYTES * _BITS_PER_BYTE)
    bank_pj = constant("memory", "edram_64kib_energy_per_bit_pj") - _side_mm(
        anchor_um2
    ) * wire_energy_pj(anchor_point)
    share = setting("capacity_bytes", capacity_bytes) / float(_EDRAM_ANCHOR_BYTES)
    area_um2 = (anchor_um2 * share * area_ratio(_ISAAC_NODE_NM, point.node_nm)).named("area_um2")
    scale = energy_ratio(_ISAAC_NODE_NM, point.node_nm, to_v=point.supply_v)
    refresh = bank_pj * anchor_bits / constant("memory", "edram_retention_time_ns")  # pJ/ns = mW
    standing = largest(constant("memory", "edram_64kib_standing_mw") - refresh, 0.0)
    at_node = energy_ratio(_ISAAC_NODE_NM, point.node_nm) * leakage_ratio(point)
    return BufferCost(
        energy_per_bit_pj=(bank_pj * scale + _side_mm(area_um2) * wire_energy_pj(point)).named(
            "energy_per_bit_pj"
        ),
        area_um2=area_um2,
        leakage_mw=(standing * share * at_node).named("leakage_mw"),
        refresh_mw=(refresh * share * scale).named("refresh_mw"),
    )


def bit_area_um2(point: OperatingPoint) -> Sourced:
    """Area of one bit of a small SRAM, its share of decoders and amplifiers included. [µm²]"""
    area = constant("memory", "sram_area_per_bit_um2")
    return area * area_ratio(_ISAAC_NODE_NM, point.node_nm)


def _bank_energy_pj(capacity_bytes: int, way: str) -> Sourced:
    """Energy per bit of one bank, or of a smaller buffer, at the node of CACTI's runs. [pJ]"""
    within = min(capacity_bytes, _BANK_BYTES)
    points = [
        (size, constant("memory", f"sram_{name}_{way}_energy_per_bit_pj"))
        for size, name in _CACTI_POINTS
    ]
    for (low, energy_low), (high, energy_high) in pairwise(points):
        if within == high:
            return energy_high
        if within < high:
            weight = math.log(within / low) / math.log(high / low)
            return apply(
                "interpolated in logarithms",
                lambda a, b, w: float(a ** (1 - w) * b**w),
                energy_low, energy_high, weight,
            )  # fmt: skip
    return points[-1][1]


def _side_mm(area_um2: Sourced) -> Sourced:
    return sqrt(area_um2 / _UM2_PER_MM2).named("side of the array", "", "mm, travelled by each bit")


def _check(what: str, capacity_bytes: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not isinstance(capacity_bytes, int) or not low <= capacity_bytes <= high:
        raise ModelRangeError(
            f"capacity_bytes of {what} must be {low} to {high}, got {capacity_bytes!r}"
        )
