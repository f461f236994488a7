"""Caches that stay in their macros: which elements are written, and where all of them lie."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.mapping import map_workload
from pimsim.mapping.mapped import Block, Placement
from pimsim.mapping.movement import traffic_of
from pimsim.mapping.origins import Origin, fresh_elements, trace_origins
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.workload.graph import TensorSpec
from tests.mapping.graphs import Graph, chip

CONTEXT, HEADS, DEPTH = 5, 2, 4
SIZES = {"batch": 2}


def step(*, also_a_unit: bool = False, grouped: bool = False) -> QuantizedWorkload:
    """Scores of one query against cached keys and a new one, which comes from a product.

    ``grouped``: one key head for both query heads. ``also_a_unit``: a softmax takes the cache, too.
    """
    graph, heads = Graph(), 1 if grouped else HEADS
    query = graph.boundary("q", graph.input("query", "batch", HEADS, 1, DEPTH, bits=32), 4)
    past = graph.input("keys.past", "batch", heads, CONTEXT, DEPTH, bits=32)
    codes = graph.boundary("send", past, 4)
    x = graph.boundary("x", graph.input("new", "batch", heads, 1, DEPTH, bits=32), 4)
    new = graph.unit("new.q", "requantize", graph.linear("key", x, DEPTH), stream_from="key")
    keys = graph.move("all", "cat", [codes, new], ("batch", heads, CONTEXT + 1, DEPTH), axis=2)
    if grouped:
        shape = ("batch", HEADS, CONTEXT + 1, DEPTH)
        keys = graph.move("spread", "expand", [keys], shape, shape=shape)
    turned = graph.move("turned", "permute", [keys], ("batch", HEADS, DEPTH, CONTEXT + 1),
                        axes=(0, 1, 3, 2))  # fmt: skip
    outputs = [graph.matmul("scores", query, turned)]
    if also_a_unit:
        outputs.append(graph.unit("soft", "softmax", keys, axis=-1))
    quantized = graph.build(*outputs)
    spec = TensorSpec("keys.past", (), "float32", "state")
    return replace(quantized, workload=replace(quantized.workload, tensors={spec.name: spec}))


@pytest.mark.parametrize("grouped", [False, True])
def test_only_the_new_column_of_the_keys_is_fresh(grouped: bool) -> None:
    fresh = fresh_elements(step(grouped=grouped), SIZES)["scores"]
    assert fresh.shape == (2 * HEADS, DEPTH, CONTEXT + 1)
    assert fresh[:, :, -1].all()
    assert not fresh[:, :, :-1].any()


def test_earlier_tokens_are_resident_and_the_new_one_has_its_producer() -> None:
    (past, new) = trace_origins(step(), SIZES)["turned:out"]
    assert past == Origin(None, "send:out", 2 * HEADS * CONTEXT * DEPTH, resident=True)
    assert new == Origin("new.q", "new.q:out", 2 * HEADS * DEPTH)


def test_a_cache_that_something_else_reads_is_an_input_like_any_other() -> None:
    quantized = step(also_a_unit=True)
    assert fresh_elements(quantized, SIZES) == {}
    assert not any(origin.resident for origin in trace_origins(quantized, SIZES)["turned:out"])


def test_an_input_that_is_no_state_is_not_resident() -> None:
    plain = step()
    plain = replace(plain, workload=replace(plain.workload, tensors={}))
    assert fresh_elements(plain, SIZES) == {}


def test_every_sequence_of_the_batch_has_macros_and_only_new_bits_travel() -> None:
    mapped = map_workload(step(), chip(rows=8, cols=16, bits=4), SIZES)
    scores = mapped.op("scores")
    assert scores.placement is not None
    assert scores.placement.instances == 2 * HEADS
    assert scores.placement.input_vectors == scores.tokens == 1
    assert len(scores.placement.blocks) == 2 * HEADS * 2  # 6 columns of 4 slices on 16 columns
    traffic = traffic_of(mapped)["scores"]
    assert traffic.stored_matrices == 1
    assert sum(fetch.bits for fetch in traffic.stored) == 2 * HEADS * DEPTH * 4
    assert sum(d.bits for fetch in traffic.stored for d in fetch.deliveries) == (
        2 * HEADS * DEPTH * 4
    )


def test_a_cache_takes_no_room_in_the_global_buffer() -> None:
    inputs_bytes = 2 * HEADS * DEPTH * 4 // 8 * 2  # the queries and the new token, in codes
    outputs_bytes = 2 * HEADS * (CONTEXT + 1) * 16 // 8
    enough = chip(rows=8, cols=16, bits=4, global_bytes=inputs_bytes + outputs_bytes)
    assert map_workload(step(), enough, SIZES).macros_used["sram"] == 8


def test_rows_and_elements_of_a_block_that_are_written() -> None:
    fresh = np.zeros((1, 4, 6), bool)
    fresh[0, :, 5] = True
    fresh[0, 2] = True
    left, right = Block(0, 0, 0, 0, 4, 0, 4), Block(0, 1, 0, 0, 4, 4, 6)
    whole = Placement("sram", 4, 6, 1, (left, right), 1)
    partly = replace(whole, fresh=fresh)
    assert (whole.written(left), whole.written(right)) == ((4, 16), (4, 8))
    assert (partly.written(left), partly.written(right)) == ((1, 4), (4, 5))
