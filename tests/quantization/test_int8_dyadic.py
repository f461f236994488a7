"""The integer graph against independent integer arithmetic, and float32 within its steps."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from pimsim.errors import QuantizationError
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.quantization import calibrate, quantize
from pimsim.workload.graph import AttentionGroup, Workload
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    run_float,
    run_ideal,
    shapes_only,
    transformer_block,
)

# --- an independent evaluation, in unbounded rationals -------------------------------------------


def step(peak: float, bits: int) -> float:
    """Real value of one code: 8 bits reach the peak, 16 bits twice the peak."""
    return peak / 127 if bits == 8 else 2 * peak / 32767


def to_codes(values: np.ndarray, scale: float, bits: int) -> np.ndarray:
    limit = 2 ** (bits - 1) - 1
    codes = [round(Fraction(float(value)) / Fraction(scale)) for value in values.ravel()]
    return np.clip(np.array(codes, object).reshape(values.shape), -limit, limit)


def dyadic(ratio: float) -> Fraction:
    """The ratio with 15 significant bits."""
    exponent = math.frexp(ratio)[1]
    return round(Fraction(ratio) * 2 ** (15 - exponent)) * Fraction(2) ** (exponent - 15)


def rounded(exact: Fraction, bits: int) -> int:
    """Half away from zero, saturated symmetrically."""
    magnitude = min(math.floor(abs(exact) + Fraction(1, 2)), 2 ** (bits - 1) - 1)
    return -magnitude if exact < 0 else magnitude


def rescaled(values: np.ndarray, ratios: list[Fraction], bits: int) -> np.ndarray:
    """Each value times the ratio of its channel (last axis)."""
    flat = values.reshape(-1, values.shape[-1])
    rows = [
        [rounded(value * ratio, bits) for value, ratio in zip(row, ratios, strict=True)]
        for row in flat
    ]
    return np.array(rows, object).reshape(values.shape)


def weight_codes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(out, in) weights with one scale per output channel."""
    scales = np.abs(weights.astype(float)).max(axis=1) / 127
    return np.rint(weights / scales[:, None]).astype(int).astype(object), scales


def samples(workload: Workload, name: str = "x") -> np.ndarray:
    assert workload.samples is not None
    return workload.samples.evaluation[name]


def test_a_linear_layer_equals_rational_arithmetic():
    traced = Traced()
    workload = traced.build(traced.linear("a", traced.input("x", 3, 5), 4))
    peaks = calibrate(workload)
    x_step, y_step = step(peaks["x"], 8), step(peaks["a:out"], 16)
    codes, scales = weight_codes(workload.weights["a.weight"])
    bias = [
        round(Fraction(float(value)) / Fraction(x_step * scale))
        for value, scale in zip(workload.weights["a.bias"], scales, strict=True)
    ]
    sums = to_codes(samples(workload), x_step, 8) @ codes.T + np.array(bias, object)
    ratios = [dyadic(x_step * scale / y_step) for scale in scales]
    expected = rescaled(sums, ratios, 16) * y_step
    found = run_ideal(workload).outputs["a:out"]
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.astype(np.float32))


def test_a_product_of_two_computed_operands_equals_rational_arithmetic():
    """The factor between product and output changes the meaning of the codes, not the codes."""
    traced = Traced()
    a, b = traced.input("a", 2, 3, 4), traced.input("b", 2, 4, 5)
    scaled = traced.op("s", "mul", traced.op("m", "matmul", a, b), scalar=0.3)
    workload = traced.build(scaled)
    peaks = calibrate(workload)
    a_step, b_step, y_step = step(peaks["a"], 8), step(peaks["b"], 8), step(peaks["m:out"], 16)
    sums = to_codes(samples(workload, "a"), a_step, 8) @ to_codes(samples(workload, "b"), b_step, 8)
    codes = rescaled(sums, [dyadic(a_step * b_step / y_step)] * 5, 16)
    found = run_ideal(workload).outputs["s:out"]
    assert np.array_equal(found, (codes * (y_step * 0.3)).astype(np.float32))


