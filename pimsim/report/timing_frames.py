"""Tidy tables of what a run's timeline tells: resources, critical path, power.

Which question this module answers: *how do I get utilisation, queueing and power into pandas?*

As in :mod:`.frames`, one row is one observation and column names carry units. The numbers are those
of :mod:`pimsim.timing.analysis`, :mod:`.bottleneck` and :mod:`.power` of the same package.
"""

from typing import Final

import numpy as np
import pandas as pd

from pimsim.records import Result
from pimsim.report.frames import op_group
from pimsim.timing import analysis, bottleneck, power
from pimsim.units import NS_PER_US, PS_PER_US, us_from_ps

POWER_BINS: Final = 200
"""Bins of the power figure: what can be told apart on a page."""

STANDING: Final = "leakage"
"""What draws power without any operation."""
EVERYWHERE: Final = "clock and control"
"""What an operation spends wherever it works."""


def classes(result: Result) -> pd.DataFrame:
    """One row per class of resources, those that hold most of the critical path first.

    Columns: ``resource_class``, ``resources`` (how many were needed), ``uses``,
    ``utilisation_ratio`` (mean over them), ``active_ratio`` (time in which at least one worked),
    ``busiest`` and ``busiest_ratio``, ``mean_wait_us`` and ``longest_wait_us`` (queueing; missing
    where it is unknown), ``latency_us`` and ``latency_ratio`` (exclusive share of the critical
    path), ``without_us`` (latency less that share) and ``what_if_us`` (latency if the class took no
    time, replayed; missing unless it was asked for).
    """
    line = result.timeline
    shares = {share.name: share for share in bottleneck.class_shares(line)}
    without_ps = bottleneck.latency_without_ps(line)
    rows = []
    for use in analysis.class_uses(line):
        share = shares.get(use.resource_class)
        rows.append(
            {
                "resource_class": use.resource_class,
                "resources": use.resources,
                "uses": use.uses,
                "utilisation_ratio": use.utilisation_ratio,
                "active_ratio": use.active_ratio,
                "busiest": use.busiest,
                "busiest_ratio": use.busiest_ratio,
                "mean_wait_us": _us(use.mean_wait_ps),
                "longest_wait_us": _us(use.longest_wait_ps),
                "latency_us": us_from_ps(share.time_ps) if share else 0.0,
                "latency_ratio": share.ratio if share else 0.0,
                "without_us": us_from_ps(without_ps[use.resource_class]),
                "what_if_us": result.what_if_us.get(use.resource_class),
            }
        )
    frame = pd.DataFrame(rows, columns=_CLASS_COLUMNS)
    frame = frame.astype(dict.fromkeys(_MAYBE_MISSING, "float64"))
    return frame.sort_values("latency_us", ascending=False, kind="stable", ignore_index=True)


_CLASS_COLUMNS: Final = (
    *("resource_class", "resources", "uses", "utilisation_ratio", "active_ratio", "busiest"),
    *("busiest_ratio", "mean_wait_us", "longest_wait_us", "latency_us", "latency_ratio"),
    *("without_us", "what_if_us"),
)
_MAYBE_MISSING: Final = ("mean_wait_us", "longest_wait_us", "what_if_us")


def resources(result: Result) -> pd.DataFrame:
    """One row per resource, in the order of first use.

    Columns: ``resource``, ``resource_class``, ``uses``, ``servers`` (most customers at a time),
    ``busy_us``, ``utilisation_ratio``, ``wait_us`` (summed over its customers), ``mean_wait_us``,
    ``longest_wait_us``; the last three are missing where queueing times are unknown.
    """
    columns = ("resource", "resource_class", "uses", "servers", "busy_us", "utilisation_ratio")
    waits = ("wait_us", "mean_wait_us", "longest_wait_us")
    rows = [
        (
            use.resource,
            use.resource_class,
            use.uses,
            use.servers,
            us_from_ps(use.busy_ps),
            use.utilisation_ratio,
            _us(use.wait_ps),
            _us(use.mean_wait_ps),
            _us(use.longest_wait_ps),
        )
        for use in analysis.resource_uses(result.timeline)
    ]
    return pd.DataFrame(rows, columns=(*columns, *waits)).astype(dict.fromkeys(waits, "float64"))


def path(result: Result) -> pd.DataFrame:
    """The critical path of the first inference, piece by piece; empty where it is not recorded.

    Columns: ``start_us``, ``end_us``, ``resource`` (missing for a pure delay), ``resource_class``,
    ``op``, ``group`` (its layer).
    """
    line = result.timeline
    ends_us = line.path_end_ps / PS_PER_US
    resources = np.array([*line.resources, None], dtype=object)  # -1 is the last: a pure delay
    ops = np.array(line.ops, dtype=object)[line.path_op]
    return pd.DataFrame(
        {
            "start_us": np.concatenate([[0.0], ends_us[:-1]])[: len(ends_us)],
            "end_us": ends_us,
            "resource": resources[line.path_resource],
            "resource_class": np.array(line.path_class, dtype=object),
            "op": ops,
            "group": np.array([op_group(op) for op in ops], dtype=object),
        }
    )


def power_over_time(result: Result, bins: int = POWER_BINS) -> pd.DataFrame:
    """Mean power in equal bins, by the class of resources that draws it; parts add up to the whole.

    Columns: ``start_us``, ``end_us``, ``part`` (a resource class, ``leakage``, or ``clock and
    control``: what operations spend everywhere), ``power_mw``. The energy is that of the default
    cost variant.
    """
    energy_pj = power.energy_by_op_and_class_pj(result.costs[0])
    frames = []
    for part in dict.fromkeys(map(_part, energy_pj)):
        own = {key: each_pj for key, each_pj in energy_pj.items() if _part(key) == part}
        found = power.power_mw(result.timeline, own, bins=bins)
        edges_us = found.edges_ns / NS_PER_US
        columns = {"start_us": edges_us[:-1], "end_us": edges_us[1:], "part": part}
        frames.append(pd.DataFrame({**columns, "power_mw": found.mean_mw}))
    if not frames:
        return pd.DataFrame(columns=["start_us", "end_us", "part", "power_mw"])
    return pd.concat(frames, ignore_index=True)


def _part(key: tuple[str | None, str | None]) -> str:
    op, resource_class = key
    if op is None:
        return STANDING
    return EVERYWHERE if resource_class is None else resource_class


def _us(time_ps: float | None) -> float | None:
    return None if time_ps is None else time_ps / PS_PER_US
