"""Coefficients from rows: found where they are known, never judged on rows that set them."""

import math
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from pimsim.baselines.calibration import (
    COEFFICIENTS,
    ROWS_FOR_ALL,
    TYPICAL,
    choose,
    nearest,
    stored,
)
from pimsim.baselines.fitting import (
    calibrate_all,
    dynamic_power_ratio,
    error_ratio,
    fit,
    judged_rows,
    left_out,
    log_error,
    names_to_fit,
    predicted_us,
    prepare,
)
from pimsim.baselines.roofline import Coefficients, energy_uj, kernel_time, machine
from pimsim.baselines.specification import known_gpus, rows_of

ROOT = Path(__file__).parent.parent.parent
TRUTH = Coefficients(
    utilisation_ratio=0.45,
    attention_utilisation_ratio=0.2,
    kernel_floor_us=7.0,
    bandwidth_ratio=0.7,
)
THREE = COEFFICIENTS[:3]


def rows(gpu, precision, use="fit"):
    return [prepare(run) for run in rows_of(gpu) if run.precision == precision and run.use == use]


def invented(found, coefficients):
    """The same rows as a GPU with these coefficients would give them."""
    return [
        replace(row, run=replace(row.run, latency_us=predicted_us(row, coefficients)))
        for row in found
    ]


def test_the_coefficients_that_made_the_rows_are_found_again():
    """The weak pull towards typical values moves them by a few per cent at most."""
    found = fit(invented(rows("t4", "int8"), TRUTH), replace(TYPICAL, bandwidth_ratio=0.7), THREE)
    for name in THREE:
        assert getattr(found, name) == pytest.approx(getattr(TRUTH, name), rel=0.03)


def test_the_share_of_the_bandwidth_is_found_from_a_decoding_step():
    step, *_ = rows("rtx_3090", "fp16")
    assert step.run.phase == "decode"
    start = replace(TRUTH, bandwidth_ratio=0.9)
    found = fit(invented([step], TRUTH), start, ["bandwidth_ratio"])
    assert found.bandwidth_ratio == pytest.approx(0.7, rel=0.01)
    assert found.utilisation_ratio == TRUTH.utilisation_ratio  # not fitted


def test_few_rows_fit_one_coefficient_and_many_fit_three():
    many, one = rows("t4", "int8"), rows("jetson_orin_nano", "fp16")
    assert names_to_fit(many) == THREE
    assert names_to_fit(many[: ROWS_FOR_ALL - 1]) == THREE[:1]
    assert names_to_fit(one) == THREE[:1]
    assert names_to_fit(rows("a100_80gb_sxm", "bf16")) == ("bandwidth_ratio",)
    assert names_to_fit(rows("rtx_4090", "fp16")) == (*THREE[:1], "bandwidth_ratio")


def test_a_row_is_never_predicted_by_a_fit_that_saw_its_curve():
    """A curve that is ten times too slow spoils the others' predictions, not its own."""
    found = rows("t4", "int8")
    spoiled = found[0].run.curve
    wrong = [
        replace(row, run=replace(row.run, latency_us=10 * row.run.latency_us))
        if row.run.curve == spoiled
        else row
        for row in found
    ]
    before = left_out(found, TYPICAL, THREE)
    after = left_out(wrong, TYPICAL, THREE)
    for was, now in zip(found, wrong, strict=True):
        if now.run.curve == spoiled:
            shifted = before[was.run] - math.log(10)
            assert after[now.run] == pytest.approx(shifted, abs=1e-6)
    others = [row.run for row in found if row.run.curve != spoiled]
    assert any(abs(after[run] - before[run]) > 0.05 for run in others)


def test_measured_energy_scales_the_power_that_work_adds():
    """Rows whose energy is idle plus half of what the roofline adds."""
    found = invented(rows("t4", "int8"), TRUTH)
    hardware = machine("t4", "int8")
    assert dynamic_power_ratio(found, TRUTH) is None
    halved = []
    for row in found:
        times = [(n, kernel_time(k, hardware, TRUTH, row.run.batch)) for n, k in row.parts]
        halved.append(replace(row, run=replace(row.run, energy_uj=energy_uj(times, hardware, 0.5))))
    assert dynamic_power_ratio(halved, TRUTH) == pytest.approx(0.5, rel=1e-3)


def test_one_curve_alone_is_predicted_by_the_start():
    (row,) = rows("jetson_orin_nano", "fp16")
    assert left_out([row], TRUTH, THREE[:1]) == {row.run: log_error(row, TRUTH)}


def test_errors_are_root_mean_squares():
    assert error_ratio([0.0, 0.0]) == 0.0
    assert error_ratio([math.log(1.2), -math.log(1.2)]) == pytest.approx(0.2)
    assert error_ratio([math.log(2.0), 0.0]) == pytest.approx(math.exp(math.log(2) / 2**0.5) - 1)


