"""Converters as tables: range, gain, offset, noise, sharing, reference and trim."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pimsim import rng
from pimsim.analog import ideal_macro, transfer
from pimsim.analog.pvt import NOMINAL, OperatingPoint, operating_point
from pimsim.analog.ranges import converter_range
from pimsim.analog.transfer import draw_transfer, has_spread, noise_sigma_lsb, transfer_of
from pimsim.analog.trim import residual_sigmas, trim_conversions, trim_point
from pimsim.config.architecture import Accumulate, Adc, Cell
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError

ONE = 4096
HOT = Pvt(process="ff", supply_v=0.95, temperature_degc=100.0)


def macro_of(
    *, rows: int = 31, levels: int | None = None, coding: str = "twos_complement", **adc: Any
) -> Macro:
    """A macro whose converter has one code per column sum of ``rows`` rows."""
    macro = ideal_macro(rows=rows, cols=2048, active_rows=rows, weight_bits=2, input_bits=2,
                        weight_coding=coding, adc_levels=levels)  # fmt: skip
    changed = {key: value for key, value in macro.adc if value is not None} | adc
    return macro.model_copy(update={"adc": Adc(**changed)})


def codes_of(table: transfer.AdcTransfer, sums: np.ndarray, row: int = 0) -> np.ndarray:
    reached = (sums * ONE)[:, None] >= table.thresholds[row]
    return table.lowest + reached.sum(axis=1)


@pytest.mark.parametrize(
    ("rows", "levels", "coding"),
    [(8, 9, "twos_complement"), (32, 8, "twos_complement"), (8, None, "differential"),
     (8, 5, "differential"), (5, 256, "offset")],
)  # fmt: skip
def test_ideal_levels_lie_half_a_step_below_their_codes(rows, levels, coding):
    macro = macro_of(rows=rows, levels=levels, coding=coding)
    table, span = transfer_of(macro), converter_range(macro)
    steps = span.lowest + np.arange(1, span.codes) - 0.5
    assert table.uniform
    assert np.array_equal(table.thresholds[0], steps * span.lsb_per_code * ONE)
    assert not table.sigma_lsb.any()
    assert (table.saturates_below, table.saturates_from) == (
        int((span.lowest - 0.5) * span.lsb_per_code * ONE),
        int((span.lowest + span.codes - 0.5) * span.lsb_per_code * ONE),
    )


def test_quantization_of_a_ramp_has_the_textbook_signal_to_noise_ratio():
    """A full-scale ramp through b bits: 6.02 b dB; a full-scale sine: 1.76 dB more."""
    for bits in (5, 7, 9):
        macro = macro_of(rows=(1 << bits) - 1)
        table = transfer_of(macro)
        full = (1 << bits) - 0.5
        ramp = np.linspace(-0.5, full, 40_001)[1:-1]
        error = codes_of(table, ramp) - ramp
        ratio_db = 10 * math.log10(float(ramp.var() / np.mean(error**2)))
        assert ratio_db == pytest.approx(6.0206 * bits, abs=0.03)
        sine = (full - 0.5) / 2 + (full + 0.5) / 2 * np.sin(np.linspace(0, 2 * np.pi, 40_003))
        error = codes_of(table, sine) - sine
        ratio_db = 10 * math.log10(float(sine.var() / np.mean(error**2)))
        assert ratio_db == pytest.approx(6.0206 * bits + 1.7609, abs=0.5)  # it lingers at the ends


@pytest.mark.parametrize("enob", [6.0, 6.5, 7.5])
def test_a_sine_fit_finds_the_effective_bits_again(enob):
    """IEEE 1241: least squares on sine, cosine and offset; within 0.05 bit."""
    macro = macro_of(rows=255, enob_bits=enob)
    table = transfer_of(macro)
    generator = np.random.default_rng(1)
    phase = 2 * np.pi * 1021 * np.arange(1 << 15) / (1 << 15)
    signal = 127.5 + 127.5 * np.sin(phase)
    noisy = signal + generator.standard_normal(len(signal)) * table.sigma_lsb[0]
    codes = codes_of(table, noisy).astype(float)
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    fit = basis @ np.linalg.lstsq(basis, codes, rcond=None)[0]
    sinad = 10 * math.log10(float(fit.var() / np.mean((codes - fit) ** 2)))
    assert (sinad - 1.7609) / 6.0206 == pytest.approx(enob, abs=0.05)


def test_noise_may_be_stated_in_three_ways():
    """0.5 LSB rms of 31: as a ratio, in mV of 310 mV, and as effective bits."""
    full = converter_range(macro_of())
    enob = 5 - 0.5 * math.log2(1 + 12 * 0.25)
    for keys in ({"noise_ratio": 0.5 / 31}, {"noise_mv": 5.0, "full_scale_mv": 310.0},
                 {"enob_bits": enob}):  # fmt: skip
        assert noise_sigma_lsb(macro_of(**keys).adc, full) == pytest.approx(0.5)
    assert noise_sigma_lsb(macro_of(enob_bits=5.0).adc, full) == 0.0


def test_offsets_and_gains_spread_as_stated():
    """Level L becomes (L - o) / (1 + g), so a code errs by o + g L: variance o² + (g L)²."""
    offset, gain = 0.01, 0.02
    macro = macro_of(offset_sigma_ratio=offset, gain_sigma_ratio=gain)
    table = draw_transfer(macro, 1000, 3)
    levels = table.thresholds / ONE
    assert len(levels) == 2000
    ideal = np.arange(31) + 0.5
    error = (ideal - levels) / levels.mean(axis=0) * ideal
    expected = (offset * 31) ** 2 + (gain * ideal) ** 2
    assert np.allclose(error.var(axis=0), expected, rtol=5 * math.sqrt(2 / 2000) + 0.01)
    in_mv = macro_of(offset_sigma_mv=4.0, full_scale_mv=400.0, gain_sigma_ratio=gain)
    assert np.array_equal(draw_transfer(in_mv, 1000, 3).thresholds, table.thresholds)


@pytest.mark.parametrize("columns_per_adc", [1, 2, 3, 8, 2048])
def test_neighbouring_columns_share_a_converter_and_its_errors(columns_per_adc):
    """Slice s of column c is column 2 c + s of the array."""
    macro = macro_of(offset_sigma_ratio=0.01, columns_per_adc=columns_per_adc)
    table = draw_transfer(macro, 100, 3)
    place = 2 * np.arange(100)[None, :] + np.arange(2)[:, None]
    assert np.array_equal(table.converter_of, place // columns_per_adc)
    assert len(table.thresholds) == -(-200 // columns_per_adc)
    assert len(np.unique(table.thresholds[:, 0])) >= 0.9 * len(table.thresholds)


def test_a_pair_is_converted_where_its_first_line_is():
    macro = macro_of(coding="differential", offset_sigma_ratio=0.01, columns_per_adc=2)
    assert draw_transfer(macro, 5, 3).converter_of.tolist() == [[0, 1, 2, 3, 4]]


def test_the_same_key_is_the_same_silicon():
    macro = macro_of(offset_sigma_ratio=0.01)
    one, again, other = (draw_transfer(macro, 4, key).thresholds for key in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_only_what_is_drawn_needs_levels_per_converter():
    assert not has_spread(macro_of(inl_ratio=0.01, noise_ratio=0.01, enob_bits=None).adc)
    for keys in (
        {"gain_sigma_ratio": 0.01},
        {"dnl_sigma_ratio": 0.01},
        {"comparator_offset_ratio": 0.01},
        {"trim": "per_chip", "trim_vectors": 4},
    ):
        macro = macro_of(**keys)  # fmt: skip
        assert has_spread(macro.adc)
        assert len(transfer_of(macro).thresholds) == 1
    bent = draw_transfer(macro_of(inl_ratio=0.01), 50, 1)
    assert (len(bent.thresholds), bent.uniform) == (1, False)
    assert not bent.converter_of.any()


# operating point and reference


def shift(by: float, off_on: float = 2 / 3) -> OperatingPoint:
    """On and off current both change by a ratio; the off current is ``off_on`` LSB."""
    return OperatingPoint(on_current_ratio=1 + by, off_current_ratio=1 + by, lsb_ratio=1 + by,
                          pedestal_shift_lsb=off_on * by)  # fmt: skip


def right_reads(monkeypatch, point: OperatingPoint, **adc: Any) -> bool:
    """Whether every sum of 8 rows is read right."""
    monkeypatch.setattr(transfer, "operating_point", lambda pvt, macro: point)
    table = transfer_of(macro_of(rows=8, levels=10, **adc))
    return bool(np.array_equal(codes_of(table, np.arange(9)), np.arange(9)))


def test_a_fixed_reference_tolerates_half_a_step_of_the_total_current(monkeypatch):
    """0.5 / (k + n I_off / LSB) = 3.75 % at 8 rows and an on/off ratio of 2.5; 6.25 % if the
    pedestal did not move."""
    for by in (0.037, -0.037):
        assert right_reads(monkeypatch, shift(by), reference="fixed")
    for by in (0.038, -0.038):
        assert not right_reads(monkeypatch, shift(by), reference="fixed")
    assert right_reads(monkeypatch, shift(-0.062, off_on=0.0), reference="fixed")
    assert not right_reads(monkeypatch, shift(-0.063, off_on=0.0), reference="fixed")


def test_a_replica_leaves_the_share_that_it_does_not_track(monkeypatch):
    """Tracking 95 % makes 3.75 % of residual shift out of 75 %; all of it, nothing."""
    assert right_reads(monkeypatch, shift(0.10), reference="replica", tracking_ratio=0.95)
    assert right_reads(monkeypatch, shift(-0.10), reference="replica", tracking_ratio=0.95)
    assert not right_reads(monkeypatch, shift(-0.10), reference="replica", tracking_ratio=0.5)
    monkeypatch.setattr(transfer, "operating_point", lambda pvt, macro: shift(0.3))
    full = transfer_of(macro_of(rows=8, reference="replica"))
    assert np.abs(full.thresholds[0] - (np.arange(8) + 0.5) * ONE).max() <= 1


def test_a_differential_pair_cancels_the_shift_of_the_pedestal(monkeypatch):
    """Only the gain of the current is left: level L lies at L / lsb_ratio."""
    monkeypatch.setattr(transfer, "operating_point", lambda pvt, macro: shift(0.1))
    table = transfer_of(macro_of(rows=8, coding="differential"))
    ideal = np.arange(-7.5, 8.0)
    assert np.abs(table.thresholds[0] - ideal / 1.1 * ONE).max() <= 1


def test_gain_offset_and_noise_of_the_operating_point_reach_the_tables():
    macro = macro_of(noise_ratio=0.01, rows=8)
    point, table = operating_point(HOT, macro), transfer_of(macro, HOT)
    ideal = np.arange(8) + 0.5
    own = (ideal - point.offset_ratio * 8) / point.gain_ratio
    expected = (own - 8 * point.pedestal_shift_lsb) / point.lsb_ratio
    assert np.abs(table.thresholds[0] / ONE - expected).max() < 1e-3
    assert table.sigma_lsb[0] == pytest.approx(0.01 * 8 * point.noise_ratio / point.lsb_ratio)
    assert point.gain_ratio != 1.0
    assert point.noise_ratio > 1.0


# trim


def levels_error(macro: Macro, pvt: Pvt | None = None, cols: int = 200) -> np.ndarray:
    """Deviations of the levels from ideal. [LSB]"""
    return draw_transfer(macro, cols, 5, pvt=pvt).thresholds / ONE - (np.arange(31) + 0.5)


def test_a_nominal_trim_takes_the_line_out_of_the_bow_and_leaves_the_spread():
    """A parabola of peak r minus its best line: 2/3 r less everywhere, up to the grid of levels."""
    peak = 0.02 * 31
    untrimmed = levels_error(macro_of(inl_ratio=0.02))
    trimmed = levels_error(macro_of(inl_ratio=0.02, trim="nominal"))
    assert np.allclose(untrimmed - trimmed, untrimmed.mean(), atol=2 / ONE)
    assert untrimmed.mean() == pytest.approx(peak * 2 / 3, rel=0.04)
    spread = levels_error(macro_of(offset_sigma_ratio=0.01))
    assert np.allclose(levels_error(macro_of(offset_sigma_ratio=0.01, trim="nominal")), spread)


@pytest.mark.parametrize("vectors", [4, 64])
def test_a_trim_per_chip_leaves_what_its_measurements_do_not_know(vectors):
    """Offset of sigma / sqrt(K), slope of sigma / sqrt(sum (x - mean)²), sigma² = noise² + 1/12."""
    noise = 0.4
    macro = macro_of(offset_sigma_ratio=0.05, gain_sigma_ratio=0.1, noise_ratio=noise / 31,
                     trim="per_chip", trim_vectors=vectors)  # fmt: skip
    left = levels_error(macro, cols=1000)
    sigma = math.hypot(noise, math.sqrt(1 / 12))
    offset, slope = residual_sigmas(np.arange(31) + 0.5, vectors, sigma)
    assert offset == pytest.approx(sigma / math.sqrt(vectors))
    centred = np.arange(31) - 15.0
    expected = offset**2 + (slope * centred) ** 2
    assert np.allclose(left.var(axis=0), expected, rtol=5 * math.sqrt(2 / 2000) + 0.01)
    assert trim_conversions(macro) == 2048 * vectors


def test_a_trim_at_the_nominal_corner_does_not_know_the_corner_of_the_run():
    """Trimmed at the run's corner, a nominal converter is straight again."""
    at_nominal = levels_error(macro_of(trim="nominal"), HOT)
    assert np.allclose(at_nominal, levels_error(macro_of(trim="none"), HOT))
    assert np.abs(at_nominal).max() > 0.1
    at_run = levels_error(macro_of(trim="nominal", trim_corner="run"), HOT)
    assert np.abs(at_run).max() <= 1 / ONE


