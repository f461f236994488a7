"""How busy every resource was, how long its customers queued, and how fast inferences follow.

Which question this module answers: *what does a timeline say about resources, latency and
throughput?*

Everything here is derived from a :class:`pimsim.records.Timeline` alone; where its latency goes is
the matter of :mod:`pimsim.timing.bottleneck`.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.records import Timeline
from pimsim.timing.gating import busy_spans, horizon_ps, of_class
from pimsim.units import PER_S_PER_PER_US, PS_PER_US

FEWEST_FOR_STEADY_STATE: Final = 4
"""Requests from which completions tell a steady state: two to fill the pipeline, two to measure."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What one resource did from time 0 until the last inference was done."""

    resource: str
    resource_class: str
    uses: int
    busy_ps: int
    """Time in which it served at least one customer."""
    work_ps: int
    """Sum of all service times; more than ``busy_ps`` where it served several at once."""
    servers: int
    """Most customers that it served at the same time; 0 if it was never used."""
    utilisation_ratio: float
    """``busy_ps`` over the length of the run."""
    wait_ps: int | None
    """Sum of the queueing times of its customers; ``None`` where the timeline has none."""
    longest_wait_ps: int | None

    @property
    def mean_wait_ps(self) -> float | None:
        """Mean queueing time of its customers, those that did not queue included. [ps]"""
        if self.wait_ps is None:
            return None
        return self.wait_ps / self.uses if self.uses else 0.0


