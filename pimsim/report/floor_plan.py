"""The floor plan: which tile holds which layer.

Which question this module answers: *what lies where on the chip, and how full is it?*

Tiles stand as the network numbers them: row by row, a square as nearly as their number allows. In
each tile, one upright bar per kind of macro is filled from below, one colour per layer, as far as
its macros are used. Rounds of reprogramming have a plan each. Rows of tiles at the end of which
nothing lies are left out, and said so.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from pimsim.errors import OutputError
from pimsim.mapping import MappedWorkload
from pimsim.report import style
from pimsim.report.frames import OUTSIDE_LAYERS, op_group
from pimsim.report.wording import percent

SUFFIXES: Final = (".svg", ".png", ".pdf")
"""Files that a floor plan can be written to."""

_EMPTY: Final = "#eef1f4"
_MARGIN: Final = 0.06
"""Room around a tile, as a share of its side."""
_NUMBERED_TILES: Final = 100
"""Tiles of a plan that still carry their number."""
_MOST_ROUNDS: Final = 6
_ROUNDS_ABREAST: Final = 3
_NAMED_LAYERS: Final = 11
_MOST_HEIGHT_IN: Final = 7.0
_LARGEST_IN: Final = 1.2
"""Side of a tile on paper at most."""
_EDGE_IN: Final = 0.1
_LINE_IN: Final = 0.165
"""Height of a line of text."""
_CAPTION_CHARACTERS: Final = 118
_LEGEND_CHARACTERS: Final = 110
"""Characters of a line of the legend, six of them for each colour."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A filled part of a tile."""

    tile: int
    left: float
    right: float
    low: float
    high: float
    group: str


def check_file(path: Path) -> None:
    """Check that a floor plan may be written to ``path``, before the work is done.

    Raises
    ------
    OutputError
        If its name ends in something else than a known suffix, or if its folder does not exist.
    """
    if path.suffix not in SUFFIXES:
        raise OutputError(
            f"cannot write to {path}: a floor plan is a file that ends in {', '.join(SUFFIXES)}"
        )
    if path.is_dir():
        raise OutputError(f"cannot write to {path}: it is a folder; name a file")
    if not path.resolve().parent.is_dir():
        raise OutputError(f"cannot write to {path}: its folder does not exist")


def write(mapped: MappedWorkload, path: Path) -> None:
    """Draw the floor plan into a file, as its name's suffix says.

    Raises
    ------
    OutputError
        As :func:`check_file`, or if the file cannot be written.
    """
    check_file(path)
    figure = draw(mapped)
    try:
        if path.suffix == ".svg":
            path.write_text(style.to_svg(figure), encoding="utf-8")
        elif path.suffix == ".png":
            style.save_png(figure, path)
        else:
            with style.applied():
                figure.savefig(path, format="pdf", metadata={"CreationDate": None})
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror}") from error


