"""A result as a screenful of text, at most 100 columns wide.

Which question this module answers: *what did the run find, at a glance?*

Everything printed stands in the result; only shares, ratios and the spread over chips are formed
here. Whatever does not fit in a column is wrapped, never cut.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pimsim.records import NATS_PER_TOKEN, Accuracy, Baseline, Result
from pimsim.timing import analysis
from pimsim.timing.bottleneck import bottleneck_sentence, class_shares, latency_without_ps
from pimsim.units import PS_PER_US

WIDTH: Final = 100
MIN_WIDTH: Final = 80
"""Below this, lines run on rather than have numbers broken in two."""
TOP_CONTRIBUTORS: Final = 5
_WHOLE_FROM: Final = 9_999.5
"""From here four significant digits would drop digits before the point."""
_SCIENTIFIC_FROM: Final = 1e9
_INDENT: Final = 2
_RATIOS: Final = "×: time and energy per input over this run's; a latency is that of a whole batch"


def show(result: Result, folder: Path | None = None) -> None:
    """Print a result to stdout.

    Parameters
    ----------
    result
        What was found.
    folder
        Where its files are, for the last line.
    """
    print_parts(lambda width: _parts(result, folder, paired=width == WIDTH))


def print_parts(parts: Callable[[int], Sequence[RenderableType]]) -> None:
    """Print to stdout as wide as the screen is, within bounds.

    Parameters
    ----------
    parts
        Called with the width, returns what to print.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # where ± or µ cannot be encoded it becomes ?, not an error
    screen = Console(file=sys.stdout)
    width = max(MIN_WIDTH, min(WIDTH, screen.width)) if screen.is_terminal else WIDTH
    console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
    with console.capture() as captured:
        for part in parts(width):
            console.print(part)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def quantity(value: float, unit: str = "") -> str:
    """Write a number with four significant digits and its unit.

    Examples
    --------
    >>> quantity(1234567.0, "/s"), quantity(0.00123456, "µJ"), quantity(12.0)
    ('1,234,567 /s', '0.001235 µJ', '12')
    """
    whole = _WHOLE_FROM <= abs(value) < _SCIENTIFIC_FROM
    text = f"{value:,.0f}" if whole else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def percent(ratio: float, digits: int = 1) -> str:
    """Write a ratio as a percentage.

    Examples
    --------
    >>> percent(0.98765)
    '98.8 %'
    """
    return f"{100 * ratio:.{digits}f} %"


def _parts(result: Result, folder: Path | None, *, paired: bool) -> list[RenderableType]:
    energy = _contributors(
        "energy", result.energy_breakdown_uj, "µJ", assumed_ratio=result.assumed_energy_ratio
    )
    latency = _contributors(
        "latency", result.latency_breakdown_us, "µs", assumed_ratio=result.assumed_latency_ratio
    )
    assumed = Text(
        f"Resting on assumed numbers: {percent(result.assumed_energy_ratio, 0)} of the energy, "
        f"{percent(result.assumed_area_ratio, 0)} of the area, "
        f"{percent(result.assumed_latency_ratio, 0)} of the latency."
    )
    blocks: list[list[RenderableType]] = [
        [_header(result)],
        *_pair(_accuracy(result), _performance(result), paired=paired),
        *_pair(energy, latency, paired=paired),
        [Text(bottleneck_sentence(result.timeline)), _resources(result)],
        [assumed],
        *_spending(result),
        *_scopes(result),
    ]
    if len(result.cost_variants) > 1:
        blocks.append([_cost_variants(result)])
    if result.baselines:
        blocks.append([_comparison(result), _indented(_RATIOS), *_footnotes(result.baselines)])
    if result.notes:
        notes = [_indented(note) for note in result.notes]
        blocks.append([Text("Bear in mind", style="bold"), *notes])
    if folder is not None:
        blocks.append([Text(f"Files: {folder}, open {folder / 'report.html'}", overflow="fold")])
    return [part for block in blocks for part in (*block, Text())][:-1]


def _spending(result: Result) -> Iterator[list[RenderableType]]:
    """Blocks on what the energy went into, and what it depends on."""
    from pimsim.cli import cost_tables  # it builds on this module

    joules = cost_tables.joules(result)
    if joules is not None:
        yield [joules]
    if result.adc_models:
        yield [*cost_tables.adc_models(result.adc_models)]


def _scopes(result: Result) -> Iterator[list[RenderableType]]:
    """What publications on attention hardware count, and the rest."""
    from pimsim.report.scopes import scopes

    found = scopes(result)
    if found:
        shown = plain_table("full network", "energy", "", "latency", "")
        for scope in found:
            timed = quantity(scope.latency_us, "µs") if scope.operations else ""
            share = percent(scope.latency_us / result.latency_us) if scope.operations else ""
            shown.add_row(
                scope.name, quantity(scope.energy_uj, "µJ"),
                percent(scope.energy_uj / result.energy_uj), timed, share,
            )  # fmt: skip
        yield [shown]


