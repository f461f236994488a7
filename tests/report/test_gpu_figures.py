"""Rooflines and batches as tables and figures."""

import pandas as pd
import pytest

from pimsim.baselines.prediction import predict_work, work_of
from pimsim.report import gpu_figures, gpu_frames, style
from pimsim.workload import load_workload

WORK = work_of(load_workload("bert_base"), seq=128)


def test_points_are_the_kernels_that_compute_and_their_shares_sum_to_the_latency():
    points = gpu_frames.roofline_points(WORK, "t4", batch=8, precision="int8")
    assert points["count"].tolist() == [12] * 5
    whole = predict_work(WORK, "t4", batch=8, precision="int8").latency_us
    assert 0.9 < points["time_us"].sum() / whole < 1.0  # norms do not compute
    assert points["time_ratio"].sum() == pytest.approx(points["time_us"].sum() / whole)


def test_no_point_lies_above_what_is_reached():
    machine, coefficients = gpu_frames.roofs("t4", "int8")
    points = gpu_frames.roofline_points(WORK, "t4", batch=8, precision="int8")
    peak = machine.peak_ops_per_s * coefficients.utilisation_ratio
    slope = machine.memory_bytes_per_ns * 1e9 * coefficients.bandwidth_ratio
    roof = (points["intensity_ops_per_byte"] * slope).clip(upper=peak)
    assert (points["reached_ops_per_s"] <= roof).all()


def test_the_roofline_names_data_sheet_and_longest_kernels():
    points = gpu_frames.roofline_points(WORK, "t4", batch=8, precision="int8")
    drawn = gpu_figures.roofline(points, *gpu_frames.roofs("t4", "int8"), "a title")
    text = style.to_svg(drawn)
    for part in ("130 TOPS, 320 GB/s", "a title", "12 × attention.self.query + key + value"):
        assert part in text


def test_a_workload_without_products_is_drawn_too():
    points = gpu_frames.roofline_points(WORK, "t4", batch=8, precision="int8").iloc[:0]
    drawn = gpu_figures.roofline(points, *gpu_frames.roofs("t4", "int8"), "nothing")
    assert "nothing" in style.to_svg(drawn)


def test_batches_end_where_the_memory_does():
    llama = work_of(load_workload("llama2_7b"), phase="decode", context=2048)
    frame = gpu_frames.batches(llama, [("t4", "fp16"), ("a100", "fp16")], [1, 2, 4, 8])
    assert frame.groupby("gpu")["batch"].max().to_dict() == {"t4": 2, "a100_40gb_sxm": 8}
    assert (frame["energy_uj"] > 0).all()


def test_energy_against_latency_has_a_line_per_gpu_and_a_star_per_chip():
    frame = gpu_frames.batches(WORK, [("t4", "int8"), ("t4", "fp16")], [1, 8])
    chips = pd.DataFrame({"name": ["mychip"], "latency_us": [500.0], "energy_uj": [900.0]})
    text = style.to_svg(gpu_figures.energy_latency(frame, chips, "BERT"))
    for part in ("NVIDIA T4, int8", "NVIDIA T4, fp16", "mychip", "batch 1"):
        assert part in text
