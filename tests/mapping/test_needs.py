"""Which tokens an operation waits for, found by following every element."""

import numpy as np
import pytest

from pimsim.mapping import Need, map_workload
from pimsim.mapping.needs import token_axes
from tests.mapping.graphs import Graph, attention, chip


def needs_of(graph: Graph, op: str, **dims: int) -> tuple[Need, ...]:
    return map_workload(graph.build(), chip(tiles=4), dims).op(op).needs


def test_attention_needs_keys_and_values_whole_and_all_else_token_by_token():
    mapped = map_workload(attention(tokens=5, width=8, heads=2), chip(tiles=4), {"batch": 3})
    found = {op.op.name: op.needs for op in mapped.ops}
    assert found["query"] == (Need("norm", whole=False),)
    assert found["logits"] == (Need("query.q", whole=False), Need("key.q", whole=True))
    assert found["softmax"] == (Need("logits", whole=False),)
    assert found["context"] == (Need("softmax", whole=False), Need("value.q", whole=True))
    assert found["output"] == (Need("context.q", whole=False),)
    assert found["residual"] == (Need("output", whole=False), Need("norm", whole=False))
    for op in mapped.ops:
        assert tuple(need.op for need in op.needs) == op.depends_on


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_a_number_for_each_token_lies_beside_all_its_heads(batch: int, heads: int) -> None:
    """The shift of a query goes to the logits of all its heads, however many samples there are."""
    graph = Graph()
    logits = graph.unit("logits", "gelu", graph.input("x", "batch", heads, 5, 8))
    shifts = graph.unit("shifts", "gelu", graph.input("y", "batch", 5, 1))
    graph.op("shifted", "unit", [logits, shifts], ("batch", heads, 5, 8), 4, function="requantize")
    assert needs_of(graph, "shifted", batch=batch) == (
        Need("logits", whole=False),
        Need("shifts", whole=False),
    )


def test_a_slice_of_tokens_says_which():
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", "batch", 5, 8))
    some = graph.move("some", "slice", [x], ("batch", 2, 8), axis=1, start=1, stop=5, step=3)
    graph.unit("after", "gelu", some)
    assert needs_of(graph, "after", batch=2) == (Need("first", False, (1, 4, 6, 9)),)


def test_the_last_token_of_each_sample():
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", "batch", 5, 8))
    last = graph.move("last", "select", [x], ("batch", 8), axis=1, index=-1)
    graph.linear("head", last, 2)
    assert needs_of(graph, "head", batch=2) == (Need("first", False, (4, 9)),)


def test_joined_tokens_need_the_part_that_they_come_from():
    graph = Graph()
    head = graph.unit("head", "gelu", graph.input("c", 1, 1, 8))
    body = graph.unit("body", "gelu", graph.input("x", 1, 3, 8))
    both = graph.move("both", "cat", [head, body], (1, 4, 8), axis=1)
    graph.unit("after", "gelu", both)
    assert needs_of(graph, "after") == (
        Need("head", False, (0, None, None, None)),
        Need("body", False, (None, 0, 1, 2)),
    )


def test_joined_features_need_the_same_token_of_each():
    graph = Graph()
    a = graph.unit("a", "gelu", graph.input("x", 1, 3, 8))
    b = graph.unit("b", "gelu", "x")
    graph.linear("after", graph.move("both", "cat", [a, b], (1, 3, 16), axis=2), 2)
    assert needs_of(graph, "after") == (Need("a", whole=False), Need("b", whole=False))


def test_tokens_in_another_order_are_told():
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", 1, 3, 8))
    graph.unit("after", "gelu", graph.move("back", "flip", [x], (1, 3, 8), axes=(1,)))
    assert needs_of(graph, "after") == (Need("first", False, (2, 1, 0)),)


def test_merged_tokens_are_needed_whole():
    """A token that takes several tokens of the other."""
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", 1, 4, 8))
    graph.unit("after", "gelu", graph.move("pairs", "view", [x], (1, 2, 16), shape=(1, 2, 16)))
    assert needs_of(graph, "after") == (Need("first", whole=True),)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("pad", {"padding": [[0, 0], [0, 1], [0, 0]], "value": 0}), ("roll", {})],
)
def test_what_cannot_be_followed_is_needed_whole(kind, attributes):
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", 1, 3, 8))
    graph.unit("after", "gelu", graph.move("m", kind, [x], (1, 4, 8), **attributes))
    assert needs_of(graph, "after") == (Need("first", whole=True),)


def test_rows_over_several_axes_need_all_tokens():
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", 1, 3, 8))
    graph.unit("after", "layer_norm", x, normalized_axes=2)
    assert needs_of(graph, "after") == (Need("first", whole=True),)


def test_an_operand_that_is_both_driven_and_stored_is_needed_whole():
    graph = Graph()
    x = graph.unit("first", "gelu", graph.input("x", 1, 4, 4))
    graph.matmul("square", x, x)
    assert needs_of(graph, "square") == (Need("first", whole=True),)


def test_one_vector_for_all_tokens_is_one_token():
    graph = Graph()
    scale = graph.unit("scale", "gelu", graph.input("s", 1, 1, 8))
    x = graph.unit("first", "gelu", graph.input("x", 1, 3, 8))
    graph.unit("after", "requantize", x, scale)
    assert needs_of(graph, "after") == (
        Need("first", whole=False),
        Need("scale", False, (0, 0, 0)),
    )


def test_inputs_of_the_graph_are_no_operations():
    graph = Graph()
    graph.unit("first", "gelu", graph.input("x", 1, 3, 8))
    assert needs_of(graph, "first") == ()


@pytest.mark.parametrize(
    ("shape", "count", "axes"),
    [
        ((8,), 1, ()),
        ((4, 8), 4, (0,)),
        ((4, 8), 16, None),
        ((2, 3, 8), 6, (0, 1)),
        ((2, 3, 5, 8), 10, (0, 2)),
        ((2, 3, 5, 8), 30, (0, 1, 2)),
        ((2, 3, 1, 8), 1, (2,)),
        ((2, 3, 8), 5, None),
    ],
)
def test_axes_of_tokens(shape, count, axes):
    assert token_axes(shape, count) == axes


def test_every_element_followed_by_brute_force():
    """Tokens of a random chain of movements, against labels of full size."""
    generator = np.random.default_rng(7)
    for _ in range(20):
        graph = Graph()
        seq, heads, depth = (int(generator.integers(1, 5)) for _ in range(3))
        x = graph.unit("first", "gelu", graph.input("x", 2, seq, heads * depth))
        labels = np.broadcast_to(np.arange(2 * seq).reshape(2, seq, 1), (2, seq, heads * depth))
        shape = (2, seq, heads, depth)
        y = graph.move("view", "view", [x], shape, shape=shape)
        labels = labels.reshape(shape)
        axes = tuple(int(axis) for axis in generator.permutation(4))
        y = graph.move("turn", "permute", [y], [shape[axis] for axis in axes], axes=axes)
        labels = labels.transpose(axes)
        graph.unit("after", "gelu", y)
        (need,) = needs_of(graph, "after")
        tokens = labels.swapaxes(1, 2).reshape(labels.shape[0] * labels.shape[2], -1)
        if (tokens != tokens[:, :1]).any():
            assert need == Need("first", whole=True)
            continue
        order = tuple(tokens[:, 0].tolist())
        same = order == tuple(range(2 * seq))
        assert need == Need("first", False, None if same else order)
