"""The clock of the replay: SimPy's environment in integer picoseconds.

Which question this module answers: *in which order do things happen that happen at the same time?*

By default in the order in which they were scheduled, so a replay is deterministic. With a
``tie_seed`` the order of events of one instant is drawn at random: whatever then changes in a
result depends on an order that the hardware does not promise.
"""

from heapq import heappush
from typing import final

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
        return int(self._now)

    def schedule(
        self, event: Event, priority: EventPriority = NORMAL, delay: int | float = 0
    ) -> None:
        """Schedule ``event`` after ``delay`` picoseconds."""
        self.events += 1
        number = self.events
        if self._ties is not None:
            number |= int(self._ties.integers(1 << 31)) << 64
        heappush(self._queue, (self._now + delay, priority, number, event))
