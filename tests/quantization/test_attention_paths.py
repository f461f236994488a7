"""Which channel meets which, however a model writes its heads."""

import numpy as np
import pytest

from pimsim import load_workload
from pimsim.quantization.attention_paths import attentions, probe_dims
from tests.quantization.traced import Traced, transformer_block


def test_heads_lie_side_by_side_in_an_ordinary_layer():
    (layer,) = attentions(transformer_block())
    assert (layer.query.name, layer.key.name, layer.value.name) == ("attn.q", "attn.k", "attn.v")
    assert (layer.logits.name, layer.softmax.name) == ("attn.logits", "attn.softmax")
    assert (layer.context.name, layer.output.name) == ("attn.context", "attn.o")
    assert layer.heads.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert layer.value_channels.tolist() == list(range(8))
    assert layer.context_channels.tolist() == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    assert [channels.tolist() for channels in layer.paired] == [list(range(8))] * 2


def interleaved(*, shared=False):
    """Heads interleaved in the channels of all projections: channel = depth * heads + head."""
    traced = Traced()
    x = traced.input("x", 5, 8)
    parts = {}
    for role, axes in (("q", (0, 3, 1, 2)), ("k", (0, 3, 2, 1)), ("v", (0, 3, 1, 2))):
        made = traced.linear(role, x, 8)
        seen = traced.op(f"{role}.view", "view", made, shape=("batch", 5, 4, 2))
        parts[role] = traced.op(f"{role}.heads", "permute", seen, axes=axes)
    logits = traced.op("logits", "matmul", parts["q"], parts["k"])
    context = traced.op("context", "matmul", traced.op("p", "softmax", logits, axis=-1), parts["v"])
    turned = traced.op("turn", "permute", context, axes=(0, 2, 1, 3))
    merged = traced.op("merge", "view", turned, shape=("batch", 5, 8))
    outputs = [traced.linear("o", merged, 8)]
    if shared:
        outputs.append(traced.op("more", "gelu", "v:out", approximate="none"))
    return traced.build(*outputs)


def test_interleaved_heads_are_followed():
    (layer,) = attentions(interleaved())
    assert layer.heads.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert layer.value_channels.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert [channels.tolist() for channels in layer.paired] == [[0, 2, 4, 6, 1, 3, 5, 7]] * 2


def test_values_that_something_else_reads_are_left_alone():
    (layer,) = attentions(interleaved(shared=True))
    assert layer.value is None
    assert layer.value_channels is None
    assert layer.heads is not None


def test_without_a_projection_behind_there_are_no_channels_of_it():
    traced = Traced()
    q, k, v = (traced.linear(name, traced.input(f"x{name}", 3, 4), 4) for name in "qkv")
    logits = traced.op("logits", "matmul", q, traced.op("turn", "permute", k, axes=(0, 2, 1)))
    context = traced.op("context", "matmul", traced.op("p", "softmax", logits, axis=-1), v)
    (layer,) = attentions(traced.build(traced.op("g", "gelu", context, approximate="none")))
    assert (layer.output, layer.heads, layer.value) == (None, None, None)
    assert layer.query.name == "q"


def test_products_without_a_softmax_are_no_attention():
    traced = Traced()
    a, b = traced.input("a", 2, 3, 4), traced.input("b", 2, 4, 5)
    assert attentions(traced.build(traced.op("m", "matmul", a, b))) == ()


@pytest.mark.parametrize(("name", "layers"), [("vit_digits", 4), ("bert_base", 12)])
def test_all_layers_of_bundled_networks_are_found(name, layers):
    """Shapes suffice; masks and symbolic lengths are looked through."""
    found = attentions(load_workload(name))
    assert len(found) == layers
    for layer in found:
        assert np.array_equal(layer.value_channels, np.arange(len(layer.heads)))
        assert layer.paired is not None


def test_probes_of_dimensions_lie_in_their_range():
    workload = load_workload("bert_base")
    for name, size in probe_dims(workload).items():
        low, high = workload.dims[name]
        assert low <= size <= high
