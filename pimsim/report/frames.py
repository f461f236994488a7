"""Tidy tables of a result: one row per observation, units in the column names.

Which question this module answers: *how do I get a result's numbers into pandas?*

Figures and the page are drawn from these tables only, and so can anybody else's. A function never
adds up what the passes did not count; ratios are shares of the same table's total.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pandas as pd

from pimsim.records import (
    ActionCounts,
    MacroCounts,
    Result,
    Timeline,
    UnitCounts,
)
from pimsim.report.counted import MACRO_ACTIONS, MOVEMENT_ACTIONS
from pimsim.units import PER_S_PER_PER_US, PS_PER_US, uj_from_pj, us_from_ps

OUTSIDE_LAYERS: Final = "outside the layers"
"""Group of an operation that belongs to no numbered layer: embedding, head, final norm."""


def actions(result: Result) -> pd.DataFrame:
    """Every counted action, exactly as counted.

    Columns: ``op``, ``inferences`` (how many the count sums over), ``place`` (``macro``, ``unit``
    or ``movement``), ``name`` (macro kind or function), ``action``, ``key`` (conducting cells of
    ``column_sum``, accumulator width of ``shift_adds`` [bit], row length of ``invocations``),
    ``count``. Histogram entries that are 0 are left out, the last one apart: it tells the length.
    """
    columns = ["op", "inferences", "place", "name", "action", "key", "count"]
    rows = [row for counts in result.counts for row in _action_rows(counts)]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"inferences": "int64", "key": "Int64", "count": "int64"})


def _action_rows(counts: ActionCounts) -> Iterator[tuple[Any, ...]]:
    head = (counts.op, counts.inferences)
    for macro in counts.macros:
        for action, key, count in _macro_rows(macro):
            yield (*head, "macro", macro.macro, action, key, count)
    for unit in counts.units:
        for action, key, count in _unit_rows(unit):
            yield (*head, "unit", unit.function, action, key, count)
    for action in MOVEMENT_ACTIONS:
        yield (*head, "movement", "", action, None, getattr(counts.moved, action))


def _macro_rows(macro: MacroCounts) -> Iterator[tuple[str, int | None, int]]:
    for action in MACRO_ACTIONS:
        yield action, None, getattr(macro, action)
    last = len(macro.column_sum_histogram) - 1
    for cells, count in enumerate(macro.column_sum_histogram):
        if count or cells == last:
            yield "column_sum", cells, count
    for width, count in macro.shift_adds.items():
        yield "shift_adds", width, count


def _unit_rows(unit: UnitCounts) -> Iterator[tuple[str, int | None, int]]:
    yield "saturations", None, unit.saturations
    for length, count in unit.invocations_by_length.items():
        yield "invocations", length, count


def ops(result: Result) -> pd.DataFrame:
    """One row per operation: where energy and time go, and what was done per inference.

    Columns: ``op``, ``group`` (its layer), ``energy_uj`` and ``energy_ratio`` (of the default cost
    variant; leakage belongs to no operation, so the rows sum to less than the total),
    ``latency_us`` and ``latency_ratio`` (exclusive share of the critical path), ``wait_us`` (sum of
    the queueing times of its customers of the first inference; missing where they are unknown),
    ``reads_per_inference``, ``conversions_per_inference``, ``row_writes_per_inference``,
    ``saturated_ratio`` (saturations per conversion), ``tile_buffer_bits``,
    ``global_buffer_bits`` and ``link_bits`` (per inference, reads plus writes; links per hop).
    """
    energy_uj: dict[str, float] = {}
    for item in result.costs[0].items if result.costs else ():
        if item.op is not None:
            energy_uj[item.op] = energy_uj.get(item.op, 0.0) + uj_from_pj(item.energy_pj)
    latency_ps: dict[str, int] = {}
    for place, time_ps in result.timeline.critical_path_ps.items():
        op = place.rpartition("|")[0]
        latency_ps[op] = latency_ps.get(op, 0) + time_ps
    wait_us = _wait_us(result.timeline)
    counts = {entry.op: entry for entry in result.counts}
    names = dict.fromkeys([*counts, *result.timeline.ops, *energy_uj, *latency_ps])
    rows = [
        {
            "op": name,
            "group": op_group(name),
            "energy_uj": energy_uj.get(name, 0.0),
            "energy_ratio": energy_uj.get(name, 0.0) / result.energy_uj,
            "latency_us": us_from_ps(latency_ps.get(name, 0)),
            "latency_ratio": us_from_ps(latency_ps.get(name, 0)) / result.latency_us,
            "wait_us": wait_us.get(name, 0.0) if wait_us is not None else None,
            **_per_inference(counts.get(name, ActionCounts(op=name, inferences=1))),
        }
        for name in names
    ]
    empty = _per_inference(ActionCounts(op="", inferences=1))
    head = ["op", "group", "energy_uj", "energy_ratio", "latency_us", "latency_ratio", "wait_us"]
    return pd.DataFrame(rows, columns=[*head, *empty]).astype({"wait_us": "float64"})


def _wait_us(line: Timeline) -> dict[str, float] | None:
    """Queueing time of each operation in the first inference; ``None`` where it is unknown."""
    if len(line.wait_ps) != len(line.op):
        return None
    sums = np.zeros(len(line.ops), dtype=np.int64)
    first = line.request == 0
    np.add.at(sums, line.op[first], line.wait_ps[first])
    return {op: us_from_ps(wait_ps) for op, wait_ps in zip(line.ops, sums.tolist(), strict=True)}


def _per_inference(counts: ActionCounts) -> dict[str, float]:
    def total(action: str) -> int:
        return sum(getattr(macro, action) for macro in counts.macros)

    moved, conversions = counts.moved, total("conversions")
    tile_bits = moved.tile_buffer_read_bits + moved.tile_buffer_write_bits
    global_bits = moved.global_buffer_read_bits + moved.global_buffer_write_bits
    return {
        "reads_per_inference": total("reads") / counts.inferences,
        "conversions_per_inference": conversions / counts.inferences,
        "row_writes_per_inference": total("row_writes") / counts.inferences,
        "saturated_ratio": total("saturations") / conversions if conversions else 0.0,
        "tile_buffer_bits": tile_bits / counts.inferences,
        "global_buffer_bits": global_bits / counts.inferences,
        "link_bits": moved.link_bits / counts.inferences,
    }


def op_group(op: str) -> str:
    """Return the layer that an operation's module path names, up to its first number.

    Examples
    --------
    >>> op_group("blocks.2.attention.query")
    'blocks.2'
    >>> op_group("head")
    'outside the layers'
    """
    parts = op.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return OUTSIDE_LAYERS


def components(result: Result) -> pd.DataFrame:
    """Every line of every cost roll-up, the default variant's first.

    Columns: ``variant``, ``component``, ``op`` (missing for leakage and for area), ``energy_pj``
    per inference, ``area_um2``, ``model``, ``kind`` (the weakest source behind the number),
    ``action``, ``actions_per_inference``.
    """
    columns = ["component", "op", "energy_pj", "area_um2", "model", "kind", "action", "actions"]
    rows = [
        (cost.variant, *(getattr(item, column) for column in columns))
        for cost in result.costs
        for item in cost.items
    ]
    frame = pd.DataFrame(rows, columns=["variant", *columns])
    frame = frame.rename(columns={"actions": "actions_per_inference"})
    floats = dict.fromkeys(("energy_pj", "area_um2", "actions_per_inference"), "float64")
    return frame.astype(floats)


def sources(result: Result) -> pd.DataFrame:
    """Where numbers come from: the constants of every cost variant, then methods and devices.

    Columns: ``variant`` (empty for methods and devices), ``reference``, ``place``, ``kind``,
    ``node_nm``, ``condition``, ``citation_key``.
    """
    columns = ["reference", "place", "kind", "node_nm", "condition", "citation_key"]

    groups = [*((cost.variant, cost.sources) for cost in result.costs), ("", result.sources)]
    rows = [
        (variant, *(getattr(source, column) for column in columns))
        for variant, sources in groups
        for source in sources
    ]
    frame = pd.DataFrame(rows, columns=["variant", *columns])
    return frame.astype({"node_nm": "float64"})


def latency(result: Result) -> pd.DataFrame:
    """Exclusive shares of the critical path: ``component``, ``latency_us``, ``latency_ratio``."""
    rows = [
        (component, time_us, time_us / result.latency_us)
        for component, time_us in result.latency_breakdown_us.items()
    ]
    return pd.DataFrame(rows, columns=["component", "latency_us", "latency_ratio"])


def timeline(result: Result) -> pd.DataFrame:
    """One row per busy interval of a resource, sorted by start.

    Columns: ``start_us``, ``end_us``, ``resource``, ``resource_class``, ``op``, ``group`` (the
    operation's layer), ``token``, ``wait_us`` (how long the customer had queued; missing where it
    is unknown), ``request`` (which inference).
    """
    line = result.timeline
    known = len(line.wait_ps) == len(line.op)
    names = pd.Series(line.resources, dtype=object)
    classes = pd.Series(line.resource_classes, dtype=object)
    op_names = pd.Series(line.ops, dtype=object)
    groups = pd.Series([op_group(op) for op in line.ops], dtype=object)
    return pd.DataFrame(
        {
            "start_us": line.start_ps / PS_PER_US,
            "end_us": line.end_ps / PS_PER_US,
            "resource": names.to_numpy()[line.resource],
            "resource_class": classes.to_numpy()[line.resource],
            "op": op_names.to_numpy()[line.op],
            "group": groups.to_numpy()[line.op],
            "token": line.token,
            "wait_us": line.wait_ps / PS_PER_US if known else np.full(len(line.op), np.nan),
            "request": line.request if known else np.zeros(len(line.op), np.int32),
        }
    )


def accuracy(result: Result) -> pd.DataFrame:
    """One row per way of running the workload; empty for a workload without samples.

    Columns: ``run`` (``float32``, ``integer``: the integer graph on an ideal chip, ``analog``),
    ``chip`` (Monte Carlo instance, missing for the first two), ``metric``, ``value``.
    """
    rows: list[tuple[str, int | None, str, float]] = []
    if result.accuracy is not None:
        metric = result.accuracy.metric
        rows.append(("float32", None, metric, result.accuracy.float32))
        rows.append(("integer", None, metric, result.accuracy.integer))
        rows += [
            ("analog", chip, metric, value) for chip, value in enumerate(result.accuracy.analog)
        ]
    frame = pd.DataFrame(rows, columns=["run", "chip", "metric", "value"])
    return frame.astype({"chip": "Int64", "value": "float64"})


def baselines(result: Result) -> pd.DataFrame:
    """The run itself and the same workload on other machines, the run first.

    Columns: ``name``, ``kind`` (``this_run`` or the baseline's), ``batch``, ``precision``,
    ``latency_us`` of the batch, ``time_us`` (that, per input), ``energy_uj`` per input,
    ``time_ratio`` and ``energy_ratio`` (how many times this run's), ``accuracy``, ``area_mm2``,
    ``scope``, ``source``, ``model_area_mm2`` (of the capacity that holds the model).
    """
    mean = None
    if result.accuracy is not None:
        mean = sum(result.accuracy.analog) / len(result.accuracy.analog)
    batch = result.manifest.batch
    time_us, energy_uj = result.latency_us / batch, result.energy_uj / batch
    this = {
        "name": result.architecture_name,
        "kind": "this_run",
        "batch": batch,
        "precision": result.scheme,
        "latency_us": result.latency_us,
        "time_us": time_us,
        "energy_uj": energy_uj,
        "time_ratio": 1.0,
        "energy_ratio": 1.0,
        "accuracy": mean,
        "area_mm2": result.area_mm2,
        "scope": "the chip of this run: every component of its area and energy breakdown",
        "source": f"pimsim {result.manifest.pimsim_version}",
        "model_area_mm2": result.area_mm2 * result.area_ratio,
    }
    others = [
        {
            **asdict(other),
            "time_us": other.latency_us / other.batch,
            "time_ratio": other.latency_us / other.batch / time_us,
            "energy_ratio": other.energy_uj / energy_uj,
        }
        for other in result.baselines
    ]
    frame = pd.DataFrame([this, *others], columns=list(this))
    numbers = ("accuracy", "area_mm2", "model_area_mm2")
    return frame.astype(dict.fromkeys(numbers, "float64"))


def merit(
    result: Result, *, node_nm: float | None = None, this_node_nm: float | None = None
) -> pd.DataFrame:
    """How much each machine does for its energy and its area, the run first.

    Parameters
    ----------
    result
        A run with baselines.
    node_nm
        Technology that areas are scaled to, with the square of the nodes' names: a rule of thumb
        that flatters old technologies. Areas stay as they are when absent.
    this_node_nm
        Technology of the run's own chip; needed with ``node_nm``.

    Returns
    -------
    pandas.DataFrame
        Columns: ``name``, ``kind``, ``batch``, ``precision``, ``energy_delay_uj_us`` (energy per
        input times latency of the batch, which is how long an answer takes), ``throughput_per_s``
        (inputs, batch after batch), ``per_w`` (inputs per second and watt), ``per_mm2`` (inputs per
        second and area of the capacity that holds the model).
    """
    frame = baselines(result)
    nodes = [this_node_nm, *(other.node_nm for other in result.baselines)]
    areas = [
        area_mm2 * (1.0 if node_nm is None else (node_nm / node) ** 2 if node else math.nan)
        for area_mm2, node in zip(frame["model_area_mm2"], nodes, strict=True)
    ]
    throughput_per_s = PER_S_PER_PER_US / frame["time_us"]
    return pd.DataFrame(
        {
            **{name: frame[name] for name in ("name", "kind", "batch", "precision")},
            "energy_delay_uj_us": frame["energy_uj"] * frame["latency_us"],
            "throughput_per_s": throughput_per_s,
            "per_w": PER_S_PER_PER_US / frame["energy_uj"],
            "per_mm2": throughput_per_s / areas,
        }
    )
