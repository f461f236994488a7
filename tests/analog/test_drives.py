"""Bits as the kernels take them, against bits one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog.drives import Drive, pack_rows
from pimsim.analog.lanes import Lanes


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_row_group_starts_a_byte(rows, active_rows, seed):
    digits = np.random.default_rng(seed).integers(0, 2, (2, 3, rows), np.uint8)
    drive = Drive(digits, digits[0], None, np.arange(3), 1)
    bits = drive.bits(active_rows)
    groups = -(-rows // active_rows)
    assert bits.shape == (3, 2, groups, -(-active_rows // 8))
    unpacked = np.unpackbits(bits, axis=3, bitorder="little")[..., :active_rows]
    flat = unpacked.reshape(3, 2, groups * active_rows)
    assert np.array_equal(flat[..., :rows], digits.transpose(1, 0, 2))
    assert not flat[..., rows:].any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 20), st.integers(1, 150), st.integers(1, 9), st.integers(1, 20),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_lanes_hold_every_cell_once(first_col, cols, slices, active_rows, seed):
    """In blocks of whole words of columns of the whole matrix, padded to whole registers."""
    rows = 2 * active_rows + 1
    generator = np.random.default_rng(seed)
    digits = generator.integers(0, 2, (slices, 2, rows, cols), np.uint8)
    row_of = generator.integers(0, 5, (slices, cols)).astype(np.int32)
    lanes = Lanes.of(first_col, cols, row_of)
    packed = lanes.pack(digits, active_rows)
    blocks, count = lanes.columns.shape
    assert lanes.width % 4 == 0
    assert count % 64 == 0
    assert np.array_equal(lanes.pads, lanes.columns < 0)
    seen = np.zeros((slices, cols), int)
    expected = pack_rows(digits, active_rows, axis=2)
    for block in range(blocks):
        for lane in range(count):
            column = lanes.columns[block, lane]
            if column < 0:
                assert not packed[:, block, :, lane].any()
                continue
            s, place = divmod(lane, lanes.width)
            assert first_col + column == first_col // 4 * 4 + block * lanes.width + place
            assert np.array_equal(packed[:, block, :, lane], expected[s, :, :, column])
            assert lanes.rows[block, lane] == row_of[s, column]
            seen[s, column] += 1
    assert np.all(seen == 1)


@pytest.mark.parametrize(("threads", "reads_max"), [(1, 1 << 30), (4, 10), (2, 1)])
def test_jobs_cover_every_vector_of_every_block_once(threads, reads_max):
    lanes = Lanes.of(0, 200, np.zeros((8, 200), np.int32))
    calls = lanes.jobs(3, 21, threads=threads, reads_max=reads_max)
    seen = np.zeros((3, len(lanes.columns), 63), int)
    for matrix, block, start, stop in np.concatenate(calls):
        assert matrix * 21 <= start < stop <= (matrix + 1) * 21
        seen[matrix, block, start:stop] += 1
    assert all(np.all(seen[matrix, :, matrix * 21 : (matrix + 1) * 21] == 1) for matrix in range(3))
    assert seen.sum() == 63 * len(lanes.columns)
    assert max((call[:, 3] - call[:, 2]).sum() for call in calls) <= max(reads_max, 1)
