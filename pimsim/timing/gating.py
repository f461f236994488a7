"""When resources work, and for how long they could be switched off in between.

Which question this module answers: *for how long must a resource be powered, if it is switched off
whenever that pays?*

A resource works while at least one of its busy intervals lasts; intervals of one resource may
overlap. Before its first use and after its last one it is off. In between it is switched off where
the pause is long enough: it must be awake again ``wake_ps`` before the next use, and switching
costs as much as leaking for ``break_even_ps``, so a pause shorter than the sum of both is spent
powered.

The next use is taken as known, so that a resource wakes just in time and nothing waits for it: the
most that gating can save. Not modelled: controllers that guess the next use, the rush of current on
waking, and the energy of switching itself, which ``break_even_ps`` stands for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pimsim.records import Timeline

Resources = str | NDArray[np.bool_]
"""Which resources: a mask over ``Timeline.resources``, or the beginning of their names in whole
parts: ``"unit:softmax"`` selects ``unit:softmax:0`` and ``unit:softmax:3``, ``""`` all."""


class Spans(NamedTuple):
    """Stretches of time of resources, sorted by resource, then start."""

    resource: NDArray[np.int32]
    """Index into ``Timeline.resources``."""
    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]

    @property
    def total_ps(self) -> int:
        """Sum of all lengths."""
        return int((self.end_ps - self.start_ps).sum())


def horizon_ps(timeline: Timeline) -> int:
    """Time from 0 until the last of all inferences is done."""
    return max(timeline.latency_ps, *timeline.request_end_ps, 0)


def of_class(timeline: Timeline, resource_class: str) -> NDArray[np.bool_]:
    """Mask of the resources of one class."""
    classes = timeline.resource_classes
    return np.array([name == resource_class for name in classes], dtype=np.bool_)


def selected(timeline: Timeline, resources: Resources) -> NDArray[np.bool_]:
    """Mask of the resources that are meant.

    Raises
    ------
    ValueError
        If a mask does not have one entry per resource.
    """
    if isinstance(resources, str):
        head = resources.rstrip(":")
        matches = (not head or f"{name}:".startswith(f"{head}:") for name in timeline.resources)
        return np.fromiter(matches, dtype=np.bool_, count=len(timeline.resources))
    if resources.shape != (len(timeline.resources),):
        raise ValueError(
            f"a mask of shape {resources.shape} does not select among {len(timeline.resources)} "
            "resources"
        )
    return resources


def busy_spans(
    timeline: Timeline, resources: Resources = "", *, request: int | None = None
) -> Spans:
    """When each resource works, for one inference or for all: busy intervals, joined.

    Parameters
    ----------
    timeline
        What the replay saw.
    resources
        Which ones.
    request
        Which inference, counted from 0; all of them when absent. A timeline without the column
        ``request`` has one inference.
    """
    wanted = selected(timeline, resources)[timeline.resource]
    if request is not None and len(timeline.request) == len(wanted):
        wanted &= timeline.request == request
    kept = np.flatnonzero(wanted)
    kept = kept[np.lexsort((timeline.start_ps[kept], timeline.resource[kept]))]
    owner, start, end = timeline.resource[kept], timeline.start_ps[kept], timeline.end_ps[kept]
    if len(kept) == 0:
        return Spans(owner, start, end)
    new_owner = np.concatenate([[True], owner[1:] != owner[:-1]])
    reach = end.copy()
    for part in np.split(reach, np.flatnonzero(new_owner)[1:]):
        np.maximum.accumulate(part, out=part)  # a view: fills `reach`
    opens = new_owner.copy()
    opens[1:] |= start[1:] > reach[:-1]
    closes = np.concatenate([opens[1:], [True]])
    return Spans(owner[opens], start[opens], reach[closes])


def busy_ps_by_class(timeline: Timeline) -> dict[str, int]:
    """Working time per resource class, summed over its resources."""
    spans = busy_spans(timeline)
    by_resource = np.zeros(len(timeline.resources), dtype=np.int64)
    np.add.at(by_resource, spans.resource, spans.end_ps - spans.start_ps)
    totals = dict.fromkeys(timeline.resource_classes, 0)
    for name, busy_ps in zip(timeline.resource_classes, by_resource.tolist(), strict=True):
        totals[name] += busy_ps
    return totals


def gating_intervals(timeline: Timeline, resources: Resources, *, min_off_ps: int = 1) -> Spans:
    """When each resource could be off: every pause of at least ``min_off_ps``.

    Time before the first use and after the last one counts, and so does the whole run of a resource
    that is never used.
    """
    if min_off_ps < 1:
        raise ValueError(f"min_off_ps must be 1 or more, got {min_off_ps}")
    chosen = np.flatnonzero(selected(timeline, resources)).astype(np.int32)
    busy = busy_spans(timeline, resources)
    end_ps = horizon_ps(timeline)
    # Each pause ends where the next span begins; every resource has one more pause than spans.
    owner = np.concatenate([busy.resource, chosen])
    start = np.concatenate([busy.end_ps, np.zeros(len(chosen), np.int64)])
    order = np.lexsort((start, owner))
    owner, start = owner[order], start[order]
    last = np.concatenate([owner[1:] != owner[:-1], [True]]) if len(owner) else owner.astype(bool)
    end = np.full(len(owner), end_ps, dtype=np.int64)
    end[~last] = busy.start_ps
    kept = end - start >= min_off_ps
    return Spans(owner[kept], start[kept], end[kept])


def gated_on_ps(
    timeline: Timeline,
    resources: Resources,
    *,
    wake_ps: int = 0,
    break_even_ps: int = 0,
    request: int | None = 0,
) -> int:
    """How long resources are powered for an inference, if each is gated on its own.

    Parameters
    ----------
    timeline
        What the replay saw.
    resources
        Which ones; their times are added up.
    wake_ps
        Powered before each use that follows a time off.
    break_even_ps
        Time off, waking apart, from which switching off pays.
    request
        Which inference counts; all that the timeline holds when ``None``.

    Returns
    -------
    int
        Working time, waking, and pauses too short to switch off, summed over the resources.
        Without ``wake_ps`` and ``break_even_ps`` it is the working time.

    Raises
    ------
    ValueError
        If a time is negative.
    """
    if wake_ps < 0 or break_even_ps < 0:
        raise ValueError(
            f"wake_ps and break_even_ps must be 0 or more, got {wake_ps} and {break_even_ps}"
        )
    busy = busy_spans(timeline, resources, request=request)
    follows = busy.resource[1:] == busy.resource[:-1]
    pauses = (busy.start_ps[1:] - busy.end_ps[:-1])[follows]
    powered = pauses < wake_ps + break_even_ps
    wakes = len(np.unique(busy.resource)) + int((~powered).sum())
    return busy.total_ps + int(pauses[powered].sum()) + wakes * wake_ps