def test_a_residual_addition_rounds_once():
    traced = Traced()
    a, b = traced.input("a", 3, 4), traced.input("b", 3, 4)
    workload = traced.build(traced.op("y", "add", a, b))
    peaks = calibrate(workload)
    steps = {name: step(peaks[name], 16) for name in ("a", "b", "y:out")}
    exact = sum(
        to_codes(samples(workload, name), steps[name], 16) * dyadic(steps[name] / steps["y:out"])
        for name in ("a", "b")
    )
    expected = rescaled(exact, [Fraction(1)] * 4, 16) * steps["y:out"]
    assert np.array_equal(run_ideal(workload).outputs["y:out"], expected.astype(np.float32))


def test_a_stored_addend_has_16_bits_of_its_own():
    traced = Traced()
    offsets = traced.random("offsets", 3, 4, spread=1e-3)
    workload = traced.build(traced.op("y", "add", offsets, traced.input("x", 3, 4)))
    peaks = calibrate(workload)
    x_step, y_step = step(peaks["x"], 16), step(peaks["y:out"], 16)
    stored = workload.weights["offsets"]
    own = float(np.abs(stored).max()) / 32767
    exact = to_codes(samples(workload), x_step, 16) * dyadic(x_step / y_step)
    exact = exact + to_codes(stored, own, 16) * dyadic(own / y_step)
    expected = rescaled(exact, [Fraction(1)] * 4, 16) * y_step
    assert np.array_equal(run_ideal(workload).outputs["y:out"], expected.astype(np.float32))


def test_a_convolution_is_a_linear_layer_on_its_patches():
    traced = Traced()
    x, bias = traced.input("x", 2, 5, 6), traced.random("bias", 3)
    kernel = traced.random("kernel", 3, 2, 2, 3)
    geometry = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
    workload = traced.build(traced.op("c", "convolution", x, kernel, bias, **geometry))
    peaks = calibrate(workload)
    x_step, y_step = step(peaks["x"], 8), step(peaks["c:out"], 16)
    image = np.pad(to_codes(samples(workload), x_step, 8), ((0, 0), (0, 0), (1, 1), (0, 0)))
    codes, scales = weight_codes(workload.weights["kernel"].reshape(3, -1))
    expected = np.zeros((6, 3, 3, 2))
    for row in range(3):
        for col in range(2):
            patch = image[:, :, 2 * row : 2 * row + 2, col : col + 5 : 2].reshape(6, -1)
            addend = np.rint(workload.weights["bias"].astype(float) / (scales * x_step)).astype(int)
            ratios = [dyadic(x_step * scale / y_step) for scale in scales]
            expected[:, :, row, col] = rescaled(patch @ codes.T + addend, ratios, 16) * y_step
    assert np.array_equal(run_ideal(workload).outputs["c:out"], expected.astype(np.float32))


# --- against float32, within the steps -----------------------------------------------------------


def test_a_linear_layer_misses_by_what_its_steps_allow():
    """Half a step of inputs and weights each, of the bias, of the output, and the multiplier."""
    traced = Traced(3)
    workload = traced.build(traced.linear("a", traced.input("x", 3, 40), 6), calibration=400)
    peaks, x = calibrate(workload), samples(workload)
    x_step, y_step = step(peaks["x"], 8), step(peaks["a:out"], 16)
    weights = np.abs(workload.weights["a.weight"].astype(float))
    w_steps = weights.max(axis=1) / 127
    clipped = np.maximum(np.abs(x) - peaks["x"], 0) @ weights.T
    bound = (x_step / 2) * weights.sum(axis=1) + np.abs(x).sum(axis=-1, keepdims=True) * w_steps / 2
    bound = bound + (40 / 4 + 1 / 2) * x_step * w_steps + clipped
    exact = run_float(workload)["a:out"]
    bound = (bound + y_step / 2) * (1 + 2.0**-15) + np.abs(exact) * (2.0**-15 + 2.0**-20)
    error = np.abs(run_ideal(workload).outputs["a:out"] - exact)
    assert np.all(error <= bound)
    assert np.median(error) > 0.01 * np.median(bound)  # the bound is not idle