def test_a_nominal_trim_knows_the_corner_but_not_the_chip():
    chip = HOT.model_copy(update={"threshold_shift_v": 0.02})
    macro = macro_of(trim="nominal", trim_corner="run")
    assert trim_point(macro, chip) == operating_point(HOT, macro)
    assert np.abs(levels_error(macro, chip)).max() > 0.01
    per_chip = macro_of(trim="per_chip", trim_vectors=1 << 16, trim_corner="run")
    assert trim_point(per_chip, chip) == operating_point(chip, per_chip)
    assert np.abs(levels_error(per_chip, chip)).max() < 0.02
    at_nominal = macro_of(trim="per_chip", trim_vectors=16)
    expected = Pvt(process="tt", supply_v=0.9, temperature_degc=25.0, threshold_shift_v=0.02)
    assert trim_point(at_nominal, chip) == operating_point(expected, at_nominal)
    assert trim_point(at_nominal, None) == NOMINAL


# what is refused


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"range": "clipped"}, "range 'clipped' needs 'clip_ratio'"),
        ({"clip_ratio": 0.5}, "only it takes one"),
        ({"range": "clipped", "clip_ratio": 0.0}, "greater than 0"),
        ({"range": "clipped", "clip_ratio": 1.5}, "less than or equal to 1"),
        (
            {"range": "full", "calibrated": {"lowest_code": 0, "lsb_per_code": 1}},
            "only range 'calibrated' takes it",
        ),
        (
            {"range": "calibrated", "calibrated": {"lowest_code": -32, "lsb_per_code": 1}},
            "leaves no code for 0 among 32; at least -31",
        ),
        ({"noise_ratio": -0.1}, "greater than or equal to 0"),
        ({"noise_ratio": float("nan")}, "finite"),
        ({"gain_sigma_ratio": float("inf")}, "finite"),
        ({"noise_ratio": 0.1, "enob_bits": 4.0}, "at most one of"),
        ({"offset_sigma_ratio": 0.1, "offset_sigma_mv": 1.0}, "at most one of"),
        ({"offset_sigma_mv": 1.0}, "needs 'full_scale_mv', or give offset_sigma_ratio"),
        ({"noise_mv": 500.0, "full_scale_mv": 400.0}, "cannot exceed 400"),
        ({"inl_mv": -250.0, "full_scale_mv": 400.0}, "cannot exceed 200"),
        ({"enob_bits": 5.5}, r"enob_bits \(5.5\) cannot exceed the resolution of 32 codes, 5 bit"),
        ({"capacitor_mismatch_ratio": 0.01}, "an error of model 'sar' \\(found model 'flash'"),
        ({"model": "sar", "comparator_offset_mv": 1.0, "full_scale_mv": 9.0}, "of model 'flash'"),
        ({"tracking_ratio": 0.9}, "only reference 'replica' tracks"),
        ({"trim": "per_chip"}, "needs 'trim_vectors'"),
        ({"trim_vectors": 4}, "only it takes them"),
        ({"trim_corner": "run"}, "needs a trim"),
    ],
)
def test_impossible_converters_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        macro_of(**keys)


