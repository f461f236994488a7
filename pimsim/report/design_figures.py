"""Designs part by part, and what each knob of a sweep moves.

Which question this module answers: *what is each of these designs made of, and which axis matters?*
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from pimsim.errors import InputError
from pimsim.report import quantities, scales, style
from pimsim.report.quantities import check_columns, check_some
from pimsim.report.wording import metric_name, number, percent

DESIGNS_MAX: Final = 40
"""Bars in one figure that can still be read."""
PARTS_SHOWN: Final = 7
"""Parts of a design that get a colour of their own; the others share grey."""

LEAKAGE: Final = "leakage"
"""First part of the name of what a component spends whether it works or not."""

_COLORS: Final = (*style.SERIES, style.INK)
_UNITS: Final = {"energy": "µJ", "area": "mm²", "latency": "µs"}
_TITLES: Final = {
    "energy": "Energy per inference by component",
    "area": "Area by component",
    "latency": "Latency by what holds the critical path",
}


def breakdown(
    frame: pd.DataFrame, quantity: str, *, label: str | Sequence[str], title: str = ""
) -> Figure:
    """Draw designs as bars, stacked by part.

    Parameters
    ----------
    frame
        One design per row, with the part columns of a sweep's frame, such as
        ``energy.mram.adc_uj``. Rows without any part (failed points) are left out.
    quantity
        ``energy``, ``area`` or ``latency``.
    label
        Columns whose values name a design.
    title
        Above the figure; absent: what is drawn.

    Raises
    ------
    InputError
        If the quantity is another, the frame has no such columns or no values in them, or there are
        more than :data:`DESIGNS_MAX` designs.

    Notes
    -----
    What all components leak is one part. Beyond :data:`PARTS_SHOWN` parts the smallest are summed
    up in grey.

    Examples
    --------
    >>> table = pd.DataFrame({"bits": [4, 8], "energy.adc_uj": [1.0, 4.0], "energy.noc_uj": 0.5})
    >>> len(breakdown(table, "energy", label="bits").axes[0].patches)
    4
    """
    labels = [label] if isinstance(label, str) else list(label)
    columns = quantities.parts(frame.columns, quantity)
    check_columns(frame, [*columns, *labels], numbers=len(columns))
    if not columns:
        raise InputError(f"the frame has no columns {quantity}.<component>_...: no sweep's frame?")
    designs = frame[frame[list(columns)].notna().any(axis=1)]
    check_some(designs, quantity)
    if len(designs) > DESIGNS_MAX:
        raise InputError(
            f"{len(designs)} designs are too many for one figure of bars; choose at most "
            f"{DESIGNS_MAX} rows"
        )
    amounts = _largest(_with_leakage_summed(designs[list(columns)].fillna(0.0), columns))
    names = [
        ", ".join(quantities.written_cell(name, row[name]) for name in labels)
        for row in designs[labels].to_dict("records")
    ]
    unit = _UNITS[quantity]
    with style.applied():
        figure, axes = style.new_figure(1.5 + 0.26 * max(len(designs), 2))
        _stack(axes, amounts, unit)
        axes.set_yticks(range(len(names)), labels=names)
        axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
        axes.set_ylabel(", ".join(quantities.short_names(labels).values()))
        axes.set_xlabel(f"{quantity} [{unit}]")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_title(title or _TITLES[quantity])
        colors = _palette(list(amounts.columns))
        handles = [Patch(color=color, label=part) for part, color in colors.items()]
        figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _with_leakage_summed(amounts: pd.DataFrame, parts: Mapping[str, str]) -> pd.DataFrame:
    """Parts by name, what all components leak as one of them."""
    owners = [
        LEAKAGE if part.partition(".")[0] == LEAKAGE else part
        for part in (parts[str(column)] for column in amounts.columns)
    ]
    return amounts.T.groupby(owners, sort=False).sum().T


def _largest(amounts: pd.DataFrame) -> pd.DataFrame:
    """Parts that matter, the largest first; the others are summed up."""
    order = amounts.sum().sort_values(ascending=False, kind="stable")
    order = order[order > 0]
    if len(order) <= PARTS_SHOWN:
        return amounts[list(order.index)]
    rest = order.index[PARTS_SHOWN - 1 :]
    kept = amounts[list(order.index[: PARTS_SHOWN - 1])].copy()
    kept[f"{len(rest)} others"] = amounts[list(rest)].sum(axis=1)
    return kept


def _palette(parts: list[str]) -> dict[str, str]:
    colors = dict(zip(parts, _COLORS, strict=False))
    if parts and parts[-1].endswith(" others"):
        colors[parts[-1]] = style.GREY
    return colors


def _stack(axes: Axes, amounts: pd.DataFrame, unit: str) -> None:
    colors = _palette(list(amounts.columns))
    ends = [0.0] * len(amounts)
    for part, color in colors.items():
        values = amounts[part].tolist()
        axes.barh(range(len(ends)), values, left=ends, height=0.66, color=color)
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for row, end in enumerate(ends):
        text = f"{number(end)}\u202f{unit}"
        axes.annotate(text, (end, row), (5, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.18 * max(ends, default=1.0) or 1.0)


def accuracies(accuracy: pd.DataFrame) -> Figure:
    """Draw the accuracy of every Monte Carlo chip of several designs, and their references.

    Parameters
    ----------
    accuracy
        Tables of :func:`.frames.accuracy` with a column ``design``, one below the other.
    """
    metric = str(accuracy["metric"].iloc[0])
    designs = list(dict.fromkeys(accuracy["design"]))
    looks: dict[str, dict[str, Any]] = {
        "float32": {"marker": "|", "color": style.INK, "markersize": 15, "label": "float32"},
        "integer": {
            "marker": "|", "color": style.GREEN, "markersize": 15, "markeredgewidth": 2.2,
            "label": "integer, ideal chip",
        },
        "analog": {
            "marker": "o", "color": style.BLUE, "markersize": 6, "alpha": 0.7, "label": "chip",
        },
    }  # fmt: skip
    with style.applied():
        figure, axes = style.new_figure(1.4 + 0.26 * max(len(designs), 2))
        for run, look in looks.items():
            rows = accuracy[accuracy["run"] == run]
            places = [designs.index(design) for design in rows["design"]]
            axes.plot(rows["value"], places, linestyle="none", clip_on=False, **look)
        scales.dress(axes.xaxis, "accuracy", accuracy["value"], log=False)
        unit = f" [{quantities.unit('accuracy', accuracy['value'])}]"
        axes.set_xlabel(metric_name(metric) + unit.replace(" []", ""))
        axes.set_yticks(range(len(designs)), labels=designs)
        axes.set_ylim(len(designs) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_title(f"{metric_name(metric)} by design")
        figure.legend(loc="outside lower left", ncols=3)
    return figure


def sensitivity(table: pd.DataFrame) -> Figure:
    """Draw what each axis does to each metric: share of the variance as bars, swing as numbers.

    Parameters
    ----------
    table
        Of :func:`pimsim.dse.sensitivity.sensitivity`, of a few metrics.

    Raises
    ------
    InputError
        If a column is missing, or there is no row.

    Notes
    -----
    The first axis explains the most, over all metrics together. The tick on a bar's track is what
    an axis without any effect would explain by chance.
    """
    needed = ("swing", "swing_ratio", "explained_ratio", "chance_ratio")
    check_columns(table, (*needed, "axis", "metric"), numbers=len(needed))
    check_some(table, "axis")
    shares = table.groupby("axis", sort=False)["explained_ratio"].sum()
    axes_order = shares.sort_values(ascending=False, kind="stable").index.tolist()
    metrics = table["metric"].unique().tolist()
    names = quantities.short_names(axes_order)
    with style.applied():
        figure, axes = style.new_figure(1.15 + 0.46 * max(len(axes_order), 1))
        for row in table.to_dict("records"):
            _cell(axes, metrics.index(row["metric"]), axes_order.index(row["axis"]), row)
        axes.set_xlim(0, len(metrics))
        axes.set_ylim(len(axes_order), 0)
        axes.set_yticks(
            [place + 0.5 for place in range(len(axes_order))],
            labels=[names[axis] for axis in axes_order],
        )
        axes.set_xticks(
            [place + 0.02 for place in range(len(metrics))],
            labels=[quantities.name(metric) for metric in metrics],
            ha="left",
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelcolor=style.INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel(
            "bar: share of the metric's variance that the axis explains alone [%]\n"
            "below: how far the metric's mean swings, and that over its mean",
            loc="left",
        )
        axes.set_title("What each axis moves", pad=12)
    return figure


def _cell(axes: Axes, column: int, line: int, row: Mapping[Hashable, Any]) -> None:
    """One axis and metric: a bar on a track, the share above it, the swing below."""
    share, chance = (float(row[name]) for name in ("explained_ratio", "chance_ratio"))
    swing, relative = (float(row[name]) for name in ("swing", "swing_ratio"))
    metric, left, width, top = str(row["metric"]), column + 0.02, 0.62, line + 0.22
    axes.add_patch(Rectangle((left, top), width, 0.2, color=style.RULE, alpha=0.6, linewidth=0))
    if pd.isna(share):
        axes.text(left, line + 0.64, "no values", va="center", fontsize=7.5, color=style.MUTED)
        return
    axes.add_patch(Rectangle((left, top), width * share, 0.2, color=style.BLUE, linewidth=0))
    if chance > 0:
        place = left + width * chance
        axes.plot([place, place], [top - 0.05, top + 0.25], color=style.INK, linewidth=1.0)
    axes.text(left + width + 0.03, top + 0.1, percent(share, 0), va="center", fontsize=8)
    text = quantities.swing(metric, swing)
    if not pd.isna(relative) and not quantities.in_percent(metric):
        text += f" ({percent(relative, 0)})"
    axes.text(left, line + 0.66, text, va="center", fontsize=7.5, color=style.MUTED)
