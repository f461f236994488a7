"""Cells: spreads and their closed forms, everything folded into one deviation, refusals."""

import itertools
import math

import numpy as np
import pytest

from pimsim import rng
from pimsim.analog.cells import (
    CURRENT_ONE,
    draw_cells,
    draw_deviations,
    program_array,
    program_cells,
    read_noise_by_level,
    read_noise_variance,
    sigma_lsb,
)
from pimsim.analog.macros import ideal_macro
from pimsim.analog.pvt import NOMINAL, OperatingPoint, level_ratios, operating_point, pedestal_lsb
from pimsim.config.cells import Cell, Wires
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError

BASE = ideal_macro(rows=64, cols=64, active_rows=8, weight_bits=8, input_bits=8)


def macro_with(cell, wires=None, active_rows=8):
    update = {"cell": cell, "wires": wires, "active_rows": active_rows}
    return BASE.model_copy(update={"crossbar": BASE.crossbar.model_copy(update=update)})


def deviations_lsb(cell, digits, point=NOMINAL, wires=None, seed=0):
    found = program_cells(digits, macro_with(cell, wires), np.random.default_rng(seed), point)
    return found / CURRENT_ONE


def filled(digit, shape=(1, 400, 500)):
    return np.full(shape, digit, np.uint8)


def test_deviations_have_the_stated_spread():
    """Sample standard deviation within 5 sigma of its own error, mean within 5 of zero."""
    cell = Cell(model="mram", bits=1, on_off_ratio=2.5, sigma_on_ratio=0.05)
    on, off = draw_deviations(cell, (300, 300), np.random.default_rng(0))
    for deviation, sigma in ((on, 0.05), (off, 0.02)):
        in_lsb = deviation / CURRENT_ONE
        assert in_lsb.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * in_lsb.size))
        assert abs(in_lsb.mean()) < 5 * sigma / np.sqrt(in_lsb.size)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0.0, 0.0)),
        ({"sigma_on_ratio": 0.05}, (0.05, 0.0)),
        ({"sigma_on_ratio": 0.05, "on_off_ratio": 2.5}, (0.05, 0.02)),
        ({"sigma_on_ratio": 0.05, "sigma_off_ratio": 0.04, "on_off_ratio": 2.5}, (0.05, 0.04)),
    ],
)
def test_the_off_current_spreads_like_the_on_current_unless_told(settings, expected):
    assert sigma_lsb(Cell(model="mram", bits=1, **settings)) == pytest.approx(expected)


def test_an_ideal_cell_with_a_spread_is_a_contradiction():
    cell = Cell(model="ideal", bits=1).model_copy(update={"sigma_on_ratio": 0.05})
    with pytest.raises(ModelRangeError, match="cell model 'ideal' has no variation"):
        draw_deviations(cell, (2, 2), np.random.default_rng(0))


@pytest.mark.parametrize("k", [0, 3, 8])
def test_column_sums_vary_as_the_closed_form_says(k):
    """k sigma_on**2 + (n - k) sigma_off**2 over 25,000 columns of n = 8, within 5 sigma."""
    cell = Cell(model="mram", bits=1, on_off_ratio=2.5, sigma_on_ratio=0.05)
    digits = np.zeros((1, 8, 25_000), np.uint8)
    digits[:, :k] = 1
    sums = deviations_lsb(cell, digits).sum(axis=1).ravel()
    expected = k * 0.05**2 + (8 - k) * 0.02**2
    assert sums.var() == pytest.approx(expected, rel=5 * math.sqrt(2 / sums.size))


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_the_variance_of_a_level_lies_between_its_ends(bits):
    """Linear in the digit; in LSB, sigma grows with the number of levels."""
    top = (1 << bits) - 1
    cell = Cell(model="reram", bits=bits, on_off_ratio=4.0, sigma_on_ratio=0.03)
    for digit in range(top + 1):
        found = deviations_lsb(cell, filled(digit)).var()
        share = digit / top
        expected = (share * 0.03**2 + (1 - share) * 0.0075**2) * top**2
        assert found == pytest.approx(expected, rel=5 * math.sqrt(2 / 200_000))


