"""Where the joules go: energy by operation and component, as a table, a heat map and a figure.

Which question this module answers: *which operations spend the energy, in which components, and how
much of that rests on assumptions?*

Operations are summed over the layers that they repeat in: ``blocks.3.mlp.fc1`` counts as
``mlp.fc1``. Leakage belongs to no operation and has a row of its own, so that rows and columns both
add up to the energy of the run.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pimsim.records import Result
from pimsim.report import frames, style
from pimsim.report.markup import Section, drawing, paragraph, section
from pimsim.report.wording import number, percent
from pimsim.units import PJ_PER_UJ

NO_OPERATION: Final = "no operation (leakage)"
WHILE_BUSY: Final = "no operation (while busy)"
"""Components that a table of a paper charges by the time in which something works."""
SHOWN_OPERATIONS: Final = 14
SHOWN_COMPONENTS: Final = 6
_COLORS: Final = (*style.SERIES, style.INK)
_HATCH: Final = "/////"


def operation_kind(op: str) -> str:
    """Name an operation without the layer that it is in.

    Examples
    --------
    >>> operation_kind("blocks.3.mlp.fc1"), operation_kind("head"), operation_kind("layers.0")
    ('mlp.fc1', 'head', 'layers.0')
    """
    parts = op.split(".")
    for index, part in enumerate(parts[:-1]):
        if part.isdigit():
            return ".".join(parts[index + 1 :])
    return op


def joules(result: Result) -> pd.DataFrame:
    """Energy of the default cost variant by kind of operation and component.

    Columns: ``operation`` (:func:`operation_kind`, :data:`NO_OPERATION` or
    :data:`WHILE_BUSY`), ``component``,
    ``energy_uj`` per inference and ``assumed_uj``, the part that rests on assumed numbers. The
    largest operations come first, and of each the largest components.
    """
    frame = frames.components(result)
    frame = frame[(frame["variant"] == result.costs[0].variant) & (frame["energy_pj"] > 0)]
    operations = [
        _without_operation(str(component)) if pd.isna(op) else operation_kind(str(op))
        for op, component in zip(frame["op"], frame["component"], strict=True)
    ]
    frame = frame.assign(
        operation=operations,
        energy_uj=frame["energy_pj"] / PJ_PER_UJ,
        assumed_uj=frame["energy_pj"].where(frame["kind"] == "assumed", 0.0) / PJ_PER_UJ,
    )
    keys = ["operation", "component"]
    sums = frame.groupby(keys, sort=False)[["energy_uj", "assumed_uj"]].sum().reset_index()
    whole = sums.groupby("operation", sort=False)["energy_uj"].transform("sum")
    ordered = sums.assign(whole=whole).sort_values(
        ["whole", "operation", "energy_uj"], ascending=[False, True, False], kind="stable"
    )
    return ordered.drop(columns="whole").reset_index(drop=True)


def _without_operation(component: str) -> str:
    stands = component.split(".", maxsplit=1)[0] in {"leakage", "refresh"}
    return NO_OPERATION if stands else WHILE_BUSY


def by_operation(table: pd.DataFrame) -> pd.DataFrame:
    """Sum :func:`joules` over components.

    Columns: ``operation``, ``energy_uj``, ``energy_ratio``, ``assumed_ratio`` (of that operation's
    energy) and ``component``, the one that spends the most of it.
    """
    sums = table.groupby("operation", sort=False)[["energy_uj", "assumed_uj"]].sum().reset_index()
    first = table.groupby("operation", sort=False)["component"].first().to_numpy()
    return sums.assign(
        energy_ratio=sums["energy_uj"] / sums["energy_uj"].sum(),
        assumed_ratio=sums["assumed_uj"] / sums["energy_uj"],
        component=first,
    ).drop(columns="assumed_uj")


def figure(table: pd.DataFrame) -> Figure:
    """Energy of each kind of operation, stacked by component, the assumed part hatched.

    Parameters
    ----------
    table
        Of :func:`joules`.
    """
    grouped = _grouped(table)
    operations = list(dict.fromkeys(grouped["operation"]))
    components = _ranked(grouped)
    total = float(grouped["energy_uj"].sum())
    cells = grouped.set_index(["operation", "component"])
    with style.applied():
        drawn, axes = style.new_figure(1.6 + 0.235 * len(operations))
        ends = [0.0] * len(operations)
        for color, component in zip(_palette(components), components, strict=True):
            for row, operation in enumerate(operations):
                if (operation, component) not in cells.index:
                    continue
                energy = float(cells.loc[(operation, component), "energy_uj"])
                assumed = float(cells.loc[(operation, component), "assumed_uj"])
                axes.barh(row, energy, left=ends[row], height=0.66, color=color)
                look: dict[str, Any] = {
                    "facecolor": "none",
                    "edgecolor": style.PAPER,
                    "linewidth": 0,
                }
                axes.barh(row, assumed, left=ends[row], height=0.66, hatch=_HATCH, **look)
                ends[row] += energy
        for row, end in enumerate(ends):
            text = f"{number(end)} µJ\u2002{percent(end / total)}"
            axes.annotate(text, (end, row), (5, 0), textcoords="offset points", va="center")
        axes.set_title(f"Where the joules go: {number(total)} µJ per inference")
        axes.set_yticks(range(len(operations)), labels=operations)
        axes.set_ylim(len(operations) - 0.4, -0.6)
        axes.set_xlim(0, 1.3 * max(ends, default=1.0))
        axes.set_xlabel("energy per inference, all layers together [µJ]")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        handles = [
            Patch(color=color, label=component)
            for color, component in zip(_palette(components), components, strict=True)
        ]
        label = "rests on an assumed number"
        handles.append(
            Patch(facecolor=style.GREY, edgecolor=style.PAPER, hatch=_HATCH, label=label)
        )
        drawn.legend(handles=handles, loc="outside lower left", ncols=3)
    return drawn


def page_section(result: Result, drawings: Mapping[str, str]) -> Section | None:
    """Return the section of the report: the figure, and the heat map with its sums."""
    table = joules(result)
    if table.empty:
        return None
    share = percent(float(table["assumed_uj"].sum() / table["energy_uj"].sum()), 0)
    return section(
        "joules",
        "Where the joules go",
        paragraph(
            "Energy per inference in µJ, by kind of operation, summed over the layers, and by "
            "component. "
            f"{share} of it rests on assumed numbers; the last column says how much of each row."
        ),
        drawing(drawings, "joules", "Energy by operation, stacked by component"),
        _heat_map(_grouped(table)),
    )


def _heat_map(grouped: pd.DataFrame) -> str:
    """Rows are operations, columns components; the deeper a cell's shade, the more energy."""
    components = _ranked(grouped)
    energy = grouped.pivot_table(
        index="operation", columns="component", values="energy_uj", aggfunc="sum", sort=False
    )
    energy = energy[components].fillna(0.0)
    assumed = grouped.groupby("operation", sort=False)["assumed_uj"].sum()
    total, most = float(energy.to_numpy().sum()), float(energy.to_numpy().max())
    heads = ["Operation", *components, "Total [µJ]", "Share", "Assumed"]
    head = "".join(
        f'<th scope="col"{" class=" + chr(34) + "right" + chr(34) if place else ""}>'
        f"{escape(title).replace('.', '.<wbr>').replace('_', '_<wbr>')}</th>"
        for place, title in enumerate(heads)
    )
    lines = []
    for operation in energy.index:
        values = energy.loc[operation]
        sums = float(values.sum())
        cells = [_heat_cell(float(value), most) for value in values]
        cells += _plain_cells([sums, sums / total, float(assumed[operation]) / sums])
        lines.append(f'<tr><th scope="row">{escape(str(operation))}</th>{"".join(cells)}</tr>')
    columns = [
        f'<td class="right">{number(float(energy[name].sum()), 2)}</td>' for name in components
    ]
    columns += _plain_cells([total, 1.0, float(assumed.sum()) / total])
    foot = f'<tr><th scope="row">total</th>{"".join(columns)}</tr>'
    return (
        f'<div class="scroll"><table class="heat">\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + f"\n</tbody>\n<tfoot>{foot}</tfoot>\n</table></div>"
    )


