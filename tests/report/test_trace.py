"""trace.json as a viewer sees it: an independent reader of the trace-event format."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from pimsim.report import trace


def read_trace(path):
    """Return tracks: (process, thread) name → list of (start, duration, op, token) [ps]."""
    document = json.loads(path.read_text(encoding="utf-8"))
    assert set(document) == {"displayTimeUnit", "traceEvents"}
    processes, threads, tracks = {}, {}, {}
    for event in document["traceEvents"]:
        place = (event["pid"], event["tid"])
        if event["ph"] == "M" and event["name"] == "process_name":
            processes[event["pid"]] = event["args"]["name"]
        elif event["ph"] == "M" and event["name"] == "thread_name":
            threads[place] = event["args"]["name"]
            tracks[place] = []
        elif event["ph"] == "X":
            assert event["name"] == event["args"]["op"]
            times = round(event["ts"] * 1e6), round(event["dur"] * 1e6)
            tracks[place].append((*times, event["args"]["op"], event["args"]["token"]))
        else:
            assert event["name"] in ("process_sort_index", "thread_sort_index")
    assert len(set(threads.values())) == len(threads)
    return {(processes[place[0]], threads[place]): rows for place, rows in tracks.items()}


def overlaps(rows):
    return [
        pair for pair in itertools.pairwise(sorted(rows)) if pair[1][0] < pair[0][0] + pair[0][1]
    ]


@pytest.fixture
def tracks(written):
    return read_trace(written / "trace.json")


def test_there_is_one_track_per_resource_under_its_class(tracks, result):
    line = result.timeline
    classes = [name.replace("_", " ") for name in line.resource_classes]
    assert list(tracks) == list(zip(classes, line.resources, strict=True))


def test_every_interval_is_one_event_with_its_exact_time(tracks, result):
    line = result.timeline
    for index, (_, name) in enumerate(tracks):
        own = line.resource == index
        expected = [
            (int(start), int(end - start), line.ops[op], int(token))
            for start, end, op, token in zip(
                line.start_ps[own], line.end_ps[own], line.op[own], line.token[own], strict=True
            )
        ]
        assert tracks[next(key for key in tracks if key[1] == name)] == expected


def test_nothing_overlaps_within_a_track(tracks):
    assert not [name for name, rows in tracks.items() if overlaps(rows)]


def test_total_busy_time_equals_the_timelines(tracks, result):
    total_ps = sum(row[1] for rows in tracks.values() for row in rows)
    assert total_ps == int((result.timeline.end_ps - result.timeline.start_ps).sum())
    last_ps = max(row[0] + row[1] for rows in tracks.values() for row in rows)
    assert last_ps == result.timeline.latency_ps


def test_a_resource_that_serves_several_at_once_gets_more_threads(result, tmp_path):
    line = dataclasses.replace(
        result.timeline,
        resources=("noc", "unit:softmax:0"),
        resource_classes=("noc", "vector_unit"),
        start_ps=np.array([0, 5, 8, 10, 20], dtype=np.int64),
        end_ps=np.array([10, 15, 9, 20, 30], dtype=np.int64),
        resource=np.array([0, 0, 0, 0, 1], dtype=np.int32),
        op=np.zeros(5, dtype=np.int32),
        token=np.arange(5, dtype=np.int32),
    )
    trace.write_trace(line, tmp_path / "trace.json")
    tracks = read_trace(tmp_path / "trace.json")
    assert [name for _, name in tracks] == ["noc", "noc (2)", "noc (3)", "unit:softmax:0"]
    assert [[row[3] for row in rows] for rows in tracks.values()] == [[0, 3], [1], [2], [4]]
    assert not [name for name, rows in tracks.items() if overlaps(rows)]


def test_a_timeline_without_intervals_is_still_a_trace(result, tmp_path):
    empty = {name: getattr(result.timeline, name)[:0] for name in ("start_ps", "end_ps")}
    empty |= {name: getattr(result.timeline, name)[:0] for name in ("resource", "op", "token")}
    trace.write_trace(dataclasses.replace(result.timeline, **empty), tmp_path / "trace.json")
    assert not any(read_trace(tmp_path / "trace.json").values())
