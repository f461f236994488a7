"""What the replay has to do for each operation, in whole picoseconds and bits per step.

Which question this module answers: *how much does each step of each operation ask of each resource,
and what must be done before?*

These are plain tuples with one entry per step, so that the replay only has to look them up; a step
is a token, or a group of tokens. :mod:`pimsim.timing.planning` makes them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.config.architecture import Architecture
from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, Place
from pimsim.mapping.traffic import Arrival


class UnitCycles(NamedTuple):
    """Clock cycles of a digital unit."""

    per_row: int
    """How long one row occupies the unit."""
    fill: int
    """From the last operand of a row to its last result, while the unit already takes the next."""
    rows_at_once: int = 1
    """Rows that the unit takes side by side."""


UnitTiming = Callable[[MappedOp], UnitCycles]
"""Says how many clock cycles the unit of an operation takes."""


def declared_unit_cycles(mapped_op: MappedOp, architecture: Architecture) -> UnitCycles:
    """Cycles of the hardware that the numerics scheme declares for an operation.

    Raises
    ------
    SimulationError
        If the operation declares none.
    """
    hardware, unit = mapped_op.op.hardware, mapped_op.unit
    if hardware is None or unit is None:
        raise SimulationError(
            f"op {mapped_op.op.name!r} declares no hardware, so its unit has no service time; its "
            "numerics scheme must set 'hardware'"
        )
    lanes = getattr(architecture.units, unit.function).lanes
    return UnitCycles(
        hardware.cycles_per_row(unit.length, lanes),
        hardware.pipeline_depth_cycles,
        hardware.rows_at_once(unit.length, lanes),
    )


@dataclass(frozen=True, slots=True)
class PortUse:
    """Bits through the port of a buffer, step by step."""

    place: Place
    bits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bits from one place to another, step by step."""

    source: Place
    destination: Place
    bits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """What each step needs of another operation, and what it leaves for nobody after it."""

    producer: int
    """Number of the other operation."""
    upto: tuple[int, ...]
    """Per step: how many of the producer's steps must be done."""
    frees: tuple[int, ...]
    """Per step: how many of the producer's steps this operation does not need after it."""


@dataclass(frozen=True, slots=True)
class StoredWork:
    """Operands that a product writes into cells at run time, in portions.

    A portion is a whole operand, or what one step of its producer yields of it.
    """

    matrices: int
    """Operands written one after another."""
    portions: int
    """Portions of each operand."""
    reads: tuple[PortUse, ...]
    """Per portion of all operands: out of buffers."""
    inbound: tuple[Transfer, ...]
    """Per portion: to the tiles of the macros."""
    write_ps: tuple[int, ...]
    """Per portion: writing it, all macros at once."""
    counted_writes: tuple[int, ...]
    """Per portion: write cycles, summed over macros."""
    gates: tuple[Gate, ...]
    """Per portion."""
    depth: int
    """How many operands the cells hold at once: 1, or 2 with a second port and room for both."""


@dataclass(frozen=True, slots=True)
class MacroWork:
    """What the macros of a product do."""

    kind: str
    copies: int
    """Replicas that vectors are dealt out to in turn."""
    reads: tuple[int, ...]
    """Per step: reads of its slowest row block, one after another."""
    counted_reads: tuple[int, ...]
    """Per step: reads, summed over macros."""
    partial_sums: tuple[Transfer, ...]
    """Per step: sums from other tiles to the home tile."""
    additions: int
    """Per token: sums of further row blocks that are added, one after another."""
    stored: StoredWork | None
    """``None``: static weights."""


@dataclass(frozen=True, slots=True)
class UnitWork:
    """What a digital unit does."""

    function: str
    step_ps: tuple[int, ...]
    fill_ps: int


@dataclass(frozen=True, slots=True)
class OpPlan:
    """Everything that the replay needs to know of one operation: a product or a unit."""

    name: str
    index: int
    """Position in ``MappedWorkload.ops``."""
    home: int
    tokens: tuple[int, ...]
    """Per step: tokens in it."""
    first_token: tuple[int, ...]
    """Per step: number of the first of them."""
    depends_on: tuple[str, ...]
    stream_from: str | None
    start_gates: tuple[Gate, ...]
    """What must be done before its stream begins."""
    gates: tuple[Gate, ...]
    """What each step needs, read out of buffers."""
    written_first: tuple[tuple[int, tuple[int, ...]], ...]
    """Products whose stored operands must be in the cells: number, operands per step."""
    reads: tuple[PortUse, ...]
    """Per step: operands out of buffers."""
    inbound: tuple[Transfer, ...]
    """Per step: operands to the tiles that need them."""
    write: PortUse
    """Per step: the output to where it is kept."""
    carry: tuple[Transfer, ...]
    """Per step: the output on its way there, if that is not the buffer of the home tile."""
    leave: Transfer
    """Per step: the output to the global buffer."""
    departing: tuple[int, ...]
    """Per step: bits of the output that leave through the pins."""
    arrivals: tuple[Arrival, ...]
    """What comes into the global buffer before the first step."""
    weights: tuple[PortUse, ...]
    """In one step: weights out of the memory, where macros are programmed in rounds."""
    weights_inbound: tuple[Transfer, ...]
    """In one step: weights to the tiles of the macros."""
    macros: MacroWork | None
    unit: UnitWork | None
    round: int = 0
    """Which programming of the macros it needs."""
    turn: int = 0
    """Set of operations that run together, as the mapping has found room for them."""
    room_bits: int = 0
    """How much of the output must have room in the buffer of the home tile."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.tokens)

    @property
    def kept(self) -> tuple[int, ...]:
        """Per step: bits that take room in the buffer of the home tile."""
        return () if self.carry else self.write.bits
