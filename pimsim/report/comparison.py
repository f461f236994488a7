"""Many chips on one workload: table for other programs, and a figure.

Which question this module answers: *what does a comparison look like on disk and on paper?*
"""

import csv
import io
import json
import math
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.comparison import Compared, Comparison
from pimsim.report import style
from pimsim.report.folder import write_whole
from pimsim.report.wording import metric_name

_ROW_IN: Final = 0.27
_MARGIN_IN: Final = 1.3
_WIDER_IN: Final = 2.0
"""Four panels need more than a page's text width."""


def to_json(comparison: Comparison) -> str:
    """Return a comparison as JSON text."""
    return json.dumps(asdict(comparison), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return the rows of a comparison as comma-separated values; what is absent is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Compared)]
    writer.writerow(names)
    for row in comparison.rows:
        writer.writerow(["" if (value := getattr(row, name)) is None else value for name in names])
    return text.getvalue()


def write(comparison: Comparison, folder: str | os.PathLike[str]) -> Path:
    """Write ``comparison.json``, ``.csv``, ``.svg`` and ``.png`` into a folder, all or nothing.

    Raises
    ------
    OutputError
        If the folder holds anything but a comparison, or cannot be written.
    """
    return write_whole(folder, lambda place: _fill(comparison, place), holds_comparison)


def holds_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison, so that another may replace it."""
    return (folder / "comparison.json").is_file()


def _fill(comparison: Comparison, folder: Path) -> None:
    figure = draw(comparison)
    (folder / "comparison.json").write_text(to_json(comparison), encoding="utf-8")
    (folder / "comparison.csv").write_text(to_csv(comparison), encoding="utf-8")
    (folder / "comparison.svg").write_text(style.to_svg(figure), encoding="utf-8")
    style.save_png(figure, folder / "comparison.png")


def draw(comparison: Comparison) -> Figure:
    """Draw energy, latency, area and accuracy of every machine, side by side.

    Energy, latency and area are on logarithmic axes; the part of a bar that belongs to hardware
    which the chip was not published with is hatched, from the right, in proportion to the bar's
    value, not to its length. A chip that cannot run the workload has a cross.
    """
    rows = comparison.rows
    height = _MARGIN_IN + _ROW_IN * len(rows)
    with style.applied():
        figure = style.NotebookFigure(
            figsize=(style.WIDTH_IN + _WIDER_IN, height), layout="constrained"
        )
        axes = figure.subplots(1, 4, sharey=True)
        panels = (
            ("energy per input [µJ]", "energy_uj", True),
            ("latency [µs]", "latency_us", True),
            ("area [mm²]", "area_mm2", True),
            (_accuracy_title(comparison), "accuracy", False),
        )
        for axis, (title, key, logarithmic) in zip(axes, panels, strict=True):
            _panel(axis, rows, key, title=title, logarithmic=logarithmic)
        if comparison.float32 is not None:
            axes[3].axvline(comparison.float32, color=style.INK, linewidth=0.8, linestyle=":")
            axes[3].annotate(
                "float32", (comparison.float32, 1.0), xycoords=("data", "axes fraction"),
                xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=7,
                color=style.MUTED,
            )  # fmt: skip
        axes[0].set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes[0].invert_yaxis()
        figure.suptitle(_title(comparison), x=0.01, ha="left", fontsize=10, fontweight="bold")
        figure.supxlabel(_footnote(comparison), x=0.01, ha="left", fontsize=7, color=style.MUTED)
    return figure


def _panel(
    axis: Axes, rows: tuple[Compared, ...], key: str, *, title: str, logarithmic: bool
) -> None:
    known = [value for row in rows if (value := getattr(row, key)) is not None]
    floor = 0.0
    if logarithmic and known:
        axis.set_xscale("log")
        floor = 10.0 ** _decade_below(min(known))
        axis.set_xlim(floor, 20.0 * max(known))
    elif known:
        axis.set_xlim(0.0, 1.0 if max(known) <= 1.0 else 1.1 * max(known))
    for place, row in enumerate(rows):
        value = getattr(row, key)
        if value is None:
            mark = "×" if row.reason else "–"
            axis.annotate(
                mark, (0.02, place), xycoords=("axes fraction", "data"), va="center",
                color=style.RED if row.reason else style.GREY,
            )  # fmt: skip
            continue
        colour = style.BLUE if row.kind == "pim" else style.GREY
        axis.barh(place, value - floor, left=floor, height=0.62, color=colour)
        ratio = {"energy_uj": row.extension_energy_ratio, "area_mm2": row.extension_area_ratio}
        if own := ratio.get(key, 0.0):
            left = max(floor, value * (1.0 - own))
            axis.barh(
                place, value - left, left=left, height=0.62, color="none", hatch="/////",
                edgecolor=style.PAPER, linewidth=0.0,
            )  # fmt: skip
        axis.annotate(
            _number(value), (value, place), xytext=(3 if logarithmic else -3, 0),
            textcoords="offset points", va="center", ha="left" if logarithmic else "right",
            fontsize=7, color=style.INK if logarithmic else style.PAPER,
        )  # fmt: skip
    axis.set_title(title, fontsize=8.5)
    axis.grid(visible=True, axis="x", which="major")
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", which="minor", length=0)


def _decade_below(value: float) -> int:
    return math.floor(math.log10(value) - 0.3)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def _label(row: Compared) -> str:
    if row.kind == "gpu":
        return f"{row.name}, batch {row.batch}, {row.precision}"
    return f"{row.name}, {row.node_nm:g} nm, {row.precision}"


def _accuracy_title(comparison: Comparison) -> str:
    return "accuracy" if comparison.metric is None else metric_name(comparison.metric)


def _title(comparison: Comparison) -> str:
    chips = "1 chip" if comparison.chips == 1 else f"{comparison.chips} chips"
    samples = "1 sample" if comparison.samples == 1 else f"{comparison.samples} samples"
    return f"{comparison.workload}: {samples}, {chips} of each design"


def _footnote(comparison: Comparison) -> str:
    notes = [
        "hatched: hardware added so that a published chip can run a transformer",
        "×: cannot run it; latency of a batch, of 1 where nothing else is said; GPUs: predicted",
    ]
    if comparison.scaling is not None:
        notes += ["energy and area carried to one node with the factors of digital logic"]
    return "; ".join(notes)
