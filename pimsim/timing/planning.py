"""From the mapped workload to what each step of the replay has to do.

Which question this module answers: *how long does each token of each operation need each resource?*

Totals per inference come from the mapping, times per action from the cost models, data-dependent
read cycles from the functional pass. Totals that do not divide by the tokens are spread so that no
bit is lost.

Not modelled: that a vector goes to one copy only (its bits are spread over the tiles of all copies
of a replicated matrix), and that the parts of an operand that is written in passes come out one
after another (each vector is done when all passes are).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload, Placement
from pimsim.mapping.movement import traffic_of
from pimsim.mapping.traffic import Fetch, Traffic
from pimsim.mapping.widths import macro_in_use
from pimsim.mapping.writing import Writing, writings_of
from pimsim.records import ServiceTimes
from pimsim.timing.gates import Gates
from pimsim.timing.grouping import Steps, split, steps_of
from pimsim.timing.plan import (
    MacroWork,
    OpPlan,
    PortUse,
    StoredWork,
    Transfer,
    UnitTiming,
    UnitWork,
)

Cycles = Mapping[str, NDArray[np.int32]]
TokenReads = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Given:
    """What the other passes tell the replay."""

    mapped: MappedWorkload
    times: ServiceTimes
    service_cycles: Cycles
    token_reads: TokenReads
    unit_cycles: UnitTiming


def plan_replay(given: Given, token_group: int = 1) -> tuple[OpPlan, ...]:
    """Prepare every operation for the replay, in the order of the mapping.

    Parameters
    ----------
    given
        What the other passes tell.
    token_group
        Tokens that move together.

    Raises
    ------
    SimulationError
        If a product lacks service cycles or has them in another shape than (tokens, row blocks), if
        counted reads have another shape than (tokens,), if a time is missing or contradicts
        another, or if an operation depends on one that is not mapped.
    """
    return _Planner(given, token_group).plans()


class _Planner:
    """Plans one operation after another."""

    def __init__(self, given: Given, token_group: int) -> None:
        mapped = given.mapped
        self.given, self.mapped, self.times = given, mapped, given.times
        self.traffic = traffic_of(mapped)
        self.matrices = {
            name: moves.stored_matrices
            for name, moves in self.traffic.items()
            if moves.stored_matrices and mapped.op(name).placement is not None
        }
        batch = mapped.dims.get("batch", 1)
        self.steps = {
            op.op.name: steps_of(
                op, batch, token_group, self.matrices.get(op.op.stream_from or op.op.name, 0)
            )
            for op in mapped.ops
        }
        self._check_dependencies()
        self.gates = Gates(mapped, self.steps)
        self.writings = writings_of(mapped)

    def plans(self) -> tuple[OpPlan, ...]:
        """Plans of all operations."""
        return tuple(self._plan(index, op) for index, op in enumerate(self.mapped.ops))

    def _check_dependencies(self) -> None:
        for mapped_op in self.mapped.ops:
            for needed in (*mapped_op.depends_on, mapped_op.op.stream_from):
                if needed is not None and needed not in self.steps:
                    raise SimulationError(
                        f"op {mapped_op.op.name!r} depends on {needed!r}, which is not mapped"
                    )

    def _plan(self, index: int, mapped_op: MappedOp) -> OpPlan:
        name = mapped_op.op.name
        moves, steps = self.traffic[name], self.steps[name]
        kept = _spread(moves.write_bits, steps)
        return OpPlan(
            name=name,
            index=index,
            home=mapped_op.tile,
            tokens=steps.sizes,
            first_token=steps.bounds[:-1],
            depends_on=mapped_op.depends_on,
            stream_from=mapped_op.op.stream_from,
            start_gates=self.gates.start(mapped_op),
            gates=self.gates.driven(mapped_op),
            written_first=self.gates.written_first(mapped_op, self.matrices),
            reads=_port_uses(moves.inputs, steps),
            inbound=_transfers(moves.inputs, steps),
            write=PortUse(moves.place, kept),
            carry=() if moves.spilled is None else (Transfer(mapped_op.tile, moves.place, kept),),
            leave=Transfer(mapped_op.tile, None, _spread(moves.output_bits, steps)),
            departing=_spread(moves.departing_bits, steps),
            arrivals=moves.arrivals,
            weights=_port_uses(moves.programmed, Steps((0, 1))),
            weights_inbound=_transfers(moves.programmed, Steps((0, 1))),
            macros=self._macro_work(mapped_op, moves, steps),
            unit=self._unit_work(mapped_op, steps),
            round=mapped_op.round,
            turn=mapped_op.turn,
            room_bits=mapped_op.room_bits,
        )

    def _macro_work(self, mapped_op: MappedOp, moves: Traffic, steps: Steps) -> MacroWork | None:
        placement = mapped_op.placement
        if placement is None:
            return None
        cycles = _checked_cycles(mapped_op, placement, self.given.service_cycles)
        return MacroWork(
            kind=placement.macro,
            copies=placement.copies,
            reads=steps.summed(_slowest(cycles, placement)),
            counted_reads=steps.summed(self._counted_reads(mapped_op, placement, cycles)),
            partial_sums=tuple(
                Transfer(part.tile, mapped_op.tile, _spread(part.bits, steps))
                for part in moves.partial_sums
            ),
            additions=len(placement.row_blocks) - 1,
            stored=self._stored_work(mapped_op, placement, moves),
        )

    def _counted_reads(
        self, mapped_op: MappedOp, placement: Placement, cycles: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        name = mapped_op.op.name
        told = self.given.token_reads.get(name)
        if told is None:
            per_group = len(placement.col_blocks) * placement.instances
            summed: NDArray[np.int64] = cycles.sum(axis=1) * per_group
            return summed
        reads = np.asarray(told)
        if (
            reads.shape != (mapped_op.tokens,)
            or not np.issubdtype(reads.dtype, np.integer)
            or (reads.size and reads.min() < 0)
        ):
            raise SimulationError(
                f"op {name!r}: counted reads are {reads.dtype} of shape {reads.shape}; integers "
                f">= 0 of shape ({mapped_op.tokens},) are needed"
            )
        return reads.astype(np.int64)

    def _stored_work(
        self, mapped_op: MappedOp, placement: Placement, moves: Traffic
    ) -> StoredWork | None:
        matrices = moves.stored_matrices
        if not matrices:
            return None
        writing = self.writings[mapped_op.op.name]
        if writing.layout is None:
            portions = Steps(tuple(range(matrices + 1)))
            needed = self.gates.whole_stored(mapped_op, matrices)
        else:
            portions = self.steps[writing.layout.producer]
            needed = self.gates.laid_out(writing.layout)
        each_ps = writing.cycles * self._write_cycle_ps(placement.macro, writing)
        return StoredWork(
            matrices=matrices,
            portions=portions.count // matrices,
            reads=_port_uses(moves.stored, portions),
            inbound=_transfers(moves.stored, portions),
            write_ps=tuple(size * each_ps for size in portions.sizes),
            counted_writes=tuple(size * writing.counted for size in portions.sizes),
            gates=needed,
            depth=self._depth(placement),
        )

    def _write_cycle_ps(self, kind: str, writing: Writing) -> int:
        name = f"{writing.port}_write_ps"
        cycles_ps: Mapping[str, int] = getattr(self.times, name)
        if kind not in cycles_ps:
            raise SimulationError(
                f"macros {kind!r} are written through their {writing.port} port, but the service "
                f"times have no {name}[{kind!r}]"
            )
        return cycles_ps[kind]

    def _depth(self, placement: Placement) -> int:
        """Operands that the cells can hold at once, if a second port makes use of it."""
        macro = self.mapped.architecture.macros[placement.macro]
        if macro.write is None or not macro.write.overlap or placement.passes > 1:
            return 1
        slices = macro_in_use(macro, placement).slices
        rows = max(block.row_stop - block.row_start for block in placement.blocks)
        cols = max(block.col_stop - block.col_start for block in placement.blocks) * slices
        spare = 2 * rows <= macro.crossbar.rows or 2 * cols <= macro.crossbar.cols
        return 2 if spare else 1

    def _unit_work(self, mapped_op: MappedOp, steps: Steps) -> UnitWork | None:
        if mapped_op.unit is None:
            return None
        per_row, fill, at_once = self.given.unit_cycles(mapped_op)
        rows = np.array(split(mapped_op.unit.rows, max(steps.tokens, 1)), dtype=np.int64)
        turns = -(-rows[: steps.tokens] // at_once)
        cycle_ps = self.times.unit_cycle_ps
        return UnitWork(
            function=mapped_op.unit.function,
            step_ps=steps.summed(turns * (per_row * cycle_ps)),
            fill_ps=fill * cycle_ps,
        )


def _slowest(cycles: NDArray[np.int64], placement: Placement) -> NDArray[np.int64]:
    """Reads of each token that follow each other: the slowest row block's, pass by pass."""
    if placement.passes == 1 or placement.macros_per_pass is None:
        slowest: NDArray[np.int64] = cycles.max(axis=1)
        return slowest
    numbers = {rows: number for number, rows in enumerate(placement.row_blocks)}
    total = np.zeros(cycles.shape[0], np.int64)
    for start in range(0, len(placement.blocks), placement.macros_per_pass):
        blocks = placement.blocks[start : start + placement.macros_per_pass]
        inside = sorted({numbers[block.row_start, block.row_stop] for block in blocks})
        total += cycles[:, inside].max(axis=1)
    return total


def _checked_cycles(
    mapped_op: MappedOp, placement: Placement, service_cycles: Cycles
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


def _spread(total: int, steps: Steps) -> tuple[int, ...]:
    return steps.spread(total) if steps.count else ()


def _port_uses(fetches: Iterable[Fetch], steps: Steps) -> tuple[PortUse, ...]:
    return tuple(PortUse(fetch.source, _spread(fetch.bits, steps)) for fetch in fetches)


def _transfers(fetches: Iterable[Fetch], steps: Steps) -> tuple[Transfer, ...]:
    return tuple(
        Transfer(fetch.source, delivery.tile, _spread(delivery.bits, steps))
        for fetch in fetches
        for delivery in fetch.deliveries
        if delivery.tile != fetch.source
    )
