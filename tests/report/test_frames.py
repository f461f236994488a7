"""Frames are tidy, carry their units, and agree with the records they come from."""

import math

import pandas as pd
import pytest

from pimsim.records import ActionCounts
from pimsim.report import frames
from pimsim.units import UNIT_SUFFIXES, us_from_ps

UNITLESS = {"accuracy", "value", "actions_per_inference", "reads_per_inference"}
UNITLESS |= {"conversions_per_inference", "row_writes_per_inference"}
"""Counts per inference, and metrics whose name stands in their own column."""


@pytest.mark.parametrize(
    "table",
    ["actions", "ops", "components", "sources", "latency", "timeline", "accuracy", "baselines"],
)
def test_every_column_of_floats_ends_in_a_unit(result, table):
    frame = getattr(frames, table)(result)
    for column in frame.select_dtypes("float").columns:
        known = any(column.endswith(f"_{suffix}") for suffix in UNIT_SUFFIXES)
        assert known or column in UNITLESS, column


def test_ops_energy_is_everything_but_leakage(result):
    leakage_pj = sum(item.energy_pj for item in result.costs[0].items if item.op is None)
    frame = frames.ops(result)
    total_pj = result.costs[0].energy_pj
    assert frame["energy_uj"].sum() == pytest.approx((total_pj - leakage_pj) / 1e6, rel=1e-12)
    assert frame["energy_ratio"].sum() == pytest.approx(1 - leakage_pj / total_pj, rel=1e-12)


def test_ops_latency_is_the_whole_critical_path(result):
    frame = frames.ops(result)
    assert frame["latency_us"].sum() == pytest.approx(us_from_ps(result.timeline.latency_ps))
    assert frame["latency_ratio"].sum() == pytest.approx(1.0)


def test_ops_counts_are_per_inference(result):
    row = frames.ops(result).set_index("op").loc["blocks.0.attention.query"]
    # 640 reads, 40 960 conversions and 3 saturations over 4 inferences; moved bits are 4 x scale 1.
    assert row["reads_per_inference"] == 160
    assert row["conversions_per_inference"] == 10_240
    assert row["saturated_ratio"] == 3 / 40_960
    assert (row["tile_buffer_bits"], row["global_buffer_bits"], row["link_bits"]) == (768, 128, 384)


def test_ops_keep_operations_that_only_one_pass_saw(rebuilt, result):
    extra = ActionCounts("head", 1)
    frame = frames.ops(rebuilt(counts=(extra,)))
    assert list(frame["op"]) == ["head", *result.timeline.ops]


def test_components_sum_to_each_variants_totals(result):
    frame = frames.components(result)
    for cost in result.costs:
        own = frame[frame["variant"] == cost.variant]
        assert math.fsum(own["energy_pj"]) == pytest.approx(cost.energy_pj, rel=1e-12)
        assert math.fsum(own["area_um2"]) == pytest.approx(cost.area_um2, rel=1e-12)


def test_timeline_is_the_records_in_microseconds(result):
    frame = frames.timeline(result)
    line = result.timeline
    assert list(frame["resource"]) == [line.resources[index] for index in line.resource]
    assert list(frame["resource_class"]) == [line.resource_classes[i] for i in line.resource]
    assert list(frame["op"]) == [line.ops[index] for index in line.op]
    assert set(frame["group"]) == {"blocks.0", "blocks.1"}
    assert (frame["start_us"] * 1e6).round().astype("int64").tolist() == line.start_ps.tolist()
    assert (frame["end_us"] * 1e6).round().astype("int64").tolist() == line.end_ps.tolist()


def test_accuracy_has_one_row_per_chip(result):
    frame = frames.accuracy(result)
    assert frame["run"].tolist() == ["float32", "integer", "analog", "analog"]
    assert frame["chip"].isna().tolist() == [True, True, False, False]
    assert frame["value"].tolist() == [1.0, 0.75, 0.75, 0.5]


def test_accuracy_of_shapes_only_is_empty(rebuilt):
    assert frames.accuracy(rebuilt(accuracy=None)).empty


def test_baselines_ratios_are_multiples_of_this_run(result):
    frame = frames.baselines(result)
    assert frame["kind"].tolist() == ["this_run", "pim_simulated", "gpu_roofline_calibrated"]
    assert frame.loc[0, ["time_ratio", "energy_ratio"]].tolist() == [1.0, 1.0]
    assert frame.loc[2, "energy_ratio"] == 8_200.0 / result.energy_uj
    assert frame.loc[1, "time_ratio"] == 90.0 / result.latency_us
    assert frame["accuracy"].isna().tolist() == [False, False, True]
    assert pd.notna(frame["scope"]).all()


@pytest.mark.parametrize(
    ("op", "group"),
    [
        ("blocks.11.mlp.up", "blocks.11"),
        ("model.layers.3.self_attn.q_proj", "model.layers.3"),
        ("head", frames.OUTSIDE_LAYERS),
        ("encoder.norm", frames.OUTSIDE_LAYERS),
    ],
)
def test_group_is_the_path_to_the_first_number(op, group):
    assert frames.op_group(op) == group


def test_merit_is_what_a_machine_does_for_its_energy_and_area(result):
    frame, merit = frames.baselines(result), frames.merit(result)
    assert merit["throughput_per_s"].tolist() == pytest.approx((1e6 / frame["time_us"]).tolist())
    assert merit["per_w"].tolist() == pytest.approx((1e6 / frame["energy_uj"]).tolist())
    delays = frame["energy_uj"] * frame["latency_us"]
    assert merit["energy_delay_uj_us"].tolist() == pytest.approx(delays.tolist())
    this = merit.iloc[0]
    assert this["per_mm2"] == pytest.approx(
        this["throughput_per_s"] / (result.area_mm2 * result.area_ratio)
    )


def test_areas_are_scaled_to_one_technology_on_request(result):
    """A chip of 28 nm, scaled to 14 nm, has a quarter of its area."""
    as_made, scaled = frames.merit(result), frames.merit(result, node_nm=14.0, this_node_nm=28.0)
    assert scaled["per_mm2"].iloc[0] == pytest.approx(4 * as_made["per_mm2"].iloc[0])
    assert scaled["per_w"].tolist() == as_made["per_w"].tolist()
