"""Pauses and powered time, against counting picosecond by picosecond."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.timing import gating
from tests.timing.timelines import Use, timeline_of

uses = st.lists(
    st.builds(
        lambda resource, start, length: Use(resource, start, start + length),
        st.sampled_from(["macro:mram:a", "macro:sram:b", "unit:softmax:0"]),
        st.integers(0, 40),
        st.integers(1, 8),
    ),
    min_size=1,
    max_size=12,
)


def working(timeline, name):
    """One flag per picosecond."""
    flags = np.zeros(timeline.latency_ps, dtype=bool)
    index = timeline.resources.index(name)
    for start, end, resource in zip(
        timeline.start_ps, timeline.end_ps, timeline.resource, strict=True
    ):
        if resource == index:
            flags[start:end] = True
    return flags


@given(uses)
def test_spans_are_disjoint_and_cover_every_working_picosecond(drawn):
    timeline = timeline_of(drawn)
    spans = gating.busy_spans(timeline)
    for index, name in enumerate(timeline.resources):
        own = spans.resource == index
        covered = np.zeros(timeline.latency_ps, dtype=int)
        for start, end in zip(spans.start_ps[own], spans.end_ps[own], strict=True):
            covered[start:end] += 1
        assert np.array_equal(covered, working(timeline, name).astype(int))
        assert np.all(spans.start_ps[own][1:] > spans.end_ps[own][:-1])


@given(uses, st.integers(1, 6))
def test_pauses_are_the_runs_of_idle_picoseconds_that_are_long_enough(drawn, min_off_ps):
    timeline = timeline_of(drawn, unused=["noc:0>1"])
    pauses = gating.gating_intervals(timeline, "", min_off_ps=min_off_ps)
    for index, name in enumerate(timeline.resources):
        text = "".join("x" if flag else "." for flag in working(timeline, name))
        expected = [len(run) for run in text.split("x") if len(run) >= min_off_ps]
        own = pauses.resource == index
        assert (pauses.end_ps - pauses.start_ps)[own].tolist() == expected


@given(uses, st.integers(0, 5), st.integers(0, 5))
def test_powered_time_is_work_waking_and_short_pauses(drawn, wake_ps, break_even_ps):
    timeline = timeline_of(drawn)
    expected = 0
    for name in timeline.resources:
        runs = "".join("x" if flag else "." for flag in working(timeline, name)).strip(".")
        expected += runs.count("x") + wake_ps
        for pause in (len(run) for run in runs.split("x") if run):
            expected += pause if pause < wake_ps + break_even_ps else wake_ps
    found = gating.gated_on_ps(timeline, "", wake_ps=wake_ps, break_even_ps=break_even_ps)
    assert found == expected


@given(uses)
def test_work_and_pauses_of_a_resource_fill_the_run(drawn):
    timeline = timeline_of(drawn)
    off_ps = gating.gating_intervals(timeline, "").total_ps
    assert off_ps + gating.gated_on_ps(timeline, "") == timeline.latency_ps * len(
        timeline.resources
    )


def test_names_select_whole_parts_and_classes_add_up():
    timeline = timeline_of(
        [
            Use("macro:mram:a", 0, 4),
            Use("macro:mram:a", 2, 6),
            Use("macro:mram2:b", 0, 1),
            Use("unit:softmax:0", 6, 9),
        ]
    )
    assert gating.gated_on_ps(timeline, "macro:mram") == 6
    assert gating.gated_on_ps(timeline, "macro:mram:") == 6
    assert gating.gated_on_ps(timeline, "macro") == 7
    assert gating.gated_on_ps(timeline, gating.of_class(timeline, "vector_unit")) == 3
    assert gating.gated_on_ps(timeline, "adc") == 0
    assert gating.busy_ps_by_class(timeline) == {"macro": 7, "vector_unit": 3}


def test_the_run_lasts_until_the_last_inference_is_done():
    timeline = timeline_of(
        [Use("noc:0>1", 0, 4)], request_start_ps=(0, 0), request_end_ps=(4, 10), latency_ps=4
    )
    assert gating.gating_intervals(timeline, "noc").total_ps == 6


def test_powered_time_is_that_of_the_first_inference_unless_all_are_asked_for():
    timeline = timeline_of(
        [Use("unit:gelu:0", 0, 4, request=0), Use("unit:gelu:0", 4, 9, request=1)]
    )
    assert gating.gated_on_ps(timeline, "unit:gelu") == 4
    assert gating.gated_on_ps(timeline, "unit:gelu", request=1) == 5
    assert gating.gated_on_ps(timeline, "unit:gelu", request=None) == 9
    alone = timeline_of([Use("unit:gelu:0", 0, 4)], waits=False)
    assert gating.gated_on_ps(alone, "unit:gelu") == 4


def test_wrong_masks_and_times_are_refused():
    timeline = timeline_of([Use("noc:0>1", 0, 4)])
    with pytest.raises(ValueError, match="does not select among 1 resources"):
        gating.selected(timeline, np.ones(2, dtype=bool))
    with pytest.raises(ValueError, match="min_off_ps must be 1 or more, got 0"):
        gating.gating_intervals(timeline, "", min_off_ps=0)
    with pytest.raises(ValueError, match="got -1 and 0"):
        gating.gated_on_ps(timeline, "", wake_ps=-1)
