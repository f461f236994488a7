"""The sections on energy and area: figure, table, and how well each number is known.

Which question this module answers: *where do energy and silicon go?*
"""

from collections.abc import Mapping
from typing import Final

from pimsim.records import Result
from pimsim.report import frames
from pimsim.report.markup import Column, Section, drawing, heading, paragraph, section, table
from pimsim.report.wording import number, percent
from pimsim.units import PJ_PER_UJ, UM2_PER_MM2

_SHOWN_OPS: Final = 12


def energy(result: Result, drawings: Mapping[str, str]) -> Section:
    """Energy by component and operation, and under the other cost variants."""
    variants = [
        (item.name, number(item.energy_uj), number(item.area_mm2), number(item.tops_per_w))
        for item in result.cost_variants
    ]
    columns = [
        Column("Cost variant"),
        Column("Energy [µJ]", number=True),
        Column("Area [mm²]", number=True),
        Column("TOPS/W", number=True),
    ]
    return section(
        "energy",
        "Energy",
        drawing(drawings, "energy", "Energy per inference by component"),
        _components_table(result, "energy_pj", "Energy [µJ]", PJ_PER_UJ),
        heading("Operations that spend the most"),
        _ops_table(result),
        heading("Under other cost models") if len(variants) > 1 else "",
        table(columns, variants) if len(variants) > 1 else "",
        _adc_models(result),
    )


def _adc_models(result: Result) -> str:
    """The run under each cost model of its converters, where it was asked for."""
    if not result.adc_models:
        return ""
    columns = [
        Column("Converters costed by"),
        Column("Energy [µJ]", number=True),
        Column("Area [mm²]", number=True),
        Column("TOPS/W", number=True),
        Column("Why not"),
    ]
    rows = [
        (
            f"{cost.model} (this run)" if cost.this_run else cost.model,
            *(
                "" if value is None else number(value)
                for value in (cost.energy_uj, cost.area_mm2, cost.tops_per_w)
            ),
            cost.reason,
        )
        for cost in result.adc_models
    ]
    note = "Everything but the converters is costed as in the run."
    return (
        heading("Under every model of converters") + table(columns, rows) + paragraph(note, "note")
    )


def area(result: Result, drawings: Mapping[str, str]) -> Section:
    """Area by component, and how much of the chip the workload uses."""
    return section(
        "area",
        "Area",
        paragraph(
            f"The workload fills {percent(result.cells_ratio)} of the cells; the macros that hold "
            f"something take {percent(result.area_ratio)} of the macro area."
        ),
        drawing(drawings, "area", "Area by component"),
        _components_table(result, "area_um2", "Area [mm²]", UM2_PER_MM2),
    )


def _components_table(result: Result, column: str, title: str, per_unit: float) -> str:
    """Table of the default variant's components: how much, how well known, from which model."""
    frame = frames.components(result)
    frame = frame[(frame["variant"] == result.costs[0].variant) & (frame[column] > 0)]
    total = float(frame[column].sum())
    rows: list[tuple[float, tuple[str, ...]]] = []
    for component, items in frame.groupby("component", sort=False):
        amount = float(items[column].sum())
        assumed = float(items.loc[items["kind"] == "assumed", column].sum()) / amount
        cells = [str(component), number(amount / per_unit), percent(amount / total)]
        cells += [percent(assumed, 0), ", ".join(items["model"].unique())]
        rows.append((amount, tuple(cells)))
    rows.sort(key=lambda row: -row[0])
    columns = [
        Column("Component"),
        Column(title, number=True),
        Column("Share", number=True),
        Column("Assumed", number=True),
        Column("Cost model"),
    ]
    end = ["total", number(total / per_unit), percent(1.0)]
    end += [""] * (len(columns) - len(end))
    return table(columns, [cells for _, cells in rows], total=end)


def _ops_table(result: Result) -> str:
    frame = frames.ops(result).sort_values("energy_uj", ascending=False, kind="stable")
    columns = [
        Column("Operation"),
        Column("Energy [µJ]", number=True),
        Column("of total", number=True),
        Column("Latency [µs]", number=True),
        Column("of total", number=True),
        Column("Reads", number=True),
        Column("Conversions", number=True),
    ]
    rows = [
        (
            str(row["op"]),
            number(row["energy_uj"]),
            percent(row["energy_ratio"]),
            number(row["latency_us"]),
            percent(row["latency_ratio"]),
            number(row["reads_per_inference"], 4),
            number(row["conversions_per_inference"], 4),
        )
        for row in frame.head(_SHOWN_OPS).to_dict("records")
    ]
    hidden = len(frame) - len(rows)
    note = f"The other {hidden} operations are in ops.csv. " if hidden > 0 else ""
    note += "Leakage belongs to no operation. Latency is the exclusive share of the critical path."
    return table(columns, rows) + paragraph(note, "note")