def test_a_range_to_be_calibrated_must_have_been():
    macro = macro_of(range="calibrated")
    with pytest.raises(ModelRangeError, match="no range has been found from calibration samples"):
        transfer_of(macro)


def test_a_gain_that_is_not_positive_is_refused():
    wild = macro_of(gain_sigma_ratio=0.25)
    key = next(key for key in range(100) if rng.for_(key, "gain").standard_normal(2000).min() < -4)
    with pytest.raises(ModelRangeError, match=r"gain was drawn as -.*gain_sigma_ratio \(0.25\)"):
        draw_transfer(wild, 1000, key)


def test_noise_of_cells_needs_conversions_that_see_one_column():
    macro = macro_of(rows=8)
    cell = macro.crossbar.cell.model_copy(update={"model": "reram", "read_noise": _read_noise(0.1)})
    noisy = macro.model_copy(update={"crossbar": macro.crossbar.model_copy(update={"cell": cell})})
    table = transfer_of(noisy)
    assert np.allclose(table.sigma_lsb, 0.1 * np.sqrt(np.arange(9)))
    charge = noisy.model_copy(update={"accumulate": Accumulate(slices="charge")})
    with pytest.raises(ModelRangeError, match="sees one column driven bit by bit"):
        transfer_of(charge)


def _read_noise(sigma: float) -> Any:
    return Cell(model="reram", bits=1, read_noise={"sigma_on_ratio": sigma}).read_noise
