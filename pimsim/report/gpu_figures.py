"""Figures of GPUs: a roofline with a workload's kernels, energy against latency over batches.

Which question this module answers: *what bounds a workload on this GPU, and what does a larger
batch buy?*

Every function takes a table of :mod:`.gpu_frames`.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from pimsim.baselines.roofline import Coefficients, Machine
from pimsim.report import style
from pimsim.report.labels import spread
from pimsim.report.wording import percent

_BOUND_COLORS: Final = {
    "compute": style.BLUE,
    "memory": style.ORANGE,
    "floor": style.PINK,
}
_BOUND_NAMES: Final = {
    "compute": "bound by arithmetic",
    "memory": "bound by memory",
    "floor": "bound by its launch",
}
_LABELLED: Final = 5
"""Kernels that are named: those that take the longest."""
_LABEL_ROOM: Final = 0.11
"""Distance of two names, as a share of the axes' height."""
_CACHED_ROOM: Final = 4.0
"""How far right of the ridge kernels stand whose traffic stays in the cache."""


def roofline(
    points: pd.DataFrame, roofs: Machine, coefficients: Coefficients, title: str
) -> Figure:
    """Draw what kernels reach below what the data sheet allows.

    Parameters
    ----------
    points
        Table of :func:`.gpu_frames.roofline_points`.
    roofs, coefficients
        The GPU's data sheet, and what large kernels reach of it.
    title
        Which GPU, workload, batch and precision.
    """
    known = points["intensity_ops_per_byte"].dropna()
    ridge = roofs.peak_ops_per_s / (roofs.memory_bytes_per_ns * 1e9)
    right = max(ridge * _CACHED_ROOM, 2.0 * float(known.max()) if len(known) else 0.0)
    left = min(0.5, float(known.min()) / 2) if len(known) else 0.5
    with style.applied():
        figure, axes = style.new_figure(3.9)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(left, right * 2)
        _roofs(axes, roofs, coefficients)
        for bound, part in points.groupby("bound", sort=False):
            axes.scatter(
                part["intensity_ops_per_byte"].fillna(right),
                part["reached_ops_per_s"] / 1e12,
                s=30 + 400 * part["time_ratio"],
                color=_BOUND_COLORS[str(bound)],
                alpha=0.75,
                linewidth=0,
                label=_BOUND_NAMES[str(bound)],
            )
        axes.set_ylim(top=3e-12 * roofs.peak_ops_per_s)
        _name_largest(axes, points, right)
        axes.grid(which="major")
        axes.tick_params(which="minor", labelbottom=False, labelleft=False)
        axes.set_xlabel(
            "operations per byte of memory traffic\n"
            "(at the right: all activations stay in the cache)"
        )
        axes.set_ylabel("reached [TOPS]")
        axes.set_title(title)
        legend = axes.legend(loc="upper left")
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_sizes([40.0])
    return figure


def _roofs(axes: Axes, roofs: Machine, coefficients: Coefficients) -> None:
    """The data sheet as a line, what large kernels reach as a broken one."""
    left, right = axes.get_xlim()
    span = np.geomspace(left, right, 300)
    peak_tops, slope = roofs.peak_ops_per_s / 1e12, roofs.memory_bytes_per_ns * 1e-3
    axes.plot(
        span,
        np.minimum(peak_tops, span * slope),
        color=style.INK,
        linewidth=1.4,
        label=f"data sheet: {peak_tops:,.0f} TOPS, {roofs.memory_bytes_per_ns:,.0f} GB/s",
    )
    reached_tops = peak_tops * coefficients.utilisation_ratio
    reached_slope = slope * coefficients.bandwidth_ratio
    axes.plot(
        span,
        np.minimum(reached_tops, span * reached_slope),
        "--",
        color=style.GREY,
        linewidth=1.0,
        label="reached by large kernels",
    )


def _name_largest(axes: Axes, points: pd.DataFrame, right: float) -> None:
    """Names beside the axes, each with a line to its point."""
    named = points.nlargest(_LABELLED, "time_us")
    reached = np.log10(named["reached_ops_per_s"].to_numpy(dtype=float) / 1e12)
    low, high = np.log10(axes.get_ylim())
    places = spread((reached - low) / (high - low), _LABEL_ROOM)
    for row, place in zip(named.to_dict("records"), places.tolist(), strict=True):
        intensity = row["intensity_ops_per_byte"]
        count = f"{row['count']} × " if row["count"] > 1 else ""
        axes.annotate(
            f"{count}{_short(str(row['kernel']))}\n{percent(row['time_ratio'], 0)} of the latency",
            (right if pd.isna(intensity) else intensity, row["reached_ops_per_s"] / 1e12),
            (1.03, place),
            xycoords="data",
            textcoords="axes fraction",
            va="center",
            fontsize=7.5,
            arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.6},
            annotation_clip=False,
        )


def _short(name: str) -> str:
    """The last parts of a module path, without the number of the layer.

    Examples
    --------
    >>> _short("encoder.layer.0.attention.self.query + key + value")
    'attention.self.query + key + value'
    >>> _short("encoder.layer.0.output.dense")
    'layer.output.dense'
    """
    path, space, rest = name.partition(" ")
    parts = [part for part in path.split(".") if not part.isdecimal()]
    return ".".join(parts[-3:]) + space + rest


def energy_latency(batches: pd.DataFrame, chips: pd.DataFrame, title: str) -> Figure:
    """Draw energy per input against the latency of a batch: a line per GPU, a star per chip.

    Parameters
    ----------
    batches
        Table of :func:`.gpu_frames.batches`.
    chips
        Columns ``name``, ``latency_us`` and ``energy_uj`` per input, of chips that compute in
        memory.
    title
        Which workload.
    """
    with style.applied():
        figure, axes = style.new_figure(3.9)
        axes.set_xscale("log")
        axes.set_yscale("log")
        lines = batches.groupby(["name", "precision"], sort=False)
        for color, ((name, precision), part) in zip(style.SERIES * len(lines), lines, strict=False):
            axes.plot(
                part["latency_us"],
                part["energy_uj"],
                "o-",
                color=color,
                markersize=4,
                linewidth=1.2,
                label=f"{name}, {precision}",
            )
            for row in (part.to_dict("records")[0], part.to_dict("records")[-1]):
                axes.annotate(
                    f"batch {row['batch']}" if row["batch"] == 1 else str(row["batch"]),
                    (row["latency_us"], row["energy_uj"]),
                    (4, 4) if row["batch"] == 1 else (2, 5),
                    textcoords="offset points",
                    fontsize=7,
                    color=color,
                )
        for chip in chips.to_dict("records"):
            point = (chip["latency_us"], chip["energy_uj"])
            axes.plot(*point, "*", color=style.INK, markersize=13)
            axes.annotate(str(chip["name"]), point, (9, -3), textcoords="offset points")
        axes.grid(which="major")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda latency_us, _: f"{latency_us:g}"))
        axes.tick_params(which="minor", labelbottom=False, labelleft=False)
        axes.set_xlabel("latency of the batch [µs]")
        axes.set_ylabel("energy per input [µJ]")
        axes.set_title(title)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
