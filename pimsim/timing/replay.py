"""The event-driven replay of one inference.

Which question this module answers: *when is every token of every operation done, and why not
earlier?*

Dataflow ``layer_by_layer``
    An operation starts when the operations it depends on have finished all their tokens; operations
    that do not depend on each other run at the same time and share buffers, links and units. Units
    that stream from a product start with it and take its tokens one by one, in their listed order;
    an operand that such a unit has beside its product is read when the product's token is ready. An
    output that is streamed and also stored is stored first.
Inside an operation
    Tokens follow each other through a pipeline of resources, each with a first-come-first-served
    queue: port of the source buffer, links, macros (all blocks of a token read at the same time,
    the slowest row block sets the pace), links for partial sums, digital unit, port of the
    destination buffer. A dynamic product first fetches and writes its stored operand; with several
    stored matrices (a batch), each is written when the reads of the one before have ended.
Begin and end
    Inputs lie in the global buffer at time 0; the inference ends with the last event.

Not modelled yet: queues of finite length between the stages (back-pressure), overlap of writing and
reading through a second port, units of one kind in larger numbers than one per tile, and tokens
handled in groups.
"""

from collections.abc import Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.mapping.movement import topology_of
from pimsim.records import ServiceTimes, Timeline
from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.network import Chip, Steps
from pimsim.timing.plan import (
    MacroWork,
    OpPlan,
    UnitCycles,
    UnitTiming,
    UnitWork,
    declared_unit_cycles,
    plan_replay,
)
from pimsim.timing.trace import START
from pimsim.units import PS_PER_NS


def replay(
    mapped: MappedWorkload,
    service_times: ServiceTimes,
    service_cycles: Mapping[str, NDArray[np.int32]],
    *,
    unit_cycles: UnitTiming | None = None,
    tie_seed: int | None = None,
) -> Timeline:
    """Replay one inference of a mapped workload.

    Parameters
    ----------
    mapped
        Where everything is and what it depends on.
    service_times
        How long each action takes.
    service_cycles
        Product → read cycles of every token on every row block, int (tokens, row blocks); instances
        run in lock-step, so each is the maximum over them.
    unit_cycles
        Clock cycles of the unit of an operation; by default those of the hardware that the
        operation declares.
    tie_seed
        Draw the order of simultaneous events at random; for tests of what depends on it.

    Returns
    -------
    Timeline
        Busy intervals, latency, its exclusive shares along the critical path, and reads and moved
        bits as counted here.

    Raises
    ------
    SimulationError
        If cycles or times are missing or misshapen, or if the replay runs out of events with work
        left: then with the simulated time and what each operation waits for.
    """

    def declared(mapped_op: MappedOp) -> UnitCycles:
        return declared_unit_cycles(mapped_op, mapped.architecture)

    plans = plan_replay(mapped, service_times, service_cycles, unit_cycles or declared)
    names = tuple(plan.name for plan in plans)
    env = ReplayEnvironment(tie_seed)
    chip = Chip(env, service_times, topology_of(mapped.architecture), names)
    run = _Run(chip, plans)
    env.run()
    run.check_finished()
    last = chip.trace.latest([START, *run.ends.values()])
    busy = chip.trace.busy()
    return Timeline(
        resources=tuple(server.name for server in chip.servers),
        resource_classes=tuple(server.kind for server in chip.servers),
        ops=names,
        start_ps=busy.start_ps,
        end_ps=busy.end_ps,
        resource=busy.resource,
        op=busy.op,
        token=busy.token,
        latency_ps=chip.trace.end_ps[last],
        critical_path_ps=chip.trace.critical_path_ps(last, names),
        reads={plan.name: run.reads[plan.index] for plan in plans if plan.macros is not None},
        moved={plan.name: chip.moved(plan.index) for plan in plans},
        events=env.events,
    )


