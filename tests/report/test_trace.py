"""trace.json as a viewer sees it: an independent reader of the trace-event format."""

import dataclasses
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.report import trace
from tests.timing.timelines import Use, timeline_of

REQUIRED = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid"},
    "M": {"name", "ph", "pid", "tid", "args"},
    "s": {"name", "cat", "ph", "id", "ts", "pid", "tid"},
    "t": {"name", "cat", "ph", "id", "ts", "pid", "tid"},
    "f": {"name", "cat", "ph", "id", "ts", "pid", "tid"},
}
"""Keys that the format demands of each phase."""

METADATA = {
    "process_name": "name",
    "process_sort_index": "sort_index",
    "thread_name": "name",
    "thread_sort_index": "sort_index",
}


class Reader:
    """What a viewer makes of a file; it checks the rules of the format on the way."""

    def __init__(self, text):
        document = json.loads(text)
        assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
        assert document["displayTimeUnit"] in ("ms", "ns")
        self.other = document["otherData"]
        self.named = {kind: {} for kind in METADATA}
        self.slices, self.flows = {}, {}
        latest = 0.0
        for event in document["traceEvents"]:
            assert set(event) >= REQUIRED[event["ph"]]
            if event["ph"] == "M":
                self._name(event)
                continue
            assert event["ts"] >= latest, "events must come in order of their time"
            latest = event["ts"]
            if event["ph"] == "X":
                assert event["dur"] >= 0
                self.slices.setdefault((event["pid"], event["tid"]), []).append(event)
            else:
                self.flows.setdefault((event["cat"], event["id"]), []).append(event)
        assert set(self.slices) <= set(self.named["thread_name"]), "every track has a name"

    def _name(self, event):
        place = event["pid"] if event["name"].startswith("process") else self._place(event)
        known = self.named[event["name"]]
        assert place not in known, "a track is named once"
        known[place] = event["args"][METADATA[event["name"]]]

    @staticmethod
    def _place(event):
        return event["pid"], event["tid"]

    @property
    def tracks(self):
        """(process, thread) name → its slices (start [ps], duration [ps], event), as shown."""
        places = sorted(
            self.named["thread_name"],
            key=lambda place: (
                self.named["process_sort_index"][place[0]],
                self.named["thread_sort_index"][place],
                place[1],
            ),
        )
        shown = {}
        for place in places:
            name = self.named["process_name"][place[0]], self.named["thread_name"][place]
            assert name not in shown
            rows = self.slices.get(place, [])
            shown[name] = [
                (round(event["ts"] * 1e6), round(event["dur"] * 1e6), event) for event in rows
            ]
        return shown

    @property
    def resources(self):
        return {name: rows for name, rows in self.tracks.items() if name[0] != "inferences"}

    def overlapping(self):
        """Pairs of slices that overlap on one thread, which viewers drop."""
        return [
            pair
            for rows in self.tracks.values()
            for pair in itertools.pairwise(rows)
            if pair[1][0] < pair[0][0] + pair[0][1]
        ]

    def check_flows(self):
        """Each flow begins once, ends once, and every step lies on a slice of its thread."""
        for steps in self.flows.values():
            phases = [event["ph"] for event in steps]
            assert phases == ["s", *["t"] * (len(steps) - 2), "f"]
            for event in steps:
                inside = (
                    row["ts"] <= event["ts"] <= row["ts"] + row["dur"]
                    for row in self.slices[event["pid"], event["tid"]]
                )
                assert any(inside)


