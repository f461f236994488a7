"""The section on other machines: how long they take, what they spend, and what is counted.

Which question this module answers: *what would the same workload cost elsewhere, and is that fair?*
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from pimsim.records import Result
from pimsim.report import frames
from pimsim.report.markup import Column, Section, drawing, heading, paragraph, section, table
from pimsim.report.wording import metric_value, number, times

_THIS_RUN: Final = "this_run"


def comparison(result: Result, drawings: Mapping[str, str]) -> Section:
    """Time, energy, merit and scope of every machine, the run first."""
    machines = frames.baselines(result)
    return section(
        "comparison",
        "The same workload elsewhere",
        paragraph(
            "Time and energy per input are compared; at a larger batch the first answer still "
            "takes the latency of the batch. Ratios above 1 mean that the other machine needs more "
            "than this run."
        ),
        _needs(result, machines),
        drawing(drawings, "comparison", "Energy against time per input of this run and the others"),
        heading("For its energy and its area"),
        _merit(result),
        heading("What is counted"),
        counted_table(machines),
        heading("Where these numbers are from"),
        origins_table(machines),
        short="Comparison",
    )


def _needs(result: Result, machines: pd.DataFrame) -> str:
    """Time and energy of each machine."""
    columns = [
        Column("Machine"),
        Column("Precision"),
        Column("Batch", number=True),
        Column("Latency of the batch [µs]", number=True),
        Column("Time per input, × this run", number=True),
        Column("Energy per input [µJ]", number=True),
        Column("Energy, × this run", number=True),
        Column("Accuracy", number=True),
        Column("Area [mm²]", number=True),
    ]
    metric = result.accuracy.metric if result.accuracy else ""
    rows = [
        (
            f"{row['name']} (this run)" if row["kind"] == _THIS_RUN else str(row["name"]),
            str(row["precision"]),
            str(row["batch"]),
            number(row["latency_us"]),
            times(row["time_ratio"]),
            number(row["energy_uj"]),
            times(row["energy_ratio"]),
            "" if pd.isna(row["accuracy"]) else metric_value(metric, row["accuracy"]),
            "" if pd.isna(row["area_mm2"]) else number(row["area_mm2"]),
        )
        for row in machines.to_dict("records")
    ]
    return table(columns, rows, marked=0)


def _merit(result: Result) -> str:
    """What each machine does for its energy and area."""
    columns = [
        Column("Machine"),
        Column("Batch", number=True),
        Column("Energy × delay [µJ·µs]", number=True),
        Column("Inputs per second", number=True),
        Column("per watt", number=True),
        Column("per mm² that holds the model", number=True),
    ]
    rows = [
        (
            f"{row['name']}, {row['precision']}",
            str(row["batch"]),
            number(row["energy_delay_uj_us"]),
            number(row["throughput_per_s"]),
            number(row["per_w"]),
            "" if pd.isna(row["per_mm2"]) else number(row["per_mm2"]),
        )
        for row in frames.merit(result).to_dict("records")
    ]
    return table(columns, rows, marked=0)


def counted_table(machines: pd.DataFrame) -> str:
    """What is counted, said once for all machines that it holds for."""
    rows = [
        (_listed(group["name"]), _kind(str(kind)), str(scope))
        for (scope, kind), group in machines.groupby(["scope", "kind"], sort=False)
    ]
    columns = [Column("Machines"), Column("Kind"), Column("Counted", prose=True)]
    return table(columns, rows)


def origins_table(machines: pd.DataFrame) -> str:
    """Where the numbers are from, said once for all machines that it holds for."""
    rows = []
    for source, group in machines.groupby("source", sort=False):
        names: Iterable[Any] = zip(group["name"], group["precision"], strict=True)
        rows.append((_listed(", ".join(pair) for pair in names), str(source)))
    return table([Column("Machines"), Column("Source", prose=True)], rows)


def _listed(names: Iterable[str]) -> str:
    """Each name once; semicolons, because names have commas."""
    return "; ".join(dict.fromkeys(names))


def _kind(kind: str) -> str:
    return kind.replace("_", " ").replace("gpu", "GPU").replace("pim", "PIM")
