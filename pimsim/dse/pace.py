"""How long points take, and what they could use again.

Which question this module answers: *how long will the rest of this sweep take, and how much work
did it save?*

Nothing is guessed: the estimate rests on points of the same sweep that have ended, those that the
store knew included. A point that has values of its own takes far longer than one that uses those of
another, so both are measured apart.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pimsim.dse.store import Outcome

VALUES = "values"


@dataclass(slots=True)
class Pace:
    """Times of the points that have ended, and their passes."""

    points: int = 0
    failed: int = 0
    passes: Counter[str] = field(default_factory=Counter)
    """Pass → points that ran it themselves."""
    _seconds: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    """With values of their own, or without → sum."""
    _counted: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def add(self, outcome: Outcome) -> None:
        """Count a point that has ended."""
        self.points += 1
        self.failed += outcome.row is None
        self.passes.update(outcome.computed)
        if outcome.row is not None:
            own = VALUES in outcome.computed
            self._seconds[own] += outcome.seconds
            self._counted[own] += 1

    def seconds(self, points: int, families: int, processes: int) -> float | None:
        """Estimate how long points will take; ``None`` before enough is known for that.

        Parameters
        ----------
        points
            How many.
        families
            How many of them have values of their own.
        processes
            How many compute them.

        Examples
        --------
        >>> pace = Pace()
        >>> pace.add(Outcome({}, None, 10.0, ("layout", "values")))
        >>> pace.seconds(points=2, families=2, processes=2), pace.seconds(3, 2, 2)
        (10.0, None)
        >>> pace.add(Outcome({}, None, 1.0))
        >>> pace.seconds(points=5, families=2, processes=1)
        23.0
        """
        total = 0.0
        for own, count in ((True, families), (False, points - families)):
            if count and not self._counted[own]:
                return None
            total += count * self._seconds[own] / max(1, self._counted[own])
        return total / processes


def counted(number: int, what: str) -> str:
    """So many things.

    Examples
    --------
    >>> counted(1, "point"), counted(12, "point")
    ('1 point', '12 points')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time as people say it.

    Examples
    --------
    >>> duration(0.4), duration(42.0), duration(200.0), duration(7300.0)
    ('1 s', '42 s', '3 min', '2.0 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True, slots=True)
class Tally:
    """What one run of a sweep did."""

    computed: int
    """Points computed now."""
    known: int
    """Points that the store, or another process, had."""
    failed: int
    """Of all of them."""
    passes: Mapping[str, int]
    """``layout``, ``values``, ``timeline`` → points computed now that ran this pass themselves and
    did not take it from another point."""

    def __str__(self) -> str:
        text = f"{counted(self.computed, 'point')} computed, {self.known} known before"
        if not self.computed:
            return text
        parts = ", ".join(
            f"{what} of {self.passes.get(name, 0)}"
            for name, what in (
                ("values", "values"), ("timeline", "timelines"), ("layout", "placements"),
            )
        )  # fmt: skip
        return f"{text}; {parts} simulated, all others used again"
