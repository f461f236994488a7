"""Predictions for GPUs as tables.

Which question this module answers: *which row is one kernel of a roofline, or one batch of a GPU?*
"""

from collections.abc import Sequence

import pandas as pd

from pimsim.baselines.calibration import choose
from pimsim.baselines.prediction import GpuPrediction, Work, kernel_times, predict_work
from pimsim.baselines.roofline import Coefficients, Machine, machine
from pimsim.baselines.specification import canonical, check_precision, load_gpu
from pimsim.errors import InputError
from pimsim.units import NS_PER_US


def roofline_points(work: Work, gpu: str, *, batch: int, precision: str) -> pd.DataFrame:
    """One row per kernel of a batch that computes, those that are equal but for their names once.

    Columns: ``kernel`` (the first of its kind), ``count``, ``intensity_ops_per_byte`` (of the
    traffic that the roofline counts; missing where everything stays in the cache),
    ``reached_ops_per_s``, ``time_us`` of all of its kind, ``time_ratio`` (share of the latency),
    ``bound`` (``compute``, ``memory`` or ``floor``).
    """
    times = kernel_times(work, gpu, batch=batch, precision=precision)
    total_us = sum(time.time_us for time in times)
    rows: dict[tuple[float, ...], dict[str, object]] = {}
    for time in times:
        if not time.ops:
            continue
        key = (time.ops, time.traffic_bytes, time.time_us)
        if key in rows:
            rows[key]["count"] = int(str(rows[key]["count"])) + 1
            continue
        rows[key] = {
            "kernel": time.name,
            "count": 1,
            "intensity_ops_per_byte": time.ops / time.traffic_bytes if time.traffic_bytes else None,
            "reached_ops_per_s": time.ops / (time.time_us * NS_PER_US) * 1e9,
            "time_us": time.time_us,
            "bound": time.bound,
        }
    columns = ["kernel", "count", "intensity_ops_per_byte", "reached_ops_per_s", "time_us", "bound"]
    frame = pd.DataFrame(list(rows.values()), columns=columns)
    frame["time_us"] *= frame["count"]
    frame.insert(5, "time_ratio", frame["time_us"] / total_us)
    return frame.astype({"intensity_ops_per_byte": "float64"})


def roofs(gpu: str, precision: str) -> tuple[Machine, Coefficients]:
    """Peak and bandwidth of a GPU at a precision, and what is reached of them."""
    known = canonical(gpu)
    checked = check_precision(known, precision)
    return machine(known, checked), choose(known, checked).coefficients


def batches(work: Work, gpus: Sequence[tuple[str, str]], wanted: Sequence[int]) -> pd.DataFrame:
    """One row per GPU, precision and batch that fits its memory.

    Columns: ``gpu``, ``name``, ``precision``, ``batch``, ``latency_us`` of the batch,
    ``energy_uj`` per input, ``throughput_per_s``.
    """
    rows: list[dict[str, object]] = []
    for gpu, precision in gpus:
        known = canonical(gpu)
        checked = check_precision(known, precision)
        for batch in wanted:
            try:
                found = predict_work(work, known, batch=batch, precision=checked)
            except InputError:  # it does not fit, nor do larger ones
                break
            rows.append(_batch_row(found))
    columns = ["gpu", "name", "precision", "batch", "latency_us", "energy_uj", "throughput_per_s"]
    return pd.DataFrame(rows, columns=columns)


def _batch_row(found: GpuPrediction) -> dict[str, object]:
    return {
        "gpu": found.gpu,
        "name": load_gpu(found.gpu).name,
        "precision": found.precision,
        "batch": found.batch,
        "latency_us": found.latency_us,
        "energy_uj": found.energy_uj / found.batch,
        "throughput_per_s": found.throughput_per_s,
    }
