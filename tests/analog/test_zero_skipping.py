"""Reads per bit-vector."""

import numpy as np
import pytest

from pimsim.analog.zero_skipping import dense_read_cycles, read_cycles
from pimsim.errors import ModelRangeError, NotFoundError


def test_dense_reading_takes_one_cycle_per_row_group():
    """arXiv 2411.14733: 1,024 rows at 8 active rows take 128 cycles per bit-vector."""
    assert dense_read_cycles(1024, active_rows=8) == 128
    assert read_cycles(np.ones((3, 17), bool), active_rows=8).tolist() == [3, 3, 3]


def test_an_unknown_scheme_is_named_with_the_known_ones():
    with pytest.raises(NotFoundError, match="unknown zero-skipping scheme 'nonne'; did you mean"):
        read_cycles(np.ones((1, 8), bool), scheme="nonne", active_rows=8)


def test_no_active_rows_is_refused():
    with pytest.raises(ModelRangeError, match="active_rows must be 1 or more, got 0"):
        dense_read_cycles(8, active_rows=0)
