"""Scales become integers: dyadic ratios, weight codes and the constants of the I-BERT units."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from pimsim.errors import QuantizationError
from pimsim.quantization import constants


@given(st.floats(-46.99, 13.99).map(lambda exponent: 2.0**exponent))
def test_a_dyadic_ratio_is_right_to_15_bits(ratio):
    multiplier, shift = constants.dyadic(ratio)
    assert 1 << 14 <= multiplier < 1 << 15
    assert 0 <= shift <= 61
    assert abs(Fraction(multiplier, 2**shift) / Fraction(ratio) - 1) <= Fraction(1, 2**15)


@pytest.mark.parametrize("exponent", range(-46, 14))
def test_powers_of_two_are_exact(exponent):
    for ratio in (2.0**exponent, math.nextafter(2.0**exponent, 0)):
        multiplier, shift = constants.dyadic(ratio)
        assert Fraction(multiplier, 2**shift) == Fraction(2) ** exponent


@pytest.mark.parametrize("ratio", [0.0, -1.0, 2.0**-47, 2.0**14, math.inf, math.nan])
def test_a_ratio_that_no_constant_expresses_is_refused(ratio):
    with pytest.raises(QuantizationError, match="outside what a 15-bit multiplier and a shift"):
        constants.dyadic(ratio)


def test_one_channel_needs_no_list():
    assert constants.dyadic_per_channel(np.array([0.5])) == (16384, 15)
    assert constants.dyadic_per_channel(np.array([0.5, 0.75])) == ((16384, 24576), (15, 15))


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_weight_codes_miss_by_half_a_step_and_fill_their_range(bits, seed):
    generator = np.random.default_rng(seed)
    weights = generator.standard_normal((7, 5)) * 10.0 ** generator.integers(-3, 3, 5)
    codes, scales = constants.quantize_weights(weights, bits)
    largest = 2 ** (bits - 1) - 1
    assert codes.dtype == np.int64
    assert np.array_equal(np.abs(codes).max(axis=0), np.full(5, largest))
    assert np.all(np.abs(codes * scales - weights) <= scales / 2 * (1 + 1e-12))


def test_columns_without_weight_get_a_scale_all_the_same():
    codes, scales = constants.quantize_weights(np.zeros((3, 2)), 8)
    assert not codes.any()
    assert scales.tolist() == [1 / 127] * 2
    codes, scales = constants.quantize_weights(np.array([[1.0, 0.0], [-0.5, 1e-30]]), 8)
    assert codes.tolist() == [[127, 0], [-64, 0]]
    assert scales.tolist() == [1 / 127, 2.0**-24 / 127]


def test_a_scale_can_be_given_a_floor():
    codes, scales = constants.quantize_weights(np.eye(2), 8, smallest=np.array([0.0, 0.1]))
    assert scales.tolist() == [1 / 127, 0.1]
    assert codes.tolist() == [[127, 0], [0, 10]]


@given(st.floats(constants.SOFTMAX_SMALLEST_SCALE, 0.1), st.sampled_from([8, 16]))
def test_softmax_constants_follow_their_formulas(scale, bits):
    unit = constants.ibert_softmax(scale, bits)
    a, b = 0.35815147, 0.96963238
    assert unit.q_ln2 == math.floor(math.log(2) / scale)
    assert unit.q_b == pytest.approx(b / a / scale, abs=1)
    assert unit.q_c == pytest.approx(1 / a / scale**2, rel=1e-9, abs=1)
    assert (unit.input_bits, unit.output_bits, unit.rounding) == (bits, 15, "half_up")


@pytest.mark.parametrize("scale", [constants.SOFTMAX_SMALLEST_SCALE, 1e-4, 1e-3, 0.01])
def test_the_softmax_unit_is_a_softmax(scale):
    """Within a code of 2**-15, 0.4 % of the polynomial and what floors cost on this scale."""
    generator = np.random.default_rng(1)
    codes = generator.integers(-20000, 20000, (50, 6)).astype(np.int16)
    logits = scale * codes.astype(float)
    real = np.exp(logits - logits.max(axis=1, keepdims=True))
    real /= real.sum(axis=1, keepdims=True)
    found = constants.ibert_softmax(scale, 16)(codes).values / 2**15
    assert np.abs(found - real).max() <= 2**-15 + 0.004 + 2 * scale


@given(st.floats(constants.GELU_SMALLEST_SCALE, 0.01))
def test_gelu_constants_follow_their_formulas(scale):
    unit, output_scale = constants.ibert_gelu(scale, 16)
    assert unit.q_clip == math.floor(1.769 * math.sqrt(2) / scale)
    assert unit.q_c == pytest.approx(2 / 0.2888 / scale**2, rel=1e-9, abs=1)
    assert output_scale == scale / (2 * unit.one)


@pytest.mark.parametrize("scale", [constants.GELU_SMALLEST_SCALE, 1e-3])
def test_the_gelu_unit_is_a_gelu(scale):
    """Within 1.8e-2, the approximation's own error, and what integers cost on this scale."""
    codes = np.arange(-32767, 32768, 37, dtype=np.int16)[None]
    unit, output_scale = constants.ibert_gelu(scale, 16)
    x = codes * scale
    exact = 0.5 * x * (1 + erf(x / math.sqrt(2)))
    bound = 0.0182 + np.abs(x) * (2.0**-13 + 2 * scale)
    assert np.all(np.abs(unit(codes).values * output_scale - exact) <= bound)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 64]), st.floats(1e-5, 0.1))
def test_layer_norm_constants_follow_their_formulas(seed, length, scale):
    generator = np.random.default_rng(seed)
    gain, bias = generator.standard_normal((2, length)) * 10.0 ** generator.integers(-3, 4, (2, 1))
    unit, output_scale = constants.ibert_layer_norm(scale, 16, gain, bias, 1e-5)
    gain_scale = output_scale / (math.sqrt(length) * 2.0**-15)
    assert unit.epsilon == max(1, round(1e-5 * length / scale**2))
    assert np.abs(np.array(unit.gain) * gain_scale - gain).max() <= gain_scale / 2 * (1 + 1e-9)
    assert np.abs(np.array(unit.bias) * output_scale - bias).max() <= output_scale / 2 * (1 + 1e-9)
    assert max(map(abs, unit.gain)) <= 32767
    assert max(map(abs, unit.bias)) < 2**30


def test_a_layer_norm_that_gives_zero_has_constants():
    unit, output_scale = constants.ibert_layer_norm(0.1, 16, np.zeros(4), np.zeros(4), 1e-5)
    assert (unit.gain, unit.bias, output_scale > 0) == ((0,) * 4, (0,) * 4, True)
