"""Quality of each layer against hand computations."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import InputError
from pimsim.functional.quality import bit_sparsity, quantization_quality
from pimsim.quantization import calibrate, quantize
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    run_float,
    run_ideal,
    shapes_only,
    transformer_block,
)

FLOAT32 = load_architecture("conventional", overrides=["numerics.scheme=float32"])


def by_name(quality):
    return {layer.layer: layer for layer in quality.layers}


def linear_layer():
    """One linear layer, whose integers and outputs are easily had again."""
    traced = Traced(7)
    return traced.build(traced.linear("y", traced.input("x", 3, 6), 4), evaluation=10)


@pytest.mark.parametrize("batch_elements", [1, 1 << 26])
def test_the_error_is_that_of_the_outputs_however_batched(monkeypatch, batch_elements):
    monkeypatch.setattr("pimsim.functional.quality._BATCH_ELEMENTS", batch_elements)
    workload = linear_layer()
    exact, found = run_float(workload)["y:out"], run_ideal(workload).outputs["y:out"]
    expected = 10 * math.log10(
        float((exact.astype(float) ** 2).sum() / ((found - exact.astype(float)) ** 2).sum())
    )
    quality = quantization_quality(workload, RAP)
    assert by_name(quality)["y"].sqnr_db == pytest.approx(expected, abs=1e-4)
    assert quality.accuracy.logit_snr_db == pytest.approx(expected, abs=1e-4)
    assert (quality.samples, quality.scheme) == (10, "int8_dyadic")


def test_the_input_s_error_is_that_of_its_codes():
    workload = linear_layer()
    assert workload.samples is not None
    x = workload.samples.evaluation["x"].astype(float)
    step = calibrate(workload)["x"] / 127
    codes = np.clip(np.rint(x / step), -127, 127)
    layer = by_name(quantization_quality(workload, RAP))["x"]
    assert (layer.kind, layer.bits) == ("input", 8)
    assert layer.sqnr_db == pytest.approx(
        10 * math.log10((x**2).sum() / ((codes * step - x) ** 2).sum()), abs=1e-6
    )
    assert layer.clipped_ratio == np.mean(np.abs(x) > 127.5 * step)


def test_range_and_outliers_are_those_of_float32():
    """One sample of 100 is 50 times larger: more than 6 times the root mean square."""
    traced = Traced()
    workload = traced.build(traced.linear("y", traced.input("x", 1), 1))
    values = np.ones((100, 1), np.float32)
    values[17] = 50.0
    samples = {"x": values}
    assert workload.samples is not None
    workload = replace(
        workload, samples=replace(workload.samples, calibration=samples, evaluation=samples)
    )
    layer = by_name(quantization_quality(workload, RAP))["x"]
    assert layer.largest == 50.0
    assert layer.outlier_ratio == 0.01
    assert layer.peak_to_rms_db == pytest.approx(20 * math.log10(50 / math.sqrt((99 + 2500) / 100)))


def test_saturations_are_counted_per_element_of_the_output():
    """On the calibration samples the addends all but cancel; on two of four others they do not."""
    traced = Traced()
    a, b = traced.input("a", 2), traced.input("b", 2)
    workload = traced.build(
        traced.op("y", "add", a, b),
        calibration={"a": np.array([[1.0, 1.0]]), "b": np.array([[-0.875, -0.875]])},
        evaluation={
            "a": np.array([[1.0, 0.125], [1.0, 1.0]]),
            "b": np.array([[0.875, 0.0], [-1.0, 1.0]]),
        },
    )
    quality = by_name(quantization_quality(workload, RAP))
    assert quality["y"].clipped_ratio == 0.5
    assert quality["a"].clipped_ratio == 0.0


def zero_bits(codes: np.ndarray, bits: int) -> tuple[float, float]:
    """Share of zeros in the written-out codes: two's complement, sign and magnitude."""
    complement = "".join(format(int(code) % 2**bits, f"0{bits}b") for code in codes.ravel())
    signed = "".join(
        ("1" if code < 0 else "0") + format(abs(int(code)), f"0{bits - 1}b")
        for code in codes.ravel()
    )
    return complement.count("0") / len(complement), signed.count("0") / len(signed)


def test_zero_bits_of_both_operands_are_those_of_the_written_codes():
    workload = linear_layer()
    assert workload.samples is not None
    step = calibrate(workload)["x"] / 127
    driven = np.clip(np.rint(workload.samples.evaluation["x"].astype(float) / step), -127, 127)
    weights = workload.weights["y.weight"].astype(float)
    stored = np.rint(weights / (np.abs(weights).max(axis=1, keepdims=True) / 127))
    layer = by_name(quantization_quality(workload, RAP))["y"]
    for found, codes in ((layer.driven, driven), (layer.stored, stored)):
        assert found is not None
        assert found.bits == 8
        assert (found.twos_complement_ratio, found.sign_magnitude_ratio) == pytest.approx(
            zero_bits(codes, 8)
        )


