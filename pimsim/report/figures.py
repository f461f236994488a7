"""The figures of a result, each drawn from one tidy table.

Which question this module answers: *what does a result look like?*

Every function takes a table of :mod:`.frames` and returns a matplotlib ``Figure`` that belongs to
the caller; none knows the simulator's objects. The timeline is drawn in :mod:`.gantt`, utilisation
and power in :mod:`.timing_figures`.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from pimsim.records import Result
from pimsim.report import frames, joules, style, timing_figures, timing_frames
from pimsim.report.curve_figures import curves, heatmap
from pimsim.report.design_figures import breakdown, sensitivity
from pimsim.report.gantt import timeline
from pimsim.report.labels import spread
from pimsim.report.pareto_figures import pareto
from pimsim.report.wording import metric_name, metric_value, number, percent
from pimsim.units import PJ_PER_UJ, UM2_PER_MM2

__all__ = [
    "accuracy",
    "area",
    "breakdown",
    "comparison",
    "curves",
    "draw_all",
    "energy",
    "heatmap",
    "latency",
    "pareto",
    "sensitivity",
    "timeline",
]

_MOST_BARS: Final = 14
_HATCH: Final = "/////"
_LABEL_HEIGHT_IN: Final = 0.36
"""Room for a two-line label of :func:`comparison`."""


def draw_all(result: Result) -> dict[str, Figure]:
    """Return every figure that the result has data for, by file name without ending."""
    costs = frames.components(result)
    default = costs[costs["variant"] == result.costs[0].variant] if result.costs else costs
    figures = {
        "energy": energy(default),
        "area": area(default),
        "latency": latency(frames.latency(result)),
        "utilisation": timing_figures.utilisation(timing_frames.classes(result)),
        "timeline": timeline(frames.timeline(result), timing_frames.path(result)),
        "comparison": comparison(frames.baselines(result)),
    }
    spent = joules.joules(result) if result.costs else pd.DataFrame()
    if len(spent):
        figures["joules"] = joules.figure(spent)
    if len(default) and result.timeline.latency_ps:
        figures["power"] = timing_figures.power(timing_frames.power_over_time(result))
    if result.accuracy is not None:
        figures["accuracy"] = accuracy(frames.accuracy(result))
    return figures


def energy(components: pd.DataFrame) -> Figure:
    """Energy of one inference by component, leakage apart, the assumed part hatched.

    Parameters
    ----------
    components
        Rows of one cost variant of :func:`.frames.components`.
    """
    leakage = components["op"].isna()
    parts = _parts(components.assign(value=components["energy_pj"] / PJ_PER_UJ), leakage)
    names = ("active", "leakage")
    title = "Energy per inference by component"
    return _breakdown(parts, names, title=title, quantity="energy per inference", unit="µJ")


def area(components: pd.DataFrame) -> Figure:
    """Area of the chip by component, the assumed part hatched.

    Parameters
    ----------
    components
        Rows of one cost variant of :func:`.frames.components`.
    """
    none = pd.Series(data=False, index=components.index)
    parts = _parts(components.assign(value=components["area_um2"] / UM2_PER_MM2), none)
    return _breakdown(parts, ("area",), title="Area by component", quantity="area", unit="mm²")


def latency(latency: pd.DataFrame) -> Figure:
    """Exclusive shares of the critical path: what one inference waits for.

    Parameters
    ----------
    latency
        Table of :func:`.frames.latency`.
    """
    parts = latency.rename(columns={"latency_us": "value"}).assign(second=False, assumed=False)
    title = "Latency per inference by what holds the critical path"
    quantity = "exclusive time on the critical path"
    return _breakdown(parts, ("critical path",), title=title, quantity=quantity, unit="µs")


def _parts(components: pd.DataFrame, second: "pd.Series[bool]") -> pd.DataFrame:
    """Sum ``value`` per component, source (assumed or not) and series (first or second)."""
    marked = components.assign(assumed=components["kind"] == "assumed", second=second)
    sums = marked.groupby(["component", "second", "assumed"], sort=False)["value"].sum()
    return sums.reset_index()


def _breakdown(
    parts: pd.DataFrame, names: tuple[str, ...], *, title: str, quantity: str, unit: str
) -> Figure:
    """Draw horizontal bars, largest on top; the smallest share one bar when there are many."""
    parts = parts[parts["value"] > 0]
    totals = parts.groupby("component", sort=False)["value"].sum()
    order = totals.sort_values(ascending=False, kind="stable").index.tolist()
    if len(order) > _MOST_BARS:
        rest = f"{len(order) - _MOST_BARS + 1} others"
        small = parts["component"].isin(order[_MOST_BARS - 1 :])
        parts = parts.assign(component=parts["component"].mask(small, rest))
        order = [*order[: _MOST_BARS - 1], rest]
    total = float(parts["value"].sum())
    with style.applied():
        figure, axes = style.new_figure(1.15 + 0.235 * max(len(order), 1))
        ends = [0.0] * len(order)
        cells = parts.groupby(["component", "second", "assumed"], sort=False)["value"].sum()
        for second in (False, True):
            for assumed in (False, True):
                for row, component in enumerate(order):
                    value = float(cells.get((component, second, assumed), 0.0))
                    _bar(axes, row, ends[row], value, second=second, assumed=assumed)
                    ends[row] += value
        for row, end in enumerate(ends):
            text = f"{number(end)} {unit}\u2002{percent(end / total)}"
            axes.annotate(text, (end, row), (5, 0), textcoords="offset points", va="center")
        axes.set_title(f"{title}: {number(total)} {unit}")
        axes.set_yticks(range(len(order)), labels=order)
        axes.set_ylim(max(len(order), 1) - 0.4, -0.6)
        axes.set_xlim(0, 1.3 * max(ends, default=1.0))
        axes.set_xlabel(f"{quantity} [{unit}]")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        _legend(axes, names, assumed=bool(parts["assumed"].any()))
    return figure


def _bar(axes: Axes, row: int, start: float, value: float, *, second: bool, assumed: bool) -> None:
    if value <= 0:
        return
    color = style.ORANGE if second else style.BLUE
    # The pale fill and the hatch are two bars: SVG patterns do not keep a translucent fill.
    axes.barh(row, value, left=start, height=0.66, color=color, alpha=0.4 if assumed else 1.0)
    if assumed:
        look: dict[str, Any] = {"facecolor": "none", "edgecolor": color, "linewidth": 0}
        axes.barh(row, value, left=start, height=0.66, hatch=_HATCH, **look)


def _legend(axes: Axes, names: tuple[str, ...], *, assumed: bool) -> None:
    colors = (style.BLUE, style.ORANGE)
    handles = [Patch(color=color, label=name) for name, color in zip(names, colors, strict=False)]
    if assumed:
        label = "rests on an assumed number"
        handles.append(Patch(facecolor="none", edgecolor=style.MUTED, hatch=_HATCH, label=label))
    if len(handles) > 1:
        axes.legend(handles=handles, loc="lower right")


def accuracy(accuracy: pd.DataFrame) -> Figure:
    """Accuracy of each Monte Carlo chip, beside float32 and the integer graph on an ideal chip.

    Parameters
    ----------
    accuracy
        Table of :func:`.frames.accuracy`, not empty.
    """
    metric = str(accuracy["metric"].iloc[0])
    unit = " [%]" if metric.endswith("_ratio") else ""
    chips = accuracy[accuracy["run"] == "analog"]
    values = chips["value"].to_numpy()
    levels = {
        name: float(accuracy.loc[accuracy["run"] == name, "value"].iloc[0])
        for name in ("float32", "integer")
    }
    mean = float(values.mean())
    with style.applied():
        figure, axes = style.new_figure(2.9)
        lines = [
            ("float32", levels["float32"], style.INK, (0, ())),
            ("integer, ideal chip", levels["integer"], style.GREEN, (0, (5, 2))),
            ("analog, mean", mean, style.ORANGE, (0, (1.5, 1.5))),
        ]
        for name, value, color, dashes in lines:
            label = f"{name}: {metric_value(metric, value)}"
            axes.axhline(value, color=color, linewidth=1.3, linestyle=dashes, label=label)
        axes.plot(
            range(len(values)),
            values,
            "o",
            color=style.BLUE,
            markersize=7,
            label="chip",
            clip_on=False,
        )
        everything = [*values, *levels.values()]
        step = 0.01 if unit else 0.02 * max(everything)
        margin = max(step, 0.25 * (max(everything) - min(everything)))
        top = max(everything) + margin
        # No ratio is above 1; dots on that edge are drawn in full.
        axes.set_ylim(min(everything) - margin, min(top, 1.0) if unit else top)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xticks(_chip_ticks(len(values)))
        axes.set_xlabel("chip (Monte Carlo instance)")
        axes.set_ylabel(f"{metric_name(metric)}{unit}")
        if unit:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
        axes.grid(axis="y")
        axes.set_title(f"{metric_name(metric)} by chip")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _chip_ticks(chips: int) -> list[int]:
    return list(range(0, chips, max(1, -(-chips // 12))))


def comparison(baselines: pd.DataFrame) -> Figure:
    """Energy and time per input of this run and of the same workload elsewhere, logarithmic.

    Parameters
    ----------
    baselines
        Table of :func:`.frames.baselines`.
    """
    rows = baselines.to_dict("records")
    height_in = max(3.6, 1.0 + _LABEL_HEIGHT_IN * len(rows))
    with style.applied():
        figure, axes = style.new_figure(height_in)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _decades(axes.set_xlim, baselines["time_us"])
        _decades(axes.set_ylim, baselines["energy_uj"])
        up = _fractions(axes.get_ylim(), baselines["energy_uj"])
        label_up = spread(up, _LABEL_HEIGHT_IN / (height_in - 0.8))
        for row, place in zip(rows, label_up.tolist(), strict=True):
            color, marker, size = _marker(str(row["kind"]))
            point = (row["time_us"], row["energy_uj"])
            axes.plot(*point, marker, color=color, markersize=size)
            axes.annotate(
                f"{row['name']}\n{row['precision']}, batch {row['batch']}",
                point,
                (1.04, place),
                xycoords="data",
                textcoords="axes fraction",
                va="center",
                linespacing=1.3,
                arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.6},
                annotation_clip=False,
            )
        axes.grid(which="major")
        axes.tick_params(which="minor", labelbottom=False, labelleft=False)
        axes.set_xlabel("time per input: latency of a batch over its inputs [µs]")
        axes.set_ylabel("energy per input [µJ]")
        axes.set_title("Energy against time per input (lower left is better)")
    return figure


def _fractions(limits: tuple[float, float], values: "pd.Series[float]") -> NDArray[np.float64]:
    """Positions on a logarithmic axis, 0 to 1."""
    low, high = np.log10(limits[0]), np.log10(limits[1])
    fractions: NDArray[np.float64] = (np.log10(values.to_numpy(dtype=float)) - low) / (high - low)
    return fractions


def _marker(kind: str) -> tuple[str, str, float]:
    if kind == "this_run":
        return style.BLUE, "*", 14.0
    return (style.ORANGE, "s", 7.0) if kind.startswith("gpu") else (style.GREEN, "o", 7.0)


def _decades(set_limits: Callable[[float, float], Any], values: "pd.Series[float]") -> None:
    """Set limits to whole decades around ``values``, with room beyond the outermost ones."""
    logs = np.log10(values.to_numpy(dtype=float))
    low, high = np.floor(logs.min() - 0.15), np.ceil(logs.max() + 0.15)
    set_limits(float(10.0**low), float(10.0**high))
