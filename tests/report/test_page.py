"""report.html stands alone, says what must be said, and trusts no text."""

import dataclasses
import html
import math
import re

import pytest

from pimsim.records import Accuracy, Source
from pimsim.report import figures, page, style
from tests.report.reading import Reader, external


def render(result):
    drawings = {name: style.to_svg(figure) for name, figure in figures.draw_all(result).items()}
    return page.render(result, drawings)


@pytest.fixture(scope="module")
def text(written):
    return (written / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reader(text):
    return Reader(text)


def test_page_fetches_nothing_and_runs_nothing(text, reader):
    assert external(text) == []
    assert reader.targets
    assert "http:" not in text
    assert "https:" not in text


def test_identifiers_are_unique_and_links_lead_somewhere(reader):
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)


def test_figures_are_described_and_follow_the_colour_scheme(text, reader):
    labels = [
        value for tag, name, value in reader.attributes if (tag, name) == ("svg", "aria-label")
    ]
    assert len(labels) == reader.tags.count("svg") == 9
    assert style.INK not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    "words",
    [
        "toy on rap",
        "Top-1 accuracy is 62.50 %, against 100.00 % in float32.",
        "20 % of the energy, 10 % of the area and 100 % of the latency rest on assumed numbers.",
        "1 note on this run below: What to bear in mind",
        "BitSift is not modelled yet: every row group is read",
        "macros.sram.adc: offset, gain and nonlinearity",
        "board, no host",
        "data sheet",
        "Where the joules go",
        "Under every model of converters",
        "mram: 3.17 < 4 bits",
        "@inproceedings{kim2021,",
        "int8_dqq",
        "upper_bound",
        "no source, 28 nm <guess> & more",
        "@inproceedings{horowitz2014,",
        "pimsim run --samples 4 --chips 2",
        "macros.mram.adc.levels=9",
    ],
)
def test_page_says(reader, words):
    assert words in reader.text


def test_ratio_to_this_run_is_printed(reader, result):
    ratio = f"{8_200.0 / result.energy_uj:,.0f}".replace(",", " ")
    assert f"{ratio}×" in reader.text


def test_paths_of_the_run_stay_out(text):
    assert "/somewhere/private" not in text


def test_every_text_is_escaped(rebuilt, result):
    evil = "<script>alert('x')</script>&\""
    poisoned = rebuilt(
        workload={"name": evil, "parameters": 1, "macs": 2},
        architecture_name=evil,
        scheme=evil,
        notes=(evil,),
        manifest=dataclasses.replace(
            result.manifest, command=evil, ideal=(evil,), host={evil: evil}
        ),
        costs=(
            dataclasses.replace(
                result.costs[0],
                variant=evil,
                items=tuple(
                    dataclasses.replace(item, component=evil, model=evil, op=item.op and evil)
                    for item in result.costs[0].items
                ),
                sources=(Source(evil, evil, "assumed", None, evil, evil),),
            ),
        ),
        baselines=tuple(
            dataclasses.replace(baseline, name=evil, precision=evil, scope=evil, source=evil)
            for baseline in result.baselines
        ),
    )
    text = render(poisoned)
    assert "<script" not in text
    assert "script" not in Reader(text).tags
    assert html.escape(evil) in text


def test_a_language_model_has_nats_per_token_and_the_perplexity_they_mean(rebuilt):
    scores = {"float32": math.log(32.0), "integer": math.log(40.0), "analog": (3.75, 4.25)}
    accuracy = Accuracy(
        "nats_per_token", False, 4, **scores, agreement_ratio=0.625, logit_snr_db=31.25
    )
    text = Reader(render(rebuilt(accuracy=accuracy))).text
    summary = "nats per token is 4.000 (perplexity 54.60), against 3.466 (perplexity 32.00) in"
    assert summary in text
    assert "3.689 (perplexity 40.00)" in text
    assert "4.000 ± 0.3536" in text  # 0.3536 is the deviation of 3.75 and 4.25 (n - 1)
    assert "62.50 %" in text  # answers equal to float32's stay a ratio


def test_shapes_only_results_have_a_page_without_accuracy(rebuilt):
    reader = Reader(render(rebuilt(accuracy=None, notes=())))
    assert "so no accuracy is given" in reader.text
    assert "Neither the architecture nor the run has a note of its own." in reader.text
    assert reader.tags.count("svg") == 8


def test_a_source_without_bibtex_is_named(rebuilt, result):
    source = Source("Somebody, 2020", "p. 1", "published", citation_key="somebody2020")
    costs = (dataclasses.replace(result.costs[0], sources=(source,)),)
    text = Reader(render(rebuilt(costs=costs))).text
    assert "pimsim ships no BibTeX entry for: somebody2020." in text