def _heat_cell(value: float, most: float) -> str:
    if value == 0.0:
        return "<td></td>"
    depth = round(100 * (value / most) ** 0.5)  # the eye sees shades, not areas
    return f'<td class="right" style="--heat: {depth}%">{number(value, 2)}</td>'


def _plain_cells(values: Sequence[float]) -> list[str]:
    energy, share, assumed = values
    texts = (number(energy), percent(share), percent(assumed, 0))
    return [f'<td class="right">{text}</td>' for text in texts]


def _grouped(table: pd.DataFrame) -> pd.DataFrame:
    """The largest operations and components; what is left of either is summed up."""
    table = table.assign(
        operation=_lumped(table, "operation", SHOWN_OPERATIONS, "operations"),
        component=_lumped(table, "component", SHOWN_COMPONENTS, "components"),
    )
    keys = ["operation", "component"]
    return table.groupby(keys, sort=False)[["energy_uj", "assumed_uj"]].sum().reset_index()


def _lumped(table: pd.DataFrame, column: str, shown: int, what: str) -> "pd.Series[str]":
    totals = table.groupby(column, sort=False)["energy_uj"].sum()
    order = totals.sort_values(ascending=False, kind="stable").index.tolist()
    if len(order) <= shown:
        return table[column]
    rest = [name for name in order if name != NO_OPERATION][shown - 1 :]
    return table[column].mask(table[column].isin(rest), f"{len(rest)} other {what}")


def _ranked(grouped: pd.DataFrame) -> list[str]:
    """Components, the largest first, those that are summed up last."""
    totals = grouped.groupby("component", sort=False)["energy_uj"].sum()
    order = [str(name) for name in totals.sort_values(ascending=False, kind="stable").index]
    return sorted(order, key=lambda name: name.endswith(" other components"))


def _palette(components: Sequence[str]) -> list[str]:
    colors = list(_COLORS[: len(components)])
    if components and components[-1].endswith(" other components"):
        colors[-1] = style.GREY
    return colors
