"""The section on time: what binds the latency, who is busy, who queues, and the power over time.

Which question this module answers: *why does one inference take so long, and what would help?*
"""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from pimsim.records import Result
from pimsim.report import timing_frames
from pimsim.report.markup import Column, Section, drawing, heading, paragraph, section, table
from pimsim.report.wording import class_name, number, percent
from pimsim.timing import analysis, power
from pimsim.timing.bottleneck import bottleneck_sentence
from pimsim.units import NS_PER_US, PS_PER_US, us_from_ps

_TIMELINE: Final = (
    "Colours are layers, paler where work is sparse; the dark line below is the critical path. On "
    "the right: the share of the time in which at least one resource of the row works, and its "
    "share of the critical path. trace.json in the same folder opens in Perfetto."
)
_QUEUES: Final = (
    "Utilisation and queueing per use by class of resources. A resource that a run did not need is "
    "not counted."
)


def latency(result: Result, drawings: Mapping[str, str]) -> Section:
    """Latency by what holds the critical path, use of the resources, timeline and power."""
    return section(
        "latency",
        "Latency",
        paragraph(f"{bottleneck_sentence(result.timeline)} {_throughput(result)}"),
        _inferences_table(result),
        drawing(drawings, "latency", "Exclusive shares of the critical path"),
        _latency_table(result.latency_breakdown_us),
        heading("Who is busy, and who queues"),
        _classes_table(result),
        paragraph(_what_if_note(result), "note"),
        drawing(
            drawings, "utilisation", "Utilisation and queueing time by resource class", _QUEUES
        ),
        heading("Timeline"),
        drawing(drawings, "timeline", "Timeline of one inference by resource", _TIMELINE),
        _power(result, drawings),
    )


def _throughput(result: Result) -> str:
    found = analysis.throughput(result.timeline)
    least = number(found.bottleneck_ps / PS_PER_US)
    if found.kind == "steady_state":
        return (
            f"In the steady state of {found.requests} inferences one is done every "
            f"{number(found.interval_ps / PS_PER_US)} µs. No single resource works longer on each "
            f"than {found.bottleneck}, {least} µs; the rest is waiting for data and for room."
        )
    return (
        "Throughput is that of one inference after the other; back to back they could follow each "
        f"other every {least} µs at best, the work of {found.bottleneck} for each."
    )


def _inferences_table(result: Result) -> str:
    """Latency of the first inference and of each further one; nothing if there is only one."""
    found = analysis.latencies(result.timeline)
    rows = [("first, weights resident", number(us_from_ps(found.first_ps)))]
    if found.loading_ps:
        rows.append(("loading of all static weights", number(us_from_ps(found.loading_ps))))
        whole = number(us_from_ps(found.first_with_loading_ps))
        rows.append(("first, loading included", whole))
    if found.further_ps:
        mean_us = sum(found.further_ps) / len(found.further_ps) / PS_PER_US
        rows.append((f"{len(found.further_ps)} further, mean", number(mean_us)))
        rows.append(("longest of them", number(us_from_ps(max(found.further_ps)))))
    if result.timeline.reprogramming_ps:
        share = number(us_from_ps(result.timeline.reprogramming_ps))
        rows.append(("of the first: reprogramming", share))
    if len(rows) == 1:
        return ""
    return table([Column("Inference"), Column("Latency [µs]", number=True)], rows)


def _latency_table(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    rows = [(name, number(value), percent(value / total)) for name, value in ordered if value]
    columns = [Column("Holds the path"), Column("Latency [µs]", number=True)]
    columns.append(Column("Share", number=True))
    return table(columns, rows, total=("total", number(total), percent(1.0)))


def _classes_table(result: Result) -> str:
    frame = timing_frames.classes(result)
    replayed = bool(result.what_if_us)
    columns = [
        Column("Resources"),
        Column("Needed", number=True),
        Column("Utilisation, mean", number=True),
        Column("busiest", number=True),
        Column("any at work", number=True),
        Column("Queueing, mean [µs]", number=True),
        Column("longest [µs]", number=True),
        Column("Holds the path", number=True),
        Column("Latency without [µs]" if replayed else "Latency without, ≥ [µs]", number=True),
    ]

    def cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
        without = row["without_us"] if pd.isna(row["what_if_us"]) else row["what_if_us"]
        return (
            class_name(str(row["resource_class"])),
            str(row["resources"]),
            percent(row["utilisation_ratio"]),
            percent(row["busiest_ratio"]),
            percent(row["active_ratio"]),
            "" if pd.isna(row["mean_wait_us"]) else number(row["mean_wait_us"]),
            "" if pd.isna(row["longest_wait_us"]) else number(row["longest_wait_us"]),
            percent(row["latency_ratio"]),
            number(without),
        )

    return table(columns, [cells(row) for row in frame.to_dict("records")])


def _what_if_note(result: Result) -> str:
    if result.what_if_us:
        return (
            "The last column is the latency if the class took no time, from a replay of its own. "
            "Every resource is in resources.csv."
        )
    return (
        "The last column is the latency less what the class holds of the critical path: if the "
        "class took no time, latency could not fall below it unless queues changed their order; "
        "'pimsim run --what-if' replays and tells the exact one. Every resource is in "
        "resources.csv."
    )


def _power(result: Result, drawings: Mapping[str, str]) -> str:
    if "power" not in drawings:
        return ""
    energy_pj = power.energy_by_op_and_class_pj(result.costs[0])
    found = power.power_mw(result.timeline, energy_pj, bins=timing_frames.POWER_BINS)
    window_us = number(found.window_ns / NS_PER_US)
    caption = (
        "Energy of each operation, spread over the time in which it works. The most that any "
        f"{window_us} µs draw, wherever they begin, is {number(found.peak_mw)} mW."
    )
    figure = drawing(drawings, "power", "Power over time by what draws it", caption)
    return f"{heading('Power over time')}\n{figure}"
