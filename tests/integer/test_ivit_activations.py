"""I-ViT's GELU and SiLU equal an unbounded oracle on all 16-bit codes, and the real functions
within their bounds."""

import math

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import IVitGelu, IVitSilu
from tests.integer import unit_oracles

EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)


@pytest.mark.parametrize("unit_type", [IVitGelu, IVitSilu])
@pytest.mark.parametrize(("one", "sigmoid_bits"), [(587, 15), (65535, 7), (1, 1)])
def test_every_16_bit_code_equals_the_oracle(unit_type, one, sigmoid_bits):
    unit = unit_type(one=one, sigmoid_bits=sigmoid_bits, input_bits=16)
    values, saturations = unit(EVERY_INT16)
    assert values.dtype == np.int32
    assert saturations == 0
    step = 1 if one == 587 and unit_type is IVitGelu else 11  # one class computes both
    assert values[::step].tolist() == [
        unit_oracles.ivit_activation(x, one=one, sigmoid_bits=sigmoid_bits)
        for x in range(-(2**15), 2**15, step)
    ]


@pytest.mark.parametrize("one", [1, 587, 65535])
def test_results_fit_the_declared_width_at_the_ends(one):
    """32 bits hold the widest codes and sigmoids."""
    unit = IVitSilu(one=one, sigmoid_bits=15, input_bits=16)
    ends = np.array([-(2**15), 2**15 - 1], dtype=np.int16)
    assert unit(ends).values.tolist() == [
        unit_oracles.ivit_activation(int(x), one=one, sigmoid_bits=15) for x in ends
    ]


def test_odd_part_is_half_the_input():
    unit = IVitSilu(one=1000, sigmoid_bits=15, input_bits=16)
    codes = np.arange(1, 2**15, dtype=np.int16)
    difference = unit(codes).values.astype(np.int64) - unit(-codes).values
    assert np.array_equal(difference, codes.astype(np.int64) << 15)


def sigmoid_error(scale):
    """Bound on the sigmoid: 0.044 of the shift exponential through e / (1 + e), 15 bits, scale."""
    return 0.044 + 2**-15 + scale


@pytest.mark.parametrize("scale", [2e-4, 1e-3])
def test_silu_is_within_the_exponentials_bound(scale):
    unit = IVitSilu(one=math.floor(1 / scale), sigmoid_bits=15, input_bits=16)
    real = EVERY_INT16 * scale
    exact = real / (1 + np.exp(-real))
    error = np.abs(unit(EVERY_INT16).values * (scale * 2.0**-15) - exact)
    assert np.all(error <= np.abs(real) * sigmoid_error(scale))
    assert 0.0145 <= error.max() <= 0.0155  # 0.015, as the unit says


@pytest.mark.parametrize("scale", [2e-4, 1e-3])
def test_gelu_is_within_the_sum_of_both_published_bounds(scale):
    """0.020 for x * sigmoid(1.702 x), and the shift exponential's 0.044 in the sigmoid."""
    unit = IVitGelu(one=math.floor(1 / (1.702 * scale)), sigmoid_bits=15, input_bits=16)
    codes = EVERY_INT16[np.abs(EVERY_INT16 * scale) <= 4]
    real = codes * scale
    sigmoid = real / (1 + np.exp(-1.702 * real))
    exact = real / 2 * np.array([1 + math.erf(x / math.sqrt(2)) for x in real])
    assert 0.0199 < np.abs(sigmoid - exact).max() <= 0.0204
    error = unit(codes).values * (scale * 2.0**-15) - exact
    assert np.all(np.abs(error) <= 0.0204 + np.abs(real) * sigmoid_error(2 * scale))


def test_wrong_operands_are_refused():
    unit = IVitSilu(one=100, sigmoid_bits=7, input_bits=8)
    with pytest.raises(TypeError, match=r"x must be .* got float64"):
        unit(np.zeros(3))
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        unit(np.array([128], dtype=np.int16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"one": 0}, r"one must be in \[1, 65535\]"),
        ({"one": 65536}, "one must be in"),
        ({"sigmoid_bits": 16}, r"sigmoid_bits must be in \[1, 15\]"),
        ({"input_bits": 17}, r"input_bits must be in \[2, 16\]"),
    ],
)
def test_constants_out_of_range_are_refused(changes, message):
    with pytest.raises(ModelRangeError, match=message):
        IVitGelu(**{"one": 587, "sigmoid_bits": 15, "input_bits": 16} | changes)


def test_an_element_holds_its_divider_for_two_bits_a_cycle():
    hardware = IVitSilu(one=100, sigmoid_bits=15, input_bits=16).hardware
    assert hardware.cycles_per_row(64, 64) == 1 + 8
    assert hardware.cycles_per_row(65, 64) == 2 * (1 + 8)