def test_a_layer_norm_misses_by_what_its_steps_allow():
    """16-bit inputs of standard deviation ``d`` in steps: each step counts ``gain / d``."""
    traced = Traced(4)
    workload = traced.build(traced.layer_norm("n", traced.input("x", 3, 16)))
    peaks, x = calibrate(workload), samples(workload).astype(float)
    x_step, y_step = step(peaks["x"], 16), step(peaks["n:out"], 16)
    deviation = x.std(axis=-1, keepdims=True) / x_step
    root = 4 * deviation
    gain = np.abs(workload.weights["n.weight"])
    exact = run_float(workload)["n:out"]
    relative = 1 / root + root / 2**31 + 2.0**-14
    bound = gain * (2 / deviation + 4 * 2.0**-15) + (np.abs(exact) + 1) * relative + y_step
    assert np.all(np.abs(run_ideal(workload).outputs["n:out"] - exact) <= bound)
    assert np.all(bound < 0.005)


def test_a_softmax_misses_by_its_polynomial():
    traced = Traced(5)
    scaled = traced.op("s", "mul", traced.input("x", 3, 6), scalar=4.0)
    workload = traced.build(traced.op("y", "softmax", scaled, axis=2))
    exact = run_float(workload)["y:out"]
    found = run_ideal(workload).outputs["y:out"]
    assert np.abs(found - exact).max() <= 0.004


def test_probabilities_of_a_long_row_use_all_codes_of_their_operand():
    """256 probabilities of about 1/256: their 8 bits are cut below the calibrated peak."""
    traced = Traced(5)
    soft = traced.op("soft", "softmax", traced.input("x", 4, 256), axis=-1)
    workload = traced.build(traced.linear("y", soft, 8))
    quantized = quantize(workload, RAP)
    scale = quantized.tensors["soft:out"].encoding.scale
    peak = calibrate(workload)["soft:out"]
    assert scale == pytest.approx(peak / 127)
    assert peak < 0.1


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_gelu_misses_by_its_approximation(approximate):
    traced = Traced(6)
    wide = traced.op("s", "mul", traced.input("x", 3, 60), scalar=4.0)
    workload = traced.build(traced.op("y", "gelu", wide, approximate=approximate))
    error = np.abs(run_ideal(workload).outputs["y:out"] - run_float(workload)["y:out"])
    assert error.max() <= 0.0195


@pytest.mark.parametrize("seed", range(3))
def test_a_transformer_block_stays_close_to_float32(seed):
    """Every kind of operation of the scheme in one graph; -30 dB is what 8-bit operands cost."""
    workload = transformer_block(seed=seed, evaluation=40)
    exact, found = run_float(workload)["head:out"], run_ideal(workload).outputs["head:out"]
    assert signal_to_noise_db(exact, [found]) > 25
    assert np.mean(exact.argmax(axis=1) == found.argmax(axis=1)) > 0.9


# --- structure -----------------------------------------------------------------------------------


def test_operands_of_products_have_8_bits_and_functions_get_16():
    quantized = quantize(transformer_block(), RAP)
    width = {name: tensor.encoding.bits for name, tensor in quantized.tensors.items()}
    for op in quantized.ops:
        if op.is_product:
            assert [width[name] for name in op.inputs] == [8] * len(op.inputs)
            assert width[op.output] == 32
        if op.function in ("softmax", "layer_norm", "gelu"):
            assert width[op.inputs[0]] == 16
        if op.weights is not None:
            assert np.abs(op.weights).max() == 127


def test_a_tensor_is_narrowed_once_for_all_its_products():
    traced = Traced()
    x = traced.op("r", "add", traced.input("x", 8), traced.random("c", 8))
    a, b = traced.linear("a", x, 3), traced.linear("b", x, 3)
    workload = traced.build(traced.op("y", "add", a, b), x)
    quantized = quantize(workload, RAP)
    assert [op.name for op in quantized.ops if op.name.endswith(".int8")] == ["r:out.int8"]


@pytest.mark.parametrize("factor_first", [True, False])
def test_a_tensor_and_its_multiple_are_different_operands(factor_first):
    """A linear layer reads a 16-bit tensor, another one a constant multiple of it."""
    traced = Traced()
    x = traced.op("r", "add", traced.input("x", 8), traced.random("c", 8))
    operands = {"plain": x, "half": traced.op("half", "mul", x, scalar=0.3)}
    names = ["half", "plain"] if factor_first else ["plain", "half"]
    outputs = [traced.linear(f"{name}.linear", operands[name], 4) for name in names]
    workload = traced.build(*outputs, traced.layer_norm("norm", x))
    exact, found = run_float(workload), run_ideal(workload).outputs
    for name in outputs:
        assert signal_to_noise_db(exact[name], [found[name]]) > 30


