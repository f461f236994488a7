"""How long a resource is occupied by what it is asked to do.

Which question this module answers: *what does a resource of the chip declare about its time?*

A timing unit says two things: for how many picoseconds an amount of work occupies it, and how long
after that the result comes out, while it serves the next customer already. Work is counted in the
unit's own measure: bits through a port, rows through a vector unit, word lines to program. Units
have no state and no queue; queues are those of :class:`pimsim.timing.trace.Server`.

:func:`pimsim.testing.check_timing_unit` checks the contract of a unit, also of one of your own.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, final

from pimsim.units import PS_PER_NS


class TimingUnit(Protocol):
    """Something with a declared service time."""

    @property
    def kind(self) -> str:
        """Resource class, a key of ``ServiceTimes.kinds``."""
        ...

    @property
    def latency_ps(self) -> int:
        """From the end of a service to its result, ``>= 0``; the unit is free meanwhile."""
        ...

    def service_ps(self, amount: int) -> int:
        """How long an amount of work occupies the unit: whole, ``>= 0``, 0 for no work.

        It never falls with the amount, and two portions never take less than both together, so
        that nobody gains time by cutting work into pieces.
        """
        ...


def transfer_ps(bits: int, bits_per_ns: Fraction) -> int:
    """Time of ``bits`` at a rate, rounded up to whole picoseconds.

    Examples
    --------
    >>> transfer_ps(100, Fraction(3))
    33334
    """
    return -(-bits * PS_PER_NS * bits_per_ns.denominator // bits_per_ns.numerator)


@final
class Channel:
    """A port, a link, pins or a memory channel: bits at a rate, and a delay.

    Parameters
    ----------
    kind
        Resource class.
    bits_per_ns
        Rate. [bit/ns] Infinite: bits take no time.
    latency_ps
        Delay of the bits behind the channel. [ps]

    Examples
    --------
    >>> Channel("noc", 128.0, latency_ps=2000).service_ps(1024)
    8000
    """

    __slots__ = ("_known", "_rate", "kind", "latency_ps")

    def __init__(self, kind: str, bits_per_ns: float, latency_ps: int = 0) -> None:
        self.kind = kind
        self.latency_ps = latency_ps
        self._rate = None if math.isinf(bits_per_ns) else Fraction(bits_per_ns)
        self._known: dict[int, int] = {}

    def service_ps(self, amount: int) -> int:
        """Time of ``amount`` bits, rounded up to whole picoseconds."""
        known = self._known.get(amount)
        if known is None:
            known = 0 if self._rate is None else transfer_ps(amount, self._rate)
            self._known[amount] = known
        return known


@final
@dataclass(frozen=True, slots=True)
class PerStep:
    """A unit that takes the same time for every step: a read, a row, a word line, an addition.

    Examples
    --------
    >>> PerStep("vector_unit", step_ps=12_000, latency_ps=4_000).service_ps(3)
    36000
    """

    kind: str
    step_ps: int
    latency_ps: int = 0

    def service_ps(self, amount: int) -> int:
        """Time of ``amount`` steps, one after another."""
        return amount * self.step_ps
