"""A shift rounds half away from zero and saturates, exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import ModelRangeError
from pimsim.integer import ShiftRequantize
from tests.integer import unit_oracles


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-(2**47), 2**47 - 1) | st.integers(-40, 40), min_size=1, max_size=9),
    st.integers(0, 62),
    st.integers(2, 32),
    st.booleans(),
)
def test_equals_the_rational_oracle(accs, shift, bits, symmetric):
    unit = ShiftRequantize(shift=shift, input_bits=48, output_bits=bits, symmetric=symmetric)
    values, saturations = unit(np.array(accs))
    expected = [unit_oracles.shift_requantize(acc, shift, bits, symmetric) for acc in accs]
    assert values.tolist() == [code for code, _ in expected]
    assert saturations == sum(saturated for _, saturated in expected)


def test_every_int16_accumulator_equals_the_oracle():
    accs = np.arange(-(2**15), 2**15, dtype=np.int16)
    for shift in (0, 1, 8, 15):
        unit = ShiftRequantize(shift=shift, input_bits=16, output_bits=8)
        assert unit(accs).values.tolist() == [
            unit_oracles.shift_requantize(acc, shift, 8)[0] for acc in range(-(2**15), 2**15)
        ]


def test_a_shift_per_channel_and_no_multiplier():
    unit = ShiftRequantize(shift=(0, 1, 2), input_bits=8, output_bits=8)
    assert unit(np.array([[6, 6, 6]], dtype=np.int8)).values.tolist() == [[6, 3, 2]]
    assert all(op.kind != "multiply" for op in unit.hardware.operations(3))
    assert unit.hardware.table_bits == 3 * 6


def test_settings_out_of_range_are_refused():
    for changes, message in (
        ({"shift": 63}, "shift must be in"),
        ({"shift": (1, -1)}, "shift must be in"),
        ({"input_bits": 49}, "input_bits must be in"),
        ({"output_bits": 1}, "output_bits must be in"),
    ):
        with pytest.raises(ModelRangeError, match=message):
            ShiftRequantize(**{"shift": 1, "input_bits": 32, "output_bits": 8} | changes)