def test_what_is_moved_together_shares_codes():
    """Parts of a concatenation need no rescaling, even where one is much larger."""
    traced = Traced()
    x = traced.input("x", 3, 8)
    small, large = traced.linear("small", x, 8), traced.linear("large", x, 8)
    traced.weights["large.weight"] *= 50
    part = traced.op("part", "slice", large, axis=1, start=0, stop=2, step=1)
    joined = traced.op("join", "cat", small, part, axis=1)
    workload = traced.build(traced.layer_norm("norm", joined), large)
    quantized = quantize(workload, RAP)
    scales = {
        quantized.tensors[name].encoding.scale
        for name in ("small:out", "large:out", "part:out", "join:out")
    }
    assert len(scales) == 1
    assert [op.function for op in quantized.ops].count("requantize") == 3  # two linear, one norm
    exact, found = run_float(workload), run_ideal(workload).outputs
    assert np.abs(found["norm:out"] - exact["norm:out"]).max() < 0.1


def test_a_part_whose_scale_a_factor_changed_is_rescaled():
    traced = Traced()
    x = traced.input("x", 3, 8)
    weights = traced.op("soft", "softmax", x, axis=-1)
    half = traced.op("half", "mul", traced.linear("a", x, 8), scalar=0.5)
    workload = traced.build(traced.op("join", "cat", weights, half, axis=1))
    for graph in (quantize(workload, RAP), quantize(shapes_only(workload), RAP)):
        names = [op.name for op in graph.ops]
        assert [name for name in names if name.startswith("join.")] == [
            "join.requantize_1",
        ]
    exact, found = run_float(workload)["join:out"], run_ideal(workload).outputs["join:out"]
    assert np.abs(found - exact).max() < 0.02


def test_constants_are_moved_and_joined_at_compile_time():
    traced = Traced()
    weight = traced.op("turn", "permute", traced.random("w", 8, 4), axes=(1, 0))
    tokens = [
        traced.op(name, "expand", traced.random(f"{name}.c", 1, 1, 8), shape=("batch", 1, 8))
        for name in ("first", "second")
    ]
    both = traced.op("both", "cat", *tokens, axis=1)
    x = traced.op("join", "cat", both, traced.input("x", 2, 8), axis=1)
    workload = traced.build(traced.op("y", "linear", x, weight))
    quantized = quantize(workload, RAP)
    assert [op.name for op in quantized.ops if op.kind == "movement"] == ["join"]
    exact, found = run_float(workload)["y:out"], run_ideal(workload).outputs["y:out"]
    assert signal_to_noise_db(exact, [found]) > 30


@pytest.mark.parametrize("kind", ["factor", "convolution", "view", "input"])
def test_whatever_is_an_output_reaches_the_host(kind):
    traced = Traced()
    geometry = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    x = traced.input("x", 1, 4, 4)
    image = traced.op("image", "convolution", x, traced.random("k", 2, 1, 2, 2), **geometry)
    outputs = {
        "convolution": image,
        "factor": traced.op("factor", "mul", image, scalar=3.0),
        "view": traced.op("view", "view", image, shape=("batch", 18)),
        "input": x,
    }
    workload = traced.build(outputs[kind])
    exact, found = run_float(workload), run_ideal(workload).outputs
    assert found.keys() == exact.keys()
    assert signal_to_noise_db(exact[outputs[kind]], [found[outputs[kind]]]) > 30


@pytest.mark.parametrize("weight", [0.0, 1e-6, 1e-12, 1e-30])
def test_a_dead_channel_keeps_its_bias(weight):
    """Weights next to nothing must not push the bias out of the 32-bit accumulator."""
    traced = Traced()
    x, matrix = traced.input("x", 8), np.random.default_rng(0).standard_normal((4, 8))
    matrix[1] = weight
    bias = traced.stored("b", [1.0, 3.0, -1.0, 0.0])
    workload = traced.build(traced.op("y", "linear", x, traced.stored("w", matrix), bias))
    found = run_ideal(workload).outputs["y:out"]
    assert np.abs(found[:, 1] - 3.0).max() < 1e-3
    assert np.abs(found - run_float(workload)["y:out"]).max() < 0.05


