"""What both schemes refuse, and how: the message begins with the operation."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pimsim.errors import QuantizationError
from pimsim.quantization import quantize
from pimsim.registry import SCHEMES
from pimsim.workload.graph import Op, TensorSpec
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    Traced,
    run_float,
    run_ideal,
    shapes_only,
    transformer_block,
)

GEOMETRY = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}


def negative_factor(traced: Traced) -> str:
    return traced.op("bad", "mul", traced.input("x", 4), scalar=-1.0)


def product_of_tensors(traced: Traced) -> str:
    x = traced.input("x", 4)
    return traced.op("bad", "mul", x, x)


def factor_of_a_constant(traced: Traced) -> str:
    constant = traced.op("bad", "mul", traced.random("c", 4), scalar=2.0)
    return traced.op("y", "add", traced.input("x", 4), constant)


def other_softmax_axis(traced: Traced) -> str:
    return traced.op("bad", "softmax", traced.input("x", 3, 4), axis=1)


def several_normalized_axes(traced: Traced) -> str:
    return traced.layer_norm("bad", traced.input("x", 3, 4), axes=2)


def grouped_convolution(traced: Traced) -> str:
    x, kernel = traced.input("x", 4, 5, 5), traced.random("k", 4, 1, 2, 2)
    return traced.op("bad", "convolution", x, kernel, **{**GEOMETRY, "groups": 4})


def added_scalar(traced: Traced) -> str:
    return traced.op("bad", "add", traced.input("x", 4), scalar=1.0)


def computed_gain(traced: Traced) -> str:
    x, gain = traced.input("x", 4), traced.op("g", "softmax", traced.random("c", 4), axis=-1)
    norm = {"epsilon": 1e-5, "normalized_axes": 1}
    return traced.op("n", "layer_norm", x, gain, traced.random("b", 4), **norm)


def stored_operand(traced: Traced) -> str:
    return traced.op("bad", "matmul", traced.input("x", 3, 4), traced.random("c", 4, 2))


def other_leading_axes(traced: Traced) -> str:
    return traced.op("bad", "matmul", traced.input("x", 4, 1, 3, 8), traced.input("y", 1, 4, 8, 5))


def constant_output(traced: Traced) -> str:
    traced.input("x", 4)
    return traced.op("e", "expand", traced.random("c", 1, 4), shape=("batch", 4))


REFUSED: dict[Callable[[Traced], str], str] = {
    negative_factor: "op 'bad': only a product with a positive constant",
    product_of_tensors: "op 'bad': only a product with a positive constant",
    factor_of_a_constant: "op 'bad': only a product with a positive constant",
    other_softmax_axis: "op 'bad': softmax over axis 1 of 3; the unit works along the last one",
    several_normalized_axes: "op 'bad': layer_norm over 2 axes; the unit works along the last one",
    grouped_convolution: "op 'bad': a convolution with 4 groups has no crossbar form yet; only "
    "groups = 1",
    added_scalar: "op 'bad': adding a scalar",
    computed_gain: "op 'g': tensor 'c' is a stored constant, not computed",
    stored_operand: "op 'bad': tensor 'c' is a stored constant, not computed",
    other_leading_axes: "op 'bad': the operands have shapes ('batch', 4, 1, 3, 8) and "
    "('batch', 1, 4, 8, 5); their leading axes must be equal, or 1 in the second operand after "
    "the batch",
    constant_output: "tensor 'e:out' is a stored constant, not computed",
}


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
@pytest.mark.parametrize("make", REFUSED, ids=lambda one: one.__name__)
def test_what_has_no_form_is_refused_by_name(make, architecture):
    traced = Traced()
    workload = traced.build(make(traced))
    with pytest.raises(QuantizationError, match=f"^{re.escape(REFUSED[make])}"):
        quantize(workload, architecture)
    scheme = SCHEMES[architecture.numerics.scheme]
    with pytest.raises(QuantizationError, match=f"^{re.escape(REFUSED[make])}"):
        scheme(shapes_only(workload), architecture, None)


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_kind_unknown_to_the_scheme_is_refused(architecture):
    workload = transformer_block()
    odd = Op("odd", "einsum", ("head:out",), ("odd:out",))
    spec = TensorSpec("odd:out", ("batch", 3), "float32", "activation")
    workload = replace(
        workload,
        ops=(*workload.ops, odd),
        tensors={**workload.tensors, "odd:out": spec},
        weights={},
    )
    with pytest.raises(
        QuantizationError,
        match=f"^op 'odd': scheme '{architecture.numerics.scheme}' has no form for 'einsum'; it "
        "has: add, cat, convolution, expand, gelu, layer_norm, linear, matmul, mul, permute, "
        "select, slice, softmax, view$",
    ):
        quantize(workload, architecture)


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_weights_must_be_stored(architecture):
    traced = Traced()
    traced.input("x", 3, 4)
    workload = traced.build(traced.linear("bad", traced.linear("a", "x", 4), 4))
    ops = [
        replace(op, inputs=(op.inputs[0], "a:out", op.inputs[2])) if op.name == "bad" else op
        for op in workload.ops
    ]
    # no traced graph passes its checks with such a weight, a hand-made one could
    broken = replace(workload, ops=tuple(ops), weights={}, samples=None)
    with pytest.raises(QuantizationError, match=r"^op 'bad': tensor 'a:out' is computed; only a"):
        quantize(broken, architecture)


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_constant_follows_no_symbolic_axis_but_the_batch(architecture):
    traced = Traced()
    positions = traced.op("cut", "expand", traced.random("c", 1, 1, 4), shape=("batch", "seq", 4))
    x = traced.input("x", "seq", 4)
    workload = traced.build(traced.op("y", "add", x, positions), seq=(2, 16))
    with pytest.raises(
        QuantizationError,
        match=r"^op 'cut': a stored constant takes the symbolic shape \('batch', 'seq', 4\); only",
    ):
        quantize(workload, architecture)


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_one_key_for_all_heads_is_broadcast(architecture):
    """The second operand of a product may be shared by the heads, never by the samples."""
    traced = Traced()
    a, b = traced.input("a", 4, 3, 8), traced.input("b", 1, 8, 5)
    workload = traced.build(traced.op("m", "matmul", a, b))
    exact, found = run_float(workload)["m:out"], run_ideal(workload, architecture).outputs["m:out"]
    assert np.abs(found - exact).max() < 0.05


@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_names_of_operations_and_tensors_are_unique(architecture):
    quantized = quantize(transformer_block(), architecture)
    names = [op.name for op in quantized.ops]
    outputs = [op.output for op in quantized.ops]
    assert len(set(names)) == len(names)
    assert len(set(outputs)) == len(outputs)
    assert set(outputs) | set(quantized.inputs) == set(quantized.tensors)
