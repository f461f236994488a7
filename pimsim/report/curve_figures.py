"""A metric over one axis of a sweep as lines, or over two as a map.

Which question this module answers: *how does this metric follow that knob?*
"""

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pimsim.errors import InputError
from pimsim.report import quantities, scales, style
from pimsim.report.quantities import (
    check_columns,
    check_one_workload,
    check_some,
    finite,
    holds_numbers,
)

LINES_MAX: Final = 12
"""Lines in one figure that can still be told apart."""
SIDE_MAX: Final = 24
"""Cells along a side of a map; more settings are cut into as many equal parts."""

_WRITTEN_MAX: Final = 12
"""Cells along a side of which each has its number written in it."""
_DARK, _LIGHT = "#010101", "#fefefe"
"""Of numbers in cells; unlike ink and paper they do not follow the page's light or dark scheme."""
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_DASHES: Final = ((0, ()), (0, (5, 2)))


def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    by: str | None = None,
    error: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    title: str = "",
) -> Figure:
    """Draw a metric over an axis, one line for each value of another column.

    Parameters
    ----------
    frame
        One design per row. Rows without a finite ``y`` (failed points) are left out.
    x
        Column along the figure: numbers, or texts in the order in which they come.
    y
        Column of numbers.
    by
        Column whose values get a line each; absent: one line.
    error
        Column of standard deviations of ``y``, such as ``accuracy_sigma``; drawn as bars of one
        deviation up and down.
    log_x, log_y
        Whether an axis is logarithmic.
    title
        Above the figure; absent: what is drawn.

    Raises
    ------
    InputError
        If a column is missing or empty, or holds no numbers where it must, several workloads would
        be averaged, an axis cannot be logarithmic, or there would be more than
        :data:`LINES_MAX` lines.

    Notes
    -----
    Rows of one line with the same ``x`` are averaged, and a band spans from the smallest to the
    largest of them; their deviations are averaged as powers.

    Examples
    --------
    >>> table = pd.DataFrame({"bits": [4, 6, 8], "energy_uj": [1.0, 2.0, 4.0]})
    >>> curves(table, "bits", "energy_uj").axes[0].get_ylabel()
    'energy per inference [µJ]'
    """
    optional = [name for name in (error,) if name is not None]
    check_columns(frame, [y, *optional, x, *([by] if by else [])], numbers=1 + len(optional))
    if "workload" not in {x, by}:
        check_one_workload(frame)
    shown = frame[finite(frame[y]) & _placed(frame[x])]
    check_some(shown, x, y)
    _check_log(shown, x, wanted=log_x)
    _check_log(shown, y, wanted=log_y)
    lines = [(None, shown)] if by is None else list(shown.groupby(by, sort=True))
    if len(lines) > LINES_MAX:
        raise InputError(
            f"{by!r} has {len(lines)} values, more than the {LINES_MAX} lines that can be told "
            "apart; draw some of them, or heatmap(frame, x, y, value)"
        )
    places = None if holds_numbers(shown[x]) else list(dict.fromkeys(shown[x].astype(str)))
    with style.applied():
        figure, axes = style.new_figure(3.5)
        for number, (value, part) in enumerate(lines):
            name = "" if by is None else quantities.written_cell(by, value)
            _line(axes, number, name, _averaged(part, x, y, error, places))
        if places is None:
            scales.ticks_at(axes.xaxis, x, shown[x].astype(float), log=log_x)
        else:
            axes.set_xticks(range(len(places)), labels=places)
            axes.set_xlabel(quantities.label(x))
        scales.dress(axes.yaxis, y, shown[y], log=log_y)
        axes.grid(which="major")
        axes.set_title(title or f"{quantities.capital(quantities.name(y))} over {_short(x)}")
        if by is not None:
            axes.legend(
                loc="center left", bbox_to_anchor=(1.01, 0.5), title=quantities.label(_short(by))
            )
    return figure


