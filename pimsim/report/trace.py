"""``trace.json``: the timeline in the trace-event format that Perfetto and Chrome open.

Which question this module answers: *how do I zoom into a run's timeline in a trace viewer?*

Open the file at ui.perfetto.dev or chrome://tracing. One process per kind of resource, one thread
per resource, one complete event (``"ph": "X"``) per busy interval, with operation, token, request
and queueing time as arguments [1]_. A first process has one thread per inference, and flow arrows
lead from where each inference first uses one operation to where it first uses the next. Times are
µs, as the format asks; they are whole picoseconds divided by 10⁶, so rounding ``ts * 1e6`` gives
the picoseconds back (viewers may round to nanoseconds). Viewers drop events that overlap on one
thread, so a resource that serves several at a time gets more threads.

Above :data:`MOST_EVENTS` intervals, neighbours on one thread that serve the same operation and
request are drawn as one event, those with the smallest gaps first, until so many are left or none
can be joined. Such an event says how many uses it stands for and how long they were busy, and
``otherData`` says how large a gap was closed.

References
----------
.. [1] "Trace Event Format", Google, 2016, sections "Complete Events", "Flow Events", "Metadata
   Events" and "JSON Object Format".
"""

import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.records import Timeline
from pimsim.timing.bottleneck import bottleneck_sentence
from pimsim.units import PS_PER_NS, us_from_ps

MOST_EVENTS: Final = 100_000
"""Busy intervals that are written one by one; about 20 MB of text."""

_INFERENCES: Final = 1
"""Process number of the track of whole inferences; classes of resources follow."""

_Ints = NDArray[np.int64]