def test_no_codes_have_no_ones():
    sparsity = bit_sparsity(np.zeros(16, np.int64), 4)
    assert (sparsity.twos_complement_ratio, sparsity.sign_magnitude_ratio) == (1.0, 1.0)


def test_every_computing_layer_has_a_row_in_order():
    workload = transformer_block()
    quality = quantization_quality(workload, RAP)
    moved = ("view", "permute", "expand", "cat", "select", "mul")
    expected = ["x", *(op.name for op in workload.ops if op.kind not in moved)]
    assert [layer.layer for layer in quality.layers] == expected
    products = {layer.layer for layer in quality.layers if layer.driven is not None}
    assert products == {op.name for op in workload.ops if op.kind in ("linear", "matmul")}


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_an_image_s_convolution_is_a_layer(architecture):
    traced = Traced()
    geometry = {"stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    kernel = traced.random("kernel", 3, 1, 2, 2)
    image = traced.op("image", "convolution", traced.input("x", 1, 4, 4), kernel, **geometry)
    workload = traced.build(image)
    layer = by_name(quantization_quality(workload, architecture))["image"]
    exact, found = run_float(workload)[image], run_ideal(workload, architecture).outputs[image]
    assert layer.sqnr_db == pytest.approx(
        10
        * math.log10((exact.astype(float) ** 2).sum() / ((found - exact.astype(float)) ** 2).sum()),
        abs=1e-3,
    )


def test_masked_elements_count_for_nothing():
    """Logits that a mask fills with minus infinity have no power."""
    traced = Traced(3)
    x, keep = traced.input("x", 2, 5), traced.mask("keep", 2, 5)
    masked = traced.op("m", "mask", x, keep, fill=-math.inf)
    workload = traced.build(traced.op("soft", "softmax", masked, axis=-1))
    assert workload.samples is not None
    for found in (workload.samples.calibration, workload.samples.evaluation):
        found["keep"][..., 0] = True  # a row of which nothing is kept is not a number
    quality = by_name(quantization_quality(workload, RAP))
    assert all(math.isfinite(layer.sqnr_db) for layer in quality.values())
    assert quality["soft"].sqnr_db > 25


def test_the_reference_scheme_is_float32_itself():
    workload = transformer_block()
    quality = quantization_quality(workload, FLOAT32)
    assert all(layer.sqnr_db > 100 for layer in quality.layers)
    assert all(layer.driven is None and layer.bits == 32 for layer in quality.layers)
    assert quality.accuracy.agreement_ratio == 1.0


def test_the_worst_layers_have_the_most_noise():
    quality = quantization_quality(transformer_block(), RAP)
    worst = quality.worst(3)
    assert [layer.sqnr_db for layer in worst] == sorted(layer.sqnr_db for layer in quality.layers)[
        :3
    ]


def test_schemes_of_groups_are_compared_too():
    """Codes with shifts are not what their tensor stands for; its evenly spaced integers are."""
    workload = transformer_block(evaluation=20)
    plain, grouped = (
        by_name(
            quantization_quality(
                workload, load_architecture("rap_int8", overrides=[f"numerics.scheme={scheme}"])
            )
        )
        for scheme in ("int4", "qrazor_w4a4")
    )
    assert grouped["head"].sqnr_db > plain["head"].sqnr_db
    assert grouped["up"].driven is not None
    assert grouped["up"].driven.bits == 4


def test_without_values_there_is_nothing_to_compare():
    with pytest.raises(InputError, match=r"has no weights or no samples"):
        quantization_quality(shapes_only(transformer_block()), RAP)


@pytest.mark.parametrize("samples", [0, 7])
def test_samples_that_are_not_there_are_told(samples):
    with pytest.raises(InputError, match=rf"^samples = {samples}, but workload 'by_hand' has 6"):
        quantization_quality(transformer_block(), RAP, samples=samples)


def test_statistics_taken_earlier_are_used():
    workload = transformer_block()
    coarse = calibrate(workload)
    wider = replace(coarse, largest={name: 8 * peak for name, peak in coarse.items()})
    quality = by_name(quantization_quality(workload, RAP, statistics=wider))
    assert quality["x"].sqnr_db < by_name(quantization_quality(workload, RAP))["x"].sqnr_db - 12
    scale = quantize(workload, RAP, wider).tensors["x.codes"].encoding.scale
    assert scale == 8 * coarse["x"] / 127
