"""Each cause of a misplaced decision level, alone, against its closed form."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.analog.decision_levels import bow, flash, sar, searched_levels
from pimsim.config.converters import Adc
from pimsim.registry import ADC_MODELS

CONVERTERS = 4000
"""Drawn for each moment: its relative standard deviation is sqrt(2 / CONVERTERS), 2.2 %."""

WITHIN_5_SIGMA = 5 * math.sqrt(2 / CONVERTERS)


def adc_of(model: str = "flash", bits: int = 5, **keys: Any) -> Adc:
    return Adc(model=model, bits=bits, columns_per_adc=1, conversion_time_ns=1.0,
               reference="fixed", trim="none", **keys)  # fmt: skip


@pytest.mark.parametrize("model", ["flash", "sar"])
def test_a_converter_without_errors_has_ideal_levels(model):
    assert not ADC_MODELS[model](adc_of(model), 3, 1).any()


@pytest.mark.parametrize("model", [flash, sar])
def test_integral_nonlinearity_is_its_peak_in_the_middle_and_none_at_the_ends(model):
    """0.5 % of a full scale of 31 steps; the same for every converter."""
    deviation = model(adc_of(model.__name__, inl_ratio=0.005), 2, 1)
    position = np.linspace(0, 1, 31)
    expected = 0.005 * 31 * 4 * position * (1 - position)
    assert np.allclose(deviation, expected, atol=1e-12)
    assert deviation[0, 15] == pytest.approx(0.155)


@pytest.mark.parametrize("levels", [1, 2])
def test_two_levels_have_no_curvature(levels):
    assert not bow(levels).any()


def test_a_ladder_spreads_code_widths_evenly_and_levels_as_a_bridge():
    """Variance of a width (1 - 1/n) s², of level i: i (n - i) / n s², for n = 30 widths."""
    sigma_steps = 0.1
    drawn = flash(adc_of(dnl_sigma_ratio=sigma_steps / 31), CONVERTERS, 1)
    widths = np.diff(drawn, axis=1)
    assert np.allclose(widths.var(axis=0), sigma_steps**2 * (1 - 1 / 30), rtol=WITHIN_5_SIGMA)
    index = np.arange(1, 30)
    expected = sigma_steps**2 * index * (30 - index) / 30
    assert np.allclose(drawn.var(axis=0)[1:-1], expected, rtol=WITHIN_5_SIGMA)
    assert not drawn[:, [0, -1]].any()


def test_comparator_offsets_are_independent_so_that_widths_have_twice_their_variance():
    sigma_steps = 0.2
    drawn = flash(adc_of(comparator_offset_ratio=sigma_steps / 31), CONVERTERS, 1)
    assert np.allclose(drawn.var(axis=0), sigma_steps**2, rtol=WITHIN_5_SIGMA)
    widths = np.diff(drawn, axis=1)
    assert np.allclose(widths.var(axis=0), 2 * sigma_steps**2, rtol=WITHIN_5_SIGMA)
    correlation = np.corrcoef(drawn[:, 3], drawn[:, 20])[0, 1]
    assert abs(correlation) < 5 / math.sqrt(CONVERTERS)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_capacitors_make_the_largest_step_at_the_major_transition(bits):
    """DNL variance there is (2**N - 1) s² steps²; a quarter of that for the level (Saberi 2011)."""
    sigma = 0.002
    drawn = sar(adc_of("sar", bits, capacitor_mismatch_ratio=sigma), CONVERTERS, 1)
    middle = (1 << (bits - 1)) - 1  # index of the level of code 2**(N - 1)
    widths = np.diff(drawn, axis=1).var(axis=0)
    assert widths[middle - 1] == pytest.approx(((1 << bits) - 1) * sigma**2, rel=WITHIN_5_SIGMA)
    assert int(np.argmax(widths)) == middle - 1
    level = drawn[:, middle].var()
    assert level == pytest.approx((1 << bits) * sigma**2 / 4, rel=WITHIN_5_SIGMA)


def test_each_cause_draws_from_its_own_stream():
    """Switching one on leaves the others as they were."""
    alone = flash(adc_of(comparator_offset_ratio=0.01), 3, 9)
    ladder = flash(adc_of(dnl_sigma_ratio=0.01), 3, 9)
    both = flash(adc_of(comparator_offset_ratio=0.01, dnl_sigma_ratio=0.01), 3, 9)
    assert np.allclose(both, alone + ladder)
    assert np.array_equal(alone, flash(adc_of(comparator_offset_ratio=0.01), 3, 9))
    assert not np.array_equal(alone, flash(adc_of(comparator_offset_ratio=0.01), 3, 10))


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_counting_searched_levels_gives_the_answer_of_the_binary_search(levels, seed):
    """Also where mismatch puts trial levels far out of order."""
    generator = np.random.default_rng(seed)
    trials = np.arange(1, levels + 1) + generator.normal(0, 1.5, (1, levels))
    found = searched_levels(trials)[0]
    assert np.all(np.diff(found) >= 0)
    for value in generator.uniform(-3, levels + 4, 20):
        code = 0
        for bit in reversed(range(levels.bit_length())):
            tried = code | (1 << bit)
            if tried <= levels and value >= trials[0, tried - 1]:
                code = tried
        assert code == int((found <= value).sum())


def test_searching_levels_in_order_changes_nothing():
    trials = np.sort(np.random.default_rng(0).normal(0, 5, (4, 13)), axis=1)
    assert np.array_equal(searched_levels(trials), trials)