def _header(result: Result) -> Text:
    manifest, workload = result.manifest, result.workload
    dims = ", ".join(f"{name} {size}" for name, size in manifest.dims.items())
    text = Text(f"{workload['name']} on {result.architecture_name}", style="bold")
    text.append(
        f"\n{workload['parameters']:,} parameters, {workload['macs']:,} MACs per inference"
        f"{f' ({dims})' if dims else ''}, scheme {result.scheme}",
        style="not bold",
    )
    if result.accuracy is not None:
        text.append(
            f"\n{count(manifest.samples, 'sample')}, {count(manifest.chips, 'chip')}, "
            f"seed {manifest.seed}",
            style="not bold",
        )
    if manifest.overrides:
        text.append(f"\nchanged: {', '.join(manifest.overrides)}", style="not bold")
    return text


def _accuracy(result: Result) -> RenderableType:
    accuracy = result.accuracy
    if accuracy is None:
        return Text("shape-only: no accuracy")
    write = metric_writer(accuracy)
    # `standard_deviation` is the report's, so that the screen and result.json agree.
    from pimsim.report.document import standard_deviation

    spread = ""
    if len(accuracy.analog) > 1:
        spread = f" ± {write(standard_deviation(accuracy.analog))}"
    table = _pairs(f"accuracy ({accuracy.metric.removesuffix('_ratio').replace('_', ' ')})")
    chips = f"analog, {count(len(accuracy.analog), 'chip')}"
    for run, value, deviation in (
        ("float32", accuracy.float32, ""),
        ("integer, ideal chip", accuracy.integer, ""),
        (chips, _mean(accuracy.analog), spread),
    ):
        table.add_row(run, f"{write(value)}{deviation}{_perplexity(accuracy, value)}")
    table.add_row("same answer as float32", percent(accuracy.agreement_ratio, 2))
    table.add_row("logit SNR", decibels(accuracy.logit_snr_db))
    return table


def _perplexity(accuracy: Accuracy, value: float) -> str:
    """What a score of a language model means, in the field's other unit."""
    if accuracy.metric != NATS_PER_TOKEN:
        return ""
    return f" (perplexity {quantity(math.exp(value))})"


def metric_writer(accuracy: Accuracy) -> Callable[[float], str]:
    """Return what writes a value of the metric: a percentage, or a plain number."""
    if accuracy.metric.endswith("_ratio"):
        return lambda value: percent(value, 2)
    return quantity


def decibels(value_db: float) -> str:
    """Write a ratio of powers; that of something exact has no decibels."""
    return "exact" if math.isinf(value_db) and value_db > 0 else f"{value_db:.1f} dB"


def _performance(result: Result) -> Table:
    table = _pairs("one inference")
    table.add_row("latency", quantity(result.latency_us, "µs"))
    for name, time_ps in _further_latencies(result):
        table.add_row(name, quantity(time_ps / PS_PER_US, "µs"))
    requests = len(result.timeline.request_end_ps)
    pace = "throughput, one at a time" if requests > 1 else "throughput"
    if analysis.throughput(result.timeline).kind == "steady_state":
        pace = f"throughput of {count(requests, 'inference')}"
    table.add_row(pace, quantity(result.throughput_per_s, "/s"))
    table.add_row("energy", quantity(result.energy_uj, "µJ"))
    table.add_row("average power", quantity(result.power_mw, "mW"))
    table.add_row("area", quantity(result.area_mm2, "mm²"))
    table.add_row("efficiency", quantity(result.tops_per_w, "TOPS/W"))
    table.add_row("density", quantity(result.tops_per_mm2, "TOPS/mm²"))
    table.add_row("cells used", percent(result.cells_ratio))
    table.add_row("macro area used", percent(result.area_ratio))
    return table


def _further_latencies(result: Result) -> Iterator[tuple[str, float]]:
    """What there is besides the latency of the first inference, and its time. [ps]"""
    found = analysis.latencies(result.timeline)
    if found.loading_ps:
        yield "with loading of weights", found.first_with_loading_ps
    if found.further_ps:
        mean_ps = math.fsum(found.further_ps) / len(found.further_ps)
        yield f"{count(len(found.further_ps), 'further one')}, mean", mean_ps