def read(timeline, tmp_path, **options):
    path = tmp_path / "trace.json"
    trace.write_trace(timeline, path, **options)
    return Reader(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reader(written):
    return Reader((written / "trace.json").read_text(encoding="utf-8"))


def test_there_is_one_track_per_resource_under_its_class_with_numbers_in_order(reader, result):
    line = result.timeline
    classes = [name.replace("_", " ") for name in line.resource_classes]
    assert sorted(reader.resources) == sorted(zip(classes, line.resources, strict=True))
    macros = [name for process, name in reader.resources if process == "macro"]
    assert macros == ["macro:mram:0", "macro:mram:1", "macro:sram:9", "macro:sram:10"]


def test_every_interval_is_one_event_with_its_exact_time(reader, result):
    line = result.timeline
    for (_, name), rows in reader.resources.items():
        own = line.resource == line.resources.index(name)
        columns = (line.start_ps, line.end_ps, line.op, line.token, line.request, line.wait_ps)
        expected = [
            (start, end - start, line.ops[op], token, request, wait)
            for start, end, op, token, request, wait in zip(
                *(column[own].tolist() for column in columns), strict=True
            )
        ]
        found = [
            (start, length, event["name"], event["args"]["token"], event["args"]["request"],
             round(event["args"]["wait_us"] * 1e6))
            for start, length, event in rows
        ]  # fmt: skip
        assert found == expected
        assert all(event["args"]["op"] == event["name"] for _, _, event in rows)


def test_nothing_overlaps_and_flows_lie_on_slices(reader):
    assert reader.overlapping() == []
    reader.check_flows()
    assert reader.flows


def test_total_busy_time_equals_the_timelines(reader, result):
    rows = [row for rows in reader.resources.values() for row in rows]
    assert sum(row[1] for row in rows) == int(
        (result.timeline.end_ps - result.timeline.start_ps).sum()
    )
    assert max(row[0] + row[1] for row in rows) == result.timeline.latency_ps
    assert reader.other["latency_us"] * 1e6 == result.timeline.latency_ps
    assert reader.other["bottleneck"].startswith("Latency is ")


def test_each_inference_has_a_track_and_a_flow_through_its_operations(tmp_path):
    timeline = timeline_of(
        [
            Use("noc:0>1", 0, 4, "a", request=0),
            Use("noc:0>1", 4, 8, "a", request=1),
            Use("unit:gelu:0", 5, 9, "b", request=0),
            Use("unit:gelu:0", 9, 13, "b", request=1),
            Use("noc:0>1", 9, 10, "b", request=0),
        ],
        latency_ps=10,
        request_start_ps=(0, 2),
        request_end_ps=(10, 13),
    )
    reader = read(timeline, tmp_path)
    inferences = {name: rows for name, rows in reader.tracks.items() if name[0] == "inferences"}
    assert [rows[0][:2] for rows in inferences.values()] == [(0, 10), (2, 11)]
    reader.check_flows()
    assert [[round(step["ts"] * 1e6) for step in flow] for flow in reader.flows.values()] == [
        [0, 5],
        [4, 9],
    ]


def test_a_resource_that_serves_several_at_once_gets_more_threads(tmp_path):
    timeline = timeline_of(
        [
            Use("noc", 0, 10, token=0),
            Use("noc", 5, 15, token=1),
            Use("noc", 8, 9, token=2),
            Use("noc", 10, 20, token=3),
            Use("unit:softmax:0", 20, 30, token=4),
        ]
    )
    reader = read(timeline, tmp_path)
    assert [name for _, name in reader.resources] == ["noc", "noc (2)", "noc (3)", "unit:softmax:0"]
    tokens = [[row[2]["args"]["token"] for row in rows] for rows in reader.resources.values()]
    assert tokens == [[0, 3], [1], [2], [4]]
    assert reader.overlapping() == []


def test_a_timeline_without_intervals_is_still_a_trace(result, tmp_path):
    columns = ("start_ps", "end_ps", "resource", "op", "token", "wait_ps", "request")
    empty = {name: getattr(result.timeline, name)[:0] for name in columns}
    reader = read(dataclasses.replace(result.timeline, **empty), tmp_path)
    assert not any(reader.resources.values())
    assert not reader.flows


def test_a_timeline_of_an_older_result_has_no_queueing_times(tmp_path):
    reader = read(timeline_of([Use("noc", 0, 10)], waits=False), tmp_path)
    ((_, _, event),) = reader.resources["noc", "noc"]
    assert event["args"] == {"op": "a", "token": 0}


def test_neighbours_are_joined_above_the_limit_smallest_gaps_first(tmp_path):
    """Gaps of a's uses: 0, 2, 7; b's use between them is no neighbour of anything."""
    timeline = timeline_of(
        [
            Use("noc", 0, 10, "a", 0),
            Use("noc", 10, 14, "a", 1),
            Use("noc", 16, 20, "a", 2),
            Use("noc", 27, 30, "a", 3),
            Use("noc", 31, 33, "b", 0),
        ]
    )
    whole = read(timeline, tmp_path, most_events=5)
    assert (whole.other["interval_events"], whole.other["closed_gaps_up_to_ns"]) == (5, 0.0)
    fewer = read(timeline, tmp_path, most_events=3)
    assert fewer.other["intervals"] == 5
    assert (fewer.other["interval_events"], fewer.other["closed_gaps_up_to_ns"]) == (3, 0.002)
    first, second, third = fewer.resources["noc", "noc"]
    assert first[:2] == (0, 20)
    assert first[2]["args"] == {
        "op": "a", "token": 0, "request": 0, "last_token": 2, "uses": 3, "busy_us": 18e-6,
    }  # fmt: skip
    assert (second[:2], third[:2]) == ((27, 3), (31, 2))
    fewest = read(timeline, tmp_path, most_events=1)
    assert [row[:2] for row in fewest.resources["noc", "noc"]] == [(0, 30), (31, 2)]


def test_nothing_is_joined_where_nothing_is_alike(tmp_path):
    timeline = timeline_of([Use("noc", 0, 1, "a"), Use("noc", 1, 2, "b")])
    assert read(timeline, tmp_path, most_events=1).other["interval_events"] == 2


uses = st.lists(
    st.builds(
        lambda resource, start, length, op, request: Use(
            resource, start, start + length, op, request=request
        ),
        st.sampled_from(["macro:mram:a", "unit:gelu:2", "unit:gelu:10"]),
        st.integers(0, 60),
        st.integers(1, 9),
        st.sampled_from("ab"),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=20,
)


@given(uses, st.integers(1, 20))
def test_any_timeline_makes_a_sound_trace_that_loses_no_busy_time(tmp_path_factory, drawn, most):
    timeline = timeline_of(drawn)
    reader = read(timeline, tmp_path_factory.mktemp("trace"), most_events=most)
    assert reader.overlapping() == []
    reader.check_flows()
    busy_ps, uses = 0, 0
    for rows in reader.resources.values():
        for _, length, event in rows:
            busy_ps += round(event["args"].get("busy_us", length / 1e6) * 1e6)
            uses += event["args"].get("uses", 1)
    assert busy_ps == sum(use.end_ps - use.start_ps for use in drawn)
    assert uses == len(drawn)
