"""The sum of exponentials leaves P·V without a division."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import VdrNormalize
from pimsim.integer.vdr_normalize import FACTORS
from tests.integer import rap_oracles

METHODS = ("shift", "reciprocal_lut")


def unit(method, **changed):
    return VdrNormalize(**{"method": method, "input_bits": 40, "output_bits": 48} | changed)


@pytest.mark.parametrize("method", METHODS)
@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(-(2**39), 2**39 - 1), st.integers(1, 255 * 65536)),
        min_size=1,
        max_size=9,
    )
)
def test_equals_the_oracle_bit_for_bit(method, rows):
    accumulators, sums = (np.array(column)[:, np.newaxis] for column in zip(*rows, strict=True))
    found = unit(method)(accumulators, sums)
    assert found.values[:, 0].tolist() == [rap_oracles.normalized(*row, method) for row in rows]
    assert found.saturations == 0


def test_every_sum_of_a_row_of_512_is_divided_within_half_a_percent():
    """Exhaustive: all sums from 128, the least that a row's largest code allows."""
    sums = np.arange(128, 255 * 512 + 1)[:, np.newaxis]
    found = unit("reciprocal_lut")(sums * 4096, sums).values / 2**8
    ratio = found / 4096
    assert ratio.min() > 0.995
    assert ratio.max() < 1.005


def test_the_leading_one_leaves_a_factor_of_one_to_two():
    sums = np.arange(128, 4096)[:, np.newaxis]
    ratio = unit("shift")(sums * 4096, sums).values / 2**8 / 4096
    assert ratio.min() >= 1.0
    assert ratio.max() < 2.0


def test_the_table_holds_rounded_reciprocals_of_one_byte():
    exact = [Fraction(2**16) / (256 + i + Fraction(1, 2)) for i in range(256)]
    assert list(FACTORS) == [min(255, rap_oracles.half_up(value)) for value in exact]
    assert unit("reciprocal_lut").hardware.table_bits == 256 * 8
    assert unit("shift").hardware.table_bits == 0


def test_a_masked_row_stays_zero():
    for method in METHODS:
        found = unit(method)(np.zeros((1, 4), np.int64), np.zeros((1, 1), np.int64))
        assert not found.values.any()


def test_what_does_not_fit_saturates_and_is_counted():
    found = unit("shift", output_bits=8)(np.array([[10**6, 3, -(10**6)]]), np.array([[256]]))
    assert (found.values.tolist(), found.saturations) == ([[127, 3, -127]], 2)
    assert found.values.dtype == np.int8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "divide"}, "method must be 'shift' or 'reciprocal_lut', got 'divide'"),
        ({"input_bits": 41}, "input_bits must be in"),
        ({"output_bits": 1}, "output_bits must be in"),
    ],
)
def test_settings_are_checked(changed, message):
    with pytest.raises(ModelRangeError, match=message):
        unit(**{"method": "shift"} | changed)


def test_operands_are_checked():
    with pytest.raises(ModelRangeError, match="sums must not be negative, got -1"):
        unit("shift")(np.array([[1]]), np.array([[-1]]))
    with pytest.raises(ModelRangeError, match="acc must fit 16 bits"):
        unit("shift", input_bits=16)(np.array([[1 << 15]]), np.array([[1]]))
    with pytest.raises(TypeError, match="sums must be"):
        unit("shift")(np.array([[1]]), np.array([[1.0]]))


def test_leading_axes_are_rows():
    generator = np.random.default_rng(0)
    accumulators = generator.integers(-(2**30), 2**30, (2, 3, 4, 5))
    sums = generator.integers(1, 9999, (2, 3, 4, 1))
    whole = unit("reciprocal_lut")(accumulators, sums).values
    rows = unit("reciprocal_lut")(accumulators.reshape(-1, 5), sums.reshape(-1, 1)).values
    assert np.array_equal(whole.reshape(-1, 5), rows)
