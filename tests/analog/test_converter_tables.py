"""Tables of the kernels against the decision levels they are made from."""

import numpy as np
import pytest
from scipy import stats

from pimsim.analog import draws, ideal_macro, kernels
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.converter_tables import (
    UNDECIDED,
    converter_tables,
    count_tables,
    current_tables,
)
from pimsim.analog.transfer import AdcTransfer, draw_transfer, transfer_of
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError

ROWS = 16


def macro_of(**adc) -> Macro:
    data = ideal_macro(
        rows=64, cols=64, active_rows=ROWS, weight_bits=2, input_bits=1, input_coding="unsigned"
    ).model_dump()
    data["adc"].update(adc)
    return Macro.model_validate(data)


def outcome_of(transfer: AdcTransfer, row: int, value: int) -> tuple[int, bool]:
    """Value and saturation of one input, literally."""
    code = transfer.lowest + int((transfer.thresholds[row] <= value).sum())
    beyond = value < transfer.saturates_below or value >= transfer.saturates_from
    return code * transfer.lsb_per_code, beyond


CONVERTERS = {
    "ideal": {},
    "coarse": {"levels": 4},
    "bow": {"inl_ratio": 0.06},
    "comparators": {"comparator_offset_ratio": 0.1},
    "own gains and offsets": {"gain_sigma_ratio": 0.1, "offset_sigma_ratio": 0.1},
}


@pytest.mark.parametrize("name", CONVERTERS)
def test_intervals_and_bins_give_the_literal_code(name):
    """For every input from far below to far above, in levels' disorder and on their edges."""
    transfer = draw_transfer(macro_of(**CONVERTERS[name]), 5, 3)
    tables = converter_tables(transfer)
    edges = transfer.thresholds.ravel()
    inputs = np.concatenate([np.arange(-20_000, 100_000, 997), edges, edges - 1])
    for row in range(len(tables.levels)):
        intervals = tables.intervals(inputs, row)
        for value, interval in zip(inputs.tolist(), intervals.tolist(), strict=True):
            expected, beyond = outcome_of(transfer, row, value)
            assert tables.outcomes[row, interval] == 2 * expected + beyond
            walked = kernels.interval_of(
                value, tables.levels[row], tables.bins[row], tables.origin, tables.shift
            )
            assert walked == interval


@pytest.mark.parametrize("name", CONVERTERS)
def test_tables_by_current_are_right_where_they_decide(name):
    transfer = draw_transfer(macro_of(**CONVERTERS[name]), 5, 3)
    tables = converter_tables(transfer)
    fast = current_tables(tables, ROWS * CURRENT_ONE, noisy=False)
    assert fast is not None
    origin, shift, last = fast.grid.tolist()
    entries = fast.entries.reshape(len(tables.levels), last + 1)
    inputs = np.arange(-30_000, 100_000, 331)
    for row in range(len(entries)):
        found = entries[row, np.clip((inputs - origin) >> shift, 0, last)]
        exact = tables.outcomes[row, tables.intervals(inputs, row)]
        assert np.all((found == exact) | (found == UNDECIDED))
        assert np.mean(found == UNDECIDED) < 0.05
    if name in ("ideal", "coarse"):
        assert not np.any(entries == UNDECIDED)


def test_equal_steps_are_never_undecided_by_current():
    tables = converter_tables(transfer_of(macro_of()))
    assert tables.shift == 12


@pytest.mark.parametrize("sigma_ratio", [0.005, 0.04, 0.2])
@pytest.mark.parametrize("name", CONVERTERS)
def test_tables_by_count_hold_the_distribution(name, sigma_ratio):
    """Every 16-bit head of a draw, with its lowest and highest tail, against the definition."""
    macro = macro_of(**CONVERTERS[name], noise_ratio=sigma_ratio)
    transfer = draw_transfer(macro, 3, 3)
    tables = converter_tables(transfer)
    counted = count_tables(tables, ROWS, noisy=True)
    assert counted is not None
    heads = np.arange(0, 1 << 16, 37)
    sigma = float(transfer.sigma_lsb[0])
    entries = counted.entries.reshape(len(tables.levels), counted.counts, -1)
    assert not entries[:, -1].any()  # columns that do not exist
    undecided = 0
    for row in range(len(tables.levels)):
        for count in (0, 3, ROWS):
            reaching = draws.first_uniform_reaching(tables.levels[row] - count * CURRENT_ONE, sigma)
            found = entries[row, count, heads >> (16 - counted.head_bits)]
            for tail in (0, (1 << 37) - 1):
                drawn = (heads.astype(np.uint64) << np.uint64(37)) + np.uint64(tail)
                interval = np.searchsorted(reaching, drawn, side="right")
                exact = tables.outcomes[row, interval]
                assert np.all((found == exact) | (found == UNDECIDED))
                place = row * counted.counts + count
                inside = (counted.reached[place] <= drawn[:, None]).sum(axis=1)
                assert np.array_equal(counted.first[place] + inside, interval)
            undecided += int((found == UNDECIDED).sum())
    assert undecided < 0.1 * 3 * len(tables.levels) * len(heads)


def test_the_draw_of_a_code_has_the_gaussian_distribution():
    """Chi-square of a million draws through the definition against the closed form."""
    places = draws.Places(groups=1, slices=1, cols=1000)
    drawn = draws.uniforms(7, np.arange(1000), places, plane=0, group=0, position=0).ravel()
    sigma, edges = 0.7, np.array([-1.5, -0.5, 0.5, 1.5])
    reaching = draws.first_uniform_reaching((edges * CURRENT_ONE).astype(np.int64), sigma)
    seen = np.bincount(np.searchsorted(reaching, drawn, side="right"), minlength=5)
    expected = np.diff([0.0, *stats.norm.cdf(edges / sigma), 1.0]) * drawn.size
    assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_certainty_needs_the_whole_way_between_two_levels():
    tables = converter_tables(transfer_of(macro_of()))
    assert tables.certain(ROWS - 1, 2048, 2047)
    assert not tables.certain(ROWS - 1, 2048, 2048)
    assert not tables.certain(ROWS - 1, 2049, 0)


def test_values_beyond_31_bits_are_an_error():
    transfer = transfer_of(macro_of())
    wide = AdcTransfer(
        codes=transfer.codes,
        lowest=0,
        lsb_per_code=1 << 30,
        thresholds=transfer.thresholds,
        saturates_below=-1,
        saturates_from=1 << 40,
        converter_of=transfer.converter_of,
        uniform=False,
        sigma_lsb=transfer.sigma_lsb,
    )
    with pytest.raises(ModelRangeError, match="codes stand for up to"):
        converter_tables(wide)
