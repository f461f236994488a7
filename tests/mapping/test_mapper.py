"""Homes, steps, units and dependencies of the operations of a mapped workload."""

from pathlib import Path

import pytest

from pimsim.config import load_architecture
from pimsim.errors import MappingError
from pimsim.mapping import UnitUse, map_workload
from tests.mapping.graphs import Graph, attention, chip


def test_an_attention_layer_in_full():
    mapped = map_workload(
        attention(tokens=5, width=8, heads=2),
        chip(tiles=4, macros={"mram": 8, "sram": 8}),
        {"batch": 3},
    )
    assert [mapped_op.op.name for mapped_op in mapped.ops] == [
        *("norm", "query", "query.q", "key", "key.q", "value", "value.q"),
        *("logits", "softmax", "context", "context.q", "output", "residual"),
    ]
    assert {mapped_op.tokens for mapped_op in mapped.ops} == {15}
    assert mapped.op("softmax").unit == UnitUse("softmax", rows=3 * 2 * 5, length=5)
    assert mapped.op("norm").unit == UnitUse("layer_norm", rows=15, length=8)
    logits = mapped.op("logits").placement
    assert logits is not None
    assert (logits.rows, logits.cols, logits.instances, logits.input_vectors) == (4, 5, 2, 15)
    depends = {mapped_op.op.name: mapped_op.depends_on for mapped_op in mapped.ops}
    assert depends["norm"] == ()
    assert depends["logits"] == ("query.q", "key.q")
    assert depends["context"] == ("softmax", "value.q")
    assert depends["residual"] == ("output", "norm")
    # 4 macros of 8 rows x 2 columns per projection; per head 3 for the logits, 2 for P·V
    assert mapped.macros_used == {"mram": 16, "sram": 10}
    assert mapped.cells_used == {"mram": 4 * 64 * 4, "sram": (2 * 4 * 5 + 2 * 5 * 4) * 4}


def test_units_are_at_home_where_their_first_computed_input_lies():
    graph = Graph()
    x = graph.input("x", 1, 8)
    lonely = graph.unit("lonely", "gelu", x)
    first = graph.linear("first", x, 2)
    second = graph.linear("second", x, 2)
    graph.unit("after", "requantize", second, first)
    graph.unit("constant_first", "requantize", "x", second, shape=(1, 2))
    graph.unit("streamed", "requantize", second, lonely, shape=(1, 2), stream_from="second")
    mapped = map_workload(graph.build(), chip(tiles=2, macros={"mram": 1}), {})
    assert {mapped_op.op.name: mapped_op.tile for mapped_op in mapped.ops} == {
        "lonely": 0,
        "first": 0,
        "second": 1,
        "after": 1,
        "constant_first": 1,
        "streamed": 1,
    }


@pytest.mark.parametrize(
    ("shape", "tokens", "rows"),
    [((7,), 1, 1), ((2, 7), 2, 2), ((2, 3, 7), 6, 6), ((2, 3, 4, 7), 8, 24)],
)
def test_a_token_is_one_vector_of_all_heads(shape, tokens, rows):
    graph = Graph()
    graph.unit("u", "gelu", graph.input("x", *shape))
    mapped_op = map_workload(graph.build(), chip(), {}).op("u")
    assert (mapped_op.tokens, mapped_op.unit) == (tokens, UnitUse("gelu", rows, 7))


def test_axes_normalized_together_make_one_row():
    graph = Graph()
    graph.unit("n", "layer_norm", graph.input("x", 2, 3, 4), normalized_axes=2)
    assert map_workload(graph.build(), chip(), {}).op("n").unit == UnitUse("layer_norm", 2, 12)


def test_a_softmax_across_rows_is_refused():
    graph = Graph()
    graph.unit("s", "softmax", graph.input("x", 2, 3), axis=0)
    with pytest.raises(MappingError, match="'s' is a softmax along axis 0 of 2"):
        map_workload(graph.build(), chip(), {})


def test_a_unit_without_a_function_is_refused():
    graph = Graph()
    graph.unit("u", None, graph.input("x", 2, 3))
    with pytest.raises(MappingError, match="'u' names no digital unit"):
        map_workload(graph.build(), chip(), {})


@pytest.mark.parametrize("stream_from", ["u", "missing"])
def test_streaming_from_anything_but_an_earlier_product_is_refused(stream_from):
    graph = Graph()
    y = graph.unit("u", "gelu", graph.input("x", 2, 3))
    graph.unit("v", "gelu", y, stream_from=stream_from)
    with pytest.raises(
        MappingError, match=f"'v' streams from '{stream_from}', which is not a prod"
    ):
        map_workload(graph.build(), chip(), {})


@pytest.mark.parametrize("name", ["rap", "conventional"])
def test_the_bundled_chips_hold_an_attention_layer_of_the_demo(name):
    folder = Path(__file__).parents[2] / "arch_configs"
    architecture = load_architecture(folder / f"{name}.yaml")
    quantized = attention(tokens=17, width=64, heads=4)
    mapped = map_workload(quantized, architecture, {"batch": 1})
    assert mapped.macros_used == {"mram": 4, "sram": 8}
    assert {mapped_op.tile for mapped_op in mapped.ops} == {0}
