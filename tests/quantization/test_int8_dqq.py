"""Integer products between floating-point functions."""

import numpy as np
import pytest

from pimsim.errors import QuantizationError
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.quantization import calibrate, quantize
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    run_float,
    run_ideal,
    transformer_block,
)


def test_a_linear_layer_is_quantized_multiplied_and_dequantized():
    """Codes by division, exact sums, one scale per channel, bias in floating point."""
    traced = Traced()
    workload = traced.build(traced.linear("a", traced.input("x", 3, 5), 4))
    assert workload.samples is not None
    x = workload.samples.evaluation["x"]
    step = np.float32(calibrate(workload)["x"] / 127)
    weights = workload.weights["a.weight"].astype(float)
    scales = np.abs(weights).max(axis=1) / 127
    sums = np.clip(np.rint(x / step), -127, 127) @ np.rint(weights / scales[:, None]).T
    real = (scales * (calibrate(workload)["x"] / 127)).astype(np.float32)
    expected = sums.astype(np.float32) * real + workload.weights["a.bias"]
    found = run_ideal(workload, CONVENTIONAL).outputs["a:out"]
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize("kind", ["softmax", "layer_norm", "gelu", "add"])
def test_functions_are_those_of_float32(kind):
    traced = Traced()
    x = traced.input("x", 3, 6)
    made = {
        "softmax": lambda: traced.op("y", "softmax", x, axis=-1),
        "layer_norm": lambda: traced.layer_norm("y", x),
        "gelu": lambda: traced.op("y", "gelu", x, approximate="none"),
        "add": lambda: traced.op("y", "add", x, traced.random("c", 3, 6)),
    }[kind]()
    workload = traced.build(made)
    assert np.array_equal(
        run_ideal(workload, CONVENTIONAL).outputs[made], run_float(workload)[made]
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_transformer_block_stays_close_to_float32(seed):
    workload = transformer_block(seed=seed, evaluation=40)
    exact = run_float(workload)["head:out"]
    found = run_ideal(workload, CONVENTIONAL).outputs["head:out"]
    assert signal_to_noise_db(exact, [found]) > 25


def test_only_operands_of_products_are_integers():
    quantized = quantize(transformer_block(), CONVENTIONAL)
    encodings = {name: tensor.encoding for name, tensor in quantized.tensors.items()}
    operands = {name for op in quantized.ops if op.is_product for name in op.inputs}
    moved = {op.output: op.inputs[0] for op in quantized.ops if op.kind == "movement"}
    for name in operands:
        assert (encodings[name].number, encodings[name].bits) == ("integer", 8)
        assert name not in moved or encodings[moved[name]].number == "integer"
    for op in quantized.ops:
        if op.function in ("softmax", "layer_norm", "gelu"):
            assert (encodings[op.inputs[0]].number, encodings[op.output].number) == ("float",) * 2


def test_a_constant_factor_is_taken_into_softmax_and_products():
    traced = Traced()
    x = traced.input("x", 3, 6)
    half = traced.op("half", "mul", x, scalar=0.25)
    twice = traced.op("eighth", "mul", half, scalar=0.5)
    moved = traced.op("turn", "permute", twice, axes=(0, 2, 1))
    outputs = [
        traced.op("soft", "softmax", moved, axis=-1),
        traced.linear("line", moved, 4),
        traced.linear("plain", x, 4),
        traced.op("product", "matmul", twice, moved),
    ]
    workload = traced.build(*outputs)
    exact, found = run_float(workload), run_ideal(workload, CONVENTIONAL).outputs
    assert np.allclose(found["soft:out"], exact["soft:out"], rtol=1e-6)
    for name in outputs:
        assert signal_to_noise_db(exact[name], [found[name]]) > 30


@pytest.mark.parametrize("reader", ["gelu", "layer_norm", "add", "cat", "output"])
def test_a_constant_factor_before_anything_else_is_refused(reader):
    traced = Traced()
    x = traced.input("x", 3, 6)
    half = traced.op("half", "mul", traced.linear("a", x, 6), scalar=0.5)
    made = {
        "gelu": lambda: traced.op("y", "gelu", half, approximate="none"),
        "layer_norm": lambda: traced.layer_norm("y", half),
        "add": lambda: traced.op("y", "add", half, x),
        "cat": lambda: traced.op("y", "cat", half, x, axis=1),
        "output": lambda: half,
    }[reader]()
    where = "" if reader == "output" else "op 'y': "
    with pytest.raises(
        QuantizationError,
        match=rf"^{where}tensor 'a:out' comes multiplied by a constant; scheme 'int8_dqq' takes a "
        "constant factor only into softmax and products$",
    ):
        quantize(traced.build(made), CONVENTIONAL)


@pytest.mark.parametrize("function", ["layer_norm", "gelu", "requantize"])
def test_units_of_another_scheme_are_refused(function):
    units = CONVENTIONAL.units.model_copy(update={function: getattr(RAP.units, function)})
    with pytest.raises(
        QuantizationError,
        match=rf"^architecture 'conventional': units\.{function}\.model is '.*', but "
        rf"numerics\.scheme 'int8_dqq' builds 'fp16_{function}' or 'fp32_{function}'; change one "
        r"of the two$",
    ):
        quantize(transformer_block(), CONVENTIONAL.model_copy(update={"units": units}))