def _resources(result: Result) -> Table:
    """Who is busy and who queues, the classes that hold most of the critical path first."""
    from pimsim.report.wording import class_name  # the report's words, so that both agree

    line = result.timeline
    shares = {share.name: share for share in class_shares(line)}
    without_ps = latency_without_ps(line)
    replayed = bool(result.what_if_us)
    last = "without µs" if replayed else "without µs ≥"
    table = plain_table(
        "resources", "needed", "busy", "busiest", "queue µs", "longest", "of path", last
    )
    uses = analysis.class_uses(line)
    for use in sorted(uses, key=lambda use: without_ps[use.resource_class]):
        share = shares.get(use.resource_class)
        bound_us = without_ps[use.resource_class] / PS_PER_US
        table.add_row(
            class_name(use.resource_class),
            f"{use.resources:,}",
            percent(use.utilisation_ratio),
            percent(use.busiest_ratio),
            "" if use.mean_wait_ps is None else quantity(use.mean_wait_ps / PS_PER_US),
            "" if use.longest_wait_ps is None else quantity(use.longest_wait_ps / PS_PER_US),
            percent(share.ratio if share else 0.0),
            quantity(result.what_if_us.get(use.resource_class, bound_us)),
        )
    return table


def _contributors(
    what: str, breakdown: Mapping[str, float], unit: str, *, assumed_ratio: float
) -> Table:
    title = f"{what} ({percent(assumed_ratio, 0)} assumed)"
    return ranking(title, breakdown, unit, shown=TOP_CONTRIBUTORS)


def ranking(title: str, breakdown: Mapping[str, float], unit: str, *, shown: int) -> Table:
    """Return the largest parts and what is left; the shares sum to 100 %."""
    total = math.fsum(breakdown.values())
    ranked = sorted(breakdown.items(), key=lambda part: (-part[1], part[0]))
    table = plain_table(title, unit, "share")
    top, rest = ranked[:shown], ranked[shown:]
    if rest:
        top.append((f"{len(rest)} more", math.fsum(value for _, value in rest)))
    for name, value in top:
        table.add_row(name, quantity(value), percent(value / total) if total else "")
    return table


def _cost_variants(result: Result) -> Table:
    table = plain_table("cost model", "µJ", "mm²", "TOPS/W")
    for variant in result.cost_variants:
        table.add_row(
            variant.name,
            quantity(variant.energy_uj),
            quantity(variant.area_mm2),
            quantity(variant.tops_per_w),
        )
    return table


def _comparison(result: Result) -> Table:
    """One row per machine; the ratios are its time and energy per input over this chip's."""
    accuracy = result.accuracy
    write = quantity if accuracy is None else metric_writer(accuracy)
    mean = None if accuracy is None else _mean(accuracy.analog)
    batch = result.manifest.batch
    time_us, energy_uj = result.latency_us / batch, result.energy_uj / batch
    columns = ("accuracy", "latency µs", "× time", "µJ/input", "× energy")
    table = plain_table("compared with", *columns)
    table.add_row(
        f"this run: {result.architecture_name}, {result.scheme}, batch {batch}",
        write(mean) if mean is not None else "",
        quantity(result.latency_us),
        "1",
        quantity(energy_uj),
        "1",
    )
    numbers = {key: number for number, key in enumerate(_by_source(result.baselines), start=1)}
    for baseline in result.baselines:
        number = numbers[baseline.kind, baseline.source]
        table.add_row(
            f"[{number}] {baseline.name}, {baseline.precision}, batch {baseline.batch}",
            write(baseline.accuracy) if baseline.accuracy is not None else "",
            quantity(baseline.latency_us),
            quantity(baseline.latency_us / baseline.batch / time_us),
            quantity(baseline.energy_uj),
            quantity(baseline.energy_uj / energy_uj),
        )
    return table


def _mean(values: tuple[float, ...]) -> float:
    return math.fsum(values) / len(values)


def _by_source(baselines: tuple[Baseline, ...]) -> dict[tuple[str, str], list[Baseline]]:
    """Baselines that share a footnote: the same kind of number from the same source."""
    groups: dict[tuple[str, str], list[Baseline]] = {}
    for baseline in baselines:
        groups.setdefault((baseline.kind, baseline.source), []).append(baseline)
    return groups


def _footnotes(baselines: tuple[Baseline, ...]) -> list[RenderableType]:
    """One note per source; a part of the scope that several of its rows share is said once."""
    notes: list[RenderableType] = []
    for number, ((kind, source), group) in enumerate(_by_source(baselines).items(), start=1):
        parts = (part for baseline in group for part in baseline.scope.split("; "))
        scope = "; ".join(dict.fromkeys(parts))
        notes.append(_indented(f"[{number}] {kind.replace('_', ' ')}: {scope}. Source: {source}"))
    return notes


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, _INDENT))


def _pair(
    left: RenderableType, right: RenderableType, *, paired: bool
) -> list[list[RenderableType]]:
    """Two blocks side by side as one, or below each other as two."""
    if not paired:
        return [[left], [right]]
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_row(left, right)
    return [[grid]]


def _pairs(title: str) -> Table:
    table = plain_table(title, "")
    table.columns[1].justify = "right"
    return table


def plain_table(title: str, *columns: str) -> Table:
    """Return a table without frame: a column of names under ``title``, then numbers."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(title, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def count(number: int, noun: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "chip"), count(1200, "sample")
    ('1 chip', '1,200 samples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
