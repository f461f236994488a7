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


def masked_twice(traced: Traced) -> str:
    keep = traced.mask("keep", 4)
    once = traced.op("once", "mask", traced.input("x", 4), keep, fill=-1e9)
    return traced.op("bad", "mask", once, keep, fill=-1e9)


def masked_output(traced: Traced) -> str:
    return traced.op("y", "mask", traced.input("x", 4), traced.mask("keep", 4), fill=-1e9)


def negative_factor(traced: Traced) -> str:
    return traced.op("bad", "mul", traced.input("x", 4), scalar=-1.0)


def divided_by_a_tensor(traced: Traced) -> str:
    return traced.op("bad", "div", traced.input("x", 4), traced.input("y", 4))


def comparison(traced: Traced) -> str:
    x = traced.input("x", 4)
    return traced.op("bad", "mask", x, traced.op("found", "gt", x, scalar=0.0), fill=-1e9)


def other_softmax_axis(traced: Traced) -> str:
    return traced.op("bad", "softmax", traced.input("x", 3, 4), axis=1)


def several_normalized_axes(traced: Traced) -> str:
    return traced.layer_norm("bad", traced.input("x", 3, 4), axes=2)


def grouped_convolution(traced: Traced) -> str:
    x, kernel = traced.input("x", 4, 5, 5), traced.random("k", 4, 1, 2, 2)
    return traced.op("bad", "convolution", x, kernel, **{**GEOMETRY, "groups": 4})


def stored_operand(traced: Traced) -> str:
    return traced.op("bad", "matmul", traced.input("x", 3, 4), traced.random("c", 4, 2))


def other_leading_axes(traced: Traced) -> str:
    return traced.op("bad", "matmul", traced.input("x", 4, 1, 3, 8), traced.input("y", 1, 4, 8, 5))


def constant_output(traced: Traced) -> str:
    traced.input("x", 4)
    return traced.op("e", "expand", traced.random("c", 1, 4), shape=("batch", 4))


REFUSED: dict[Callable[[Traced], str], str] = {
    other_softmax_axis: "op 'bad': softmax over axis 1 of 3; the unit works along the last one",
    several_normalized_axes: "op 'bad': layer_norm over 2 axes; the unit works along the last one",
    grouped_convolution: "op 'bad': a convolution with 4 groups has no crossbar form yet; only "
    "groups = 1",
    stored_operand: "op 'bad': tensor 'c' is a stored constant, not computed",
    other_leading_axes: "op 'bad': the operands have shapes ('batch', 4, 1, 3, 8) and "
    "('batch', 1, 4, 8, 5); their leading axes must be equal, or 1 in the second operand after "
    "the batch",
    masked_twice: "op 'bad': logits that are masked twice; combine the two masks in the model",
    masked_output: "what 'keep' masks is read by something other than a softmax",
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
        "has: ",
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


REFUSED_INTEGERS: dict[Callable[[Traced], str], str] = {
    negative_factor: "op 'bad': only a product with a positive constant, or of two tensors, has",
    divided_by_a_tensor: "op 'bad': only a division by a positive constant has an integer form",
    comparison: "op 'found': scheme 'int8_dyadic' has no form for 'gt'; it has: ",
}


@pytest.mark.parametrize("make", REFUSED_INTEGERS, ids=lambda one: one.__name__)
def test_what_has_no_integer_form_is_refused_by_name(make):
    traced = Traced()
    workload = traced.build(make(traced))
    with pytest.raises(QuantizationError, match=f"^{re.escape(REFUSED_INTEGERS[make])}"):
        quantize(workload, RAP)


@pytest.mark.parametrize("function", ["rms_norm", "silu", "rotary"])
@pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda one: one.name)
def test_a_unit_that_the_chip_lacks_is_named_with_the_way_to_add_it(function, architecture):
    traced = Traced()
    x = traced.input("x", 3, 4)
    turns = [traced.random(name, 3, 4) for name in ("cosine", "sine")]
    more = {"rms_norm": [traced.random("gain", 4)], "silu": [], "rotary": turns}[function]
    given = {"epsilon": 1e-6, "normalized_axes": 1} if function == "rms_norm" else {}
    workload = traced.build(traced.op("bad", function, x, *more, **given))
    with pytest.raises(QuantizationError, match=f"^op 'bad': .* has no unit for {function}; add"):
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
