"""Residual streams share one scale; what enters them are branches."""

import pytest

from pimsim import load_workload
from pimsim.errors import QuantizationError
from pimsim.quantization.encodings import connected_by_movement, consumers
from pimsim.quantization.rap_streams import (
    depends_on_inputs,
    destination,
    is_embedding,
    joined_streams,
)
from tests.quantization.test_rap_int8p1 import post_norm_block
from tests.quantization.traced import Traced, transformer_block


def streams(workload):
    return joined_streams(workload, connected_by_movement(workload))


def test_all_sums_of_a_pre_norm_network_share_a_scale():
    """With the embedding, its class token and positions; normalized tensors and branches do not."""
    joined = streams(transformer_block())
    together = set(joined["add2:out"])
    assert {"embed:out", "join:out", "add1:out"} <= together
    assert together.isdisjoint({"norm1:out", "attn.o:out", "down:out", "gelu:out"})
    assert joined["add1:out"] == joined["add2:out"]


def test_normalization_starts_a_new_stream_where_its_result_is_reused():
    joined = streams(post_norm_block())
    assert joined["add1:out"] == ("add1:out", "norm0:out")
    assert set(joined["add2:out"]) == {"add2:out", "norm1:out"}


def goes(workload):
    readers = consumers(workload)
    return {
        op.name: destination(workload, readers, op) for op in workload.ops if op.kind == "linear"
    }


def test_every_product_knows_where_its_sums_go():
    expected = {
        "embed": "static", "attn.q": "rows", "attn.k": "stored", "attn.v": "stored",
        "attn.o": "rows", "up": "static", "down": "rows", "head": "static",
    }  # fmt: skip
    assert goes(transformer_block()) == expected
    assert goes(post_norm_block()) == expected


def test_one_matrix_for_queries_and_keys_has_no_destination():
    traced = Traced()
    x = traced.layer_norm("norm", traced.input("x", 3, 4))
    both = traced.linear("qk", x, 4)
    turned = traced.op("turn", "permute", both, axes=(0, 2, 1))
    workload = traced.build(traced.op("logits", "matmul", both, turned))
    with pytest.raises(QuantizationError, match="split it into one linear layer each"):
        goes(workload)


def test_an_embedding_is_driven_by_an_input():
    workload = transformer_block()
    assert [op.name for op in workload.ops if is_embedding(workload, op)] == ["embed"]


def test_positions_depend_on_no_input():
    """Of BERT's three tables only that of words is looked up by what the network is given."""
    workload = load_workload("bert_base")
    found = [
        depends_on_inputs(workload, op.inputs[0]) for op in workload.ops if op.kind == "embedding"
    ]
    assert sorted(found) == [False, False, True]
