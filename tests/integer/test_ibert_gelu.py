"""The I-BERT GELU equals an unbounded oracle on all 16-bit codes, and GELU within its bounds."""

import math

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import IBertGelu
from tests.integer import oracles, scales

EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)
SCALES = [4.02e-5, 2e-4, 1e-3, 4 / 127, 0.5]


def make_unit(scale, input_bits=16):
    return IBertGelu(**scales.gelu(scale), input_bits=input_bits)


@pytest.mark.parametrize("scale", SCALES)
def test_every_16_bit_code_equals_the_oracle(scale):
    unit = make_unit(scale)
    values, saturations = unit(EVERY_INT16)
    assert values.dtype == np.int32
    assert saturations == 0
    assert values.tolist() == [
        oracles.gelu(code, q_clip=unit.q_clip, q_c=unit.q_c) for code in range(-(2**15), 2**15)
    ]


@pytest.mark.parametrize("scale", [2e-4, 1e-3])
def test_error_on_minus_4_to_4_is_the_approximations(scale):
    """The paper's parabola is 1.8e-2 off at most and 8.2e-3 rms; 16-bit codes add little."""
    unit = make_unit(scale)
    codes = EVERY_INT16[np.abs(EVERY_INT16 * scale) <= 4]
    real = codes * scale
    exact = real / 2 * np.array([1 + math.erf(x / math.sqrt(2)) for x in real])
    error = unit(codes).values * (scale / (2 * unit.one)) - exact
    assert np.abs(error).max() <= 1.8e-2 + 3e-4
    assert math.sqrt(np.mean(error**2)) <= 8.2e-3 + 1e-4


@pytest.mark.parametrize("scale", SCALES)
def test_far_from_zero_it_is_the_identity_or_nothing(scale):
    unit = make_unit(scale)
    values = unit(EVERY_INT16).values.astype(np.int64)
    codes = EVERY_INT16.astype(np.int64)
    right, left = codes >= unit.q_clip, codes <= -unit.q_clip
    assert np.array_equal(values[right], 2 * unit.one * codes[right])
    assert not values[left].any()


def test_odd_part_is_exactly_half_the_input():
    unit = make_unit(1e-3)
    codes = np.arange(1, 2**15, dtype=np.int16)
    difference = unit(codes).values.astype(np.int64) - unit(-codes).values
    assert np.array_equal(difference, 2 * unit.one * codes.astype(np.int64))


def test_the_code_of_one_uses_15_bits_or_all_of_q_c():
    assert make_unit(1e-3).one.bit_length() == 15
    coarse = make_unit(0.5)
    assert (coarse.shift, coarse.one) == (0, coarse.q_c)


def test_wrong_operands_are_refused():
    unit = make_unit(0.05, input_bits=8)
    with pytest.raises(TypeError, match=r"x must be .* got float64"):
        unit(np.zeros(3))
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        unit(np.array([128], dtype=np.int16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_c": 2**32}, "q_c must be in"),
        ({"q_clip": 0}, "q_clip must be in"),
        ({"q_clip": 2632}, "q_clip 2632 squared exceeds q_c 6925207"),
        ({"input_bits": 17}, "input_bits must be in"),
    ],
)
def test_constants_that_make_no_gelu_are_refused(changes, message):
    with pytest.raises(ModelRangeError, match=message):
        IBertGelu(**{"q_clip": 2501, "q_c": 6925207, "input_bits": 16} | changes)