@dataclass(frozen=True, slots=True)
class ClassUse:
    """What all resources of one class did."""

    resource_class: str
    resources: int
    uses: int
    busy_ps: int
    """Summed over the resources."""
    utilisation_ratio: float
    """Mean over the resources that the timeline lists, which are those that were needed."""
    active_ratio: float
    """Share of the run in which at least one of them worked."""
    busiest: str
    """The resource that worked longest."""
    busiest_ratio: float
    """Its utilisation."""
    wait_ps: int | None
    longest_wait_ps: int | None

    @property
    def mean_wait_ps(self) -> float | None:
        """Mean queueing time over all customers of the class. [ps]"""
        if self.wait_ps is None:
            return None
        return self.wait_ps / self.uses if self.uses else 0.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """From the arrival of each inference to its completion, in the order of arrival."""

    first_ps: int
    """Weights resident in the macros."""
    further_ps: tuple[int, ...]
    """Each next one: with what it waited for the ones before."""
    loading_ps: int
    """Programming of all static weights, once, before the first inference."""

    @property
    def first_with_loading_ps(self) -> int:
        """The first answer of a chip that was just switched on. [ps]"""
        return self.loading_ps + self.first_ps


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast inferences follow each other."""

    per_s: float
    kind: Literal["isolated", "steady_state"]
    """``isolated``: one inference at a time, the inverse of the latency."""
    interval_ps: float
    """From one completion to the next."""
    requests: int
    """Inferences that the timeline holds."""
    bottleneck: str
    """The resource with the most work per inference."""
    bottleneck_ps: float
    """Its work per inference: no interval can stay below it."""


def resource_uses(timeline: Timeline) -> tuple[ResourceUse, ...]:
    """Use of every resource, in the order of the timeline."""
    count = len(timeline.resources)
    lengths = timeline.end_ps - timeline.start_ps
    spans = busy_spans(timeline)
    work_ps = _sum(lengths, timeline.resource, count)
    busy_ps = _sum(spans.end_ps - spans.start_ps, spans.resource, count)
    uses = np.bincount(timeline.resource, minlength=count)
    servers = _servers(timeline)
    known = len(timeline.wait_ps) == len(lengths)
    wait_ps, longest_ps = np.zeros(count, np.int64), np.zeros(count, np.int64)
    if known:
        wait_ps = _sum(timeline.wait_ps, timeline.resource, count)
        np.maximum.at(longest_ps, timeline.resource, timeline.wait_ps)
    whole_ps = horizon_ps(timeline)
    return tuple(
        ResourceUse(
            resource=timeline.resources[index],
            resource_class=timeline.resource_classes[index],
            uses=int(uses[index]),
            busy_ps=int(busy_ps[index]),
            work_ps=int(work_ps[index]),
            servers=int(servers[index]),
            utilisation_ratio=int(busy_ps[index]) / whole_ps if whole_ps else 0.0,
            wait_ps=int(wait_ps[index]) if known else None,
            longest_wait_ps=int(longest_ps[index]) if known else None,
        )
        for index in range(count)
    )


def class_uses(timeline: Timeline) -> tuple[ClassUse, ...]:
    """Use of every class of resources, in the order of the timeline."""
    by_class: dict[str, list[ResourceUse]] = {}
    for use in resource_uses(timeline):
        by_class.setdefault(use.resource_class, []).append(use)
    whole_ps = horizon_ps(timeline)
    found = []
    for name, uses in by_class.items():
        busiest = max(uses, key=lambda use: use.busy_ps)
        busy_ps = sum(use.busy_ps for use in uses)
        waits = [use.wait_ps for use in uses if use.wait_ps is not None]
        longest = [use.longest_wait_ps for use in uses if use.longest_wait_ps is not None]
        found.append(
            ClassUse(
                resource_class=name,
                resources=len(uses),
                uses=sum(use.uses for use in uses),
                busy_ps=busy_ps,
                utilisation_ratio=busy_ps / (len(uses) * whole_ps) if whole_ps else 0.0,
                active_ratio=_active_ps(timeline, name) / whole_ps if whole_ps else 0.0,
                busiest=busiest.resource,
                busiest_ratio=busiest.utilisation_ratio,
                wait_ps=sum(waits) if waits else None,
                longest_wait_ps=max(longest) if longest else None,
            )
        )
    return tuple(found)


def latencies(timeline: Timeline) -> Latencies:
    """Latency of the first and of each further inference."""
    each = tuple(
        end - start
        for start, end in zip(timeline.request_start_ps, timeline.request_end_ps, strict=False)
    )
    return Latencies(timeline.latency_ps, each[1:], timeline.loading_ps)


def throughput(timeline: Timeline) -> Throughput:
    """Inferences per second.

    Parameters
    ----------
    timeline
        What the replay saw.

    Returns
    -------
    Throughput
        With at least four requests that of the steady state, else the inverse of the latency.

    Notes
    -----
    The interval of the steady state is the larger of two:

    - the mean distance of completions over the second half of the requests, when the pipeline has
      filled;
    - the most work per inference that any one resource has. Requests that arrive together and take
      turns at a resource also complete together, much closer than they could go on doing; a
      resource cannot work for longer than time passes.

    A resource that served several customers at a time counts its work divided by the most of them.
    """
    ends = sorted(timeline.request_end_ps)
    requests = max(len(ends), 1)
    bottleneck, bottleneck_ps = _most_work(timeline, requests)
    if requests < FEWEST_FOR_STEADY_STATE:
        kind, interval_ps = "isolated", float(timeline.latency_ps)
    else:
        filled = requests // 2
        apart_ps = (ends[-1] - ends[filled - 1]) / (requests - filled)
        kind, interval_ps = "steady_state", max(apart_ps, bottleneck_ps)
    return Throughput(
        per_s=PER_S_PER_PER_US * PS_PER_US / interval_ps if interval_ps else float("inf"),
        kind="steady_state" if kind == "steady_state" else "isolated",
        interval_ps=interval_ps,
        requests=requests,
        bottleneck=bottleneck,
        bottleneck_ps=bottleneck_ps,
    )


def _most_work(timeline: Timeline, requests: int) -> tuple[str, float]:
    parts = [
        (use.work_ps / (use.servers * requests), use.resource)
        for use in resource_uses(timeline)
        if use.servers
    ]
    if not parts:
        return "", 0.0
    work_ps, resource = max(parts, key=lambda part: part[0])
    return resource, work_ps


def _sum(values: NDArray[np.int64], owner: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Exact integer sums per owner."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, owner, values)
    return sums


def _servers(timeline: Timeline) -> NDArray[np.int64]:
    """Most customers that each resource served at the same time."""
    owner = np.concatenate([timeline.resource, timeline.resource])
    when = np.concatenate([timeline.start_ps, timeline.end_ps])
    step = np.concatenate(
        [np.ones(len(timeline.start_ps), np.int64), np.full(len(timeline.end_ps), -1, np.int64)]
    )
    order = np.lexsort((step, when, owner))  # who leaves goes before who comes
    inside = np.cumsum(step[order])  # back at 0 at the end of each resource
    most = np.zeros(len(timeline.resources), dtype=np.int64)
    np.maximum.at(most, owner[order], inside)
    return most


def _active_ps(timeline: Timeline, resource_class: str) -> int:
    """Time in which at least one resource of the class works."""
    spans = busy_spans(timeline, of_class(timeline, resource_class))
    order = np.argsort(spans.start_ps, kind="stable")
    start, end = spans.start_ps[order], spans.end_ps[order]
    if len(start) == 0:
        return 0
    reach = np.maximum.accumulate(end)
    uncovered = np.maximum(reach[:-1], start[1:])  # what each next span adds begins here
    return int(reach[0] - start[0] + np.maximum(end[1:] - uncovered, 0).sum())
