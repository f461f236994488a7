"""Table units equal an unbounded oracle on all codes, and the real functions within a chord's."""

import math

import numpy as np
import pytest

from pimsim.errors import ModelRangeError
from pimsim.integer import TableGelu, TableSilu
from tests.integer import unit_oracles


@pytest.mark.parametrize("input_bits", [8, 16])
@pytest.mark.parametrize("index_bits", [0, 1, 5, 8])
def test_every_code_equals_the_oracle(input_bits, index_bits):
    entries = np.random.default_rng(index_bits).integers(-(2**19), 2**19, 2**index_bits + 1)
    unit = TableGelu(table=tuple(entries.tolist()), input_bits=input_bits, output_bits=20)
    codes = np.arange(-(2 ** (input_bits - 1)), 2 ** (input_bits - 1)).astype(np.int16)
    step = 1 if input_bits == 8 else 13
    values, saturations = unit(codes)
    assert (values.dtype, saturations, unit.index_bits) == (np.int32, 0, index_bits)
    assert values[::step].tolist() == [
        unit_oracles.table(x, entries.tolist(), input_bits) for x in codes[::step].tolist()
    ]


def test_chords_between_the_widest_entries_do_not_overflow():
    unit = TableSilu(table=(-(2**31), 2**31 - 1, -(2**31)), input_bits=16, output_bits=32)
    codes = np.arange(-(2**15), 2**15, 101).astype(np.int16)
    assert unit(codes).values.tolist() == [
        unit_oracles.table(x, unit.table, 16) for x in codes.tolist()
    ]


def test_a_full_table_is_a_plain_table():
    entries = tuple(range(100, 100 - 257, -1))
    unit = TableGelu(table=entries, input_bits=8, output_bits=16)
    codes = np.arange(-128, 128, dtype=np.int8)
    assert unit(codes).values.tolist() == list(entries[:-1])
    assert unit.hardware.operations(1) == {next(iter(unit.hardware.operations(1))): 1}
    assert unit.hardware.table_bits == 257 * 16


@pytest.mark.parametrize("intervals", [64, 256, 1024])
def test_gelu_errs_as_a_chord(intervals):
    """h**2 / 8 * 0.80 with h = 16 / intervals, and half a step each of entries and results."""
    scale = 8 / 2**15

    def gelu(x):
        return x / 2 * (1 + math.erf(x / math.sqrt(2)))

    table = tuple(round(gelu(16 * i / intervals - 8) / scale * 16) for i in range(intervals + 1))
    unit = TableGelu(table=table, input_bits=16, output_bits=21)
    codes = np.arange(-(2**15), 2**15, dtype=np.int16)
    exact = np.array([gelu(x * scale) for x in codes.tolist()])
    assert (
        np.abs(unit(codes).values * (scale / 16) - exact).max()
        <= (16 / intervals) ** 2 / 8 * 0.80 + scale / 16
    )


@pytest.mark.parametrize("entries", [0, 1, 4, 6, 514, 8193])
def test_tables_of_another_size_are_refused(entries):
    with pytest.raises(ModelRangeError, match="table must have"):
        TableGelu(table=(0,) * entries, input_bits=16, output_bits=8)


def test_wrong_entries_and_operands_are_refused():
    with pytest.raises(ModelRangeError, match=r"table\[1\] must be in \[-128, 127\], got 128"):
        TableGelu(table=(0, 128), input_bits=8, output_bits=8)
    with pytest.raises(ModelRangeError, match="at most 16, got 33"):
        TableGelu(table=(0,) * 33, input_bits=4, output_bits=8)
    with pytest.raises(ModelRangeError, match="x must fit 8 bits"):
        TableGelu(table=(0, 1), input_bits=8, output_bits=8)(np.array([128], dtype=np.int16))
