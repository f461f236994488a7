"""Where the energy of a run went, and under which converter model, as text.

Which question this module answers: *which operations spent it, and what if converters cost
otherwise?*
"""

from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pimsim.cli import tables
from pimsim.records import AdcModelCost, Result

SHOWN_OPERATIONS: Final = 5


def joules(result: Result) -> Table | None:
    """Operations that spend the most, all layers together; ``None`` if nothing was spent."""
    from pimsim.report.joules import by_operation
    from pimsim.report.joules import joules as spent

    frame = by_operation(spent(result))
    if frame.empty:
        return None
    table = tables.plain_table("where the joules go", "µJ", "share", "assumed", "most of it in")
    for row in frame.head(SHOWN_OPERATIONS).to_dict("records"):
        table.add_row(
            str(row["operation"]),
            tables.quantity(row["energy_uj"]),
            tables.percent(row["energy_ratio"]),
            tables.percent(row["assumed_ratio"], 0),
            str(row["component"]),
        )
    rest = frame.iloc[SHOWN_OPERATIONS:]
    if len(rest):
        spent_uj, share = float(rest["energy_uj"].sum()), float(rest["energy_ratio"].sum())
        assumed = float((rest["energy_uj"] * rest["assumed_ratio"]).sum()) / spent_uj
        table.add_row(
            f"{len(rest)} more",
            tables.quantity(spent_uj),
            tables.percent(share),
            tables.percent(assumed, 0),
            "",
        )
    return table


def adc_models(costs: tuple[AdcModelCost, ...]) -> list[Table | Padding]:
    """The run under each model of converters, and why some do not apply."""
    table = tables.plain_table("converters costed by", "µJ", "mm²", "TOPS/W")
    for cost in costs:
        name = f"{cost.model} (this run)" if cost.this_run else cost.model
        numbers = (cost.energy_uj, cost.area_mm2, cost.tops_per_w)
        cells = ["" if value is None else tables.quantity(value) for value in numbers]
        table.add_row(name, *cells)
    reasons = [
        Padding(Text(f"{cost.model}: {cost.reason}"), (0, 0, 0, 2)) for cost in costs if cost.reason
    ]
    return [table, *reasons]