@final
class _Run:
    """The processes of one replay.

    A *stream* is a product with the units that stream from it, or a unit of its own: operations
    that a token passes through without stopping.
    """

    def __init__(self, chip: Chip, plans: tuple[OpPlan, ...]) -> None:
        self.chip, self.env, self.trace = chip, chip.env, chip.trace
        self.plans = plans
        self.reads = [0] * len(plans)
        self.ends: dict[str, int] = {}
        """Finished operation → the span that it ended with."""
        self._tokens_left = [plan.tokens for plan in plans]
        self._reads_left = [0] * len(plans)
        """Tokens still to be read before the next stored matrix may be written."""
        self._drained: dict[int, Event] = {}
        self._done = {plan.name: self.env.event() for plan in plans}
        streams: dict[str, list[OpPlan]] = {}
        for plan in plans:
            streams.setdefault(plan.stream_from or plan.name, []).append(plan)
        for head, stream in streams.items():
            stream.sort(key=lambda plan: (plan.name != head, plan.index))
            self.env.process(self._stream(tuple(stream)))

    def check_finished(self) -> None:
        """Raise unless every operation has finished."""
        waiting = {plan.name: plan for plan in self.plans if plan.name not in self.ends}
        if not waiting:
            return
        reasons = []
        for name, plan in waiting.items():
            missing = [repr(needed) for needed in plan.depends_on if needed in waiting]
            reasons.append(f"{name!r} waits for {', '.join(missing) or 'its stream'}")
        raise SimulationError(
            f"the replay ran out of events at {self.env.now_ps / PS_PER_NS:g} ns with "
            f"{len(waiting)} of {len(self.plans)} operations unfinished: {'; '.join(reasons)}"
        )

    def _stream(self, stream: tuple[OpPlan, ...]) -> Steps:
        """Wait for what the stream needs, then feed it token by token."""
        inside = {plan.name for plan in stream}
        needed = [name for plan in stream for name in plan.depends_on if name not in inside]
        for name in needed:
            yield self._done[name]
        span = self.trace.latest([START, *(self.ends[name] for name in needed)])
        for plan in stream:
            if not plan.tokens:
                self._finish(plan, span)
        head = stream[0]
        stored_matrices = head.macros.stored_matrices if head.macros is not None else 0
        for token in range(head.tokens):
            if head.macros is not None and stored_matrices:
                matrix, vector = divmod(token, head.tokens // stored_matrices)
                if vector == 0:
                    span = yield from self._store(head, head.macros, matrix, token, span)
            span = yield from self.chip.read(head, head.reads, token, token, span)
            self.env.process(self._token(stream, token, span))
        return span

    def _store(self, plan: OpPlan, work: MacroWork, matrix: int, token: int, span: int) -> Steps:
        """Fetch a stored operand and write it once nobody reads the one before any more."""
        span = yield from self.chip.read(plan, work.stored_reads, matrix, token, span)
        span = yield from self.chip.send(plan, work.stored_inbound, matrix, token, span)
        if matrix:
            span = self.trace.latest([span, (yield self._drained[plan.index])])
        self._reads_left[plan.index] = plan.tokens // work.stored_matrices
        self._drained[plan.index] = self.env.event()
        port = self.chip.server(f"write:{work.kind}:{plan.name}", "write")
        written = port.occupy(
            self.env.now_ps, work.write_ps, op=plan.index, token=token, cause=span
        )
        return (yield from self.chip.wait_for(written))

    def _token(self, stream: tuple[OpPlan, ...], token: int, span: int) -> Steps:
        """Take one token, already read out of its buffers, through all operations of a stream."""
        for plan in stream:
            if plan is not stream[0]:
                span = yield from self.chip.read(plan, plan.reads, token, token, span)
            span = yield from self.chip.send(plan, plan.inbound, token, token, span)
            if plan.macros is not None:
                span = yield from self._read_macros(plan, plan.macros, token, span)
            if plan.unit is not None:
                span = yield from self._use_unit(plan, plan.unit, token, span)
            span = yield from self.chip.write(plan, plan.home, plan.write.bits[token], token, span)
            span = yield from self.chip.send(plan, (plan.leave,), token, token, span)
            span = yield from self.chip.write(plan, None, plan.leave.bits[token], token, span)
            self._tokens_left[plan.index] -= 1
            if not self._tokens_left[plan.index]:
                self._finish(plan, span)
        return span

    def _read_macros(self, plan: OpPlan, work: MacroWork, token: int, span: int) -> Steps:
        macros = self.chip.server(f"macro:{work.kind}:{plan.name}", "macro")
        span = yield from self.chip.wait_for(
            macros.occupy(
                self.env.now_ps, work.token_ps[token], op=plan.index, token=token, cause=span
            )
        )
        self.reads[plan.index] += work.token_reads[token]
        if work.stored_matrices:
            self._reads_left[plan.index] -= 1
            if not self._reads_left[plan.index]:
                self._drained[plan.index].succeed(span)
        return (yield from self.chip.send(plan, work.partial_sums, token, token, span))

    def _use_unit(self, plan: OpPlan, work: UnitWork, token: int, span: int) -> Steps:
        unit = self.chip.server(f"unit:{work.function}:{plan.home}", "vector_unit")
        span = unit.occupy(
            self.env.now_ps, work.token_ps[token], op=plan.index, token=token, cause=span
        )
        if work.fill_ps:
            end_ps = self.trace.end_ps[span]
            span = self.trace.span(
                end_ps,
                end_ps + work.fill_ps,
                op=plan.index,
                token=token,
                kind="vector_unit",
                cause=span,
            )
        return (yield from self.chip.wait_for(span))

    def _finish(self, plan: OpPlan, span: int) -> None:
        self.ends[plan.name] = span
        self._done[plan.name].succeed()
