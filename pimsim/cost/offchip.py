"""What bits cost that leave the chip: off-chip memory and pins.

Which question this module answers: *what does one bit cost that comes from DRAM, or passes the
chip's pins?*

Energies per bit cover the memory device and its interface; sources differ in what they include, and
each row of ``data/memory.csv`` says so. They do not scale with the chip's node.

Not modelled: standby and refresh power of the memory, row misses, the area of memory interfaces on
the chip, idle power of links.

References
----------
.. [1] M. O'Connor et al., Fine-Grained DRAM, MICRO 2017.
.. [2] Micron, Ultra-Bandwidth Solutions, memory comparison.
.. [3] A. Shafiee et al., ISAAC, ISCA 2016: HyperTransport, 22.88 mm² and 10.4 W.
"""

from dataclasses import dataclass

from pimsim.config.architecture import Io, Memory
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, setting
from pimsim.cost.technology import OperatingPoint


@dataclass(frozen=True, slots=True)
class OffChipCost:
    """What moving bits across the edge of the chip costs."""

    energy_per_bit_pj: Sourced
    """One bit, either way. [pJ]"""
    area_um2: Sourced
    """On the chip. [µm²]"""


def dram(memory: Memory, point: OperatingPoint) -> OffChipCost:
    """Cost an off-chip memory by its technology.

    Parameters
    ----------
    memory
        ``chip.memory`` of the architecture file; its technology alone matters.
    point
        Not used: a memory chip has its own node.

    Examples
    --------
    >>> hbm2 = Memory(technology="hbm2", capacity_bytes=1 << 33, bandwidth_bits_per_ns=2048.0,
    ...               latency_ns=100.0)
    >>> dram(hbm2, OperatingPoint(28.0)).energy_per_bit_pj.value
    3.9
    """
    return OffChipCost(constant("memory", f"{memory.technology}_energy_per_bit_pj"), Sourced(0.0))


def serial_link(io: Io, point: OperatingPoint) -> OffChipCost:
    """Cost the pins through which inputs and outputs pass.

    Parameters
    ----------
    io
        ``chip.io`` of the architecture file.
    point
        Not used: transceivers hardly shrink with the node, and their energy is that of the line.

    Notes
    -----
    10 pJ per bit, assumed between good links (1 to 5 pJ) and the 51 pJ that follow from ISAAC's
    HyperTransport [3]_; the area is proportional to the bandwidth, from the same links.

    Examples
    --------
    >>> serial_link(Io(bandwidth_bits_per_ns=204.8), OperatingPoint(28.0)).energy_per_bit_pj.value
    10.0
    """
    bandwidth = setting("chip.io.bandwidth_bits_per_ns", io.bandwidth_bits_per_ns)
    return OffChipCost(
        constant("memory", "io_energy_per_bit_pj"),
        constant("memory", "io_area_of_one_bit_per_ns_um2") * bandwidth,
    )
