"""Peaks come from the calibration samples alone, rounded up to 12 bits."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import QuantizationError
from pimsim.quantization import calibrate, quantize
from pimsim.quantization.calibration import STATISTIC_BITS, round_statistic, symmetric_scale
from tests.quantization.traced import CONVENTIONAL, RAP, Traced, transformer_block


@given(st.floats(1e-30, 1e30))
def test_a_statistic_is_the_next_number_of_12_bits(value):
    """Oracle in rationals: the smallest multiple of the 12-bit step that is not below the value."""
    exponent = math.floor(math.log2(value)) + 1
    if Fraction(value) >= Fraction(2) ** exponent:  # log2 rounded
        exponent += 1
    if Fraction(value) < Fraction(2) ** (exponent - 1):
        exponent -= 1
    step = Fraction(2) ** (exponent - STATISTIC_BITS)
    expected = math.ceil(Fraction(value) / step) * step
    assert Fraction(round_statistic(value)) == expected
    assert round_statistic(round_statistic(value)) == round_statistic(value)


@given(st.floats(1e-30, 1e30), st.floats(0.0, 2.0**-24))
def test_the_last_bits_of_a_processor_rarely_reach_a_statistic(value, drift):
    """Values that differ by a few units in the last place differ by one 12-bit step at most."""
    first, second = round_statistic(value), round_statistic(value * (1 + drift))
    assert first <= second <= first * (1 + 2.0 ** (1 - STATISTIC_BITS)) * (1 + 2.0**-50)


def test_nothing_has_no_peak():
    assert round_statistic(0.0) == 0.0
    assert symmetric_scale(0.0, 8) == 1 / 127


def test_every_tensor_has_the_peak_of_all_calibration_batches():
    """150 samples are taken in three batches; the peak sits in the last one."""
    traced = Traced()
    x = traced.input("x", 4)
    traced.stored("w", np.eye(4) * 3)
    samples = np.zeros((150, 4))
    samples[3, 1], samples[149, 2] = 0.25, -0.75
    workload = traced.build(
        traced.op("a", "linear", x, "w"), calibration={"x": samples}, evaluation=1
    )
    assert calibrate(workload) == {"x": 0.75, "a:out": 2.25}


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_evaluation_samples_change_no_scale(architecture):
    workload = transformer_block()
    assert workload.samples is not None
    huge = {name: 1e6 * values for name, values in workload.samples.evaluation.items()}
    samples = replace(workload.samples, evaluation=huge, labels=np.zeros(6, np.int64))
    other = replace(workload, samples=samples)
    assert calibrate(other) == calibrate(workload)
    ours, theirs = (quantize(one, architecture) for one in (workload, other))
    assert ours.tensors == theirs.tensors
    assert [op.hardware for op in ours.ops] == [op.hardware for op in theirs.ops]


def test_calibration_samples_do_change_scales():
    workload = transformer_block()
    assert workload.samples is not None
    larger = {name: 2 * values for name, values in workload.samples.calibration.items()}
    other = replace(workload, samples=replace(workload.samples, calibration=larger))
    before, after = quantize(workload, RAP), quantize(other, RAP)
    assert after.tensors["x.codes"].encoding.scale == 2 * before.tensors["x.codes"].encoding.scale


@pytest.mark.parametrize("missing", ["samples", "calibration"])
def test_without_calibration_samples_there_are_no_scales(missing):
    workload = transformer_block()
    assert workload.samples is not None
    samples = None if missing == "samples" else replace(workload.samples, calibration={})
    with pytest.raises(
        QuantizationError,
        match=r"^workload 'by_hand' has weights but no calibration samples; add "
        r"calibration\.<input> to its samples\.safetensors$",
    ):
        quantize(replace(workload, samples=samples), RAP)


def test_statistics_taken_earlier_are_used_as_they_are():
    workload = transformer_block()
    statistics = {name: 2 * peak for name, peak in calibrate(workload).items()}
    quantized = quantize(workload, RAP, statistics)
    assert quantized.tensors["x.codes"].encoding.scale == statistics["x"] / 127


def test_infinities_and_integers_leave_no_mark():
    """A mask may fill with minus infinity, and token ids are no activations."""
    traced = Traced()
    x, keep = traced.input("x", 4), traced.mask("keep", 4)
    workload = traced.build(traced.op("m", "mask", x, keep, fill=-math.inf))
    assert workload.samples is not None
    values = workload.samples.calibration
    expected = np.abs(np.where(values["keep"], values["x"], 0)).max()
    found = calibrate(workload)
    assert set(found) == {"x", "m:out"}
    assert found["m:out"] == round_statistic(float(expected))


def test_what_is_not_a_number_has_no_range():
    traced = Traced()
    workload = traced.build(traced.op("root", "sqrt", traced.input("x", 4)))
    with pytest.raises(QuantizationError, match=r"^tensor 'root:out' is not a number \(NaN\) on"):
        calibrate(workload)
