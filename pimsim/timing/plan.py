"""What the replay has to do for each operation, in whole picoseconds and bits per token.

Which question this module answers: *how long does each token of each operation need each resource?*

Totals per inference come from the mapping, times per action from the cost models, data-dependent
read cycles from the functional pass. Here they become plain tuples with one entry per token, so
that the replay only has to look them up. Totals that do not divide by the tokens are spread so that
no bit is lost.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Placement
from pimsim.mapping.movement import Fetch, Place, Traffic, traffic_of
from pimsim.records import ServiceTimes
from pimsim.units import PS_PER_NS


class UnitCycles(NamedTuple):
    """Clock cycles of a digital unit."""

    per_row: int
    """How long one row occupies the unit."""
    fill: int
    """From the last operand of a row to its last result, while the unit already takes the next."""


UnitTiming = Callable[[MappedOp], UnitCycles]
"""Says how many clock cycles the unit of an operation takes."""


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
class MacroWork:
    """What the macros of a product do."""

    kind: str
    token_ps: tuple[int, ...]
    """Per token: the reads of its slowest row block."""
    token_reads: tuple[int, ...]
    """Per token: reads, summed over macros."""
    partial_sums: tuple[Transfer, ...]
    """Per token: sums from other tiles to the home tile."""
    stored_matrices: int
    """Operands written one after another at run time; 0 for static weights."""
    stored_reads: tuple[PortUse, ...]
    """Per stored matrix."""
    stored_inbound: tuple[Transfer, ...]
    """Per stored matrix."""
    write_ps: int
    """Writing one stored matrix, all macros at once, one row after another in each."""


@dataclass(frozen=True, slots=True)
class UnitWork:
    """What a digital unit does."""

    function: str
    token_ps: tuple[int, ...]
    fill_ps: int


@dataclass(frozen=True, slots=True)
class OpPlan:
    """Everything that the replay needs to know of one operation: a product or a unit."""

    name: str
    index: int
    """Position in ``MappedWorkload.ops``."""
    home: int
    tokens: int
    depends_on: tuple[str, ...]
    stream_from: str | None
    reads: tuple[PortUse, ...]
    """Per token: operands out of buffers."""
    inbound: tuple[Transfer, ...]
    """Per token: operands to the tiles that need them."""
    write: PortUse
    """Per token: the output into the buffer of the home tile."""
    leave: Transfer
    """Per token: the output to the global buffer."""
    macros: MacroWork | None
    unit: UnitWork | None


def split(total: int, parts: int) -> tuple[int, ...]:
    """Spread an integer over equal parts, without loss.

    Examples
    --------
    >>> split(10, 4)
    (2, 3, 2, 3)
    """
    return tuple(
        stop - start for start, stop in pairwise(total * n // parts for n in range(parts + 1))
    )


def transfer_ps(bits: int, bits_per_ns: Fraction) -> int:
    """Time of ``bits`` at a rate, rounded up to whole picoseconds.

    Examples
    --------
    >>> transfer_ps(100, Fraction(3))
    33334
    """
    return -(-bits * PS_PER_NS * bits_per_ns.denominator // bits_per_ns.numerator)


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
    return UnitCycles(hardware.cycles_per_row(unit.length, lanes), hardware.pipeline_depth_cycles)


def plan_replay(
    mapped: MappedWorkload,
    times: ServiceTimes,
    service_cycles: Mapping[str, NDArray[np.int32]],
    unit_cycles: UnitTiming,
) -> tuple[OpPlan, ...]:
    """Prepare every operation for the replay, in the order of the mapping.

    Raises
    ------
    SimulationError
        If a product lacks service cycles or has them in another shape than (tokens, row blocks), if
        a unit has no service time, or if an operation depends on one that is not mapped.
    """
    names = {mapped_op.op.name for mapped_op in mapped.ops}
    traffic = traffic_of(mapped)
    plans = []
    for index, mapped_op in enumerate(mapped.ops):
        name, tokens = mapped_op.op.name, mapped_op.tokens
        for needed in (*mapped_op.depends_on, mapped_op.op.stream_from):
            if needed is not None and needed not in names:
                raise SimulationError(f"op {name!r} depends on {needed!r}, which is not mapped")
        moves = traffic[name]
        plans.append(
            OpPlan(
                name=name,
                index=index,
                home=mapped_op.tile,
                tokens=tokens,
                depends_on=mapped_op.depends_on,
                stream_from=mapped_op.op.stream_from,
                reads=_port_uses(moves.inputs, tokens),
                inbound=_transfers(moves.inputs, tokens),
                write=PortUse(mapped_op.tile, _spread(moves.write_bits, tokens)),
                leave=Transfer(mapped_op.tile, None, _spread(moves.output_bits, tokens)),
                macros=_macro_work(mapped_op, moves, times, service_cycles),
                unit=_unit_work(mapped_op, times, unit_cycles),
            )
        )
    return tuple(plans)


def _macro_work(
    mapped_op: MappedOp,
    moves: Traffic,
    times: ServiceTimes,
    service_cycles: Mapping[str, NDArray[np.int32]],
) -> MacroWork | None:
    placement = mapped_op.placement
    if placement is None:
        return None
    cycles = _checked_cycles(mapped_op, placement, service_cycles)
    read_ps = times.read_ps[placement.macro]
    macros_per_group = len(placement.col_blocks) * placement.instances
    write_ps = 0
    if moves.stored_matrices:
        rows = max(placement.written(block)[0] for block in placement.blocks)
        write_ps = rows * times.row_write_ps[placement.macro]
    return MacroWork(
        kind=placement.macro,
        token_ps=tuple((cycles.max(axis=1) * read_ps).tolist()),
        token_reads=tuple((cycles.sum(axis=1) * macros_per_group).tolist()),
        partial_sums=tuple(
            Transfer(part.tile, mapped_op.tile, _spread(part.bits, mapped_op.tokens))
            for part in moves.partial_sums
        ),
        stored_matrices=moves.stored_matrices,
        stored_reads=_port_uses(moves.stored, moves.stored_matrices),
        stored_inbound=_transfers(moves.stored, moves.stored_matrices),
        write_ps=write_ps,
    )


def _checked_cycles(
    mapped_op: MappedOp, placement: Placement, service_cycles: Mapping[str, NDArray[np.int32]]
) -> NDArray[np.int64]:
    name, shape = mapped_op.op.name, (mapped_op.tokens, len(placement.row_blocks))
    if name not in service_cycles:
        raise SimulationError(
            f"op {name!r} has no service cycles; an array of shape {shape} (tokens, row blocks) is "
            "needed"
        )
    cycles = np.asarray(service_cycles[name])
    if cycles.shape != shape or not np.issubdtype(cycles.dtype, np.integer):
        raise SimulationError(
            f"op {name!r}: service cycles are {cycles.dtype} of shape {cycles.shape}; integers of "
            f"shape {shape} (tokens, row blocks) are needed"
        )
    if cycles.size and cycles.min() < 0:
        raise SimulationError(f"op {name!r}: service cycles must not be negative")
    return cycles.astype(np.int64)


def _unit_work(
    mapped_op: MappedOp, times: ServiceTimes, unit_cycles: UnitTiming
) -> UnitWork | None:
    if mapped_op.unit is None:
        return None
    per_row, fill = unit_cycles(mapped_op)
    rows = _spread(mapped_op.unit.rows, mapped_op.tokens)
    return UnitWork(
        function=mapped_op.unit.function,
        token_ps=tuple(count * per_row * times.unit_cycle_ps for count in rows),
        fill_ps=fill * times.unit_cycle_ps,
    )


def _spread(total: int, parts: int) -> tuple[int, ...]:
    return split(total, parts) if parts else ()


def _port_uses(fetches: Iterable[Fetch], steps: int) -> tuple[PortUse, ...]:
    return tuple(PortUse(fetch.source, _spread(fetch.bits, steps)) for fetch in fetches)


def _transfers(fetches: Iterable[Fetch], steps: int) -> tuple[Transfer, ...]:
    return tuple(
        Transfer(fetch.source, delivery.tile, _spread(delivery.bits, steps))
        for fetch in fetches
        for delivery in fetch.deliveries
        if delivery.tile != fetch.source
    )
