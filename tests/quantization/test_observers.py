"""Ranges of operands: exact percentiles, least error, bounded memory; full range elsewhere."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config import load_architecture
from pimsim.errors import ConfigError
from pimsim.quantization import Observer, calibrate, quantize
from pimsim.quantization.calibration import round_statistic, symmetric_scale
from pimsim.quantization.observers import Histogram, Statistics, operand_range
from pimsim.workload.reference import run
from tests.quantization.traced import CONVENTIONAL, RAP, Traced, run_ideal, transformer_block

PERCENTILE = ["numerics.observer=percentile", "numerics.percentile_ratio=0.9"]
finite = st.floats(-(2.0**127), 2.0**127, width=32, allow_subnormal=False)


def rounded_up(values) -> list[float]:
    return sorted(round_statistic(abs(float(value))) for value in values if value)


@given(st.lists(finite, min_size=1, max_size=60), st.integers(1, 5), st.floats(0.5, 1.0))
def test_a_percentile_is_the_order_statistic_of_rounded_magnitudes(values, parts, ratio):
    """However the values stream by; oracle: sorting them."""
    seen = Histogram()
    for part in np.array_split(np.array(values, np.float32), parts):
        if part.size:
            seen.add(part)
    magnitudes = rounded_up(values)
    found = seen.percentile(ratio)
    if not magnitudes:
        assert found == 0.0
        return
    assert found in magnitudes
    kept = sum(value <= found for value in magnitudes) / len(magnitudes)
    below = sum(value < found for value in magnitudes) / len(magnitudes)
    assert kept >= ratio - 1e-9
    assert below < ratio


@given(st.lists(finite, max_size=60))
def test_bins_are_the_statistics_own_numbers(values):
    seen = Histogram()
    seen.add(np.array(values, np.float32))
    magnitudes, counts = seen.counts()
    assert np.repeat(magnitudes, counts).tolist() == rounded_up(values)


def test_zeros_and_infinities_have_no_say():
    seen = Histogram()
    seen.add(np.array([0.0, -0.0, np.inf, -np.inf, 2.0, -4.0], np.float32))
    assert seen.percentile(0.5) == 2.0
    assert seen.percentile(1.0) == 4.0
    nothing = Histogram()
    nothing.add(np.zeros(3, np.float32))
    assert nothing.percentile(0.999) == nothing.least_error_range(8) == 0.0


def test_a_histogram_has_a_bounded_size():
    """All of single precision: 254 octaves of 2,048 bins."""
    seen = Histogram()
    seen.add(np.float32(2.0) ** np.arange(-126, 128, dtype=np.float32))
    assert seen.bins.nbytes <= 4 << 20


@pytest.mark.parametrize("bits", [4, 8])
def test_the_least_error_range_beats_all_others(bits):
    """A heavy tail: brute force over the samples themselves, in steps of 1 %."""
    values = np.random.default_rng(bits).standard_t(3, 20_000).astype(np.float32)
    seen = Histogram()
    seen.add(values)
    limit = 2 ** (bits - 1) - 1

    def error(reach: float) -> float:
        scale = reach / limit
        codes = np.clip(np.rint(values / scale), -limit, limit)
        return float(np.square(values - codes * scale).sum())

    found, largest = seen.least_error_range(bits), float(np.abs(values).max())
    assert found < largest
    assert error(found) <= 1.01 * min(error(share * largest) for share in np.arange(0.01, 1, 0.01))


def test_wide_codes_keep_the_largest_magnitude():
    seen = Histogram()
    seen.add(np.array([1e-3] * 1000 + [5.0], np.float32))
    assert seen.least_error_range(16) == 5.0


@pytest.mark.parametrize("observer", [Observer("percentile", 0.9), Observer("mse")])
def test_calibration_counts_what_enters_products_and_nothing_else(observer):
    """Of a block: inputs of linear layers, queries, keys, values, probabilities; not the logits."""
    workload = transformer_block()
    found = calibrate(workload, observer)
    assert found == calibrate(workload)  # as a mapping: the largest magnitudes
    counted = set(found.histograms)
    assert {"x", "norm1:out", "attn.q:out", "attn.q.heads:out", "attn.softmax:out"} <= counted
    assert counted.isdisjoint({"attn.logits:out", "attn.scale:out", "up:out", "add1:out"})
    assert found.histograms["attn.q.heads:out"] is found.histograms["attn.q:out"]


def test_histograms_hold_all_batches(monkeypatch):
    """Batches of 64 samples, or of one where tensors are large, make the same statistics."""
    workload = transformer_block(calibration=150)
    whole = calibrate(workload, Observer("percentile", 0.97))
    monkeypatch.setattr("pimsim.quantization.calibration._BATCH_ELEMENTS", 1)
    single = calibrate(workload, Observer("percentile", 0.97))
    seen = whole.histograms["x"]
    assert seen.bins.sum() == 150 * 5 * 8
    for name in ("x", "attn.v:out"):
        assert single.range_of(name, 8) == pytest.approx(whole.range_of(name, 8), rel=2.0**-10)


@pytest.mark.parametrize("base", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_percentile_sets_the_scale_of_operands_alone(base):
    workload = transformer_block()
    assert workload.samples is not None
    architecture = load_architecture(base.name, overrides=PERCENTILE)
    before, after = quantize(workload, base), quantize(workload, architecture)
    inputs: dict[str, np.ndarray] = {}
    run(workload, workload.samples.calibration["x"], observe=inputs.__setitem__)
    magnitudes = rounded_up(inputs["x"].ravel())
    expected = magnitudes[math.ceil(0.9 * len(magnitudes)) - 1] / 127
    operand = "x.codes" if base is RAP else "x.int8"
    assert after.tensors[operand].encoding.scale == pytest.approx(expected, rel=1e-12)
    for name in ("attn.logits:out", "add1:out"):
        assert after.tensors[name].encoding == before.tensors[name].encoding


def test_clipping_a_tail_pays_with_four_bits():
    traced = Traced(1)
    workload = traced.build(traced.linear("y", traced.input("x", 64), 32, bias=False))
    assert workload.samples is not None
    generator = np.random.default_rng(0)
    samples = {
        kind: {"x": generator.standard_t(4, (200, 64)).astype(np.float32)}
        for kind in ("calibration", "evaluation")
    }
    workload = replace(workload, samples=replace(workload.samples, **samples))
    exact = run(workload, samples["evaluation"]["x"])["y:out"]

    def error(*overrides: str) -> float:
        chip = load_architecture("rap_int8", overrides=["numerics.scheme=int4", *overrides])
        return float(np.square(run_ideal(workload, chip).outputs["y:out"] - exact).mean())

    assert error("numerics.observer=mse") < 0.7 * error()


def test_one_scale_for_all_columns_is_the_largest():
    workload = transformer_block()
    chip = load_architecture("rap_int8", overrides=["numerics.weight_scales=per_tensor"])
    codes = next(op for op in quantize(workload, chip).ops if op.name == "up").weights
    weights = workload.weights["up.weight"].T.astype(np.float64)
    assert codes is not None
    assert np.array_equal(codes, np.rint(weights / (np.abs(weights).max() / 127)))


def test_plain_magnitudes_are_their_own_ranges():
    assert operand_range({"x": 3.0}, "x", 8) == 3.0
    assert operand_range(Statistics({"x": 3.0}), "x", 8) == 3.0
    assert symmetric_scale(3.0, 8) == 3.0 / 127


@pytest.mark.parametrize(
    "override", ["numerics.observer=percentile", "numerics.percentile_ratio=0.9"]
)
def test_a_percentile_and_its_share_go_together(override):
    with pytest.raises(ConfigError, match="go together; give both or neither"):
        load_architecture("rap_int8", overrides=[override])
