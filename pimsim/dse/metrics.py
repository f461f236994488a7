"""The numbers of one result that a sweep keeps.

Which question this module answers: *what does a sweep's frame say of each design?*
"""

from typing import Final

from pimsim.records import Result

HEADLINES: Final = {
    "area_mm2": "area of the chip",
    "latency_us": "latency of the first inference, weights resident",
    "throughput_per_s": "inferences per second",
    "energy_uj": "energy of one inference",
    "power_mw": "energy over latency",
    "edp_uj_us": "energy-delay product",
    "tops_per_w": "operations per energy, 1 MAC = 2 operations",
    "tops_per_mm2": "operations per time and area",
    "accuracy": "metric of the workload, mean over Monte Carlo chips",
    "accuracy_sigma": "its standard deviation over chips",
    "accuracy_worst": "its value on the worst chip",
    "integer_accuracy": "the integer graph on an ideal chip",
    "float32_accuracy": "the float32 reference",
    "agreement_ratio": "share of answers equal to those of float32",
    "logit_snr_db": "power of the float32 outputs over that of their deviation",
    "cells_ratio": "share of the cells that hold something",
    "assumed_energy_ratio": "share of the energy that rests on assumed numbers",
    "assumed_area_ratio": "the same of the area",
    "assumed_latency_ratio": "the same of the latency",
}
"""Column → what it says. Objectives and constraints are among these."""

OF_SAMPLES: Final = (
    *(name for name in HEADLINES if "accuracy" in name or name.endswith("_db")), "agreement_ratio",
)  # fmt: skip
"""Those that a workload without weights and samples has no value of."""


def metrics(result: Result) -> dict[str, float | None]:
    """Columns of a frame: headlines, then energy, area and latency by part.

    Parts are called ``energy.<component>_uj``, ``area.<component>_mm2``, ``latency.<part>_us``.
    Accuracies are ``None`` for a workload of shapes only.
    """
    found: dict[str, float | None] = {
        name: getattr(result, name)
        for name in HEADLINES
        if hasattr(result, name) and name != "accuracy"
    }
    found["edp_uj_us"] = result.energy_uj * result.latency_us
    found.update(_accuracies(result))
    ordered = {name: found[name] for name in HEADLINES}
    for prefix, unit, parts in (
        ("energy", "uj", result.energy_breakdown_uj),
        ("area", "mm2", result.area_breakdown_mm2),
        ("latency", "us", result.latency_breakdown_us),
    ):
        ordered.update({f"{prefix}.{name}_{unit}": value for name, value in parts.items()})
    return ordered


def _accuracies(result: Result) -> dict[str, float | None]:
    accuracy = result.accuracy
    if accuracy is None:
        return dict.fromkeys(OF_SAMPLES)
    mean = sum(accuracy.analog) / len(accuracy.analog)
    spread = sum((value - mean) ** 2 for value in accuracy.analog)
    freedom = max(1, len(accuracy.analog) - 1)
    worst = min(accuracy.analog) if accuracy.higher_is_better else max(accuracy.analog)
    return {
        "accuracy": mean,
        "accuracy_sigma": (spread / freedom) ** 0.5,
        "accuracy_worst": worst,
        "integer_accuracy": accuracy.integer,
        "float32_accuracy": accuracy.float32,
        "agreement_ratio": accuracy.agreement_ratio,
        "logit_snr_db": accuracy.logit_snr_db,
    }
