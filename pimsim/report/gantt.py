"""The timeline figure: which resource works on which layer, and when.

Which question this module answers: *where does one inference spend its time, and who idles?*

Few resources have a row each; many share rows (:mod:`.gantt_rows`). Colours are layers. A dark line
below the bars marks the critical path of the first inference; pure delays, which no resource holds,
are not on it. Intervals of one layer on one row that are closer than can be seen are drawn as one,
so the file stays small, and paler the less of it they fill; the numbers beside the rows are exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from pimsim.report import style
from pimsim.report.frames import OUTSIDE_LAYERS
from pimsim.report.gantt_rows import Row, choose_rows
from pimsim.report.wording import axis_number, number, percent

MOST_ROWS: Final = 30
"""Rows that are still easy to take in."""
_SMALLEST_GAP_RATIO: Final = 1 / 1000
"""Gap between intervals that is still drawn, as a share of the width: a third of a point."""
_ROW_HEIGHT_IN: Final = 0.15
_BAR = (-0.42, 0.26)
_PATH_LINE = (0.3, 0.44)
"""Upper and lower edge of bars and of the line of the critical path, in rows."""
_GAP_ROWS: Final = 0.45
"""Room between kinds, in rows."""
_LONGEST_LABEL: Final = 40
_MOST_NAMED_LAYERS: Final = 9
_LEGEND_ROOM: Final = 105
"""Letters, and blanks between names, of a legend in one line."""
_BUSY_AT, _PATH_AT = 4, 34
"""Columns of numbers, from the right edge. [pt]"""

_Intervals = NDArray[np.float64]
"""(n, 2): start and end. [µs]"""


@dataclass(frozen=True, slots=True)
class _Track:
    """One row with its data."""

    row: Row
    place: float
    """Distance from the top, in rows."""
    busy: pd.DataFrame
    path: pd.DataFrame

    @property
    def busy_us(self) -> float:
        """Time in which at least one of the row's resources works. [µs]"""
        return _length(union_of(_intervals(self.busy), gap_us=0.0))

    @property
    def path_us(self) -> float:
        """Time in which the critical path runs through the row. [µs]"""
        return _length(_intervals(self.path))


def timeline(
    timeline: pd.DataFrame, path: pd.DataFrame | None = None, *, most_rows: int = MOST_ROWS
) -> Figure:
    """Draw the replay.

    Parameters
    ----------
    timeline
        Table of :func:`.frames.timeline`.
    path
        Table of :func:`.timing_frames.path`; no critical path is drawn without it.
    most_rows
        Rows to draw before resources share them; every kind keeps one.
    """
    path = _no_path(timeline) if path is None else path
    tracks = list(_tracks(timeline, path, most_rows))
    colors = _colors(timeline["group"])
    end_us = float(timeline["end_us"].max()) if len(timeline) else 1.0
    height = (tracks[-1].place + 1.5 if tracks else 4.0) * _ROW_HEIGHT_IN
    with style.applied():
        figure, axes = style.new_figure(1.35 + height)
        for track in tracks:
            _draw(axes, track, colors, end_us)
        _label_rows(axes, tracks)
        _label_numbers(axes, tracks, end_us, float(path["end_us"].max()) if len(path) else 0.0)
        axes.set_xlim(0, end_us)
        axes.set_xlabel("time since the inputs reached the global buffer [µs]")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_number(value)))
        axes.set_title(_title(timeline, end_us))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        handles = [Patch(color=color, label=name) for name, color in _named(colors)]
        if len(path):
            handles.append(Patch(color=style.INK, label="critical path"))
        room = sum(len(str(handle.get_label())) + 6 for handle in handles)
        columns = len(handles) if room <= _LEGEND_ROOM else 5
        figure.legend(
            handles=handles, loc="outside lower left", ncols=max(columns, 1), fontsize=7.5
        )
    return figure


