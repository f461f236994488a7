"""Operating points: nominal changes nothing, corners follow their laws, a chip is its seed."""

import itertools
import math

import numpy as np
import pytest

from pimsim import rng
from pimsim.analog.constants import constant
from pimsim.analog.pvt import (
    BOLTZMANN_PER_CHARGE,
    NOMINAL,
    level_ratios,
    of_chip,
    operating_point,
    pedestal_lsb,
)
from pimsim.config import load_architecture
from pimsim.config.cells import Cell
from pimsim.config.pvt import Pvt
from pimsim.errors import ConfigError, ModelRangeError

RAP = load_architecture("rap")
MRAM, SRAM = RAP.macros["mram"], RAP.macros["sram"]


def pvt(process="tt", supply_v=0.9, temperature_degc=25.0, **more):
    return Pvt(process=process, supply_v=supply_v, temperature_degc=temperature_degc, **more)


def with_cell(macro, **changes):
    cell = macro.crossbar.cell.model_copy(update=changes)
    return macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update={"cell": cell})})


def test_the_nominal_point_is_exactly_neutral():
    for macro in (MRAM, SRAM):
        assert operating_point(None, macro) is NOMINAL
        assert operating_point(pvt(), macro) is NOMINAL
    assert level_ratios(MRAM.crossbar.cell, NOMINAL).tolist() == [1.0, 1.0]


def test_sram_current_follows_the_alpha_power_law():
    """Threshold 45 mV lower at ff: (V - V_T)**1.3 at equal mobility."""
    point = operating_point(pvt("ff"), SRAM)
    assert point.on_current_ratio == pytest.approx((0.545 / 0.5) ** 1.3)


def test_sram_off_current_follows_the_subthreshold_law_in_temperature():
    """mu T**2 exp(-V_T / (n k T / q)), worked out for 85 °C."""
    cold, hot = 298.15, 358.15
    threshold = 0.4 - 0.0007 * 60.0
    swing = 1.4 * BOLTZMANN_PER_CHARGE
    expected = (hot / cold) ** 0.5 * math.exp(0.4 / (swing * cold) - threshold / (swing * hot))
    point = operating_point(pvt(temperature_degc=85.0), SRAM)
    assert point.off_current_ratio == pytest.approx(expected)


def test_a_resistive_cell_is_its_state_in_series_with_its_transistor():
    point = operating_point(pvt("ss"), MRAM)
    drive = 0.455 / 0.5
    assert point.on_current_ratio == pytest.approx(1 / (0.7 + 0.3 / drive))
    assert point.off_current_ratio == pytest.approx(1 / (0.88 + 0.12 / drive))


def test_column_current_is_the_sum_of_its_cells_at_every_corner():
    """k lsb + n pedestal shift = k I_on + (n - k) I_off - n P, all in nominal LSB."""
    pedestal = pedestal_lsb(MRAM.crossbar.cell)
    for process, supply_v, warmth in itertools.product(
        ("tt", "ff", "ss", "fs", "sf"), (0.81, 0.9, 0.99), (-40.0, 25.0, 125.0)
    ):
        point = operating_point(pvt(process, supply_v, warmth), MRAM)
        on = (1 + pedestal) * point.on_current_ratio
        off = pedestal * point.off_current_ratio
        for k in range(9):
            total = k * on + (8 - k) * off - 8 * pedestal
            shifted = k * point.lsb_ratio + 8 * point.pedestal_shift_lsb
            assert shifted == pytest.approx(total, abs=1e-12)


def test_currents_rise_with_speed_and_supply():
    by_process = [operating_point(pvt(p), SRAM).on_current_ratio for p in ("ss", "tt", "ff")]
    by_supply = [operating_point(pvt(supply_v=v), SRAM).on_current_ratio for v in (0.8, 0.9, 1.0)]
    assert by_process == sorted(by_process)
    assert by_supply == sorted(by_supply)
    assert len(set(by_process)) == len(set(by_supply)) == 3


def test_the_first_letter_moves_currents_and_the_imbalance_moves_the_offset():
    fs, ff, sf = (operating_point(pvt(p), SRAM) for p in ("fs", "ff", "sf"))
    assert fs.on_current_ratio == ff.on_current_ratio > sf.on_current_ratio
    assert (fs.offset_ratio, ff.offset_ratio, sf.offset_ratio) == (0.001, 0.0, -0.001)
    assert (fs.gain_ratio, ff.gain_ratio) == (1.0, 1.01)


def test_thermal_noise_grows_with_the_root_of_absolute_temperature():
    point = operating_point(pvt(temperature_degc=125.0), MRAM)
    assert point.noise_ratio == pytest.approx(math.sqrt(398.15 / 298.15))


def test_an_ideal_cell_has_no_corners_but_its_converter_has():
    ideal = with_cell(
        MRAM, model="ideal", sigma_on_ratio=None, sigma_off_ratio=None, on_off_ratio=None
    )
    point = operating_point(pvt("ff"), ideal)
    assert (point.on_current_ratio, point.lsb_ratio, point.pedestal_shift_lsb) == (1.0, 1.0, 0.0)
    assert point.gain_ratio == 1.01


