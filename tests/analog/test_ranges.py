"""Ranges: full, clipped, calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import ideal_macro
from pimsim.analog.coding import sum_range
from pimsim.analog.ranges import (
    calibrate_range,
    converter_range,
    row_groups,
    sum_histogram,
)
from pimsim.config.architecture import Adc, CodeRange
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError


def macro_of(rows: int, levels: int, coding: str = "twos_complement", **adc: object) -> Macro:
    macro = ideal_macro(rows=rows, cols=64, active_rows=rows, weight_bits=4, input_bits=4,
                        weight_coding=coding, adc_levels=levels)  # fmt: skip
    changed = {key: value for key, value in macro.adc if value is not None} | adc
    return macro.model_copy(update={"adc": Adc(**changed)})


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(2, 300), st.sampled_from(["offset", "differential"]))
def test_the_full_range_covers_all_sums_but_at_most_the_last_code(rows, levels, coding):
    """With the smallest whole step that does, and no code below 0 where no sum is."""
    macro = macro_of(rows, levels, coding)
    span, (low, high) = converter_range(macro), sum_range(macro)
    values = span.values()
    assert values[0] <= low
    assert values[-1] + span.lsb_per_code >= high
    assert span.lowest == 0 or coding == "differential"
    finer = span.lsb_per_code - 1
    if finer:
        assert -(low // finer) + -(-high // finer) > levels


@pytest.mark.parametrize(
    ("rows", "levels", "step"), [(32, 8, 4), (8, 9, 1), (8, 8, 1), (256, 256, 1), (256, 255, 2)]
)
def test_the_step_is_the_smallest_integer_that_covers_the_range(rows, levels, step):
    assert converter_range(macro_of(rows, levels)).lsb_per_code == step


@pytest.mark.parametrize(
    ("levels", "lowest", "step"), [(17, -8, 1), (16, -8, 1), (256, -128, 1), (5, -2, 4), (2, -1, 8)]
)
def test_the_range_of_signed_sums_lies_around_zero(levels, lowest, step):
    span = converter_range(macro_of(8, levels, "differential"))
    assert (span.lowest, span.lsb_per_code) == (lowest, step)


def test_a_clipped_range_covers_its_share_in_whole_steps():
    """A quarter of 128 sums with 8 codes takes steps of 4, the full range 16."""
    assert converter_range(macro_of(128, 8)).lsb_per_code == 16
    quarter = converter_range(macro_of(128, 8, range="clipped", clip_ratio=0.25))
    assert (quarter.lsb_per_code, int(quarter.values()[-1])) == (4, 28)
    pair = macro_of(128, 8, "differential", range="clipped", clip_ratio=0.25)
    assert converter_range(pair).values().tolist() == list(range(-32, 32, 8))


def test_a_frozen_range_is_used_as_it_stands():
    frozen = macro_of(
        64, 8, range="calibrated", calibrated=CodeRange(lowest_code=0, lsb_per_code=3)
    )
    assert converter_range(frozen).values().tolist() == list(range(0, 24, 3))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(2, 12),
    st.sampled_from(["offset", "differential"]),
    st.integers(0, 2**32 - 1),
)
def test_no_whole_step_and_position_loses_less_than_the_calibrated_one(rows, levels, coding, seed):
    """By brute force over all steps and all positions that contain 0."""
    macro = macro_of(rows, levels, coding)
    generator = np.random.default_rng(seed)
    low, high = sum_range(macro)
    histogram = generator.poisson(generator.gamma(0.3, 5.0, high - low + 1))
    histogram[-low] += 1
    sums = np.arange(low, high + 1)

    def loss(lowest: int, step: int) -> float:
        codes = np.clip(np.floor(sums / step + 0.5), lowest, lowest + levels - 1)
        return float(histogram @ (codes * step - sums) ** 2) / float(histogram.sum())

    found, report = calibrate_range(histogram, macro)
    full = converter_range(macro).lsb_per_code
    best = min(loss(-first, step) for step in range(1, full + 1) for first in range(levels))
    assert report.rms_error_lsb**2 == pytest.approx(loss(found.lowest_code, found.lsb_per_code))
    assert report.rms_error_lsb**2 == pytest.approx(best, abs=1e-9)
    assert report.rms_error_lsb <= report.full_rms_error_lsb + 1e-12
    assert report.conversions == int(histogram.sum())


def test_rare_large_sums_are_clipped_for_the_sake_of_the_others():
    """One sum in 10,000 at 64: steps of 1 that clip it beat steps of 8 that do not."""
    histogram = np.zeros(65, int)
    histogram[:8] = 10_000
    histogram[64] = 8
    found, report = calibrate_range(histogram, macro_of(64, 8))
    assert (found.lowest_code, found.lsb_per_code) == (0, 1)
    assert report.clipped_ratio == pytest.approx(8 / 80_008)
    assert report.rms_error_lsb == pytest.approx(57 * np.sqrt(8 / 80_008))
    assert str(report) == (
        "8 codes of 1 LSB cover 0 to 7 LSB; 0.01 % of 80,008 sums clip, rms error 0.57 LSB "
        "(full range: 8 LSB per code, 2.35 LSB)"
    )


def test_the_histogram_counts_every_conversion_of_a_product():
    """Against loops over planes, slices and row groups of several macros."""
    macro = macro_of(5, 6, "offset")
    generator = np.random.default_rng(0)
    weights = generator.integers(-8, 8, (12, 3))
    inputs = generator.integers(-8, 8, (6, 12))
    expected = np.zeros(6, int)
    for plane in range(4):
        for position in range(4):
            cells, bits = ((weights + 8) >> position) & 1, (inputs >> plane) & 1
            for group in (slice(0, 5), slice(5, 10), slice(10, 12)):
                expected += np.bincount((bits[:, group] @ cells[group]).ravel(), minlength=6)
    assert np.array_equal(sum_histogram(weights, inputs, macro), expected)


def test_groups_do_not_cross_macros():
    macro = ideal_macro(rows=10, cols=8, active_rows=4, weight_bits=4, input_bits=4)
    groups = [(group.start, group.stop) for group in row_groups(23, macro)]
    assert groups == [(0, 4), (4, 8), (8, 10), (10, 14), (14, 18), (18, 20), (20, 23)]


@pytest.mark.parametrize(
    ("histogram", "message"),
    [
        (np.ones(9, int), r"has shape \(9,\), but sums from 0 to 32 need \(33,\)"),
        (np.zeros(33, int), "at least one of them"),
        (np.full(33, -1), "whole counts from 0 up"),
        (np.full(33, np.nan), "whole counts"),
    ],
)
def test_histograms_that_are_none_are_refused(histogram, message):
    with pytest.raises(ModelRangeError, match=message):
        calibrate_range(histogram, macro_of(32, 8))
