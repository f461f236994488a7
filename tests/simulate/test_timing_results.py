"""What is derived from the timeline of a real run agrees with that run."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.records import Result
from pimsim.report import trace
from pimsim.simulate import simulate
from pimsim.timing import analysis, bottleneck, gating, power
from pimsim.workload import Workload


@pytest.fixture(scope="module")
def asked(vit: Workload) -> Result:
    """What if, and five inferences."""
    return simulate("rap_int8", vit, samples=1, chips=1, compare=(), what_if=True, requests=5)


def test_every_class_at_work_is_replayed_without_it(asked: Result, demo: Result):
    line = demo.timeline
    assert demo.what_if_us == {}
    assert set(asked.what_if_us) == set(line.resource_classes)
    without_ps = bottleneck.latency_without_ps(line)
    for name, latency_us in asked.what_if_us.items():
        # Queues keep their order here, so that the bound holds and nothing gets slower.
        assert without_ps[name] <= round(latency_us * 1e6) <= line.latency_ps
    assert asked.what_if_us["macro"] < 0.5 * demo.latency_us


def test_pieces_of_the_critical_path_sum_to_its_shares(demo: Result):
    line = demo.timeline
    lengths_ps = np.diff(line.path_end_ps, prepend=0)
    assert line.path_end_ps[-1] == line.latency_ps
    assert np.all(lengths_ps > 0)
    sums: dict[str, int] = {}
    for name, time_ps in zip(line.path_class, lengths_ps.tolist(), strict=True):
        sums[name] = sums.get(name, 0) + time_ps
    assert sums == {share.name: share.time_ps for share in bottleneck.class_shares(line)}


def test_pieces_of_the_critical_path_that_hold_a_resource_are_its_busy_intervals(demo: Result):
    line = demo.timeline
    begins = np.concatenate([[0], line.path_end_ps[:-1]])
    busy = set(zip(line.resource.tolist(), line.start_ps.tolist(), strict=True))
    held = line.path_resource >= 0
    found = set(zip(line.path_resource[held].tolist(), begins[held].tolist(), strict=True))
    assert found <= busy
    assert held.any()


def test_no_single_server_works_for_longer_than_the_run(asked: Result):
    uses = analysis.resource_uses(asked.timeline)
    assert all(use.servers == 1 and use.busy_ps == use.work_ps for use in uses)
    assert all(0 < use.utilisation_ratio <= 1 for use in uses)
    assert any(use.wait_ps for use in uses)


def test_throughput_is_that_of_the_steady_state_and_no_faster_than_the_busiest(asked: Result):
    found = analysis.throughput(asked.timeline)
    assert found.kind == "steady_state"
    assert asked.throughput_per_s == found.per_s
    assert found.interval_ps >= found.bottleneck_ps
    assert asked.throughput_per_s > 1e6 / asked.latency_us
    each = analysis.latencies(asked.timeline)
    assert each.first_ps == asked.timeline.latency_ps
    assert len(each.further_ps) == 4


def test_energy_is_that_of_one_inference_however_many_were_replayed(asked: Result, demo: Result):
    """Units leak while they work for one inference; other leakage lasts as long as the first."""
    assert asked.energy_uj == pytest.approx(demo.energy_uj, rel=0.01)
    for name in ("unit:softmax", "unit:layer_norm"):
        alone_ps = gating.gated_on_ps(demo.timeline, name)
        assert gating.gated_on_ps(asked.timeline, name) == alone_ps
        assert gating.gated_on_ps(asked.timeline, name, request=None) == 5 * alone_ps


def test_power_over_time_integrates_to_the_energy(demo: Result):
    energy_pj = power.energy_by_op_and_class_pj(demo.costs[0])
    found = power.power_mw(demo.timeline, energy_pj, bins=50)
    assert found.energy_pj == pytest.approx(1e6 * demo.energy_uj, rel=1e-9)
    assert found.average_mw == pytest.approx(demo.power_mw, rel=1e-9)
    assert found.peak_mw > found.average_mw
    ops = {op for op, _ in energy_pj if op is not None}
    assert ops <= set(demo.timeline.ops)


def test_the_trace_holds_every_interval_of_every_inference(asked: Result):
    line = asked.timeline
    found = [event for event in trace.events(line) if event["ph"] == "X"]
    inferences = [event for event in found if event["cat"] == "inference"]
    busy_ps = sum(round(event["dur"] * 1e6) for event in found if event not in inferences)
    assert busy_ps == int((line.end_ps - line.start_ps).sum())
    assert [round((event["ts"] + event["dur"]) * 1e6) for event in inferences] == list(
        line.request_end_ps
    )


def test_joined_intervals_keep_the_busy_time(asked: Result):
    line, most = asked.timeline, 10_000
    found = [event for event in trace.events(line, most_events=most) if event["ph"] == "X"]
    events = [event for event in found if event["cat"] != "inference"]
    assert len(events) <= most < len(line.start_ps)
    busy_ps = sum(round(event["args"].get("busy_us", event["dur"]) * 1e6) for event in events)
    assert busy_ps == int((line.end_ps - line.start_ps).sum())


def test_dataflows_of_rap_take_batches_and_begin_earlier_the_more_they_stream(vit: Workload):
    """Two images at once: no token waits for ever, whoever its shift and its sum go to."""
    shapes = replace(vit, weights={}, samples=None)
    latency_us = [
        simulate(
            "rap",
            shapes,
            batch=2,
            compare=(),
            checks=True,
            overrides=[f"mapping.dataflow={dataflow}"],
        ).latency_us
        for dataflow in ("token_streaming", "rap_fused", "layer_by_layer")
    ]
    assert latency_us == sorted(latency_us)
