"""Figures of how busy a chip is, how long its customers queue and what power it draws.

Which question this module answers: *what do utilisation, queueing and power look like?*

Every function takes a table of :mod:`.timing_frames`; see :mod:`.figures` for the others.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from pimsim.report import style
from pimsim.report.timing_frames import EVERYWHERE, STANDING
from pimsim.report.wording import axis_number, class_name, number

_ROW_HEIGHT_IN: Final = 0.3
_MOST_PARTS: Final = 6
_OTHERS: Final = "others"
_PART_COLORS: Final = {
    "macro": style.BLUE,
    "adc": style.SKY,
    "shift_add": style.GREEN,
    "write": "#7f3c8d",
    "program": style.RED,
    "vector_unit": style.ORANGE,
    "tile_buffer": style.PINK,
    "global_buffer": "#f0d000",
    "noc": style.INK,
    EVERYWHERE: "#8c510a",
    _OTHERS: "#c9b58e",
    STANDING: style.GREY,
}


def utilisation(classes: pd.DataFrame) -> Figure:
    """Utilisation and queueing per class of resources, side by side.

    Parameters
    ----------
    classes
        Table of :func:`.timing_frames.classes`.
    """
    rows = np.arange(len(classes))
    with style.applied():
        figure = style.NotebookFigure(
            figsize=(style.WIDTH_IN, 1.5 + _ROW_HEIGHT_IN * max(len(rows), 1)), layout="constrained"
        )
        used, queued = figure.subplots(1, 2, sharey=True, width_ratios=(1.0, 0.8))
        used.barh(rows, classes["active_ratio"], height=0.6, color=style.SKY, alpha=0.45)
        used.barh(rows, classes["utilisation_ratio"], height=0.6, color=style.BLUE)
        used.plot(
            classes["busiest_ratio"], rows, "D", color=style.ORANGE, markersize=5, clip_on=False
        )
        used.set_xlim(0, 1)
        used.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
        used.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
        used.set_xlabel("share of the run [%]")
        used.set_title("Utilisation")
        used.grid(axis="x")
        _name_rows(used, classes)
        _draw_queues(queued, classes)
        figure.legend(handles=_legend(), loc="outside lower left", ncols=5, fontsize=7.5)
    return figure


def _name_rows(axes: Axes, classes: pd.DataFrame) -> None:
    labels = [
        f"{class_name(str(name))} ({count})"
        for name, count in zip(classes["resource_class"], classes["resources"], strict=True)
    ]
    axes.set_yticks(range(len(labels)), labels=labels)
    axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_queues(axes: Axes, classes: pd.DataFrame) -> None:
    """Mean and longest queueing time per use, on a logarithmic scale where there are any."""
    axes.set_title("Queueing time per use")
    axes.set_xlabel("[µs]")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    longest = classes["longest_wait_us"].to_numpy(dtype=float)
    waited = np.flatnonzero(longest > 0)
    if len(waited) == 0:
        text = "unknown" if np.isnan(longest).all() else "nothing queued"
        axes.annotate(text, (0.5, 0.5), xycoords="axes fraction", ha="center", color=style.MUTED)
        axes.set_xticks([])
        return
    mean = classes["mean_wait_us"].to_numpy(dtype=float)
    axes.set_xscale("log")
    axes.hlines(waited, mean[waited], longest[waited], color=style.RULE, linewidth=2)
    axes.plot(mean[waited], waited, "o", color=style.BLUE, markersize=6)
    axes.plot(longest[waited], waited, "o", mfc=style.PAPER, mec=style.BLUE, markersize=6)
    low, high = mean[waited].min(), longest[waited].max()
    axes.set_xlim(10.0 ** np.floor(np.log10(low) - 0.1), 10.0 ** np.ceil(np.log10(high) + 0.1))
    axes.grid(axis="x")
    axes.tick_params(axis="x", which="minor", bottom=False)


def _legend() -> list[Patch | Line2D]:
    def dot(label: str, marker: str, color: str, *, filled: bool = True) -> Line2D:
        face = color if filled else style.PAPER
        return Line2D(
            [], [], linestyle="", marker=marker, color=color, markerfacecolor=face, label=label
        )

    return [
        Patch(color=style.BLUE, label="mean resource"),
        Patch(color=style.SKY, alpha=0.45, label="at least one"),
        dot("busiest one", "D", style.ORANGE),
        dot("mean queueing", "o", style.BLUE),
        dot("longest queueing", "o", style.BLUE, filled=False),
    ]


def power(power: pd.DataFrame) -> Figure:
    """Power over time, stacked by what draws it.

    Parameters
    ----------
    power
        Table of :func:`.timing_frames.power_over_time`, not empty.
    """
    power = _few_parts(power)
    sums = power.groupby("part", sort=False)["power_mw"].sum().sort_values(ascending=False)
    order = sorted(sums.index, key=lambda part: part != STANDING)  # what always draws is the floor
    first = power[power["part"] == order[0]]
    edges_us = np.append(first["start_us"].to_numpy(), first["end_us"].iloc[-1])
    with style.applied():
        figure, axes = style.new_figure(3.0)
        floor = np.zeros(len(first))
        for part in order:
            level = floor + power.loc[power["part"] == part, "power_mw"].to_numpy()
            color = _PART_COLORS.get(str(part), style.RED)
            axes.stairs(level, edges_us, baseline=floor, fill=True, color=color, linewidth=0)
            floor = level
        average_mw = float(np.average(floor, weights=np.diff(edges_us)))
        axes.axhline(average_mw, color=style.INK, linewidth=1.0, linestyle=(0, (4, 2)))
        peak_mw, bin_us = float(floor.max()), float(np.diff(edges_us).mean())
        axes.set_title(
            f"Power: {number(average_mw)} mW on average, {number(peak_mw)} mW at most over "
            f"{number(bin_us)} µs"
        )
        axes.set_xlim(0, edges_us[-1])
        axes.set_ylim(0, 1.05 * peak_mw)
        axes.set_xlabel("time since the inputs reached the global buffer [µs]")
        axes.set_ylabel("power [mW]")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_number(value)))
        axes.grid(axis="y")
        handles: list[Patch | Line2D] = [
            Patch(color=_PART_COLORS.get(str(part), style.RED), label=class_name(str(part)))
            for part in order
        ]
        line = Line2D([], [], color=style.INK, linestyle=(0, (4, 2)), label="average")
        figure.legend(handles=[*handles, line], loc="outside lower left", ncols=5, fontsize=7.5)
    return figure


def _few_parts(power: pd.DataFrame) -> pd.DataFrame:
    """The parts that draw most, and the sum of the others."""
    sums = power.groupby("part", sort=False)["power_mw"].sum().sort_values(ascending=False)
    small = list(sums.index[_MOST_PARTS - 1 :]) if len(sums) > _MOST_PARTS else []
    few = power.assign(part=power["part"].where(~power["part"].isin(small), _OTHERS))
    return few.groupby(["part", "start_us", "end_us"], sort=False, as_index=False).sum()
