"""The sections on the designs that none beats: which they are, and what each gives up.

Which question this module answers: *which of these designs should I build?*
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from pimsim.dse.judging import knees, on_front
from pimsim.dse.pareto import Direction, front
from pimsim.dse.record import SweepRecord
from pimsim.report import quantities, style
from pimsim.report.markup import (
    Column,
    Section,
    breakable,
    drawing,
    heading,
    paragraph,
    section,
    table,
)
from pimsim.report.pareto_figures import feasible_rows, pareto
from pimsim.report.wording import count, grouped, listed

ROWS_SHOWN: Final = 30
"""Designs of the front in the table; a frame beside the page has all."""

_COLUMNS_MAX: Final = 8
"""Columns beside the design's number that fit on paper."""
_ALSO_SHOWN: Final = ("accuracy", "energy_uj", "latency_us", "area_mm2", "tops_per_w")
"""Columns of the table beside the objectives, as far as there is room."""

_NAMED_BY_SETTINGS: Final = 3
"""Axes up to which the settings of a design fit into a figure as its name."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The designs of a sweep on one workload, with its first seed."""

    record: SweepRecord
    workload: str
    designs: pd.DataFrame
    """That have ended without an error, each once."""
    best: pd.DataFrame
    """Those on the front, in the order of the first objective."""
    knee: "pd.Series | None"

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """Metric → direction."""
        return self.record.objectives

    @property
    def word(self) -> str:
        """``knee``, or ``best`` where nothing must be given up: one objective, or one design."""
        return "knee" if len(self.objectives) > 1 and len(self.best) > 1 else "best"

    def extremes(self) -> dict[str, "pd.Series"]:
        """Metric → the design of the front that is best in it; not of what is the same in all."""
        if not len(self.best):
            return {}
        found = {}
        for metric, way in self.objectives.items():
            column = self.best[metric].to_numpy(dtype=np.float64)
            if len(column) > 1 and column.min() == column.max():
                continue
            place = int(column.argmin() if way == "minimize" else column.argmax())
            found[metric] = self.best.iloc[place]
        return found


def judge(record: SweepRecord, workload: str) -> Judged:
    """Take one workload of a sweep, with its first seed, and find its front and knee."""
    frame = record.frame
    chosen = (frame["workload"] == workload) & (frame["seed"] == record.seeds[0])
    marks = pd.Series(on_front(frame, record), index=frame.index)
    place = knees(frame, record).get(workload)
    own = frame[chosen & frame["error"].isna()]
    own = own.drop_duplicates(list(record.axes))  # a search meets designs again
    best = own[marks[own.index]]
    if len(best):
        first, way = next(iter(record.objectives.items()))
        best = best.sort_values([first, "design"], ascending=[way == "minimize", True])
    knee = None if place is None else frame.iloc[place]
    return Judged(record, workload, own, best, knee)


def summary(judged: Judged) -> str:
    """Say in a few sentences how many designs there are, what the front spans, and the knee."""
    designs, best = judged.designs, judged.best
    infeasible = int((~feasible_rows(designs)).sum())
    text = f"{count(len(designs), 'design')} of {judged.record.architecture_name} on "
    text += f"{judged.workload}"
    if infeasible:
        text += f", of which {grouped(infeasible)} break a constraint"
    if not judged.objectives:
        return f"{text}. The sweep has no objectives, so that no design is better than another."
    goals = listed([quantities.name(metric) for metric in judged.objectives])
    if not len(best):
        return f"{text}. None of them is feasible with a value of {goals}."
    if judged.word == "best":
        equal = len(best) - 1
        also = f"; {count(equal, 'other')} equal{'s' if equal == 1 else ''} it" if equal else ""
        return f"{text}. The best by {goals} is {_told(judged)}{also}."
    text += f". {len(best)} designs stand on the front of {goals}{_spans(judged)}"
    return f"{text}. The knee, nearest to the best of all at once, is {_told(judged)}."


def _spans(judged: Judged) -> str:
    """What the front spans, and what is the same all along it."""
    spans, same = [], []
    for metric in judged.objectives:
        column = judged.best[metric]
        unit = quantities.unit(metric, column)
        low, high = (
            f"{quantities.written(metric, end, column)}" for end in (column.min(), column.max())
        )
        behind = f"\u202f{unit}" if unit else ""
        if low == high:
            same.append(f"{quantities.name(metric)} {high}{behind}")
        else:
            spans.append(f"{low} to {high}{behind}")
    text = f", which spans {listed(spans)}" if spans else ""
    return text + (f", all with {listed(same)}" if same else "")


def _told(judged: Judged) -> str:
    """The chosen design, what it sets and what it reaches."""
    knee = judged.knee
    assert knee is not None  # there is one where there is a front
    values = [
        f"{quantities.name(metric)} "
        f"{quantities.with_unit(metric, knee[metric], judged.best[metric])}"
        for metric in judged.objectives
    ]
    return f"design {knee['design']} ({settings(judged.record.axes, knee)}): {listed(values)}"


def settings(axes: Sequence[str], row: Mapping[str, object] | pd.Series) -> str:
    """Write what a design sets: ``adc.levels 9, chip.clock 0.5 GHz``."""
    names = quantities.short_names(axes)
    return ", ".join(f"{names[axis]} {_setting(axis, row[axis])}" for axis in axes)


