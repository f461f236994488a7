"""Dyadic requantization equals exact rationals, rounds half away from zero and saturates."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import DyadicAdd, DyadicRequantize, add_requantized, requantize
from pimsim.integer.multiply import DyadicMultiply
from pimsim.integer.rectify import Rectify
from tests.integer import oracles, scales

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.integers(1, 2**15 - 1)


@pytest.mark.parametrize(
    ("acc", "multiplier", "shift", "bits", "expected"),
    [
        (1, 1, 1, 8, 1),  # ties go away from zero
        (-1, 1, 1, 8, -1),
        (3, 1, 1, 8, 2),
        (-3, 1, 1, 8, -2),
        (1, 1, 2, 8, 0),  # a quarter rounds to nothing, from both sides
        (-1, 1, 2, 8, 0),
        (-5, 1, 2, 8, -1),
        (-100, 1, 0, 8, -100),  # a shift by 0 keeps the product
        (-(2**31), 1, 62, 8, 0),
        (2**31 - 1, 2**15 - 1, 0, 8, 127),
        (-(2**31), 2**15 - 1, 0, 8, -128),
        (2**47 - 1, 2**15 - 1, 62, 8, 1),
        (-(2**47), 2**15 - 1, 62, 8, -1),
        (2**47 - 1, 2**15 - 1, 31, 32, 2**31 - 2**16),
        (2**47 - 1, 2**15 - 1, 30, 32, 2**31 - 1),
        (-(2**47), 2**14, 30, 32, -(2**31)),
    ],
)
def test_corners_round_and_saturate(acc, multiplier, shift, bits, expected):
    values, _ = requantize(np.array([acc], dtype=np.int64), multiplier, shift, bits=bits)
    assert values.tolist() == [expected]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(INT32, min_size=1, max_size=20),
    MULTIPLIER,
    st.integers(0, 62),
    st.integers(2, 32),
    st.booleans(),
)
def test_equals_the_rational_oracle_and_counts_saturations(
    accs, multiplier, shift, bits, symmetric
):
    values, saturations = requantize(
        np.array(accs, dtype=np.int32), multiplier, shift, bits=bits, symmetric=symmetric
    )
    expected = [
        oracles.requantize(acc, multiplier, shift, bits=bits, symmetric=symmetric) for acc in accs
    ]
    assert values.tolist() == [code for code, _ in expected]
    assert saturations == sum(saturated for _, saturated in expected)


def test_every_int16_accumulator_equals_the_oracle():
    accs = np.arange(-(2**15), 2**15, dtype=np.int16)
    for multiplier, shift in ((16384, 14), (20011, 22), (32767, 30), (3, 1)):
        values, _ = requantize(accs, multiplier, shift, bits=8)
        assert values.tolist() == [
            oracles.requantize(acc, multiplier, shift, bits=8)[0] for acc in range(-(2**15), 2**15)
        ]


def test_constants_per_channel_apply_along_the_last_axis():
    accs = np.array([[[1000, 1000, 1000], [-1000, -1000, -1000]]], dtype=np.int32)
    values, saturations = requantize(accs, (1, 2, 3), np.array([0, 4, 5]), bits=8)
    assert values.tolist() == [[[127, 125, 94], [-128, -125, -94]]]
    assert saturations == 2


@pytest.mark.parametrize(
    ("bits", "dtype"), [(2, np.int8), (8, np.int8), (9, np.int16), (16, np.int16), (17, np.int32)]
)
def test_codes_have_the_smallest_signed_type(bits, dtype):
    assert requantize(np.zeros(1, dtype=np.int32), 1, 1, bits=bits).values.dtype == dtype


def test_symmetric_codes_leave_out_the_most_negative():
    accs = np.array([-128, -127, 127], dtype=np.int16)
    values, saturations = requantize(accs, 1, 0, bits=8, symmetric=True)
    assert (values.tolist(), saturations) == ([-127, -127, 127], 1)


def test_large_and_strided_arrays_equal_their_parts():
    """Blocks and memory layout do not show."""
    accs = np.random.default_rng(0).integers(-(2**31), 2**31, (300, 7, 40)).astype(np.int32)
    strided = accs.transpose(1, 0, 2)[:, ::2]
    values, saturations = requantize(strided, 20000, 37, bits=8)
    parts = [requantize(part, 20000, 37, bits=8) for part in strided.reshape(-1, 40)]
    assert np.array_equal(values.reshape(-1, 40), [part.values for part in parts])
    assert saturations == sum(part.saturations for part in parts)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**15), 2**15 - 1), INT32), min_size=1, max_size=10),
    st.tuples(MULTIPLIER, MULTIPLIER),
    st.integers(0, 40),
    st.integers(-15, 15),
    st.integers(8, 32),
)
def test_sum_is_rounded_once(pairs, multipliers, shift, difference, bits):
    shifts = (shift, max(0, shift + difference))
    a = np.array([pair[0] for pair in pairs], dtype=np.int16)
    b = np.array([pair[1] for pair in pairs], dtype=np.int32)
    values, saturations = add_requantized(a, b, multipliers, shifts, bits=bits)
    expected = [oracles.add_requantized(*pair, multipliers, shifts, bits=bits) for pair in pairs]
    assert values.tolist() == [code for code, _ in expected]
    assert saturations == sum(saturated for _, saturated in expected)


def test_sum_is_exact_at_the_widest_operands():
    """All bits of the 64-bit sum in use: 32-bit operands 15 places apart, at the largest shift."""
    for a in (-(2**31), 2**31 - 1):
        for b in (-(2**31), 2**31 - 1):
            arguments = ((2**15 - 1, 2**15 - 1), (46, 61))
            values, _ = add_requantized(
                np.array([a], dtype=np.int32), np.array([b], dtype=np.int32), *arguments, bits=32
            )
            assert values.tolist() == [oracles.add_requantized(a, b, *arguments, bits=32)[0]]


def test_operands_of_a_sum_broadcast():
    stream = np.arange(12, dtype=np.int16).reshape(2, 2, 3)
    positions = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.int8)
    values, _ = add_requantized(stream, positions, (1, 1), (0, 0), bits=16)
    assert np.array_equal(values, stream + positions)


def test_a_sum_too_far_apart_is_refused():
    small, wide = np.zeros(2, dtype=np.int16), np.zeros(2, dtype=np.int32)
    add_requantized(small, wide, (1, 1), (0, 31), bits=16)
    with pytest.raises(ModelRangeError, match="operand a of 16 bits would be moved left by 32"):
        add_requantized(small, wide, (1, 1), (0, 32), bits=16)
    with pytest.raises(ModelRangeError, match="operand b of 32 bits would be moved left by 16"):
        add_requantized(small, wide, (1, 1), (16, 0), bits=16)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.floats(2.0**-47, 2.0**14))
def test_derived_constants_hold_the_ratio_to_15_bits(ratio):
    multiplier, shift = scales.dyadic(ratio)
    assert 2**14 <= multiplier < 2**15
    assert 0 <= shift <= 62
    assert abs(Fraction(multiplier, 2**shift) / Fraction(ratio) - 1) <= Fraction(1, 2**15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.bool_, np.object_])
def test_other_types_are_refused_by_name(dtype):
    with pytest.raises(TypeError, match=f"acc must be .* got {np.dtype(dtype)}; .* never cast"):
        requantize(np.zeros(1, dtype=dtype), 1, 1, bits=8)


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match="got list"):
        requantize([1, 2], 1, 1, bits=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"multiplier": 0}, r"multiplier must be in \[1, 32767\]"),
        ({"multiplier": 2**15}, r"multiplier must be in \[1, 32767\]"),
        ({"shift": -1}, r"shift must be in \[0, 62\]"),
        ({"shift": 63}, r"shift must be in \[0, 62\]"),
        ({"shift": (1, 2, 63)}, r"got values in \[1, 63\]"),
        ({"bits": 1}, r"bits must be in \[2, 32\]"),
        ({"bits": 33}, r"bits must be in \[2, 32\]"),
    ],
)
def test_constants_out_of_range_are_refused(arguments, message):
    acc = np.zeros(3, dtype=np.int32)
    with pytest.raises(ModelRangeError, match=message):
        requantize(acc, **{"multiplier": 1, "shift": 1, "bits": 8} | arguments)


def test_constants_of_another_type_or_length_are_refused():
    acc = np.zeros(3, dtype=np.int32)
    with pytest.raises(TypeError, match="multiplier must be an integer or integers, got float64"):
        requantize(acc, 1.5, 1, bits=8)
    with pytest.raises(TypeError, match="bits must be an int, got bool True"):
        requantize(acc, 1, 1, bits=True)
    with pytest.raises(ValueError, match="each of the 3 elements of a row, got shape"):
        requantize(acc, (1, 2), 1, bits=8)


def test_accumulators_beyond_the_declared_width_are_refused():
    with pytest.raises(ModelRangeError, match="acc must fit 48 bits"):
        requantize(np.array([2**47]), 1, 1, bits=8)
    unit = DyadicRequantize(multiplier=1, shift=1, input_bits=24, output_bits=8)
    unit(np.array([2**23 - 1], dtype=np.int32))
    with pytest.raises(ModelRangeError, match=r"fit 24 bits.*got values in \[8388608, 8388608\]"):
        unit(np.array([2**23], dtype=np.int32))


def test_rows_need_an_element():
    for shape in ((), (3, 0)):
        with pytest.raises(ValueError, match="rows of at least one element"):
            requantize(np.zeros(shape, dtype=np.int32), 1, 1, bits=8)
    assert requantize(np.zeros((0, 3), dtype=np.int32), 1, 1, bits=8).values.shape == (0, 3)


def test_units_hold_their_constants_and_storage():
    unit = DyadicRequantize(multiplier=(5, 6), shift=(2, 3), input_bits=32, output_bits=8)
    assert unit(np.array([[10, 10]], dtype=np.int32)).values.tolist() == [[13, 8]]
    assert unit.hardware.table_bits == 2 * 15 + 2 * 6
    assert hash(unit) == hash(
        DyadicRequantize(multiplier=(5, 6), shift=(2, 3), input_bits=32, output_bits=8)
    )
    add = DyadicAdd(multipliers=(1, 2), shifts=(0, 0), input_bits=(16, 16), output_bits=16)
    two = np.array([2], dtype=np.int16)
    assert add(two, two).values.tolist() == [6]
    with pytest.raises(ModelRangeError, match="b must fit 16 bits"):
        add(two, np.array([2**15], dtype=np.int32))
    with pytest.raises(TypeError, match="multiplier must be an int, got int64"):
        DyadicRequantize(multiplier=np.int64(5), shift=1, input_bits=32, output_bits=8)


@pytest.mark.parametrize(("bits", "multiplier", "shift"), [((8, 8), 20000, 21), ((16, 9), 1, 0)])
def test_a_product_is_exact_before_its_one_rounding(bits, multiplier, shift):
    generator = np.random.default_rng(3)
    a, b = (
        generator.integers(-(2 ** (n - 1)), 2 ** (n - 1), (7, 5)).astype(np.int32) for n in bits
    )
    unit = DyadicMultiply(multiplier=multiplier, shift=shift, input_bits=bits, output_bits=12)
    found = unit(a, b)
    exact = [
        oracles.requantize(int(x) * int(y), multiplier, shift, bits=12)
        for x, y in zip(a.ravel(), b.ravel(), strict=True)
    ]
    assert found.values.ravel().tolist() == [code for code, _ in exact]
    assert found.saturations == sum(cut for _, cut in exact)


def test_the_widest_product_fits_its_register():
    lowest = np.array([-(2**15)], np.int16)
    unit = DyadicMultiply(multiplier=1 << 14, shift=14, input_bits=(16, 16), output_bits=32)
    assert unit(lowest, lowest).values.tolist() == [2**30]
    with pytest.raises(ModelRangeError, match="b must fit 16 bits"):
        unit(lowest, np.array([2**15], np.int32))


def test_rectified_codes():
    codes = np.arange(-128, 128).astype(np.int8)
    assert Rectify(input_bits=8)(codes).values.tolist() == [
        max(0, code) for code in range(-128, 128)
    ]
