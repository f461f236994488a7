"""The macros of one product while they take vectors: reads, conversions, sums.

Which question this module answers: *when does a vector leave the macros, and did it wait for word
lines or for converters?*

All macros of a copy read a vector at the same time; the slowest row block sets the pace. A read is
a word-line activation (drivers and array together: class ``macro``, ``drive_ps``) and then the
conversions of its columns by their shared converters (class ``adc``, ``convert_ps``), which work on
held samples while the next read settles. Reads so follow each other every
``max(drive_ps, convert_ps)``, and a vector of ``n`` reads takes
``n * max(drive_ps, convert_ps) + min(drive_ps, convert_ps)``. Where conversions are the slower part
the time is the converters', and so is the waiting of the next vector.

Behind them, the shift-and-add of a vector takes ``shift_add_ps`` and the addition of each further
row block ``accumulate_ps`` (both of class ``shift_add``), while the next vector is read.
"""

from typing import final

from pimsim.errors import SimulationError
from pimsim.records import ServiceTimes
from pimsim.timing.network import Chip
from pimsim.timing.plan import MacroWork, OpPlan
from pimsim.timing.service import PerStep
from pimsim.timing.trace import Tail


@final
class MacroTimes:
    """Times of one kind of macro."""

    __slots__ = ("accumulate", "convert", "drive", "interval_ps", "shift_add")

    def __init__(self, times: ServiceTimes, kind: str) -> None:
        interval_ps = times.read_ps[kind]
        drive_ps = times.drive_ps.get(kind, interval_ps)
        convert_ps = times.convert_ps.get(kind, 0)
        if interval_ps != max(drive_ps, convert_ps):
            raise SimulationError(
                f"macro {kind!r}: reads follow each other every {interval_ps} ps, but a word-line "
                f"activation takes {drive_ps} ps and its conversions {convert_ps} ps; the longer "
                "of both is needed"
            )
        self.interval_ps = interval_ps
        self.drive = PerStep("macro", drive_ps)
        self.convert = PerStep("adc", convert_ps)
        self.shift_add = PerStep("shift_add", times.shift_add_ps.get(kind, 0))
        self.accumulate = PerStep("shift_add", times.accumulate_ps)


@final
class Macros:
    """The macros of one copy of a product, with the stages behind them."""

    __slots__ = ("_accumulator", "_adc", "_chip", "_free_at_ps", "_macro", "_shift_add", "_times")

    def __init__(
        self, chip: Chip, plan: OpPlan, work: MacroWork, times: MacroTimes, copy: int
    ) -> None:
        name = f"{work.kind}:{plan.name}" + (f"#{copy + 1}" if copy else "")
        self._chip, self._times = chip, times
        self._macro = chip.server(f"macro:{name}", "macro")
        self._adc = chip.tail(f"adc:{name}", "adc") if times.convert.step_ps else None
        self._shift_add = (
            chip.tail(f"shift_add:{name}", "shift_add") if times.shift_add.step_ps else None
        )
        self._accumulator = (
            chip.tail(f"accumulate:{name}", "shift_add")
            if times.accumulate.step_ps and work.additions
            else None
        )
        self._free_at_ps = 0
        """When the next read may drive word lines, where conversions are the slower part."""

    def take(self, reads: int, vectors: int, *, op: int, token: int, cause: int) -> int:
        """Read ``vectors`` vectors with ``reads`` reads in all; return the span of their sums.

        Vectors come in order, each with span ``cause`` ending now. The span may end in the future.
        """
        times = self._times
        if self._adc is None or times.convert.step_ps <= times.drive.step_ps:
            span = self._macro.occupy(
                self._chip.env.now_ps,
                times.drive.service_ps(reads),
                op=op,
                token=token,
                cause=cause,
            )
            if self._adc is not None:
                span = self._adc.finish(
                    reads, times.convert.step_ps, op=op, token=token, cause=span
                )
        else:
            span = self._convert_slowly(self._adc, reads, op=op, token=token, cause=cause)
        if self._shift_add is not None:
            step_ps = times.shift_add.step_ps
            span = self._shift_add.finish(vectors, step_ps, op=op, token=token, cause=span)
        return span

    def add(self, additions: int, vectors: int, *, op: int, token: int, cause: int) -> int:
        """Add the sums of further row blocks to each vector; ``cause`` brought the last of them."""
        if self._accumulator is None:
            return cause
        step_ps = self._times.accumulate.service_ps(additions)
        return self._accumulator.finish(vectors, step_ps, op=op, token=token, cause=cause)

    def _convert_slowly(self, adc: Tail, reads: int, *, op: int, token: int, cause: int) -> int:
        """Read at the pace of the converters, which hold up the word lines."""
        times, trace, now_ps = self._times, self._chip.trace, self._chip.env.now_ps
        if not reads:
            return adc.finish(0, 0, op=op, token=token, cause=cause)
        begin_ps = max(now_ps, self._free_at_ps)
        sampled_ps = begin_ps + times.drive.step_ps
        work_ps = times.convert.service_ps(reads)
        self._free_at_ps = begin_ps + work_ps
        trace.span(
            begin_ps,
            begin_ps + times.drive.service_ps(reads),
            op=op,
            token=token,
            kind="macro",
            cause=cause,
            resource=self._macro.index,
        )
        # Behind another vector the first sample is taken the moment that one is converted.
        if begin_ps == now_ps:
            cause = trace.span(now_ps, sampled_ps, op=op, token=token, kind="macro", cause=cause)
        return adc.occupy(
            sampled_ps, work_ps, wait_ps=begin_ps - now_ps, op=op, token=token, cause=cause
        )