def _setting(axis: str, value: object) -> str:
    unit = quantities.unit(axis)
    return f"{quantities.written_setting(value)}\u202f{unit}".rstrip("\u202f")


def page_section(judged: Judged, name: str = "front") -> Section:
    """The table of the front, and its projections on every two objectives in conflict."""
    drawings, captions, agreed = _projections(judged, name)
    return section(
        name,
        "Designs that none beats",
        paragraph(_how_judged(judged)),
        _table(judged),
        heading("What must be given up of the one to gain in the other") if drawings else "",
        *(
            drawing(drawings, key, f"Designs by two objectives: {caption}")
            for key, caption in captions.items()
        ),
        paragraph(agreed, "note") if agreed else "",
        short="Front",
    )


def _how_judged(judged: Judged) -> str:
    record = judged.record
    if not judged.objectives:
        return "The sweep has no objectives: no design is better than another."
    goals = listed([
        f"{quantities.name(metric)} ({'less' if way == 'minimize' else 'more'} is better)"
        for metric, way in judged.objectives.items()
    ])  # fmt: skip
    text = f"To improve on one of these in any of {goals} is to lose in another."
    if len(judged.objectives) == 1:
        text = f"The best by {goals}."
    if record.constraints:
        text += f" Designs must keep {listed(constraints(record))}."
    if len(record.seeds) > 1:
        text += f" Judged with seed {record.seeds[0]}, the first of {len(record.seeds)}."
    return text


def constraints(record: SweepRecord) -> list[str]:
    """Write the constraints of a sweep, each as a bound."""
    texts = []
    for metric, bounds in record.constraints.items():
        column = record.frame[metric]
        for bound, sign in (("min", "≥"), ("max", "≤")):
            if bound in bounds:
                value = quantities.with_unit(metric, bounds[bound], column)
                texts.append(f"{quantities.name(metric)} {sign} {value}")
    return texts


def _table(judged: Judged) -> str:
    best, axes = judged.best, judged.record.axes
    if not len(best):
        return paragraph("There is none.")
    names = quantities.short_names(axes)
    metrics = _columns(judged)
    columns = [Column("Design")]
    for axis in axes:
        unit = quantities.unit(axis)
        title = breakable(f"{names[axis]} [{unit}]" if unit else names[axis])
        columns.append(Column(title, number=quantities.holds_numbers(best[axis])))
    for metric in metrics:
        title = quantities.label(metric, best[metric]).replace(" per inference", "")
        columns.append(Column(title, number=True))
    shown = best.head(ROWS_SHOWN)
    knee = None if judged.knee is None else judged.knee["design"]
    rows = [
        (
            f"{row['design']} ({judged.word})" if row["design"] == knee else str(row["design"]),
            *(quantities.written_setting(row[axis]) for axis in axes),
            *(quantities.written(metric, row[metric], best[metric]) for metric in metrics),
        )
        for row in shown.to_dict("records")
    ]
    places = np.flatnonzero((shown["design"] == knee).to_numpy())
    hidden = len(best) - len(rows)
    note = (
        f"The other {grouped(hidden)} are in points.csv beside the store of the sweep."
        if hidden
        else ""
    )
    return table(columns, rows, marked=int(places[0]) if places.size else None) + (
        paragraph(note, "note") if note else ""
    )


def _columns(judged: Judged) -> list[str]:
    """Metrics of the table: the objectives, and what else there is room for."""
    room = _COLUMNS_MAX - len(judged.record.axes) - len(judged.objectives)
    others = [
        name
        for name in _ALSO_SHOWN
        if name not in judged.objectives and judged.best[name].notna().any()
    ]
    return [*judged.objectives, *others[: max(0, room)]]


def _projections(judged: Judged, name: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Figures of each two objectives, what they show, and which two do not conflict."""
    goals = judged.objectives
    drawings, captions, agreed = {}, {}, []
    for one, other in itertools.combinations(goals, 2):
        across, up = _sides(one, other)
        if not len(judged.best):
            continue
        values = judged.best[[one, other]].to_numpy(dtype=np.float64)
        edge = np.unique(values[front(values, (goals[one], goals[other]))], axis=0)
        if len(edge) < 2 and len(judged.best) > 1 and len(goals) > 2:
            agreed.append(f"{quantities.name(one)} with {quantities.name(other)}")
            continue
        key = f"{name}-{across}-{up}".replace("_", "-")
        figure = pareto(judged.designs, across, up, objectives=goals, label=_label(judged))
        drawings[key] = style.to_svg(figure)
        captions[key] = f"{quantities.name(up)} against {quantities.name(across)}"
    text = ""
    if agreed:
        text = f"Not drawn, because one design is best in both: {'; '.join(agreed)}."
    return drawings, captions, text


def _label(judged: Judged) -> list[str]:
    """Columns that name a design in a figure: what it sets, or its number if that is much."""
    axes = list(judged.record.axes)
    return axes if len(axes) <= _NAMED_BY_SETTINGS else ["design"]


def _sides(one: str, other: str) -> tuple[str, str]:
    """Which of two metrics goes across: what is spent, not what is gained."""
    return (other, one) if quantities.direction(one) == "maximize" else (one, other)
