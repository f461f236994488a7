"""A macro with narrower operands: fewer planes and slices, the same conversions otherwise."""

import itertools

import numpy as np
import pytest

from pimsim.analog import ideal_macro
from pimsim.analog.coding import (
    encode_inputs,
    encode_weights,
    input_range,
    load_max,
    sum_range,
    weight_range,
)
from pimsim.config.macros import Accumulate, Macro
from pimsim.mapping.mapped import Placement, pieces_of
from pimsim.mapping.widths import accumulator_bits, narrowed

CODINGS = [
    *itertools.product(
        ("twos_complement", "sign_magnitude", "differential", "offset"),
        ("twos_complement", "sign_magnitude"),
        (1, 2, 3),
        (1, 2, 3),
    )
]


def made(weight_coding, input_coding, cell_bits, bits_per_cycle) -> Macro:
    return ideal_macro(
        rows=8, cols=64, active_rows=4, weight_bits=8, input_bits=8, cell_bits=cell_bits,
        bits_per_cycle=bits_per_cycle, weight_coding=weight_coding, input_coding=input_coding,
    )  # fmt: skip


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_narrow_operands_change_neither_sums_nor_ranges(coding):
    """Every code fits, and no conversion or its costing sees anything new."""
    macro = made(*coding)
    for driven, stored in itertools.product(range(2, 9), repeat=2):
        small = narrowed(macro, driven_bits=driven, stored_bits=stored)
        assert sum_range(small) == sum_range(macro)
        assert load_max(small) == load_max(macro)
        assert small.planes <= macro.planes
        assert small.slices // small.slice_conversions == macro.slices // macro.slice_conversions
        for span, width in ((input_range(small), driven), (weight_range(small), stored)):
            assert span[1] >= (1 << (width - 1)) - 1 >= 0 >= -(1 << (width - 1)) + 1 >= span[0]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_narrow_digits_still_stand_for_the_operands(coding):
    small = narrowed(made(*coding), driven_bits=4, stored_bits=4)
    codes = np.arange(-7, 8)
    driven, stored = encode_inputs(codes[None], small), encode_weights(codes[:, None], small)
    assert np.array_equal(np.tensordot(driven.weights, driven.digits[:, 0], 1), codes)
    zero = 1 << (small.weights.bits - 1) if coding[0] == "offset" else 0
    assert np.array_equal(np.tensordot(stored.weights, stored.digits[:, :, 0], 1) - zero, codes)


def test_half_the_bits_are_half_the_planes_and_slices():
    macro = made("twos_complement", "twos_complement", 1, 1)
    small = narrowed(macro, driven_bits=4, stored_bits=4)
    assert (small.planes, small.slices) == (4, 4)
    assert small.logical_cols == 2 * macro.logical_cols


def test_full_width_or_none_is_the_macro_itself():
    macro = made("twos_complement", "twos_complement", 1, 1)
    assert narrowed(macro) is macro
    assert narrowed(macro, driven_bits=8, stored_bits=8) is macro
    assert narrowed(macro, driven_bits=16, stored_bits=16) is macro


def test_charge_sums_always_use_all_planes_and_slices():
    macro = made("twos_complement", "twos_complement", 1, 1).model_copy(
        update={"accumulate": Accumulate(planes="charge", slices="charge")}
    )
    assert narrowed(macro, driven_bits=4, stored_bits=4) is macro


def test_the_accumulator_of_groups_is_wider_by_the_largest_shift():
    macro = made("twos_complement", "twos_complement", 1, 1)
    place = Placement("mram", 64, 1, 1, (), 1, driven_bits=4, stored_bits=4, shift_places=16)
    assert accumulator_bits(macro, place) == 4 + 4 + 6 + 16
    declared = macro.model_copy(update={"accumulate": Accumulate(accumulator_bits=24)})
    assert accumulator_bits(declared, place) == 24


@pytest.mark.parametrize("group", [None, 1, 3, 8, 100])
def test_pieces_cover_each_row_once_and_stay_in_one_group(group):
    for start, stop in ((0, 1), (0, 17), (5, 23), (16, 32)):
        pieces = pieces_of(start, stop, group)
        assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(
            range(start, stop)
        )
        for piece in pieces:
            rows = range(piece.start, piece.stop)
            assert {0 if group is None else row // group for row in rows} == {piece.group}
