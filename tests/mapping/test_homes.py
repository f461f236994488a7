"""What lives outside macros and tile buffers, and how it gets in and out."""

from dataclasses import replace

from pimsim.mapping import Home, map_workload
from pimsim.mapping.movement import Arrival, traffic_of
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.records import MovedBits
from pimsim.workload.graph import Op, TensorSpec
from tests.mapping.graphs import MEMORY, Graph, chip


def looked_up() -> QuantizedWorkload:
    """Rows of an embedding table of 100 x 8, 4 bits each, then a matrix."""
    graph = Graph()
    tokens = graph.input("tokens", 1, 3, bits=32)
    rows = graph.op("table", "boundary", [tokens], (1, 3, 8), 4)
    acc = graph.linear("head", rows, 2)
    quantized = graph.build(graph.unit("q", "requantize", acc, stream_from="head"))
    traced = replace(
        quantized.workload,
        ops=(Op("table", "embedding", ("tokens", "weight"), ("rows",), {}),),
        tensors={"weight": TensorSpec("weight", (100, 8), "float32", "weight")},
    )
    return replace(quantized, workload=traced)


def test_an_embedding_table_lives_in_the_memory_or_with_the_host():
    bits = 100 * 8 * 4
    assert map_workload(looked_up(), chip(), {}).homes == (Home("weight", "host", bits),)
    assert map_workload(looked_up(), chip(memory=MEMORY), {}).homes == (
        Home("weight", "memory", bits),
    )


def test_rows_come_out_of_the_memory_into_the_global_buffer():
    mapped = map_workload(looked_up(), chip(memory=MEMORY, io=True), {})
    assert traffic_of(mapped)["head"].arrivals == (Arrival("memory", 3 * 8 * 4),)
    # From there they go over one link to tile 0; 3 x 2 outputs of 4 bits come back and leave.
    assert mapped.op("head").moved == MovedBits(
        global_buffer_read_bits=96, global_buffer_write_bits=96, link_bits=96, memory_read_bits=96
    )
    assert mapped.op("q").moved == MovedBits(
        global_buffer_read_bits=24, global_buffer_write_bits=24, link_bits=24, io_bits=24
    )


def test_without_a_memory_rows_come_through_the_pins():
    mapped = map_workload(looked_up(), chip(io=True), {})
    assert mapped.op("head").moved.io_bits == 96
    assert mapped.op("head").moved.memory_read_bits == 0


def test_without_pins_inputs_are_there_from_the_start():
    mapped = map_workload(looked_up(), chip(), {})
    assert mapped.op("head").moved == MovedBits(global_buffer_read_bits=96, link_bits=96)
    assert traffic_of(mapped)["head"].arrivals == ()


def test_an_input_arrives_once_however_many_take_it():
    graph = Graph()
    x = graph.input("x", 1, 8)
    outputs = [graph.unit("first", "gelu", x), graph.unit("second", "gelu", x)]
    mapped = map_workload(graph.build(*outputs), chip(io=True), {})
    assert traffic_of(mapped)["first"].arrivals == (Arrival("io", 8 * 4),)
    assert traffic_of(mapped)["second"].arrivals == ()
    assert mapped.op("second").moved.global_buffer_read_bits == 8 * 4 + 8 * 4  # taken, and leaving


def test_a_matrix_that_takes_most_of_the_macros_is_noted():
    graph = Graph()
    acc = graph.linear("small", graph.input("x", 1, 8), 8)
    graph.linear("lm_head", graph.unit("q", "requantize", acc, stream_from="small"), 20)
    mapped = map_workload(graph.build(), chip(tiles=2), {})
    assert mapped.notes == ("'lm_head' takes 10 of the 14 'mram' macros in use",)