def heatmap(frame: pd.DataFrame, x: str, y: str, value: str, *, title: str = "") -> Figure:
    """Draw a metric over two axes as a map of shaded cells.

    Parameters
    ----------
    frame
        One design per row; rows with the same ``x`` and ``y`` are averaged.
    x, y
        Columns along the sides: numbers in ascending order, or texts as they come.
    value
        Column of numbers that the shade tells; a cell without a finite one (failed points) is
        crossed out.
    title
        Above the figure; absent: what is drawn.

    Raises
    ------
    InputError
        If a column is missing or empty, the value holds no numbers, or a column of texts has more
        than :data:`SIDE_MAX` different ones.

    Notes
    -----
    Numbers with more than :data:`SIDE_MAX` settings are cut into as many parts of equal width.

    Examples
    --------
    >>> table = pd.DataFrame({"bits": [4, 8, 4, 8], "rows": [1, 1, 2, 2], "energy_uj": range(4)})
    >>> heatmap(table, "bits", "rows", "energy_uj").axes[0].get_xlabel()
    'bits'
    """
    check_columns(frame, (value, x, y), numbers=1)
    across, names_x = _cells(frame[x], x)
    up, names_y = _cells(frame[y], y)
    values = frame[value].to_numpy(dtype=np.float64, na_value=np.nan)
    known = finite(frame[value])
    check_some(frame[known], value)
    sums, counts = np.zeros((2, len(names_y), len(names_x)))
    np.add.at(sums, (up[known], across[known]), values[known])
    np.add.at(counts, (up[known], across[known]), 1.0)
    asked = np.zeros(counts.shape, np.bool_)
    asked[up, across] = True
    means = np.full(counts.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    with style.applied():
        figure, axes = style.new_figure(1.6 + 0.32 * max(4, min(len(names_y), 14)))
        image = axes.pcolormesh(
            np.ma.masked_invalid(means), cmap="cividis", edgecolor=style.PAPER, linewidth=1.0
        )
        for row, column in np.argwhere(asked & (counts == 0)).tolist():
            axes.plot(column + 0.5, row + 0.5, "x", color=style.RED, markersize=7)
        if max(counts.shape) <= _WRITTEN_MAX:
            _write(axes, means, value, frame[value][known])
        _sides(axes, (x, names_x), (y, names_y))
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        scales.dress(bar.ax.yaxis, value, frame[value][known], log=False)
        bar.outline.set_visible(False)
        over = " and ".join(quantities.short_names((x, y)).values())
        axes.set_title(title or f"{quantities.capital(quantities.name(value))} over {over}")
    return figure


def _short(column: str) -> str:
    return quantities.short_column(column)


def _placed(column: pd.Series) -> NDArray[np.bool_]:
    """Rows that have a place along the figure."""
    return finite(column) if holds_numbers(column) else column.notna().to_numpy()


def _check_log(frame: pd.DataFrame, column: str, *, wanted: bool) -> None:
    if not wanted:
        return
    if not holds_numbers(frame[column]) or not (frame[column] > 0).all():
        raise InputError(f"{column!r} cannot be logarithmic: not all of it is numbers above 0")


def _averaged(
    part: pd.DataFrame, x: str, y: str, error: str | None, places: list[str] | None
) -> pd.DataFrame:
    """Mean, extent and deviation of ``y`` at each ``x``, in ascending order."""
    order = {name: place for place, name in enumerate(places or ())}
    at = part[x].astype(float) if places is None else part[x].astype(str).map(order)
    groups = part[y].groupby(at)
    found = pd.DataFrame({"mean": groups.mean(), "low": groups.min(), "high": groups.max()})
    if error is not None:
        found["error"] = (part[error] ** 2).groupby(at).mean() ** 0.5
    return found.sort_index()


def _line(axes: Axes, number: int, name: str, points: pd.DataFrame) -> None:
    color = style.SERIES[number % len(style.SERIES)]
    at = points.index.to_numpy()
    if (points["high"] > points["low"]).any():
        axes.fill_between(at, points["low"], points["high"], color=color, alpha=0.15, linewidth=0)
    axes.plot(
        at, points["mean"], color=color, linewidth=1.5, markersize=4.5, label=name,
        marker=_MARKERS[number % len(_MARKERS)], linestyle=_DASHES[number // len(style.SERIES)],
    )  # fmt: skip
    if "error" in points:
        axes.errorbar(
            at, points["mean"], yerr=points["error"], fmt="none", ecolor=color, elinewidth=1.0,
            capsize=3,
        )  # fmt: skip


def _cells(column: "pd.Series", name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Cell of each row along a side, and the cells' names."""
    settings = column.nunique()
    if column.isna().any():
        raise InputError(f"column {name!r} has rows without a value")
    if holds_numbers(column) and settings > SIDE_MAX:
        edges = np.linspace(float(column.min()), float(column.max()), SIDE_MAX + 1)
        codes = np.searchsorted(edges[1:-1], column.to_numpy(dtype=np.float64), side="right")
        middles = (edges[:-1] + edges[1:]) / 2
        digits = max(3, math.ceil(math.log10(float(np.abs(edges).max()) / (edges[1] - edges[0]))))
        return codes.astype(np.int64), [f"{middle:.{digits}g}" for middle in middles]
    if settings > SIDE_MAX:
        raise InputError(f"column {name!r} has {settings} texts, at most {SIDE_MAX} can be drawn")
    codes, found = pd.factorize(column, sort=holds_numbers(column))
    return codes.astype(np.int64), [quantities.written_cell(name, value) for value in found]


def _sides(axes: Axes, across: tuple[str, list[str]], up: tuple[str, list[str]]) -> None:
    for axis, (column, names) in ((axes.xaxis, across), (axes.yaxis, up)):
        step = -(-len(names) // _WRITTEN_MAX)
        axis.set_ticks(np.arange(0, len(names), step) + 0.5, labels=names[::step])
        axis.set_label_text(quantities.label(column))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(axes: Axes, means: NDArray[np.float64], column: str, values: "pd.Series") -> None:
    low, high = np.nanmin(means), np.nanmax(means)
    middle = (low + high) / 2
    for row, line in enumerate(means):
        for place, mean in enumerate(line.tolist()):
            if not math.isnan(mean):
                axes.text(
                    place + 0.5, row + 0.5, quantities.written(column, mean, values), ha="center",
                    va="center", fontsize=7.5, color="black" if mean > middle else style.LIGHT,
                )  # fmt: skip
