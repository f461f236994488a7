"""Cycles and operations follow from passes, lanes and counts, and match a count by hand."""

import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import (
    DyadicRequantize,
    IBertGelu,
    IBertLayerNorm,
    IBertSoftmax,
    Operation,
    UnitHardware,
)

ADD = Operation("add", 32)
DIVIDE = Operation("divide", 33)
HARDWARE = UnitHardware(
    passes=3,
    per_element=((ADD, 2), (ADD, 1)),
    per_row=((DIVIDE, 1), (ADD, 5)),
    serial_cycles_per_row=17,
    pipeline_depth_cycles=4,
    table_bits=8,
    maximum_row_length=100,
)


@pytest.mark.parametrize(
    ("length", "lanes", "cycles"), [(1, 64, 20), (64, 64, 20), (65, 64, 23), (100, 1, 317)]
)
def test_cycles_are_passes_over_the_lanes_and_the_serial_steps(length, lanes, cycles):
    assert HARDWARE.cycles_per_row(length, lanes) == cycles


def test_operations_add_up_elements_and_row():
    assert HARDWARE.operations(10) == {ADD: 3 * 10 + 5, DIVIDE: 1}


@pytest.mark.parametrize("length", [0, 101])
def test_rows_outside_the_range_are_refused(length):
    message = f"between 1 and 100 elements, got {length}"
    with pytest.raises(ModelRangeError, match=message):
        HARDWARE.cycles_per_row(length, 1)
    with pytest.raises(ModelRangeError, match=message):
        HARDWARE.operations(length)


def test_elementwise_units_refuse_empty_rows_only():
    hardware = IBertGelu(q_clip=2501, q_c=6925207, input_bits=16).hardware
    assert hardware.cycles_per_row(10**9, 1) == 10**9
    with pytest.raises(ModelRangeError, match="at least 1 elements, got 0"):
        hardware.operations(0)


def test_lanes_must_exist():
    with pytest.raises(ModelRangeError, match="lanes must be at least 1, got 0"):
        HARDWARE.cycles_per_row(10, 0)


def test_softmax_by_hand():
    """17 logits of 16 bits: nine multiplier-free steps and four products for each; one division
    of 18 quotient bits at two bits a cycle."""
    hardware = IBertSoftmax(q_ln2=69, q_b=270, q_c=27921, input_bits=16, output_bits=8).hardware
    assert hardware.operations(17) == {
        Operation("add", 17): 34,
        Operation("add", 32): 51,
        Operation("compare", 9): 17,
        Operation("compare", 16): 17,
        Operation("compare", 17): 17,
        Operation("divide", 33): 1,
        Operation("multiply", 17): 34,
        Operation("multiply", 18): 17,
        Operation("multiply", 32): 17,
        Operation("shift", 32): 17,
    }
    assert hardware.cycles_per_row(17, 64) == 3 + 9


def test_rounding_half_up_costs_one_addition_per_element():
    cut, rounded = (
        IBertSoftmax(
            q_ln2=69, q_b=270, q_c=27921, input_bits=16, output_bits=7, rounding=rounding
        ).hardware.operations(17)
        for rounding in ("truncate", "half_up")
    )
    assert rounded == cut | {Operation("add", 33): 17}


def test_layer_norm_divides_eight_times_per_row():
    """The mean, six Newton steps, the reciprocal: 9 + 6 * (12 + 1) + 16 serial cycles."""
    hardware = IBertLayerNorm(gain=(1,) * 64, bias=(0,) * 64, epsilon=1, input_bits=16).hardware
    counts = hardware.operations(64)
    assert sum(count for operation, count in counts.items() if operation.kind == "divide") == 8
    assert sum(count for operation, count in counts.items() if operation.kind == "multiply") == 192
    assert hardware.cycles_per_row(64, 64) == 3 + 9 + 6 * 13 + 16
    assert hardware.table_bits == 64 * (16 + 31) + 46


def test_requantizing_is_one_pass_without_serial_steps():
    hardware = DyadicRequantize(multiplier=1, shift=1, input_bits=32, output_bits=8).hardware
    assert hardware.cycles_per_row(64, 64) == 1
    assert hardware.operations(1) == {
        Operation("add", 47): 2,
        Operation("compare", 47): 2,
        Operation("multiply", 32): 1,
        Operation("shift", 47): 1,
    }


def test_groups_and_serial_dividers_in_the_lanes():
    """Twenty elements are two groups of up to 16; each group of lanes waits five cycles more."""
    hardware = UnitHardware(
        passes=1,
        per_element=((ADD, 1),),
        per_row=((DIVIDE, 1),),
        serial_cycles_per_row=3,
        pipeline_depth_cycles=1,
        table_bits=0,
        maximum_row_length=None,
        serial_cycles_per_element=5,
        group_size=16,
        per_group=((Operation("compare", 8), 3),),
    )
    assert hardware.operations(20) == {ADD: 20, Operation("compare", 8): 6, DIVIDE: 1}
    assert hardware.cycles_per_row(20, 8) == (1 + 5) * 3 + 3
