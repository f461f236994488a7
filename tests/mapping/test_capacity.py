"""A chip that is too small: rounds of reprogramming, passes of writing, or an error that helps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import MappingError
from pimsim.mapping import Home, MappedWorkload, map_workload
from pimsim.mapping.mapped import MEMORY
from pimsim.mapping.movement import traffic_of
from pimsim.quantization.quantized import QuantizedWorkload
from tests.mapping.graphs import MEMORY as DRAM
from tests.mapping.graphs import REPROGRAM, Graph, attention, chip
from tests.mapping.test_resident import CONTEXT, DEPTH, HEADS, SIZES, step

MULTIPLEXED = {"memory": DRAM, "reprogram": REPROGRAM, "time_multiplex": True}


def layers(count: int, width: int = 8) -> QuantizedWorkload:
    """Matrices one after another, of 4 macros of 8 x 2 each at width 8."""
    graph = Graph()
    tensor = graph.input("x", 2, width)
    for number in range(count):
        acc = graph.linear(f"fc{number}", tensor, width)
        tensor = graph.unit(f"q{number}", "requantize", acc, stream_from=f"fc{number}")
    return graph.build(tensor)


def rounds_of(mapped: MappedWorkload) -> dict[str, int]:
    return {op.op.name: op.round for op in mapped.ops}


def test_rounds_are_as_few_and_as_late_as_possible():
    mapped = map_workload(layers(5), chip(macros={"mram": 8}, **MULTIPLEXED), {})
    assert mapped.rounds == 3
    assert rounds_of(mapped) == {
        f"{kind}{number}": number // 2 for number in range(5) for kind in ("fc", "q")
    }
    assert mapped.macros_used == {"mram": 8, "sram": 0}
    assert mapped.cells_used["mram"] == 2 * 64 * 4


def test_a_chip_that_is_large_enough_programs_nothing():
    mapped = map_workload(layers(2), chip(macros={"mram": 8}, **MULTIPLEXED), {})
    assert (mapped.rounds, mapped.homes, mapped.notes) == (1, (), ())
    assert all(traffic.programmed == () for traffic in traffic_of(mapped).values())


@settings(max_examples=60)
@given(
    widths=st.lists(st.integers(1, 12), min_size=1, max_size=6), macros=st.integers(1, 12),
    tiles=st.integers(1, 3), policy=st.sampled_from(["layer_order", "balanced"]),
)  # fmt: skip
def test_every_element_is_programmed_once_and_no_round_exceeds_the_chip(
    widths, macros, tiles, policy
):
    graph = Graph()
    for number, width in enumerate(widths):
        graph.linear(f"fc{number}", graph.input(f"x{number}", 1, width), width)
    architecture = chip(tiles=tiles, macros={"mram": macros}, policy=policy, **MULTIPLEXED)
    needed = [-(-width // 8) * -(-width // 2) for width in widths]
    if max(needed) > tiles * macros:
        with pytest.raises(MappingError, match="a matrix is not cut between rounds"):
            map_workload(graph.build(), architecture, {})
        return
    mapped = map_workload(graph.build(), architecture, {})
    seats: dict[int, list[tuple[int, int]]] = {}
    for op, width in zip(mapped.ops, widths, strict=True):
        assert op.placement is not None
        held = np.zeros((width, width), int)
        for block in op.placement.blocks:
            held[block.row_start : block.row_stop, block.col_start : block.col_stop] += 1
            seats.setdefault(op.round, []).append((block.tile, block.macro))
        assert (held == 1).all()
    assert sorted(seats) == list(range(mapped.rounds))
    for taken in seats.values():
        assert len(taken) == len(set(taken)) <= tiles * macros
    for number in range(1, mapped.rounds):  # what begins a round did not fit into the one before
        first = next(index for index, op in enumerate(mapped.ops) if op.round == number)
        assert len(seats[number - 1]) + needed[first] > tiles * macros


def test_programmed_weights_come_from_the_memory_over_the_links():
    """64 weights of 4 bits, of each matrix, to tiles 0 and 1: 1 and 2 links from the memory."""
    mapped = map_workload(layers(2), chip(tiles=2, macros={"mram": 2}, **MULTIPLEXED), {})
    for name in ("fc0", "fc1"):
        (fetch,) = traffic_of(mapped)[name].programmed
        assert (fetch.source, fetch.bits) == (MEMORY, 64 * 4)
        assert {d.tile: d.bits for d in fetch.deliveries} == {0: 128, 1: 128}
        assert mapped.op(name).moved.memory_read_bits == 256
    resident = map_workload(layers(2), chip(tiles=2, macros={"mram": 4}), {})
    assert resident.op("fc0").moved.memory_read_bits == 0
    assert Home("static weights of all rounds", "memory", 2 * 64 * 4) in mapped.homes


def test_multiplexing_needs_a_time_and_a_source():
    small = {"macros": {"mram": 4}, "time_multiplex": True}
    with pytest.raises(MappingError) as caught:
        map_workload(layers(2), chip(memory=DRAM, **small), {})
    assert str(caught.value) == (
        "the static weights need 8 'mram' macros, 4 are present, and mapping.time_multiplex is "
        "true, but architecture 'by_hand' does not say how long programming takes.\n"
        "  Give macros.mram.reprogram with row_time_ns, or raise chip.tiles to at least 2, or "
        "tile.macros.mram to at least 8."
    )
    with pytest.raises(MappingError) as caught:
        map_workload(layers(2), chip(reprogram=REPROGRAM, **small), {})
    assert str(caught.value) == (
        "the static weights need 8 'mram' macros, 4 are present, and mapping.time_multiplex is "
        "true, but the weights of the other rounds have nowhere to come from: architecture "
        "'by_hand' has no off-chip memory.\n"
        "  Give chip.memory with technology, capacity_bytes, bandwidth_bits_per_ns and latency_ns, "
        "or raise chip.tiles to at least 2, or tile.macros.mram to at least 8."
    )


def test_a_chip_that_could_be_multiplexed_says_so():
    with pytest.raises(MappingError, match=r"; or set mapping.time_multiplex to true: macros are"):
        map_workload(layers(2), chip(macros={"mram": 4}, memory=DRAM, reprogram=REPROGRAM), {})


def test_a_stream_is_not_cut_between_rounds():
    graph = Graph()
    early = graph.linear("early", graph.input("x", 1, 8), 2)
    late = graph.unit("late.q", "gelu", graph.linear("late", graph.input("y", 1, 8), 2))
    graph.unit("sum", "requantize", early, late, stream_from="early")
    with pytest.raises(MappingError, match="'sum' takes the outputs of 'early' one by one, in rou"):
        map_workload(graph.build(), chip(macros={"mram": 1}, **MULTIPLEXED), {})


def test_an_operand_too_large_for_its_macros_is_written_in_passes():
    """Keys of 2 heads on 6 macros, values on 4; 5 macros are shared 3 to 2."""
    quantized = attention(tokens=5, width=8, heads=2)
    mapped = map_workload(
        quantized, chip(macros={"mram": 16, "sram": 5}, memory=DRAM), {"batch": 1}
    )
    logits, context = mapped.op("logits").placement, mapped.op("context").placement
    assert logits is not None
    assert context is not None
    assert (len(logits.blocks), logits.macros_per_pass, logits.passes) == (6, 3, 2)
    assert (len(context.blocks), context.macros_per_pass, context.passes) == (4, 2, 2)
    assert mapped.macros_used["sram"] == 5
    for placement in (logits, context):
        size = placement.macros_per_pass
        assert size is not None
        for start in range(0, len(placement.blocks), size):
            seats = [(b.tile, b.macro) for b in placement.blocks[start : start + size]]
            assert len(seats) == len(set(seats))
    # Keys and values live in the memory until their pass.
    for name, tensor in (("key.q", "key.q:out"), ("value.q", "value.q:out")):
        assert mapped.op(name).spilled == "memory"
        assert mapped.op(name).moved.memory_write_bits == 5 * 8 * 4
        assert Home(tensor, "memory", 5 * 8 * 4) in mapped.homes
    traffic = traffic_of(mapped)["logits"]
    assert [(fetch.source, fetch.bits) for fetch in traffic.stored] == [(MEMORY, 5 * 8 * 4)]
    # Each head's query is driven once: a pass holds one head, of 4 rows and 5 columns.
    assert sum(fetch.bits for fetch in traffic.inputs) == 5 * 8 * 4


def test_vectors_are_driven_again_in_every_pass():
    """4 rows and 6 columns on 1 macro of 2 columns: 3 passes, each with all vectors."""
    graph = Graph()
    a = graph.unit("a", "gelu", graph.input("x", 1, 3, 4))
    b = graph.unit("b", "gelu", graph.input("y", 1, 4, 6))
    graph.matmul("p", a, b)
    small = map_workload(graph.build(), chip(macros={"sram": 1}, memory=DRAM), {})
    large = map_workload(graph.build(), chip(macros={"sram": 3}), {})
    vectors_bits = 3 * 4 * 4
    assert sum(f.bits for f in traffic_of(large)["p"].inputs) == vectors_bits
    (fetch,) = traffic_of(small)["p"].inputs
    assert fetch.bits == 3 * vectors_bits
    assert [d.bits for d in fetch.deliveries] == [3 * vectors_bits]
    assert small.cells_used["sram"] == 4 * 2 * 4


def test_without_a_memory_a_large_operand_is_an_error():
    quantized = attention(tokens=5, width=8, heads=2)
    with pytest.raises(MappingError, match=r"with chip.memory, operands that do not fit are writ"):
        map_workload(quantized, chip(macros={"mram": 16, "sram": 5}), {"batch": 1})


def test_more_operands_than_macros_is_an_error():
    quantized = attention(tokens=5, width=8, heads=2)
    with pytest.raises(MappingError, match="op 'logits' needs 6 'sram' macros"):
        map_workload(quantized, chip(macros={"mram": 16, "sram": 1}, memory=DRAM), {"batch": 1})


def test_a_cache_that_does_not_fit_lives_in_the_memory():
    """8 macros hold the caches of two sequences; with 4, they are written one after the other."""
    mapped = map_workload(
        step(), chip(rows=8, cols=16, macros={"mram": 4, "sram": 4}, memory=DRAM), SIZES
    )
    scores = mapped.op("scores")
    assert scores.placement is not None
    assert (scores.placement.fresh, scores.placement.instances) == (None, HEADS)
    traffic = traffic_of(mapped)["scores"]
    assert traffic.stored_matrices == 2
    all_tokens = 2 * HEADS * (CONTEXT + 1) * DEPTH * 4
    assert [(fetch.source, fetch.bits) for fetch in traffic.stored] == [(MEMORY, all_tokens)]
    new_token = 2 * HEADS * DEPTH * 4
    assert mapped.op("new.q").moved.memory_write_bits == new_token
    assert Home("send:out", "memory", all_tokens - new_token) in mapped.homes


def test_caches_stay_through_all_rounds():
    graph_step = step()
    plenty = map_workload(graph_step, chip(rows=8, cols=16, **MULTIPLEXED), SIZES)
    assert plenty.rounds == 1
    tight = chip(rows=2, cols=16, macros={"mram": 1, "sram": 16}, **MULTIPLEXED)
    with pytest.raises(MappingError, match="op 'key' needs 2 'mram' macros"):
        map_workload(graph_step, tight, SIZES)


def test_a_cache_in_the_memory_needs_room_there():
    tiny = {**DRAM, "capacity_bytes": 10}
    with pytest.raises(MappingError, match=r"2 tensors need 48 bytes .* which has 10"):
        map_workload(
            step(), chip(rows=8, cols=16, macros={"mram": 4, "sram": 4}, memory=tiny), SIZES
        )


MAC_ARRAY = {"mac_array": {"model": "digital_mac", "lanes": 16}}


def test_products_of_activations_go_to_the_mac_array():
    quantized = attention(tokens=5, width=8, heads=2)
    mapped = map_workload(quantized, chip(macros={"mram": 16}, units=MAC_ARRAY), {"batch": 3})
    logits = mapped.op("logits")
    assert logits.placement is None
    assert logits.unit is not None
    assert (logits.unit.function, logits.unit.rows, logits.unit.length) == (
        "mac_array",
        3 * 2 * 5 * 5,
        4,
    )
    assert (logits.tokens, logits.tile) == (15, mapped.op("query.q").tile)
    assert mapped.macros_used == {"mram": 16, "sram": 0}
    assert [need.whole for need in logits.needs] == [False, True]
    # Both operands are read once: 3 samples of 5 x 8 codes of 4 bits.
    assert logits.moved.tile_buffer_read_bits == 2 * 3 * 5 * 8 * 4


def test_a_cache_of_the_mac_array_lives_in_the_memory():
    mapped = map_workload(step(), chip(macros={"mram": 16}, units=MAC_ARRAY, memory=DRAM), SIZES)
    traffic = traffic_of(mapped)["scores"]
    all_tokens = 2 * HEADS * (CONTEXT + 1) * DEPTH * 4
    assert {fetch.source: fetch.bits for fetch in traffic.inputs}[MEMORY] == all_tokens
    with pytest.raises(
        MappingError, match=r"'scores' multiplies with a cache .* no memory to keep"
    ):
        map_workload(step(), chip(macros={"mram": 16}, units=MAC_ARRAY), SIZES)


def test_neither_writable_macros_nor_a_mac_array_is_an_error():
    with pytest.raises(MappingError, match=r"or give units.mac_array, which multiplies without c"):
        map_workload(attention(5, 8, 2), chip(macros={"mram": 16}), {"batch": 1})


def test_mixed_rounds_keep_dynamic_operands_in_their_round():
    quantized = attention(tokens=5, width=8, heads=2)
    mapped = map_workload(
        quantized, chip(macros={"mram": 8, "sram": 10}, **MULTIPLEXED), {"batch": 1}
    )
    assert mapped.rounds == 2
    order = [op.round for op in mapped.ops]
    assert order == sorted(order)
    for op in mapped.ops:
        assert all(mapped.op(need.op).round <= op.round for need in op.needs)
