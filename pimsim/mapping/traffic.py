"""What moves for one operation: fetches, deliveries, arrivals.

Which question this module answers: *in which words are movements of bits written down?*

The rules by which they are counted are those of :mod:`pimsim.mapping.movement`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from pimsim.mapping.mapped import Place, Placement, Spill, place_of

Port = int | None
"""Something with a port to the network: a tile by its number, or ``None``, the global buffer."""


class Topology(Protocol):
    """Shape of a network on chip: what a network-on-chip model of the registry must offer."""

    def __init__(self, tiles: int) -> None: ...

    def route(self, source: Port, destination: Port) -> tuple[str, ...]:
        """Names of the links from one port to another, in order; empty when they are the same."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bits that one tile receives or sends during one inference."""

    tile: int
    bits: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """One read of a buffer, and where the bits go from there, during one inference."""

    source: Place
    bits: int
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bits that come into the global buffer before an operation can start: inputs of the graph.

    They are counted for the first operation that takes them.
    """

    via: Literal["io", "memory"]
    """Through the pins, or out of the off-chip memory."""
    bits: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Everything that moves for one operation during one inference."""

    home: int
    inputs: tuple[Fetch, ...]
    """What is driven onto word lines or taken by the unit, token by token."""
    stored: tuple[Fetch, ...]
    """The operand that is written into cells."""
    stored_matrices: int
    """In how many portions, one after another, ``stored`` is written."""
    partial_sums: tuple[Delivery, ...]
    """Sums sent from each other tile to the home tile."""
    write_bits: int
    """Output written to ``place``; from the home tile it travels there if that is elsewhere."""
    output_bits: int
    """Output of the graph sent to the global buffer."""
    spilled: Spill | None = None
    """Where the output is kept if not in the buffer of the home tile."""
    arrivals: tuple[Arrival, ...] = ()
    """What must be in the global buffer before the operation starts."""
    departing_bits: int = 0
    """How much of ``output_bits`` is then read out of the global buffer and leaves through the
    pins; 0 where the chip has none."""
    programmed: tuple[Fetch, ...] = ()
    """Weights out of the memory into the macros, before the round of the operation."""

    @property
    def place(self) -> Place:
        """Where the output is written."""
        return place_of(self.home, self.spilled)


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operation happens, in how many steps."""

    tile: int
    tokens: int
    placement: Placement | None
    spilled: Spill | None = None
    """Where the output is kept if not in the buffer of the home tile."""

    @property
    def place(self) -> Place:
        """Where the output is kept."""
        return place_of(self.tile, self.spilled)
