"""Floating-point units in half precision: rounded once, saturated, and declared as such."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.integer.hardware import Operation
from pimsim.quantization import quantize
from pimsim.quantization.float_units import Fp16Add, Fp16Requantize, Fp32Add, Fp32Requantize
from pimsim.quantization.precision import HALF, LARGEST_HALF, SINGLE
from pimsim.registry import UNITS
from tests.quantization.traced import CONVENTIONAL, run_float, run_ideal, transformer_block

FUNCTIONS = ("softmax", "gelu", "layer_norm", "requantize")
HALVES = load_architecture(
    "conventional", overrides=[f"units.{name}.model=fp16_{name}" for name in FUNCTIONS]
)
EVERY = sorted(name for name in UNITS.names() if name.startswith("fp32_"))


@pytest.mark.parametrize("name", EVERY)
def test_every_floating_unit_has_a_half(name):
    single, half = UNITS[name], UNITS[name.replace("fp32", "fp16")]
    assert issubclass(half, single)
    assert (single.name, half.name) == (name, name.replace("fp32", "fp16"))
    assert (single.precision, half.precision) == (SINGLE, HALF)


def test_half_precision_is_numpy_s_binary16():
    x = np.linspace(-3, 3, 97, dtype=np.float32)
    found = Fp16Add()(x, x[::-1] * np.float32(0.1)).values
    taken = [
        values.astype(np.float16).astype(np.float32) for values in (x, x[::-1] * np.float32(0.1))
    ]
    assert found.dtype == np.float32
    assert np.array_equal(found, (taken[0] + taken[1]).astype(np.float16))


def test_what_is_too_large_is_saturated_and_counted():
    x = np.array([40000.0, -40000.0, 1.0], np.float32)
    values, saturations = Fp16Add()(x, x)
    assert values.tolist() == [LARGEST_HALF, -LARGEST_HALF, 2.0]
    assert saturations == 2
    assert Fp32Add()(x, x).saturations == 0


def test_an_accumulator_beyond_half_precision_is_scaled_first():
    sums = np.array([[1 << 24, -70000]], np.int32)
    values, saturations = Fp16Requantize(scale=(1e-4,))(sums)
    assert saturations == 0
    np.testing.assert_allclose(values, sums * 1e-4, rtol=2.0**-11)


def test_halves_declare_narrow_operators_and_wide_sums():
    per_element = dict(UNITS["fp16_layer_norm"](op=None, gain=(), bias=()).hardware.per_element)
    assert per_element == {
        Operation("fp_add", 32): 2, Operation("fp_add", 16): 2, Operation("fp_multiply", 16): 3,
    }  # fmt: skip
    single, half = (unit(scale=(1.0,)).hardware for unit in (Fp32Requantize, Fp16Requantize))
    assert half.operations(8) == {**single.operations(8), Operation("convert", 16): 8}


def test_a_transformer_block_in_half_precision_stores_16_bits():
    workload = transformer_block(evaluation=40)
    graph = quantize(workload, HALVES)
    for op in graph.ops:
        encoding = graph.tensors[op.output].encoding
        if op.kind == "unit" and encoding.number == "float":
            assert encoding.bits == 16
    exact = run_float(workload)["head:out"]
    halves, singles = (run_ideal(workload, c).outputs["head:out"] for c in (HALVES, CONVENTIONAL))
    assert signal_to_noise_db(exact, [halves]) > 25
    assert signal_to_noise_db(singles, [halves]) > 30
    assert not np.array_equal(halves, singles)


def test_one_unit_alone_may_be_in_half_precision():
    chip = load_architecture("conventional", overrides=["units.softmax.model=fp16_softmax"])
    graph = quantize(transformer_block(), chip)
    bits = {op.function: graph.tensors[op.output].encoding.bits for op in graph.ops}
    assert (bits["softmax"], bits["gelu"], bits["layer_norm"]) == (16, 32, 32)
