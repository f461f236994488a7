"""Utilisation, queueing, latency and throughput of timelines that are worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.timing import analysis
from tests.timing.timelines import Use, timeline_of


def by_name(uses):
    return {use.resource: use for use in uses}


class TestTwoServersInTandem:
    """Three tokens at time 0 through macros of 4 ps, then a unit of 6 ps.

    Macros: 0-4, 4-8, 8-12, waits 0, 4, 8. Unit: 4-10, 10-16, 16-22, waits 0, 2, 4.
    """

    timeline = timeline_of(
        [
            *(Use("macro:mram:a", 4 * n, 4 * n + 4, "a", n, 4 * n) for n in range(3)),
            *(Use("unit:gelu:0", 4 + 6 * n, 10 + 6 * n, "g", n, 2 * n) for n in range(3)),
        ],
        path={"a|macro": 4, "g|vector_unit": 18},
    )

    def test_resources(self):
        uses = by_name(analysis.resource_uses(self.timeline))
        macros, unit = uses["macro:mram:a"], uses["unit:gelu:0"]
        assert (macros.uses, macros.busy_ps, macros.work_ps, macros.servers) == (3, 12, 12, 1)
        assert macros.utilisation_ratio == 12 / 22
        assert (macros.wait_ps, macros.longest_wait_ps, macros.mean_wait_ps) == (12, 8, 4.0)
        assert unit.utilisation_ratio == 18 / 22
        assert (unit.wait_ps, unit.longest_wait_ps, unit.mean_wait_ps) == (6, 4, 2.0)

    def test_latency_and_throughput_of_one_inference(self):
        assert analysis.latencies(self.timeline).further_ps == ()
        found = analysis.throughput(self.timeline)
        assert (found.kind, found.requests, found.interval_ps) == ("isolated", 1, 22.0)
        assert found.per_s == pytest.approx(1e12 / 22)
        assert (found.bottleneck, found.bottleneck_ps) == ("unit:gelu:0", 18.0)


def test_classes_sum_their_resources_and_name_the_busiest():
    timeline = timeline_of(
        [
            Use("noc:0>1", 0, 3, wait_ps=1),
            Use("noc:0>1", 3, 4, wait_ps=2),
            Use("noc:1>2", 2, 6, wait_ps=6),
            Use("macro:mram:a", 6, 10),
        ],
        unused=["noc:2>3"],
    )
    noc, macro = analysis.class_uses(timeline)
    assert (noc.resource_class, noc.resources, noc.uses, noc.busy_ps) == ("noc", 3, 3, 8)
    assert noc.utilisation_ratio == pytest.approx(8 / 30)
    assert noc.active_ratio == 0.6  # 0 to 6: overlap counts once
    assert (noc.busiest, noc.busiest_ratio) == ("noc:0>1", 0.4)
    assert (noc.wait_ps, noc.longest_wait_ps, noc.mean_wait_ps) == (9, 6, 3.0)
    assert (macro.active_ratio, macro.busiest) == (0.4, "macro:mram:a")


def test_a_resource_that_serves_several_at_once_is_busy_once():
    timeline = timeline_of([Use("adc:mram:a", 0, 4), Use("adc:mram:a", 2, 6), Use("noc:x", 6, 8)])
    use = by_name(analysis.resource_uses(timeline))["adc:mram:a"]
    assert (use.work_ps, use.busy_ps, use.servers) == (8, 6, 2)
    assert analysis.throughput(timeline).bottleneck_ps == 4.0  # 8 ps by two servers


def test_one_customer_after_another_is_one_server():
    timeline = timeline_of([Use("noc:x", 0, 4), Use("noc:x", 4, 6)])
    assert by_name(analysis.resource_uses(timeline))["noc:x"].servers == 1


def test_a_timeline_without_queueing_times_says_so():
    timeline = timeline_of([Use("noc:x", 0, 4)], waits=False)
    use = by_name(analysis.resource_uses(timeline))["noc:x"]
    assert (use.wait_ps, use.longest_wait_ps, use.mean_wait_ps) == (None, None, None)
    found = analysis.class_uses(timeline)[0]
    assert (found.wait_ps, found.longest_wait_ps, found.mean_wait_ps) == (None, None, None)


def test_a_timeline_without_intervals_has_no_rates():
    timeline = timeline_of([Use("noc:x", 0, 0)], path={})
    assert analysis.resource_uses(timeline)[0].utilisation_ratio == 0.0
    assert analysis.class_uses(timeline)[0].active_ratio == 0.0


def requests(stages_ps, count, rounds=1):
    """``count`` inferences that arrive at time 0 and take turns at a line of servers."""
    free = [0] * len(stages_ps)
    done = [0] * count
    uses = []
    for _ in range(rounds):
        for request in range(count):
            for stage, service_ps in enumerate(stages_ps):
                begin = max(done[request], free[stage])
                free[stage] = done[request] = begin + service_ps
                uses.append(Use(f"macro:mram:{stage}", begin, free[stage], request=request))
    return timeline_of(
        uses,
        latency_ps=done[0],
        request_start_ps=(0,) * count,
        request_end_ps=tuple(done),
        loading_ps=1000,
    )


def test_latency_of_each_inference_and_loading_apart():
    """Two stages of 3 and 5 ps: ends at 8, 13, 18."""
    found = analysis.latencies(requests([3, 5], 3))
    assert (found.first_ps, found.further_ps) == (8, (13, 18))
    assert (found.loading_ps, found.first_with_loading_ps) == (1000, 1008)


@pytest.mark.parametrize("count", [4, 5, 9])
def test_a_pipeline_in_steady_state_yields_one_result_per_longest_stage(count):
    found = analysis.throughput(requests([3, 5, 2], count))
    assert (found.kind, found.interval_ps, found.requests) == ("steady_state", 5.0, count)
    assert found.bottleneck == "macro:mram:1"
    assert found.per_s == pytest.approx(1e12 / 5)


@pytest.mark.parametrize("count", [2, 3])
def test_too_few_requests_make_no_steady_state(count):
    found = analysis.throughput(requests([3, 5], count))
    assert (found.kind, found.interval_ps) == ("isolated", 8.0)


def test_requests_that_take_turns_and_end_together_are_no_faster_than_their_server():
    """Six pass one server of 5 ps four times each: they end 5 ps apart, but need 20 ps each."""
    timeline = requests([5], 6, rounds=4)
    ends = timeline.request_end_ps
    assert ends[-1] - ends[-2] == 5
    assert analysis.throughput(timeline).interval_ps == 20.0


uses = st.lists(
    st.builds(
        lambda resource, start, length, wait: Use(resource, start, start + length, wait_ps=wait),
        st.sampled_from(["macro:mram:a", "macro:mram:b", "noc:0>1"]),
        st.integers(0, 50),
        st.integers(1, 9),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=15,
)


@given(uses)
def test_no_resource_is_used_for_longer_than_the_run_and_nothing_is_lost(drawn):
    timeline = timeline_of(drawn)
    found = analysis.resource_uses(timeline)
    assert all(0 < use.utilisation_ratio <= 1 for use in found)
    assert all(use.busy_ps <= use.work_ps <= use.servers * use.busy_ps for use in found)
    assert sum(use.work_ps for use in found) == sum(use.end_ps - use.start_ps for use in drawn)
    assert sum(use.uses for use in found) == len(drawn)
    assert sum(use.wait_ps for use in found) == sum(use.wait_ps for use in drawn)
    for name in set(timeline.resource_classes):
        flags = np.zeros(timeline.latency_ps, dtype=bool)
        for use in drawn:
            if use.resource.startswith(name):
                flags[use.start_ps : use.end_ps] = True
        use = next(use for use in analysis.class_uses(timeline) if use.resource_class == name)
        assert use.active_ratio == pytest.approx(flags.mean())
        assert use.busiest_ratio <= use.active_ratio <= 1
