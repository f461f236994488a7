"""The array for products of two activations: exact, and as fast as its lanes allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.cost.unit_hardware import built_hardware
from pimsim.errors import ModelRangeError
from pimsim.integer.digital_mac import DigitalMac, mac_hardware
from pimsim.integer.hardware import Operation
from pimsim.registry import UNITS

CODES = st.integers(-128, 127)


def by_hand(a, b):
    """Product in Python's unbounded integers: shares no code with the unit."""
    return [
        [
            sum(int(x) * int(y) for x, y in zip(row, column, strict=True))
            for column in np.transpose(b)
        ]
        for row in a
    ]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.data())
def test_products_are_exact(vectors, length, cols, data):
    a = [[data.draw(CODES) for _ in range(length)] for _ in range(vectors)]
    b = [[data.draw(CODES) for _ in range(cols)] for _ in range(length)]
    unit = DigitalMac(input_bits=(8, 8))
    found = unit(np.array(a, np.int8), np.array(b, np.int8))
    assert found.values.tolist() == by_hand(a, b)
    assert found.saturations == 0


def test_the_largest_sums_do_not_overflow():
    a = np.full((1, 4096), -32768, np.int16)
    assert DigitalMac(input_bits=(16, 16))(a, a.T).values.tolist() == [[4096 * 2**30]]


def test_leading_axes_are_matched_step_by_step():
    a = np.arange(12, dtype=np.int8).reshape(2, 2, 3)
    found = DigitalMac(input_bits=(8, 8))(a, a.transpose(0, 2, 1)).values
    assert [step.tolist() for step in found] == [
        by_hand(step.tolist(), step.T.tolist()) for step in a
    ]


def test_wider_operands_and_floats_are_refused():
    unit = DigitalMac(input_bits=(4, 4))
    wide = np.array([[8]], np.int8)
    with pytest.raises(ModelRangeError, match="must fit 4 bits"):
        unit(wide, wide)
    with pytest.raises(TypeError, match="signed integer"):
        unit(wide.astype(np.float64), wide)
    with pytest.raises(ModelRangeError, match=r"in \[2, 16\]"):
        DigitalMac(input_bits=(17, 8))


@pytest.mark.parametrize(("length", "lanes"), [(64, 492), (768, 492), (492, 492), (1, 3), (5, 3)])
def test_outputs_take_products_over_lanes(length, lanes):
    """``rows`` outputs never take fewer cycles than all their products on all lanes."""
    hardware = mac_hardware()
    rows = 1000
    cycles = -(-rows // hardware.rows_at_once(length, lanes)) * hardware.cycles_per_row(
        length, lanes
    )
    assert cycles >= rows * length / lanes
    assert cycles <= 2 * (rows + 1) * max(length / lanes, 1 / (lanes // length or 1))


def test_an_output_is_a_multiplication_and_an_addition_per_product():
    assert mac_hardware(4).operations(10) == {
        Operation("add", 32): 10,
        Operation("multiply", 4): 10,
    }
    assert DigitalMac(input_bits=(4, 8)).hardware == mac_hardware(8)


def test_a_tile_can_be_built_with_it():
    assert UNITS.suits("digital_mac", "mac_array")
    assert built_hardware("digital_mac") == mac_hardware()
