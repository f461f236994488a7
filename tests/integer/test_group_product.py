"""Grouped products with flags equal the products of the expanded operands, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import GroupShiftProduct, qrazor_sdr, quartz_lzs


def make_unit(**changes):
    chosen = {"a_bits": 4, "w_bits": 4, "a_shift": 13, "w_shift": 5, "group_size": 16}
    return GroupShiftProduct(**chosen | {"maximum_row_length": 4096} | changes)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.sampled_from([qrazor_sdr, quartz_lzs]),
    st.sampled_from([8, 16, 32, 128]),
    st.integers(1, 80),
    st.integers(0, 2**32 - 1),
)
def test_equals_the_product_of_the_expanded_operands(make, group_size, length, seed):
    """Activations of a 16-bit basis, weights of an 8-bit one, any group, rows that end midway."""
    generator = np.random.default_rng(seed)
    spread = 2.0 ** generator.uniform(0, 14, (3, length))
    a = np.clip(generator.normal(0, spread), -32767, 32767).astype(np.int16)
    w = generator.integers(-127, 128, (length, 5)).astype(np.int8)
    coder_a = make(input_bits=16, group_size=group_size)
    coder_w = make(input_bits=8, group_size=group_size)
    coded_a, coded_w = coder_a.encode(a), coder_w.encode(w, axis=0)
    unit = make_unit(group_size=group_size)
    product = unit(coded_a.values, coded_a.shifts, coded_w.values, coded_w.shifts)
    expanded_a = coder_a.decode(coded_a).astype(object)
    expanded_w = coder_w.decode(coded_w, axis=0).astype(object)
    assert product.dtype == np.int64
    assert product.tolist() == (expanded_a @ expanded_w).tolist()


def test_declared_registers_hold_the_worst_row():
    """All products (-8) * (-8) at the largest shifts, at the longest row."""
    unit = make_unit(maximum_row_length=4096)
    a, w = np.full((1, 4096), -8, np.int8), np.full((4096, 1), -8, np.int8)
    shifts_a, shifts_w = np.full((1, 256), 13, np.int8), np.full((256, 1), 5, np.int8)
    total = int(unit(a, shifts_a, w, shifts_w)[0, 0])
    assert total == 4096 * 64 * 2**18
    assert total.bit_length() + 1 == unit.accumulator_bits
    assert (16 * 64).bit_length() + 1 == unit.group_sum_bits
    widths = [op.width_bits for op in unit.hardware.operations(16) if op.kind == "add"]
    assert unit.accumulator_bits in widths
    assert unit.group_sum_bits in widths


def test_leading_axes_of_the_activations_are_rows():
    generator = np.random.default_rng(0)
    a = generator.integers(-7, 8, (2, 3, 20)).astype(np.int8)
    shifts = generator.integers(0, 5, (2, 3, 2)).astype(np.int8)
    w = generator.integers(-7, 8, (20, 4)).astype(np.int8)
    w_shifts = generator.integers(0, 5, (2, 4)).astype(np.int8)
    flat = make_unit()(a.reshape(6, 20), shifts.reshape(6, 2), w, w_shifts)
    assert np.array_equal(make_unit()(a, shifts, w, w_shifts).reshape(6, 4), flat)


def test_one_shift_per_group_and_row():
    """Products per element, shift and wide addition per group: the point of the unit."""
    counts = {
        op.kind: n for op, n in make_unit().hardware.operations(64).items() if op.kind != "add"
    }
    assert counts == {"multiply": 64, "shift": 4}


def test_wrong_operands_and_settings_are_refused():
    unit = make_unit(maximum_row_length=32)
    a, w = np.zeros((1, 20), np.int8), np.zeros((20, 2), np.int8)
    shifts_a, shifts_w = np.zeros((1, 2), np.int8), np.zeros((2, 2), np.int8)
    with pytest.raises(ValueError, match="asks for w, a_shifts and w_shifts of shapes"):
        unit(a, shifts_a[:, :1], w, shifts_w)
    with pytest.raises(ModelRangeError, match=r"a_shifts must be in \[0, 13\], got values"):
        unit(a, shifts_a - 1, w, shifts_w)
    with pytest.raises(ModelRangeError, match=r"w_shifts must be in \[0, 5\]"):
        unit(a, shifts_a, w, shifts_w + 6)
    with pytest.raises(ModelRangeError, match="a must fit 4 bits"):
        unit(a + 8, shifts_a, w, shifts_w)
    with pytest.raises(TypeError, match="w must be"):
        unit(a, shifts_a, w.astype(float), shifts_w)
    with pytest.raises(ModelRangeError, match="at most 32 elements, got 33"):
        unit(np.zeros((1, 33), np.int8), np.zeros((1, 3), np.int8), np.zeros((33, 1), np.int8),
             np.zeros((3, 1), np.int8))  # fmt: skip
    with pytest.raises(ModelRangeError, match="need 72 bits; 63 are allowed"):
        make_unit(a_shift=31, w_shift=21)
    with pytest.raises(ModelRangeError, match="a_bits must be in"):
        make_unit(a_bits=10)