def test_deviations_scale_with_their_cell_and_shrink_with_a_larger_lsb():
    point = operating_point(pvt("ff"), MRAM)
    off, on = level_ratios(MRAM.crossbar.cell, point)
    assert off == pytest.approx(point.off_current_ratio / point.lsb_ratio)
    assert on == pytest.approx(point.on_current_ratio / point.lsb_ratio)


def test_levels_in_between_stay_equally_spaced():
    """Current of digit c at the corner over its nominal current, in corner LSB."""
    cell = Cell(model="reram", bits=2, on_off_ratio=4.0)
    macro = with_cell(MRAM, model="reram", bits=2, on_off_ratio=4.0)
    point = operating_point(pvt("ss", temperature_degc=85.0), macro)
    nominal = pedestal_lsb(cell) + np.arange(4)
    shifted = level_ratios(cell, point) * nominal * point.lsb_ratio
    assert np.diff(shifted) == pytest.approx([point.lsb_ratio] * 3)


def test_every_corner_of_every_memory_is_within_range():
    for model in ("sram", "mram", "reram", "pcm"):
        ratio = 100.0 if model in ("reram", "pcm") else 1000.0
        macro = with_cell(MRAM, model=model, on_off_ratio=ratio)
        for process, supply_v, warmth in itertools.product(
            ("tt", "ff", "ss", "fs", "sf"), (0.72, 0.9, 1.08), (-40.0, 125.0)
        ):
            point = operating_point(pvt(process, supply_v, warmth), macro)
            assert math.isfinite(point.lsb_ratio)
            assert point.lsb_ratio > 0


def test_chips_spread_about_their_corner_and_one_key_is_one_chip():
    """Mean and standard deviation of 2,000 chips within 5 standard errors."""
    corner = pvt("ss", die_sigma_v=0.015)
    shifts = np.array(
        [of_chip(corner, rng.key(0, "chip", i)).threshold_shift_v for i in range(2000)]
    )
    assert abs(shifts.mean()) < 5 * 0.015 / math.sqrt(2000)
    assert shifts.std() == pytest.approx(0.015, rel=5 / math.sqrt(4000))
    assert of_chip(corner, 7) == of_chip(corner, 7) != of_chip(corner, 8)
    assert of_chip(pvt("ss"), 7) == pvt("ss")


def test_a_chip_beyond_its_corner_is_slower_than_the_corner():
    slow = operating_point(pvt("ss", threshold_shift_v=0.02), SRAM)
    assert slow.on_current_ratio < operating_point(pvt("ss"), SRAM).on_current_ratio


def test_many_chips_are_no_operating_point():
    with pytest.raises(ModelRangeError, match="draw one with"):
        operating_point(pvt(die_sigma_v=0.01), MRAM)


def test_outside_the_range_of_the_laws_is_an_error():
    with pytest.raises(ModelRangeError, match=r"gate overdrive falls to 0\.0\d+ V"):
        operating_point(pvt("ff", supply_v=0.45, nominal_supply_v=0.45), MRAM)
    unchecked = pvt().model_copy(update={"supply_v": 0.5})
    with pytest.raises(ModelRangeError, match=r"0\.675 to 1\.125 V and -40 to 125"):
        operating_point(unchecked, MRAM)
    with pytest.raises(ModelRangeError, match=r"no sensitivities .* 'mine'"):
        operating_point(pvt("ff"), with_cell(MRAM, model="mine"))
    with pytest.raises(ModelRangeError, match="exceeds the on current"):
        operating_point(pvt("ff", 0.9, 125.0), with_cell(SRAM, on_off_ratio=50.0))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pvt.process=xx", "process"),
        ("pvt.temperature_degc=126", "must be at most 125"),
        ("pvt.supply_v=0.6", "must be within 25%"),
        ("pvt.supply_v=.nan", "finite"),
        ("pvt.die_sigma_v=-0.01", "must be at least 0"),
    ],
)
def test_an_operating_point_outside_its_bounds_is_a_problem_of_the_file(override, message):
    with pytest.raises(ConfigError, match=message):
        load_architecture("rap", overrides=[override])


def test_a_corner_can_be_set_from_the_command_line():
    changed = load_architecture("rap", overrides=["pvt.process=ss", "pvt.temperature_degc=85"])
    assert changed.pvt == pvt("ss", temperature_degc=85.0)
    assert not changed.pvt.is_nominal
    assert RAP.pvt.is_nominal


def test_corners_are_three_standard_deviations_of_the_threshold():
    assert constant("pvt", "corner_threshold_shift_v") == pytest.approx(3 * 0.015)


def test_a_result_says_what_its_corner_acts_on():
    assert pvt().notes == ()
    acts, rests = pvt("ss", die_sigma_v=0.01).notes
    assert acts.startswith("operating point ss, 0.9 V, 25 °C, thresholds spread by 10 mV")
    assert "sensitivities that are assumed" in acts
    assert "only the supply enters switching energy" in rests
