"""The timeline figure: which resource works on which layer, and when.

Which question this module answers: *where does one inference spend its time, and who idles?*

One track per resource, grouped by kind. A kind with many resources keeps its busiest tracks; the
others share one grey track that is filled wherever any of them is busy. Intervals of one layer on
one track that are closer than can be seen are drawn as one, so the file stays small; the numbers
beside the tracks are exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from pimsim.report import style
from pimsim.report.frames import OUTSIDE_LAYERS
from pimsim.report.wording import number, percent

MOST_TRACKS: Final = 80
"""Tracks that still have readable labels on one page."""
_FEWEST_PER_KIND: Final = 4
_SMALLEST_GAP_RATIO: Final = 1 / 2500
"""Gap between intervals that is still drawn, as a share of the width: half a pixel on paper."""
_TRACK_HEIGHT_IN: Final = 0.115
_BAR_HALF_HEIGHT: Final = 0.39
_GAP_TRACKS: Final = 0.5
"""Room between kinds beside the heading, in tracks."""

_CLASS_ORDER: Final = ("macro", "write", "vector_unit", "tile_buffer", "global_buffer", "noc")
"""From where the work is done to how it gets there; other classes come last."""

_Intervals = NDArray[np.float64]
"""(n, 2): start and end. [µs]"""


@dataclass(frozen=True, slots=True)
class _Track:
    kind: str
    label: str
    rows: pd.DataFrame
    merged: bool

    @property
    def busy_us(self) -> float:
        """Time in which at least one of the track's resources works. [µs]"""
        union = union_of(_intervals(self.rows), gap_us=0.0)
        return float((union[:, 1] - union[:, 0]).sum())


def timeline(timeline: pd.DataFrame, *, most_tracks: int = MOST_TRACKS) -> Figure:
    """Draw the replay of one inference.

    Parameters
    ----------
    timeline
        Table of :func:`.frames.timeline`.
    most_tracks
        Tracks to draw before the least busy of a kind share one; every kind keeps a few.
    """
    tracks = _tracks(timeline, most_tracks)
    colors = _colors(timeline["group"])
    end_us = float(timeline["end_us"].max()) if len(timeline) else 1.0
    positions = list(_positions(tracks))
    height = (positions[-1] + 1.5 if positions else 1.0) * _TRACK_HEIGHT_IN
    with style.applied():
        figure, axes = style.new_figure(1.35 + height)
        for position, track in zip(positions, tracks, strict=True):
            _draw(axes, position, track, colors, end_us)
        _label(axes, positions, tracks, end_us)
        axes.set_xlim(0, end_us)
        axes.set_xlabel("time since the inputs reached the global buffer [µs]")
        axes.set_title(f"Timeline of one inference: {number(end_us)} µs")
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        shown = _legend(colors)
        merged = any(track.merged for track in tracks)
        handles = [Patch(color=color, label=name) for name, color in shown]
        if merged:
            handles.append(Patch(color=style.GREY, label="several resources"))
        figure.legend(handles=handles, loc="outside lower left", ncols=6, fontsize=7.5)
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


def _intervals(rows: pd.DataFrame) -> _Intervals:
    return rows[["start_us", "end_us"]].to_numpy(dtype=np.float64)


def _tracks(timeline: pd.DataFrame, most_tracks: int) -> list[_Track]:
    """Choose the tracks: macros first, then units, buffers and network, each by first use."""
    by_kind: dict[tuple[int, str], list[str]] = {}
    used = timeline[["resource", "resource_class"]].drop_duplicates()
    for resource, name in used.astype(str).itertuples(index=False):
        rank = _CLASS_ORDER.index(name) if name in _CLASS_ORDER else len(_CLASS_ORDER)
        by_kind.setdefault((rank, split_name(resource)[0]), []).append(resource)
    sizes = {kind: len(names) for kind, names in by_kind.items()}
    allowed = share_out(list(sizes.values()), most_tracks, fewest=_FEWEST_PER_KIND)
    quota = dict(zip(sizes, allowed, strict=True))
    tracks: list[_Track] = []
    for key in sorted(by_kind, key=lambda key: key[0]):
        tracks += _kind_tracks(timeline, key[1], by_kind[key], quota[key])
    return tracks


