"""The I-BERT softmax equals an unbounded oracle bit for bit, and the real softmax within bounds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import IBertSoftmax
from tests.integer import oracles, scales

COARSEST, FINEST = 0.6931, 2.56e-5
"""Scales at the ends of the unit's valid range."""


def make_unit(scale, *, input_bits=16, output_bits=8, rounding="truncate"):
    return IBertSoftmax(
        **scales.softmax(scale), input_bits=input_bits, output_bits=output_bits, rounding=rounding
    )


def oracle(unit, row, keep=None):
    return oracles.softmax(
        row,
        keep,
        q_ln2=unit.q_ln2,
        q_b=unit.q_b,
        q_c=unit.q_c,
        output_bits=unit.output_bits,
        rounding=unit.rounding,
    )


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=24),
    st.floats(FINEST, COARSEST),
    st.integers(1, 15),
    st.sampled_from(["truncate", "half_up"]),
    st.randoms(use_true_random=False),
)
def test_equals_the_oracle_with_and_without_a_mask(row, scale, output_bits, rounding, random):
    unit = make_unit(scale, output_bits=output_bits, rounding=rounding)
    keep = [random.random() < 0.7 for _ in row]
    logits = np.array(row, dtype=np.int16)
    plain = unit(logits)
    assert (plain.values.tolist(), plain.saturations) == oracle(unit, row)
    masked = unit(logits, np.array(keep))
    assert (masked.values.tolist(), masked.saturations) == oracle(unit, row, keep)


@pytest.mark.parametrize(
    ("output_bits", "rounding", "row", "expected", "saturations"),
    [
        (8, "truncate", [7], [255], 0),  # 2**32 // exp(0), cut, stays below 256
        (8, "half_up", [7], [255], 1),  # 256 saturates
        (7, "half_up", [-32768], [127], 1),
        (7, "half_up", [5, 5, 5, 5], [32, 32, 32, 32], 0),
        (7, "half_up", [-32768] * 2, [64, 64], 0),
        (7, "truncate", [-32768, 32767], [0, 127], 0),
        (1, "half_up", [0, 0], [1, 1], 0),  # a half rounds up
    ],
)
def test_corner_rows(output_bits, rounding, row, expected, saturations):
    unit = make_unit(1e-3, output_bits=output_bits, rounding=rounding)
    output = unit(np.array(row, dtype=np.int16))
    assert (output.values.tolist(), output.saturations) == (expected, saturations)


def test_the_widest_distance_does_not_overflow():
    unit = make_unit(1e-3, input_bits=32)
    row = np.array([-(2**31), 2**31 - 1], dtype=np.int32)
    assert unit(row).values.tolist() == oracle(unit, row.tolist())[0] == [0, 255]


def test_masked_elements_get_code_zero_and_no_part_in_the_sum():
    unit = make_unit(1e-3, output_bits=7, rounding="half_up")
    logits = np.array([[9000, 0, 0], [1, 2, 3], [0, -500, 9000]], dtype=np.int16)
    keep = np.array([[False, True, True], [False, False, False], [True, True, False]])
    values = unit(logits, keep).values
    assert values[0].tolist() == [0, 64, 64]
    assert values[1].tolist() == [0, 0, 0]
    assert values[2].tolist() == [*unit(logits[2:, :2]).values[0].tolist(), 0]


def test_a_causal_mask_broadcasts_over_leading_axes():
    unit = make_unit(1e-3)
    logits = np.random.default_rng(0).integers(-5000, 5000, (2, 3, 5, 5)).astype(np.int16)
    keep = np.tril(np.ones((5, 5), dtype=np.bool_))
    values = unit(logits, keep).values
    for index in itertools.product(range(2), range(3), range(5)):
        visible = index[-1] + 1
        assert np.array_equal(values[index][:visible], unit(logits[index][:visible]).values)
        assert not values[index][visible:].any()


@pytest.mark.parametrize("length", [2, 17, 64])
@pytest.mark.parametrize(("output_bits", "rounding"), [(8, "truncate"), (7, "half_up")])
def test_probabilities_are_near_the_real_softmax(length, output_bits, rounding):
    """One code for truncation (half a code for rounding, one where 1.0 saturates) and 1e-3."""
    scale = 1e-3
    unit = make_unit(scale, output_bits=output_bits, rounding=rounding)
    logits = np.random.default_rng(length).normal(0, 3000, (500, length)).round().astype(np.int16)
    weights = np.exp(scale * (logits - logits.max(axis=-1, keepdims=True).astype(float)))
    exact = weights / weights.sum(axis=-1, keepdims=True)
    values = unit(logits).values
    step = 2.0**-output_bits
    error = np.abs(values * step - exact)
    saturated = values == 2**output_bits - 1
    assert error[saturated].max(initial=0) <= step + 1e-3
    assert error[~saturated].max() <= step * (1 if rounding == "truncate" else 0.5) + 1e-3


def test_rounding_half_up_keeps_the_mass_that_truncation_loses():
    logits = np.random.default_rng(1).normal(0, 1000, (200, 17)).round().astype(np.int16)
    mass = {
        rounding: make_unit(1e-3, output_bits=7, rounding=rounding)(logits).values.sum(axis=-1)
        for rounding in ("truncate", "half_up")
    }
    assert np.abs(mass["half_up"] - 128).mean() < 2
    assert (128 - mass["truncate"]).mean() > 5


@pytest.mark.parametrize(
    ("output_bits", "dtype"), [(1, np.int8), (7, np.int8), (8, np.int16), (15, np.int16)]
)
def test_codes_have_the_smallest_signed_type(output_bits, dtype):
    assert (
        make_unit(1e-3, output_bits=output_bits)(np.zeros(3, dtype=np.int8)).values.dtype == dtype
    )


def test_wrong_operands_are_refused():
    unit = make_unit(1e-3)
    row = np.zeros((2, 3), dtype=np.int16)
    with pytest.raises(TypeError, match=r"logits must be .* got float32"):
        unit(row.astype(np.float32))
    with pytest.raises(TypeError, match="keep must be a boolean NumPy array, got int16"):
        unit(row, row)
    with pytest.raises(TypeError, match="keep must be a boolean NumPy array, got list"):
        unit(row, [True])
    with pytest.raises(ModelRangeError, match="logits must fit 16 bits"):
        unit(np.array([40_000], dtype=np.int32))
    with pytest.raises(ModelRangeError, match="at most 65536 elements, got 65537"):
        unit(np.zeros(65_537, dtype=np.int8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_c": 2**32}, r"q_c must be in \[1, 4294967295\]"),
        ({"q_ln2": 0}, r"q_ln2 must be in \[1, 135\], got 0"),
        ({"q_b": 10**9}, "q_b must be in"),
        ({"q_ln2": 130, "q_c": 300}, "give an exponential of 0 or less"),
        ({"input_bits": 33}, "input_bits must be in"),
        ({"output_bits": 16}, "output_bits must be in"),
        ({"rounding": "nearest"}, "rounding must be 'truncate' or 'half_up', got 'nearest'"),
    ],
)
def test_constants_that_make_no_softmax_are_refused(changes, message):
    constants = {"q_ln2": 69, "q_b": 270, "q_c": 27921, "input_bits": 16, "output_bits": 8}
    with pytest.raises(ModelRangeError, match=message):
        IBertSoftmax(**constants | changes)
