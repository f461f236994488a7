"""``report.html``: a result as one page to read, print and send.

Which question this module answers: *what would I tell a colleague about this run?*

All texts come from the result and are escaped. What every page has is in :mod:`.page_frame`.
"""

from collections.abc import Mapping
from html import escape

from pimsim.records import Accuracy, Result
from pimsim.report import (
    joules,
    markup,
    page_comparison,
    page_costs,
    page_frame,
    page_sources,
    page_timing,
    scopes,
)
from pimsim.report.document import standard_deviation
from pimsim.report.markup import Column, Section, drawing, heading, paragraph, section, table
from pimsim.report.wording import (
    metric_level,
    metric_name,
    metric_value,
    number,
    percent,
    signal_to_noise,
)


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
    return page_frame.page(
        title=f"{workload} on {chip}",
        eyebrow=f"pimsim {result.manifest.pimsim_version}: simulation report",
        lead=summary(result),
        front=headline(result),
        sections=sections(result, drawings),
    )


def headline(result: Result) -> tuple[str, ...]:
    """Return what stands before the first section: the numbers, and what they rest on."""
    return (f'<dl class="numbers">\n{_tiles(result)}\n</dl>', _caution(result))


def sections(result: Result, drawings: Mapping[str, str]) -> tuple[Section | None, ...]:
    """Return the sections; ``None`` stands for one that the result has no data for."""
    return (
        page_comparison.comparison(result, drawings),
        _accuracy(result, drawings),
        page_costs.energy(result, drawings),
        joules.page_section(result, drawings),
        page_timing.latency(result, drawings),
        scopes.page_section(result),
        page_costs.area(result, drawings),
        _limits(result),
        page_sources.sources(result),
        page_sources.manifest(result),
    )


def summary(result: Result) -> str:
    """Return the result in a sentence or two."""
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


def _accuracy(result: Result, drawings: Mapping[str, str]) -> Section:
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


def _limits(result: Result) -> Section:
    ideal = result.manifest.ideal
    return section(
        "limits",
        "What to bear in mind",
        markup.bullets(result.notes)
        if result.notes
        else paragraph("Neither the architecture nor the run has a note of its own."),
        heading("Taken as ideal, because the architecture file leaves it out") if ideal else "",
        markup.bullets(ideal) if ideal else "",
        short="Bear in mind",
    )