def test_contents_known_or_not_the_silicon_is_the_same():
    """Without programming and time, each entry of the run-time table is the static draw."""
    cell = Cell(model="sram", bits=2, on_off_ratio=10.0, sigma_on_ratio=0.05)
    macro, shape = macro_with(cell), (8, 16, 4)
    table = draw_cells(macro, shape, np.random.default_rng(5))
    assert table.shape == (4, *shape)
    for digit in range(4):
        static = program_cells(filled(digit, shape), macro, np.random.default_rng(5))
        assert (table[digit] == static).all()


def test_a_cell_without_non_idealities_is_exact():
    digits = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    assert not deviations_lsb(Cell(model="reram", bits=2), digits).any()


def test_digits_beyond_the_cell_are_an_error():
    with pytest.raises(ModelRangeError, match="digits reach 2, but a cell of 1 bit holds 0 to 1"):
        program_cells(filled(2, (1, 2, 2)), BASE, np.random.default_rng(0))


def test_programming_errors_are_in_lsb_of_the_cell():
    """PCM on state: (0.26348 + 1.9650 - 1.1731) / 25 of the on current; 3 LSB swing, ratio 50."""
    cell = Cell(model="pcm", bits=2, on_off_ratio=50.0, programming={"model": "pcm_doped_gst"})
    on_current_lsb = 3 * 50 / 49
    expected = 1.05538 / 25 * on_current_lsb
    found = deviations_lsb(cell, filled(3))
    assert found.std() == pytest.approx(expected, rel=5 * math.sqrt(0.5 / found.size) + 1e-3)


def test_drift_lowers_currents_and_compensation_restores_their_mean():
    def mean(compensation):
        drift = {"model": "pcm_doped_gst", "age_s": 86400.0, "compensation": compensation}
        return deviations_lsb(Cell(model="pcm", bits=1, drift=drift), filled(1)).mean()

    loss = 1 - (86420 / 20) ** -0.049
    assert mean("none") == pytest.approx(-loss, abs=0.01)
    assert mean("global") == pytest.approx(0.0, abs=1e-3)


def test_operands_written_at_run_time_cannot_be_compensated():
    drift = {"model": "pcm_doped_gst", "age_s": 1.0, "compensation": "global"}
    with pytest.raises(ModelRangeError, match="needs contents that stay"):
        draw_cells(
            macro_with(Cell(model="pcm", bits=1, drift=drift)), (1, 2, 2), np.random.default_rng(0)
        )


def test_stuck_cells_carry_the_current_of_an_end_state():
    """No variation, half of the cells stuck: a digit d then deviates by 0, -d or 3 - d."""
    faults = {"stuck_at_zero_ratio": 0.25, "stuck_at_one_ratio": 0.25}
    cell = Cell(model="reram", bits=2, faults=faults)
    for digit in range(4):
        programmed = program_array(filled(digit), macro_with(cell), np.random.default_rng(1))
        values, counts = np.unique(programmed.deviations / CURRENT_ONE, return_counts=True)
        assert set(values) <= {0.0, -digit, 3 - digit}
        assert counts.sum() == 200_000
        assert programmed.stuck_cells == pytest.approx(100_000, rel=0.02)
    table = draw_cells(macro_with(cell), (1, 400, 500), np.random.default_rng(1))
    stuck = table[0] == 3 * CURRENT_ONE
    assert (table[3][stuck] == 0).all()
    assert stuck.mean() == pytest.approx(0.25, abs=0.01)


def test_pulses_and_failures_are_counted():
    section = {
        "model": "write_verify",
        "tolerance_ratio": 0.01,
        "pulse_sigma_ratio": 0.05,
        "pulses_max": 3,
    }
    cell = Cell(model="reram", bits=1, programming=section)
    programmed = program_array(filled(1), macro_with(cell), np.random.default_rng(0))
    assert 200_000 < programmed.pulses < 600_000
    assert 0 < programmed.failed_cells < 200_000
    plain = program_array(
        filled(1), macro_with(Cell(model="mram", bits=1)), np.random.default_rng(0)
    )
    assert (plain.pulses, plain.failed_cells, plain.stuck_cells) == (200_000, 0, 0)


