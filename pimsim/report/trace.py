"""``trace.json``: the timeline in the trace-event format that Perfetto and Chrome open.

Which question this module answers: *how do I zoom into a run's timeline in a trace viewer?*

Open the file at ui.perfetto.dev or chrome://tracing. One process per kind of resource, one thread
per resource, one complete event (``"ph": "X"``) per busy interval, with operation and token as
arguments [1]_. Times are µs, as the format asks; they are whole picoseconds divided by 10⁶, so
rounding ``ts * 1e6`` gives the picoseconds back (viewers may round to nanoseconds). Viewers drop
events that overlap on one thread, so a resource that serves several at a time gets more threads.

References
----------
.. [1] "Trace Event Format", Google, 2016, sections "Complete Events" and "Metadata Events".
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.records import Timeline
from pimsim.units import us_from_ps


def write_trace(timeline: Timeline, path: Path) -> None:
    """Write ``timeline`` to ``path``, one event a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"displayTimeUnit":"ns","traceEvents":[\n')
        separator = ""
        for event in events(timeline):
            file.write(separator + json.dumps(event, ensure_ascii=False, separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def events(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the events of a timeline: the names of all tracks, then its intervals by start."""
    classes = list(dict.fromkeys(timeline.resource_classes))
    lanes = _lanes(timeline)
    first_thread, threads = _thread_numbers(timeline, lanes)
    for pid, name in enumerate(classes, start=1):
        yield _metadata("process_name", pid, 0, {"name": name.replace("_", " ")})
        yield _metadata("process_sort_index", pid, 0, {"sort_index": pid})
    for resource, name in enumerate(timeline.resources):
        pid = 1 + classes.index(timeline.resource_classes[resource])
        for lane in range(threads[resource]):
            tid = first_thread[resource] + lane
            shown = name if lane == 0 else f"{name} ({lane + 1})"
            yield _metadata("thread_name", pid, tid, {"name": shown})
            yield _metadata("thread_sort_index", pid, tid, {"sort_index": tid})
    process = [1 + classes.index(name) for name in timeline.resource_classes]
    columns = (timeline.start_ps, timeline.end_ps, timeline.resource, timeline.op, timeline.token)
    rows = zip(*(column.tolist() for column in columns), lanes.tolist(), strict=True)
    for start_ps, end_ps, resource, op, token, lane in rows:
        yield {
            "ph": "X",
            "name": timeline.ops[op],
            "cat": timeline.resource_classes[resource],
            "pid": process[resource],
            "tid": first_thread[resource] + lane,
            "ts": us_from_ps(start_ps),
            "dur": us_from_ps(end_ps - start_ps),
            "args": {"op": timeline.ops[op], "token": token},
        }


def _metadata(name: str, pid: int, tid: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": arguments}


def _lanes(timeline: Timeline) -> NDArray[np.int64]:
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


def _thread_numbers(timeline: Timeline, lanes: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """First thread number and number of threads of each resource; numbers start at 1."""
    threads = [1] * len(timeline.resources)
    for resource, lane in zip(timeline.resource.tolist(), lanes.tolist(), strict=True):
        threads[resource] = max(threads[resource], lane + 1)
    firsts, following = [], 1
    for count in threads:
        firsts.append(following)
        following += count
    return firsts, threads
