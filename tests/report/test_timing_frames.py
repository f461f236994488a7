"""Tables of resources, critical path and power agree with the timeline and the costs."""

import dataclasses

import pandas as pd
import pytest

from pimsim.report import frames, timing_frames


def test_classes_are_ordered_by_their_share_of_the_path_and_sum_to_the_latency(result):
    frame = timing_frames.classes(result)
    assert frame["resource_class"].tolist() == ["macro", "vector_unit", "noc"]
    assert frame["latency_us"].sum() == pytest.approx(result.latency_us, rel=1e-12)
    assert frame["latency_ratio"].sum() == pytest.approx(1.0)
    without = result.latency_us - frame["latency_us"]
    assert frame["without_us"].tolist() == pytest.approx(without.tolist())
    assert frame["what_if_us"].isna().all()
    macros = frame.set_index("resource_class").loc["macro"]
    # Four macros work five times for 6 001 ps + 250 ps x index (0 to 3).
    busy_ps = 5 * sum(6_001 + 250 * index for index in range(4))
    assert macros["utilisation_ratio"] == busy_ps / (4 * result.timeline.latency_ps)
    # Waits are 11 ps x token + index: mean over tokens 0 to 4 and indices 0 to 3.
    assert macros["mean_wait_us"] == pytest.approx((22 + 1.5) / 1e6)
    assert macros["longest_wait_us"] == pytest.approx((44 + 3) / 1e6)


def test_replayed_latencies_stand_beside_the_bound(rebuilt):
    frame = timing_frames.classes(rebuilt(what_if_us={"macro": 0.04})).set_index("resource_class")
    assert frame.loc["macro", "what_if_us"] == 0.04
    assert pd.isna(frame.loc["noc", "what_if_us"])


def test_resources_are_all_there_with_their_time(result):
    frame = timing_frames.resources(result)
    assert tuple(frame["resource"]) == result.timeline.resources
    intervals = frames.timeline(result)
    assert frame["busy_us"].sum() == pytest.approx(
        (intervals["end_us"] - intervals["start_us"]).sum()
    )
    assert frame["uses"].sum() == len(intervals)
    assert frame["wait_us"].sum() == pytest.approx(intervals["wait_us"].sum())
    assert (frame["servers"] == 1).all()


def test_queueing_times_of_older_results_are_missing(rebuilt, result):
    line = result.timeline
    old = dataclasses.replace(line, wait_ps=line.wait_ps[:0], request=line.request[:0])
    older = rebuilt(timeline=old)
    assert timing_frames.classes(older)["mean_wait_us"].isna().all()
    assert timing_frames.resources(older)["wait_us"].isna().all()
    assert frames.timeline(older)["wait_us"].isna().all()
    assert frames.ops(older)["wait_us"].isna().all()


def test_queueing_of_operations_is_that_of_the_first_inference(rebuilt, result):
    total_us = result.timeline.wait_ps.sum() / 1e6
    assert frames.ops(result)["wait_us"].sum() == pytest.approx(total_us)
    second = dataclasses.replace(result.timeline, request=result.timeline.request + 1)
    assert frames.ops(rebuilt(timeline=second))["wait_us"].sum() == 0.0


def test_pieces_of_the_path_are_contiguous_and_end_at_the_latency(result):
    frame = timing_frames.path(result)
    assert frame["start_us"].tolist() == [0.0, *frame["end_us"].tolist()[:-1]]
    assert frame["end_us"].iloc[-1] == result.latency_us
    assert frame["op"].tolist() == list(result.timeline.ops)
    assert frame["group"].tolist() == ["blocks.0", "blocks.0", "blocks.1"]


def test_power_integrates_to_the_energy_of_the_default_costs(result):
    frame = timing_frames.power_over_time(result, bins=7)
    lengths_us = frame["end_us"] - frame["start_us"]
    energy_uj = (frame["power_mw"] * lengths_us).sum() / 1e3  # mW x µs = nJ
    assert energy_uj == pytest.approx(result.energy_uj, rel=1e-9)
    parts = (frame["power_mw"] * lengths_us).groupby(frame["part"]).sum() / 1e3
    assert parts[timing_frames.STANDING] == pytest.approx(2_500.0 / 1e6)  # leakage
    assert parts["adc"] == pytest.approx((1e5 / 3 + 0.3) / 1e6)
    assert parts[timing_frames.EVERYWHERE] == pytest.approx(7_000.0 / 1e6)  # called "softmax" only


def test_costs_without_energy_have_no_power(rebuilt, result):
    free = dataclasses.replace(result.costs[0], items=())
    assert timing_frames.power_over_time(rebuilt(costs=(free,))).empty
