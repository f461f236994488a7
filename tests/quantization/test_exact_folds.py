"""Moving a factor from one matrix to another changes weights, not what the network computes."""

import numpy as np
import pytest

from pimsim.quantization.exact_folds import fold
from pimsim.workload import reference
from pimsim.workload.checks import check_graph, check_weights
from tests.quantization.test_rap_int8p1 import post_norm_block
from tests.quantization.traced import Traced, transformer_block


def everything(workload):
    """Every tensor of a run in float32."""
    seen = {}
    inputs = [workload.samples.evaluation[name] for name in workload.inputs]
    reference.run(workload, *inputs, observe=lambda name, value: seen.update({name: value}))
    return seen


@pytest.mark.parametrize("block", [transformer_block, post_norm_block])
@pytest.mark.parametrize("seed", [0, 3])
def test_every_tensor_is_the_original_after_its_factor_and_offset(block, seed):
    workload = block(seed=seed)
    folded = fold(workload)
    check_graph(folded.workload, "folded")
    check_weights(folded.workload, "folded")
    before, after = everything(workload), everything(folded.workload)
    layers = {op.output for op in workload.ops if op.kind not in ("view", "permute", "select")}
    for name in layers & set(before):
        found = after[name] * folded.factors.get(name, 1.0) + folded.offsets.get(name, 0.0)
        assert np.allclose(found, before[name], rtol=0, atol=2e-5 * np.abs(before[name]).max()), (
            name
        )


def test_the_gain_and_bias_of_a_normalization_go_into_the_layers_behind():
    workload = transformer_block()
    weights = fold(workload).workload.weights
    for norm, layers in (("norm1", ("attn.q", "attn.k", "attn.v")), ("norm2", ("up",))):
        assert np.all(weights[f"{norm}.weight"] == 1)
        assert not weights[f"{norm}.bias"].any()
        for layer in layers:
            assert not np.array_equal(weights[f"{layer}.bias"], workload.weights[f"{layer}.bias"])


def test_a_normalization_that_the_residual_reuses_keeps_its_gain():
    workload = post_norm_block()
    folded = fold(workload)
    for norm in ("norm0", "norm1"):
        kept, given = (one.weights[f"{norm}.weight"] for one in (folded.workload, workload))
        assert np.array_equal(kept, given)
        assert f"{norm}:out" not in folded.factors
    assert np.all(folded.workload.weights["norm2.weight"] == 1)  # the classifier alone reads it


def test_channels_of_values_and_pairs_of_queries_and_keys_are_balanced():
    weights = fold(transformer_block()).workload.weights
    peaks = {name: np.abs(weights[f"attn.{name}.weight"]).max(axis=1) for name in "qkv"}
    assert np.allclose(peaks["v"], peaks["v"].max(), rtol=1e-6)
    assert np.allclose(peaks["q"], peaks["k"], rtol=1e-6)


def test_a_layer_without_bias_gets_the_one_of_the_normalization():
    traced = Traced()
    normal = traced.layer_norm("norm", traced.input("x", 3, 4))
    workload = traced.build(traced.linear("a", normal, 2, bias=False))
    folded = fold(workload).workload
    (_, layer) = folded.ops
    assert layer.inputs[2] in folded.weights
    before, after = (everything(one)["a:out"] for one in (workload, folded))
    assert np.allclose(before, after, atol=1e-6)


def shared_weight(traced, normal):
    weight = traced.random("shared", 4, 4)
    first = traced.op("a", "linear", normal, weight)
    return traced.op("b", "linear", traced.op("g", "gelu", first, approximate="none"), weight)


def turned(traced, normal):
    return traced.linear("a", traced.op("turn", "permute", normal, axes=(0, 2, 1)), 2)


def read_twice(traced, normal):
    return traced.op("add", "add", normal, traced.linear("a", normal, 4))


@pytest.mark.parametrize("build", [shared_weight, turned, read_twice])
def test_what_does_not_fold_exactly_stays(build):
    traced = Traced()
    workload = traced.build(build(traced, traced.layer_norm("norm", traced.input("x", 3, 4))))
    folded = fold(workload)
    assert folded.factors == {}
    for name, values in workload.weights.items():
        assert np.array_equal(folded.workload.weights[name], values), name


def test_an_output_of_the_graph_keeps_its_meaning():
    traced = Traced()
    normal = traced.layer_norm("norm", traced.input("x", 3, 4))
    traced.linear("a", normal, 2)
    assert fold(traced.build(normal, "a:out")).factors == {}


def test_a_channel_of_zeros_is_scaled_as_if_small():
    traced = Traced()
    x = traced.layer_norm("norm", traced.input("x", 5, 8))
    workload = traced.build(traced.attention("attn", x, 2))
    workload.weights["attn.v.weight"][3] = 0
    weights = fold(workload).workload.weights
    assert all(np.isfinite(values).all() for values in weights.values())