def union_of(intervals: _Intervals, *, gap_us: float) -> _Intervals:
    """Join intervals that touch, overlap or are at most ``gap_us`` apart.

    Parameters
    ----------
    intervals
        (n, 2) starts and ends. [µs]
    gap_us
        Largest gap that is closed.

    Returns
    -------
    ndarray
        (m, 2) disjoint intervals in order.

    Examples
    --------
    >>> union_of(np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 2.0]]), gap_us=0.0).tolist()
    [[0.0, 2.0], [3.0, 4.0]]
    """
    if len(intervals) == 0:
        return intervals
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    opens = np.concatenate([[True], ordered[1:, 0] > reach[:-1] + gap_us])
    closes = np.concatenate([opens[1:], [True]])
    return np.stack([ordered[opens, 0], reach[closes]], axis=1)


def _no_path(timeline: pd.DataFrame) -> pd.DataFrame:
    return timeline.iloc[:0]


def _title(timeline: pd.DataFrame, end_us: float) -> str:
    inferences = int(timeline["request"].max()) + 1 if len(timeline) else 1
    what = "one inference" if inferences == 1 else f"{inferences} inferences"
    return f"Timeline of {what}: {number(end_us)} µs"


def _length(intervals: _Intervals) -> float:
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def _intervals(rows: pd.DataFrame) -> _Intervals:
    return rows[["start_us", "end_us"]].to_numpy(dtype=np.float64)


def _tracks(timeline: pd.DataFrame, path: pd.DataFrame, most_rows: int) -> Iterator[_Track]:
    """Rows one below the other, with room between kinds and for the heading of those with rows."""
    used = timeline[["resource", "resource_class"]].drop_duplicates("resource").astype(str)
    rows = choose_rows(dict(used.itertuples(index=False)), most_rows)
    owner = {name: index for index, row in enumerate(rows) for name in row.resources}
    busy = dict(iter(timeline.groupby(timeline["resource"].map(owner), sort=False)))
    on_path = dict(iter(path.groupby(path["resource"].map(owner), sort=False)))
    place = 0.0
    for index, row in enumerate(rows):
        if index and rows[index - 1].kind != row.kind:
            place += _GAP_ROWS
        if _has_heading(rows, index):
            place += 1.0
        yield _Track(row, place, busy[index], on_path.get(index, path.iloc[:0]))
        place += 1.0


def _has_heading(rows: Sequence[Row], index: int) -> bool:
    """Whether a row is the first of several of its kind; a single one carries the kind itself."""
    kind = rows[index].kind
    first = index == 0 or rows[index - 1].kind != kind
    return first and index + 1 < len(rows) and rows[index + 1].kind == kind


def _colors(groups: "pd.Series[str]") -> dict[str, str]:
    """One colour per layer, in order of first use; grey-blue for what is in no layer."""
    layers = [str(group) for group in groups.unique() if group != OUTSIDE_LAYERS]
    if len(layers) <= len(style.SERIES):
        colors = dict(zip(layers, style.SERIES, strict=False))
    else:
        scale = mpl.colormaps["viridis"]
        steps = np.linspace(0.05, 0.92, len(layers))
        colors = {layer: to_hex(scale(step)) for layer, step in zip(layers, steps, strict=True)}
    if len(layers) < groups.nunique():
        colors[OUTSIDE_LAYERS] = style.GREY
    return colors


def _draw(axes: Axes, track: _Track, colors: dict[str, str], end_us: float) -> None:
    place, gap_us = track.place, end_us * _SMALLEST_GAP_RATIO
    axes.plot([0, end_us], [place, place], color=style.RULE, linewidth=0.4, zorder=0.5)
    for group, rows in track.busy.groupby("group", sort=False):
        exact = union_of(_intervals(rows), gap_us=0.0)
        drawn = union_of(exact, gap_us=gap_us)
        shades = _shades(exact, drawn)
        for shade in np.unique(shades).tolist():
            _fill(axes, drawn[shades == shade], place, _BAR, colors[str(group)], shade=shade)
    on_path = union_of(_intervals(track.path), gap_us=gap_us)
    _fill(axes, on_path, place, _PATH_LINE, style.INK)


def _shades(exact: _Intervals, drawn: _Intervals) -> NDArray[np.float64]:
    """How opaque each drawn bar is: its share that is really busy, rounded up to quarters."""
    owner = np.searchsorted(drawn[:, 0], exact[:, 0], side="right") - 1
    busy_us = np.bincount(owner, weights=exact[:, 1] - exact[:, 0], minlength=len(drawn))
    lengths_us = np.maximum(drawn[:, 1] - drawn[:, 0], np.finfo(float).tiny)
    shades: NDArray[np.float64] = np.ceil(4 * busy_us / lengths_us - 1e-9) / 4
    return np.clip(shades, 0.25, 1.0)


