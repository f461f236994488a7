"""What lives at once must fit; what is no longer needed makes room."""

import pytest

from pimsim.errors import MappingError
from pimsim.mapping import map_workload
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
        map_workload(graph.build(), chip(buffer_bytes=7), {})


def test_an_output_used_late_stays_until_then():
    graph = chain(3)
    graph.unit("sum", "requantize", "u2:out", "u0:out")
    assert map_workload(graph.build(), chip(buffer_bytes=12), {})
    with pytest.raises(MappingError) as caught:
        map_workload(graph.build(), chip(buffer_bytes=11), {})
    assert str(caught.value) == (
        "op 'u2' needs 12 bytes in the buffer of tile 0, which has 11 on architecture 'by_hand' "
        "(outputs of 'u0': 4 bytes, 'u1': 4 bytes, 'u2': 4 bytes).\n"
        "  Raise tile.buffer.capacity_bytes to at least 12, or use a smaller batch or sequence; "
        "spilling to other tiles is not modelled yet."
    )


def test_use_through_a_movement_counts():
    graph = Graph()
    kept = graph.unit("kept", "gelu", graph.input("x", 1, 8))
    seen = graph.move("view", "view", [kept], (8, 1))
    other = graph.unit("other", "gelu", "x")
    graph.unit("sum", "requantize", other, seen)
    with pytest.raises(MappingError, match="'sum' needs 12 bytes"):
        map_workload(graph.build(), chip(buffer_bytes=11), {})


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
        "sequence; an off-chip memory is not modelled yet."
    )


def test_a_long_list_of_tensors_is_cut():
    graph = chain(6)
    graph.unit("sum", "requantize", *(f"u{number}:out" for number in range(6)))
    with pytest.raises(MappingError, match="'u3': 4 bytes and 1 more"):
        map_workload(graph.build(), chip(buffer_bytes=19), {})
