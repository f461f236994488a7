"""Other softmaxes between the products of RAP's attention layer."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import QuantizationError
from pimsim.quantization import quantize
from pimsim.quantization.rap_softmax import FLOATING, INTEGER
from tests.quantization.test_rap_int8p1 import (
    BLOCKS,
    chip,
    executed,
    logit_snr_db,
    masked_attention,
)
from tests.quantization.traced import Traced, shapes_only, transformer_block

OTHERS = (*INTEGER, *FLOATING)


def with_softmax(model, **numerics):
    settings = [f"numerics.{key}={value}" for key, value in numerics.items()]
    units = ("units.requantize.model=emsb_q", f"units.softmax.model={model}")
    scheme = "numerics.scheme=rap_int8p1"
    return load_architecture("rap_int8", overrides=[scheme, *units, *settings])


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("model", OTHERS)
def test_another_softmax_fits_between_the_same_products(block, model):
    """It normalizes its rows, in 8-bit codes without a sign on a static scale."""
    workload, architecture = BLOCKS[block](), with_softmax(model)
    assert logit_snr_db(workload, architecture) > 25
    with_values, without = (
        quantize(one, architecture) for one in (workload, shapes_only(workload))
    )
    assert [op.name for op in with_values.ops] == [op.name for op in without.ops]
    values = executed(with_values, workload.samples.evaluation)["attn.softmax:out"]
    encoding = with_values.tensors["attn.softmax:out"].encoding
    assert (encoding.bits, encoding.signed) == (8, False)
    assert 0 <= values.min() <= values.max() <= 255
    assert np.abs(values.sum(axis=-1) * encoding.scale - 1).max() < 0.03


def test_a_mask_reaches_every_softmax():
    for model in OTHERS:
        workload = masked_attention()
        quantized = quantize(workload, with_softmax(model))
        inputs = dict(workload.samples.evaluation)
        inputs["keep"] = np.tile(np.array([[[True, True, False]]]), (len(inputs["xq"]), 1, 1))
        assert not executed(quantized, inputs)["softmax:out"][..., 2].any(), model


def test_floating_softmax_costs_its_conversions():
    operations = {
        op.name: op.hardware.operations(6)
        for op in quantize(transformer_block(), with_softmax("fp32_softmax")).ops
        if op.hardware is not None
    }
    kinds = {operation.kind for operation in operations["attn.softmax"]}
    assert {"fp_exp", "fp_divide", "convert", "add"} <= kinds


def test_normalization_belongs_to_vdr_softmax():
    with pytest.raises(QuantizationError, match=r"numerics\.normalization means nothing to units"):
        quantize(transformer_block(), with_softmax("ibert_softmax", normalization="shift"))


def naked_softmax(traced, x):
    return traced.op("p", "softmax", traced.linear("q", x, 4), axis=-1)


def unused_softmax(traced, x):
    k = traced.op("turn", "permute", traced.linear("k", x, 4), axes=(0, 2, 1))
    return traced.op(
        "p", "softmax", traced.op("logits", "matmul", traced.linear("q", x, 4), k), axis=-1
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (naked_softmax, "op 'p': logits must be the result of a product of two activations"),
        (unused_softmax, "op 'p': .* nothing else may take them"),
    ],
)
def test_a_softmax_stands_between_two_products(build, message):
    traced = Traced()
    normal = traced.layer_norm("norm", traced.input("x", 3, 4))
    with pytest.raises(QuantizationError, match=message):
        quantize(traced.build(build(traced, normal)), chip())
