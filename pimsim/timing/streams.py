"""The processes of the replay: streams of operations that tokens pass through without stopping.

Which question this module answers: *which step of which operation happens next?*

A *stream* is a product with the units that stream from it, or a unit of its own. One process admits
its steps in order and reads their operands; every step then is a process of its own. Another
process writes the stored operands of a dynamic product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from pimsim.timing.loading import Programming
from pimsim.timing.macros import Macros, MacroTimes
from pimsim.timing.network import Chip, Waits
from pimsim.timing.plan import MacroWork, OpPlan, StoredWork, UnitWork
from pimsim.timing.progress import Population, Progress
from pimsim.timing.rooms import Buffers, Room
from pimsim.timing.trace import START

RUN_AHEAD: Final = 2
"""Inferences whose outputs an operation may hold: one that is read and one that is made."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When inferences arrive."""

    requests: int
    interval_ps: int | None
    """``None``: each begins when the chip can take it."""


def streams_of(plans: Sequence[OpPlan]) -> tuple[tuple[OpPlan, ...], ...]:
    """Group operations into streams, in listed order, each beginning with its product."""
    streams: dict[str, list[OpPlan]] = {}
    for plan in plans:
        streams.setdefault(plan.stream_from or plan.name, []).append(plan)
    for head, stream in streams.items():
        stream.sort(key=lambda plan: (plan.name != head, plan.index))
    return tuple(map(tuple, streams.values()))


