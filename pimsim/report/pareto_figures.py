"""Designs against each other: two objectives, the front, and its knee.

Which question this module answers: *what must be given up of the one to gain in the other?*
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.dse.pareto import Direction, front, knee
from pimsim.report import quantities, scales, style
from pimsim.report.labels import confined, spread
from pimsim.report.quantities import check_columns, check_one_workload, check_some, finite
from pimsim.report.wording import grouped

DRAWN_ONE_BY_ONE: Final = 400
"""Dots of one kind that are drawn as vectors; more become one picture."""

_LABELLED: Final = 10
"""Designs of the front that get their label."""
_TRACEABLE: Final = 40
"""Designs of a front up to which lines from labels to dots can be followed; of more, the knee and
the ends are named."""
_LABEL_ROOM: Final = 0.062
"""Distance of two labels, as a share of the axes' height."""
_LOOKS: Final[Mapping[str, dict[str, Any]]] = {
    "infeasible": {"marker": "x", "s": 16, "color": style.RED, "linewidth": 0.9},
    "dominated": {"marker": "o", "s": 13, "color": style.GREY, "alpha": 0.55, "linewidth": 0},
    "front": {"marker": "o", "s": 26, "color": style.BLUE, "linewidth": 0, "zorder": 3},
}


def pareto(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    objectives: Mapping[str, Direction] | None = None,
    label: str | Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw every design by two of its metrics; mark the front and its knee.

    Parameters
    ----------
    frame
        One design per row, such as a sweep's of one workload and seed. Rows without a finite ``x``
        and ``y`` (failed points) are left out; those whose column ``feasible`` is not true are
        drawn apart and are on no front.
    x, y
        Columns of numbers.
    objectives
        Metric → ``minimize`` or ``maximize``. The front is that of all of them, of which the figure
        shows two; absent: of ``x`` and ``y``, by the directions known of them.
    label
        Columns whose values name designs of the front, at the right; of a large front, some.
    title
        Above the figure; absent: what is drawn.

    Raises
    ------
    InputError
        If a column is missing, no row has both values, the frame holds several workloads, or the
        direction of an objective is not known.

    Notes
    -----
    The line is the edge of what feasible designs reach in these two metrics alone: none is better
    than it in both. With more objectives a design of the front may lie behind it, being better in
    another. More than :data:`DRAWN_ONE_BY_ONE` dots of a kind are drawn as one picture, so that a
    figure of ten thousand designs stays small.

    Examples
    --------
    >>> table = pd.DataFrame({"energy_uj": [1.0, 2.0, 3.0], "accuracy": [0.5, 0.9, 0.8]})
    >>> pareto(table, "energy_uj", "accuracy").axes[0].get_xlabel()
    'energy per inference [µJ]'
    """
    labels = [label] if isinstance(label, str) else list(label or ())
    check_columns(frame, (x, y), numbers=2)
    goals = quantities.directions(list(objectives or (x, y)), objectives)
    check_columns(frame, (*dict.fromkeys((x, y, *goals)), *labels), numbers=len({x, y, *goals}))
    check_one_workload(frame)
    designs = frame[finite(frame[x]) & finite(frame[y])].reset_index(drop=True)
    check_some(designs, x, y)
    feasible = feasible_rows(designs)
    values = designs[list(goals)].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[~feasible] = np.nan
    best, corner = front(values, tuple(goals.values())), knee(values, tuple(goals.values()))
    with style.applied():
        figure, axes = style.new_figure(3.9)
        kinds = {"infeasible": ~feasible, "dominated": feasible & ~best, "front": best}
        for kind, chosen in kinds.items():
            _dots(axes, designs[chosen], (x, y), kind, several=len(goals) > 2)
        for axis, column in ((axes.xaxis, x), (axes.yaxis, y)):
            scales.dress(axis, column, designs[column])
        _edge(axes, designs[feasible], (x, y), goals)
        if corner is not None:
            word = "knee" if best.sum() > 1 else "best"
            _star(axes, float(designs[x].iloc[corner]), float(designs[y].iloc[corner]), word)
        if labels and corner is not None:
            _name(axes, designs[best], (x, y), labels, corner)
        axes.grid(which="major")
        axes.set_title(
            title or f"{quantities.capital(quantities.name(y))} against {quantities.name(x)}"
        )
        entries = len(axes.get_legend_handles_labels()[1])
        figure.legend(loc="outside lower left", ncols=entries if entries < 5 else 3)
    return figure


def feasible_rows(frame: pd.DataFrame) -> Bool[np.ndarray, " designs"]:
    """Rows that keep every constraint; all, where the frame has no column that says so."""
    if "feasible" not in frame:
        return np.ones(len(frame), np.bool_)
    marks: Bool[np.ndarray, " designs"] = (frame["feasible"] == True).to_numpy(dtype=np.bool_)  # noqa: E712  (None is neither)
    return marks


def _dots(
    axes: Axes, designs: pd.DataFrame, columns: tuple[str, str], kind: str, *, several: bool
) -> None:
    """One kind of design; many of them as a picture instead of as vectors."""
    if not len(designs):
        return
    name = "front of all objectives" if kind == "front" and several else kind
    x, y = columns
    many = len(designs) > DRAWN_ONE_BY_ONE
    look = {**_LOOKS[kind], "s": _LOOKS[kind]["s"] / (2 if many else 1)}
    axes.scatter(
        designs[x], designs[y], label=f"{name} ({grouped(len(designs))})",
        rasterized=many, **look,
    )  # fmt: skip


def _edge(
    axes: Axes,
    designs: pd.DataFrame,
    columns: tuple[str, str],
    goals: Mapping[str, Direction],
) -> None:
    """Stairs along the designs that none beats in these two metrics; none of unknown direction."""
    ways = [goals.get(column) or quantities.direction(column) for column in columns]
    known = [way for way in ways if way is not None]
    if len(known) < 2 or not len(designs):
        return
    values = designs[list(columns)].to_numpy(dtype=np.float64)
    reached = np.unique(values[front(values, tuple(known))], axis=0)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    worst = high if known[1] == "minimize" else low
    if known[0] == "minimize":
        stairs = [(reached[0, 0], worst), *reached.tolist(), (right, reached[-1, 1])]
    else:
        stairs = [(left, reached[0, 1]), *reached.tolist(), (reached[-1, 0], worst)]
    axes.plot(
        *zip(*stairs, strict=True), color=style.BLUE, linewidth=1.0, alpha=0.7, zorder=2,
        drawstyle="steps-post" if known[0] == "minimize" else "steps-pre",
        label="edge of what is reached",
    )  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


def _star(axes: Axes, x: float, y: float, word: str) -> None:
    axes.plot(
        [x], [y], "*", color=style.ORANGE, markeredgecolor=style.INK, markeredgewidth=0.7,
        markersize=13, label=word, zorder=4, linestyle="none",
    )  # fmt: skip


def _name(
    axes: Axes, best: pd.DataFrame, columns: tuple[str, str], labels: Sequence[str], corner: int
) -> None:
    """Labels of designs of the front beside the axes, each with a line to its dot."""
    x, y = columns
    ordered = best.sort_values([x, y], kind="stable")
    if len(ordered) > _LABELLED:
        wanted = _LABELLED - 1 if len(ordered) <= _TRACEABLE else 2
        places = np.unique(np.linspace(0, len(ordered) - 1, wanted).round().astype(int))
        kept = {*ordered.index[places].tolist(), corner}
        ordered = ordered[ordered.index.isin(kept)]
    up = axes.transAxes.inverted().transform(
        axes.transData.transform(ordered[[x, y]].to_numpy(dtype=np.float64))
    )[:, 1]
    places_up = confined(spread(up, _LABEL_ROOM), _LABEL_ROOM)
    for (index, row), place in zip(ordered.iterrows(), places_up.tolist(), strict=True):
        axes.annotate(
            ", ".join(quantities.written_cell(name, row[name]) for name in labels),
            (row[x], row[y]), (1.03, place), xycoords="data", textcoords="axes fraction",
            va="center", fontsize=7.5, fontweight="bold" if index == corner else "normal",
            arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.5},
            annotation_clip=False,
        )  # fmt: skip
    head = ",\n".join(quantities.short_names(labels)[name] for name in labels)
    axes.annotate(
        head, (1.03, max(1.0, float(places_up.max()) + _LABEL_ROOM)), xycoords="axes fraction",
        va="bottom", fontsize=7.5, color=style.MUTED, annotation_clip=False,
    )  # fmt: skip
