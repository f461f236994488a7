"""The I-BERT layer norm equals an unbounded oracle, and the real layer norm within bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import IBertLayerNorm
from tests.integer import oracles, scales

INT16 = st.integers(-(2**15), 2**15 - 1)
BIAS = st.integers(-(2**30), 2**30 - 1)


def oracle(unit, row):
    return oracles.layer_norm(row, gain=unit.gain, bias=unit.bias, epsilon=unit.epsilon)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(INT16, INT16, BIAS), min_size=1, max_size=24),
    st.integers(1, 2**46 - 1) | st.integers(1, 100),
)
def test_equals_the_oracle(channels, epsilon):
    row, gain, bias = (list(column) for column in zip(*channels, strict=True))
    unit = IBertLayerNorm(gain=tuple(gain), bias=tuple(bias), epsilon=epsilon, input_bits=16)
    values, saturations = unit(np.array([row, row[::-1]], dtype=np.int16))
    assert values.dtype == np.int32
    assert saturations == 0
    assert values.tolist() == [oracle(unit, row), oracle(unit, row[::-1])]


@pytest.mark.parametrize("length", [1, 2, 3, 16_384])
def test_rows_at_the_ends_of_every_register(length):
    """Full-scale inputs, gains and biases: the sums must still be exact."""
    generator = np.random.default_rng(length)
    ends = np.array([-(2**15), 2**15 - 1])
    rows = generator.choice(ends, (3, length)).astype(np.int16)
    rows[1] = 0
    rows[1, -1] = 1
    unit = IBertLayerNorm(
        gain=tuple(generator.choice(ends, length).tolist()),
        bias=tuple(generator.choice([-(2**30), 2**30 - 1], length).tolist()),
        epsilon=1,
        input_bits=16,
    )
    assert unit(rows).values.tolist() == [oracle(unit, row) for row in rows.tolist()]


@pytest.mark.parametrize("level", [-(2**15), -1, 0, 2**15 - 1])
def test_a_constant_row_gives_the_bias(level):
    bias = (-7, 0, 2**30 - 1, 12)
    unit = IBertLayerNorm(gain=(2**15 - 1,) * 4, bias=bias, epsilon=1, input_bits=16)
    assert unit(np.full((1, 4), level, dtype=np.int16)).values.tolist() == [list(bias)]


def test_adding_a_constant_to_a_row_changes_nothing():
    unit = IBertLayerNorm(gain=(1000,) * 64, bias=(5,) * 64, epsilon=9, input_bits=16)
    rows = np.random.default_rng(0).integers(-9000, 9000, (20, 64)).astype(np.int16)
    assert np.array_equal(unit(rows).values, unit(rows + np.int16(1234)).values)


@pytest.mark.parametrize(("length", "tolerance"), [(64, 2e-3), (384, 2e-3), (2048, 4e-3)])
def test_outputs_are_near_the_real_layer_norm(length, tolerance):
    """Rows of 1000 input codes rms: half a code of mean is 5e-4, and so is a part of one output
    step of ``sqrt(length) * 2**-15``, times gains up to 1.7."""
    generator = np.random.default_rng(length)
    scale = 0.01
    gain, bias = generator.normal(1, 0.2, length), generator.normal(0, 0.5, length)
    constants, output_scale = scales.layer_norm(
        scale, gain=gain.tolist(), bias=bias.tolist(), epsilon=1e-5
    )
    codes = generator.normal(300, 1000, (200, length)).round().astype(np.int16)
    real = codes * scale
    centred = real - real.mean(axis=-1, keepdims=True)
    exact = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias
    values = IBertLayerNorm(**constants, input_bits=16)(codes).values
    assert np.abs(values * output_scale - exact).max() <= tolerance


def test_a_large_bias_widens_the_gains_scale():
    """The derived bias must fit 31 bits even where it dwarfs the gain."""
    constants, output_scale = scales.layer_norm(
        1.0, gain=[1e-6] * 4, bias=[5.0, -5.0, 0.0, 1.0], epsilon=1e-5
    )
    unit = IBertLayerNorm(**constants, input_bits=16)
    values = unit(np.zeros((1, 4), dtype=np.int16)).values
    assert values[0] * output_scale == pytest.approx([5.0, -5.0, 0.0, 1.0])


def test_wrong_operands_are_refused():
    unit = IBertLayerNorm(gain=(1, 1), bias=(0, 0), epsilon=1, input_bits=8)
    with pytest.raises(TypeError, match=r"x must be .* got uint8"):
        unit(np.zeros((3, 2), dtype=np.uint8))
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        unit(np.array([[0, 128]], dtype=np.int16))
    with pytest.raises(ValueError, match=r"rows must have 2 elements, got shape \(1, 3\)"):
        unit(np.zeros((1, 3), dtype=np.int8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": (1, 2**15)}, r"gain\[1\] must be in \[-32768, 32767\], got 32768"),
        ({"bias": (2**30, 0)}, r"bias\[0\] must be in"),
        ({"bias": (0,)}, "one code per channel each, got 2 and 1"),
        ({"gain": (), "bias": ()}, r"row length must be in \[1, 16384\], got 0"),
        ({"epsilon": 0}, "epsilon must be in"),
        ({"epsilon": 2**46}, "epsilon must be in"),
        ({"input_bits": 17}, "input_bits must be in"),
    ],
)
def test_constants_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        IBertLayerNorm(**{"gain": (1, 1), "bias": (0, 0), "epsilon": 1, "input_bits": 16} | changes)
