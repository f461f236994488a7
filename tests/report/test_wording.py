"""Numbers for people: right digits, and no rounding that misleads."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.report import wording


def plain(text):
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.96, "100"),
        (999.6, "1 000"),
        (0.00012345, "0.000123"),
        (0.000012345, "1.23 × 10⁻⁵"),
        (-1.5, "-1.50"),
        (2.5e12, "2.50 × 10¹²"),
    ],
)
def test_three_significant_digits(value, text):
    assert plain(wording.number(value)) == text


@given(st.floats(1e-12, 1e15), st.integers(2, 6))
def test_what_is_written_is_within_half_of_the_last_digit(value, digits):
    text = plain(wording.number(value, digits)).replace(" × 10", "e").replace(" ", "")
    text = text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert math.isclose(float(text), value, rel_tol=0.5001 * 10.0 ** (1 - digits))


@given(st.floats(1e-9, 1.0), st.integers(0, 2))
def test_what_is_not_nothing_never_reads_nothing(ratio, digits):
    text = plain(wording.percent(ratio, digits))
    assert text.startswith("<") or float(text.removesuffix(" %")) > 0


@pytest.mark.parametrize(
    ("metric", "value", "name", "text"),
    [
        ("top1_ratio", 0.98611, "Top-1 accuracy", "98.61 %"),
        ("perplexity", 12.3456, "perplexity", "12.35"),
        ("nats_per_token", 3.51234, "nats per token", "3.512"),
        ("exact_match_ratio", 1.0, "exact match ratio", "100.00 %"),
    ],
)
def test_metrics_are_named_and_written(metric, value, name, text):
    assert wording.metric_name(metric) == name
    assert plain(wording.metric_value(metric, value)) == text


def test_a_score_of_a_language_model_comes_with_its_perplexity():
    assert wording.metric_level("nats_per_token", math.log(20.0)) == "2.996 (perplexity 20.00)"
    assert wording.metric_level("top1_ratio", 0.5) == wording.metric_value("top1_ratio", 0.5)


def test_infinite_snr_is_in_words():
    assert wording.signal_to_noise(math.inf) == "no deviation"
    assert plain(wording.signal_to_noise(42.64)) == "42.6 dB"
