"""The last sections of a sweep's page: what failed and why, and what was asked.

Which question this module answers: *what is missing here, and how do I get the same again?*
"""

import re
from collections.abc import Iterable
from typing import Final

import pandas as pd

from pimsim.dse.record import SweepRecord
from pimsim.report import quantities
from pimsim.report.markup import Column, Section, pairs, paragraph, section, table
from pimsim.report.sweep_front import constraints
from pimsim.report.wording import count, grouped

_GROUPS_SHOWN: Final = 20
_SETTINGS_SHOWN: Final = 8
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")


def failures(record: SweepRecord, name: str = "failed") -> Section | None:
    """Points that failed, grouped by reason; ``None`` if none did.

    Reasons that differ in numbers only are one group, told by its first point.
    """
    failed = record.frame[record.frame["error"].notna()]
    if not len(failed):
        return None
    reasons = failed["error"].map(lambda text: _NUMBER.sub("#", str(text)))
    groups = sorted(failed.groupby(reasons, sort=False), key=lambda pair: -len(pair[1]))
    rows = [
        (str(group["error"].iloc[0]), str(len(group)), _shared(group, record.axes))
        for _, group in groups[:_GROUPS_SHOWN]
    ]
    hidden = len(groups) - len(rows)
    return section(
        name,
        "Points that failed",
        paragraph(
            f"{count(len(failed), 'point')} of {len(record.frame)} gave no result. Reasons that "
            "differ in numbers only are told once, by the first of them; column 'error' of "
            "points.csv has each."
        ),
        table(
            [Column("Reason"), Column("Points", number=True), Column("Settings", prose=True)], rows
        ),
        paragraph(f"{hidden} more reasons are in points.csv.", "note") if hidden else "",
        short="Failed",
    )


def _shared(group: pd.DataFrame, axes: Iterable[str]) -> str:
    """Settings of the failed points, axis by axis."""
    names = quantities.short_names(axes)
    texts = []
    for axis, short in names.items():
        texts.append(f"{short} {_settings(group[axis])}")
    return "\n".join(texts)


def asked(record: SweepRecord, name: str = "asked") -> Section:
    """What was swept, how designs were chosen, run and judged."""
    sampler = ", ".join(f"{key} {value}" for key, value in record.sampler.items() if key != "model")
    goals = [f"{way} {metric}" for metric, way in record.objectives.items()]
    entries = {
        "Sweep": f"{record.name}: {record.description}" if record.description else record.name,
        "Architecture": record.architecture_name,
        "Workloads": ", ".join(record.workloads),
        "Fixed settings": ", ".join(record.overrides) or "none",
        **{f"Axis {axis}": _settings(record.frame[axis]) for axis in record.axes},
        "Sampler": f"{record.sampler['model']} ({sampler})" if sampler else record.sampler["model"],
        "Objectives": ", ".join(goals) or "none",
        "Constraints": ", ".join(constraints(record)) or "none",
        "Points": f"{grouped(len(record.frame))} of {grouped(record.points)} have ended",
        "Seeds": ", ".join(str(seed) for seed in record.seeds),
        "Samples, chips": f"{record.samples or 'as many as a run takes'}, {record.chips}",
        "Batch": str(record.batch),
        "Tokens per input": "as the workload has it" if record.seq is None else str(record.seq),
        "Phase": record.phase or "the whole input",
        "pimsim": record.pimsim_version,
    }
    if record.context is not None:
        entries["Tokens in the cache"] = str(record.context)
    return section(
        name,
        "What was swept",
        pairs(entries),
        paragraph(
            "sweep.yaml and architecture.yaml in the folder of the sweep run it again; "
            "points.csv has every point.",
            "note",
        ),
        short="Asked",
    )


def _settings(column: "pd.Series") -> str:
    """Settings of an axis, or how many there are and between which."""
    found = column.drop_duplicates()
    if quantities.holds_numbers(column):
        found = found.sort_values()
    if len(found) <= _SETTINGS_SHOWN:
        return ", ".join(quantities.written_setting(value) for value in found)
    text = count(len(found), "value")
    if quantities.holds_numbers(column):
        low, high = (quantities.written_setting(end) for end in found.iloc[[0, -1]])
        return f"{text} from {low} to {high}"
    return text
