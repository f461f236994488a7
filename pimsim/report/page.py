"""``report.html``: a result as one page to read, print and send.

Which question this module answers: *what would I tell a colleague about this run?*

The page holds its style and its figures; it fetches nothing, runs no script and reads on paper, on
a telephone, light or dark. All texts come from the result and are escaped.
"""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Final

import pandas as pd

from pimsim.records import Accuracy, Baseline, Result
from pimsim.report import frames, joules, markup, page_costs, page_timing, scopes
from pimsim.report.document import standard_deviation
from pimsim.report.markup import Column, drawing, paragraph, section, table
from pimsim.report.wording import (
    metric_level,
    metric_name,
    metric_value,
    number,
    percent,
    signal_to_noise,
    times,
)

_CONTENTS: Final = {
    "comparison": "Comparison",
    "accuracy": "Accuracy",
    "energy": "Energy",
    "joules": "Where the joules go",
    "latency": "Latency",
    "area": "Area",
    "limits": "Bear in mind",
    "sources": "Sources",
    "manifest": "Manifest",
}


def render(result: Result, drawings: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    result
        What a run found.
    drawings
        Figure name (see :func:`.figures.draw_all`) → SVG text.
    """
    workload, chip = str(result.workload["name"]), result.architecture_name
    css = (files("pimsim.report") / "page.css").read_text(encoding="utf-8")
    sections = [
        _comparison(result, drawings),
        _accuracy(result, drawings),
        page_costs.energy(result, drawings),
        joules.page_section(result, drawings),
        page_timing.latency(result, drawings),
        scopes.page_section(result),
        page_costs.area(result, drawings),
        _limits(result),
        _sources(result),
        _manifest(result),
    ]
    body = "\n\n".join([_header(result), *sections])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(workload)} on {escape(chip)}: pimsim report</title>\n"
        f"<style>\n{css}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _header(result: Result) -> str:
    workload, chip = str(result.workload["name"]), result.architecture_name
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name in _CONTENTS.items())
    return "\n".join(
        [
            "<header>",
            paragraph(f"pimsim {result.manifest.pimsim_version}: simulation report", "eyebrow"),
            f"<h1>{escape(workload)} on {escape(chip)}</h1>",
            paragraph(_summary(result), "lead"),
            f"<nav>{links}</nav>",
            "</header>",
            f'<dl class="numbers">\n{_tiles(result)}\n</dl>',
            _caution(result),
        ]
    )


def _summary(result: Result) -> str:
    cost = (
        f"One inference takes {_with_unit(result.latency_us, 'µs')} and "
        f"{_with_unit(result.energy_uj, 'µJ')} on a chip of {_with_unit(result.area_mm2, 'mm²')}."
    )
    if result.accuracy is None:
        return f"{cost} The workload has shapes only, so no accuracy is given."
    metric = result.accuracy.metric
    mean = metric_level(metric, _mean(result.accuracy))
    reference = metric_level(metric, result.accuracy.float32)
    return f"{metric_name(metric)} is {mean}, against {reference} in float32. {cost}"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)}\u00a0{unit}"


def _mean(accuracy: Accuracy) -> float:
    return sum(accuracy.analog) / len(accuracy.analog)


def _tiles(result: Result) -> str:
    tiles = []
    if result.accuracy is not None:
        metric, chips = result.accuracy.metric, result.accuracy.analog
        spread = f"± {metric_value(metric, standard_deviation(chips))} over {len(chips)} chips"
        value = metric_value(metric, _mean(result.accuracy))
        tiles.append(markup.tile(metric_name(metric), value, detail=spread))
    cells, area = percent(result.cells_ratio), percent(result.area_ratio)
    tiles += [
        markup.tile("Latency", number(result.latency_us), "µs", "one inference"),
        markup.tile("Energy", number(result.energy_uj), "µJ", "one inference, leakage included"),
        markup.tile("Area", number(result.area_mm2), "mm²", "whole chip"),
        markup.tile("Throughput", number(result.throughput_per_s), "/s", "inferences"),
        markup.tile("Power", number(result.power_mw), "mW", "average"),
        markup.tile("Efficiency", number(result.tops_per_w), "TOPS/W", "1 MAC = 2 operations"),
        markup.tile("Density", number(result.tops_per_mm2), "TOPS/mm²"),
        markup.tile("Chip in use", cells, "of cells", f"{area} of macro area"),
    ]
    return "\n".join(tiles)


def _caution(result: Result) -> str:
    shares = (
        f"{percent(result.assumed_energy_ratio, 0)} of the energy, "
        f"{percent(result.assumed_area_ratio, 0)} of the area and "
        f"{percent(result.assumed_latency_ratio, 0)} of the latency rest on assumed numbers."
    )
    count = len(result.notes)
    noted = f" {count} note{'s' if count > 1 else ''} on this run below:" if count else ""
    link = ' <a href="#limits">What to bear in mind</a>'
    return f'<div class="caution"><p>{escape(shares + noted)}{link}</p></div>'


def _comparison(result: Result, drawings: Mapping[str, str]) -> str:
    columns = [
        Column("Machine"),
        Column("Precision"),
        Column("Batch", number=True),
        Column("Latency of the batch [µs]", number=True),
        Column("Time per input × this run", number=True),
        Column("Energy per input [µJ]", number=True),
        Column("× this run", number=True),
        Column("Accuracy", number=True),
        Column("Area [mm²]", number=True),
    ]
    frame = frames.baselines(result)
    metric = result.accuracy.metric if result.accuracy else ""
    rows = [
        (
            f"{row['name']} (this run)" if row["kind"] == "this_run" else str(row["name"]),
            str(row["precision"]),
            str(row["batch"]),
            number(row["latency_us"]),
            times(row["time_ratio"]),
            number(row["energy_uj"]),
            times(row["energy_ratio"]),
            "" if pd.isna(row["accuracy"]) else metric_value(metric, row["accuracy"]),
            "" if pd.isna(row["area_mm2"]) else number(row["area_mm2"]),
        )
        for row in frame.to_dict("records")
    ]
    scopes = [Column("Machine"), Column("Kind"), Column("What is counted"), Column("Source")]
    return section(
        "comparison",
        "The same workload elsewhere",
        paragraph(
            "Time and energy per input are compared; at a larger batch the first answer still "
            "takes the latency of the batch. Ratios above 1 mean that the other machine needs more "
            "than this run. The second table sets them against energy and area, the last one says "
            "what is counted."
        ),
        table(columns, rows, marked=0),
        _merit(result),
        drawing(drawings, "comparison", "Energy against time per input of this run and the others"),
        table(scopes, [_scope(baseline) for baseline in result.baselines]),
    )


def _merit(result: Result) -> str:
    """What each machine does for its energy and area."""
    columns = [
        Column("Machine"),
        Column("Batch", number=True),
        Column("Energy × delay [µJ·µs]", number=True),
        Column("Inputs per second", number=True),
        Column("per watt", number=True),
        Column("per mm² that holds the model", number=True),
    ]
    rows = [
        (
            f"{row['name']}, {row['precision']}",
            str(row["batch"]),
            number(row["energy_delay_uj_us"]),
            number(row["throughput_per_s"]),
            number(row["per_w"]),
            "" if pd.isna(row["per_mm2"]) else number(row["per_mm2"]),
        )
        for row in frames.merit(result).to_dict("records")
    ]
    return table(columns, rows, marked=0)


def _scope(baseline: Baseline) -> tuple[str, ...]:
    kind = baseline.kind.replace("_", " ").replace("gpu", "GPU").replace("pim", "PIM")
    return baseline.name, kind, baseline.scope, baseline.source


def _accuracy(result: Result, drawings: Mapping[str, str]) -> str:
    accuracy = result.accuracy
    if accuracy is None:
        text = "The workload has shapes and no samples: it can be costed and timed, not judged."
        return section("accuracy", "Accuracy", paragraph(text))
    metric = accuracy.metric
    deviation = metric_value(metric, standard_deviation(accuracy.analog))
    chips = len(accuracy.analog)
    rows = [
        ("float32, traced model", metric_level(metric, accuracy.float32)),
        ("integer graph on an ideal chip", metric_level(metric, accuracy.integer)),
        (
            f"analog, mean ± standard deviation of {chips} chips",
            f"{metric_value(metric, _mean(accuracy))} ± {deviation}",
        ),
        ("answers equal to float32's", percent(accuracy.agreement_ratio, 2)),
        ("signal-to-noise ratio of the logits", signal_to_noise(accuracy.logit_snr_db)),
    ]
    return section(
        "accuracy",
        "Accuracy",
        paragraph(
            f"{accuracy.samples} samples, each run bit-serially through every conversion of "
            f"{chips} Monte Carlo instance{'s' if chips > 1 else ''} of the chip."
        ),
        table([Column(metric_name(metric)), Column("", number=True)], rows),
        drawing(drawings, "accuracy", f"{metric_name(metric)} of each Monte Carlo chip"),
    )


def _limits(result: Result) -> str:
    ideal = result.manifest.ideal
    return section(
        "limits",
        "What to bear in mind",
        markup.bullets(result.notes)
        if result.notes
        else paragraph("Neither the architecture nor the run has a note of its own."),
        "<h3>Taken as ideal, because the architecture file leaves it out</h3>" if ideal else "",
        markup.bullets(ideal) if ideal else "",
    )


def _sources(result: Result) -> str:
    frame = frames.sources(result)
    frame = frame.drop(columns="variant").drop_duplicates()
    frame = frame.assign(last=frame["kind"] == "assumed")
    frame = frame.sort_values(["last", "reference", "place"], kind="stable")
    columns = [
        Column("Reference"),
        Column("Where"),
        Column("Kind"),
        Column("Node [nm]", number=True),
        Column("Condition"),
    ]
    rows = [
        (
            str(row["reference"]),
            str(row["place"]),
            str(row["kind"]),
            "" if pd.isna(row["node_nm"]) else f"{row['node_nm']:g}",
            str(row["condition"]),
        )
        for row in frame.to_dict("records")
    ]
    return section(
        "sources",
        "Where the numbers come from",
        paragraph(
            "Constants behind energy, area and time, over all cost variants, and the methods and "
            "devices behind the answers. Those marked measured, fitted or published are cited; "
            "assumed ones are choices made here."
        ),
        table(columns, rows),
        _bibtex([str(key) for key in frame["citation_key"] if key]),
    )


def _bibtex(keys: list[str]) -> str:
    """BibTeX of the sources; keys without an entry, such as a plug-in's, are named."""
    from pimsim.cost.citations import bibtex, known_entries

    unknown = sorted({key for key in keys if key not in known_entries()})
    entries = bibtex(key for key in keys if key not in unknown)
    missing = f"pimsim ships no BibTeX entry for: {', '.join(unknown)}."
    return "\n".join(
        [
            f"<h3>BibTeX</h3>\n<pre>{escape(entries)}</pre>" if entries else "",
            paragraph(missing, "note") if unknown else "",
        ]
    )


def _manifest(result: Result) -> str:
    manifest = result.manifest

    def joined(entries: Mapping[str, object]) -> str:
        return ", ".join(f"{key} {value}" for key, value in entries.items())

    walls = {name: f"{number(seconds)} s" for name, seconds in manifest.wall_times_s.items()}
    entries = {
        "Command": manifest.command,
        "Created": manifest.created,
        "pimsim": manifest.pimsim_version,
        "Workload": f"{result.workload['name']}, {result.workload['parameters']:,} parameters, "
        f"{result.workload['macs']:,} MACs per inference (sha256 {manifest.workload_hash})",
        "Architecture": f"{result.architecture_name} (sha256 {manifest.config_hash})",
        "Overrides": ", ".join(manifest.overrides) or "none",
        "Numerics": result.scheme,
        "Seed": str(manifest.seed),
        "Samples, chips": f"{manifest.samples}, {manifest.chips}",
        "Batch": str(manifest.batch),
        "Dimensions": joined(manifest.dims) or "fixed",
        "Models": joined(manifest.models),
        "Versions": joined(manifest.versions),
        "Threads": str(manifest.threads),
        "Host": joined(manifest.host),
        "Wall time": joined(walls),
    }
    return section(
        "manifest",
        "How this result came to be",
        markup.pairs(entries),
        paragraph(
            "File paths are in result.json only, so that this page can be passed on.", "note"
        ),
    )