def test_a_network_of_zeros_has_integers_too():
    traced = Traced()
    zero = traced.stored("z", np.zeros(4))
    norm = {"epsilon": 1e-5, "normalized_axes": 1}
    x = traced.op("n", "layer_norm", traced.input("x", 4), zero, zero, **norm)
    weight = traced.stored("w", np.zeros((3, 4)))
    workload = traced.build(traced.op("y", "linear", x, weight))
    assert not run_ideal(workload).outputs["y:out"].any()


def test_saturations_are_counted():
    """On the calibration samples the addends all but cancel; on the others they do not."""
    traced = Traced()
    a, b = traced.input("a", 2), traced.input("b", 2)
    workload = traced.build(
        traced.op("y", "add", a, b),
        calibration={"a": np.array([[1.0, 1.0]]), "b": np.array([[-0.875, -0.875]])},
        evaluation={
            "a": np.array([[1.0, 0.125], [1.0, 1.0]]),
            "b": np.array([[0.875, 0.0], [-1.0, -1.0]]),
        },
    )
    run = run_ideal(workload)
    assert run.outputs["y:out"].ravel() == pytest.approx([0.25, 0.125, 0, 0], abs=1e-4)
    ((unit,),) = (op.units for op in run.counts)
    assert (unit.saturations, unit.invocations_by_length) == (1, {2: 2})


def test_groups_of_the_trace_travel_along():
    traced = Traced()
    group = AttentionGroup("attn", "query", heads=2, kv_heads=2, causal=False)
    x, weight = traced.input("x", 8), traced.random("w", 4, 8)
    workload = traced.build(traced.op("q", "linear", x, weight, group=group))
    assert {op.name: op.group for op in quantize(workload, RAP).ops if op.source == "q"} == {
        "q": group,
        "q.requantize": group,
    }


def facts(workload: Workload, architecture=RAP):
    """All that mapping, timing and cost see of an integer graph."""
    quantized = quantize(workload, architecture)
    ops = [
        (
            *(op.name, op.kind, op.source, op.inputs, op.output, op.function, op.rows, op.cols),
            *(op.hardware, op.stream_from, dict(op.attributes), op.group),
        )
        for op in quantized.ops
    ]
    tensors = {
        name: (tensor.shape, tensor.encoding.bits, tensor.encoding.number)
        for name, tensor in quantized.tensors.items()
    }
    return ops, tensors, quantized.inputs, quantized.outputs


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_graph_without_weights_has_the_same_operations(architecture):
    workload = transformer_block()
    bare = shapes_only(workload)
    assert facts(bare, architecture) == facts(workload, architecture)
    quantized = quantize(bare, architecture)
    assert quantized.shape_only
    assert all(op.execute is None and op.weights is None for op in quantized.ops)
    assert not quantize(workload, architecture).shape_only


def test_a_graph_without_weights_has_no_scales():
    quantized = quantize(shapes_only(transformer_block()), RAP)
    assert {tensor.encoding.scale for tensor in quantized.tensors.values()} == {None}


def test_operations_stand_in_execution_order():
    quantized = quantize(transformer_block(), RAP)
    ready = set(quantized.inputs)
    for op in quantized.ops:
        assert ready.issuperset(op.inputs)
        ready.add(op.output)
    assert ready.issuperset(quantized.outputs)
    for product, unit in pairwise(quantized.ops):
        if product.is_product:
            assert (unit.stream_from, unit.inputs) == (product.name, (product.output,))


# --- what has no integer form --------------------------------------------------------------------


def test_units_of_another_scheme_are_refused():
    for function in ("softmax", "layer_norm", "gelu", "requantize"):
        unit = getattr(CONVENTIONAL.units, function)
        units = RAP.units.model_copy(update={function: unit})
        with pytest.raises(
            QuantizationError,
            match=f"^architecture 'rap_int8': units.{function}.model is 'fp32_{function}', but "
            "numerics.scheme 'int8_dyadic' builds '.*'; change one of the two$",
        ):
            quantize(transformer_block(), RAP.model_copy(update={"units": units}))


def test_a_scale_beyond_all_constants_names_the_operation():
    traced = Traced()
    tiny = traced.op("tiny", "mul", traced.linear("a", traced.input("x", 8), 4), scalar=1e-9)
    workload = traced.build(traced.op("g", "gelu", tiny, approximate="none"))
    with pytest.raises(QuantizationError, match=r"^op 'g': scales differ by 1\.92e"):
        quantize(workload, RAP)
