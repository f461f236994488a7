"""The section on the axes of a sweep: what each of them moves, and what only several do.

Which question this module answers: *which knob should I turn, and which are hardly worth it?*
"""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from pimsim.dse.record import SweepRecord
from pimsim.dse.sensitivity import ADAPTIVE, caveats, sensitivity
from pimsim.report import quantities, style
from pimsim.report.curve_figures import SIDE_MAX, curves, heatmap
from pimsim.report.design_figures import sensitivity as sensitivity_figure
from pimsim.report.markup import (
    Column,
    Section,
    bullets,
    drawing,
    heading,
    paragraph,
    section,
    table,
)
from pimsim.report.wording import percent

_METRICS_SHOWN: Final = 4
"""Columns of the figure; the table has all."""
_MAPS_SHOWN: Final = 3
_ALSO_OF_INTEREST: Final = ("accuracy", "energy_uj", "latency_us", "area_mm2")


def page_section(record: SweepRecord, workload: str, name: str = "knobs") -> Section | None:
    """What each axis does to each metric; ``None`` where no axis or no metric varies.

    Parameters
    ----------
    record
        The sweep.
    workload
        Which one of it.
    name
        Identifier of the section.
    """
    frame = record.frame[record.frame["workload"] == workload]
    whole = frame[frame["error"].isna()].drop_duplicates([*record.axes, "seed"])
    failed = int(frame["error"].notna().sum())
    metrics = _metrics(record, whole)
    axes = [axis for axis in record.axes if whole[axis].nunique() > 1]
    if not axes or not metrics:
        return None
    found = sensitivity(whole, axes, metrics)
    shown = found[found["metric"].isin(metrics[:_METRICS_SHOWN])]
    drawings = {f"{name}-shares": style.to_svg(sensitivity_figure(shown))}
    maps = _maps(record, frame, found, name)
    sampler = str(record.sampler["model"])
    warned = caveats(found, sampler=sampler, failed=failed)
    return section(
        name,
        "Which knob moves what",
        paragraph(_how_told(record, found)),
        drawing(drawings, f"{name}-shares", "Share of each metric's variance by axis"),
        _table(found, axes),
        bullets(warned) if warned else "",
        heading("Over the axes that matter most") if maps else "",
        *(drawing(maps, key, "A metric over the axes that matter most") for key in maps),
        short="Knobs",
    )


def _how_told(record: SweepRecord, found: pd.DataFrame) -> str:
    """What swing and share are, and what shares leave of the whole."""
    text = (
        "The swing is the difference between the largest and the smallest mean of a metric over "
        "the settings of an axis, all others varying as in the sweep. The share is that of the "
        "metric's variance which the axis explains alone"
    )
    if (found["chance_ratio"] > 0).any():
        return f"{text}; where axes were not varied evenly, shares overlap."
    rest = "; what the axes leave of 100\u202f% is due to several of them together"
    return f"{text}{rest}{', and to chance' if len(record.seeds) > 1 else ''}."


def _metrics(record: SweepRecord, frame: pd.DataFrame) -> list[str]:
    """Objectives, constrained metrics and what everybody asks for, if they vary."""
    names = dict.fromkeys((*record.objectives, *record.constraints, *_ALSO_OF_INTEREST))
    return [name for name in names if frame[name].nunique() > 1]


def _table(found: pd.DataFrame, axes: Sequence[str]) -> str:
    """Metric by metric, the axis first that explains most of it."""
    names = quantities.short_names(axes)
    columns = [
        Column("Metric"),
        Column("Axis"),
        Column("Share", number=True),
        Column("Swing", number=True),
        Column("over the mean", number=True),
        Column("Smallest mean at"),
        Column("Largest mean at"),
    ]
    order = {metric: place for place, metric in enumerate(found["metric"].unique())}
    ranked = found.assign(place=found["metric"].map(order)).sort_values(
        ["place", "explained_ratio"], ascending=[True, False], kind="stable"
    )
    rows = [
        (
            quantities.name(row["metric"]),
            names[row["axis"]],
            percent(row["explained_ratio"]),
            quantities.swing(row["metric"], row["swing"]),
            percent(row["swing_ratio"], 0) if pd.notna(row["swing_ratio"]) else "",
            row["low_at"] if row["swing"] else "",
            row["high_at"] if row["swing"] else "",
        )
        for row in ranked.to_dict("records")
    ]
    return table(columns, rows)


def _maps(
    record: SweepRecord, frame: pd.DataFrame, found: pd.DataFrame, name: str
) -> dict[str, str]:
    """Metrics over the two axes that explain most; over the only one, as curves.

    Adaptive samplers leave most of such a map empty, and draws from ranges meet no setting twice.
    """
    adaptive = record.sampler["model"] in ADAPTIVE
    if adaptive or record.sampler["model"] != "grid":
        return {}
    drawn = {}
    for metric in list(record.objectives)[:_MAPS_SHOWN]:
        own = found[(found["metric"] == metric) & (found["swing"] > 0)]
        ranked = own.sort_values("explained_ratio", ascending=False, kind="stable")
        key = f"{name}-{metric}".replace("_", "-")
        if len(ranked) == 1:
            axis = ranked["axis"].iloc[0]
            drawn[key] = style.to_svg(curves(frame, axis, metric))
        elif len(ranked) > 1:
            x, y = ranked["axis"].iloc[:2]
            if all(_drawable(frame[axis]) for axis in (x, y)):
                drawn[key] = style.to_svg(heatmap(frame, x, y, metric))
    return drawn


def _drawable(column: "pd.Series") -> bool:
    return quantities.holds_numbers(column) or column.nunique() <= SIDE_MAX