def _fill(
    axes: Axes,
    intervals: _Intervals,
    place: float,
    edges: tuple[float, float],
    color: str,
    *,
    shade: float = 1.0,
) -> None:
    """Add all rectangles of one colour on one row as a single outline."""
    if len(intervals) == 0:
        return
    high, low = place + edges[0], place + edges[1]
    start, end = intervals[:, 0], intervals[:, 1]
    corners = np.stack(
        [
            np.stack([x, np.full_like(x, y)], axis=1)
            for x, y in ((start, low), (end, low), (end, high), (start, high), (start, low))
        ],
        axis=1,
    )
    codes = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY] * len(intervals)
    outline = Outline(corners.reshape(-1, 2), codes)
    patch = PathPatch(outline, facecolor=color, edgecolor=color, linewidth=0.15, alpha=shade)
    axes.add_patch(patch)


def _label_rows(axes: Axes, tracks: Sequence[_Track]) -> None:
    """Names on the left, kinds in bold."""
    rows = [track.row for track in tracks]
    labels, places, bold = [], [], []
    for index, track in enumerate(tracks):
        row = track.row
        alone = [each.kind for each in rows].count(row.kind) == 1
        if _has_heading(rows, index):
            labels.append(row.kind)
            places.append(track.place - 1.0)
            bold.append(True)
        labels.append(_alone(row) if alone else _cut(row.label))
        places.append(track.place)
        bold.append(alone)
    axes.set_yticks(places, labels=labels)
    axes.tick_params(axis="y", length=0, labelsize=6.5, pad=3, labelcolor=style.MUTED)
    for label, strong in zip(axes.get_yticklabels(), bold, strict=True):
        if strong:
            label.set(weight="bold", color=style.INK)
    if tracks:
        axes.set_ylim(tracks[-1].place + 0.8, -0.6)


def _alone(row: Row) -> str:
    """Name of the only row of its kind."""
    count = len(row.resources)
    if count > 1:
        return f"{row.kind} ({count})"
    return (
        f"{row.kind}, tile {row.label}" if row.label.isdigit() else _cut(f"{row.kind} {row.label}")
    )


def _cut(label: str) -> str:
    """The end of a long name, which tells more than its beginning.

    Examples
    --------
    >>> _cut("encoder.layer.11.attention.self.query.projection")
    '…11.attention.self.query.projection'
    """
    shown = label.strip()
    while len(shown) > _LONGEST_LABEL and "." in shown[1:]:
        shown = f"…{shown.lstrip('…').partition('.')[2]}"
    return shown if len(shown) <= _LONGEST_LABEL else f"…{shown[1 - _LONGEST_LABEL :]}"


def _label_numbers(axes: Axes, tracks: Sequence[_Track], end_us: float, latency_us: float) -> None:
    """On the right: how long each row is busy, and its share of the critical path."""
    small: dict[str, Any] = {"fontsize": 6.5, "color": style.MUTED, "annotation_clip": False}

    def note(text: str, place: float, right: int, strong: bool = False) -> None:
        axes.annotate(
            text,
            (1.0, place),
            (right, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            weight="bold" if strong else "normal",
            **small,
        )

    for track in tracks:
        note(percent(track.busy_us / end_us, 0), track.place, _BUSY_AT)
        if latency_us and track.path_us:
            note(percent(track.path_us / latency_us, 0), track.place, _PATH_AT, strong=True)
    if not tracks:
        return
    top = -0.6 - 0.9
    note("busy", top, _BUSY_AT)
    if latency_us:
        note("path", top, _PATH_AT)


def _named(colors: dict[str, str]) -> list[tuple[str, str]]:
    """Every layer, or evenly spaced ones when there are more than fit."""
    entries = list(colors.items())
    if len(entries) <= _MOST_NAMED_LAYERS:
        return entries
    steps = np.linspace(0, len(entries) - 1, _MOST_NAMED_LAYERS)
    return [entries[index] for index in np.unique(steps.round().astype(int))]
