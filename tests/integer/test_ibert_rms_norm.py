"""The integer RMS norm equals an unbounded oracle, and the real one within bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import IBertRmsNorm
from tests.integer import unit_oracles

INT16 = st.integers(-(2**15), 2**15 - 1)


def oracle(unit, row):
    return unit_oracles.rms_norm(row, gain=unit.gain, epsilon=unit.epsilon)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(INT16, INT16), min_size=1, max_size=24),
    st.integers(1, 2**46 - 1) | st.integers(1, 100),
)
def test_equals_the_oracle(channels, epsilon):
    row, gain = (list(column) for column in zip(*channels, strict=True))
    unit = IBertRmsNorm(gain=tuple(gain), epsilon=epsilon, input_bits=16)
    values, saturations = unit(np.array([row, row[::-1]], dtype=np.int16))
    assert values.dtype == np.int32
    assert saturations == 0
    assert values.tolist() == [oracle(unit, row), oracle(unit, row[::-1])]


@pytest.mark.parametrize("length", [1, 2, 3, 16_384])
def test_rows_at_the_ends_of_every_register(length):
    """All most negative, all most positive, a single 1, nothing: the results still fit 32 bits."""
    rows = np.zeros((4, length), dtype=np.int16)
    rows[0], rows[1], rows[2, -1] = -(2**15), 2**15 - 1, 1
    unit = IBertRmsNorm(gain=(-(2**15),) * length, epsilon=1, input_bits=16)
    values = unit(rows).values
    assert values.tolist() == [oracle(unit, row) for row in rows.tolist()]
    assert not values[3].any()


def test_declared_registers_hold_the_longest_row():
    """The sum of squares of 16,384 most negative codes, with the largest epsilon."""
    widths = [
        operation.width_bits
        for operation in IBertRmsNorm(gain=(1,), epsilon=1, input_bits=16).hardware.operations(1)
        if operation.kind == "add"
    ]
    assert (16_384 * 2**30).bit_length() <= max(widths)


@pytest.mark.parametrize("length", [64, 576, 2048])
def test_outputs_are_near_the_real_rms_norm(length):
    """Rows of 1000 input codes rms: one output step of ``sqrt(length) * 2**-15``, gains to 1.7."""
    generator = np.random.default_rng(length)
    scale, gain = 0.01, generator.normal(1, 0.2, length)
    gain_scale = np.abs(gain).max() / 32767
    unit = IBertRmsNorm(
        gain=tuple(np.rint(gain / gain_scale).astype(int).tolist()),
        epsilon=round(1e-5 * length / scale**2),
        input_bits=16,
    )
    codes = generator.normal(0, 1000, (200, length)).round().astype(np.int16)
    real = codes * scale
    exact = real / np.sqrt((real**2).mean(axis=-1, keepdims=True) + 1e-5) * gain
    output_scale = np.sqrt(length) * 2.0**-15 * gain_scale
    assert np.abs(unit(codes).values * output_scale - exact).max() <= 2e-3 * np.sqrt(length / 64)


def test_wrong_operands_and_constants_are_refused():
    unit = IBertRmsNorm(gain=(1, 1), epsilon=1, input_bits=8)
    with pytest.raises(TypeError, match=r"x must be .* got uint8"):
        unit(np.zeros((3, 2), dtype=np.uint8))
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        unit(np.array([[0, 128]], dtype=np.int16))
    with pytest.raises(ValueError, match=r"rows must have 2 elements, got shape \(1, 3\)"):
        unit(np.zeros((1, 3), dtype=np.int8))
    for changes, message in (
        ({"gain": (1, 2**15)}, r"gain\[1\] must be in"),
        ({"gain": ()}, "row length must be in"),
        ({"epsilon": 0}, "epsilon must be in"),
        ({"input_bits": 17}, "input_bits must be in"),
    ):
        with pytest.raises(ModelRangeError, match=message):
            IBertRmsNorm(**{"gain": (1, 1), "epsilon": 1, "input_bits": 16} | changes)