def test_the_stored_fits_are_those_of_the_rows():
    """If this fails: python scripts/calibrate_gpus.py --docs."""
    script = runpy.run_path(str(ROOT / "scripts" / "calibrate_gpus.py"))
    assert script["text"](calibrate_all()) == script["FILE"].read_text(encoding="utf-8")


def test_rows_to_test_with_take_no_part_in_any_fit():
    for known in stored().calibrations:
        fitted = rows(known.gpu, known.precision)
        assert known.rows == len(fitted)
        assert all(row.run.use == "fit" for row in fitted)


@pytest.mark.parametrize("gpu", ["a100_40gb_sxm", "t4", "a30", "l4", "l40s", "v100_sxm2"])
def test_bert_is_predicted_within_a_tenth_on_average_by_fits_that_never_saw_its_curve(gpu):
    judged = [
        row for row in judged_rows(gpu) if row.how == "left out" and row.run.precision != "fp32"
    ]
    assert len(judged) >= 39
    logs = [math.log(row.predicted_ratio) for row in judged]
    assert error_ratio(logs) < 0.105
    assert math.expm1(max(map(abs, logs))) < 0.36


def test_language_models_are_predicted_from_fits_to_an_encoder():
    """Whole texts of Llama at any batch, on coefficients of BERT and one prompt or step at most."""
    for gpu in ("a100_80gb_sxm", "h100_sxm", "h200_sxm", "l40s"):
        judged = [row for row in judged_rows(gpu) if row.run.phase == "generate"]
        assert len(judged) >= 4
        assert all(row.how == "tested" for row in judged)
        assert all(0.74 < row.predicted_ratio < 1.25 for row in judged)
        assert error_ratio([math.log(row.predicted_ratio) for row in judged]) < 0.16


def test_the_first_token_of_a_short_prompt_is_not_hidden_behind_reading_the_weights():
    """16.2 ms timed by TensorRT-LLM 0.9; the ideal roofline gives 9.8 ms."""
    judged = [
        row
        for row in judged_rows("a100_80gb_sxm")
        if (row.run.phase, row.run.context) == ("prefill", 128) and "0.9" in row.run.software
    ]
    assert [row.how for row in judged] == ["tested"]
    assert all(0.75 < row.predicted_ratio < 1.1 for row in judged)


def test_rows_that_count_something_else_are_not_judged():
    shown = [row for row in judged_rows("l4") if row.run.use == "shown"]
    assert shown
    assert all(row.how == "shown" and row.predicted_ratio is None for row in shown)


@pytest.mark.parametrize("gpu", known_gpus())
def test_every_gpu_has_coefficients_and_says_whose(gpu):
    for precision in ("fp32", "fp16"):
        chosen = choose(gpu, precision)
        assert 0 < chosen.coefficients.utilisation_ratio <= 1
        assert 0 < chosen.expected_error_ratio < 1
        own = [known for known in stored().calibrations if known.gpu == gpu]
        if not own:
            assert chosen.note.startswith("no run of this GPU")


def test_a_gpu_without_rows_takes_its_nearest_relative_and_expects_more_error():
    chosen, relative = choose("h200_sxm", "fp8"), choose("h100_sxm", "fp8")
    assert chosen.coefficients == relative.coefficients
    assert "coefficients of NVIDIA H100-SXM5-80GB in fp8" in chosen.note
    assert chosen.expected_error_ratio >= stored().transfer_error_ratio


def test_a_relative_of_the_same_gpu_goes_before_another_gpu():
    found = nearest("a100_40gb_sxm", "bf16", stored().calibrations)
    assert (found.gpu, found.precision) == ("a100_40gb_sxm", "fp16")
    assert nearest("t4", "int8", ()) is None


@pytest.mark.parametrize(
    ("gpu", "precision", "of"),
    [
        ("a100_80gb_sxm", "int8", ("a100_40gb_sxm", "int8")),  # its own tells the bandwidth only
        ("jetson_orin_nano", "int8", ("jetson_orin_nano", "fp16")),  # its own utilisation
        ("jetson_agx_orin", "int8", ("jetson_orin_nano_super", "fp16")),
        ("rtx_4090", "fp8", ("rtx_4090", "fp16")),  # peaks in step: both accumulate in FP32
        ("rtx_4090", "int8", ("l40s", "int8")),  # four times the peak of FP16: out of step
        ("v100_sxm2", "fp32", ("v100_sxm2", "fp32")),
        ("a100_40gb_sxm", "tf32", ("a100_80gb_sxm", "tf32")),  # not its own FP16
        ("a100_80gb_sxm", "fp16", ("a100_80gb_sxm", "bf16")),  # not its own TF32
    ],
)
def test_the_nearest_calibration_is_of_a_relative_in_hardware_and_width(gpu, precision, of):
    found = nearest(gpu, precision, stored().calibrations)
    assert (found.gpu, found.precision) == of
