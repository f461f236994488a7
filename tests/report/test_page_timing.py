"""The section on time says what binds the latency, who queues, and what would help."""

import dataclasses
import html
import re

import numpy as np
import pytest

from pimsim.report import figures, page_timing, style


def text_of(result):
    drawings = {name: style.to_svg(figure) for name, figure in figures.draw_all(result).items()}
    text = page_timing.latency(result, drawings).html()
    plain = re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]*>", " ", plain))
    spaces = str.maketrans("\u202f\u00a0\u2002", "   ")
    return re.sub(r"\s+", " ", words.translate(spaces))


def test_one_inference_is_bound_by_something_and_isolated(result):
    text = text_of(result)
    # 38 507 of 53 508 ps in macros, 20 000 of them in blocks.0 and 18 507 in blocks.1.
    assert (
        "Latency is 72 % macro-read-bound, most of it in blocks.0.attention.query. Throughput is "
        "that of one inference after the other; back to back they could follow each other every "
        "0.0363 µs at best, the work of noc for each." in text
    )
    assert "network links 1 67.8 % 67.8 % 67.8 %" in text
    assert "'pimsim run --what-if' replays" in text
    assert "first, weights resident 0.0535" in text
    assert "loading of all static weights 1.00" in text
    assert "first, loading included 1.05" in text


def test_several_inferences_have_a_steady_state(rebuilt, result):
    line = dataclasses.replace(
        result.timeline,
        request_start_ps=(0,) * 4,
        request_end_ps=(53_508, 70_000, 80_000, 90_000),
        reprogramming_ps=20_000,
    )
    text = text_of(rebuilt(timeline=line))
    assert "In the steady state of 4 inferences one is done every 0.0100 µs." in text
    assert "No single resource works longer on each than noc," in text
    assert "3 further, mean 0.0800" in text
    assert "longest of them 0.0900" in text
    assert "of the first: reprogramming 0.0200" in text


def test_replayed_latencies_replace_the_bound(rebuilt):
    text = text_of(rebuilt(what_if_us={"macro": 0.0123}))
    assert "0.0123" in text
    assert "from a replay of its own" in text
    assert "≥" not in text


def test_the_peak_of_the_power_is_told(result):
    assert re.search(
        r"The most that any [\d.e×⁻ -]+ µs draw, wherever they begin, is", text_of(result)
    )


@pytest.mark.parametrize("loading_ps", [0, 1_000_000])
def test_inferences_have_a_table_only_where_there_is_more_than_one_number(
    rebuilt, result, loading_ps
):
    line = dataclasses.replace(result.timeline, loading_ps=loading_ps)
    assert ("first, weights resident" in text_of(rebuilt(timeline=line))) is (loading_ps > 0)


def test_unknown_queueing_times_leave_their_cells_empty(rebuilt, result):
    line = dataclasses.replace(result.timeline, wait_ps=np.zeros(0, np.int64))
    row = "network links 1 67.8 % 67.8 % 67.8 % 0.0 % 0.0535"  # then the path, and latency without
    assert row in text_of(rebuilt(timeline=line))
    assert row not in text_of(result)
