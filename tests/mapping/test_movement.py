"""Bits that move, by hand on tiny graphs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import MappingError
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.mapping.movement import Delivery, Fetch, share, traffic_of
from pimsim.records import MovedBits
from tests.mapping.graphs import Graph, attention, chip


def moved(mapped: MappedWorkload) -> dict[str, MovedBits]:
    return {mapped_op.op.name: mapped_op.moved for mapped_op in mapped.ops}


def two_layers(noc: str = "mesh") -> MappedWorkload:
    """3 tokens: 8 inputs of 4 bits, fc1 to 2 columns on tile 0, fc2 (2 x 4) on tiles 1 and 2."""
    graph = Graph()
    x = graph.input("x", "batch", 3, 8)
    hidden = graph.unit("q", "requantize", graph.linear("fc1", x, 2), stream_from="fc1")
    y = graph.linear("fc2", hidden, 4, bits=16)
    out = graph.boundary("leave", y, 32)
    architecture = chip(tiles=4, macros={"mram": 1}, noc=noc)
    return map_workload(graph.build(out), architecture, {"batch": 1})


def test_movement_of_two_layers_by_hand():
    assert moved(two_layers()) == {
        # 24 inputs of 4 bits leave the global buffer over 1 link, to tile 0
        "fc1": MovedBits(global_buffer_read_bits=96, link_bits=96),
        # streamed: only the 6 outputs of 4 bits are written
        "q": MovedBits(tile_buffer_write_bits=24),
        # read once (24 bits); tile 0 to 1 and to 2 is 1 hop each: 2 x 24; the 6 sums of tile 2 have
        # 4 + 4 + 1 bits and 2 hops to tile 1; the 12 outputs of 16 bits leave over 2 hops
        "fc2": MovedBits(
            tile_buffer_read_bits=24,
            global_buffer_write_bits=192,
            link_bits=2 * 24 + 2 * 6 * 9 + 2 * 192,
        ),
    }


def test_on_a_bus_every_way_is_one_hop():
    assert moved(two_layers("bus"))["fc2"].link_bits == 2 * 24 + 6 * 9 + 192


def test_row_blocks_on_another_tile_get_their_rows_and_send_their_sums():
    graph = Graph()
    graph.linear("fc", graph.input("x", 5, 20), 2)  # row blocks 8, 8, 4 on tiles 0, 0, 1
    mapped = map_workload(graph.build(), chip(tiles=2, macros={"mram": 2}), {})
    plan = traffic_of(mapped)["fc"]
    assert plan.inputs == (Fetch(None, 400, (Delivery(0, 5 * 16 * 4), Delivery(1, 5 * 4 * 4))),)
    assert plan.partial_sums == (Delivery(1, 5 * 2 * (4 + 4 + 5)),)


def test_sums_that_share_a_tile_are_added_there():
    graph = Graph()
    graph.linear("fc", graph.input("x", 1, 24), 2)  # row blocks 8, 8, 8 on tiles 0, 1, 1
    graph.linear("pad", "x", 2)
    mapped = map_workload(graph.build(), chip(tiles=6, macros={"mram": 1}), {})
    assert [part.tile for part in traffic_of(mapped)["fc"].partial_sums] == [1, 2]
    mapped = map_workload(graph.build(), chip(tiles=3, macros={"mram": 2}), {})
    assert traffic_of(mapped)["pad"].home == 1
    assert traffic_of(mapped)["fc"].partial_sums == (Delivery(1, 2 * 13),)


def test_a_stored_operand_goes_block_by_block_to_its_macros():
    graph = Graph()
    a = graph.unit("a", "requantize", graph.input("x", "batch", 2, 3, 8))
    b = graph.unit("b", "requantize", graph.input("z", "batch", 2, 8, 4))
    graph.matmul("p", a, b)  # per head 1 row block, 2 column blocks: 4 macros, 3 on tile 0
    mapped = map_workload(graph.build(), chip(tiles=2, macros={"sram": 3}), {"batch": 5})
    plan = traffic_of(mapped)["p"]
    assert plan.stored_matrices == 5
    assert plan.stored == (
        Fetch(0, 5 * 2 * 32 * 4, (Delivery(0, 5 * 3 * 16 * 4), Delivery(1, 5 * 16 * 4))),
    )
    # head 0 lies on tile 0, head 1 on both: tile 0 needs both heads' vectors, tile 1 head 1's
    assert plan.inputs == (
        Fetch(0, 5 * 2 * 24 * 4, (Delivery(0, 5 * 2 * 24 * 4), Delivery(1, 5 * 24 * 4))),
    )
    assert plan.partial_sums == (Delivery(1, 5 * 3 * 2 * (4 + 4 + 3)),)


def test_an_input_of_two_origins_is_read_from_both():
    graph = Graph()
    computed = graph.unit("u", "gelu", graph.input("x", 1, 3, 2))
    constant = graph.tensor("constant", (1, 1, 2), 8)
    both = graph.move("join", "cat", [constant, computed], (1, 4, 2), axis=1)
    graph.unit("v", "gelu", both)
    mapped = map_workload(graph.build(), chip(), {})
    assert traffic_of(mapped)["v"].inputs == (
        Fetch(None, 16, (Delivery(0, 16),)),
        Fetch(0, 24, (Delivery(0, 24),)),
    )


def test_reads_of_one_buffer_are_joined():
    graph = Graph()
    x = graph.input("x", 1, 4)
    left, right = graph.unit("l", "gelu", x), graph.unit("r", "gelu", x)
    graph.unit("sum", "requantize", left, right)
    mapped = map_workload(graph.build(), chip(), {})
    assert traffic_of(mapped)["sum"].inputs == (Fetch(0, 32, (Delivery(0, 32),)),)


def test_an_output_taken_both_by_a_stream_and_from_the_buffer_is_written_too():
    graph = Graph()
    acc = graph.linear("fc", graph.input("x", 1, 4), 2, bits=16)
    graph.unit("q", "requantize", acc, stream_from="fc")
    graph.unit("other", "gelu", acc)
    mapped = map_workload(graph.build(), chip(), {})
    assert moved(mapped)["fc"].tile_buffer_write_bits == 32
    assert moved(mapped)["q"].tile_buffer_read_bits == 0
    assert moved(mapped)["other"].tile_buffer_read_bits == 32


def test_units_of_one_stream_hand_over_without_a_buffer():
    graph = Graph()
    acc = graph.linear("fc", graph.input("x", 1, 4), 2)
    code = graph.unit("q", "requantize", acc, stream_from="fc")
    graph.unit("g", "gelu", code, stream_from="fc")
    mapped = map_workload(graph.build(), chip(), {})
    assert moved(mapped)["q"] == MovedBits()
    assert moved(mapped)["g"] == MovedBits(tile_buffer_write_bits=8)


def test_only_the_elements_that_leave_the_graph_are_sent():
    graph = Graph()
    y = graph.unit("u", "gelu", graph.input("x", 1, 3, 2))
    first = graph.move("first", "select", [y], (1, 2), axis=1, index=0)
    mapped = map_workload(graph.build(graph.boundary("leave", first, 32)), chip(), {})
    assert moved(mapped)["u"] == MovedBits(0, 0, 24, 8, 24 + 8)


@pytest.mark.parametrize("partly", [False, True])
def test_a_stream_that_is_none_is_refused(partly):
    graph = Graph()
    x = graph.input("x", 1, 2)
    acc = graph.linear("fc", x, 2)
    taken = graph.move("join", "cat", [acc, x], (2, 2), axis=0) if partly else x
    graph.unit("q", "requantize", taken, stream_from="fc")
    problem = "its input 'join:out' comes only partly from there" if partly else "takes no input"
    with pytest.raises(MappingError, match=f"'q' streams from 'fc', but {problem}"):
        map_workload(graph.build(), chip(), {})


@given(total=st.integers(0, 1000), weights=st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_shares_are_proportional_and_lose_nothing(total, weights):
    parts = share(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part - total * weight / sum(weights)) < 1
        for part, weight in zip(parts, weights, strict=True)
    )


@settings(max_examples=30)
@given(
    tokens=st.integers(1, 6),
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    per_tile=st.integers(3, 9),
    noc=st.sampled_from(["mesh", "bus"]),
)
def test_every_bit_that_is_delivered_was_read_and_every_read_is_delivered(
    tokens, batch, heads, per_tile, noc
):
    architecture = chip(tiles=20, macros={"mram": per_tile, "sram": per_tile}, noc=noc)
    mapped = map_workload(attention(tokens, 4 * heads, heads), architecture, {"batch": batch})
    for plan in traffic_of(mapped).values():
        for fetch in (*plan.inputs, *plan.stored):
            # every tile gets at most all that was read, together at least all of it
            assert all(delivery.bits <= fetch.bits for delivery in fetch.deliveries)
            assert sum(delivery.bits for delivery in fetch.deliveries) >= fetch.bits
        for fetch in plan.stored:
            assert sum(delivery.bits for delivery in fetch.deliveries) == fetch.bits


def test_an_input_that_is_also_an_output_does_not_move():
    graph = Graph()
    x = graph.input("x", 1, 2)
    y = graph.unit("u", "gelu", x)
    mapped = map_workload(graph.build(x, y), chip(global_bytes=2), {})
    assert moved(mapped) == {"u": MovedBits(0, 0, 8, 8, 16)}
