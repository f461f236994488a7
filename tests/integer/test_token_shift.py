"""Bias, rescaling and addition of rows that carry a power of two each."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import BiasedShift, ScaledAdd, emsb_q
from tests.integer import rap_oracles

ROW = st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=8)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(ROW, st.integers(-(2**31), 2**31 - 1), st.integers(0, 8), st.integers(0, 40))
def test_a_bias_meets_the_accumulator_at_the_shift_of_its_row(row, first, bias_shift, places):
    bias = tuple((first + 977 * channel) % 2**32 - 2**31 for channel in range(len(row)))
    unit = BiasedShift(bias=bias, bias_shift=bias_shift, leading=emsb_q(input_bits=41))
    found = unit.encode(np.array([row]), np.array([[places]], np.int8))
    total = [
        x + math.floor(Fraction(b * 2**bias_shift, 2**places))
        for x, b in zip(row, bias, strict=True)
    ]
    codes, shift = rap_oracles.effective_msb(total)
    assert found.values.tolist() == [codes]
    assert found.shifts.tolist() == [[places + shift]]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(ROW, st.integers(8, 30), st.sampled_from([9, 12, 16]), st.booleans())
def test_a_fixed_place_cuts_keys_and_values(row, msb, bits, rounds):
    leading = emsb_q(
        input_bits=34, kept_bits=bits - 1, msb_bits=msb,
        rounding="half_up" if rounds else "truncate",
    )  # fmt: skip
    unit = BiasedShift(bias=None, bias_shift=0, leading=leading)
    found = unit(np.array([row]))
    assert found.values.tolist() == [rap_oracles.fixed_msb(row, msb, bits, rounds=rounds)]
    assert found.saturations <= len(row)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-255, 255), min_size=1, max_size=8),
    st.integers(1, 2**15 - 1),
    st.integers(-30, 61),
    st.integers(0, 60),
    st.integers(-(2**15) + 1, 2**15 - 1),
)
def test_a_branch_enters_the_stream_with_one_rounding(row, multiplier, shift, places, addend):
    unit = ScaledAdd(multiplier=multiplier, shift=shift, input_bits=9, output_bits=16)
    found = unit(np.array([row]), np.array([[places]], np.int8), np.full((1, len(row)), addend))
    exact = [
        rap_oracles.half_up(Fraction(x * multiplier) * Fraction(2) ** (places - shift)) + addend
        for x in row
    ]
    limited = [max(-32767, min(32767, value)) for value in exact]
    assert found.values.tolist() == [limited]
    assert found.saturations == sum(a != b for a, b in zip(exact, limited, strict=True))


def test_without_shifts_or_addend_it_is_a_rescaling():
    unit = ScaledAdd(multiplier=1 << 14, shift=15, input_bits=9, output_bits=16)
    assert unit(np.array([[5, -5, 255]])).values.tolist() == [[3, -2, 128]]


def test_a_power_of_two_needs_no_multiplier():
    def kinds(multiplier):
        unit = ScaledAdd(multiplier=multiplier, shift=3, input_bits=9, output_bits=16)
        return {operation.kind for operation in unit.hardware.operations(8)}

    assert kinds(20000) - kinds(1) == {"multiply"}


def test_a_bias_costs_a_shift_an_addition_and_its_storage():
    leading = emsb_q(input_bits=30)
    plain, biased = (
        BiasedShift(bias=bias, bias_shift=0, leading=leading).hardware
        for bias in (None, (1, 2, 3, 4))
    )
    counts, more = (sum(one.operations(4).values()) for one in (plain, biased))
    assert more - counts == 2 * 4
    assert biased.table_bits - plain.table_bits == 4 * 32


def test_operands_and_constants_are_checked():
    unit = BiasedShift(bias=(1, 2), bias_shift=0, leading=emsb_q(input_bits=20))
    with pytest.raises(ValueError, match="rows must have 2 elements"):
        unit(np.array([[1, 2, 3]]))
    with pytest.raises(ModelRangeError, match="shifts must not be negative, got -1"):
        unit(np.array([[1, 2]]), np.array([[-1]]))
    with pytest.raises(ModelRangeError, match="x must fit 20 bits"):  # the sum, not the operand
        unit(np.array([[2**19 - 1, 0]]))
    with pytest.raises(ModelRangeError, match=r"bias\[0\] must be in"):
        BiasedShift(bias=(2**31,), bias_shift=0, leading=emsb_q(input_bits=20))
    with pytest.raises(ModelRangeError, match="multiplier must be in"):
        ScaledAdd(multiplier=1 << 15, shift=0, input_bits=9, output_bits=16)
    with pytest.raises(ModelRangeError, match="addend must fit 16 bits"):
        ScaledAdd(multiplier=1, shift=0, input_bits=9, output_bits=16)(
            np.array([[1]]), None, np.array([[40000]])
        )
