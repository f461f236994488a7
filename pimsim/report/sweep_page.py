"""A sweep as a part of a page.

Which question this module answers: *what would I tell a colleague about this sweep?*

The knee design of each workload has a whole result in the folder of the sweep; its sections are
those of a run's page, under names of their own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape

import pandas as pd

from pimsim.config import load_architecture
from pimsim.dse.record import SweepRecord
from pimsim.errors import InputError, PimsimError
from pimsim.report import markup, quantities, sweep_asked, sweep_knobs
from pimsim.report import sweep_front as fronts
from pimsim.report.designs_diff import diff_table
from pimsim.report.folder import load_result
from pimsim.report.markup import Section, paragraph, section
from pimsim.report.page_parts import Part, lowered, result_part, within
from pimsim.report.sweep_front import Judged
from pimsim.report.wording import grouped, listed


def part(record: SweepRecord) -> Part:
    """Tell a sweep.

    Raises
    ------
    InputError
        If no point of it has ended.
    """
    if not len(record.frame):
        raise InputError(
            f"{record.folder}: no point of the sweep {record.name!r} has ended; go on with it: "
            f"pimsim sweep {record.folder / 'sweep.yaml'} --output {record.folder} --resume"
        )
    judged = [fronts.judge(record, workload) for workload in dict.fromkeys(record.workloads)]
    sections: list[Section | None] = []
    for number, one in enumerate(judged):
        suffix = "" if len(judged) == 1 else f"-{number + 1}"
        sections += _designs(one, suffix, named=len(judged) > 1)
    sections += [sweep_asked.failures(record)]
    knees, unread = _knees(record, {one.workload: one.word for one in judged})
    sections += knees
    sections += [sweep_asked.asked(record)]
    return Part(
        title=f"Sweep {record.name}",
        kind="sweep",
        lead=" ".join(fronts.summary(one) for one in judged),
        front=(_tiles(record, judged), _caution(record, judged, unread)),
        sections=tuple(present for present in sections if present is not None),
    )


def _designs(judged: Judged, suffix: str, *, named: bool) -> Iterator[Section | None]:
    """Front, knobs and differences of one workload."""
    for found in (
        fronts.page_section(judged, f"front{suffix}"),
        sweep_knobs.page_section(judged.record, judged.workload, f"knobs{suffix}"),
        _differences(judged, f"differences{suffix}"),
    ):
        if found is not None and named:
            title, short = f"{judged.workload}: {lowered(found.title)}", found.short
            yield Section(found.name, title, found.parts, f"{judged.workload}: {short.lower()}")
        else:
            yield found


def _tiles(record: SweepRecord, judged: Sequence[Judged]) -> str:
    failed = int(record.frame["error"].notna().sum())
    ended, points = grouped(len(record.frame)), grouped(record.points)
    tiles = [
        markup.tile("Points", ended, "", f"of {points}"),
        markup.tile("Failed", grouped(failed), "", "points without a result"),
    ]
    for one in judged:
        where = f" ({one.workload})" if len(judged) > 1 else ""
        designs = "design" if len(one.best) == 1 else "designs"
        tiles.append(markup.tile(f"On the front{where}", grouped(len(one.best)), "", designs))
        if one.knee is None:
            continue
        for metric in one.objectives:
            value = quantities.written(metric, one.knee[metric], one.best[metric])
            unit = quantities.unit(metric, one.best[metric])
            name = quantities.capital(quantities.name(metric))
            tiles.append(markup.tile(name, value, unit, f"of the {one.word} design{where}"))
    return '<dl class="numbers">\n' + "\n".join(tiles) + "\n</dl>"


def _caution(record: SweepRecord, judged: Sequence[Judged], unread: Mapping[str, str]) -> str:
    """What a reader must know before the numbers; nothing if there is nothing."""
    texts = []
    if not record.complete:
        texts.append(
            f"The sweep is not complete: {grouped(len(record.frame))} of "
            f"{grouped(record.points)} points have ended, and fronts and shares are those of "
            "these points."
        )
    texts += [
        f"The knee of {workload} has no result here: {why}." for workload, why in unread.items()
    ]
    texts += [text for one in judged for text in _given_up(one)]
    if not texts:
        return ""
    return f'<div class="caution">{"".join(f"<p>{escape(text)}</p>" for text in texts)}</div>'


def _given_up(judged: Judged) -> Iterator[str]:
    """Say where the knee answers much worse than the best, because nothing forbids it."""
    knee, best = judged.knee, judged.best
    if knee is None or judged.objectives.get("accuracy") != "maximize" or not len(best):
        return
    bounded = "accuracy" in judged.record.constraints
    if bounded or not quantities.in_percent("accuracy", best["accuracy"]):
        return
    lost = float(best["accuracy"].max() - knee["accuracy"])
    if lost > 0.05:
        yield (
            f"Nothing in the sweep forbids low accuracy: the knee design gives up "
            f"{quantities.swing('accuracy', lost)} against the best of the front. A constraint "
            "such as accuracy: {min: 0.9} keeps such designs off it."
        )


def _differences(judged: Judged, name: str) -> Section | None:
    """Keys in which the base, the knee and the ends of the front differ."""
    record = judged.record
    chosen = _chosen(judged)
    if not chosen:
        return None
    try:
        designs = {"base": load_architecture(record.architecture)}
        for title, row in chosen.items():
            overrides = tuple(json.loads(row["overrides"]))
            designs[title] = load_architecture(record.architecture, overrides=overrides)
        told = diff_table(designs)
    except PimsimError as error:
        told = paragraph(f"The architecture cannot be read again: {error}")
    return section(
        name,
        "How these designs differ",
        paragraph(
            f"Keys of {record.architecture_name} that are not the same in the file that the sweep "
            f"changes (base), {'at the knee and ' if judged.word == 'knee' else ''}at the ends of "
            "the front."
        ),
        told,
        short="Differences",
    )


def _chosen(judged: Judged) -> dict[str, "pd.Series"]:
    """Designs worth comparing, each with all that it is; the knee first."""
    roles: dict[int, list[str]] = {}
    rows: dict[int, pd.Series] = {}
    if judged.knee is not None:
        roles[int(judged.knee["design"])] = [judged.word]
        rows[int(judged.knee["design"])] = judged.knee
    for metric, row in judged.extremes().items():
        most = "least" if judged.objectives[metric] == "minimize" else "most"
        roles.setdefault(int(row["design"]), []).append(f"{most} {quantities.name(metric)}")
        rows[int(row["design"])] = row
    return {f"design {number}: {listed(names)}": rows[number] for number, names in roles.items()}


def _knees(record: SweepRecord, words: Mapping[str, str]) -> tuple[list[Section], dict[str, str]]:
    """Sections of each knee's result, and why one has none."""
    sections: list[Section] = []
    unread = dict(record.without_knee)
    several = len(record.knees) > 1
    for number, (workload, folder) in enumerate(record.knees.items(), 1):
        try:
            result = load_result(folder)
        except InputError as error:
            unread[workload] = f"{error}; run the sweep again with --resume"
            continue
        prefix = f"knee-{number}" if several else "knee"
        title = f"{quantities.capital(words[workload])} design"
        title += f" on {workload}" if several else ""
        row = record.frame[record.frame["point"] == record.knee_points[workload]].iloc[0]
        told = fronts.settings(record.axes, row)
        place = folder.relative_to(record.folder)
        text = f"Design {row['design']}: {told}. Its whole result is in {place} of the sweep."
        part = replace(result_part(result), title=title)
        sections += within(part, prefix, paragraph(text))
    return sections, unread
