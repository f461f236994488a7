"""The chip at its own best batch: inferences that follow one another without waiting.

Which question this module answers: *how long and how much energy does an inference take when the
next one begins as soon as the chip can take it?*

A GPU needs a batch to be at its best; a chip that keeps its weights in place needs a stream. A few
inferences are replayed that all stand ready at the start; each begins when the first operations can
take it. Their latency and energy stand beside a GPU's at its best batch.
"""

from dataclasses import dataclass
from typing import Final

from pimsim import units
from pimsim.functional import FunctionalRun
from pimsim.mapping import MappedWorkload
from pimsim.records import CostBreakdown, ServiceTimes, Timeline
from pimsim.timing.replay import replay

INFERENCES: Final = 8
"""Enough to fill the pipeline of layers that a stream is; the last half shows its pace."""
EVENTS_MAX: Final = 200_000
"""Busy intervals of the whole stream beyond which it is left out: about two seconds of replay."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Several inferences, one behind the other."""

    inferences: int
    latency_us: float
    """From the start of the first to the end of the last."""
    energy_uj: float
    """Of one inference."""


def stream(
    mapped: MappedWorkload,
    service_times: ServiceTimes,
    functional: FunctionalRun,
    timeline: Timeline,
    costs: CostBreakdown,
) -> Stream | None:
    """Replay a stream.

    Parameters
    ----------
    mapped, service_times, functional
        What one inference was replayed from.
    timeline
        Its replay.
    costs
        Its energy, leakage included.

    Returns
    -------
    Stream or None
        ``None`` if the replay would take more than :data:`EVENTS_MAX` intervals.

    Notes
    -----
    What an inference switches does not depend on its neighbours; leakage is shared by those that
    overlap, and goes with the time that the stream takes::

        energy = switched + leaked * latency_stream / (inferences * latency_alone)
    """
    if len(timeline.op) * INFERENCES > EVENTS_MAX:
        return None
    several = replay(
        mapped,
        service_times,
        functional.service_cycles,
        token_reads=functional.token_reads,
        requests=INFERENCES,
        token_group=timeline.token_group,
    )
    last_ps = max(several.request_end_ps)
    leaked_pj = sum(item.energy_pj for item in costs.items if item.op is None)
    share = last_ps / (INFERENCES * timeline.latency_ps)
    return Stream(
        inferences=INFERENCES,
        latency_us=units.us_from_ps(last_ps),
        energy_uj=units.uj_from_pj(costs.energy_pj - leaked_pj * (1.0 - share)),
    )