@final
class Run:
    """All processes of one replay, and how far they are."""

    def __init__(
        self,
        chip: Chip,
        plans: tuple[OpPlan, ...],
        *,
        buffers: Buffers,
        programming: Programming,
        arrivals: Arrivals,
        macro_times: Mapping[str, MacroTimes],
    ) -> None:
        self.chip, self.env, self.trace = chip, chip.env, chip.trace
        self.plans, self.arrivals, self.macro_times = plans, arrivals, macro_times
        self.streams = streams_of(plans)
        self.buffers, self.programming = buffers, programming
        self.reads = [0] * len(plans)
        self.writes = [0] * len(plans)
        """Per operation: write cycles of stored operands, summed over macros."""
        self._started_ps: dict[int, int] = {}
        self.progress = [[self._new() for _ in plans] for _ in range(arrivals.requests)]
        """Per inference and operation: steps done."""
        self.fed = [self._new() for _ in self.streams]
        """Per stream: inferences whose steps have all been admitted."""
        stored = [plan.index for plan in plans if plan.macros is not None and plan.macros.stored]
        self.written = {op: self._new() for op in stored}
        """Per product with stored operands: operands written."""
        self._fed_operands = {op: self._new() for op in stored}
        self._drained = {op: self._new() for op in stored}
        self._vectors_left: dict[tuple[int, int], int] = {}
        self._macros = {
            plan.index: [
                Macros(chip, plan, plan.macros, macro_times[plan.macros.kind], copy)
                for copy in range(plan.macros.copies)
            ]
            for plan in plans
            if plan.macros is not None
        }
        self._units = {
            plan.index: chip.server(f"unit:{plan.unit.function}:{plan.home}", "vector_unit")
            for plan in plans
            if plan.unit is not None
        }
        self._far = {plan.index for plan in plans if plan.carry or any(plan.leave.bits)}
        """Operations whose outputs do not just go into the buffer of the home tile."""
        self._followers = self._streams_that_read()
        self.populations: list[Population] | None = None
        """Per stream: steps inside it, if they are watched."""

    def start(self, *, watched: bool) -> None:
        """Begin with everything that can begin."""
        if watched:
            self.populations = [Population(self.trace) for _ in self.streams]
        self.programming.start(self.chip)
        for request in range(self.arrivals.requests):
            for number in range(len(self.streams)):
                self.env.process(self._stream(request, number))

    def arrival_ps(self, request: int) -> int:
        """When an inference arrived, or began."""
        if self.arrivals.interval_ps is not None:
            return request * self.arrivals.interval_ps
        return self._started_ps.get(request, 0)

    def _new(self) -> Progress:
        return Progress(self.env, self.trace)

    def _streams_that_read(self) -> list[tuple[int, ...]]:
        """Per stream: other streams that take its outputs."""
        stream_of = {
            plan.name: number for number, stream in enumerate(self.streams) for plan in stream
        }
        followers: list[set[int]] = [set() for _ in self.streams]
        for plan in self.plans:
            for name in plan.depends_on:
                if stream_of[name] != stream_of[plan.name]:
                    followers[stream_of[name]].add(stream_of[plan.name])
        return [tuple(sorted(numbers)) for numbers in followers]

    # ------------------------------------------------------------------------------- streams

    def _stream(self, request: int, number: int) -> Waits:
        """Wait for what the stream needs, then feed it step by step."""
        stream = self.streams[number]
        head = stream[0]
        span = yield from self._begin(request, number)
        for plan in stream:
            if not plan.steps:
                self.programming.finished(request, plan, span)
        if head.macros is not None and head.macros.stored is not None and head.steps:
            self.env.process(self._store(request, head, head.macros.stored, span))
        room = self.buffers.rooms.get(head.home)
        wanted = self.buffers.admitted_bits(number)
        for step in range(head.steps):
            span = yield from self._operands(request, head, step, span)
            if room is not None and wanted and wanted[step]:
                span = yield from self._take_room(room, request, number, wanted[step], span)
            span = yield from self._read(request, head, step, span)
            self._note_fed(request, head, step, span)
            self.env.process(self._step(request, number, step, span))
        self.fed[number].complete(request, span)
        return span

    def _begin(self, request: int, number: int) -> Waits:
        """Wait for the arrival of an inference, for the one before, and for whole operands."""
        stream = self.streams[number]
        span = START
        interval_ps = self.arrivals.interval_ps
        if interval_ps is not None and request:
            arrival_ps = request * interval_ps
            span = self.trace.span(0, arrival_ps, op=0, token=0, kind="", cause=START)
            yield from self.chip.wait_for(span)
        if request:
            span = yield from self._until(self.fed[number], request, span)
            for follower in self._followers[number]:
                span = yield from self._until(self.fed[follower], request + 1 - RUN_AHEAD, span)
        self._started_ps.setdefault(request, self.env.now_ps)
        span = yield from self.programming.until(request, stream[0], span, self.chip)
        inside = {plan.index for plan in stream}
        progress = self.progress[request]
        for plan in stream:
            for gate in plan.start_gates:
                if gate.producer not in inside:
                    span = yield from self._until(progress[gate.producer], gate.upto[0], span)
        head = stream[0]
        customer = request * len(self.plans) + head.index
        for plan in stream:
            for arrival in plan.arrivals:
                span = yield from self.chip.arrive(customer, arrival, span)
        return span

    def _until(self, progress: Progress, upto: int, span: int) -> Waits:
        """Wait until steps are done; return the later of ``span`` and their end."""
        if upto <= 0:
            return span
        if progress.done < upto:
            yield progress.reached(upto)
        return self._later(span, progress.ends[upto])

    def _later(self, one: int, other: int) -> int:
        end_ps = self.trace.end_ps
        return other if end_ps[other] > end_ps[one] else one

    def _operands(self, request: int, plan: OpPlan, step: int, span: int) -> Waits:
        """Wait for what one step needs."""
        progress = self.progress[request]
        for gate in plan.gates:
            upto = gate.upto[step]
            if upto:
                done = progress[gate.producer]
                if done.done < upto:
                    yield done.reached(upto)
                span = self._later(span, done.ends[upto])
        for product, operands in plan.written_first:
            macros = self.plans[product].macros
            assert macros is not None
            assert macros.stored is not None
            upto = request * macros.stored.matrices + operands[step]
            span = yield from self._until(self.written[product], upto, span)
        return span

    def _take_room(self, room: Room, request: int, stream: int, bits: int, span: int) -> Waits:
        given = room.ask(request, stream, bits, span)
        if given is None:
            return span
        freed: int = yield given
        return self._later(span, freed)

    # ------------------------------------------------------------------------------- operands

    def _store(self, request: int, plan: OpPlan, work: StoredWork, span: int) -> Waits:
        """Fetch and write the stored operands of one inference, one after another."""
        op = plan.index
        customer = request * len(self.plans) + op
        port = self.chip.server(f"write:{work_kind(plan)}:{plan.name}", "write")
        progress = self.progress[request]
        per_matrix = plan.steps // work.matrices
        for matrix in range(work.matrices):
            serial = request * work.matrices + matrix
            token = plan.first_token[matrix * per_matrix]
            span = yield from self._until(self._fed_operands[op], serial + 1 - work.depth, span)
            written = span
            for portion in range(matrix * work.portions, (matrix + 1) * work.portions):
                for gate in work.gates:
                    span = yield from self._until(progress[gate.producer], gate.upto[portion], span)
                span = yield from self.chip.read(customer, work.reads, portion, token, span)
                if self.buffers.rooms:
                    self.buffers.used(request, (op, True), work.gates, portion, span)
                span = yield from self.chip.send(customer, work.inbound, portion, token, span)
                span = yield from self._until(self._drained[op], serial + 1 - work.depth, span)
                written = port.occupy(
                    self.env.now_ps, work.write_ps[portion], op=customer, token=token, cause=span
                )
                self.writes[op] += work.counted_writes[portion]
            span = yield from self.chip.wait_for(written)
            self.written[op].complete(serial, span)
        return span

    def _note_fed(self, request: int, plan: OpPlan, step: int, span: int) -> None:
        """Count operands whose vectors have all been admitted."""
        work = plan.macros
        if work is None or work.stored is None:
            return
        per_matrix = plan.steps // work.stored.matrices
        if (step + 1) % per_matrix == 0:
            serial = request * work.stored.matrices + step // per_matrix
            self._fed_operands[plan.index].complete(serial, span)

    def _note_drained(
        self, request: int, plan: OpPlan, work: StoredWork, step: int, span: int
    ) -> None:
        """Count operands whose vectors have all been read."""
        per_matrix = plan.steps // work.matrices
        key = plan.index, request * work.matrices + step // per_matrix
        left = self._vectors_left.get(key, per_matrix) - 1
        self._vectors_left[key] = left
        if not left:
            del self._vectors_left[key]
            self._drained[plan.index].complete(key[1], span)

    # ------------------------------------------------------------------------------- steps

    def _step(self, request: int, number: int, step: int, span: int) -> Waits:
        """Take one step, already read out of buffers, through all operations of a stream."""
        stream = self.streams[number]
        if self.populations is not None:
            self.populations[number].enter(self.env.now_ps, span)
        for plan in stream:
            if plan is not stream[0]:
                span = yield from self._operands(request, plan, step, span)
                if plan.reads:
                    span = yield from self._read(request, plan, step, span)
            span = yield from self._one(request, plan, step, span)
            progress = self.progress[request][plan.index]
            progress.complete(step, span)
            if progress.done == plan.steps:
                self.programming.finished(request, plan, progress.ends[-1])
        if self.populations is not None:
            self.populations[number].leave(self.env.now_ps, span)
        return span

    def _read(self, request: int, plan: OpPlan, step: int, span: int) -> Waits:
        """Read the operands of one step out of buffers."""
        customer = request * len(self.plans) + plan.index
        return self.chip.read(customer, plan.reads, step, plan.first_token[step], span)

    def _one(self, request: int, plan: OpPlan, step: int, span: int) -> Waits:
        """Take one step, its operands at hand, through one operation."""
        chip, token = self.chip, plan.first_token[step]
        customer = request * len(self.plans) + plan.index
        if plan.inbound:
            span = yield from chip.send(customer, plan.inbound, step, token, span)
        if plan.macros is not None:
            span = yield from self._read_macros(request, plan, plan.macros, step, span)
        if plan.unit is not None:
            span = self._use_unit(customer, plan, plan.unit, step, span)
            event = chip.pending(span)
            if event is not None:
                yield event
        if self.buffers.rooms:
            self.buffers.used(request, (plan.index, False), plan.gates, step, span)
        if plan.index in self._far:
            return (yield from self._carry_off(customer, plan, step, token, span))
        span = chip.begin_write(customer, plan.home, plan.write.bits[step], token, span)
        event = chip.pending(span)
        if event is not None:
            yield event
        return span

    def _carry_off(self, customer: int, plan: OpPlan, step: int, token: int, span: int) -> Waits:
        """Bring an output to where it is kept, and one of the graph off the chip."""
        chip = self.chip
        if plan.carry:
            span = yield from chip.send(customer, plan.carry, step, token, span)
        kept = plan.write
        span = yield from chip.write(customer, kept.place, kept.bits[step], token, span)
        span = yield from chip.send(customer, (plan.leave,), step, token, span)
        span = yield from chip.write(customer, None, plan.leave.bits[step], token, span)
        if plan.departing[step]:
            span = yield from chip.depart(customer, plan.departing[step], token, span)
        return span

    def _read_macros(
        self, request: int, plan: OpPlan, work: MacroWork, step: int, span: int
    ) -> Waits:
        op = request * len(self.plans) + plan.index
        token, vectors = plan.first_token[step], plan.tokens[step]
        macros = self._macros[plan.index][step % work.copies]
        span = macros.take(work.reads[step], vectors, op=op, token=token, cause=span)
        self.reads[plan.index] += work.counted_reads[step]
        event = self.chip.pending(span)
        if event is not None:
            yield event
        if work.stored is not None:
            self._note_drained(request, plan, work.stored, step, span)
        if work.partial_sums:
            span = yield from self.chip.send(op, work.partial_sums, step, token, span)
        if work.additions:
            summed = macros.add(work.additions, vectors, op=op, token=token, cause=span)
            if summed != span:
                span = yield from self.chip.wait_for(summed)
        return span

    def _use_unit(self, customer: int, plan: OpPlan, work: UnitWork, step: int, span: int) -> int:
        """Occupy the unit of a tile; return the span that ends with the result."""
        token = plan.first_token[step]
        span = self._units[plan.index].occupy(
            self.env.now_ps, work.step_ps[step], op=customer, token=token, cause=span
        )
        if work.fill_ps:
            end_ps = self.trace.end_ps[span]
            span = self.trace.span(
                end_ps,
                end_ps + work.fill_ps,
                op=customer,
                token=token,
                kind="vector_unit",
                cause=span,
            )
        return span


def work_kind(plan: OpPlan) -> str:
    """Kind of macro of a product."""
    assert plan.macros is not None
    return plan.macros.kind