def test_deviations_follow_the_operating_point():
    cell = Cell(model="mram", bits=1, on_off_ratio=2.5, sigma_on_ratio=0.05)
    point = operating_point(
        Pvt(process="ss", supply_v=0.81, temperature_degc=125.0), macro_with(cell)
    )
    for digit, ratio in enumerate(level_ratios(cell, point)):
        at_corner = deviations_lsb(cell, filled(digit), point).std()
        assert at_corner == pytest.approx(
            ratio * deviations_lsb(cell, filled(digit)).std(), rel=1e-3
        )


@pytest.mark.parametrize("corner", [False, True])
def test_wires_take_their_share_of_the_whole_current(corner):
    """One cell of 1 LSB and its off current, 50 rows away: 50 Ω times its own conductance."""
    cell = Cell(model="mram", bits=1, on_off_ratio=2.5)
    point = OperatingPoint(1.1, 0.9, 1.3, -0.1) if corner else NOMINAL
    wires = Wires(on_conductance_usiemens=100.0, bit_line_ohm=1.0, activity_ratio=0.0)
    digits = np.ones((1, 50, 1), np.uint8)
    pedestal = pedestal_lsb(cell)
    current = 1 + pedestal * point.off_current_ratio / point.lsb_ratio
    conductance = 1e-4 * current * point.lsb_ratio / (1 + pedestal)
    found = deviations_lsb(cell, digits, point, wires)[0, 49, 0]
    assert found == pytest.approx(-50 * conductance * current, abs=1 / CURRENT_ONE)


def test_wires_see_mean_contents_where_these_are_not_known():
    cell = Cell(model="sram", bits=1)
    wires = Wires(on_conductance_usiemens=100.0, bit_line_ohm=1.0, activity_ratio=1.0)
    table = draw_cells(macro_with(cell, wires, 4), (1, 4, 1), np.random.default_rng(0))
    loss = np.array([sum(min(i, m) + 1 for m in range(4)) for i in range(4)]) * 0.5e-4
    assert not table[0].any()
    assert table[1][0, :, 0] / CURRENT_ONE == pytest.approx(-loss, abs=1 / CURRENT_ONE)


def test_read_noise_adds_the_variances_of_conducting_and_other_cells():
    noise = {"sigma_on_ratio": 0.04, "sigma_off_ratio": 0.01}
    macro = macro_with(Cell(model="reram", bits=1, on_off_ratio=4.0, read_noise=noise))
    expected = [k * 0.04**2 + (8 - k) * 0.01**2 for k in range(9)]
    assert read_noise_variance(macro) == pytest.approx(expected)


def test_read_noise_of_multi_level_cells_depends_on_their_sum_alone():
    noise = {"sigma_on_ratio": 0.04, "sigma_off_ratio": 0.01}
    macro = macro_with(Cell(model="reram", bits=2, read_noise=noise), active_rows=3)
    by_level = read_noise_by_level(macro.crossbar.cell)
    by_sum = read_noise_variance(macro)
    assert len(by_sum) == 10
    for digits in itertools.product(range(4), repeat=3):
        assert by_level[list(digits)].sum() == pytest.approx(by_sum[sum(digits)])
    assert by_level[[0, 3]] == pytest.approx([(3 * 0.01) ** 2, (3 * 0.04) ** 2])


def test_one_key_is_one_chip():
    cell = Cell(
        model="pcm",
        bits=1,
        on_off_ratio=50.0,
        programming={"model": "pcm_doped_gst"},
        drift={"model": "pcm_doped_gst", "age_s": 1e4},
        faults={"stuck_at_zero_ratio": 0.01},
    )
    draws = [
        program_cells(filled(1, (2, 8, 8)), macro_with(cell), rng.for_(rng.key(0, "chip", i), "x"))
        for i in (0, 0, 1)
    ]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