def write_trace(timeline: Timeline, path: Path, *, most_events: int = MOST_EVENTS) -> None:
    """Write ``timeline`` to ``path``, one event a line."""
    tracks = _Tracks.of(timeline, most_events)
    other = {
        "latency_us": us_from_ps(timeline.latency_ps),
        "bottleneck": bottleneck_sentence(timeline),
        "intervals": len(timeline.start_ps),
        "interval_events": len(tracks.first),
        "closed_gaps_up_to_ns": tracks.closed_gap_ps / PS_PER_NS,
    }
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"displayTimeUnit":"ns","otherData":{_json(other)},"traceEvents":[\n')
        separator = ""
        for event in _events(timeline, tracks):
            file.write(separator + _json(event))
            separator = ",\n"
        file.write("\n]}\n")


def events(timeline: Timeline, *, most_events: int = MOST_EVENTS) -> Iterator[dict[str, Any]]:
    """Yield the events of a timeline: the names of all tracks, then what happens, by time."""
    yield from _events(timeline, _Tracks.of(timeline, most_events))


def _events(timeline: Timeline, tracks: "_Tracks") -> Iterator[dict[str, Any]]:
    yield from _names(timeline, tracks)
    happening = (_inferences(timeline), tracks.intervals(timeline), tracks.flows(timeline))
    yield from heapq.merge(*happening, key=lambda event: float(event["ts"]))


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Which thread every interval is drawn on, and which intervals are drawn together."""

    first_thread: list[int]
    """Per resource; its further lanes follow."""
    threads: list[int]
    lanes: _Ints
    """Per interval."""
    first: _Ints
    """Per event: its first interval; events are ordered by it."""
    last: _Ints
    uses: _Ints
    busy_ps: _Ints
    closed_gap_ps: int

    @classmethod
    def of(cls, timeline: Timeline, most_events: int) -> "_Tracks":
        lanes = _lanes(timeline)
        first_thread, threads = _thread_numbers(timeline, lanes)
        order = np.lexsort((timeline.start_ps, lanes, timeline.resource))
        joined, gap_ps = _joined(timeline, lanes, order, most_events)
        begins = np.flatnonzero(~joined)
        ends = np.append(begins[1:], len(order)) - 1 if len(begins) else begins
        lengths = np.cumsum(np.append(0, (timeline.end_ps - timeline.start_ps)[order]))
        by_time = np.argsort(order[begins], kind="stable")
        return cls(
            first_thread=first_thread,
            threads=threads,
            lanes=lanes,
            first=order[begins][by_time],
            last=order[ends][by_time],
            uses=(ends - begins + 1)[by_time],
            busy_ps=(lengths[ends + 1] - lengths[begins])[by_time],
            closed_gap_ps=gap_ps,
        )

    def place(self, timeline: Timeline, row: int) -> dict[str, int]:
        """Process and thread of an interval."""
        resource = int(timeline.resource[row])
        process = _processes(timeline)[timeline.resource_classes[resource]]
        return {"pid": process, "tid": self.first_thread[resource] + int(self.lanes[row])}

    def intervals(self, timeline: Timeline) -> Iterator[dict[str, Any]]:
        """One complete event per interval, or per group of joined ones."""
        request, wait_ps = _column(timeline, "request"), _column(timeline, "wait_ps")
        process = _processes(timeline)
        pid = [process[name] for name in timeline.resource_classes]
        columns = (self.first, self.last, self.uses, self.busy_ps)
        for first, last, uses, busy_ps in zip(*(each.tolist() for each in columns), strict=True):
            resource, op = int(timeline.resource[first]), timeline.ops[timeline.op[first]]
            start_ps = int(timeline.start_ps[first])
            arguments: dict[str, Any] = {"op": op, "token": int(timeline.token[first])}
            if request is not None:
                arguments["request"] = int(request[first])
            if uses > 1:
                arguments |= {"last_token": int(timeline.token[last]), "uses": uses}
                arguments["busy_us"] = us_from_ps(busy_ps)
            elif wait_ps is not None:
                arguments["wait_us"] = us_from_ps(int(wait_ps[first]))
            yield {
                "ph": "X",
                "name": op,
                "cat": timeline.resource_classes[resource],
                "pid": pid[resource],
                "tid": self.first_thread[resource] + int(self.lanes[first]),
                "ts": us_from_ps(start_ps),
                "dur": us_from_ps(int(timeline.end_ps[last]) - start_ps),
                "args": arguments,
            }

    def flows(self, timeline: Timeline) -> Iterator[dict[str, Any]]:
        """Arrows through each inference: from the first use by one operation to the next one's."""
        request = _column(timeline, "request")
        if request is None:
            request = np.zeros(len(timeline.start_ps), np.int64)
        _, rows = np.unique(request * len(timeline.ops) + timeline.op, return_index=True)
        rows = np.sort(rows)  # intervals are in order of their starts
        ends = {}
        for number in np.unique(request[rows]).tolist():
            own = rows[request[rows] == number]
            ends[number] = int(own[0]), int(own[-1])
        for row in rows.tolist():
            number = int(request[row])
            begin, end = ends[number]
            if begin == end:
                continue
            phase = {begin: "s", end: "f"}.get(row, "t")
            yield {
                "ph": phase,
                "name": f"inference {number + 1}",
                "cat": "inference",
                "id": number + 1,
                **self.place(timeline, row),
                "ts": us_from_ps(int(timeline.start_ps[row])),
                **({"bp": "e"} if phase == "f" else {}),
            }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _column(timeline: Timeline, name: str) -> _Ints | None:
    """A column that timelines of older results lack."""
    values: _Ints = getattr(timeline, name)
    return values if len(values) == len(timeline.start_ps) else None


def _processes(timeline: Timeline) -> dict[str, int]:
    """Process number of each class of resources."""
    classes = dict.fromkeys(timeline.resource_classes)
    return {name: _INFERENCES + 1 + index for index, name in enumerate(classes)}


def _names(timeline: Timeline, tracks: _Tracks) -> Iterator[dict[str, Any]]:
    processes = {"inferences": _INFERENCES, **_processes(timeline)}
    for name, pid in processes.items():
        yield _metadata("process_name", pid, 0, {"name": name.replace("_", " ")})
        yield _metadata("process_sort_index", pid, 0, {"sort_index": pid})
    for number, _ in enumerate(_spans_of_requests(timeline), start=1):
        yield _metadata("thread_name", _INFERENCES, number, {"name": f"inference {number}"})
        yield _metadata("thread_sort_index", _INFERENCES, number, {"sort_index": number})
    ranked = sorted(range(len(timeline.resources)), key=lambda index: _rank(timeline, index))
    for position, resource in enumerate(ranked):
        pid = processes[timeline.resource_classes[resource]]
        name = timeline.resources[resource]
        for lane in range(tracks.threads[resource]):
            tid = tracks.first_thread[resource] + lane
            shown = name if lane == 0 else f"{name} ({lane + 1})"
            yield _metadata("thread_name", pid, tid, {"name": shown})
            yield _metadata("thread_sort_index", pid, tid, {"sort_index": position})


def _rank(timeline: Timeline, resource: int) -> list[tuple[int, str]]:
    """Order of resources by name, numbers by value: tile 2 stands before tile 10."""
    parts = re.split(r"(\d+)", timeline.resources[resource])
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _spans_of_requests(timeline: Timeline) -> list[tuple[int, int]]:
    if not timeline.request_end_ps:
        return [(0, timeline.latency_ps)]
    return list(zip(timeline.request_start_ps, timeline.request_end_ps, strict=True))


def _inferences(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Each inference as one event, from its arrival to its completion."""
    spans = enumerate(_spans_of_requests(timeline), start=1)
    for number, (start_ps, end_ps) in sorted(spans, key=lambda entry: entry[1][0]):
        yield {
            "ph": "X",
            "name": f"inference {number}",
            "cat": "inference",
            "pid": _INFERENCES,
            "tid": number,
            "ts": us_from_ps(start_ps),
            "dur": us_from_ps(end_ps - start_ps),
            "args": {"request": number - 1},
        }


def _metadata(name: str, pid: int, tid: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": arguments}


def _joined(
    timeline: Timeline, lanes: _Ints, order: _Ints, most_events: int
) -> tuple[NDArray[np.bool_], int]:
    """Which intervals, in ``order``, are drawn with the one before, and the largest gap closed."""
    joined = np.zeros(len(order), dtype=np.bool_)
    surplus = len(order) - most_events
    if surplus <= 0:
        return joined, 0
    alike = np.ones(len(order) - 1, dtype=np.bool_)
    for values in (timeline.resource, lanes, timeline.op, _column(timeline, "request")):
        if values is not None:
            alike &= values[order][1:] == values[order][:-1]
    gap_ps = timeline.start_ps[order][1:] - timeline.end_ps[order][:-1]
    gaps = np.sort(gap_ps[alike])
    if len(gaps) == 0:
        return joined, 0
    largest_ps = int(gaps[min(surplus, len(gaps)) - 1])
    joined[1:] = alike & (gap_ps <= largest_ps)
    return joined, largest_ps


def _lanes(timeline: Timeline) -> _Ints:
    """Give each interval the first lane of its resource that is free when it starts."""
    lanes = np.zeros(len(timeline.start_ps), dtype=np.int64)
    free_from: dict[int, list[int]] = {}
    rows = zip(
        timeline.resource.tolist(),
        timeline.start_ps.tolist(),
        timeline.end_ps.tolist(),
        strict=True,
    )
    for row, (resource, start_ps, end_ps) in enumerate(rows):
        ends = free_from.setdefault(resource, [])
        lane = next((lane for lane, end in enumerate(ends) if end <= start_ps), len(ends))
        ends[lane : lane + 1] = [end_ps]
        lanes[row] = lane
    return lanes


def _thread_numbers(timeline: Timeline, lanes: _Ints) -> tuple[list[int], list[int]]:
    """First thread number and number of threads of each resource; numbers start at 1."""
    threads = [1] * len(timeline.resources)
    for resource, lane in zip(timeline.resource.tolist(), lanes.tolist(), strict=True):
        threads[resource] = max(threads[resource], lane + 1)
    firsts, following = [], 1
    for count in threads:
        firsts.append(following)
        following += count
    return firsts, threads
