"""What lives at once must fit, or is spilled; what is no longer needed makes room."""

import pytest

from pimsim.errors import MappingError
from pimsim.mapping import Home, map_workload
from pimsim.mapping.mapped import MEMORY
from pimsim.mapping.movement import traffic_of
from pimsim.records import MovedBits
from tests.mapping.graphs import MEMORY as DRAM
from tests.mapping.graphs import Graph, chip


def chain(length: int) -> Graph:
    """Units one after another, each with an output of 8 values of 4 bits: 4 bytes."""
    graph = Graph()
    tensor = graph.input("x", 1, 8)
    for number in range(length):
        tensor = graph.unit(f"u{number}", "gelu", tensor)
    return graph


def test_an_output_makes_room_after_its_last_use():
    graph = chain(20)
    assert map_workload(graph.build(), chip(buffer_bytes=8), {})
    with pytest.raises(MappingError):
        map_workload(graph.build(), chip(buffer_bytes=7, global_bytes=7), {})


def test_an_output_used_late_stays_until_then():
    graph = chain(3)
    graph.unit("sum", "requantize", "u2:out", "u0:out")
    assert map_workload(graph.build(), chip(buffer_bytes=12), {})
    with pytest.raises(MappingError) as caught:
        map_workload(graph.build(), chip(buffer_bytes=11, global_bytes=7), {})
    assert str(caught.value) == (
        "op 'u2' needs 12 bytes in the buffer of tile 0, which has 11 on architecture 'by_hand' "
        "(outputs of 'u0': 4 bytes, 'u1': 4 bytes, 'u2': 4 bytes), and the global buffer has 3 "
        "bytes free, fewer than the 4 of its output.\n"
        "  Raise tile.buffer.capacity_bytes to at least 12, the most that any operation needs, or "
        "chip.global_buffer.capacity_bytes, or give chip.memory for what does not fit, or use a "
        "smaller batch or sequence, or try mapping.dataflow token_streaming, which keeps only what "
        "is in flight or needed whole."
    )


def test_use_through_a_movement_counts():
    graph = Graph()
    kept = graph.unit("kept", "gelu", graph.input("x", 1, 8))
    seen = graph.move("view", "view", [kept], (8, 1))
    other = graph.unit("other", "gelu", "x")
    graph.unit("sum", "requantize", other, seen)
    with pytest.raises(MappingError, match="'sum' needs 12 bytes"):
        map_workload(graph.build(), chip(buffer_bytes=11, global_bytes=7), {})


def test_what_is_streamed_needs_no_room():
    graph = Graph()
    acc = graph.linear("fc", graph.input("x", 1, 8), 2, bits=32)
    graph.unit("q", "requantize", acc, stream_from="fc")
    assert map_workload(graph.build(), chip(buffer_bytes=1), {})


def test_inputs_constants_and_outputs_share_the_global_buffer():
    graph = Graph()
    x = graph.input("x", 1, 8)
    constant = graph.tensor("constant", (1, 8), 8)
    y = graph.unit("sum", "requantize", x, constant, bits=16)
    quantized = graph.build(y)
    assert map_workload(quantized, chip(global_bytes=4 + 8 + 16), {})
    with pytest.raises(MappingError) as caught:
        map_workload(quantized, chip(global_bytes=27), {})
    assert str(caught.value) == (
        "the inputs, constants and outputs of workload 'by_hand' need 28 bytes, but the global "
        "buffer has 27 on architecture 'by_hand' ('sum:out': 16 bytes, 'constant': 8 bytes, 'x': 4 "
        "bytes).\n"
        "  Raise chip.global_buffer.capacity_bytes to at least 28, or use a smaller batch or "
        "sequence; they are not split between buffer and memory."
    )


def test_a_long_list_of_tensors_is_cut():
    graph = chain(6)
    graph.unit("sum", "requantize", *(f"u{number}:out" for number in range(6)))
    with pytest.raises(MappingError, match="'u3': 4 bytes and 1 more"):
        map_workload(graph.build(), chip(buffer_bytes=19, global_bytes=7), {})


def held_and_late() -> Graph:
    """Three outputs of 4 bytes, of which the first is taken last."""
    graph = chain(3)
    graph.unit("sum", "requantize", "u2:out", "u0:out")
    return graph


def test_an_output_without_room_goes_to_the_global_buffer():
    """x is there (4 bytes); u2 finds 8 of 11 bytes taken and goes where 4 of 8 are free."""
    mapped = map_workload(held_and_late().build(), chip(buffer_bytes=11, global_bytes=8), {})
    assert {op.op.name: op.spilled for op in mapped.ops} == {
        "u0": None,
        "u1": None,
        "u2": "global_buffer",
        "sum": None,
    }
    assert mapped.homes == (Home("u2:out", "global_buffer", 32),)
    # Written over the one link from tile 0, and read back over it with u0 from the tile's buffer.
    assert mapped.op("u2").moved == MovedBits(
        tile_buffer_read_bits=32, global_buffer_write_bits=32, link_bits=32
    )
    assert mapped.op("sum").moved == MovedBits(
        tile_buffer_read_bits=32,
        tile_buffer_write_bits=32,
        global_buffer_read_bits=32,
        link_bits=32,
    )
    assert traffic_of(mapped)["u2"].place is None


def test_then_to_the_memory():
    mapped = map_workload(
        held_and_late().build(), chip(buffer_bytes=11, global_bytes=7, memory=DRAM), {}
    )
    assert mapped.op("u2").spilled == "memory"
    assert mapped.op("u2").place == traffic_of(mapped)["u2"].place == MEMORY
    assert mapped.op("u2").moved == MovedBits(
        tile_buffer_read_bits=32, memory_write_bits=32, link_bits=32
    )
    assert mapped.op("sum").moved.memory_read_bits == 32


def test_the_message_names_a_capacity_that_is_enough():
    """The first output that fits nowhere is not the one that needs the most."""
    graph = chain(2)
    graph.unit("wide", "gelu", graph.input("y", 1, 64))
    quantized = graph.build()
    with pytest.raises(MappingError, match=r"capacity_bytes to at least 32, the most"):
        map_workload(quantized, chip(buffer_bytes=7, global_bytes=36), {})
    assert map_workload(quantized, chip(buffer_bytes=32, global_bytes=36), {}).homes == ()


def test_what_only_flows_through_needs_room_for_a_token():
    """Five outputs of 16 tokens of 4 bytes: a token of each, or two of them whole."""
    graph = Graph()
    tensor = graph.input("x", 16, 8)
    for number in range(5):
        tensor = graph.unit(f"u{number}", "gelu", tensor)
    quantized = graph.build()
    for dataflow, needed in (("token_streaming", 5 * 4), ("layer_by_layer", 2 * 64)):
        enough = chip(buffer_bytes=needed, dataflow=dataflow, global_bytes=64)
        assert map_workload(quantized, enough, {}).homes == ()
        short = chip(buffer_bytes=needed - 1, dataflow=dataflow, global_bytes=64)
        with pytest.raises(MappingError, match=f"capacity_bytes to at least {needed}, the most"):
            map_workload(quantized, short, {})


def test_streaming_is_named_as_a_remedy_only_where_it_is_one():
    message = (
        "try mapping.dataflow token_streaming, which keeps only what is in flight or needed whole"
    )
    for dataflow, told in (("layer_by_layer", True), ("token_streaming", False)):
        small = chip(buffer_bytes=1, global_bytes=4, dataflow=dataflow)
        with pytest.raises(MappingError) as caught:
            map_workload(chain(3).build(), small, {})
        assert (message in str(caught.value)) == told
