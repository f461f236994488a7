"""How far an operation is, who waits for it, and how many are inside.

Which question this module answers: *are its first n steps done, with which span did they end, and
is the clock of the replay that of its trace?*
"""

from typing import final

from simpy.events import Event

from pimsim.timing.environment import ReplayEnvironment
from pimsim.timing.trace import START, Trace


@final
class Progress:
    """Counts steps that are done, in order; a step done early counts when those before it are."""

    __slots__ = ("_early", "_env", "_trace", "_waiting", "done", "ends")

    def __init__(self, env: ReplayEnvironment, trace: Trace) -> None:
        self.done = 0
        """Steps done of which all earlier ones are done."""
        self.ends = [START]
        """Span that the first 0, 1, 2, ... steps ended with."""
        self._early: dict[int, int] = {}
        self._waiting: list[tuple[int, Event]] = []
        self._env, self._trace = env, trace

    def complete(self, step: int, span: int) -> None:
        """Step ``step`` is done with ``span``, now; wake those who waited for it."""
        if step != self.done:
            self._early[step] = span
            return
        ends, end_ps = self.ends, self._trace.end_ps
        while True:
            before = ends[-1]
            ends.append(span if end_ps[span] >= end_ps[before] else before)
            self.done += 1
            following = self._early.pop(self.done, None) if self._early else None
            if following is None:
                break
            span = following
        if self._waiting:
            woken = [event for upto, event in self._waiting if upto <= self.done]
            if woken:
                self._waiting = [wait for wait in self._waiting if wait[0] > self.done]
                for event in woken:
                    event.succeed()

    def reached(self, upto: int) -> Event:
        """An event for when the first ``upto`` steps are done; only for what is not done yet."""
        event = self._env.event()
        self._waiting.append((upto, event))
        return event


@final
class Population:
    """Steps inside a part of the chip, counted by the clock and by the trace.

    Little's law, without dividing: the number inside, integrated over time by the clock, is the sum
    of the times that each spent inside by the trace [1]_.

    References
    ----------
    .. [1] J. D. C. Little, A Proof for the Queuing Formula L = λW, Operations Research 9, 1961.
    """

    __slots__ = ("_since_ps", "_trace", "inside", "inside_ps", "spent_ps")

    def __init__(self, trace: Trace) -> None:
        self.inside = 0
        self.inside_ps = 0
        """Number inside, integrated over time."""
        self.spent_ps = 0
        """Sum over all customers of departure minus arrival."""
        self._since_ps = 0
        self._trace = trace

    def enter(self, now_ps: int, span: int) -> None:
        """Somebody comes in as ``span`` ends."""
        self._move(now_ps, 1)
        self.spent_ps -= self._trace.end_ps[span]

    def leave(self, now_ps: int, span: int) -> None:
        """Somebody goes out as ``span`` ends."""
        self._move(now_ps, -1)
        self.spent_ps += self._trace.end_ps[span]

    def _move(self, now_ps: int, by: int) -> None:
        self.inside_ps += self.inside * (now_ps - self._since_ps)
        self.inside += by
        self._since_ps = now_ps
