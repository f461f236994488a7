"""The I-BERT SiLU equals an unbounded oracle on all 16-bit codes, and SiLU within its bound."""

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import IBertSilu
from tests.integer import scales, unit_oracles

EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)


def make_unit(scale, *, sigmoid_bits=15, input_bits=16):
    return IBertSilu(**scales.softmax(scale), sigmoid_bits=sigmoid_bits, input_bits=input_bits)


@pytest.mark.parametrize(("scale", "sigmoid_bits"), [(2.56e-5, 15), (1e-3, 15), (0.69, 1)])
def test_every_16_bit_code_equals_the_oracle(scale, sigmoid_bits):
    unit = make_unit(scale, sigmoid_bits=sigmoid_bits)
    values, saturations = unit(EVERY_INT16)
    assert values.dtype == np.int32
    assert saturations == 0
    step = 1 if scale == 1e-3 else 11
    constants = scales.softmax(scale)
    assert values[::step].tolist() == [
        unit_oracles.ibert_silu(x, **constants, sigmoid_bits=sigmoid_bits)
        for x in range(-(2**15), 2**15, step)
    ]


@pytest.mark.parametrize("scale", [2e-4, 1e-3])
def test_error_is_the_polynomials(scale):
    """1.9131e-3 of the exponential passes into the sigmoid at most whole; 15 bits and the scale."""
    unit = make_unit(scale)
    real = EVERY_INT16 * scale
    error = np.abs(unit(EVERY_INT16).values * (scale * 2.0**-15) - real / (1 + np.exp(-real)))
    assert np.all(error <= np.abs(real) * (1.9131e-3 + 2**-15 + scale / 2) + 1e-9)
    assert np.all(error <= np.abs(real) * 8.5e-4 + scale)  # 8e-4 of sigmoid, as the unit says


def test_far_from_zero_it_is_the_identity_or_nothing():
    unit = make_unit(1e-3)
    far = np.array([-(2**15), 30_000], dtype=np.int16)
    assert unit(far).values.tolist() == [0, 30_000 << 15]


def test_odd_part_is_half_the_input():
    unit = make_unit(1e-3)
    codes = np.arange(1, 2**15, dtype=np.int16)
    difference = unit(codes).values.astype(np.int64) - unit(-codes).values
    assert np.array_equal(difference, codes.astype(np.int64) << 15)


def test_wrong_operands_and_constants_are_refused():
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        make_unit(0.05, input_bits=8)(np.array([128], dtype=np.int16))
    with pytest.raises(TypeError, match="got float32"):
        make_unit(0.05)(np.zeros(2, dtype=np.float32))
    with pytest.raises(ModelRangeError, match="give an exponential of 0 or less"):
        IBertSilu(q_ln2=130, q_b=270, q_c=300, sigmoid_bits=15, input_bits=16)
    with pytest.raises(ModelRangeError, match="sigmoid_bits"):
        make_unit(0.05, sigmoid_bits=0)