def draw(mapped: MappedWorkload) -> Figure:
    """Draw the tiles with what they hold, one plan per round."""
    rounds = range(min(mapped.rounds, _MOST_ROUNDS))
    boxes = {number: tuple(_boxes(mapped, number)) for number in rounds}
    groups = dict.fromkeys(op_group(op.op.name) for op in mapped.ops if op.placement)
    colors = _colors(list(groups))
    tiles = mapped.architecture.chip.tiles
    width = math.isqrt(tiles - 1) + 1
    last = max((box.tile for found in boxes.values() for box in found), default=0)
    size = width, min(last // width + 2, -(-tiles // width))
    caption = textwrap.wrap(_caption(mapped, size[0] * size[1]), _CAPTION_CHARACTERS)
    handles = [Patch(color=color, label=name) for name, color in _named(colors)]
    handles.append(Patch(facecolor=_EMPTY, edgecolor=style.RULE, label="free"))
    columns = max(1, _LEGEND_CHARACTERS // (6 + max(len(str(one.get_label())) for one in handles)))
    page = _Page.fit(
        size,
        len(rounds),
        heading_in=0.4 + _LINE_IN * len(caption),
        legend_in=0.2 + _LINE_IN * -(-len(handles) // columns),
    )
    with style.applied():
        figure = style.NotebookFigure(figsize=(style.WIDTH_IN, page.height_in))
        for number in rounds:
            axes = figure.add_axes(page.place(number))
            _draw_tiles(axes, boxes[number], mapped, size, colors)
            if mapped.rounds > 1:
                axes.set_title(f"round {number + 1} of {mapped.rounds}", fontsize=8, pad=3)
        left, top = _EDGE_IN / style.WIDTH_IN, 1 - 0.1 / page.height_in
        figure.text(left, top, _title(mapped), fontsize=10, weight="bold", va="top")
        below = top - 0.22 / page.height_in
        figure.text(left, below, "\n".join(caption), color=style.MUTED, fontsize=8, va="top")
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(left - 0.01, 0.0),
            ncols=columns,
            fontsize=7.5,
        )
    return figure


@dataclass(frozen=True, slots=True)
class _Page:
    """Where the plans stand, side by side and below each other."""

    height_in: float
    heading_in: float
    abreast: int
    plan_in: tuple[float, float]
    gap_in: float

    @classmethod
    def fit(
        cls, size: tuple[int, int], plans: int, *, heading_in: float, legend_in: float
    ) -> "_Page":
        """Make plans of so many tiles as large as the page allows."""
        abreast = min(plans, _ROUNDS_ABREAST)
        lines = -(-plans // abreast)
        gap_in = 0.25 if plans > 1 else 0.0
        room_in = style.WIDTH_IN - 2 * _EDGE_IN - (abreast - 1) * gap_in
        tile_in = min(room_in / abreast / size[0], _MOST_HEIGHT_IN / lines / size[1], _LARGEST_IN)
        plan_in = tile_in * size[0], tile_in * size[1]
        height_in = heading_in + lines * (plan_in[1] + gap_in) + legend_in
        return cls(height_in, heading_in, abreast, plan_in, gap_in)

    def place(self, number: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a plan, as shares of the page."""
        line, column = divmod(number, self.abreast)
        width_in, height_in = self.plan_in
        left_in = _EDGE_IN + column * (width_in + self.gap_in)
        top_in = self.heading_in + self.gap_in + line * (height_in + self.gap_in)
        return (
            left_in / style.WIDTH_IN,
            1 - (top_in + height_in) / self.height_in,
            width_in / style.WIDTH_IN,
            height_in / self.height_in,
        )


def _boxes(mapped: MappedWorkload, number: int) -> Iterator[_Box]:
    """What lies in every tile in one round: macros of one layer make one box."""
    kinds = [kind for kind, count in mapped.architecture.tile.macros.items() if count]
    held: dict[tuple[int, str], dict[str, set[int]]] = {}
    for op in mapped.ops:
        if op.placement is None or (op.round != number and op.placement.fresh is None):
            continue
        for block in op.placement.all_blocks:
            groups = held.setdefault((block.tile, op.placement.macro), {})
            groups.setdefault(op_group(op.op.name), set()).add(block.macro)
    for (tile, kind), groups in sorted(held.items()):
        side, low = kinds.index(kind), 0.0
        for group, macros in groups.items():
            high = low + len(macros) / mapped.architecture.tile.macros[kind]
            yield _Box(tile, side / len(kinds), (side + 1) / len(kinds), low, high, group)
            low = high


def _draw_tiles(
    axes: Axes,
    boxes: Sequence[_Box],
    mapped: MappedWorkload,
    size: tuple[int, int],
    colors: Mapping[str, str],
) -> None:
    (width, height), tiles = size, mapped.architecture.chip.tiles
    shown = range(min(tiles, width * height))
    kinds = sum(1 for count in mapped.architecture.tile.macros.values() if count)
    empty = [_Box(tile, 0.0, 1.0, 0.0, 1.0, "") for tile in shown]
    outlines = [_corners(box, width) for box in empty]
    line = 0.6 if len(shown) <= _NUMBERED_TILES else 0.2
    axes.add_collection(
        PolyCollection(outlines, facecolor=_EMPTY, edgecolor=style.RULE, linewidth=line)
    )
    axes.add_collection(
        PolyCollection(
            [_corners(box, width) for box in boxes],
            facecolor=[colors[box.group] for box in boxes],
            edgecolor=style.PAPER,
            linewidth=line / 2,
        )
    )
    if kinds > 1:
        edges = [_Box(tile, side / kinds, side / kinds, 0.0, 1.0, "") for tile in shown
                 for side in range(1, kinds)]  # fmt: skip
        axes.add_collection(
            PolyCollection(
                [_corners(box, width) for box in edges], edgecolor=style.PAPER, linewidth=line
            )
        )
    if len(shown) <= _NUMBERED_TILES:
        for tile in shown:
            place = (tile % width + _MARGIN, tile // width + _MARGIN)
            axes.annotate(
                str(tile),
                place,
                (2, -2),
                textcoords="offset points",
                fontsize=6,
                color=style.MUTED,
                va="top",
                path_effects=[withStroke(linewidth=1.5, foreground=style.PAPER)],
            )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()


def _corners(box: _Box, width: int) -> list[tuple[float, float]]:
    """Corners of a box on the plan, where rows of tiles are counted from the top."""
    side = 1 - 2 * _MARGIN
    x, y = box.tile % width + _MARGIN, box.tile // width + 1 - _MARGIN
    left, right = x + side * box.left, x + side * box.right
    low, high = y - side * box.low, y - side * box.high
    return [(left, low), (right, low), (right, high), (left, high)]


def _title(mapped: MappedWorkload) -> str:
    chip = mapped.architecture
    return f"{mapped.quantized.workload.name} on {chip.name}: {chip.chip.tiles:,} tiles"


def _caption(mapped: MappedWorkload, shown: int) -> str:
    kinds = [kind for kind, count in mapped.architecture.tile.macros.items() if count]
    tiles = mapped.architecture.chip.tiles
    parts = []
    for kind in kinds:
        present = tiles * mapped.architecture.tile.macros[kind]
        used = mapped.macros_used[kind]
        parts.append(f"{kind} {used:,} of {present:,} macros ({percent(used / present)})")
    text = "Bars of a tile, from the left: " if len(parts) > 1 else "Bar of a tile: "
    text += ", ".join(parts)
    if shown < tiles:
        text += f". The last {tiles - shown:,} tiles are empty and left out"
    if mapped.rounds > _MOST_ROUNDS:
        text += f". The first {_MOST_ROUNDS} of {mapped.rounds} rounds"
    return text + "."


def _colors(groups: Sequence[str]) -> dict[str, str]:
    """One colour per layer, in order of first use; grey for what is in no layer."""
    layers = [group for group in groups if group != OUTSIDE_LAYERS]
    if len(layers) <= len(style.SERIES):
        colors = dict(zip(layers, style.SERIES, strict=False))
    else:
        scale = mpl.colormaps["viridis"]
        steps = np.linspace(0.05, 0.92, len(layers))
        colors = {layer: to_hex(scale(step)) for layer, step in zip(layers, steps, strict=True)}
    if len(layers) < len(groups):
        colors[OUTSIDE_LAYERS] = style.GREY
    return colors


def _named(colors: Mapping[str, str]) -> list[tuple[str, str]]:
    """Entries of the legend: all layers, or some from the first to the last."""
    layers = [(name, color) for name, color in colors.items() if name != OUTSIDE_LAYERS]
    if len(layers) > _NAMED_LAYERS:
        steps = np.linspace(0, len(layers) - 1, _NAMED_LAYERS).round().astype(int)
        layers = [layers[step] for step in steps]
    return layers + [item for item in colors.items() if item[0] == OUTSIDE_LAYERS]
