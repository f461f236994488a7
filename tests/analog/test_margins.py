"""Which reads may err: bounds and rounded sums must never miss one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import dynamic, program
from pimsim.analog.kernels_screening import by_count
from pimsim.analog.margins import BOUND_LANES, LINE_LANES, bounds_of, coarse_of, words_of
from tests.analog.test_engine import changed, fitting, macro_of


def test_words_hold_every_cell_once_and_a_row_of_none():
    digits = np.random.default_rng(0).integers(0, 2, (5, 3, 7, 123), np.uint8)
    words = words_of(digits)
    assert words.shape == (3, 2, 8, 8)  # 5 * 123 columns are two lines of 512
    bits = np.unpackbits(words.view(np.uint8), axis=3, bitorder="little")
    flat = bits.transpose(0, 2, 1, 3).reshape(3, 8, 2 * LINE_LANES)
    assert np.array_equal(
        flat[:, :7, : 5 * 123], digits.transpose(1, 2, 0, 3).reshape(3, 7, 5 * 123)
    )
    assert not flat[:, :, 5 * 123 :].any()
    assert not flat[:, 7].any()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 5), st.integers(1, 300), st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_no_sum_of_deviations_leaves_its_bound(digits, slices, cols, unit, seed):
    """Up and down, for contents of any kind, with rows of a read from anywhere."""
    generator = np.random.default_rng(seed)
    deviations = generator.normal(0.0, 300.0, (digits, 2, slices, 12, cols)).astype(np.int32)
    held = generator.integers(0, digits, (2, slices, 12, cols))
    actual = np.take_along_axis(deviations, held[None], axis=0)[0]
    rows = generator.choice(12, 8, replace=False)
    sums = actual[:, :, rows].sum(axis=2, dtype=np.int64).reshape(2, -1)
    bounds = bounds_of(deviations, unit).astype(np.int64)
    assert bounds.shape == (2, -(-slices * cols // LINE_LANES), 13, 64)
    assert not bounds[:, :, 12].any()
    total = bounds[:, :, rows].sum(axis=2)
    if bounds.max() == 255:
        return  # larger than 8 bits hold, which counts as beyond any limit
    for index, extreme in enumerate((sums, -sums)):
        most = total[..., 32 * index : 32 * (index + 1)].reshape(2, -1).repeat(BOUND_LANES, axis=1)
        assert (extreme <= unit * most[:, : slices * cols]).all()


def test_bounds_beyond_8_bits_say_so():
    deviations = np.full((1, 1, 1, 1, 16), 10_000, np.int32)
    assert bounds_of(deviations, 8)[0, 0, 0, 0] == 255


def test_rounded_deviations_are_off_by_half_a_unit_at_most():
    deviations = np.random.default_rng(0).integers(-900, 901, (2, 3, 4, 9, 150), np.int32)
    coarse = coarse_of(deviations, 60)
    assert coarse.shape == (2, 3, 2, 10, 512)
    flat = coarse.transpose(0, 1, 3, 2, 4).reshape(2, 3, 10, 1024)
    exact = deviations.transpose(0, 1, 3, 2, 4).reshape(2, 3, 9, 600)
    assert np.abs(60 * flat[..., :9, :600].astype(np.int64) - exact).max() <= 30
    assert not flat[..., 600:].any()
    assert not flat[:, :, 9].any()


def test_a_screen_says_which_cells_it_needs():
    """Nothing but words where no code can change; deviations by digit where contents do."""
    quiet = changed(macro_of(active_rows=8), zero_skipping={"model": "bitsift"})
    small = changed(macro_of(active_rows=8, sigma_on=0.06), zero_skipping={"model": "bitsift"})
    weights, _ = fitting(quiet, np.random.default_rng(0), 1, 60, 40)
    screens = [program(weights, macro, 1).blocks[0].screen for macro in (quiet, small)]
    written = dynamic(small, instances=3, rows=60, cols=40, key=1).blocks[0].screen
    assert screens[0].bounds.size == screens[0].coarse.size == 0
    assert screens[0].words.shape == (1, 1, 61, 8)
    assert screens[1].bounds.shape == (1, 1, 61, 64)
    assert screens[1].coarse.shape == (1, 1, 1, 61, 512)
    assert written.words is None
    assert written.bounds.shape == (3, 1, 61, 64)
    assert written.coarse.shape == (2, 3, 1, 61, 512)


def test_columns_by_the_bits_of_their_sums_give_columns_by_sum():
    sums = np.random.default_rng(0).integers(0, 9, 1000)
    one, two, four = (sums >> 0 & 1, sums >> 1 & 1, sums >> 2 & 1)
    marked = [one, two, four, sums >> 3, one & two, one & four, two & four, one & two & four]
    seen = np.zeros(9, np.int64)
    by_count(np.array([mark.sum() for mark in marked]), seen)
    assert seen[1:].tolist() == np.bincount(sums, minlength=9)[1:].tolist()
