"""The clock of the replay: SimPy's environment in integer picoseconds.

Which question this module answers: *in which order do things happen that happen at the same time?*

By default in the order in which they were scheduled, so a replay is deterministic. With a
``tie_seed`` the order of events of one instant is drawn at random: whatever then changes in a
result depends on an order that the hardware does not promise.
"""

import gc
from heapq import heappop, heappush
from typing import Any, cast, final

import simpy
from simpy.events import NORMAL, Event, EventPriority

from pimsim import rng


@final
class ReplayEnvironment(simpy.Environment):
    """A SimPy environment that counts its events and can shuffle those of one instant.

    Parameters
    ----------
    tie_seed
        Seed of the order of simultaneous events; ``None`` keeps the order of scheduling.
    """

    def __init__(self, tie_seed: int | None = None) -> None:
        super().__init__(initial_time=0)
        self.events = 0
        """Events scheduled so far; all have been processed when :meth:`run` returns."""
        self._ties = None if tie_seed is None else rng.for_(tie_seed, "timing", "ties")

    @property
    def now_ps(self) -> int:
        """Simulated time; whole, because every delay is."""
        return self._now  # type: ignore[return-value]

    def run(self, until: "simpy.core.SimTime | Event | None" = None) -> Any:
        """Process events until none is left, or as SimPy does until some time or event.

        The usual case is SimPy's loop, without a call and two exception handlers per event, and
        without the cyclic garbage collector, which would search all that is waiting again and again
        for the few cycles that processes leave behind.
        """
        if until is not None:
            return super().run(until)
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._run_out()
        finally:
            if collecting:
                gc.enable()
        return None

    def _run_out(self) -> None:
        queue = self._queue
        while queue:
            self._now, _, _, event = heappop(queue)
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event.ok and not event.defused:
                raise cast(BaseException, event.value)  # what a process raised

    def schedule(
        self, event: Event, priority: EventPriority = NORMAL, delay: int | float = 0
    ) -> None:
        """Schedule ``event`` after ``delay`` picoseconds."""
        self.events += 1
        number = self.events
        if self._ties is not None:
            number |= int(self._ties.integers(1 << 31)) << 64
        heappush(self._queue, (self._now + delay, priority, number, event))