def share_out(sizes: Sequence[int], most: int, *, fewest: int) -> list[int]:
    """Share ``most`` places among groups: small groups get all they need, large ones equal parts.

    Every group may have ``fewest``, even if the sum then exceeds ``most``.

    Examples
    --------
    >>> share_out([2, 30, 50], 42, fewest=4)
    [2, 20, 20]
    """
    allowed = [0] * len(sizes)
    left = most
    for rank, group in enumerate(sorted(range(len(sizes)), key=lambda group: sizes[group])):
        part = max(fewest, left // (len(sizes) - rank))
        allowed[group] = min(sizes[group], part)
        left -= allowed[group]
    return allowed


def _kind_tracks(
    timeline: pd.DataFrame, kind: str, names: Sequence[str], allowed: int
) -> list[_Track]:
    of_kind = timeline[timeline["resource"].isin(names)]
    kept = list(names)
    if len(names) > allowed:
        busy = (of_kind["end_us"] - of_kind["start_us"]).groupby(of_kind["resource"]).sum()
        kept = [str(name) for name in busy.sort_values(ascending=False, kind="stable").index]
        kept = kept[: allowed - 1]
    tracks = [
        _Track(kind, split_name(name)[1], of_kind[of_kind["resource"] == name], merged=False)
        for name in sorted(kept, key=lambda name: _rank(name, names))
    ]
    others = of_kind[~of_kind["resource"].isin(kept)]
    if len(others):
        label = f"{others['resource'].nunique()} others"
        tracks.append(_Track(kind, label, others, merged=True))
    return tracks


_KINDS: Final = {
    "macro": "{} macros",
    "write": "{} row writes",
    "unit": "{} units",
    "tile_buffer": "tile buffers",
    "global_buffer": "global buffer",
    "noc": "network",
}
"""Beginning of a resource's name → what its kind is called; the second part fills the braces."""


def split_name(resource: str) -> tuple[str, str]:
    """Return a resource's kind, for the heading, and what tells it from the others of its kind.

    Examples
    --------
    >>> split_name("macro:mram:blocks.0.mlp.up")
    ('mram macros', 'blocks.0.mlp.up')
    >>> split_name("noc:3>2"), split_name("global_buffer"), split_name("clock_tree:0")
    (('network', '3>2'), ('global buffer', ''), ('clock tree', '0'))
    """
    head, _, label = resource.partition(":")
    title = _KINDS.get(head, head.replace("_", " "))
    if "{}" in title:
        middle, _, label = label.partition(":")
        title = title.format(middle.replace("_", " "))
    return title, label


def _positions(tracks: Sequence[_Track]) -> Iterator[float]:
    """Place tracks one below the other, with room for a heading above each kind."""
    position = 0.0
    for index, track in enumerate(tracks):
        if index == 0 or tracks[index - 1].kind != track.kind:
            position += 1.0 if index == 0 else 1.0 + _GAP_TRACKS
        yield position
        position += 1.0


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
        colors[OUTSIDE_LAYERS] = style.INK
    return colors


def _rank(name: str, names: Sequence[str]) -> int:
    """Order within a kind: by number where the labels are numbers, else by first use."""
    label = split_name(name)[1]
    return int(label) if label.isdigit() else names.index(name)


def _draw(
    axes: Axes, position: float, track: _Track, colors: dict[str, str], end_us: float
) -> None:
    axes.plot([0, end_us], [position, position], color=style.RULE, linewidth=0.4, zorder=0.5)
    gap_us = end_us * _SMALLEST_GAP_RATIO
    if track.merged:
        _fill(axes, union_of(_intervals(track.rows), gap_us=gap_us), position, style.GREY)
        return
    for group, rows in track.rows.groupby("group", sort=False):
        _fill(axes, union_of(_intervals(rows), gap_us=gap_us), position, colors[str(group)])


def _fill(axes: Axes, intervals: _Intervals, position: float, color: str) -> None:
    """Add all rectangles of one colour on one track as a single outline."""
    low, high = position - _BAR_HALF_HEIGHT, position + _BAR_HALF_HEIGHT
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
    axes.add_patch(PathPatch(outline, facecolor=color, edgecolor=color, linewidth=0.15))


def _label(axes: Axes, positions: Sequence[float], tracks: Sequence[_Track], end_us: float) -> None:
    labels, places = [], []
    for index, (position, track) in enumerate(zip(positions, tracks, strict=True)):
        labels.append(track.label)
        places.append(position)
        if index == 0 or tracks[index - 1].kind != track.kind:
            labels.append(track.kind)
            places.append(position - 1.0)
    axes.set_yticks(places, labels=labels)
    axes.tick_params(axis="y", length=0, labelsize=6.5, pad=3, labelcolor=style.MUTED)
    headings = {track.kind for track in tracks}
    for label in axes.get_yticklabels():
        if label.get_text() in headings:
            label.set(weight="bold", color=style.INK)
    for position, track in zip(positions, tracks, strict=True):
        axes.annotate(
            percent(track.busy_us / end_us, 0),
            (1.0, position),
            (4, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=style.MUTED,
            annotation_clip=False,
        )
    if positions:
        axes.set_ylim(positions[-1] + 0.8, -0.6)
    axes.annotate(
        "busy",
        (1.0, 1.0),
        (4, 2),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=6.5,
        color=style.MUTED,
    )


def _legend(colors: dict[str, str]) -> list[tuple[str, str]]:
    """Name every layer, or evenly spaced ones when there are more than fit."""
    entries = list(colors.items())
    most = 9
    if len(entries) <= most:
        return entries
    chosen = np.unique(np.linspace(0, len(entries) - 1, most).round().astype(int))
    return [entries[index] for index in chosen]
