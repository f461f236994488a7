"""Several results set against each other, as a part of a page.

Which question this module answers: *which of these runs is better, in what, and why?*
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from pimsim.config.architecture import Architecture
from pimsim.dse.metrics import metrics
from pimsim.errors import PimsimError
from pimsim.records import Result
from pimsim.recost import stored_architecture
from pimsim.report import frames, page_comparison, page_sources, style
from pimsim.report.design_figures import accuracies, breakdown
from pimsim.report.designs_diff import diff_table
from pimsim.report.document import standard_deviation
from pimsim.report.markup import (
    Column,
    Section,
    bullets,
    drawing,
    heading,
    pairs,
    paragraph,
    section,
    table,
)
from pimsim.report.page_parts import Part
from pimsim.report.wording import count, listed, metric_name, metric_value, number, percent, times

_OWN: Final = "this_run"


def part(results: Mapping[Path, Result]) -> Part:
    """Compare results.

    Parameters
    ----------
    results
        Folder → what it holds; two at least.
    """
    named = _named(results)
    groups: dict[str, dict[str, Result]] = {}
    for name, result in named.items():
        groups.setdefault(_work(result), {})[name] = result
    sections: list[Section] = []
    for index, (work, own) in enumerate(groups.items(), 1):
        suffix = f"-{index}" if len(groups) > 1 else ""
        title = f"{work}: the designs" if len(groups) > 1 else "The designs"
        sections.append(_designs(own, f"designs{suffix}", title, work if len(groups) > 1 else ""))
    sections += [
        _differences(named),
        _elsewhere(named),
        _limits(named),
        page_sources.sources(*named.values()),
        _manifests(named),
    ]
    return Part(
        title=f"{len(named)} designs compared",
        kind="comparison",
        lead=" ".join(_lead(work, own) for work, own in groups.items()),
        front=(),
        sections=tuple(sections),
    )


def _named(results: Mapping[Path, Result]) -> dict[str, Result]:
    """Results by the shortest name that tells them apart: chip, folder, or its whole path."""
    by_chip = [result.architecture_name for result in results.values()]
    by_folder = [folder.resolve().name for folder in results]
    for names in (by_chip, by_folder, [str(folder) for folder in results]):
        if len(set(names)) == len(names):
            break
    return dict(zip(names, results.values(), strict=True))


def _work(result: Result) -> str:
    """What a run did; only runs of the same are set against each other."""
    dims = ", ".join(
        f"{key} {value}" for key, value in result.manifest.dims.items() if key != "batch"
    )
    return f"{result.workload['name']}, batch {result.manifest.batch}" + (
        f", {dims}" if dims else ""
    )


def _lead(work: str, results: Mapping[str, Result]) -> str:
    """Who is best in what."""
    if len(results) == 1:
        return f"Only {next(iter(results))} runs {work}."
    best = {
        "least energy": min(results, key=lambda name: results[name].energy_uj),
        "shortest latency": min(results, key=lambda name: results[name].latency_us),
        "smallest area": min(results, key=lambda name: results[name].area_mm2),
    }
    scored = {name: result for name, result in results.items() if result.accuracy is not None}
    if scored:
        best = {"best accuracy": max(scored, key=lambda name: _score(scored[name])), **best}
    owners: dict[str, list[str]] = {}
    for what, name in best.items():
        owners.setdefault(name, []).append(what)
    told = listed([f"{name} has the {listed(what)}" for name, what in owners.items()])
    return f"{count(len(results), 'design')} run {work}: {told}.{_tie(scored)}"


def _tie(scored: Mapping[str, Result]) -> str:
    """Whether accuracies differ by less than two answers of those that were judged."""
    judged = [result.accuracy for result in scored.values() if result.accuracy is not None]
    if len(judged) < 2 or not all(accuracy.higher_is_better for accuracy in judged):
        return ""
    levels = sorted(_score(result) for result in scored.values())
    fewest = min(accuracy.samples for accuracy in judged)
    if levels[-1] - levels[-2] >= 2.0 / fewest:
        return ""
    return f" The two best accuracies are less than two of {fewest} answers apart: a tie."


def _score(result: Result) -> float:
    """Mean over chips; higher is better."""
    assert result.accuracy is not None
    mean = sum(result.accuracy.analog) / len(result.accuracy.analog)
    return mean if result.accuracy.higher_is_better else -mean


def _designs(results: Mapping[str, Result], name: str, title: str, work: str) -> Section:
    """Headlines, accuracy and breakdowns of runs of the same workload."""
    rows = [{"design": key, **metrics(result)} for key, result in results.items()]
    frame = pd.DataFrame(rows)
    drawings = {
        f"{name}-{quantity}": style.to_svg(breakdown(frame, quantity, label="design"))
        for quantity in ("energy", "area", "latency")
    }
    scored = [
        frames.accuracy(result).assign(design=key)
        for key, result in results.items()
        if result.accuracy is not None
    ]
    if scored:
        drawings[f"{name}-accuracy"] = style.to_svg(accuracies(pd.concat(scored)))
    captions = {
        "accuracy": "Accuracy of each Monte Carlo chip by design",
        "energy": "Energy by component and design",
        "area": "Area by component and design",
        "latency": "Latency by what holds the critical path and design",
    }
    return section(
        name,
        title,
        _headlines(results),
        *(drawing(drawings, f"{name}-{key}", text) for key, text in captions.items()),
        short=f"Designs: {work}" if work else "Designs",
    )


def _headlines(results: Mapping[str, Result]) -> str:
    columns = [
        Column("Design"),
        Column("Accuracy", number=True),
        Column("in float32", number=True),
        Column("Latency [µs]", number=True),
        Column("× first", number=True),
        Column("Energy [µJ]", number=True),
        Column("× first", number=True),
        Column("Area [mm²]", number=True),
        Column("TOPS/W", number=True),
        Column("Energy on assumed numbers", number=True),
    ]
    first = next(iter(results.values()))
    rows = [
        (
            name,
            *_accuracy(result),
            number(result.latency_us),
            times(result.latency_us / first.latency_us),
            number(result.energy_uj),
            times(result.energy_uj / first.energy_uj),
            number(result.area_mm2),
            number(result.tops_per_w),
            percent(result.assumed_energy_ratio, 0),
        )
        for name, result in results.items()
    ]
    known = {result.accuracy.metric for result in results.values() if result.accuracy}
    note = "There is no accuracy: the workload has shapes only."
    if known:
        names = listed(sorted(metric_name(metric) for metric in known))
        note = f"{names}: mean ± standard deviation over Monte Carlo chips."
    return table(columns, rows) + paragraph(note, "note")


def _accuracy(result: Result) -> tuple[str, str]:
    accuracy = result.accuracy
    if accuracy is None:
        return "", ""
    mean = sum(accuracy.analog) / len(accuracy.analog)
    spread = metric_value(accuracy.metric, standard_deviation(accuracy.analog))
    return (
        f"{metric_value(accuracy.metric, mean)} ± {spread}",
        metric_value(accuracy.metric, accuracy.float32),
    )


def _differences(results: Mapping[str, Result]) -> Section:
    """Keys of the chips that are not the same."""
    chips: dict[str, Architecture] = {}
    missing = []
    for name, result in results.items():
        try:
            chips[name] = stored_architecture(result)
        except PimsimError as error:
            missing.append(f"The chip of {name} is not kept with its result: {error}")
    return section(
        "differences",
        "How these designs differ",
        paragraph("Keys of the architectures that are not the same, as they were run."),
        diff_table(chips) if len(chips) > 1 else "",
        bullets(missing) if missing else "",
        short="Differences",
    )


def _elsewhere(results: Mapping[str, Result]) -> Section:
    """The runs beside every machine that any of them was compared with."""
    machines = pd.concat(
        [_machines(name, result) for name, result in results.items()], ignore_index=True
    )
    machines = machines.sort_values("kind", key=lambda kinds: kinds != _OWN, kind="stable")
    several = machines["workload"].nunique() > 1
    columns = [
        Column("Machine"),
        *([Column("Workload")] if several else []),
        Column("Precision"),
        Column("Batch", number=True),
        Column("Latency of the batch [µs]", number=True),
        Column("Time per input [µs]", number=True),
        Column("Energy per input [µJ]", number=True),
        Column("Area [mm²]", number=True),
    ]
    rows = [
        (
            str(row["name"]),
            *([str(row["workload"])] if several else []),
            str(row["precision"]),
            str(row["batch"]),
            number(row["latency_us"]),
            number(row["time_us"]),
            number(row["energy_uj"]),
            "" if pd.isna(row["area_mm2"]) else number(row["area_mm2"]),
        )
        for row in machines.to_dict("records")
    ]
    return section(
        "elsewhere",
        "The same workload elsewhere",
        table(columns, dict.fromkeys(rows)),
        heading("What is counted"),
        page_comparison.counted_table(machines),
        heading("Where these numbers are from"),
        page_comparison.origins_table(machines),
        short="Elsewhere",
    )


def _machines(name: str, result: Result) -> pd.DataFrame:
    frame = frames.baselines(result)
    own = frame["kind"] == _OWN
    return frame.assign(
        name=frame["name"].mask(own, f"{name} (compared here)"), workload=_work(result)
    )


def _limits(results: Mapping[str, Result]) -> Section:
    """Notes of the runs, each said once."""
    owners: dict[str, list[str]] = {}
    for name, result in results.items():
        for note in result.notes:
            owners.setdefault(note, []).append(name)
    everywhere = [note for note, names in owners.items() if len(names) == len(results)]
    apart = [
        f"{listed(names)}: {note}" for note, names in owners.items() if len(names) < len(results)
    ]
    return section(
        "limits",
        "What to bear in mind",
        bullets([*everywhere, *apart]) if owners else paragraph("No run has a note of its own."),
        short="Bear in mind",
    )


def _manifests(results: Mapping[str, Result]) -> Section:
    """What all manifests say, once, and what each says alone."""
    entries = {name: page_sources.manifest_entries(result) for name, result in results.items()}
    keys = dict.fromkeys(key for own in entries.values() for key in own)
    rows = {key: [own.get(key, "") for own in entries.values()] for key in keys}
    apart = [(key, *texts) for key, texts in rows.items() if len(set(texts)) > 1]
    return section(
        "manifests",
        "How these results came to be",
        heading("The same for all"),
        pairs({key: texts[0] for key, texts in rows.items() if len(set(texts)) == 1}),
        heading("Different") if apart else "",
        table([Column(""), *(Column(name) for name in results)], apart) if apart else "",
        short="Manifests",
    )
