"""Programming weights: once before the first inference, or in rounds during every inference.

Which question this module answers: *how long does it take until the weights are in the cells?*

A round is one programming of the macros (:attr:`pimsim.mapping.MappedOp.round`). The macros of a
round are programmed at the same time, each one word line after another, so that the largest block
sets the pace. With several rounds every inference programs all of them: all operations of the round
before have ended, the weights come out of the memory, then they are programmed. With one round they
are resident, and programming them is *loading*, apart from the latency of an inference.

Not modelled: a limit on how many macros can be programmed at once, rounds that overlap, and, for
loading, where the weights come from on a chip without memory and pins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.records import ServiceTimes
from pimsim.timing.network import Chip, Waits
from pimsim.timing.plan import OpPlan
from pimsim.timing.progress import Progress
from pimsim.timing.service import Channel
from pimsim.timing.trace import START


def loading_ps(mapped: MappedWorkload, times: ServiceTimes) -> int:
    """Time to bring all resident weights into the cells before the first inference. [ps]

    Transfer, out of the memory or through the pins if the chip has either, then programming; 0 if
    the weights are not resident, or if the chip does not say how long its macros are programmed.
    """
    static = [op for op in mapped.ops if op.op.kind == "static_product" and op.placement]
    kinds = {op.placement.macro for op in static if op.placement is not None}
    if mapped.rounds > 1 or not kinds <= set(times.program_row_ps):
        return 0
    rate = times.memory_bits_per_ns or times.io_bits_per_ns
    bits = sum(_weight_bits(op, mapped) for op in static)
    transfer = 0 if rate is None else Channel("memory", rate).service_ps(bits)
    return transfer + max(program_ps(static, times).values(), default=0)


def program_ps(ops: Sequence[MappedOp], times: ServiceTimes) -> dict[str, int]:
    """Macro kind → time to program the largest block of these operations. [ps]

    Raises
    ------
    SimulationError
        If the time of a word line is missing.
    """
    rows: dict[str, int] = {}
    for mapped_op in ops:
        placement = mapped_op.placement
        if mapped_op.op.kind != "static_product" or placement is None:
            continue
        most = max(block.row_stop - block.row_start for block in placement.all_blocks)
        rows[placement.macro] = max(rows.get(placement.macro, 0), most)
    for kind in rows:
        if kind not in times.program_row_ps:
            raise SimulationError(
                f"macro {kind!r} is reprogrammed during an inference, but the service times have "
                f"no time for it; describe macros.{kind}.reprogram"
            )
    return {kind: count * times.program_row_ps[kind] for kind, count in rows.items()}


def _weight_bits(mapped_op: MappedOp, mapped: MappedWorkload) -> int:
    placement = mapped_op.placement
    assert placement is not None
    width = placement.stored_bits or mapped.architecture.macros[placement.macro].weights.bits
    return placement.rows * placement.cols * width * placement.copies


@dataclass(frozen=True, slots=True)
class Round:
    """What one round programs."""

    ops: tuple[OpPlan, ...]
    program_ps: tuple[tuple[str, int], ...]
    """Macro kinds and how long their programming takes."""


@final
class Programming:
    """Rounds of all inferences, one after another.

    Parameters
    ----------
    mapped, times
        What is programmed, and how long a word line takes.
    plans
        Plans of all operations.
    requests
        How many inferences.
    """

    def __init__(
        self,
        mapped: MappedWorkload,
        times: ServiceTimes,
        plans: tuple[OpPlan, ...],
        requests: int,
    ) -> None:
        self._plans, self._count = plans, mapped.rounds
        self._rounds: list[Round] = []
        for number in range(mapped.rounds if mapped.rounds > 1 else 0):
            inside = [op for op in mapped.ops if op.round == number]
            self._rounds.append(
                Round(
                    tuple(plan for plan in plans if plan.round == number),
                    tuple(program_ps(inside, times).items()),
                )
            )
        self._requests = requests
        self._left = [len(each.ops) for _ in range(requests) for each in self._rounds]
        self._ended: Progress | None = None
        self._ready: Progress | None = None
        self.first_ps = 0
        """Time that the first inference spent on programming."""

    def start(self, chip: Chip) -> None:
        """Begin with the first round, if there are several."""
        if self._rounds:
            self._ended = Progress(chip.env, chip.trace)
            self._ready = Progress(chip.env, chip.trace)
            chip.env.process(self._program(chip, self._ended, self._ready))

    def until(self, request: int, plan: OpPlan, span: int, chip: Chip) -> Waits:
        """Wait until the weights of an operation are in the cells."""
        if self._ready is None:
            return span
        upto = request * self._count + plan.round + 1
        if self._ready.done < upto:
            yield self._ready.reached(upto)
        return chip.trace.latest([span, self._ready.ends[upto]])

    def finished(self, request: int, plan: OpPlan, span: int) -> None:
        """An operation has ended with ``span``, now."""
        if self._ended is None:
            return
        serial = request * self._count + plan.round
        self._left[serial] -= 1
        if not self._left[serial]:
            self._ended.complete(serial, span)

    def _program(self, chip: Chip, ended: Progress, ready: Progress) -> Waits:
        """Program one round after another, each when the operations of the one before are done."""
        span = START
        for serial in range(self._requests * self._count):
            if serial and ended.done < serial:
                yield ended.reached(serial)
            span = chip.trace.latest([span, ended.ends[serial]])
            begun_ps = chip.env.now_ps
            request, number = divmod(serial, self._count)
            span = yield from self._one(chip, request, self._rounds[number], span)
            if not request:
                self.first_ps += chip.env.now_ps - begun_ps
            ready.complete(serial, span)
            if not self._rounds[number].ops:
                ended.complete(serial, span)
        return span

    def _one(self, chip: Chip, request: int, work: Round, span: int) -> Waits:
        """Fetch the weights of one round, then program all its macros at the same time."""
        base = request * len(self._plans)
        fetches = [
            chip.env.process(self._fetch(chip, base, plan, span))
            for plan in work.ops
            if plan.weights
        ]
        if fetches:
            fetched = yield chip.env.all_of(fetches)
            span = chip.trace.latest([span, *(fetched[fetch] for fetch in fetches)])
        first = base + (work.ops[0].index if work.ops else 0)
        programmed = [
            chip.server(f"program:{kind}", "program").occupy(
                chip.env.now_ps, time_ps, op=first, token=0, cause=span
            )
            for kind, time_ps in work.program_ps
        ]
        return (yield from chip.wait_for(chip.trace.latest([span, *programmed])))

    @staticmethod
    def _fetch(chip: Chip, base: int, plan: OpPlan, span: int) -> Waits:
        customer = base + plan.index
        span = yield from chip.read(customer, plan.weights, 0, 0, span)
        return (yield from chip.send(customer, plan.weights_inbound, 0, 0, span))
